#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use fishid_dataset::{Dataset, OpenOptions, Ratios, Split, inspect};
use fishid_image::{Limits, RgbPhoto, encode_png};
use fishid_taxonomy::Catalogue;
use proptest::prelude::{ProptestConfig, prop, prop_assert, proptest};

use super::{SplitPlan, SplitRequest, plan_splits};
use crate::error::TrainingError;

/// A photograph of coarse blocks, like no other number's.
fn picture(number: usize) -> Vec<u8> {
    let shade = |x: usize, y: usize| {
        let mut mixed = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ ((x / 8 * 16 + y / 8) as u64 * 0x94d0_49bb);
        mixed ^= mixed >> 29;
        mixed = mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 56) as u8
    };
    let pixels = (0..64 * 64)
        .flat_map(|i| [shade(i % 64, i / 64); 3])
        .collect();
    encode_png(&RgbPhoto::new(64, 64, pixels).unwrap()).unwrap()
}

/// (folder, picture number, group)
fn data_set(dir: &Path, photographs: &[(&str, usize, &str)]) {
    let mut manifest = String::from("path,class,group\n");
    for (i, (folder, number, group)) in photographs.iter().enumerate() {
        fs::create_dir_all(dir.join(folder)).unwrap();
        let path = format!("{folder}/{i}.png");
        fs::write(dir.join(&path), picture(*number)).unwrap();
        let class = folder.rsplit('/').next().unwrap();
        manifest.push_str(&format!("{path},{class},{group}\n"));
    }
    fs::write(dir.join("manifest.csv"), manifest).unwrap();
}

fn plan(photographs: &[(&str, usize, &str)]) -> Result<SplitPlan, TrainingError> {
    plan_after(photographs, &BTreeMap::new())
}

fn plan_after(
    photographs: &[(&str, usize, &str)],
    earlier: &BTreeMap<String, Split>,
) -> Result<SplitPlan, TrainingError> {
    let dir = tempfile::tempdir().unwrap();
    data_set(dir.path(), photographs);
    plan_of(dir.path(), earlier)
}

fn plan_of(dir: &Path, earlier: &BTreeMap<String, Split>) -> Result<SplitPlan, TrainingError> {
    let dataset = Dataset::open(dir.to_str().unwrap(), &OpenOptions::default()).unwrap();
    let inspections = inspect(&dataset, &Limits::default(), &|_, _| {});
    plan_splits(&SplitRequest {
        dataset: &dataset,
        inspections: &inspections,
        catalogue: Catalogue::builtin(),
        ratios: Ratios::default(),
        seed: 0,
        earlier,
    })
}

fn splits_of_group(plan: &SplitPlan, group: &str) -> BTreeSet<Split> {
    plan.photographs
        .iter()
        .filter(|p| p.group == group)
        .map(|p| p.split)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn photographs_of_one_group_never_stand_on_two_sides(
        rows in prop::collection::vec((0_usize..3, 0_usize..10), 6..30),
        is_presplit in prop::bool::ANY,
    ) {
        let classes = ["esox_lucius", "perca_fluviatilis", "tinca_tinca"];
        let folders: Vec<String> = rows
            .iter()
            .enumerate()
            .map(|(i, (class, _))| {
                let split = ["train/", "val/", "test/"][i % 3];
                format!("{}{}", if is_presplit { split } else { "" }, classes[*class])
            })
            .collect();
        let groups: Vec<String> = rows.iter().map(|(_, group)| format!("fish {group}")).collect();
        let photographs: Vec<(&str, usize, &str)> =
            (0..rows.len()).map(|i| (folders[i].as_str(), i, groups[i].as_str())).collect();
        if let Ok(plan) = plan(&photographs) {
            for group in plan.photographs.iter().map(|p| p.group.clone()).collect::<BTreeSet<_>>() {
                prop_assert!(splits_of_group(&plan, &group).len() == 1, "{} is divided", group);
            }
        }
    }
}

#[test]
fn in_a_presplit_data_set_the_folders_decide_and_leaks_leave_training() {
    let plan = plan(&[
        ("train/esox_lucius", 0, "a"),
        ("train/esox_lucius", 1, "b"),
        ("train/perca_fluviatilis", 2, "c"),
        ("val/perca_fluviatilis", 3, "d"),
        ("val/esox_lucius", 4, "e"),
        ("test/esox_lucius", 5, "b"),
        ("test/perca_fluviatilis", 6, "f"),
    ])
    .unwrap();
    assert_eq!(plan.photographs.len(), 6);
    assert_eq!(splits_of_group(&plan, "b"), BTreeSet::from([Split::Test]));
    assert_eq!(splits_of_group(&plan, "d"), BTreeSet::from([Split::Val]));
    assert!(
        plan.warnings
            .iter()
            .any(|text| text.starts_with("1 photographs show")),
        "{:?}",
        plan.warnings
    );
}

#[test]
fn a_missing_test_folder_is_made_from_groups_of_train() {
    let train: Vec<(String, usize, String)> = (0..24)
        .map(|i| {
            (
                format!("train/{}", ["esox_lucius", "tinca_tinca"][i % 2]),
                i,
                format!("g{i}"),
            )
        })
        .collect();
    let rows: Vec<(&str, usize, &str)> = train
        .iter()
        .map(|(f, i, g)| (f.as_str(), *i, g.as_str()))
        .collect();
    let plan = plan(&rows).unwrap();
    assert!(plan.of(Split::Test).count() >= 2 && plan.of(Split::Val).count() >= 2);
    assert_eq!(
        plan.warnings
            .iter()
            .filter(|text| text.contains("there is no"))
            .count(),
        2
    );
}

#[test]
fn one_species_is_refused_with_the_remedy() {
    let error = plan(&[("esox_lucius", 0, "a"), ("esox_lucius", 1, "b")])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("1 species; at least 2 are needed"),
        "{error}"
    );
}

#[test]
fn groups_that_leave_nothing_to_test_on_are_refused_with_the_remedy() {
    let error = plan(&[("esox_lucius", 0, "a"), ("tinca_tinca", 1, "b")])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no photographs are left to test on"),
        "{error}"
    );
}

#[test]
fn a_broken_photograph_is_left_out_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let rows: Vec<(String, usize, String)> = (0..12)
        .map(|i| {
            (
                ["esox_lucius", "tinca_tinca"][i % 2].to_owned(),
                i,
                format!("g{i}"),
            )
        })
        .collect();
    let rows: Vec<(&str, usize, &str)> = rows
        .iter()
        .map(|(f, i, g)| (f.as_str(), *i, g.as_str()))
        .collect();
    data_set(dir.path(), &rows);
    fs::write(dir.path().join("esox_lucius/0.png"), b"not a photograph").unwrap();
    let dataset = Dataset::open(dir.path().to_str().unwrap(), &OpenOptions::default()).unwrap();
    let inspections = inspect(&dataset, &Limits::default(), &|_, _| {});
    let plan = plan_splits(&SplitRequest {
        dataset: &dataset,
        inspections: &inspections,
        catalogue: Catalogue::builtin(),
        ratios: Ratios::default(),
        seed: 0,
        earlier: &BTreeMap::new(),
    })
    .unwrap();
    assert_eq!(plan.photographs.len(), 11);
    assert!(plan.warnings[0].starts_with("1 photographs cannot be read"));
}

fn splits_kept(plan: &SplitPlan) -> BTreeMap<String, Split> {
    let entry = |(group, split): (String, String)| (group, split.parse().unwrap());
    plan.groups().into_iter().map(entry).collect()
}

/// The groups of `splits` that were not tested on.
fn trained_on(splits: &BTreeMap<String, Split>) -> BTreeSet<String> {
    let learned = splits.iter().filter(|(_, split)| **split != Split::Test);
    learned.map(|(group, _)| group.clone()).collect()
}

#[test]
fn a_cluster_that_growth_renames_stays_where_its_photographs_were() {
    let dir = tempfile::tempdir().unwrap();
    let write = |class: &str, name: &str, bytes: &[u8]| {
        fs::create_dir_all(dir.path().join(class)).unwrap();
        fs::write(dir.path().join(class).join(name), bytes).unwrap();
    };
    for number in 0..60 {
        let class = ["esox_lucius", "tinca_tinca"][number % 2];
        write(class, &format!("m{number}.png"), &picture(number));
    }
    let before = plan_of(dir.path(), &BTreeMap::new()).unwrap();
    let earlier = splits_kept(&before);
    // A near-duplicate of each, first by name: it gives the cluster another name.
    for number in 0..60 {
        let class = ["esox_lucius", "tinca_tinca"][number % 2];
        let mut twin = picture(number);
        twin.push(0);
        write(class, &format!("a{number}.png"), &twin);
    }
    let after = plan_of(dir.path(), &earlier).unwrap();
    let renamed = after
        .photographs
        .iter()
        .filter(|p| !earlier.contains_key(&p.group));
    assert!(
        renamed.count() > 0,
        "no cluster has another name; the test shows nothing"
    );
    let split_of = |plan: &SplitPlan| -> BTreeMap<String, Split> {
        let own = plan.photographs.iter().filter(|p| p.path.contains("/m"));
        own.map(|p| (p.path.clone(), p.split)).collect()
    };
    assert_eq!(split_of(&before), split_of(&after));
    let learned = after.groups_learned_from(&trained_on(&earlier), &BTreeSet::new());
    for photograph in &after.photographs {
        assert_eq!(
            learned.contains(&photograph.group),
            photograph.split != Split::Test,
            "{photograph:?}"
        );
    }
}

#[test]
fn of_groups_that_are_joined_the_one_that_was_learned_from_wins() {
    let rows: Vec<(&str, usize, String)> = (0..12)
        .map(|i| {
            (
                ["esox_lucius", "tinca_tinca"][i % 2],
                i / 2 * 2 % 10 + i % 2,
                format!("g{i:02}"),
            )
        })
        .collect();
    // Photographs 0 and 10 are one picture in the groups g00 and g10, which are therefore joined as g00.
    let rows: Vec<(&str, usize, &str)> =
        rows.iter().map(|(f, n, g)| (*f, *n, g.as_str())).collect();
    let earlier = BTreeMap::from([
        ("g00".to_owned(), Split::Test),
        ("g10".to_owned(), Split::Train),
    ]);
    let plan = plan_after(&rows, &earlier).unwrap();
    assert_eq!(splits_of_group(&plan, "g10"), BTreeSet::new());
    assert_eq!(
        splits_of_group(&plan, "g00"),
        BTreeSet::from([Split::Train])
    );
    assert_eq!(
        plan.groups_learned_from(&trained_on(&earlier), &BTreeSet::new()),
        BTreeSet::from(["g00".to_owned()])
    );
}

#[test]
fn a_photograph_is_known_again_though_what_named_its_cluster_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let write = |class: &str, name: &str, bytes: &[u8]| {
        fs::create_dir_all(dir.path().join(class)).unwrap();
        fs::write(dir.path().join(class).join(name), bytes).unwrap();
    };
    for number in 0..20 {
        let class = ["esox_lucius", "tinca_tinca"][number % 2];
        write(class, &format!("b{number}.png"), &picture(number));
        let mut twin = picture(number);
        twin.push(0);
        write(class, &format!("a{number}.png"), &twin);
    }
    let before = plan_of(dir.path(), &BTreeMap::new()).unwrap();
    // Every cluster is named after its a…png, and those are gone when the next model is made.
    for number in 0..20 {
        let class = ["esox_lucius", "tinca_tinca"][number % 2];
        fs::remove_file(dir.path().join(class).join(format!("a{number}.png"))).unwrap();
    }
    let after = plan_of(dir.path(), &BTreeMap::new()).unwrap();
    let trained_on = trained_on(&splits_kept(&before));
    assert!(
        after
            .groups_learned_from(&trained_on, &BTreeSet::new())
            .is_empty(),
        "the names still tell; the test shows nothing"
    );
    let photographs = before.learned_photographs().into_iter().collect();
    let learned = after.groups_learned_from(&trained_on, &photographs);
    let split_before: BTreeMap<&str, Split> = before
        .photographs
        .iter()
        .map(|p| (p.path.as_str(), p.split))
        .collect();
    for photograph in &after.photographs {
        assert_eq!(
            learned.contains(&photograph.group),
            split_before[photograph.path.as_str()] != Split::Test,
            "{photograph:?}"
        );
    }
}
