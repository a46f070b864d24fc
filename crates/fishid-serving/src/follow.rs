//! Follows a source of models: looks at it on its own thread, loads and warms what is new beside the
//! model that answers, and swaps. Whatever goes wrong, the model that answers goes on answering.

mod bring_in;
mod watch;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::metrics::ReloadResult;
use crate::model::{Identity, ModelSource, SourceError, VersionTag};
use crate::pool::contain;
use crate::service::Service;

use bring_in::{Broken, Loader};
pub use watch::Following;

/// A version that failed is left alone this long, then twice as long, up to [`LONGEST_BACK_OFF`].
const FIRST_BACK_OFF: Duration = Duration::from_secs(15);
const LONGEST_BACK_OFF: Duration = Duration::from_mins(10);

/// What one look at the source came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Polled {
    /// The source names the model that answers already.
    Unchanged,
    /// The source has no model; the one that answers, if any, stays.
    Nothing,
    /// Another model answers now.
    Swapped(Arc<Identity>),
    /// The source could not be asked.
    SourceFailed,
    /// The source could not be asked and nothing answered yet: the model that was installed last, in an earlier
    /// life, answers now. After a first model that is [`Polled::Refused`] it does so too.
    FellBack(Arc<Identity>),
    /// The model could not be loaded, or failed its warm-up, or was too slow at either.
    Refused(VersionTag),
    /// The source names a version that failed lately; it is tried again later.
    BackingOff(VersionTag),
    /// While that version was loaded the source began to name another, which has not been looked at yet.
    Superseded(VersionTag),
}

struct Failure {
    tag: VersionTag,
    n_times: u32,
    retry_at: Instant,
}

/// Brings the models of a source into a service.
pub struct Follower<S: ModelSource> {
    source: Arc<S>,
    service: Service<S::Model>,
    loader: Loader<S>,
    installed: Option<VersionTag>,
    failure: Option<Failure>,
    source_is_down: bool,
    fallback_was_tried: bool,
}

impl<S: ModelSource> Follower<S> {
    /// Nothing is asked yet.
    pub fn new(source: S, service: Service<S::Model>) -> Self {
        let source = Arc::new(source);
        Self {
            loader: Loader::new(Arc::clone(&source), service.clone()),
            source,
            service,
            installed: None,
            failure: None,
            source_is_down: false,
            fallback_was_tried: false,
        }
    }

    /// Looks at the source once. Takes as long as the loading and the warm-up of a new model, at most
    /// [`crate::ServingConfig::load_timeout`]. `now` is the clock of the back-off.
    pub fn poll(&mut self, now: Instant) -> Polled {
        let is_insisted_on = self.service.reload_hint().take_insistence();
        let source = &self.source;
        let is_first = self.installed.is_none() && !self.fallback_was_tried;
        let look = || {
            if is_first {
                source.first_look()
            } else {
                source.current()
            }
        };
        let current = contain(look).unwrap_or_else(|message| Err(message.into()));
        let tag = match current {
            Ok(current) => {
                self.service.source_answered();
                if std::mem::take(&mut self.source_is_down) {
                    tracing::info!("the source of models answers again");
                }
                let Some(tag) = current else {
                    return Polled::Nothing;
                };
                tag
            }
            Err(error) => {
                self.source_failed(&error);
                return self
                    .fall_back()
                    .map_or(Polled::SourceFailed, Polled::FellBack);
            }
        };
        if self.installed.as_ref() == Some(&tag) {
            return Polled::Unchanged;
        }
        let failed_lately =
            |failed: &Failure| failed.tag == tag && now < failed.retry_at && !is_insisted_on;
        if self.failure.as_ref().is_some_and(failed_lately) {
            self.service.fell_behind();
            return Polled::BackingOff(tag);
        }
        match self.loader.bring_in(&tag) {
            Ok(identity) => {
                self.source.installed(&tag);
                self.installed = Some(tag);
                self.failure = None;
                Polled::Swapped(identity)
            }
            Err(Broken::Superseded) => {
                tracing::info!(version = %tag, "given up, the source names another version by now");
                Polled::Superseded(tag)
            }
            Err(Broken::Refused(error)) => {
                let polled = self.refused(tag, &error, now);
                self.service.fell_behind();
                self.fall_back();
                polled
            }
        }
    }

    /// Once, and only while nothing answers: whatever answers already is at least as new.
    fn fall_back(&mut self) -> Option<Arc<Identity>> {
        if self.installed.is_some() || std::mem::replace(&mut self.fallback_was_tried, true) {
            return None;
        }
        let kept =
            contain(|| self.source.fall_back()).unwrap_or_else(|message| Err(message.into()));
        let outcome = match kept {
            Ok(None) => return None,
            Ok(Some((tag, model))) => self
                .service
                .install(model)
                .map(|identity| (tag, identity))
                .map_err(SourceError::from),
            Err(error) => {
                let metrics = self.service.metrics();
                metrics.count_reload(ReloadResult::LoadFailed);
                Err(error)
            }
        };
        match outcome {
            Ok((tag, identity)) => {
                tracing::warn!(
                    version = %tag,
                    "answering with the model served last, which may be stale, until the source's own is here"
                );
                self.installed = Some(tag);
                Some(identity)
            }
            Err(error) => {
                tracing::error!(
                    error = %chain(error.as_ref()),
                    "the model served last cannot be used, nothing answers until the source's own is here"
                );
                None
            }
        }
    }

    fn source_failed(&mut self, error: &SourceError) {
        self.service.source_failed();
        // Once per outage: a registry that is away for an hour must not fill the log.
        if !std::mem::replace(&mut self.source_is_down, true) {
            let serving = self.installed.as_ref().map(ToString::to_string);
            tracing::warn!(
                error = %chain(error.as_ref()),
                serving,
                "the source of models does not answer, the model stays"
            );
        }
    }

    fn refused(&mut self, tag: VersionTag, error: &SourceError, now: Instant) -> Polled {
        let n_before = self
            .failure
            .as_ref()
            .filter(|failed| failed.tag == tag)
            .map_or(0, |f| f.n_times);
        let back_off = FIRST_BACK_OFF
            .saturating_mul(1 << n_before.min(16))
            .min(LONGEST_BACK_OFF);
        tracing::error!(
            version = %tag,
            error = %chain(error.as_ref()),
            serving = self.installed.as_ref().map(ToString::to_string),
            retry_in_s = back_off.as_secs(),
            "model refused, whatever answered before stays"
        );
        self.failure = Some(Failure {
            tag: tag.clone(),
            n_times: n_before + 1,
            retry_at: now + back_off,
        });
        Polled::Refused(tag)
    }
}

/// An error with its causes, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
