//! One client's mini-batches: its examples in a random order, a batch after the other, and a new order for each pass.
//!
//! Within a pass no example is drawn twice. A pass ends when the examples do, the last batch being smaller where they
//! don't divide, or after a given number of batches.

use xfl_core::seed::Stream;

/// Batches of one client without end.
pub(crate) struct Batches {
    rows: Vec<usize>,
    size: usize,
    per_pass: usize,
    drawn: usize,
    stream: Stream,
}

impl Batches {
    /// Batches of `size` of the examples `rows`, both at least 1, in passes of at most `per_pass`.
    pub(crate) fn new(rows: Vec<usize>, size: usize, per_pass: usize, stream: Stream) -> Self {
        let size = size.max(1);
        let per_pass = per_pass.min(rows.len().div_ceil(size)).max(1);
        Self {
            rows,
            size,
            per_pass,
            drawn: 0,
            stream,
        }
    }

    /// The next batch, as indices of examples; empty only for a client without any.
    pub(crate) fn draw(&mut self) -> &[usize] {
        if self.drawn == 0 {
            self.stream.shuffle(&mut self.rows);
        }
        let start = self.drawn * self.size;
        self.drawn = (self.drawn + 1) % self.per_pass;
        &self.rows[start.min(self.rows.len())..self.rows.len().min(start + self.size)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use xfl_core::seed::Seed;

    #[test]
    fn a_pass_draws_every_example_once_and_the_next_in_another_order() {
        let mut batches = Batches::new((10..20).collect(), 4, usize::MAX, Seed::from_number(1).stream());
        let mut pass = || {
            let sizes_and_rows = (0..3).map(|_| batches.draw().to_vec()).collect::<Vec<_>>();
            assert_eq!(sizes_and_rows.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2]);
            sizes_and_rows.concat()
        };
        let (first, second) = (pass(), pass());
        assert_ne!(first, second);
        for pass in [first, second] {
            assert_eq!(BTreeSet::from_iter(pass), (10..20).collect());
        }
    }

    #[test]
    fn a_pass_may_be_cut_short() {
        let mut batches = Batches::new((0..100).collect(), 5, 2, Seed::from_number(1).stream());
        let draws: Vec<Vec<usize>> = (0..4).map(|_| batches.draw().to_vec()).collect();
        for pass in draws.chunks(2) {
            assert_eq!(pass.concat().into_iter().collect::<BTreeSet<_>>().len(), 10);
        }
        // Ten of a hundred twice: without a new order the second pass would be the first again.
        assert_ne!(draws[0], draws[2]);
        assert!(
            Batches::new(vec![], 5, 2, Seed::from_number(1).stream())
                .draw()
                .is_empty()
        );
    }
}
