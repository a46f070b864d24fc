//! From what was written down to what happened. A stop between an intention, its change and its completion,
//! and moves that others made through `MLflow`'s page, are told apart here by what the server says now.
//!
//! Rules, per alias, over its events in the order of their times:
//! - what is done happened;
//! - what was intended happened if the next event started from there, or, for the last one, if the alias
//!   is there now;
//! - an alias that is elsewhere than the last event left it was moved by somebody else.
//!
//! Every writer first writes down what it found out ([`Told::repairs`]), so a later reader need not guess.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::events::{Intention, Recorded, State, UNKNOWN, after, is_far_ahead};
use super::model::{self, Snapshot};
use crate::registry::{Action, Event, Note};

/// An intention this old has no writer any more: a move takes a second.
const ABANDONED_AFTER: SignedDuration = SignedDuration::from_mins(10);

const BY_OTHERS: &str = "moved in MLflow, not by fishid; noticed at this time";

/// A model's past.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Oldest first, numbered from 1.
    pub events: Vec<Event>,
    /// What a writer writes down before anything else.
    pub repairs: Vec<Repair>,
    /// When the last thing was written down, told or not.
    last: Option<Timestamp>,
}

/// Something the tags do not say yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Repair {
    /// This event is to be written.
    Write(Box<Recorded>),
    /// The event of this key never happened.
    Forget(String),
}

impl Told {
    /// When the last event was, also one that is not told because another one says the same: what comes
    /// next is to be sorted behind all of them.
    pub fn last_time(&self) -> Timestamp {
        self.last.unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// Tells a model's past from what it is now.
pub(crate) fn tell(snapshot: &Snapshot) -> Told {
    let mut told = Told::default();
    let mut found: Vec<Event> = snapshot
        .versions
        .iter()
        .map(|version| Event {
            seq: 0,
            time: model::published_at(version),
            who: model::who(version),
            why: version
                .tag(model::WHY)
                .unwrap_or(&version.description)
                .to_owned(),
            action: Action::Published,
            alias: None,
            from: None,
            to: version.version.clone(),
        })
        .collect();
    let mut recorded = snapshot.recorded.clone();
    recorded.sort_by(|a, b| (a.time, &a.key).cmp(&(b.time, &b.key)));
    let published = found.iter().map(|event| event.time);
    let latest = set_right(&mut recorded, snapshot, published, &mut told.repairs);
    told.last = Some(latest);
    let recorded: Vec<&Recorded> = recorded.iter().collect();
    for event in recorded.iter().filter(|event| event.alias.is_none()) {
        deletion(event, snapshot, &mut found, &mut told.repairs);
    }
    let mut aliases: BTreeSet<&str> = snapshot.aliases.keys().map(String::as_str).collect();
    aliases.extend(recorded.iter().filter_map(|event| event.alias.as_deref()));
    for alias in aliases {
        let moves: Vec<&Recorded> = recorded
            .iter()
            .copied()
            .filter(|event| event.alias.as_deref() == Some(alias))
            .collect();
        let holder = snapshot.aliases.get(alias).map(String::as_str);
        let chain = Chain {
            alias,
            holder,
            latest,
        };
        chain.tell(&moves, &mut found, &mut told.repairs);
    }
    found.sort_by_key(|event| event.time);
    for (event, seq) in found.iter_mut().zip(1..) {
        event.seq = seq;
    }
    told.events = found;
    told
}

/// Times of a clock that was far ahead become now, in their order: everything after them would have to be as
/// far ahead otherwise. Answers with the last of all times.
fn set_right(
    recorded: &mut [Recorded],
    snapshot: &Snapshot,
    published: impl Iterator<Item = Timestamp>,
    repairs: &mut Vec<Repair>,
) -> Timestamp {
    let created = snapshot.versions.iter();
    let created = created.filter_map(|v| Timestamp::from_millisecond(v.creation_timestamp).ok());
    let known = created.max().unwrap_or(Timestamp::UNIX_EPOCH);
    let (ahead, right): (Vec<&mut Recorded>, Vec<&mut Recorded>) = recorded
        .iter_mut()
        .partition(|event| is_far_ahead(event.time, known));
    let mut last = right
        .iter()
        .map(|event| event.time)
        .chain(published.filter(|time| !is_far_ahead(*time, known)))
        .max()
        .unwrap_or(Timestamp::UNIX_EPOCH);
    for event in ahead {
        last = after(last);
        event.time = last;
        repairs.push(Repair::Write(Box::new(event.clone())));
    }
    last
}

fn deletion(
    event: &Recorded,
    snapshot: &Snapshot,
    found: &mut Vec<Event>,
    repairs: &mut Vec<Repair>,
) {
    let is_there = snapshot.versions.iter().any(|v| v.version == event.to);
    if is_there {
        forget_if_abandoned(event, repairs);
        return;
    }
    confirm(event, repairs);
    if let Some(published) = &event.published {
        found.push(Event {
            seq: 0,
            time: published.time,
            who: published.who.clone(),
            why: published.why.clone(),
            action: Action::Published,
            alias: None,
            from: None,
            to: event.to.clone(),
        });
    }
    found.push(happened(event, None));
}

/// The moves of one alias.
struct Chain<'a> {
    alias: &'a str,
    /// Where it points now.
    holder: Option<&'a str>,
    /// When the last thing was written down.
    latest: Timestamp,
}

impl Chain<'_> {
    fn tell(&self, moves: &[&Recorded], found: &mut Vec<Event>, repairs: &mut Vec<Repair>) {
        // Whoever wrote the first one down had looked where the alias was.
        let mut at = moves.first().and_then(|event| event.from.as_deref());
        for (index, event) in moves.iter().enumerate() {
            let to = (event.action != Action::Removed).then_some(event.to.as_str());
            let next = moves.get(index + 1);
            let is_known_later = match next {
                Some(next) => next.from.as_deref() == to,
                None => self.holder == to,
            };
            if event.state == State::Intended && (to == at || !is_known_later) {
                forget_if_abandoned(event, repairs);
                continue;
            }
            confirm(event, repairs);
            // Two writers at once can both have done the same move.
            if to == at {
                continue;
            }
            // And each of them started from where the alias was before either.
            found.push(happened(event, at));
            at = to;
        }
        if self.holder != at {
            let noticed = self.by_others(at);
            found.push(happened(&noticed, at));
            repairs.push(Repair::Write(Box::new(noticed)));
        }
    }

    /// The move that nobody wrote down.
    fn by_others(&self, from: Option<&str>) -> Recorded {
        let (action, to) = match (self.holder, from) {
            (Some(holder), _) => (Action::Promoted, holder),
            (None, from) => (Action::Removed, from.unwrap_or_default()),
        };
        let note = Note {
            who: UNKNOWN.to_owned(),
            why: BY_OTHERS.to_owned(),
        };
        let intention = Intention {
            action,
            alias: Some(self.alias),
            from: from.map(str::to_owned),
            to,
            note: &note,
            published: None,
        };
        Recorded {
            state: State::Done,
            ..Recorded::intended(intention, self.latest)
        }
    }
}

fn happened(event: &Recorded, from: Option<&str>) -> Event {
    Event {
        seq: 0,
        time: event.time,
        who: event.who.clone(),
        why: event.why.clone(),
        action: event.action,
        alias: event.alias.clone(),
        from: from.map(str::to_owned),
        to: event.to.clone(),
    }
}

fn confirm(event: &Recorded, repairs: &mut Vec<Repair>) {
    if event.state == State::Intended {
        repairs.push(Repair::Write(Box::new(Recorded {
            state: State::Done,
            ..event.clone()
        })));
    }
}

fn forget_if_abandoned(event: &Recorded, repairs: &mut Vec<Repair>) {
    let age = Timestamp::now().duration_since(event.time);
    if event.state == State::Intended && age > ABANDONED_AFTER {
        repairs.push(Repair::Forget(event.key.clone()));
    }
}

#[cfg(test)]
mod tests;
