//! What a stop at each point, racing writers and strangers leave, and what is told of it.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::super::events::{Recorded, State};
use super::super::model::{PUBLISHED_AT, Snapshot, WHO};
use super::super::wire::{ModelVersion, Tag};
use super::{Repair, Told, tell};
use crate::registry::{Action, Event};

const ALIAS: &str = "production";

/// A moment so many seconds before now.
fn ago(seconds: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_secs(seconds)
}

/// Versions 1 to `n`, published long ago, one after the other.
fn versions(n: u64) -> Vec<ModelVersion> {
    let tag = |key: &str, value: String| Tag {
        key: key.to_owned(),
        value,
    };
    let version = |number: u64| ModelVersion {
        version: number.to_string(),
        tags: vec![
            tag(WHO, "Анна".to_owned()),
            tag(PUBLISHED_AT, ago(90_000 - number as i64).to_string()),
        ],
        ..ModelVersion::default()
    };
    (1..=n).map(version).collect()
}

/// Where each alias is by the history alone, for a check against the server.
fn ends(events: &[Event]) -> BTreeMap<String, String> {
    let mut ends = BTreeMap::new();
    for event in events {
        if let Some(alias) = &event.alias {
            if event.action == Action::Removed {
                ends.remove(alias);
            } else {
                ends.insert(alias.clone(), event.to.clone());
            }
        }
    }
    ends
}

/// A move written down `seconds` ago.
fn step(state: State, seconds: i64, from: &str, to: &str) -> Recorded {
    Recorded {
        key: format!("fishid.event.{seconds}"),
        state,
        time: ago(seconds),
        who: "Борис".to_owned(),
        why: "test".to_owned(),
        action: Action::Promoted,
        alias: Some(ALIAS.to_owned()),
        from: (!from.is_empty()).then(|| from.to_owned()),
        to: to.to_owned(),
        published: None,
    }
}

fn snapshot(n_versions: u64, recorded: &[Recorded], holder: &str) -> Snapshot {
    let mut aliases = BTreeMap::new();
    if !holder.is_empty() {
        aliases.insert(ALIAS.to_owned(), holder.to_owned());
    }
    Snapshot {
        aliases,
        recorded: recorded.to_vec(),
        versions: versions(n_versions),
    }
}

/// The moves that are told, `who from→to`, and how many repairs there are to make.
fn check(recorded: &[Recorded], holder: &str, moves: &[&str], n_repairs: usize) -> Told {
    let told = tell(&snapshot(3, recorded, holder));
    let found: Vec<String> = told
        .events
        .iter()
        .filter(|event| event.alias.is_some())
        .map(|event| {
            let from = event.from.as_deref().unwrap_or("-");
            let to = if event.action == Action::Removed {
                "-"
            } else {
                &event.to
            };
            format!("{} {from}→{to}", event.who)
        })
        .collect();
    assert_eq!(found, moves, "{recorded:#?}");
    assert_eq!(told.repairs.len(), n_repairs, "{:#?}", told.repairs);
    assert!(told.events.is_sorted_by_key(|event| event.time));
    assert!(told.events.iter().zip(1..).all(|(e, seq)| e.seq == seq));
    let end = ends(&told.events).get(ALIAS).cloned().unwrap_or_default();
    assert_eq!(end, holder, "the history ends where the alias is");
    told
}

use State::{Done, Intended};

#[test]
fn what_is_done_happened() {
    let moves = [step(Done, 20, "", "1"), step(Done, 10, "1", "2")];
    check(&moves, "2", &["Борис -→1", "Борис 1→2"], 0);
    check(&[], "", &[], 0);
}

#[test]
fn an_intention_happened_if_the_alias_is_there() {
    let first = step(Done, 20, "", "1");
    let moves = [first, step(Intended, 10, "1", "2")];
    let told = check(&moves, "2", &["Борис -→1", "Борис 1→2"], 1);
    let Repair::Write(repaired) = &told.repairs[0] else {
        panic!("{:?}", told.repairs);
    };
    assert_eq!((repaired.state, &repaired.key), (Done, &moves[1].key));
    check(&moves, "1", &["Борис -→1"], 0);
    // And one that never did is forgotten once its writer cannot be alive.
    let old = step(Intended, 700, "", "2");
    let told = check(std::slice::from_ref(&old), "", &[], 1);
    assert_eq!(told.repairs, [Repair::Forget(old.key)]);
}

#[test]
fn an_intention_happened_if_the_next_one_started_there() {
    let moves = [
        step(Done, 40, "", "1"),
        step(Intended, 30, "1", "2"),
        step(Done, 20, "2", "3"),
    ];
    check(&moves, "3", &["Борис -→1", "Борис 1→2", "Борис 2→3"], 1);
    let moves = [
        step(Done, 40, "", "1"),
        step(Intended, 30, "1", "2"),
        step(Intended, 20, "1", "3"),
    ];
    check(&moves, "3", &["Борис -→1", "Борис 1→3"], 1);
    check(&moves, "1", &["Борис -→1"], 0);
}

#[test]
fn a_move_by_others_is_noticed_and_to_be_written_down() {
    let moves = [step(Done, 20, "", "1"), step(Done, 10, "1", "2")];
    let told = check(&moves, "1", &["Борис -→1", "Борис 1→2", "unknown 2→1"], 1);
    // Written down, it is told the same way and found once.
    let Repair::Write(noticed) = &told.repairs[0] else {
        panic!("{:?}", told.repairs);
    };
    let mut moves = moves.to_vec();
    moves.push(Recorded {
        key: "fishid.event.noticed".to_owned(),
        ..(**noticed).clone()
    });
    check(&moves, "1", &["Борис -→1", "Борис 1→2", "unknown 2→1"], 0);
    check(&[], "2", &["unknown -→2"], 1);
}

#[test]
fn an_alias_taken_off_by_others_is_told() {
    let moves = [step(Done, 20, "", "1")];
    let told = check(&moves, "", &["Борис -→1", "unknown 1→-"], 1);
    assert_eq!(told.events.last().unwrap().action, Action::Removed);
    let Repair::Write(noticed) = &told.repairs[0] else {
        panic!("{:?}", told.repairs);
    };
    let moves = [moves[0].clone(), (**noticed).clone()];
    check(&moves, "", &["Борис -→1", "unknown 1→-"], 0);
}

#[test]
fn racing_writers_make_a_chain() {
    // Both saw version 1; the second to finish is where the alias is.
    let moves = [
        step(Done, 30, "", "1"),
        step(Done, 20, "1", "2"),
        step(Done, 10, "1", "3"),
    ];
    check(&moves, "3", &["Борис -→1", "Борис 1→2", "Борис 2→3"], 0);
    // Both did the same move.
    let moves = [
        step(Done, 30, "", "1"),
        step(Done, 20, "1", "2"),
        step(Done, 10, "1", "2"),
    ];
    check(&moves, "2", &["Борис -→1", "Борис 1→2"], 0);
}

#[test]
fn a_deletion_is_told_by_the_version_that_is_gone() {
    let mut event = step(Intended, 10, "", "3");
    event.action = Action::Deleted;
    event.alias = None;
    event.published = Some(super::super::events::Publication {
        time: ago(89_000),
        who: "Вера".to_owned(),
        why: String::new(),
    });
    let told = tell(&snapshot(2, &[event.clone()], ""));
    let found: Vec<_> = told
        .events
        .iter()
        .map(|event| (event.action, event.to.as_str(), event.who.as_str()))
        .collect();
    let expected = [
        (Action::Published, "1", "Анна"),
        (Action::Published, "2", "Анна"),
        (Action::Published, "3", "Вера"),
        (Action::Deleted, "3", "Борис"),
    ];
    assert_eq!(found, expected);
    assert_eq!(told.repairs.len(), 1);
    // Stopped before the version went, nothing was deleted.
    let told = tell(&snapshot(3, &[event], ""));
    assert_eq!(told.events.len(), 3);
}

#[test]
fn what_is_not_told_counts_for_what_comes_next() {
    // The same move twice, the second one by a clock that is an hour ahead.
    let twice = [step(Done, 30, "", "1"), step(Done, -3600, "", "1")];
    let told = check(&twice, "1", &["Борис -→1"], 0);
    assert!(told.last_time() >= twice[1].time, "{}", told.last_time());
}

#[test]
fn a_clock_that_was_far_ahead_is_not_followed() {
    let day = 24 * 3600;
    let ahead = step(Done, -400 * day, "1", "2");
    let moves = [step(Done, 30, "", "1"), ahead.clone()];
    let told = check(&moves, "2", &["Борис -→1", "Борис 1→2"], 1);
    assert!(told.last_time() < ago(-day), "{}", told.last_time());
    let [Repair::Write(right)] = &told.repairs[..] else {
        panic!("{:?}", told.repairs);
    };
    assert_eq!(right.key, ahead.key);
    assert!(right.time <= told.last_time());
    // What comes next is behind it, and there is nothing left to set right.
    let mut back = step(Done, 0, "2", "1");
    back.time = super::after(told.last_time());
    let moves = [moves[0].clone(), (**right).clone(), back];
    check(&moves, "1", &["Борис -→1", "Борис 1→2", "Борис 2→1"], 0);
}
