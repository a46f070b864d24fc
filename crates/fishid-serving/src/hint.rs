//! A hint to look at the source of models now. It says that, and nothing else: what to serve is still read from
//! the source, so whoever can give a hint can cost one look and choose no model.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crossbeam_channel::{Receiver, Sender};

/// What a hint came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hinted {
    /// The source, in words, is looked at now; many hints given meanwhile are one look.
    Looking {
        /// What is looked at.
        at: String,
    },
    /// Nothing is followed: one model, for ever.
    NothingToFollow,
}

/// Wakes the follower of a service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ReloadHint(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Room for one: a second hint before the first is taken adds nothing.
    wake: Sender<()>,
    woken: Receiver<()>,
    /// Somebody wants a version tried that failed lately.
    is_insistent: AtomicBool,
    followed: OnceLock<String>,
}

impl ReloadHint {
    pub(crate) fn new() -> Self {
        let (wake, woken) = crossbeam_channel::bounded(1);
        Self(Arc::new(Inner {
            wake,
            woken,
            is_insistent: AtomicBool::new(false),
            followed: OnceLock::new(),
        }))
    }

    /// Asks for a look now.
    pub fn look_now(&self) -> Hinted {
        let Some(at) = self.0.followed.get() else {
            return Hinted::NothingToFollow;
        };
        // A full channel is a hint that is waiting already.
        let _ = self.0.wake.try_send(());
        Hinted::Looking { at: at.clone() }
    }

    /// The same, and a version that failed lately is tried again at once: for a person who has mended what was wrong.
    pub fn insist(&self) -> Hinted {
        self.0.is_insistent.store(true, Ordering::Release);
        self.look_now()
    }

    pub(crate) fn take_insistence(&self) -> bool {
        self.0.is_insistent.swap(false, Ordering::AcqRel)
    }

    /// The follower's end; `place` is what it follows, in words.
    pub(crate) fn listen(&self, place: String) -> Receiver<()> {
        // A service has one follower; the words of the first stay.
        let _ = self.0.followed.set(place);
        self.0.woken.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_hints_are_one_and_none_is_taken_while_nothing_is_followed() {
        let hint = ReloadHint::new();
        assert_eq!(hint.look_now(), Hinted::NothingToFollow);
        let woken = hint.listen("a folder".to_owned());
        assert!(woken.try_recv().is_err(), "the refused hint left nothing");
        for _ in 0..100 {
            let at = "a folder".to_owned();
            assert_eq!(hint.clone().look_now(), Hinted::Looking { at });
        }
        assert!(woken.try_recv().is_ok());
        assert!(woken.try_recv().is_err());
    }
}
