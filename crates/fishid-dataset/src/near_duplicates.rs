//! Joins photographs whose perceptual hashes are within a distance, and tells which of them must not be.
//!
//! Does not know files or labels, only hashes and a key per photograph; how pairs are found without
//! comparing every two is in `near_duplicates/tables.rs`. Start at [`cluster`].

mod tables;

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;

use crate::perceptual_hash::PerceptualHash;
use tables::{Found, Tables};

const FIRST_BATCH: usize = 64;
const LARGEST_BATCH: usize = 4096;

/// Photographs joined by near-duplicate hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clusters {
    /// For each photograph, the first photograph of its cluster (itself when it stands alone).
    pub first: Vec<usize>,
    /// For each photograph with a near-duplicate of another key, the nearest such one and the distance in
    /// bits: (smaller index, larger index, distance), sorted.
    pub crossing: Vec<(usize, usize, u32)>,
}

/// Photographs with one hash.
struct Distinct {
    hash: PerceptualHash,
    /// In order.
    owners: Vec<usize>,
    /// Their key, if they have the same.
    key: Option<u32>,
}

/// Joins all photographs whose hashes are within [`crate::MAX_DISTANCE`] in any of the eight views, through
/// chains too. Near-duplicates with different `keys` (two labels, two splits) are told apart.
pub(crate) fn cluster(hashes: &[Option<PerceptualHash>], keys: &[u32]) -> Clusters {
    let mut sets = DisjointSets::new(hashes.len());
    let mut crossing: BTreeMap<(usize, usize), u32> = BTreeMap::new();
    // Equal hashes are joined first: a thousand copies of one picture then cost one query, not a million pairs.
    let distinct = distinct_hashes(hashes, keys);
    for same in &distinct {
        for &owner in &same.owners {
            sets.join(same.owners[0], owner);
            let other = same
                .owners
                .iter()
                .find(|&&other| keys[other] != keys[owner]);
            note(&mut crossing, owner, other, 0);
        }
    }
    let mut tables = Tables::new(&distinct);
    let (mut start, mut size) = (0, FIRST_BATCH);
    while start < distinct.len() {
        let end = (start + size).min(distinct.len());
        // Batches grow, because what the first ones join the later ones need not look at again.
        let roots: Vec<usize> = distinct
            .iter()
            .map(|same| sets.root(same.owners[0]))
            .collect();
        tables.learn(&distinct, &roots);
        let found: Vec<Found> = (start..end)
            .into_par_iter()
            .map(|query| tables.near(query, &distinct, &roots))
            .collect();
        for (query, found) in (start..end).zip(found) {
            let here = &distinct[query];
            for other in found.joins {
                sets.join(here.owners[0], distinct[other].owners[0]);
            }
            let Some((distance, other)) = found.crossing else {
                continue;
            };
            for &owner in &here.owners {
                let other = distinct[other]
                    .owners
                    .iter()
                    .find(|&&other| keys[other] != keys[owner]);
                note(&mut crossing, owner, other, distance);
            }
        }
        start = end;
        size = (size * 2).min(LARGEST_BATCH);
    }
    Clusters {
        first: (0..hashes.len()).map(|index| sets.root(index)).collect(),
        crossing: crossing
            .into_iter()
            .map(|((a, b), distance)| (a, b, distance))
            .collect(),
    }
}

fn note(
    crossing: &mut BTreeMap<(usize, usize), u32>,
    one: usize,
    other: Option<&usize>,
    distance: u32,
) {
    if let Some(&other) = other {
        crossing.insert((one.min(other), one.max(other)), distance);
    }
}

fn distinct_hashes(hashes: &[Option<PerceptualHash>], keys: &[u32]) -> Vec<Distinct> {
    let mut position: HashMap<PerceptualHash, usize> = HashMap::new();
    let mut distinct: Vec<Distinct> = Vec::new();
    for (index, hash) in hashes.iter().enumerate() {
        let Some(hash) = *hash else { continue };
        let at = *position.entry(hash).or_insert(distinct.len());
        if at == distinct.len() {
            distinct.push(Distinct {
                hash,
                owners: Vec::new(),
                key: Some(keys[index]),
            });
        }
        let same = &mut distinct[at];
        same.owners.push(index);
        same.key = same.key.filter(|key| *key == keys[index]);
    }
    distinct
}

/// Union-find whose root is always the smallest index of the set.
pub(crate) struct DisjointSets {
    parents: Vec<usize>,
}

impl DisjointSets {
    pub(crate) fn new(n: usize) -> Self {
        Self {
            parents: (0..n).collect(),
        }
    }

    pub(crate) fn root(&mut self, mut index: usize) -> usize {
        while self.parents[index] != index {
            self.parents[index] = self.parents[self.parents[index]];
            index = self.parents[index];
        }
        index
    }

    pub(crate) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parents[a.max(b)] = a.min(b);
    }
}

#[cfg(test)]
#[path = "near_duplicates/tests.rs"]
mod tests;
