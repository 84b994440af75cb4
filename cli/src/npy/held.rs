//! Numbers held in memory by the million, on large pages where the system has them.
//!
//! A rule reads all rows at once, column by column. On pages of 4 KiB that is a miss of the address cache for each row every thousand
//! numbers, and takes twice as long as on pages of 2 MiB. NumPy asks for the same for its arrays. Where the system has
//! no such pages, or won't give them, nothing is different but the time.

use std::{io, marker::PhantomData, ops::Deref};

use bytemuck::Pod;
use memmap2::MmapMut;

/// Numbers in a memory map of their own; no file is behind it.
#[derive(Debug)]
pub(crate) struct Held<T> {
    map: MmapMut,
    numbers: PhantomData<T>,
}

impl<T: Pod> Held<T> {
    /// `numbers` zeros, at least one.
    ///
    /// # Errors
    /// Where the system has no memory for them.
    pub(crate) fn zeros(numbers: usize) -> io::Result<Self> {
        let bytes = numbers
            .checked_mul(size_of::<T>())
            .ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        let map = MmapMut::map_anon(bytes)?;
        // Advice alone: a system without such pages refuses it.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        Ok(Self {
            map,
            numbers: PhantomData,
        })
    }

    /// The numbers, to be written.
    pub(crate) fn numbers_mut(&mut self) -> &mut [T] {
        // A map begins at a page, so the cast is aligned; and it is a whole number of numbers long.
        bytemuck::cast_slice_mut(&mut self.map)
    }
}

impl<T: Pod> Deref for Held<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        bytemuck::cast_slice(&self.map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_zero_at_first_and_what_is_written_afterwards() {
        let mut held = Held::<f64>::zeros(700_001).unwrap();
        assert_eq!(held.len(), 700_001);
        assert!(held.iter().all(|&v| v == 0.0));
        held.numbers_mut()[700_000] = 3.5;
        assert_eq!(held[700_000], 3.5);
    }

    #[test]
    fn more_than_there_is_is_an_error() {
        assert!(Held::<f64>::zeros(usize::MAX / 4).is_err());
        assert!(Held::<f32>::zeros(1 << 60).is_err());
    }
}
