//! `data check`: everything that is wrong with a data set, each with its path and the reason.
//!
//! Errors are what spoils a model or its numbers; warnings are what may be meant. Start at [`check`]; whoever
//! has inspections already calls [`problems_of`].

use std::collections::{BTreeMap, BTreeSet};

use fishid_image::{Limits, PhotoFormat};
use fishid_taxonomy::{Catalogue, slug_from_name};

use crate::duplicates::Duplicates;
use crate::inspection::{Inspection, inspect};
use crate::perceptual_hash::MAX_DISTANCE;
use crate::photograph::{Photograph, Split};
use crate::problem::{Problem, ProblemKind, Severity};
use crate::{Dataset, Progress};

/// What is asked of a data set.
#[derive(Debug, Clone)]
pub struct CheckOptions {
    /// Photographs a class must have.
    pub min_class_size: usize,
    /// Species that are known.
    pub catalogue: Catalogue,
    /// Pixels and sides a photograph may have.
    pub limits: Limits,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self {
            min_class_size: 5,
            catalogue: Catalogue::builtin().clone(),
            limits: Limits::default(),
        }
    }
}

/// Reads every photograph and returns all problems, sorted by path.
pub fn check(dataset: &Dataset, options: &CheckOptions, progress: &Progress<'_>) -> Vec<Problem> {
    let inspections = inspect(dataset, &options.limits, progress);
    problems_of(dataset, &inspections, options)
}

/// The problems of a data set whose photographs have been inspected.
pub fn problems_of(
    dataset: &Dataset,
    inspections: &[Inspection],
    options: &CheckOptions,
) -> Vec<Problem> {
    let photographs = dataset.photographs();
    let mut problems = dataset.problems().to_vec();
    for (photo, inspection) in photographs.iter().zip(inspections) {
        problems.extend(of_file(photo, inspection));
    }
    let duplicates = Duplicates::find(inspections, &places(photographs));
    problems.extend(of_duplicates(photographs, &duplicates));
    problems.extend(of_groups(photographs));
    problems.extend(of_classes(dataset, options));
    problems.sort_by(|a, b| {
        (&a.path, a.kind, &a.other, &a.detail).cmp(&(&b.path, b.kind, &b.other, &b.detail))
    });
    problems
}

fn of_file(photo: &Photograph, inspection: &Inspection) -> Option<Problem> {
    let seen = match &inspection.seen {
        Ok(seen) => seen,
        Err((kind, reason)) => return Some(Problem::error(*kind, &photo.path, reason)),
    };
    let extension = photo
        .path
        .rsplit_once('.')
        .map_or("", |(_, extension)| extension)
        .to_ascii_lowercase();
    let (name, fitting): (&str, &[&str]) = match seen.format {
        PhotoFormat::Jpeg => ("JPEG", &["jpg", "jpeg"]),
        PhotoFormat::Png => ("PNG", &["png"]),
        PhotoFormat::WebP => ("WebP", &["webp"]),
    };
    (!fitting.contains(&extension.as_str())).then(|| {
        let detail = format!(
            "the name says .{extension}, but the bytes are {name}; rename it to .{}",
            fitting[0]
        );
        Problem::error(ProblemKind::WrongExtension, &photo.path, detail)
    })
}

/// A number for each class and split: photographs with different ones must not show the same picture.
fn places(photographs: &[Photograph]) -> Vec<u32> {
    let mut numbers: BTreeMap<(&str, Option<Split>), u32> = BTreeMap::new();
    let places = photographs.iter().map(|photo| {
        let next = numbers.len() as u32;
        *numbers.entry((&photo.class, photo.split)).or_insert(next)
    });
    places.collect()
}

/// What two photographs that show the same picture would contradict each other in.
fn clash(a: &Photograph, b: &Photograph) -> Option<Vec<(ProblemKind, String)>> {
    let mut clashes = Vec::new();
    if a.class != b.class {
        clashes.push((
            ProblemKind::LabelClash,
            format!("labelled {} here and {} there", a.class, b.class),
        ));
    }
    if let (Some(here), Some(there)) = (a.split, b.split)
        && here != there
    {
        clashes.push((
            ProblemKind::SplitLeak,
            format!("in {here} here and in {there} there"),
        ));
    }
    (!clashes.is_empty()).then_some(clashes)
}

fn of_duplicates(photographs: &[Photograph], duplicates: &Duplicates) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut told: BTreeSet<usize> = BTreeSet::new();
    let exact = duplicates.exact.iter().map(|&(copy, first)| {
        (
            copy,
            first,
            ProblemKind::ExactDuplicate,
            "the same bytes as another photograph".to_owned(),
        )
    });
    let near = duplicates
        .crossing
        .iter()
        .map(|&(first, second, distance)| {
            (
                second,
                first,
                ProblemKind::NearDuplicate,
                format!("the same picture as another photograph, to {distance} of 255 bits"),
            )
        });
    for (here, there, kind, relation) in exact.chain(near) {
        let (photo, twin) = (&photographs[here], &photographs[there]);
        told.extend([here, there]);
        let clashes = clash(photo, twin).unwrap_or_default();
        let detail = clashes.iter().fold(relation.clone(), |text, (_, words)| {
            format!("{text}, {words}")
        });
        problems.push(
            Problem::error(
                kind,
                &photo.path,
                if clashes.is_empty() {
                    format!("{detail}; delete one")
                } else {
                    detail.clone()
                },
            )
            .with_other(&twin.path),
        );
        let remedy = |kind: &ProblemKind| {
            if *kind == ProblemKind::LabelClash {
                "delete the wrong one"
            } else {
                "split again, or delete one"
            }
        };
        problems.extend(clashes.iter().map(|(kind, words)| {
            Problem::error(
                *kind,
                &photo.path,
                format!("{relation}, {words}; {}", remedy(kind)),
            )
            .with_other(&twin.path)
        }));
    }
    for (index, &first) in duplicates.first.iter().enumerate() {
        let (photo, twin) = (&photographs[index], &photographs[first]);
        // Photographs of one fish look alike; the manifest says so already.
        let is_expected = photo.group.is_some() && photo.group == twin.group;
        if first == index || is_expected || told.contains(&index) {
            continue;
        }
        let detail = match (&photo.group, &twin.group) {
            (Some(here), Some(there)) => format!(
                "nearly the same picture (within {MAX_DISTANCE} of 255 bits, or through others) in the groups {here} and {there}; a split treats the two groups as one"
            ),
            _ => format!(
                "nearly the same picture (within {MAX_DISTANCE} of 255 bits, or through others); a split keeps both on one side"
            ),
        };
        problems.push(
            Problem::warning(ProblemKind::NearDuplicate, &photo.path, detail)
                .with_other(&twin.path),
        );
    }
    problems
}

/// Groups of the manifest that stand in two splits: one problem per group and further split.
fn of_groups(photographs: &[Photograph]) -> Vec<Problem> {
    let mut seen: BTreeMap<&str, BTreeMap<Split, &Photograph>> = BTreeMap::new();
    for photo in photographs {
        if let (Some(group), Some(split)) = (&photo.group, photo.split) {
            seen.entry(group).or_default().entry(split).or_insert(photo);
        }
    }
    let mut problems = Vec::new();
    for (group, splits) in seen {
        let mut splits = splits.into_iter();
        let Some((first_split, first)) = splits.next() else {
            continue;
        };
        problems.extend(splits.map(|(split, photo)| {
            let detail = format!("the group {group} is in {first_split} and in {split}, so {split} measures what was learnt by heart; split again by group");
            Problem::error(ProblemKind::SplitLeak, &photo.path, detail).with_other(&first.path)
        }));
    }
    problems
}

fn of_classes(dataset: &Dataset, options: &CheckOptions) -> Vec<Problem> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut trained: BTreeSet<&str> = BTreeSet::new();
    for photo in dataset.photographs() {
        *counts.entry(&photo.class).or_default() += 1;
        if photo.split == Some(Split::Train) {
            trained.insert(&photo.class);
        }
    }
    let mut problems = Vec::new();
    for (path, class) in dataset.class_folders() {
        if !counts.contains_key(class.as_str()) {
            let detail = "this species folder holds no photographs; fill it or delete it";
            problems.push(Problem::error(ProblemKind::EmptyClass, path, detail));
        }
    }
    let mut folder_of_slug: BTreeMap<String, &str> = BTreeMap::new();
    for (&class, &n) in &counts {
        if n < options.min_class_size {
            let detail = format!(
                "{n} photographs, at least {} are needed to learn a species and to test it",
                options.min_class_size
            );
            problems.push(Problem::error(ProblemKind::SmallClass, class, detail));
        }
        if dataset.is_presplit() && !trained.contains(class) {
            let detail =
                "it has photographs in val or test, but none in train, so it can never be answered";
            problems.push(Problem::error(ProblemKind::NothingToTrain, class, detail));
        }
        let slug = slug_from_name(class);
        if !options.catalogue.is_known(&slug) {
            let detail = format!(
                "`{slug}` is not in the species catalogue; its label is made from the folder's name, add names in a catalogue file of your own"
            );
            problems.push(Problem::warning(ProblemKind::UnknownSpecies, class, detail));
        }
        if let Some(twin) = folder_of_slug.insert(slug, class) {
            let detail = format!(
                "the folders {twin} and {class} mean the same species; put their photographs into one"
            );
            problems.push(
                Problem::error(ProblemKind::SameSpeciesTwice, class, detail).with_other(twin),
            );
        }
    }
    problems
}

impl Problem {
    /// Whether it makes the data set unacceptable.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
