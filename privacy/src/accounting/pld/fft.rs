//! A real discrete Fourier transform of length `2^k`, with a bound on its rounding.
//!
//! Radix 2, decimation in time; a real sequence of length `n` is transformed as a complex one of `n / 2`. Every twiddle factor comes
//! from a sine and a cosine of its own (angle at most pi/4), so none inherits another's error.
//!
//! **Bound.** For a sequence whose magnitudes sum to 1, every coefficient is at most 1 and is off by at most [`Plan::error`]: each of
//! the `log2 n` levels adds terms of which the magnitudes sum to at most 1, with a relative error of a twiddle factor (1.5 units in
//! the last place), a complex product (2.3) and a sum (1); 8 are charged, for four levels more than there are.
//!
//! # References
//! N. Higham: *Accuracy and Stability of Numerical Algorithms*, 2nd edition, Section 24.1.

use std::f64::consts::PI;

/// A complex number.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Complex {
    pub(super) re: f64,
    pub(super) im: f64,
}

impl Complex {
    pub(super) fn polar(magnitude: f64, angle: f64) -> Self {
        let (sin, cos) = angle.sin_cos();
        Self {
            re: magnitude * cos,
            im: magnitude * sin,
        }
    }

    pub(super) fn magnitude(self) -> f64 {
        self.re.hypot(self.im)
    }

    pub(super) fn angle(self) -> f64 {
        self.im.atan2(self.re)
    }

    fn plus(self, other: Self) -> Self {
        Self {
            re: self.re + other.re,
            im: self.im + other.im,
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            re: self.re - other.re,
            im: self.im - other.im,
        }
    }

    fn times(self, other: Self) -> Self {
        Self {
            re: self.re * other.re - self.im * other.im,
            im: self.re * other.im + self.im * other.re,
        }
    }

    fn conjugate(self) -> Self {
        Self {
            re: self.re,
            im: -self.im,
        }
    }

    fn scaled(self, by: f64) -> Self {
        Self {
            re: self.re * by,
            im: self.im * by,
        }
    }
}

/// Transforms of one length.
pub(super) struct Plan {
    length: usize,
    /// `e^(-2 pi i k / length)` for `k` up to half the length.
    roots: Vec<Complex>,
}

impl Plan {
    /// For sequences of `length`, a power of two and at least 4.
    pub(super) fn new(length: usize) -> Self {
        debug_assert!(length.is_power_of_two() && length >= 4);
        Self {
            length,
            roots: (0..length / 2).map(|k| root(k, length)).collect(),
        }
    }

    /// The length.
    pub(super) fn points(&self) -> usize {
        self.length
    }

    /// What a coefficient of a sequence is off by at most, if the sequence's magnitudes sum to 1.
    pub(super) fn error(&self) -> f64 {
        let levels = f64::from(self.length.ilog2() + 4);
        8.0 * levels * f64::EPSILON / 2.0
    }

    /// The coefficients 0 to `n / 2` of a real sequence of `n`.
    pub(super) fn forward(&self, sequence: &[f64]) -> Vec<Complex> {
        let half = self.length / 2;
        let mut packed: Vec<Complex> = sequence
            .chunks_exact(2)
            .map(|pair| Complex {
                re: pair[0],
                im: pair[1],
            })
            .collect();
        self.transform(&mut packed);
        (0..=half)
            .map(|k| {
                let (a, b) = (packed[k % half], packed[(half - k) % half].conjugate());
                let (even, odd) = (a.plus(b).scaled(0.5), a.minus(b).scaled(0.5));
                // (a - b) / 2i, turned by the root.
                let odd = Complex {
                    re: odd.im,
                    im: -odd.re,
                };
                let root = if k == half {
                    Complex { re: -1.0, im: 0.0 }
                } else {
                    self.roots[k]
                };
                even.plus(odd.times(root))
            })
            .collect()
    }

    /// The real sequence of coefficients 0 to `n / 2`.
    pub(super) fn inverse(&self, coefficients: &[Complex]) -> Vec<f64> {
        let half = self.length / 2;
        // The inverse of a transform is the conjugate of the transform of the conjugate.
        let mut packed: Vec<Complex> = (0..half)
            .map(|k| {
                let (a, b) = (coefficients[k], coefficients[half - k].conjugate());
                let (even, odd) = (a.plus(b).scaled(0.5), a.minus(b).scaled(0.5));
                let odd = odd.times(self.roots[k].conjugate());
                even.plus(Complex {
                    re: -odd.im,
                    im: odd.re,
                })
                .conjugate()
            })
            .collect();
        self.transform(&mut packed);
        let scale = 1.0 / half as f64;
        packed.iter().flat_map(|z| [z.re * scale, -z.im * scale]).collect()
    }

    /// The complex transform of half the length, in place.
    fn transform(&self, data: &mut [Complex]) {
        let n = data.len();
        let shift = usize::BITS - n.ilog2();
        for i in 0..n {
            let j = i.reverse_bits().checked_shr(shift).unwrap_or(0);
            if i < j {
                data.swap(i, j);
            }
        }
        let mut width = 1;
        while width < n {
            let stride = self.length / (2 * width);
            for block in data.chunks_exact_mut(2 * width) {
                let (low, high) = block.split_at_mut(width);
                for ((a, b), root) in low.iter_mut().zip(high).zip(self.roots.iter().step_by(stride)) {
                    let turned = b.times(*root);
                    (*a, *b) = (a.plus(turned), a.minus(turned));
                }
            }
            width *= 2;
        }
    }
}

/// `e^(-2 pi i k / n)` for `k < n / 2`, by symmetry from an angle of at most pi/4.
fn root(k: usize, n: usize) -> Complex {
    let angle = |k: usize| 2.0 * PI * k as f64 / n as f64;
    let (sin, cos) = match 8 * k / n {
        0 => angle(k).sin_cos(),
        1 => {
            let (sin, cos) = angle(n / 4 - k).sin_cos();
            (cos, sin)
        }
        2 => {
            let (sin, cos) = angle(k - n / 4).sin_cos();
            (cos, -sin)
        }
        _ => {
            let (sin, cos) = angle(n / 2 - k).sin_cos();
            (sin, -cos)
        }
    };
    Complex { re: cos, im: -sin }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(n: usize) -> Vec<f64> {
        let raw: Vec<f64> = (0..n).map(|i| ((i * i + 7 * i) % 101) as f64 - 30.0).collect();
        let sum: f64 = raw.iter().map(|x| x.abs()).sum();
        raw.into_iter().map(|x| x / sum).collect()
    }

    #[test]
    fn agrees_with_the_definition_within_its_bound() {
        for n in [4, 8, 64, 512] {
            let plan = Plan::new(n);
            let x = sequence(n);
            for (k, got) in plan.forward(&x).into_iter().enumerate() {
                let terms = x
                    .iter()
                    .enumerate()
                    .map(|(j, x)| (x, -2.0 * PI * ((j * k) % n) as f64 / n as f64));
                let (re, im) = terms.fold((0.0, 0.0), |(re, im), (x, t)| (re + x * t.cos(), im + x * t.sin()));
                assert!(
                    (got.re - re).hypot(got.im - im) < plan.error() + 1e-15,
                    "{n} {k}: {got:?} {re} {im}"
                );
            }
        }
    }

    #[test]
    fn there_and_back() {
        let plan = Plan::new(1 << 14);
        let x = sequence(1 << 14);
        let back = plan.inverse(&plan.forward(&x));
        assert!(x.iter().zip(&back).all(|(a, b)| (a - b).abs() < 2.0 * plan.error()));
    }
}
