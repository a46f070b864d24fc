//! Which photographs must stand on one side of a split: those of one group of the manifest, and those that
//! show the same picture. Chains count: a near-duplicate between two manifest groups makes them one.

use std::collections::HashMap;

use crate::Dataset;
use crate::duplicates::Duplicates;
use crate::inspection::Inspection;
use crate::near_duplicates::DisjointSets;

/// The group of each photograph, in order of [`Dataset::photographs`].
///
/// A group is named after its manifest group (the first by name if near-duplicates joined several), else
/// after the bytes of its first photograph, so the name stays when a data set is moved or grows.
pub fn groups_of(dataset: &Dataset, inspections: &[Inspection]) -> Vec<String> {
    let given: Vec<Option<&str>> = dataset
        .photographs()
        .iter()
        .map(|photo| photo.group.as_deref())
        .collect();
    let duplicates = Duplicates::find(inspections, &vec![0; inspections.len()]);
    group_names(&given, inspections, &duplicates)
}

pub(crate) fn group_names(
    given: &[Option<&str>],
    inspections: &[Inspection],
    duplicates: &Duplicates,
) -> Vec<String> {
    let mut sets = DisjointSets::new(given.len());
    let mut first_of_group: HashMap<&str, usize> = HashMap::new();
    for (index, group) in given.iter().enumerate() {
        sets.join(index, duplicates.first[index]);
        if let Some(group) = group {
            sets.join(index, *first_of_group.entry(group).or_insert(index));
        }
    }
    let roots: Vec<usize> = (0..given.len()).map(|index| sets.root(index)).collect();
    let mut names: HashMap<usize, &str> = HashMap::new();
    for (&root, group) in roots.iter().zip(given) {
        if let Some(group) = group {
            let name = names.entry(root).or_insert(group);
            *name = (*name).min(group);
        }
    }
    roots
        .iter()
        .map(|root| match (names.get(root), &inspections[*root].sha256) {
            (Some(name), _) => (*name).to_owned(),
            (None, Some(digest)) => format!("photo-{}", &digest[..16]),
            (None, None) => format!("unread-{root}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspection::Seen;
    use crate::perceptual_hash::PerceptualHash;
    use fishid_image::PhotoFormat;

    fn inspection(digest: &str, hash: u64) -> Inspection {
        let hash = Some(PerceptualHash([
            hash,
            hash.rotate_left(7),
            !hash,
            hash.rotate_left(29),
        ]));
        Inspection {
            sha256: Some(digest.repeat(16)),
            size: 1,
            seen: Ok(Seen {
                width: 64,
                height: 64,
                format: PhotoFormat::Png,
                hash,
            }),
        }
    }

    #[track_caller]
    fn check(photos: &[(Option<&str>, &str, u64)], expected: &[&str]) {
        let given: Vec<Option<&str>> = photos.iter().map(|photo| photo.0).collect();
        let inspections: Vec<Inspection> = photos
            .iter()
            .map(|photo| inspection(photo.1, photo.2))
            .collect();
        assert_eq!(
            group_names(
                &given,
                &inspections,
                &Duplicates::find(&inspections, &vec![0; inspections.len()])
            ),
            expected
        );
    }

    const A: u64 = 0x0123_4567_89ab_cdef;
    const B: u64 = 0x5a5a_1234_0ff0_9e37;

    #[test]
    fn without_a_manifest_near_duplicates_and_copies_are_groups() {
        check(
            &[
                (None, "1a", A),
                (None, "2b", B),
                (None, "3c", A),
                (None, "2b", B),
            ],
            &[
                "photo-1a1a1a1a1a1a1a1a",
                "photo-2b2b2b2b2b2b2b2b",
                "photo-1a1a1a1a1a1a1a1a",
                "photo-2b2b2b2b2b2b2b2b",
            ],
        );
    }

    #[test]
    fn a_near_duplicate_joins_manifest_groups_and_takes_photographs_without_one() {
        check(
            &[
                (Some("y"), "1a", A),
                (Some("x"), "2b", A ^ 1),
                (Some("y"), "3c", B),
                (None, "4d", B),
                (Some("z"), "5e", !A & !B),
            ],
            &["x", "x", "x", "x", "z"],
        );
    }
}
