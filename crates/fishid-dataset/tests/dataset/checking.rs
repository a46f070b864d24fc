//! `check` on folders with one thing wrong each.

use std::fs;
use std::path::Path;

use crate::support::{jpeg, open, picture, png, put, small_data_set};
use fishid_dataset::{CheckOptions, Problem, Severity, check, inspect};
use fishid_image::{Limits, RgbPhoto};

/// What check finds after `spoil`: kind, path, other, and whether it is an error.
#[track_caller]
fn check_after(
    spoil: impl Fn(&Path),
    expected: &[(&str, &str, Option<&str>, bool)],
) -> Vec<Problem> {
    let folder = tempfile::tempdir().unwrap();
    small_data_set(folder.path());
    spoil(folder.path());
    let problems = check(&open(folder.path()), &CheckOptions::default(), &|_, _| {});
    let found: Vec<_> = problems
        .iter()
        .map(|p| {
            (
                p.kind.as_str(),
                p.path.as_str(),
                p.other.as_deref(),
                p.severity == Severity::Error,
            )
        })
        .collect();
    assert_eq!(found, expected, "{problems:#?}");
    problems
}

#[test]
fn a_clean_data_set_has_no_problems() {
    check_after(|_| {}, &[]);
}

#[test]
fn files_that_are_no_photographs_are_named_with_the_reason() {
    let problems = check_after(
        |folder| {
            put(folder, "esox_lucius/empty.jpg", b"");
            put(folder, "esox_lucius/text.png", b"not a photograph at all");
            let whole = jpeg(&picture(7, 200, 200), 90);
            put(folder, "esox_lucius/half.jpg", &whole[..whole.len() / 2]);
            put(
                folder,
                "esox_lucius/tiny.png",
                fishid_image::encode_png(&picture(8, 1, 1)).unwrap(),
            );
        },
        &[
            ("unreadable", "esox_lucius/empty.jpg", None, true),
            ("unreadable", "esox_lucius/half.jpg", None, true),
            ("unreadable", "esox_lucius/text.png", None, true),
            ("too_small", "esox_lucius/tiny.png", None, true),
        ],
    );
    assert!(
        problems[0].detail.contains("empty"),
        "{}",
        problems[0].detail
    );
}

#[test]
fn a_wrong_extension_is_told_and_the_photograph_is_still_read() {
    check_after(
        |folder| put(folder, "esox_lucius/9.jpg", png(9)),
        &[("wrong_extension", "esox_lucius/9.jpg", None, true)],
    );
}

#[test]
fn a_copy_is_an_error_with_its_twin() {
    check_after(
        |folder| put(folder, "esox_lucius/copy.png", png(0)),
        &[(
            "exact_duplicate",
            "esox_lucius/copy.png",
            Some("esox_lucius/0.png"),
            true,
        )],
    );
}

#[test]
fn a_copy_under_another_label_is_a_label_clash_too() {
    check_after(
        |folder| put(folder, "perca_fluviatilis/copy.png", png(0)),
        &[
            (
                "exact_duplicate",
                "perca_fluviatilis/copy.png",
                Some("esox_lucius/0.png"),
                true,
            ),
            (
                "label_clash",
                "perca_fluviatilis/copy.png",
                Some("esox_lucius/0.png"),
                true,
            ),
        ],
    );
}

fn turned(photo: &RgbPhoto) -> RgbPhoto {
    let (width, height) = (photo.width(), photo.height());
    let pixels = (0..width)
        .rev()
        .flat_map(|x| (0..height).flat_map(move |y| photo.pixel(x, y)))
        .collect();
    RgbPhoto::new(height, width, pixels).unwrap()
}

#[test]
fn a_changed_copy_under_another_label_is_found_however_it_was_changed() {
    let original = picture(0, 160, 120);
    let half = fishid_image::resize(&original, 80, 60, fishid_image::Filter::Lanczos3);
    for (change, bytes) in [
        ("re-encoded", jpeg(&original, 60)),
        ("halved", jpeg(&half, 90)),
        ("mirrored", jpeg(&original.clone().mirrored(), 80)),
        ("halved and mirrored", jpeg(&half.clone().mirrored(), 60)),
        ("turned", jpeg(&turned(&original), 80)),
    ] {
        eprintln!("{change}");
        check_after(
            |folder| put(folder, "perca_fluviatilis/other.jpg", &bytes),
            &[
                (
                    "near_duplicate",
                    "perca_fluviatilis/other.jpg",
                    Some("esox_lucius/0.png"),
                    true,
                ),
                (
                    "label_clash",
                    "perca_fluviatilis/other.jpg",
                    Some("esox_lucius/0.png"),
                    true,
                ),
            ],
        );
    }
}

#[test]
fn a_changed_copy_of_the_same_label_is_only_a_warning() {
    check_after(
        |folder| put(folder, "esox_lucius/z.jpg", jpeg(&picture(0, 160, 120), 70)),
        &[(
            "near_duplicate",
            "esox_lucius/z.jpg",
            Some("esox_lucius/0.png"),
            false,
        )],
    );
}

#[test]
fn near_duplicates_of_one_fish_are_expected() {
    check_after(
        |folder| {
            put(folder, "esox_lucius/z.jpg", jpeg(&picture(0, 160, 120), 70));
            let mut manifest = "path,group\nesox_lucius/z.jpg,esox 0\n".to_owned();
            for n in 0..6 {
                manifest +=
                    &format!("esox_lucius/{n}.png,esox {n}\nperca_fluviatilis/{n}.png,perca {n}\n");
            }
            put(folder, "manifest.csv", manifest);
        },
        &[],
    );
}

#[test]
fn the_same_picture_or_the_same_group_in_two_splits_is_a_leak() {
    let split = |folder: &Path| {
        for n in 0..6 {
            for species in ["esox_lucius", "perca_fluviatilis"] {
                let side = if n < 4 { "train" } else { "test" };
                let to = folder.join(side).join(species);
                fs::create_dir_all(&to).unwrap();
                fs::rename(
                    folder.join(format!("{species}/{n}.png")),
                    to.join(format!("{n}.png")),
                )
                .unwrap();
            }
        }
        fs::remove_dir(folder.join("esox_lucius")).unwrap();
        fs::remove_dir(folder.join("perca_fluviatilis")).unwrap();
    };
    check_after(
        |folder| {
            split(folder);
            put(
                folder,
                "test/esox_lucius/9.jpg",
                jpeg(&picture(0, 160, 120), 70),
            );
        },
        &[
            (
                "near_duplicate",
                "train/esox_lucius/0.png",
                Some("test/esox_lucius/9.jpg"),
                true,
            ),
            (
                "split_leak",
                "train/esox_lucius/0.png",
                Some("test/esox_lucius/9.jpg"),
                true,
            ),
        ],
    );
    check_after(
        |folder| {
            split(folder);
            let rows: String = crate::support::files_below(folder)
                .iter()
                .map(|path| {
                    format!(
                        "{path},{}\n",
                        if path.ends_with("esox_lucius/4.png")
                            || path.ends_with("esox_lucius/0.png")
                        {
                            "shared"
                        } else {
                            path
                        }
                    )
                })
                .collect();
            put(folder, "manifest.csv", format!("path,group\n{rows}"));
        },
        &[(
            "split_leak",
            "test/esox_lucius/4.png",
            Some("train/esox_lucius/0.png"),
            true,
        )],
    );
}

#[test]
fn classes_are_looked_at_as_folders_and_as_species() {
    check_after(
        |folder| {
            fs::create_dir(folder.join("tinca_tinca")).unwrap();
            put(folder, "Лосось странный/1.png", png(50));
            for n in 0..5 {
                put(folder, &format!("Esox lucius/{n}.png"), png(60 + n));
            }
        },
        &[
            (
                "same_species_twice",
                "esox_lucius",
                Some("Esox lucius"),
                true,
            ),
            ("empty_class", "tinca_tinca", None, true),
            ("small_class", "Лосось странный", None, true),
            ("unknown_species", "Лосось странный", None, false),
        ],
    );
}

#[test]
fn a_thousand_flat_pictures_are_not_taken_for_one_fish() {
    check_after(
        |folder| {
            for n in 0..4u8 {
                put(
                    folder,
                    &format!("esox_lucius/flat{n}.png"),
                    fishid_image::encode_png(&RgbPhoto::filled(64, 64, [n, 10, 10])).unwrap(),
                );
                put(
                    folder,
                    &format!("perca_fluviatilis/flat{n}.png"),
                    fishid_image::encode_png(&RgbPhoto::filled(64, 64, [10, 200, n])).unwrap(),
                );
            }
        },
        &[],
    );
}

#[test]
fn names_with_spaces_unicode_and_signs_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let names = [
        "Щука обыкновенная/фото №1 (копия) 100%.PNG",
        "Щука обыкновенная/a#1?&+~.png",
        "Щука обыкновенная/%20.png",
        "ёрш/'\"[1]*.png",
    ];
    for (n, name) in names.iter().enumerate() {
        put(folder.path(), name, png(n as u64));
    }
    let dataset = open(folder.path());
    let mut expected = names.to_vec();
    expected.sort_unstable();
    assert_eq!(
        dataset
            .photographs()
            .iter()
            .map(|photo| photo.path.as_str())
            .collect::<Vec<_>>(),
        expected
    );
    assert!(
        inspect(&dataset, &Limits::default(), &|_, _| {})
            .iter()
            .all(fishid_dataset::Inspection::is_readable)
    );
    assert_eq!(dataset.classes(), ["Щука обыкновенная", "ёрш"]);
}

#[cfg(unix)]
#[test]
fn links_to_folders_are_followed_and_loops_of_links_are_left_out() {
    use std::os::unix::fs::symlink;
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    small_data_set(folder.path());
    put(elsewhere.path(), "1.png", png(77));
    symlink(elsewhere.path(), folder.path().join("tinca_tinca")).unwrap();
    symlink(folder.path(), folder.path().join("esox_lucius/loop")).unwrap();
    symlink("nowhere", folder.path().join("esox_lucius/gone.jpg")).unwrap();
    let dataset = open(folder.path());
    assert_eq!(dataset.photographs().len(), 13);
    assert_eq!(
        dataset.classes(),
        ["esox_lucius", "perca_fluviatilis", "tinca_tinca"]
    );
    assert!(dataset.read(&dataset.photographs()[12]).is_ok());
}

#[test]
fn the_json_of_a_problem_is_that_of_the_contract() {
    let problems = check_after(
        |folder| put(folder, "esox_lucius/copy.png", png(0)),
        &[(
            "exact_duplicate",
            "esox_lucius/copy.png",
            Some("esox_lucius/0.png"),
            true,
        )],
    );
    let json = serde_json::to_value(&problems[0]).unwrap();
    assert_eq!(json["kind"], "exact_duplicate");
    assert_eq!(json["path"], "esox_lucius/copy.png");
    assert_eq!(json["other"], "esox_lucius/0.png");
    assert!(json["detail"].as_str().unwrap().contains("delete one"));
}

#[test]
fn a_place_that_is_no_data_set_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "file.zip", b"");
    let inner = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for (location, word) in [
        (inner("missing"), "does not exist"),
        (inner("file.zip"), "data import"),
        (inner(""), "holds no photographs"),
        ("gs://bucket/x".to_owned(), "s3://bucket/prefix"),
        ("s3://".to_owned(), "no bucket"),
    ] {
        let message =
            fishid_dataset::Dataset::open(&location, &fishid_dataset::OpenOptions::default())
                .unwrap_err()
                .to_string();
        assert!(message.contains(word), "{message}");
    }
}
