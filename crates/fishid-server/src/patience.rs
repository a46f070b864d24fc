//! How long a client waits for its answer, where it says so.

use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderName};
use fishid_serving::metrics::{Metrics, Rejection};

use crate::problem::{Kind, Problem};

/// Milliseconds from the request's head to the answer. A client that gives up earlier than the server would
/// has its photograph answered in time or refused at once.
pub(crate) const REQUEST_TIMEOUT: HeaderName = HeaderName::from_static("x-request-timeout-ms");

/// When the client stops waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience(Option<Instant>);

impl Patience {
    /// Of a request whose head came at `arrived`.
    pub(crate) fn of(headers: &HeaderMap, arrived: Instant) -> Result<Self, Problem> {
        let Some(value) = headers.get(REQUEST_TIMEOUT) else {
            return Ok(Self(None));
        };
        let milliseconds = value.to_str().ok().and_then(|text| text.parse().ok());
        match milliseconds {
            Some(milliseconds @ 1..) => {
                // What no clock can tell is no limit.
                Ok(Self(
                    arrived.checked_add(Duration::from_millis(milliseconds)),
                ))
            }
            _ => Err(Problem::new(
                Kind::BadHeader,
                format!("`{REQUEST_TIMEOUT}` must be a whole number of milliseconds, 1 or more."),
            )),
        }
    }

    /// When that is, where it has said so.
    pub(crate) fn ends(self) -> Option<Instant> {
        self.0
    }

    /// What is left of it; `most` where the client has said nothing.
    pub(crate) fn left(self, now: Instant, most: Duration) -> Duration {
        self.0
            .map_or(most, |until| until.saturating_duration_since(now))
    }

    /// What to tell of a photograph that came when nothing of it was left.
    pub(crate) fn ran_out(metrics: &Metrics) -> Problem {
        metrics.count_rejection(Rejection::Expired);
        Problem::new(
            Kind::DeadlineExceeded,
            "The time that `x-request-timeout-ms` allows was over before the photograph had come; allow more, \
             or send less.",
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use axum::http::HeaderValue;

    fn read(value: &'static str) -> Result<Duration, Problem> {
        let now = Instant::now();
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_TIMEOUT, HeaderValue::from_static(value));
        let arrived = now.checked_sub(Duration::from_millis(100)).unwrap();
        Ok(Patience::of(&headers, arrived)?.left(now, Duration::from_secs(5)))
    }

    #[test]
    fn it_counts_from_the_requests_head() {
        assert_eq!(read("300").unwrap(), Duration::from_millis(200));
        assert_eq!(read("50").unwrap(), Duration::ZERO);
        let silent = Patience::of(&HeaderMap::new(), Instant::now()).unwrap();
        let most = Duration::from_secs(5);
        assert_eq!(silent.left(Instant::now(), most), most);
        assert!(read("18446744073709551615").unwrap() > most);
    }

    #[test]
    fn anything_but_a_positive_whole_number_is_refused() {
        for value in ["0", "-1", "1.5", "2s", ""] {
            assert_eq!(read(value).unwrap_err().kind(), Kind::BadHeader, "{value}");
        }
    }
}
