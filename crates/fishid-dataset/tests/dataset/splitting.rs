//! `write_split`: what lies where afterwards, growth, refusals, and what an interrupted run leaves.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fishid_dataset::{
    Dataset, OpenOptions, Origin, Split, SplitFolderSummary, SplitRequest, write_split,
};
use fishid_image::Limits;

use crate::support::{files_below, jpeg, open, picture, png, put, small_data_set};

fn request(out: &Path) -> SplitRequest {
    SplitRequest {
        out: out.to_owned(),
        ratios: "80/10/10".parse().unwrap(),
        seed: 0,
        group_column: "group".to_owned(),
        limits: Limits::default(),
    }
}

fn split(source: &Path, out: &Path) -> SplitFolderSummary {
    write_split(&open(source), &request(out), &|_, _| {}).unwrap()
}

/// Split of each photograph by the bytes of its file.
fn sides(out: &Path) -> BTreeMap<Vec<u8>, Split> {
    let dataset = open(out);
    dataset
        .photographs()
        .iter()
        .map(|photo| (dataset.read(photo).unwrap().to_vec(), photo.split.unwrap()))
        .collect()
}

#[test]
fn every_readable_photograph_is_copied_into_a_data_set_that_checks_clean() {
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("fish"), folder.path().join("a/b/split"));
    small_data_set(&source);
    put(&source, "Esox lucius/day 1/0.png", png(40));
    put(&source, "Esox lucius/broken.png", b"not a photograph");
    put(&source, "synthetic.json", b"{}");
    let summary = split(&source, &out);
    assert_eq!(summary.left_out.len(), 1);
    assert_eq!(summary.left_out[0].path, "Esox lucius/broken.png");
    assert_eq!(summary.n_groups, 13);
    assert_eq!(
        summary
            .counts
            .values()
            .flat_map(BTreeMap::values)
            .sum::<usize>(),
        13
    );

    let dataset = open(&out);
    assert_eq!(dataset.classes(), ["esox_lucius", "perca_fluviatilis"]);
    assert_eq!(dataset.origin(), Origin::Synthetic);
    assert!(dataset.is_presplit());
    assert!(
        dataset
            .photographs()
            .iter()
            .all(|photo| photo.group.is_some())
    );
    assert!(
        dataset
            .photographs()
            .iter()
            .any(|photo| photo.path.ends_with("esox_lucius/day 1/0.png"))
    );
    assert_eq!(
        fishid_dataset::check(
            &dataset,
            &fishid_dataset::CheckOptions::default(),
            &|_, _| {}
        ),
        []
    );
    assert_eq!(
        fs::read_dir(out.parent().unwrap()).unwrap().count(),
        1,
        "something was left beside the result"
    );
}

#[test]
fn photographs_of_one_group_and_changed_copies_stay_together_and_columns_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("fish"), folder.path().join("split"));
    let mut manifest = "path,class,group,video,note\n".to_owned();
    for n in 0..30 {
        put(&source, &format!("esox_lucius/{n}.png"), png(n));
        put(
            &source,
            &format!("esox_lucius/{n}-small.jpg"),
            jpeg(&picture(n, 80, 60), 70),
        );
        manifest += &format!(
            "esox_lucius/{n}.png,esox_lucius,fish {n},v{},\"a, b\"\n",
            n / 3
        );
        manifest += &format!(
            "esox_lucius/{n}-small.jpg,esox_lucius,other {n},w{},\n",
            n / 3
        );
    }
    put(&source, "manifest.csv", manifest);
    let options = OpenOptions {
        group_column: "video".to_owned(),
        ..OpenOptions::default()
    };
    let dataset = Dataset::open(source.to_str().unwrap(), &options).unwrap();
    let summary = write_split(
        &dataset,
        &SplitRequest {
            group_column: "video".to_owned(),
            ..request(&out)
        },
        &|_, _| {},
    )
    .unwrap();
    assert_eq!(
        summary.n_groups, 10,
        "three fish of a video, each joined with its small copies"
    );

    let mut sides: BTreeMap<String, Split> = BTreeMap::new();
    for photo in open(&out).photographs() {
        let n: u32 = photo
            .path
            .rsplit('/')
            .next()
            .unwrap()
            .split(['.', '-'])
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let side = *sides
            .entry(format!("v{}", n / 3))
            .or_insert(photo.split.unwrap());
        assert_eq!(Some(side), photo.split, "{}", photo.path);
        assert_eq!(photo.group.as_deref(), Some(format!("v{}", n / 3).as_str()));
    }
    assert!(
        Split::ALL
            .into_iter()
            .all(|split| sides.values().any(|side| *side == split))
    );
    let text = fs::read_to_string(out.join("manifest.csv")).unwrap();
    assert!(
        text.starts_with("path,class,group,split,sha256,source_group,video,note\n"),
        "{text}"
    );
    assert!(text.contains(",fish 7,v2,\"a, b\"\n"), "{text}");
}

#[test]
fn a_grown_data_set_keeps_every_photograph_on_its_side() {
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("fish"), folder.path().join("split"));
    small_data_set(&source);
    split(&source, &out);
    let before = sides(&out);
    for n in 0..20 {
        put(&source, &format!("esox_lucius/a new {n}.png"), png(200 + n));
        put(&source, &format!("tinca_tinca/{n}.png"), png(300 + n));
    }
    // A changed copy of a photograph follows it.
    put(
        &source,
        "esox_lucius/00 copy.jpg",
        jpeg(&picture(3, 160, 120), 60),
    );
    let summary = split(&source, &out);
    let after = sides(&out);
    assert_eq!(summary.n_kept, 12);
    assert_eq!(after.len(), 12 + 41);
    for (bytes, side) in &before {
        assert_eq!(after[bytes], *side);
    }
    assert_eq!(after[&jpeg(&picture(3, 160, 120), 60)], before[&png(3)]);
    split(&source, &out);
    assert_eq!(sides(&out), after, "a second run changes nothing");
}

#[track_caller]
fn check_refused(source: &Path, request: &SplitRequest, word: &str) {
    let before = files_below(source);
    let message = write_split(&open(source), request, &|_, _| {})
        .unwrap_err()
        .to_string();
    assert!(message.contains(word), "`{word}` is missing in: {message}");
    assert_eq!(files_below(source), before);
}

#[test]
fn what_would_lose_or_mix_photographs_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("fish"), folder.path().join("split"));
    small_data_set(&source);
    check_refused(&source, &request(&source), "overlaps");
    check_refused(&source, &request(&source.join("deep/er")), "overlaps");
    check_refused(&source, &request(folder.path()), "overlaps");
    put(&out, "thesis.doc", b"years of work");
    check_refused(&source, &request(&out), "not empty");
    assert_eq!(files_below(&out), ["thesis.doc"]);

    let out = folder.path().join("other");
    split(&source, &out);
    check_refused(
        &source,
        &SplitRequest {
            seed: 1,
            ..request(&out)
        },
        "seed 0",
    );
    check_refused(
        &source,
        &SplitRequest {
            ratios: "60/20/20".parse().unwrap(),
            ..request(&out)
        },
        "80/10/10",
    );
    put(&out, "train/esox_lucius/mine.png", png(999));
    check_refused(&source, &request(&out), "mine.png");
}

#[test]
fn a_run_killed_at_any_moment_is_made_good_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("fish"), folder.path().join("split"));
    small_data_set(&source);
    // Killed while copying: half a tree in the hidden folder.
    put(
        folder.path(),
        ".split.fishid-partial/train/esox_lucius/0.png",
        b"half",
    );
    split(&source, &out);
    let whole = files_below(&out);
    assert_eq!(files_below(folder.path()).len(), whole.len() + 12);
    // Killed between the two renames: the result is gone, the old one is beside it.
    fs::rename(&out, folder.path().join(".split.fishid-old")).unwrap();
    let summary = split(&source, &out);
    assert_eq!(summary.n_kept, 12);
    assert_eq!(files_below(&out), whole);
    assert_eq!(files_below(folder.path()).len(), whole.len() + 12);
}

#[test]
fn a_photograph_that_vanishes_meanwhile_leaves_no_half_result() {
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("fish"), folder.path().join("split"));
    small_data_set(&source);
    let dataset = open(&source);
    let victim = source.join("esox_lucius/5.png");
    let vanish = |done: usize, total: usize| {
        if done == total {
            // After the inspection, before or while copying.
            let _ = fs::remove_file(&victim);
        }
    };
    let message = write_split(&dataset, &request(&out), &vanish)
        .unwrap_err()
        .to_string();
    assert!(message.contains("esox_lucius/5.png"), "{message}");
    assert!(!out.exists());
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "something was left beside the source"
    );
}
