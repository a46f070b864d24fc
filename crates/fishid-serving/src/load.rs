//! How long the next place in the queue will take, from what photographs took lately.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Weight of the newest photograph in the moving mean.
const NEWEST: f64 = 0.2;
/// Before anything was measured.
const FIRST_GUESS_SECONDS: f64 = 0.1;

/// Moving mean of the seconds a worker spends on one photograph.
#[derive(Debug)]
pub(crate) struct WorkTime(AtomicU64);

impl WorkTime {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(FIRST_GUESS_SECONDS.to_bits()))
    }

    /// Two workers may overwrite each other's update; an estimate can bear it.
    pub(crate) fn record(&self, spent: Duration) {
        let mean = f64::from_bits(self.0.load(Ordering::Relaxed));
        let next = mean + NEWEST * (spent.as_secs_f64() - mean);
        self.0.store(next.to_bits(), Ordering::Relaxed);
    }

    /// Time until `accepted` photographs are answered by `n_workers`.
    pub(crate) fn wait_for(&self, accepted: usize, n_workers: usize) -> Duration {
        let mean = f64::from_bits(self.0.load(Ordering::Relaxed));
        Duration::from_secs_f64(mean * accepted as f64 / n_workers.max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_follows_what_photographs_take_and_is_shared_by_the_workers() {
        let work = WorkTime::new();
        for _ in 0..100 {
            work.record(Duration::from_millis(500));
        }
        let wait = work.wait_for(8, 2).as_secs_f64();
        assert!((wait - 2.0).abs() < 0.01, "{wait}");
    }
}
