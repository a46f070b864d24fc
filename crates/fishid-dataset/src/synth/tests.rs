#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{SynthError, SynthRequest, photo, render, species, species_slugs, synthesise};

fn request(dir: &Path, n_species: usize, per_class: usize) -> SynthRequest {
    SynthRequest {
        dir: dir.to_path_buf(),
        n_species,
        per_class,
        seed: 7,
    }
}

/// Every file under `dir` with its digest.
fn digests(dir: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().display().to_string();
                found.insert(name, hex::encode(Sha256::digest(fs::read(&path).unwrap())));
            }
        }
    }
    found
}

fn synthesise_with_threads(request: &SynthRequest, n_threads: usize) {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(n_threads)
        .build()
        .unwrap();
    pool.install(|| synthesise(request, &|_, _| {})).unwrap();
}

#[test]
fn one_thread_and_three_write_the_same_bytes() {
    let (one, three) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    synthesise_with_threads(&request(one.path(), 3, 3), 1);
    synthesise_with_threads(&request(three.path(), 3, 3), 3);
    let files = digests(one.path());
    assert_eq!(files, digests(three.path()));
    assert_eq!(
        files.len(),
        3 * 3 + 2,
        "photographs, manifest.csv and synthetic.json"
    );
    assert!(
        files.contains_key("abramis_brama/abramis_brama_0002.jpg"),
        "{files:?}"
    );
    assert_eq!(
        files.values().collect::<BTreeSet<_>>().len(),
        files.len(),
        "no two files are alike"
    );
}

#[test]
fn every_fish_is_a_group_of_two_photographs() {
    let dir = tempfile::tempdir().unwrap();
    let summary = synthesise(&request(dir.path(), 2, 5), &|_, _| {}).unwrap();
    assert_eq!(
        (summary.n_photographs, summary.n_drawn, summary.n_groups),
        (10, 10, 6)
    );
    let manifest = fs::read_to_string(dir.path().join("manifest.csv")).unwrap();
    let mut lines = manifest.lines();
    assert_eq!(lines.next(), Some("path,class,group"));
    let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
    for line in lines {
        let [path, class, group] = line.split(',').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        assert!(dir.path().join(path).is_file(), "{path} is missing");
        assert!(
            path.starts_with(class) && group.starts_with(class),
            "{line}"
        );
        *groups.entry(group).or_default() += 1;
    }
    assert_eq!(
        groups.values().copied().collect::<Vec<_>>(),
        [2, 2, 1, 2, 2, 1]
    );
}

#[test]
fn progress_reaches_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let most = std::sync::atomic::AtomicUsize::new(0);
    let tell = |done, total| {
        assert_eq!(total, 2);
        most.fetch_max(done, std::sync::atomic::Ordering::SeqCst);
    };
    synthesise(&request(dir.path(), 1, 2), &tell).unwrap();
    assert_eq!(most.into_inner(), 2);
}

#[test]
fn a_second_run_draws_only_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let request = request(dir.path(), 1, 3);
    synthesise(&request, &|_, _| {}).unwrap();
    let before = digests(dir.path());
    fs::remove_file(dir.path().join("abramis_brama/abramis_brama_0001.jpg")).unwrap();
    let summary = synthesise(&request, &|_, _| {}).unwrap();
    assert_eq!((summary.n_drawn, summary.n_photographs), (1, 3));
    assert_eq!(digests(dir.path()), before);
}

#[test]
fn a_folder_with_other_files_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("holiday.jpg"), b"mine").unwrap();
    let error = synthesise(&request(dir.path(), 1, 1), &|_, _| {}).unwrap_err();
    assert!(matches!(error, SynthError::ForeignFolder { .. }), "{error}");
    assert!(
        error.to_string().contains("choose an empty or new folder"),
        "{error}"
    );
    assert_eq!(digests(dir.path()).len(), 1);
}

#[test]
fn the_fish_of_another_request_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = request(dir.path(), 1, 1);
    synthesise(&first, &|_, _| {}).unwrap();
    let error = synthesise(&SynthRequest { seed: 8, ..first }, &|_, _| {}).unwrap_err();
    assert!(matches!(error, SynthError::OtherRequest { .. }), "{error}");
    assert!(
        error.to_string().contains("seed 7") && error.to_string().contains("seed 8"),
        "{error}"
    );
}

#[test]
fn impossible_counts_are_refused_before_a_folder_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let inside = dir.path().join("new");
    for (n_species, per_class) in [(0, 1), (16, 1), (1, 0), (1, 10_000)] {
        let error = synthesise(&request(&inside, n_species, per_class), &|_, _| {}).unwrap_err();
        assert!(error.to_string().contains("ask for 1 to"), "{error}");
    }
    assert!(!inside.exists());
}

#[test]
fn every_default_species_has_a_profile() {
    let catalogue: Vec<&str> = fishid_taxonomy::Catalogue::builtin()
        .default_set()
        .map(|species| species.slug.as_str())
        .collect();
    assert_eq!(
        species_slugs().collect::<BTreeSet<_>>(),
        catalogue.into_iter().collect()
    );
}

#[test]
fn contours_run_from_snout_to_tail() {
    for profile in species::PROFILES {
        for side in [profile.back, profile.belly] {
            assert_eq!(
                (side.first().unwrap().0, side.last().unwrap().0),
                (0.0, 1.0),
                "{}",
                profile.slug
            );
            assert!(
                side.windows(2).all(|pair| pair[0].0 < pair[1].0),
                "{}",
                profile.slug
            );
        }
        for fin in profile.fins {
            assert!(
                fin.n_rays >= 2 && fin.lengths.len() >= 2,
                "{}",
                profile.slug
            );
        }
    }
}

#[test]
fn unknown_species_and_absurd_sizes_are_not_drawn() {
    assert!(render("carcharodon_carcharias", 0, 0, 64, 48).is_none());
    for (width, height) in [(8, 64), (64, 8), (5000, 64), (0, 0)] {
        assert!(
            render("esox_lucius", 0, 0, width, height).is_none(),
            "{width}x{height}"
        );
    }
    for (width, height) in [(16, 16), (40, 300), (300, 40)] {
        assert!(
            render("esox_lucius", 0, 0, width, height).is_some(),
            "{width}x{height}"
        );
    }
}

/// Mean colours of a 4 × 6 grid over the bounding box of the bare fish, the silhouette with them.
fn features(slug: &str, fish_number: u32) -> Vec<f32> {
    let profile = species::find(slug).unwrap();
    let mut dice = super::dice::Dice::new(3, slug, "fish", fish_number);
    let individual = super::individual::Individual::new(profile, &mut dice);
    let fish = super::fish::draw(&individual, 120.0, &mut dice).unwrap();
    let (width, height) = (fish.canvas.width() as usize, fish.canvas.height() as usize);
    let mut sums = vec![0.0; 24 * 4];
    for (i, pixel) in fish.canvas.data().chunks_exact(4).enumerate() {
        // Rows are counted from the fish's axis: a deep and a slender body then differ.
        let row = ((i / width) as f32 - fish.outline.origin.1) / 120.0;
        let row = (((row + 0.3) / 0.6 * 4.0) as usize).min(3);
        let cell = row * 6 + i % width * 6 / width;
        for channel in 0..4 {
            sums[cell * 4 + channel] += f32::from(pixel[channel]) / (width * height) as f32 * 24.0;
        }
    }
    sums
}

#[test]
fn species_differ_more_than_the_fish_of_one_species() {
    let distance = |a: &[f32], b: &[f32]| -> f32 {
        a.iter()
            .zip(b)
            .map(|(a, b)| (a - b).powi(2))
            .sum::<f32>()
            .sqrt()
    };
    let n_fish = 6;
    let all: Vec<Vec<Vec<f32>>> = species_slugs()
        .map(|slug| (0..n_fish).map(|number| features(slug, number)).collect())
        .collect();
    let means: Vec<Vec<f32>> = all
        .iter()
        .map(|fish| {
            (0..fish[0].len())
                .map(|i| fish.iter().map(|f| f[i]).sum::<f32>() / n_fish as f32)
                .collect()
        })
        .collect();
    for (slug, (own, mean)) in species_slugs().zip(all.iter().zip(&means)) {
        let spread = own.iter().map(|fish| distance(fish, mean)).sum::<f32>() / n_fish as f32;
        assert!(spread > 1.0, "the fish of {slug} are all alike: {spread}");
        for (other, other_mean) in species_slugs()
            .zip(&means)
            .filter(|(other, _)| *other != slug)
        {
            let apart = distance(mean, other_mean);
            assert!(
                apart > spread * 0.9,
                "{slug} and {other} are {apart} apart, fish of {slug} {spread}"
            );
        }
    }
}

#[test]
fn two_photographs_of_one_fish_are_not_the_same_picture() {
    let [first, second] =
        [0, 1].map(|index| render("perca_fluviatilis", 0, index, 160, 120).unwrap());
    assert_eq!(photo::fish_number(0), photo::fish_number(1));
    let apart: f32 = first
        .pixels()
        .iter()
        .zip(second.pixels())
        .map(|(a, b)| f32::from(a.abs_diff(*b)))
        .sum::<f32>()
        / first.pixels().len() as f32;
    assert!(apart > 12.0, "mean difference {apart}");
}
