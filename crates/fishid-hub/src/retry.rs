//! How long to wait before asking again. Knows no request and no file.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::error::HubError;
use crate::settings::Timing;

/// A failed attempt.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Asking again cannot help.
    Final(Box<HubError>),
    /// Asking again may help, not before so long where the hub said so.
    Passing(Box<HubError>, Option<Duration>),
}

impl Failure {
    /// A failure after which the hub may be asked again at once.
    pub fn passing(error: HubError) -> Self {
        Self::Passing(Box::new(error), None)
    }
}

impl From<HubError> for Failure {
    fn from(error: HubError) -> Self {
        Self::Final(Box::new(error))
    }
}

/// The wait before attempt `n` (the second attempt is 1): doubled each time, and between a half and
/// the whole of it, so that many clients cut at once do not come back at once.
pub(crate) fn backoff(timing: &Timing, n: u32) -> Duration {
    let doubled = timing.first_backoff.saturating_mul(1 << (n - 1).min(16));
    // The standard library's hasher keys are random per call: enough to spread clients.
    let jitter = RandomState::new().hash_one(n) as f64 / u64::MAX as f64;
    doubled.min(timing.longest_wait).mul_f64(0.5 + 0.5 * jitter)
}

/// How long the hub asks to wait: `Retry-After` in seconds or as a date, else the reset time of a
/// `RateLimit` header (`"resolvers";r=0;t=55`).
pub(crate) fn asked_wait(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(after) = text(RETRY_AFTER.as_str()) {
        let after = after.trim();
        return match after.parse() {
            Ok(seconds) => Some(Duration::from_secs(seconds)),
            Err(_) => until(after),
        };
    }
    let reset = text("ratelimit")?
        .split(';')
        .find_map(|part| part.trim().strip_prefix("t="))?;
    Some(Duration::from_secs(reset.parse().ok()?))
}

/// From now until a date as HTTP writes it; nothing for a date that has passed.
fn until(date: &str) -> Option<Duration> {
    let then = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    Some(Duration::try_from(then.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn check(header: (&'static str, &str), expected: Option<Duration>) {
        let mut headers = HeaderMap::new();
        headers.insert(header.0, header.1.parse().unwrap());
        assert_eq!(asked_wait(&headers), expected, "{header:?}");
    }

    #[test]
    fn a_wait_is_read_in_each_form_that_hubs_use() {
        check(("retry-after", "90"), Some(Duration::from_secs(90)));
        check(
            ("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"),
            Some(Duration::ZERO),
        );
        check(
            ("ratelimit", "\"resolvers\";r=0;t=55"),
            Some(Duration::from_secs(55)),
        );
        check(("retry-after", "soon"), None);
        check(("etag", "90"), None);
    }

    #[test]
    fn waits_double_within_their_jitter_up_to_the_longest() {
        let timing = Timing {
            first_backoff: Duration::from_millis(100),
            longest_wait: Duration::from_millis(250),
            ..Timing::default()
        };
        for (n, whole) in [(1, 100), (2, 200), (3, 250), (40, 250)] {
            let wait = backoff(&timing, n).as_millis();
            assert!((whole / 2..=whole).contains(&wait), "{n}: {wait}");
        }
    }
}
