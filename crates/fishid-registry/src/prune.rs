//! Which old versions may go. Decides by what it is handed; deleting is the registry's, one call a version.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::PRODUCTION;
use crate::moves::previous_holder;
use crate::registry::{Event, Version};

/// A version that was in production this lately is never touched.
pub const RECENT_PRODUCTION: SignedDuration = SignedDuration::from_hours(90 * 24);

/// What is done with one version, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PruneDecision {
    /// The version's number.
    pub version: String,
    /// Whether it stays.
    pub kept: bool,
    /// Why, for people.
    pub why: String,
}

/// Decides over every version, newest first: the newest `n_kept` stay, and what an alias names, what was in
/// production within [`RECENT_PRODUCTION`] of `now`, and what a roll-back would return to.
pub fn plan(
    versions: &[Version],
    history: &[Event],
    n_kept: usize,
    now: Timestamp,
) -> Vec<PruneDecision> {
    let last_in_production = last_in_production(history, now);
    let aliases: BTreeSet<&String> = versions.iter().flat_map(|it| &it.aliases).collect();
    let ways_back: BTreeMap<String, &String> = aliases
        .into_iter()
        .filter_map(|alias| Some((previous_holder(history, alias)?, alias)))
        .collect();
    let decide = |(age, version): (usize, &Version)| {
        let number = &version.version;
        let until = last_in_production.get(number.as_str());
        let recent = until.filter(|until| now.duration_since(**until) < RECENT_PRODUCTION);
        let why = if !version.aliases.is_empty() {
            Some(format!("it is in {}", version.aliases.join(", ")))
        } else if let Some(alias) = ways_back.get(number) {
            Some(format!("a roll-back of {alias} returns to it"))
        } else if let Some(until) = recent {
            let day = until.strftime("%Y-%m-%d");
            Some(format!("it was in production until {day}"))
        } else if age < n_kept {
            Some(format!("it is among the newest {n_kept}"))
        } else {
            None
        };
        PruneDecision {
            version: number.clone(),
            kept: why.is_some(),
            why: why.unwrap_or_else(|| {
                let days = RECENT_PRODUCTION.as_hours() / 24;
                format!("older than the newest {n_kept} and not in production for {days} days")
            }),
        }
    };
    versions.iter().rev().enumerate().map(decide).collect()
}

/// Version → when it was in production last: now, for the one that is.
fn last_in_production(history: &[Event], now: Timestamp) -> BTreeMap<&str, Timestamp> {
    let mut until = BTreeMap::new();
    let mut holder: Option<&str> = None;
    let moves = history
        .iter()
        .filter(|event| event.alias.as_deref() == Some(PRODUCTION));
    for event in moves {
        for left in holder.into_iter().chain(event.from.as_deref()) {
            until.insert(left, event.time);
        }
        holder = (event.action != crate::Action::Removed).then_some(event.to.as_str());
    }
    until.extend(holder.map(|holder| (holder, now)));
    until
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::registry::Action;

    fn version(number: u64, aliases: &[&str]) -> Version {
        Version {
            model: "fish".to_owned(),
            version: number.to_string(),
            created_at: Timestamp::UNIX_EPOCH,
            who: String::new(),
            why: String::new(),
            bundle_digest: String::new(),
            model_digest: String::new(),
            tags: BTreeMap::new(),
            aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
            run: None,
        }
    }

    fn promoted(day: i64, from: u64, to: u64) -> Event {
        Event {
            seq: 0,
            time: Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * day),
            who: String::new(),
            why: String::new(),
            action: Action::Promoted,
            alias: Some(PRODUCTION.to_owned()),
            from: (from > 0).then(|| from.to_string()),
            to: to.to_string(),
        }
    }

    /// The versions that go, of 1 to `n` with the last in production, on that day.
    fn check(n: u64, history: &[Event], n_kept: usize, day: i64, gone: &[&str]) {
        let aliases = |number| {
            if number == n {
                vec![PRODUCTION]
            } else {
                vec![]
            }
        };
        let versions: Vec<Version> = (1..=n)
            .map(|number| version(number, &aliases(number)))
            .collect();
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * day);
        let decisions = plan(&versions, history, n_kept, now);
        assert_eq!(decisions.len(), n as usize);
        let found: Vec<&str> = decisions
            .iter()
            .filter(|decision| !decision.kept)
            .map(|decision| decision.version.as_str())
            .collect();
        assert_eq!(found, gone, "{decisions:#?}");
    }

    #[test]
    fn the_newest_stay_and_what_production_knew_lately() {
        let history = [
            promoted(1, 0, 1),
            promoted(10, 1, 2),
            promoted(50, 2, 3),
            promoted(60, 3, 6),
        ];
        // 1 left on day 10, 2 on day 50, 3 on day 60 and is the way back; 4 and 5 were never there.
        check(6, &history, 1, 70, &["5", "4"]);
        check(6, &history, 2, 70, &["4"]);
        check(6, &history, 1, 110, &["5", "4", "1"]);
        check(6, &history, 1, 145, &["5", "4", "2", "1"]);
        check(6, &history, 1, 1000, &["5", "4", "2", "1"]);
        check(6, &history, 10, 1000, &[]);
    }

    #[test]
    fn nothing_was_promoted_ever() {
        check(3, &[promoted(1, 0, 3)], 0, 1000, &["2", "1"]);
        assert_eq!(plan(&[], &[], 10, Timestamp::UNIX_EPOCH), []);
    }

    #[test]
    fn every_decision_says_why() {
        let versions = [
            version(1, &[]),
            version(2, &[]),
            version(3, &["challenger"]),
        ];
        let decisions = plan(&versions, &[], 2, Timestamp::UNIX_EPOCH);
        let why: Vec<&str> = decisions.iter().map(|it| it.why.as_str()).collect();
        assert_eq!(why[0], "it is in challenger");
        assert_eq!(why[1], "it is among the newest 2");
        assert!(why[2].contains("older than the newest 2"), "{why:?}");
    }
}
