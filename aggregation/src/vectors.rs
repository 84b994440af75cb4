//! Inner loops compiled twice, for any processor of the target and for those with 256-bit vectors, chosen when they run.
//!
//! **Claim.** Results don't depend on the choice. Both are the same source, whose sums have their order written out, and the
//! compiler neither reorders floating-point operations nor fuses a product with a sum; only how many values an instruction takes
//! differs. So whoever replays a round on another processor gets the same bits.
//!
//! **How.** [`Work::run`] is compiled into a function that may use AVX2 ([`pulp`] holds the only unsafe call, behind a check of the
//! processor) and into one that may not. That reaches as far as the compiler inlines: loops that are to profit, and what they call, are
//! `#[inline(always)]`.
//!
//! On processors other than x86-64 there is one version, whose vectors are the target's.

#[cfg(target_arch = "x86_64")]
use pulp::{NullaryFnOnce, x86::V3};

/// A loop worth compiling for wide vectors.
pub(crate) trait Work {
    /// What it gives.
    type Output;

    /// Does it; `#[inline(always)]` in every implementation.
    fn run(self) -> Self::Output;
}

/// The vectors of the processor that this runs on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vectors {
    #[cfg(target_arch = "x86_64")]
    wide: Option<V3>,
}

#[cfg(target_arch = "x86_64")]
struct Wide<W>(W);

#[cfg(target_arch = "x86_64")]
impl<W: Work> NullaryFnOnce for Wide<W> {
    type Output = W::Output;

    #[inline(always)]
    fn call(self) -> W::Output {
        self.0.run()
    }
}

impl Vectors {
    /// Asks the processor, or what was kept of its answer.
    pub(crate) fn here() -> Self {
        Self {
            #[cfg(target_arch = "x86_64")]
            wide: V3::try_new(),
        }
    }

    /// None but those that every processor of the target has.
    #[cfg(test)]
    pub(crate) fn least() -> Self {
        Self {
            #[cfg(target_arch = "x86_64")]
            wide: None,
        }
    }

    /// Does the work on the widest there are.
    #[inline(always)]
    pub(crate) fn run<W: Work>(self, work: W) -> W::Output {
        #[cfg(target_arch = "x86_64")]
        if let Some(wide) = self.wide {
            return wide.vectorize(Wide(work));
        }
        work.run()
    }
}
