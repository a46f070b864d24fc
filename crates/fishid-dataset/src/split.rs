//! Which split each group goes to: by a keyed hash of its name, class by class, the same on every machine.
//!
//! Sticky: a group's place depends on its name and not on how many others there are, so a grown data set
//! keeps its test set. What no rule without memory can keep (a class of one or two groups that grows) keeps
//! [`assign_splits_after`]. Does not know files. Start at [`assign_splits`].

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::DatasetError;
use crate::photograph::Split;

/// With fewer groups than this a class is not divided in three.
const LEAST_GROUPS_FOR_THREE: usize = 3;

/// One photograph as splitting sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupedPhoto {
    /// Path of the photograph; plays no part in where it goes.
    pub path: String,
    /// Its class.
    pub class: String,
    /// Its group, from [`crate::groups_of`].
    pub group: String,
}

/// Shares of train, val and test; they add up to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Ratios {
    val: f64,
    test: f64,
    shares: [f64; 3],
}

impl Ratios {
    /// Shares in any unit, such as 80, 10, 10. Train must be above zero.
    pub fn new(train: f64, val: f64, test: f64) -> Result<Self, DatasetError> {
        let sum = train + val + test;
        let is_fine = train > 0.0 && val >= 0.0 && test >= 0.0 && sum.is_finite();
        if !is_fine {
            return Err(DatasetError::Ratios {
                text: format!("{train}/{val}/{test}"),
            });
        }
        Ok(Self {
            val: val / sum,
            test: test / sum,
            shares: [train, val, test],
        })
    }
}

impl Default for Ratios {
    /// 80/10/10.
    fn default() -> Self {
        Self {
            val: 0.1,
            test: 0.1,
            shares: [80.0, 10.0, 10.0],
        }
    }
}

impl std::fmt::Display for Ratios {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [train, val, test] = self.shares;
        write!(f, "{train}/{val}/{test}")
    }
}

impl From<Ratios> for String {
    fn from(ratios: Ratios) -> Self {
        ratios.to_string()
    }
}

impl TryFrom<String> for Ratios {
    type Error = DatasetError;

    fn try_from(text: String) -> Result<Self, DatasetError> {
        text.parse()
    }
}

impl FromStr for Ratios {
    type Err = DatasetError;

    fn from_str(text: &str) -> Result<Self, DatasetError> {
        let bad = || DatasetError::Ratios {
            text: text.to_owned(),
        };
        let shares: Vec<f64> = text
            .split('/')
            .map(|share| share.trim().parse().map_err(|_| bad()))
            .collect::<Result<_, _>>()?;
        let [train, val, test] = shares[..] else {
            return Err(bad());
        };
        Self::new(train, val, test).map_err(|_| bad())
    }
}

/// The split of each photograph.
///
/// In each class, with h(group) a keyed hash in [0, 1): a group goes to test if h is below the share of
/// test or is the smallest of the class, to val if h is below the shares of test and val or (where that
/// gives none) is the next smallest, else to train. A class of two groups trains on one and tests on the
/// other, a class of one only trains. No class is left without a group to train on. A group with photographs
/// of several classes goes to train if any of them wants it there: no group is ever divided.
///
/// Growth never moves a group of a class with at least three groups from train to test.
pub fn assign_splits(photos: &[GroupedPhoto], ratios: Ratios, seed: u64) -> Vec<Split> {
    assign_splits_after(photos, ratios, seed, &BTreeMap::new())
}

/// Like [`assign_splits`], but every group named in `earlier` stays where it was; only new groups are placed.
pub fn assign_splits_after(
    photos: &[GroupedPhoto],
    ratios: Ratios,
    seed: u64,
    earlier: &BTreeMap<String, Split>,
) -> Vec<Split> {
    let mut classes: BTreeMap<&str, BTreeMap<&str, f64>> = BTreeMap::new();
    for photo in photos {
        classes
            .entry(&photo.class)
            .or_default()
            .entry(&photo.group)
            .or_insert_with(|| place_of(seed, &photo.group));
    }
    let mut decided: HashMap<&str, Split> = HashMap::new();
    for groups in classes.values() {
        for (group, split) in assign_class(groups, ratios, earlier) {
            let so_far = decided.entry(group).or_insert(split);
            // Train before val before test: the order of the variants.
            *so_far = split.min(*so_far);
        }
    }
    photos
        .iter()
        .map(|photo| {
            earlier
                .get(&photo.group)
                .copied()
                .unwrap_or_else(|| decided[photo.group.as_str()])
        })
        .collect()
}

fn assign_class<'a>(
    groups: &BTreeMap<&'a str, f64>,
    ratios: Ratios,
    earlier: &BTreeMap<String, Split>,
) -> Vec<(&'a str, Split)> {
    let mut by_hash: Vec<(&str, f64)> =
        groups.iter().map(|(group, hash)| (*group, *hash)).collect();
    by_hash.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(b.0)));
    let is_divided_in_three = by_hash.len() >= LEAST_GROUPS_FOR_THREE;
    let by_share = |hash: f64| match hash {
        _ if !is_divided_in_three => Split::Train,
        _ if hash < ratios.test => Split::Test,
        _ if hash < ratios.test + ratios.val => Split::Val,
        _ => Split::Train,
    };
    let is_new: Vec<bool> = by_hash
        .iter()
        .map(|(group, _)| !earlier.contains_key(*group))
        .collect();
    let mut splits: Vec<Split> = by_hash
        .iter()
        .map(|(group, hash)| {
            earlier
                .get(*group)
                .copied()
                .unwrap_or_else(|| by_share(*hash))
        })
        .collect();

    let has = |splits: &[Split], wanted: Split| splits.contains(&wanted);
    if ratios.test > 0.0 && by_hash.len() >= 2 && !has(&splits, Split::Test) {
        move_first(
            &mut splits,
            &is_new,
            &[Split::Val, Split::Train],
            Split::Test,
        );
    }
    if ratios.val > 0.0 && is_divided_in_three && !has(&splits, Split::Val) {
        move_first(&mut splits, &is_new, &[Split::Train], Split::Val);
    }
    if !has(&splits, Split::Train)
        && let Some(last) = is_new.iter().rposition(|is_new| *is_new)
    {
        splits[last] = Split::Train;
    }
    by_hash
        .into_iter()
        .map(|(group, _)| group)
        .zip(splits)
        .collect()
}

/// Moves the first new group that is in one of `from`, if that leaves something to train on.
fn move_first(splits: &mut [Split], is_new: &[bool], from: &[Split], to: Split) {
    let Some(first) =
        (0..splits.len()).find(|&index| is_new[index] && from.contains(&splits[index]))
    else {
        return;
    };
    let leaves_train = splits
        .iter()
        .enumerate()
        .any(|(index, split)| index != first && *split == Split::Train);
    if leaves_train || splits[first] != Split::Train {
        splits[first] = to;
    }
}

/// The keyed hash of a group in [0, 1): the first 53 bits of SHA-256 over the seed and the name.
fn place_of(seed: u64, group: &str) -> f64 {
    let digest = Sha256::new()
        .chain_update(seed.to_le_bytes())
        .chain_update(group.as_bytes())
        .finalize();
    let first = digest
        .iter()
        .take(8)
        .fold(0u64, |bits, byte| (bits << 8) | u64::from(*byte));
    (first >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
#[path = "split/tests.rs"]
mod tests;
