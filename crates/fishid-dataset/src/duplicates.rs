//! Which photographs are the same picture: equal bytes, and near-duplicates by perceptual hash.

use std::collections::HashMap;

use crate::inspection::Inspection;
use crate::near_duplicates::{DisjointSets, cluster};
use crate::perceptual_hash::PerceptualHash;

/// The same pictures of a data set, by index of the photograph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicates {
    /// (copy, first) with equal bytes, sorted; `first` is the first photograph with those bytes.
    pub exact: Vec<(usize, usize)>,
    /// For each photograph, the first photograph of its cluster of exact and near-duplicates.
    pub first: Vec<usize>,
    /// Near-duplicates that must not be: (smaller index, larger index, distance in bits), for each photograph
    /// at most the nearest.
    pub crossing: Vec<(usize, usize, u32)>,
}

impl Duplicates {
    /// Finds them. Photographs with different `keys` (two labels, two splits) must not be duplicates.
    pub fn find(inspections: &[Inspection], keys: &[u32]) -> Self {
        let mut first_with: HashMap<&str, usize> = HashMap::new();
        let mut exact = Vec::new();
        let mut hashes: Vec<Option<PerceptualHash>> = Vec::with_capacity(inspections.len());
        for (index, inspection) in inspections.iter().enumerate() {
            let first = inspection
                .sha256
                .as_deref()
                .map_or(index, |digest| *first_with.entry(digest).or_insert(index));
            if first == index {
                hashes.push(inspection.hash());
            } else {
                // Equal bytes have equal hashes; they are told once, as what they are.
                exact.push((index, first));
                hashes.push(None);
            }
        }
        let near = cluster(&hashes, keys);
        let mut sets = DisjointSets::new(inspections.len());
        for (index, &first) in near.first.iter().enumerate() {
            sets.join(index, first);
        }
        for &(copy, first) in &exact {
            sets.join(copy, first);
        }
        Self {
            exact,
            first: (0..inspections.len())
                .map(|index| sets.root(index))
                .collect(),
            crossing: near.crossing,
        }
    }
}
