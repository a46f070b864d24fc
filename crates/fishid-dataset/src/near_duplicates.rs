//! Finds every pair of photographs within a Hamming distance of their perceptual hashes and joins them.
//!
//! Exact and fast by the pigeonhole principle (multi-index hashing): a hash is cut into 16 words of 16 bits;
//! two hashes at most 31 bits apart have a word in which they differ by at most one bit, so looking up each
//! word and its 16 neighbours in a table of that word finds every pair. Does not know files; start at [`cluster`].

use std::collections::HashMap;

use rayon::prelude::*;

use crate::perceptual_hash::{MAX_DISTANCE, PerceptualHash};

const WORDS: usize = 16;
/// Bits in which at least one word of a pair must agree up to.
const PROBE_BITS: u32 = MAX_DISTANCE / WORDS as u32;
const _: () = assert!(PROBE_BITS == 1, "the probes below flip one bit");
const FIRST_BATCH: usize = 64;
const LARGEST_BATCH: usize = 4096;

/// Photographs joined by near-duplicate hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clusters {
    /// For each photograph, the first photograph of its cluster (itself when it stands alone).
    pub first: Vec<usize>,
    /// For each photograph with a near-duplicate that `apart` tells from it, the nearest such one and the
    /// distance in bits; (smaller index, larger index, distance), sorted.
    pub crossing: Vec<(usize, usize, u32)>,
}

/// Joins all photographs whose hashes are within [`MAX_DISTANCE`] in any of the eight views, through chains
/// too. `apart(a, b)` says whether two photographs must not be duplicates (two labels, two splits).
pub fn cluster(
    hashes: &[Option<PerceptualHash>],
    apart: &(dyn Fn(usize, usize) -> bool + Sync),
) -> Clusters {
    // Equal hashes are joined first: a thousand copies of one picture then cost one query, not a million pairs.
    let mut sets = DisjointSets::new(hashes.len());
    let mut crossing: HashMap<usize, (usize, u32)> = HashMap::new();
    let mut owners: HashMap<PerceptualHash, Vec<usize>> = HashMap::new();
    for (index, hash) in hashes.iter().enumerate() {
        let Some(hash) = hash else { continue };
        let same = owners.entry(*hash).or_default();
        if let Some(&first) = same.first() {
            sets.join(first, index);
        }
        same.push(index);
    }
    for same in owners.values() {
        note_equal(same, apart, &mut crossing);
    }
    let mut distinct: Vec<(usize, PerceptualHash)> =
        owners.iter().map(|(hash, same)| (same[0], *hash)).collect();
    distinct.sort_unstable_by_key(|(index, _)| *index);

    let tables = Tables::new(&distinct);
    let (mut start, mut size) = (0, FIRST_BATCH);
    while start < distinct.len() {
        let end = (start + size).min(distinct.len());
        // What a batch may skip: pairs already in one cluster when it began, unless they are to be told apart.
        let roots: Vec<usize> = distinct
            .iter()
            .map(|(index, _)| sets.root(*index))
            .collect();
        let found: Vec<Vec<(usize, u32)>> = (start..end)
            .into_par_iter()
            .map(|query| {
                let mut near = tables.near(query, &distinct);
                near.retain(|&(other, _)| {
                    roots[other] != roots[query]
                        || owners_apart(&owners, distinct[query].1, distinct[other].1, apart)
                });
                near
            })
            .collect();
        for (query, near) in (start..end).zip(found) {
            for (other, distance) in near {
                sets.join(distinct[query].0, distinct[other].0);
                note_pair(
                    &owners[&distinct[query].1],
                    &owners[&distinct[other].1],
                    distance,
                    apart,
                    &mut crossing,
                );
            }
        }
        start = end;
        size = (size * 2).min(LARGEST_BATCH);
    }

    let mut pairs: Vec<(usize, usize, u32)> = crossing
        .into_iter()
        .map(|(a, (b, distance))| (a.min(b), a.max(b), distance))
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    Clusters {
        first: (0..hashes.len()).map(|index| sets.root(index)).collect(),
        crossing: pairs,
    }
}

type Owners = HashMap<PerceptualHash, Vec<usize>>;

fn owners_apart(
    owners: &Owners,
    a: PerceptualHash,
    b: PerceptualHash,
    apart: &(dyn Fn(usize, usize) -> bool + Sync),
) -> bool {
    owners[&a]
        .iter()
        .any(|&a| owners[&b].iter().any(|&b| apart(a, b)))
}

/// Each photograph of a set with equal hashes gets the first one it is apart from.
fn note_equal(
    same: &[usize],
    apart: &(dyn Fn(usize, usize) -> bool + Sync),
    crossing: &mut HashMap<usize, (usize, u32)>,
) {
    for &a in same {
        if let Some(&b) = same.iter().find(|&&b| apart(a, b)) {
            crossing.insert(a, (b, 0));
        }
    }
}

fn note_pair(
    left: &[usize],
    right: &[usize],
    distance: u32,
    apart: &(dyn Fn(usize, usize) -> bool + Sync),
    crossing: &mut HashMap<usize, (usize, u32)>,
) {
    for (these, those) in [(left, right), (right, left)] {
        for &a in these {
            if let Some(&b) = those.iter().find(|&&b| apart(a, b)) {
                let nearest = crossing.entry(a).or_insert((b, distance));
                if (distance, b) < (nearest.1, nearest.0) {
                    *nearest = (b, distance);
                }
            }
        }
    }
}

/// Per word: which hashes have which value there, as one list and where each value's part of it begins.
struct Tables {
    starts: Vec<Vec<u32>>,
    members: Vec<Vec<u32>>,
}

impl Tables {
    fn new(distinct: &[(usize, PerceptualHash)]) -> Self {
        let (starts, members) = (0..WORDS)
            .into_par_iter()
            .map(|word| {
                let mut starts = vec![0u32; (1 << 16) + 1];
                for (_, hash) in distinct {
                    starts[usize::from(word_of(*hash, word)) + 1] += 1;
                }
                for value in 0..1 << 16 {
                    starts[value + 1] += starts[value];
                }
                let mut next = starts.clone();
                let mut members = vec![0u32; distinct.len()];
                for (position, (_, hash)) in distinct.iter().enumerate() {
                    let slot = &mut next[usize::from(word_of(*hash, word))];
                    members[*slot as usize] = position as u32;
                    *slot += 1;
                }
                (starts, members)
            })
            .unzip();
        Self { starts, members }
    }

    /// Positions after `query` within the distance, and their distance, nearest view first found wins.
    fn near(&self, query: usize, distinct: &[(usize, PerceptualHash)]) -> Vec<(usize, u32)> {
        let mut found: Vec<(usize, u32)> = Vec::new();
        for view in distinct[query].1.views() {
            for word in 0..WORDS {
                let value = word_of(view, word);
                for probe in std::iter::once(value).chain((0..16).map(|bit| value ^ (1 << bit))) {
                    let bucket = self.starts[word][usize::from(probe)] as usize
                        ..self.starts[word][usize::from(probe) + 1] as usize;
                    for &position in &self.members[word][bucket] {
                        if position as usize > query {
                            let distance = view.hamming(distinct[position as usize].1);
                            if distance <= MAX_DISTANCE {
                                found.push((position as usize, distance));
                            }
                        }
                    }
                }
            }
        }
        found.sort_unstable();
        found.dedup_by_key(|(position, _)| *position);
        found
    }
}

/// The 16 bits of word `word`. Bits are dealt out in turn, so that every word gets low and high frequencies:
/// low ones alone take few values on photographs of one camera, and their table would not narrow anything.
fn word_of(hash: PerceptualHash, word: usize) -> u16 {
    let mut value = 0;
    for row in 0..WORDS {
        let bit = row * 16 + (word + row) % 16;
        value |= (((hash.0[bit / 64] >> (bit % 64)) & 1) as u16) << row;
    }
    value
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
