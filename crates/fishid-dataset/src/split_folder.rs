//! `data split`: copies a data set into `train`, `val` and `test`, by group, and lets an earlier split grow.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fishid_image::Limits;
use fishid_storage::Storage;
use fishid_taxonomy::slug_from_name;

use crate::arrangement::{Item, Marker, SplitFolderSummary, Target, write_error};
use crate::dataset::SYNTHETIC_MARKER;
use crate::groups::groups_of;
use crate::inspection::{Inspection, inspect};
use crate::photograph::{Origin, Photograph, Split};
use crate::problem::Problem;
use crate::split::{GroupedPhoto, Ratios, assign_splits_after};
use crate::{Dataset, DatasetError, Progress};

/// What to write where.
#[derive(Debug, Clone)]
pub struct SplitRequest {
    /// A new or empty folder, or an earlier split made with the same settings.
    pub out: PathBuf,
    /// Shares of train, val and test.
    pub ratios: Ratios,
    /// Key of the hash that places the groups.
    pub seed: u64,
    /// Column the data set was opened with; noted in the result.
    pub group_column: String,
    /// Pixels and sides a photograph may have; others are left out.
    pub limits: Limits,
}

/// Columns this program writes itself.
const OWN_COLUMNS: [&str; 5] = ["path", "class", "group", "split", "sha256"];

/// Copies every readable photograph to `OUT/{train,val,test}/<slug>/`, with a `manifest.csv` that keeps the
/// columns of the source's. The progress runs twice: reading, then copying.
///
/// Into an earlier split, photographs it has keep their split and only new ones are placed. Interrupted at
/// any moment, OUT is what it was before.
pub fn write_split(
    dataset: &Dataset,
    request: &SplitRequest,
    progress: &Progress<'_>,
) -> Result<SplitFolderSummary, DatasetError> {
    refuse_overlap(dataset, &request.out)?;
    let marker = Marker {
        schema_version: 1,
        ratios: request.ratios,
        seed: request.seed,
        group_column: request.group_column.clone(),
    };
    let target = Target::open(&request.out, &marker)?;
    let inspections = inspect(dataset, &request.limits, progress);
    let groups = groups_of(dataset, &inspections);
    let photographs = dataset.photographs();
    let kept: Vec<usize> = (0..photographs.len())
        .filter(|&index| inspections[index].is_readable())
        .collect();

    let grouped: Vec<GroupedPhoto> = kept
        .iter()
        .map(|&index| GroupedPhoto {
            path: photographs[index].path.clone(),
            class: slug_from_name(&photographs[index].class),
            group: groups[index].clone(),
        })
        .collect();
    let digests: Vec<&str> = kept
        .iter()
        .map(|&index| inspections[index].sha256.as_deref().unwrap_or_default())
        .collect();
    let earlier = earlier_groups(&grouped, &digests, &target.earlier);
    let splits = assign_splits_after(&grouped, request.ratios, request.seed, &earlier);

    let (further_columns, cells) = further_columns(dataset, &request.group_column);
    let items: Vec<Item> = kept
        .iter()
        .zip(&grouped)
        .zip(&splits)
        .map(|((&index, photo), &split)| Item {
            split,
            slug: photo.class.clone(),
            name: below_class(&photographs[index]).to_owned(),
            group: photo.group.clone(),
            sha256: inspections[index].sha256.clone().unwrap_or_default(),
            further: cells(index),
        })
        .collect();
    let fill = |item: usize, path: &Path| {
        let bytes = dataset.read(&photographs[kept[item]])?;
        std::fs::write(path, bytes).map_err(|source| write_error(path, source))
    };
    target.write(&marker, &items, &further_columns, &fill, progress)?;
    if dataset.origin() == Origin::Synthetic {
        // A demonstration stays one, however often it is split.
        target.write_beside(SYNTHETIC_MARKER, &dataset.read_marker()?)?;
    }
    let summary = summary(
        &request.out,
        &items,
        &target.earlier,
        left_out(photographs, &inspections),
    );
    target.publish()?;
    Ok(summary)
}

pub(crate) fn summary(
    out: &Path,
    items: &[Item],
    earlier: &BTreeMap<String, Split>,
    left_out: Vec<Problem>,
) -> SplitFolderSummary {
    let mut counts: BTreeMap<Split, BTreeMap<String, usize>> = BTreeMap::new();
    for item in items {
        *counts
            .entry(item.split)
            .or_default()
            .entry(item.slug.clone())
            .or_default() += 1;
    }
    let groups: BTreeSet<&str> = items.iter().map(|item| item.group.as_str()).collect();
    let n_kept = items
        .iter()
        .filter(|item| earlier.get(&item.sha256) == Some(&item.split))
        .count();
    let here: BTreeSet<&str> = items.iter().map(|item| item.sha256.as_str()).collect();
    SplitFolderSummary {
        out: out.to_owned(),
        counts,
        n_groups: groups.len(),
        n_kept,
        n_gone: earlier
            .keys()
            .filter(|digest| !here.contains(digest.as_str()))
            .count(),
        left_out,
    }
}

/// The split of each group that had photographs in an earlier tree. If new photographs joined groups of
/// several splits, train wins: what was learnt from is never measured on.
pub(crate) fn earlier_groups(
    grouped: &[GroupedPhoto],
    digests: &[&str],
    earlier: &BTreeMap<String, Split>,
) -> BTreeMap<String, Split> {
    let mut groups: BTreeMap<String, Split> = BTreeMap::new();
    for (photo, digest) in grouped.iter().zip(digests) {
        if let Some(&split) = earlier.get(*digest) {
            let so_far = groups.entry(photo.group.clone()).or_insert(split);
            *so_far = split.min(*so_far);
        }
    }
    groups
}

fn left_out(photographs: &[Photograph], inspections: &[Inspection]) -> Vec<Problem> {
    let unread = photographs
        .iter()
        .zip(inspections)
        .filter_map(|(photo, inspection)| Some((photo, inspection.seen.as_ref().err()?)));
    unread
        .map(|(photo, (kind, reason))| Problem::error(*kind, &photo.path, reason))
        .collect()
}

/// The further columns of the source's manifest and their cells per photograph. A `group` column that was
/// not the one asked for lives on as `source_group`.
fn further_columns<'a>(
    dataset: &'a Dataset,
    group_column: &str,
) -> (Vec<String>, impl Fn(usize) -> Vec<String> + use<'a>) {
    let rows = dataset.rows();
    let taken: Vec<(usize, String)> = rows
        .columns
        .iter()
        .enumerate()
        .filter_map(|(index, column)| match column.as_str() {
            "group" if group_column != "group" => Some((index, "source_group".to_owned())),
            own if OWN_COLUMNS.contains(&own) || own == "source_group" => None,
            _ => Some((index, column.clone())),
        })
        .collect();
    let columns = taken.iter().map(|(_, column)| column.clone()).collect();
    let cells = move |photo: usize| {
        let record = rows.records.get(photo).and_then(Option::as_ref);
        taken
            .iter()
            .map(|(index, _)| {
                record
                    .and_then(|record| record.get(*index))
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect()
    };
    (columns, cells)
}

/// `train/perca/day 1/3.jpg` → `day 1/3.jpg`.
fn below_class(photo: &Photograph) -> &str {
    let depth = if photo.split.is_some() { 3 } else { 2 };
    photo.path.splitn(depth, '/').last().unwrap_or(&photo.path)
}

fn refuse_overlap(dataset: &Dataset, out: &Path) -> Result<(), DatasetError> {
    let Some(source) = dataset.folder() else {
        return Ok(());
    };
    refuse_nested(&source, out)
}

/// Refuses a target that is, holds or lies in the source: it would be read as photographs, or overwrite them.
pub(crate) fn refuse_nested(source: &Path, out: &Path) -> Result<(), DatasetError> {
    let source = resolve(source);
    let target = resolve(out);
    if target.starts_with(&source) || source.starts_with(&target) {
        let reason = format!(
            "it overlaps with the photographs in {}; give a folder outside",
            source.display()
        );
        return Err(DatasetError::Output {
            path: out.to_owned(),
            reason,
        });
    }
    Ok(())
}

/// The real path, links resolved, of a path that may not exist yet.
fn resolve(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for ancestor in absolute.ancestors() {
        if let Ok(real) = ancestor.canonicalize() {
            return absolute
                .strip_prefix(ancestor)
                .map_or(real.clone(), |rest| real.join(rest));
        }
    }
    absolute
}

impl Dataset {
    /// The folder of a data set that is not in S3.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        self.storage().folder()
    }

    fn read_marker(&self) -> Result<bytes::Bytes, DatasetError> {
        let storage: &Storage = self.storage();
        Ok(storage.read(SYNTHETIC_MARKER)?)
    }
}
