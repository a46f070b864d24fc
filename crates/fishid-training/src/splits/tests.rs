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
    let dir = tempfile::tempdir().unwrap();
    data_set(dir.path(), photographs);
    let dataset = Dataset::open(dir.path().to_str().unwrap(), &OpenOptions::default()).unwrap();
    let inspections = inspect(&dataset, &Limits::default(), &|_, _| {});
    plan_splits(&SplitRequest {
        dataset: &dataset,
        inspections: &inspections,
        catalogue: Catalogue::builtin(),
        ratios: Ratios::default(),
        seed: 0,
        earlier: &BTreeMap::new(),
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
