//! Finds all hashes within the distance of one, exactly and fast (multi-index hashing): a hash is cut into 16
//! words of 16 bits; by the pigeonhole principle two hashes at most 31 bits apart have a word in which they
//! differ by at most one bit. Looking up each word and its 16 neighbours in a table of that word finds them.
//! 220 000 hashes take 37 s of one Zen 4 core and 90 MB; comparing every two would take 200 billion steps.

use std::collections::HashSet;

use rayon::prelude::*;

use super::Distinct;
use crate::perceptual_hash::{MAX_DISTANCE, PerceptualHash};

const N_WORDS: usize = 16;
/// Bits in which at least one word of a pair agrees up to.
const PROBE_BITS: u32 = MAX_DISTANCE / N_WORDS as u32;
const _: () = assert!(PROBE_BITS == 1, "the probes below flip one bit");
/// Shorter lists are read faster than they are judged.
const LONG_LIST: usize = 8;

/// What one query found.
#[derive(Default)]
pub(super) struct Found {
    /// One hash of each cluster to join.
    pub joins: Vec<usize>,
    /// Distance and position of the nearest hash with another key.
    pub crossing: Option<(u32, usize)>,
}

pub(super) struct Tables {
    words: Vec<Table>,
    /// Beside one another, because that is where the time goes.
    hashes: Vec<PerceptualHash>,
    /// Nothing can cross.
    is_one_key: bool,
}

/// Which hashes have which value in one word: one list, and where each value's part of it begins.
struct Table {
    starts: Vec<u32>,
    members: Vec<u32>,
    /// Per value, what all members share if they do: there is nothing to find for one that shares it too.
    shared: Vec<Option<Shared>>,
}

/// Cluster and key.
type Shared = (usize, u32);

fn shared(position: usize, distinct: &[Distinct], roots: &[usize]) -> Option<Shared> {
    Some((roots[position], distinct[position].key?))
}

impl Tables {
    pub(super) fn new(distinct: &[Distinct]) -> Self {
        let first = distinct.first().and_then(|same| same.key);
        Self {
            words: (0..N_WORDS)
                .into_par_iter()
                .map(|word| Table::new(distinct, word))
                .collect(),
            hashes: distinct.iter().map(|same| same.hash).collect(),
            is_one_key: first.is_some() && distinct.iter().all(|same| same.key == first),
        }
    }

    /// Notes which lists have nothing new for members of their own cluster. Without it, thousands of nearly
    /// equal pictures of one camera would each be compared with all others.
    pub(super) fn learn(&mut self, distinct: &[Distinct], roots: &[usize]) {
        self.words.par_iter_mut().for_each(|table| {
            for value in 0..table.shared.len() {
                let members = table.list(value);
                table.shared[value] = match members {
                    [first, rest @ ..] if members.len() >= LONG_LIST => {
                        shared(*first as usize, distinct, roots).filter(|all| {
                            rest.iter().all(|member| {
                                shared(*member as usize, distinct, roots) == Some(*all)
                            })
                        })
                    }
                    _ => None,
                };
            }
        });
    }

    /// Looks for hashes near that of `query`: joins among those after it, crossings among all.
    pub(super) fn near(&self, query: usize, distinct: &[Distinct], roots: &[usize]) -> Found {
        let mut found = Found::default();
        let mut joined = HashSet::new();
        let (here, own) = (&distinct[query], shared(query, distinct, roots));
        for view in here.hash.views() {
            for (word, table) in self.words.iter().enumerate() {
                let value = word_of(view, word);
                for probe in std::iter::once(value).chain((0..16).map(|bit| value ^ (1 << bit))) {
                    let probe = usize::from(probe);
                    if own.is_some() && table.shared[probe] == own {
                        continue;
                    }
                    for &member in table.list(probe).iter().rev() {
                        let other = member as usize;
                        if other <= query && self.is_one_key {
                            break;
                        }
                        // Distance first: nearly all candidates end here, and a lookup less counts.
                        let distance = view.hamming(self.hashes[other]);
                        if distance > MAX_DISTANCE || other == query {
                            continue;
                        }
                        // A hash with several keys crosses itself and is told so already.
                        let is_apart = here.key.is_some() && here.key != distinct[other].key;
                        let nearest = found.crossing;
                        if is_apart && nearest.is_none_or(|nearest| (distance, other) < nearest) {
                            found.crossing = Some((distance, other));
                        }
                        let is_join = other > query && roots[other] != roots[query];
                        if is_join && joined.insert(roots[other]) {
                            found.joins.push(other);
                        }
                    }
                }
            }
        }
        found
    }
}

impl Table {
    fn new(distinct: &[Distinct], word: usize) -> Self {
        let value_of = |same: &Distinct| usize::from(word_of(same.hash, word));
        let mut starts = vec![0u32; (1 << 16) + 1];
        for same in distinct {
            starts[value_of(same) + 1] += 1;
        }
        for value in 0..1 << 16 {
            starts[value + 1] += starts[value];
        }
        let mut next = starts.clone();
        let mut members = vec![0u32; distinct.len()];
        for (position, same) in distinct.iter().enumerate() {
            let slot = &mut next[value_of(same)];
            members[*slot as usize] = position as u32;
            *slot += 1;
        }
        Self {
            starts,
            members,
            shared: vec![None; 1 << 16],
        }
    }

    fn list(&self, value: usize) -> &[u32] {
        &self.members[self.starts[value] as usize..self.starts[value + 1] as usize]
    }
}

/// The 16 bits of a word. Bits are dealt out in turn, so that every word gets low and high frequencies: low
/// ones alone take few values on photographs of one camera, and their table would not narrow anything.
fn word_of(hash: PerceptualHash, word: usize) -> u16 {
    let mut value = 0;
    for row in 0..N_WORDS {
        let bit = row * 16 + (word + row) % 16;
        value |= (((hash.0[bit / 64] >> (bit % 64)) & 1) as u16) << row;
    }
    value
}
