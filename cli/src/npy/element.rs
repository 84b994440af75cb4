//! The four types of numbers, and their bytes.

use std::fmt;

/// A type of numbers, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 32-bit floating point.
    F32,
    /// 64-bit floating point.
    F64,
    /// 32-bit integers.
    I32,
    /// 64-bit integers.
    I64,
}

impl Kind {
    const ALL: [Self; 4] = [Self::F32, Self::F64, Self::I32, Self::I64];

    /// As the format writes it.
    pub(crate) fn descr(self) -> &'static str {
        match self {
            Self::F32 => "<f4",
            Self::F64 => "<f8",
            Self::I32 => "<i4",
            Self::I64 => "<i8",
        }
    }

    /// The type that the format writes so, if it is one of the four.
    pub(crate) fn of(descr: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.descr() == descr)
    }

    /// Bytes a number.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::F32 | Self::I32 => 4,
            Self::F64 | Self::I64 => 8,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.descr())
    }
}

/// A number that a file may hold.
pub(crate) trait Element: bytemuck::Pod + Default + Send + Sync + sealed::Sealed {
    /// Its type.
    const KIND: Kind;

    /// Numbers from their bytes; `bytes` has `out.len()` times [`Kind::size`] of them.
    fn decode(bytes: &[u8], out: &mut [Self]);

    /// Bytes from numbers; the same lengths.
    fn encode(values: &[Self], out: &mut [u8]);
}

mod sealed {
    pub(crate) trait Sealed {}
}

macro_rules! element {
    ($type:ty, $kind:ident, $size:literal) => {
        impl sealed::Sealed for $type {}

        impl Element for $type {
            const KIND: Kind = Kind::$kind;

            fn decode(bytes: &[u8], out: &mut [Self]) {
                let (numbers, _) = bytes.as_chunks::<$size>();
                for (out, &number) in out.iter_mut().zip(numbers) {
                    *out = Self::from_le_bytes(number);
                }
            }

            fn encode(values: &[Self], out: &mut [u8]) {
                let (numbers, _) = out.as_chunks_mut::<$size>();
                for (out, value) in numbers.iter_mut().zip(values) {
                    *out = value.to_le_bytes();
                }
            }
        }
    };
}

element!(f32, F32, 4);
element!(f64, F64, 8);
element!(i32, I32, 4);
element!(i64, I64, 8);
