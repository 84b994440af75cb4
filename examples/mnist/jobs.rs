//! Jobs on several threads, each on one: runs of different cells don't wait for one another.
//!
//! A thread has a pool of one for the library's parallel passes, so that a run's cost does not depend on its neighbours.
//! Results come back in the order of the jobs.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::{ThreadPoolBuildError, ThreadPoolBuilder};

/// `work` on every job, on `threads` threads.
///
/// # Errors
/// Where a thread can't be started.
pub(crate) fn run<J: Sync, R: Send>(
    jobs: &[J],
    threads: usize,
    work: impl Fn(&J) -> R + Sync,
) -> Result<Vec<R>, ThreadPoolBuildError> {
    let threads = threads.clamp(1, jobs.len().max(1));
    let pools = (0..threads).map(|_| ThreadPoolBuilder::new().num_threads(1).build());
    let pools = pools.collect::<Result<Vec<_>, _>>()?;
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(jobs.len()));
    std::thread::scope(|scope| {
        for pool in &pools {
            let (next, done, work) = (&next, &done, &work);
            scope.spawn(move || {
                pool.install(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(job) = jobs.get(index) else { break };
                        let result = work(job);
                        // A thread that panicked ends the scope with its panic, so what it left is never read.
                        if let Ok(mut done) = done.lock() {
                            done.push((index, result));
                        }
                    }
                });
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        let jobs: Vec<u64> = (0..40).collect();
        for threads in [0, 1, 3, 100] {
            let squares = run(&jobs, threads, |job| {
                std::thread::sleep(std::time::Duration::from_micros(500 * (job % 3)));
                assert_eq!(rayon::current_num_threads(), 1);
                job * job
            });
            let expected: Vec<u64> = jobs.iter().map(|job| job * job).collect();
            assert_eq!(squares.unwrap(), expected);
        }
        assert!(run(&[], 2, |job: &u64| *job).unwrap().is_empty());
    }
}
