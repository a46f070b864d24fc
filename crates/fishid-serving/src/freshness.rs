//! Whether the model that answers is known to be the one that its source names now.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// What is known of the model that answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Freshness {
    /// The last look at the source failed, so that it may name another model by now; or it names one that cannot be
    /// loaded.
    pub may_be_stale: bool,
    /// When the source last answered; `None` when it never did, or there is none to ask.
    pub asked_at: Option<SystemTime>,
}

/// The freshness, shared between the follower that learns it and the requests that tell it.
#[derive(Debug, Default)]
pub(crate) struct SharedFreshness(Mutex<Freshness>);

impl SharedFreshness {
    pub(crate) fn get(&self) -> Freshness {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn source_answered(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Freshness {
            may_be_stale: false,
            asked_at: Some(SystemTime::now()),
        };
    }

    /// Another model than the one that the source names answers, or may answer.
    pub(crate) fn fell_behind(&self) {
        let mut freshness = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        freshness.may_be_stale = true;
    }
}
