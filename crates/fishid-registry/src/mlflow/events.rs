//! What fishid writes down of a model's past, since `MLflow` keeps none: one tag of the registered model per
//! event, written before the change and once more after it. What such tags come to is told by `history`.

use std::hash::{BuildHasher as _, RandomState};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::error::MlflowError;
use super::model::RemoteModel;
use super::wire::Tag;
use crate::registry::{Action, Note};

/// Keys of these tags begin with it.
const PREFIX: &str = "fishid.event.";

/// Who acts where nobody said so.
pub(crate) const UNKNOWN: &str = "unknown";

/// Texts are cut at this many bytes: older servers take no tag above 5000.
const MAX_TEXT: usize = 1800;

/// Whether an event happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// It was about to: whether it did, the rest tells.
    Intended,
    /// It did.
    Done,
}

/// One event as it stands in its tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Recorded {
    #[serde(skip)]
    pub key: String,
    pub state: State,
    /// When it was intended, then when it was done.
    pub time: Timestamp,
    pub who: String,
    pub why: String,
    pub action: Action,
    #[serde(default)]
    pub alias: Option<String>,
    #[serde(default)]
    pub from: Option<String>,
    pub to: String,
    /// For a deletion: what its version can no longer say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Publication>,
}

/// The publication of a version that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Publication {
    pub time: Timestamp,
    pub who: String,
    pub why: String,
}

/// What an event is made of.
#[derive(Clone, Debug)]
pub(crate) struct Intention<'a> {
    pub action: Action,
    pub alias: Option<&'a str>,
    pub from: Option<String>,
    pub to: &'a str,
    pub note: &'a Note,
    pub published: Option<Publication>,
}

impl Recorded {
    /// An event that is about to happen, after everything at `last`.
    pub fn intended(intention: Intention<'_>, last: Timestamp) -> Self {
        let time = after(last);
        Self {
            key: new_key(time),
            state: State::Intended,
            time,
            who: shortened(&intention.note.who),
            why: shortened(&intention.note.why),
            action: intention.action,
            alias: intention.alias.map(str::to_owned),
            from: intention.from,
            to: intention.to.to_owned(),
            published: intention.published,
        }
    }

    /// Writes the event into its tag.
    pub fn write(&self, model: &RemoteModel) -> Result<(), MlflowError> {
        let text = serde_json::to_string(self).map_err(|error| MlflowError::Client {
            server: model.client.server().to_owned(),
            reason: error.to_string(),
        })?;
        model.set_tag(&self.key, &text)
    }

    /// Notes that it happened, just now.
    pub fn done(&mut self, model: &RemoteModel) -> Result<(), MlflowError> {
        self.state = State::Done;
        self.time = after(self.time);
        self.write(model)
    }
}

/// A moment after `last`: clocks of several machines differ, and a history's times ascend.
pub(crate) fn after(last: Timestamp) -> Timestamp {
    let next = last
        .checked_add(SignedDuration::from_micros(1))
        .unwrap_or(last);
    Timestamp::now().max(next)
}

/// Clocks that differ by more than this are wrong, not skewed.
const MAX_SKEW: SignedDuration = SignedDuration::from_hours(24);

/// Whether a time can only come from a wrong clock. `known` is a moment that has passed by another clock, the
/// server's: this machine's own may be the one that is wrong.
pub(crate) fn is_far_ahead(time: Timestamp, known: Timestamp) -> bool {
    time.duration_since(Timestamp::now().max(known)) > MAX_SKEW
}

/// The events among a model's tags. One that cannot be read was changed by hand and is left out.
pub(crate) fn recorded(tags: &[Tag]) -> Vec<Recorded> {
    let ours = tags.iter().filter(|tag| tag.key.starts_with(PREFIX));
    ours.filter_map(|tag| match serde_json::from_str::<Recorded>(&tag.value) {
        Ok(event) => Some(Recorded {
            key: tag.key.clone(),
            ..event
        }),
        Err(error) => {
            tracing::warn!(tag = tag.key, %error, "left out an event that cannot be read");
            None
        }
    })
    .collect()
}

/// A key nobody else writes: no two writers of one model know of each other.
fn new_key(time: Timestamp) -> String {
    let random = RandomState::new().hash_one(std::process::id());
    format!("{PREFIX}{:013}-{random:016x}", time.as_millisecond().max(0))
}

/// A text that fits into a tag.
pub(crate) fn shortened(text: &str) -> String {
    if text.len() <= MAX_TEXT {
        return text.to_owned();
    }
    let end = text
        .char_indices()
        .map(|(at, _)| at)
        .take_while(|at| *at <= MAX_TEXT)
        .last()
        .unwrap_or(0);
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_two_letters() {
        assert_eq!(shortened("short"), "short");
        let long = "щ".repeat(2000);
        let cut = shortened(&long);
        assert!(cut.len() <= MAX_TEXT + "…".len(), "{}", cut.len());
        assert!(cut.ends_with("щ…"));
    }

    #[test]
    fn a_moment_after_the_future_is_later_than_the_future() {
        let future = Timestamp::now() + SignedDuration::from_hours(1);
        assert!(after(future) > future);
        assert!(after(Timestamp::UNIX_EPOCH) > Timestamp::UNIX_EPOCH);
    }

    #[test]
    fn tags_of_others_and_broken_ones_are_no_events() {
        let tag = |key: &str, value: &str| Tag {
            key: key.to_owned(),
            value: value.to_owned(),
        };
        let event = r#"{"state":"done","time":"2026-01-01T00:00:00Z","who":"a","why":"b","action":"promoted","alias":"production","from":null,"to":"1"}"#;
        let tags = [
            tag("team", "fish"),
            tag("fishid.event.1", "{"),
            tag("fishid.event.2", event),
        ];
        let events = recorded(&tags);
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].key, "fishid.event.2");
        assert_eq!(events[0].state, State::Done);
    }
}
