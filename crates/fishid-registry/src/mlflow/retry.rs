//! Which failures are tried again, and after how long. Knows no call.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::error::MlflowError;
use super::settings::Timing;

/// A failed try.
#[derive(Debug)]
pub(crate) struct Failure {
    pub error: MlflowError,
    pub again: Again,
}

/// Whether the call may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// It cannot help.
    Never,
    /// It did not reach the server: every call may be repeated.
    Unsent,
    /// It may have been carried out: only a call that does no harm the second time is repeated, not
    /// before so long where the server said so.
    Uncertain(Option<Duration>),
}

impl Failure {
    pub fn is_worth_repeating(&self, idempotent: bool) -> bool {
        match self.again {
            Again::Never => false,
            Again::Unsent => true,
            Again::Uncertain(_) => idempotent,
        }
    }

    /// The wait before try `n` (the second try is 1): doubled each time, and between a half and the
    /// whole of it, so that many clients cut at once do not come back at once.
    pub fn backoff(&self, timing: &Timing, n: u32) -> Duration {
        let doubled = timing.first_backoff.saturating_mul(1 << (n - 1).min(16));
        // The standard library's hasher keys are random per call: enough to spread clients.
        let jitter = RandomState::new().hash_one(n) as f64 / u64::MAX as f64;
        let wait = doubled
            .min(timing.longest_backoff)
            .mul_f64(0.5 + 0.5 * jitter);
        match self.again {
            Again::Uncertain(Some(asked)) => wait.max(asked.min(timing.longest_backoff)),
            _ => wait,
        }
    }
}

/// How long the server asks to wait, in seconds; dates are rare and taken for no wish.
pub(crate) fn asked_wait(headers: &HeaderMap) -> Option<Duration> {
    let after = headers.get(RETRY_AFTER)?.to_str().ok()?;
    after.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(again: Again) -> Failure {
        let (server, call) = ("http://host".to_owned(), "a call".to_owned());
        let waited = Duration::ZERO;
        Failure {
            error: MlflowError::TimedOut {
                server,
                call,
                waited,
            },
            again,
        }
    }

    #[test]
    fn only_a_repeatable_call_is_repeated_after_it_may_have_been_carried_out() {
        for (again, once, repeatable) in [
            (Again::Never, false, false),
            (Again::Unsent, true, true),
            (Again::Uncertain(None), false, true),
        ] {
            let failure = failure(again);
            assert_eq!(failure.is_worth_repeating(false), once, "{again:?}");
            assert_eq!(failure.is_worth_repeating(true), repeatable, "{again:?}");
        }
    }

    #[test]
    fn waits_double_within_their_jitter_up_to_the_longest() {
        let timing = Timing {
            first_backoff: Duration::from_millis(100),
            longest_backoff: Duration::from_millis(250),
            ..Timing::default()
        };
        for (n, whole) in [(1, 100), (2, 200), (3, 250), (40, 250)] {
            let wait = failure(Again::Unsent).backoff(&timing, n).as_millis();
            assert!((whole / 2..=whole).contains(&wait), "{n}: {wait}");
        }
        let asked = Again::Uncertain(Some(Duration::from_mins(1)));
        assert_eq!(failure(asked).backoff(&timing, 1), timing.longest_backoff);
    }
}
