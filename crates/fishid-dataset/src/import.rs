//! `data import`: a public set of class folders, nested anyhow, in a folder or a zip archive, becomes
//! `DIR/processed_images/{train,val,test}/<slug>/` with a manifest, split by group at 80/10/10.
//!
//! Augmented copies of one photograph are one group. Start at [`import`]; which folder names the class is
//! told in `import/class_folder.rs`, what is dangerous in an archive in `import/archive.rs`.

mod archive;
mod class_folder;
mod turned;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fishid_image::Limits;
use fishid_storage::Storage;
use serde::Serialize;

use crate::arrangement::{Item, Marker, SplitFolderSummary, Target, write_error};
use crate::duplicates::Duplicates;
use crate::groups::group_names;
use crate::inspection::{Inspection, inspect_each};
use crate::layout::{SYNTHETIC_MARKER, is_photograph};
use crate::manifest::{self, Manifest};
use crate::problem::Problem;
use crate::split::{GroupedPhoto, Ratios, assign_splits_after};
use crate::split_folder::{earlier_groups, refuse_nested, summary};
use crate::{DatasetError, Progress};
use class_folder::Place;

/// Folder under DIR that holds the splits.
const FOLDER: &str = "processed_images";

/// What was imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportSummary {
    /// The data set written.
    pub written: SplitFolderSummary,
    /// Pictures of mask folders (`Trout GT`) that were skipped.
    pub n_masks: usize,
    /// Byte-for-byte copies within a species, of which one is kept.
    pub n_copies: usize,
    /// Pictures outside any class folder that were skipped.
    pub n_without_class: usize,
    /// Species folders as they were named, by slug.
    pub class_names: BTreeMap<String, BTreeSet<String>>,
}

/// A photograph of the source that has a class.
struct Found {
    /// Path in the source.
    path: String,
    /// Where its bytes are now.
    file: PathBuf,
    slug: String,
    group: Option<String>,
}

/// Imports `source`, a folder or a zip archive, into `dir/processed_images`; the same source imported again
/// after it grew keeps the split of what was there. Interrupted at any moment, `dir` is what it was before.
pub fn import(
    source: &Path,
    dir: &Path,
    seed: u64,
    progress: &Progress<'_>,
) -> Result<ImportSummary, DatasetError> {
    let out = dir.join(FOLDER);
    let is_archive = source.is_file();
    if !is_archive {
        refuse_nested(source, &out)?;
    }
    let marker = Marker {
        schema_version: 1,
        ratios: Ratios::default(),
        seed,
        group_column: manifest::DEFAULT_GROUP_COLUMN.to_owned(),
    };
    let target = Target::open(&out, &marker)?;
    let files = if is_archive {
        archive::unpack(source, &target.scratch()?)?
    } else {
        list(source)?
    };
    let (companions, files): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|(path, _)| is_companion(path));
    let mut summary_so_far = Tally::default();
    let mut found = choose(files, source, &mut summary_so_far)?;
    for (path, file) in &companions {
        if name_of(path) == manifest::FILE_NAME {
            attach_groups(&mut found, path, file)?;
        }
    }
    let synthetic = companions
        .iter()
        .find(|(path, _)| name_of(path) == SYNTHETIC_MARKER);

    let limits = Limits::default();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let read = |index: usize| read_file(&found[index].file);
    let inspections = inspect_each(found.len(), threads, &limits, progress, &read);
    let groups = grouping(&found, &inspections);
    let (kept, left_out) = keep(&found, &inspections, &mut summary_so_far);

    let grouped: Vec<GroupedPhoto> = kept
        .iter()
        .map(|&index| GroupedPhoto {
            path: found[index].path.clone(),
            class: found[index].slug.clone(),
            group: groups[index].clone(),
        })
        .collect();
    let digests: Vec<&str> = kept
        .iter()
        .map(|&index| inspections[index].sha256.as_deref().unwrap_or_default())
        .collect();
    let earlier = earlier_groups(&grouped, &digests, &target.earlier);
    let splits = assign_splits_after(&grouped, marker.ratios, seed, &earlier);
    let names = file_names(&kept, &found);
    let items: Vec<Item> = (0..kept.len())
        .map(|at| Item {
            split: splits[at],
            slug: grouped[at].class.clone(),
            name: names[at].clone(),
            group: grouped[at].group.clone(),
            sha256: digests[at].to_owned(),
            further: vec![grouped[at].path.clone()],
        })
        .collect();
    let fill = |item: usize, path: &Path| {
        let from = &found[kept[item]].file;
        // What was unpacked lies on the same disk and is only moved.
        let moved = if is_archive {
            std::fs::rename(from, path)
        } else {
            std::fs::copy(from, path).map(|_| ())
        };
        moved.map_err(|source| write_error(path, source))
    };
    target.write(
        &marker,
        &items,
        &["source_path".to_owned()],
        &fill,
        progress,
    )?;
    if let Some((_, file)) = synthetic {
        target.write_beside(SYNTHETIC_MARKER, &read_file(file)?)?;
    }
    let written = summary(&out, &items, &target.earlier, left_out);
    target.publish()?;
    let Tally {
        n_masks,
        n_copies,
        n_without_class,
        class_names,
    } = summary_so_far;
    Ok(ImportSummary {
        written,
        n_masks,
        n_copies,
        n_without_class,
        class_names,
    })
}

#[derive(Default)]
struct Tally {
    n_masks: usize,
    n_copies: usize,
    n_without_class: usize,
    class_names: BTreeMap<String, BTreeSet<String>>,
}

/// The photograph files of a folder: (path in the source, file), sorted.
fn list(folder: &Path) -> Result<Vec<(String, PathBuf)>, DatasetError> {
    let listing = Storage::open(&folder.to_string_lossy(), &BTreeMap::new())?.list()?;
    let mut files: Vec<(String, PathBuf)> = listing
        .files
        .into_iter()
        .filter(|file| is_photograph(&file.path) || is_companion(&file.path))
        .map(|file| (file.path.clone(), folder.join(&file.path)))
        .collect();
    files.sort();
    Ok(files)
}

/// Gives each file its class, and counts what has none.
fn choose(
    files: Vec<(String, PathBuf)>,
    source: &Path,
    tally: &mut Tally,
) -> Result<Vec<Found>, DatasetError> {
    let example = files.first().map(|(path, _)| path.clone());
    let places = class_folder::places(files.iter().map(|(path, _)| path.as_str()));
    let mut found = Vec::with_capacity(files.len());
    for ((path, file), place) in files.into_iter().zip(places) {
        match place {
            Place::Mask => tally.n_masks += 1,
            Place::Nowhere => tally.n_without_class += 1,
            Place::Class { slug, name } => {
                tally
                    .class_names
                    .entry(slug.clone())
                    .or_default()
                    .insert(name);
                found.push(Found {
                    path,
                    file,
                    slug,
                    group: None,
                });
            }
        }
    }
    match (found.is_empty(), example) {
        (false, _) => Ok(found),
        (true, None) => Err(DatasetError::Empty {
            location: source.display().to_string(),
        }),
        (true, Some(example)) => Err(DatasetError::NoClassFolders {
            location: source.display().to_string(),
            example,
        }),
    }
}

/// Files that say something of the photographs beside them: the manifest, and the mark of drawn fish.
fn is_companion(path: &str) -> bool {
    [manifest::FILE_NAME, SYNTHETIC_MARKER].contains(&name_of(path))
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Groups of a `manifest.csv` at any depth; its paths are relative to its own folder. A manifest that fits
/// no photograph is an error: dropped in silence, it would let one fish stand on both sides.
fn attach_groups(found: &mut [Found], path: &str, file: &Path) -> Result<(), DatasetError> {
    let manifest = Manifest::parse(&read_file(file)?, path, manifest::DEFAULT_GROUP_COLUMN)?;
    let folder = path.strip_suffix(manifest::FILE_NAME).unwrap_or_default();
    let groups: BTreeMap<String, Option<String>> = manifest
        .rows
        .iter()
        .map(|row| (format!("{folder}{}", row.path), manifest.group(row)))
        .collect();
    let mut fits = groups.is_empty();
    for photo in found {
        if let Some(group) = groups.get(&photo.path) {
            fits = true;
            photo.group.clone_from(group);
        }
    }
    if fits {
        return Ok(());
    }
    Err(DatasetError::Manifest {
        path: path.to_owned(),
        line: 2,
        reason: "none of its paths is a photograph of this import; its paths must be relative to its own folder"
            .to_owned(),
    })
}

/// Same pictures, and within a species also copies turned by any angle, are one group.
fn grouping(found: &[Found], inspections: &[Inspection]) -> Vec<String> {
    let mut duplicates = Duplicates::find(inspections, &vec![0; inspections.len()]);
    let slugs: Vec<&str> = found.iter().map(|photo| photo.slug.as_str()).collect();
    turned::join(
        &slugs,
        inspections,
        &|index| read_file(&found[index].file).ok(),
        &mut duplicates,
    );
    let given: Vec<Option<&str>> = found.iter().map(|photo| photo.group.as_deref()).collect();
    group_names(&given, inspections, &duplicates)
}

/// The readable photographs, one of each set of copies within a species.
fn keep(
    found: &[Found],
    inspections: &[Inspection],
    tally: &mut Tally,
) -> (Vec<usize>, Vec<Problem>) {
    let (mut kept, mut left_out) = (Vec::new(), Vec::new());
    let mut seen: BTreeSet<(&str, &str)> = BTreeSet::new();
    for (index, (photo, inspection)) in found.iter().zip(inspections).enumerate() {
        match &inspection.seen {
            Err((kind, reason)) => left_out.push(Problem::error(*kind, &photo.path, reason)),
            Ok(_)
                if seen.insert((
                    &photo.slug,
                    inspection.sha256.as_deref().unwrap_or_default(),
                )) =>
            {
                kept.push(index);
            }
            Ok(_) => tally.n_copies += 1,
        }
    }
    (kept, left_out)
}

/// The file's own name where it is the only one of its class, else its whole path in one name, because
/// `Trout/00001.png` and `NA/Trout/00001.png` must both have a name that does not depend on their order.
fn file_names(kept: &[usize], found: &[Found]) -> Vec<String> {
    let own = |photo: &Found| {
        photo
            .path
            .rsplit('/')
            .next()
            .unwrap_or(&photo.path)
            .to_owned()
    };
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for &index in kept {
        *counts
            .entry((found[index].slug.clone(), own(&found[index]).to_lowercase()))
            .or_default() += 1;
    }
    let is_only =
        |photo: &Found| counts.get(&(photo.slug.clone(), own(photo).to_lowercase())) == Some(&1);
    kept.iter()
        .map(|&index| &found[index])
        .map(|photo| {
            if is_only(photo) {
                own(photo)
            } else {
                shortened(&photo.path.replace('/', "__"))
            }
        })
        .collect()
}

/// The end of a name, where it is longer than file systems allow.
fn shortened(name: &str) -> String {
    let start = name.ceil_char_boundary(name.len().saturating_sub(200));
    name[start..].to_owned()
}

fn read_file(path: &Path) -> Result<bytes::Bytes, DatasetError> {
    std::fs::read(path)
        .map(Into::into)
        .map_err(|error| DatasetError::Read {
            path: path.display().to_string(),
            reason: error.to_string(),
        })
}
