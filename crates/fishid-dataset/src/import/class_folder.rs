//! Which folder of a path names the species. Public sets wrap class folders in others, repeat them
//! (`Fish_Dataset/Trout/Trout/00001.png`) and put masks beside them (`Trout/Trout GT/00001.png`).

use std::collections::{BTreeMap, BTreeSet};

use fishid_taxonomy::slug_from_name;

/// Folders between the species and its photographs that name neither.
const NEUTRAL: [&str; 17] = [
    "images",
    "image",
    "imgs",
    "img",
    "photos",
    "photo",
    "pictures",
    "jpg",
    "jpeg",
    "png",
    "rgb",
    "train",
    "val",
    "valid",
    "validation",
    "test",
    "raw",
];
const MASKS: [&str; 10] = [
    "gt",
    "mask",
    "masks",
    "ground_truth",
    "groundtruth",
    "segmentation",
    "segmentations",
    "labels",
    "annotations",
    "segmentation_masks",
];
/// Folders the public sets misspell, so that both spellings are one class.
const MISSPELT: [(&str, &str); 1] = [("hourse_mackerel", "horse_mackerel")];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// `name` is the folder as it is written.
    Class { slug: String, name: String },
    /// A picture that labels another picture's pixels.
    Mask,
    /// Not in any class folder.
    Nowhere,
}

/// The place of each path.
pub(super) fn places<'a>(paths: impl Iterator<Item = &'a str> + Clone) -> Vec<Place> {
    // A folder that only wraps class folders is not a class, though a picture may have strayed into it.
    let mut classes_within: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let folders: BTreeSet<&str> = paths
        .clone()
        .filter_map(|path| path.rsplit_once('/'))
        .map(|(folder, _)| folder)
        .collect();
    for folder in &folders {
        let Some(name) = class_name(folder) else {
            continue;
        };
        for (end, _) in folder.match_indices('/') {
            classes_within
                .entry(&folder[..end])
                .or_default()
                .insert(slug_of(name));
        }
    }
    let wraps = |folder: &str, slug: &str| {
        classes_within
            .get(folder)
            .is_some_and(|within| within.iter().filter(|class| *class != slug).count() > 1)
    };
    paths
        .map(|path| {
            let Some((folder, _)) = path.rsplit_once('/') else {
                return Place::Nowhere;
            };
            if folder.split('/').any(is_mask) {
                return Place::Mask;
            }
            match class_name(folder) {
                Some(name) if !wraps(folder, &slug_of(name)) => Place::Class {
                    slug: slug_of(name),
                    name: name.to_owned(),
                },
                _ => Place::Nowhere,
            }
        })
        .collect()
}

fn class_name(folder: &str) -> Option<&str> {
    if folder.split('/').any(is_mask) {
        return None;
    }
    folder
        .rsplit('/')
        .find(|name| !NEUTRAL.contains(&name.to_lowercase().as_str()))
}

fn is_mask(folder: &str) -> bool {
    let slug = slug_from_name(folder);
    MASKS.contains(&slug.as_str())
        || slug.ends_with("_gt")
        || slug.ends_with("_mask")
        || slug.ends_with("_masks")
}

fn slug_of(name: &str) -> String {
    let slug = slug_from_name(name);
    MISSPELT
        .iter()
        .find(|(wrong, _)| *wrong == slug)
        .map_or(slug, |(_, right)| (*right).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(paths: &[&str], expected: &[&str]) {
        let found: Vec<String> = places(paths.iter().copied())
            .into_iter()
            .map(|place| match place {
                Place::Class { slug, .. } => slug,
                Place::Mask => "(mask)".to_owned(),
                Place::Nowhere => "(nowhere)".to_owned(),
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_public_large_set_gives_its_species_at_both_depths() {
        check(
            &[
                "Fish_Dataset/Fish_Dataset/Black Sea Sprat/Black Sea Sprat/00001.png",
                "Fish_Dataset/Fish_Dataset/Black Sea Sprat/Black Sea Sprat GT/00001.png",
                "Fish_Dataset/Fish_Dataset/Hourse Mackerel/Hourse Mackerel/00001.png",
                "NA_Fish_Dataset/Gilt-Head Bream/00001.png",
                "NA_Fish_Dataset/Horse Mackerel/00001.png",
                "Fish_Dataset/cover.png",
            ],
            &[
                "black_sea_sprat",
                "(mask)",
                "horse_mackerel",
                "gilt_head_bream",
                "horse_mackerel",
                "(nowhere)",
            ],
        );
    }

    #[test]
    fn neutral_folders_are_looked_through_and_loose_pictures_have_no_class() {
        check(
            &[
                "train/Perch/images/1.jpg",
                "test/Perch/2.jpg",
                "Perch/2024/3.jpg",
                "Perch/4.jpg",
                "5.jpg",
                "images/6.jpg",
                "Pike/masks/7.png",
            ],
            &[
                "perch",
                "perch",
                "2024",
                "perch",
                "(nowhere)",
                "(nowhere)",
                "(mask)",
            ],
        );
    }
}
