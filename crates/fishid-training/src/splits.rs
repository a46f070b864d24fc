//! Which photograph is learned from, chosen by, tested on. Owns the choices that small or presplit data
//! sets need; the rule itself is the data set's. Knows no embeddings.

use std::collections::{BTreeMap, BTreeSet};

use fishid_dataset::{
    Dataset, GroupedPhoto, Inspection, Ratios, Split, assign_splits_after, groups_of,
};
use fishid_taxonomy::Catalogue;
use serde::{Deserialize, Serialize};

use crate::error::TrainingError;

/// What a plan is made from.
#[derive(Clone, Copy)]
pub struct SplitRequest<'a> {
    /// The photographs.
    pub dataset: &'a Dataset,
    /// One per photograph, from `fishid_dataset::inspect`.
    pub inspections: &'a [Inspection],
    /// Names of the classes.
    pub catalogue: &'a Catalogue,
    /// Shares of the splits; a presplit data set has its own.
    pub ratios: Ratios,
    /// Seed of the sticky hash.
    pub seed: u64,
    /// Where groups were in an earlier model's data (its bundle's `splits`); they stay there.
    pub earlier: &'a BTreeMap<String, Split>,
}

/// One usable photograph in the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedPhotograph {
    /// Index into `Dataset::photographs()`.
    pub photograph: usize,
    /// Its path, for people.
    pub path: String,
    /// Slug of its class.
    pub class: String,
    /// Its group.
    pub group: String,
    /// Where it stands.
    pub split: Split,
    /// SHA-256 of its file, hexadecimal.
    #[serde(default)]
    pub digest: String,
}

/// Every usable photograph with its group and split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitPlan {
    /// The photographs, in the order of the data set.
    pub photographs: Vec<PlannedPhotograph>,
    /// Slugs the model will know: those with training photographs, sorted.
    pub classes: Vec<String>,
    /// The data digest (`Dataset::digest`).
    pub data_digest: String,
    /// What the user should know, one sentence each.
    pub warnings: Vec<String>,
    /// Group → the names its photographs may have had in earlier data, its own left out. A cluster is named
    /// after its first photograph, so growth and joined groups change names.
    #[serde(default)]
    pub other_names: BTreeMap<String, BTreeSet<String>>,
}

impl SplitPlan {
    /// The photographs of one split.
    pub fn of(&self, split: Split) -> impl Iterator<Item = &PlannedPhotograph> {
        self.photographs
            .iter()
            .filter(move |photograph| photograph.split == split)
    }

    /// Group → split, as a bundle's manifest keeps it.
    pub fn groups(&self) -> BTreeMap<String, String> {
        let entry = |p: &PlannedPhotograph| (p.group.clone(), p.split.as_str().to_owned());
        self.photographs.iter().map(entry).collect()
    }

    /// The groups with a photograph that an earlier model learned from, whatever its group was called then.
    /// `trained_on` are that model's group names, `photographs` the names of its photographs
    /// ([`learned_photographs`]): a cluster is named after one photograph, which may be gone by now.
    ///
    /// [`learned_photographs`]: Self::learned_photographs
    pub fn groups_learned_from(
        &self,
        trained_on: &BTreeSet<String>,
        photographs: &BTreeSet<String>,
    ) -> BTreeSet<String> {
        let other_names = self
            .other_names
            .iter()
            .filter(|(_, names)| !names.is_disjoint(trained_on))
            .map(|(group, _)| group);
        let own_names = self
            .photographs
            .iter()
            .map(|photograph| &photograph.group)
            .filter(|group| trained_on.contains(*group));
        let by_photograph = self
            .photographs
            .iter()
            .filter(|photograph| photographs.contains(short(&photograph.digest)))
            .map(|photograph| &photograph.group);
        other_names
            .chain(own_names)
            .chain(by_photograph)
            .cloned()
            .collect()
    }

    /// The photographs that are trained or tuned on, each by the first 16 digits of its digest, sorted.
    pub fn learned_photographs(&self) -> Vec<String> {
        let learned: BTreeSet<String> = self
            .photographs
            .iter()
            .filter(|photograph| photograph.split != Split::Test && !photograph.digest.is_empty())
            .map(|photograph| short(&photograph.digest).to_owned())
            .collect();
        learned.into_iter().collect()
    }

    /// Split → class → photographs.
    pub fn counts(&self) -> BTreeMap<String, BTreeMap<String, usize>> {
        let mut counts: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
        for photograph in &self.photographs {
            let of_split = counts
                .entry(photograph.split.as_str().to_owned())
                .or_default();
            *of_split.entry(photograph.class.clone()).or_default() += 1;
        }
        counts
    }
}

/// 16 digits tell a thousand million photographs apart, and keep a manifest small.
fn short(digest: &str) -> &str {
    digest.get(..16).unwrap_or(digest)
}

/// Makes the plan. No group is ever on two sides.
///
/// # Errors
/// Fewer than two classes, or nothing to test on; the error says what to add.
pub fn plan_splits(request: &SplitRequest<'_>) -> Result<SplitPlan, TrainingError> {
    let groups = groups_of(request.dataset, request.inspections);
    let mut warnings = Vec::new();
    let usable = usable(request, &groups, &mut warnings);
    let other_names = other_names(request, &groups);
    let splits = if request.dataset.is_presplit() {
        presplit(request, &usable, &mut warnings)
    } else {
        let earlier = under_present_names(request.earlier, &groups, &other_names);
        assign_splits_after(&usable, request.ratios, request.seed, &earlier)
            .into_iter()
            .map(Some)
            .collect()
    };
    let photographs = request.dataset.photographs();
    let index: BTreeMap<&str, usize> = photographs
        .iter()
        .enumerate()
        .map(|(i, photograph)| (photograph.path.as_str(), i))
        .collect();
    let photographs = usable
        .into_iter()
        .zip(splits)
        .filter_map(|(photo, split)| {
            let photograph = index[photo.path.as_str()];
            Some(PlannedPhotograph {
                photograph,
                path: photo.path,
                class: photo.class,
                group: photo.group,
                split: split?,
                digest: request.inspections[photograph]
                    .sha256
                    .clone()
                    .unwrap_or_default(),
            })
        })
        .collect();
    let digests: Vec<String> = request
        .inspections
        .iter()
        .map(|seen| seen.sha256.clone().unwrap_or_default())
        .collect();
    let mut plan = SplitPlan {
        photographs,
        classes: Vec::new(),
        data_digest: request.dataset.digest(&digests),
        warnings,
        other_names,
    };
    plan.classes = plan
        .of(Split::Train)
        .map(|p| p.class.clone())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    check(&mut plan)?;
    Ok(plan)
}

fn usable(
    request: &SplitRequest<'_>,
    groups: &[String],
    warnings: &mut Vec<String>,
) -> Vec<GroupedPhoto> {
    let mut usable = Vec::new();
    let mut n_unreadable = 0;
    for ((photograph, seen), group) in request
        .dataset
        .photographs()
        .iter()
        .zip(request.inspections)
        .zip(groups)
    {
        if seen.is_readable() {
            usable.push(GroupedPhoto {
                path: photograph.path.clone(),
                class: request.catalogue.resolve(&photograph.class).slug,
                group: group.clone(),
            });
        } else {
            n_unreadable += 1;
        }
    }
    if n_unreadable > 0 {
        warnings.push(format!(
            "{n_unreadable} photographs cannot be read and are left out; `fishid data check` names them"
        ));
    }
    usable
}

/// Every name that a photograph of the group can have lent to it: its group in the manifest, or its digest.
fn other_names(
    request: &SplitRequest<'_>,
    groups: &[String],
) -> BTreeMap<String, BTreeSet<String>> {
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let photographs = request.dataset.photographs().iter();
    for ((photograph, seen), group) in photographs.zip(request.inspections).zip(groups) {
        let digest = seen.sha256.as_ref().and_then(|digest| digest.get(..16));
        let by_digest = digest.map(|digest| format!("photo-{digest}"));
        for name in photograph.group.iter().cloned().chain(by_digest) {
            if name != *group {
                names.entry(group.clone()).or_default().insert(name);
            }
        }
    }
    names
}

/// Where each present group was; what was learned from under any of its names stays in training.
fn under_present_names(
    earlier: &BTreeMap<String, Split>,
    groups: &[String],
    other_names: &BTreeMap<String, BTreeSet<String>>,
) -> BTreeMap<String, Split> {
    let mut present = BTreeMap::new();
    for group in groups.iter().collect::<BTreeSet<_>>() {
        let others = other_names.get(group).into_iter().flatten();
        let splits = std::iter::once(group)
            .chain(others)
            .filter_map(|name| earlier.get(name));
        // Train before val before test: the order of the variants.
        if let Some(split) = splits.min() {
            present.insert(group.clone(), *split);
        }
    }
    present
}

/// The folders decide; what stands on two sides leaves the side that is learned from.
fn presplit(
    request: &SplitRequest<'_>,
    usable: &[GroupedPhoto],
    warnings: &mut Vec<String>,
) -> Vec<Option<Split>> {
    let by_path: BTreeMap<&str, Option<Split>> = request
        .dataset
        .photographs()
        .iter()
        .map(|p| (p.path.as_str(), p.split))
        .collect();
    let mut splits: Vec<Option<Split>> = usable
        .iter()
        .map(|photo| by_path[photo.path.as_str()])
        .collect();
    for (missing, ratios) in [
        (Split::Test, Ratios::new(90.0, 0.0, 10.0)),
        (Split::Val, Ratios::new(90.0, 10.0, 0.0)),
    ] {
        if let Ok(ratios) = ratios
            && !splits.contains(&Some(missing))
        {
            carve(usable, &mut splits, ratios, request.seed);
            warnings.push(format!("there is no {missing}/ folder with photographs; a tenth of the groups of train/ is used for it"));
        }
    }
    let mut of_group: BTreeMap<&str, Split> = BTreeMap::new();
    for (photo, split) in usable.iter().zip(&splits) {
        if let Some(split) = split {
            let kept = of_group.entry(&photo.group).or_insert(*split);
            *kept = (*kept).max(*split);
        }
    }
    let mut n_dropped = 0;
    for (photo, split) in usable.iter().zip(&mut splits) {
        if *split != of_group.get(photo.group.as_str()).copied() {
            *split = None;
            n_dropped += 1;
        }
    }
    if n_dropped > 0 {
        warnings.push(format!(
            "{n_dropped} photographs show what also stands in a later split (same group or near-duplicate); they are left out of training, so that the test is honest"
        ));
    }
    splits
}

fn carve(usable: &[GroupedPhoto], splits: &mut [Option<Split>], ratios: Ratios, seed: u64) {
    let (places, train): (Vec<usize>, Vec<GroupedPhoto>) = usable
        .iter()
        .enumerate()
        .filter(|(i, _)| splits[*i] == Some(Split::Train))
        .map(|(i, photo)| (i, photo.clone()))
        .unzip();
    for (place, split) in
        places
            .into_iter()
            .zip(assign_splits_after(&train, ratios, seed, &BTreeMap::new()))
    {
        splits[place] = Some(split);
    }
}

fn check(plan: &mut SplitPlan) -> Result<(), TrainingError> {
    if plan.classes.len() < 2 {
        return Err(TrainingError::Data(format!(
            "there are training photographs of {} species; at least 2 are needed. Add a folder of photographs per species",
            plan.classes.len()
        )));
    }
    if plan.of(Split::Test).next().is_none() {
        return Err(TrainingError::Data(
            "no photographs are left to test on: every species has photographs of one group only. Add photographs of other fish, or name the groups in manifest.csv".to_owned(),
        ));
    }
    if plan.of(Split::Val).next().is_none() {
        plan.warnings.push("no species has photographs of three groups, so there is no validation split: the probabilities are not calibrated".to_owned());
    }
    let tested: BTreeSet<&str> = plan.of(Split::Test).map(|p| p.class.as_str()).collect();
    let untested: Vec<&str> = plan
        .classes
        .iter()
        .map(String::as_str)
        .filter(|class| !tested.contains(class))
        .collect();
    if !untested.is_empty() {
        let text = format!(
            "not tested, because all their photographs are of one group: {}",
            untested.join(", ")
        );
        plan.warnings.push(text);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
