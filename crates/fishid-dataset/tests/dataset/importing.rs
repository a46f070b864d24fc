//! `import` of a set shaped like the public one, as a folder and as an archive.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use fishid_dataset::{CheckOptions, ImportSummary, Severity, Split, check, import};
use fishid_image::{RgbPhoto, encode_png};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::support::{files_below, jpeg, open, picture, png, put};

/// Turned about its middle on a canvas of the same size, with black corners.
fn turned_by(photo: &RgbPhoto, degrees: f32) -> RgbPhoto {
    let (width, height) = (photo.width(), photo.height());
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (middle_x, middle_y) = ((width - 1) as f32 / 2.0, (height - 1) as f32 / 2.0);
    let mut pixels = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let (dx, dy) = (x as f32 - middle_x, y as f32 - middle_y);
            let (from_x, from_y) = (
                middle_x + dx * cos + dy * sin,
                middle_y - dx * sin + dy * cos,
            );
            let inside =
                (0.0..width as f32).contains(&from_x) && (0.0..height as f32).contains(&from_y);
            pixels.extend(if inside {
                photo.pixel(from_x as u32, from_y as u32)
            } else {
                [0; 3]
            });
        }
    }
    RgbPhoto::new(width, height, pixels).unwrap()
}

/// Twelve originals per species, each with four augmented copies, masks beside them, a few extras.
fn public_set() -> Vec<(String, Vec<u8>)> {
    let mut files = vec![
        ("Fish_Dataset/README.txt".to_owned(), b"read me".to_vec()),
        ("Fish_Dataset/license.png".to_owned(), png(5000)),
        ("Fish_Dataset/segmentation.m".to_owned(), b"% code".to_vec()),
    ];
    for (class, folder) in ["Black Sea Sprat", "Hourse Mackerel", "Sea Bass"]
        .into_iter()
        .enumerate()
    {
        for n in 0..12u64 {
            let photo = picture(class as u64 * 100 + n, 200, 150);
            let views = [
                photo.clone(),
                photo.clone().mirrored(),
                turned_by(&photo, 90.0),
                turned_by(&photo, 33.0),
                turned_by(&photo, -71.0),
            ];
            for (view, photo) in views.iter().enumerate() {
                let name = format!("{:05}.png", n * 5 + view as u64 + 1);
                files.push((
                    format!("Fish_Dataset/{folder}/{folder}/{name}"),
                    encode_png(photo).unwrap(),
                ));
                files.push((
                    format!("Fish_Dataset/{folder}/{folder} GT/{name}"),
                    encode_png(&RgbPhoto::filled(32, 32, [255; 3])).unwrap(),
                ));
            }
            let plain = folder.replace("Hourse", "Horse");
            files.push((
                format!("NA_Fish_Dataset/{plain}/{:05}.png", n + 1),
                jpeg(&photo, 90),
            ));
        }
    }
    files
}

#[track_caller]
fn check_imported(summary: &ImportSummary, dir: &Path) {
    assert_eq!(
        (summary.n_masks, summary.n_without_class, summary.n_copies),
        (180, 1, 0)
    );
    assert_eq!(
        summary.written.n_groups, 36,
        "each original with its copies and its photograph in the small set"
    );
    assert_eq!(
        summary.class_names["horse_mackerel"]
            .iter()
            .collect::<Vec<_>>(),
        ["Horse Mackerel", "Hourse Mackerel"]
    );
    let out = dir.join("processed_images");
    assert_eq!(summary.written.out, out);
    let dataset = open(&out);
    assert_eq!(dataset.photographs().len(), 216);
    assert_eq!(
        dataset.classes(),
        ["black_sea_sprat", "horse_mackerel", "sea_bass"]
    );
    let mut sides: BTreeMap<&str, Split> = BTreeMap::new();
    for photo in dataset.photographs() {
        let group = photo.group.as_deref().unwrap();
        assert_eq!(
            Some(*sides.entry(group).or_insert(photo.split.unwrap())),
            photo.split
        );
    }
    for split in Split::ALL {
        assert_eq!(
            summary.written.counts[&split].len(),
            3,
            "{split} has every species"
        );
    }
    let problems = check(&dataset, &CheckOptions::default(), &|_, _| {});
    assert!(
        problems
            .iter()
            .all(|p| p.severity == Severity::Warning || p.kind.as_str() == "wrong_extension"),
        "{problems:#?}"
    );
    assert_eq!(
        fs::read_dir(dir).unwrap().count(),
        1,
        "something was left beside the result"
    );
}

#[test]
fn a_folder_like_the_public_set_is_imported_with_its_augmented_copies_grouped() {
    let folder = tempfile::tempdir().unwrap();
    let (source, dir) = (
        folder.path().join("kaggle"),
        folder.path().join("datasets_final"),
    );
    for (path, bytes) in public_set() {
        put(&source, &path, bytes);
    }
    let before = files_below(&source);
    check_imported(&import(&source, &dir, 0, &|_, _| {}).unwrap(), &dir);
    assert_eq!(files_below(&source), before);
    let again = import(&source, &dir, 0, &|_, _| {}).unwrap();
    assert_eq!(again.written.n_kept, 216);
}

fn archive(folder: &Path, files: &[(String, Vec<u8>)]) -> PathBuf {
    let path = folder.join("archive.zip");
    let mut zip = ZipWriter::new(File::create(&path).unwrap());
    for (name, bytes) in files {
        zip.start_file(name.as_str(), SimpleFileOptions::default())
            .unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    path
}

#[test]
fn an_archive_gives_the_same_data_set_as_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (source, unpacked, packed) = (
        folder.path().join("kaggle"),
        folder.path().join("from_folder"),
        folder.path().join("from_zip"),
    );
    let files = public_set();
    for (path, bytes) in &files {
        put(&source, path, bytes);
    }
    let zip = archive(folder.path(), &files);
    check_imported(&import(&zip, &packed, 0, &|_, _| {}).unwrap(), &packed);
    import(&source, &unpacked, 0, &|_, _| {}).unwrap();
    let manifest =
        |dir: &Path| fs::read_to_string(dir.join("processed_images/manifest.csv")).unwrap();
    assert_eq!(manifest(&packed), manifest(&unpacked));
}

#[track_caller]
fn check_refused(files: &[(String, Vec<u8>)], word: &str) {
    let folder = tempfile::tempdir().unwrap();
    let zip = archive(folder.path(), files);
    let message = import(&zip, &folder.path().join("out/dir"), 0, &|_, _| {})
        .unwrap_err()
        .to_string();
    assert!(message.contains(word), "`{word}` is missing in: {message}");
    assert_eq!(
        files_below(folder.path()),
        ["archive.zip"],
        "something was written"
    );
}

#[test]
fn archives_built_to_do_harm_are_refused_and_write_nothing() {
    check_refused(
        &[
            ("Trout/1.png".into(), png(1)),
            ("../../Trout/2.png".into(), png(2)),
        ],
        "outside the archive",
    );
    check_refused(
        &[
            ("Trout/1.png".into(), png(1)),
            ("Trout/bomb.png".into(), vec![0; 64 << 20]),
        ],
        "bomb.png",
    );
}

#[test]
fn what_is_no_set_of_class_folders_is_refused_with_the_layout() {
    check_refused(&[("1.png".into(), png(1))], "no species folders");
    check_refused(
        &[("Trout/notes.txt".into(), b"x".to_vec())],
        "holds no photographs",
    );
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "broken.zip", b"PK but not really");
    for (source, word) in [("broken.zip", "zip archive"), ("missing", "does not exist")] {
        let message = import(
            &folder.path().join(source),
            &folder.path().join("out"),
            0,
            &|_, _| {},
        )
        .unwrap_err()
        .to_string();
        assert!(message.contains(word), "{message}");
    }
}

#[test]
fn copies_within_a_species_are_kept_once_and_broken_pictures_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let (source, dir) = (folder.path().join("set"), folder.path().join("out"));
    for n in 0..4 {
        put(&source, &format!("Trout/{n}.png"), png(n));
        put(&source, &format!("Perch/{n}.png"), png(50 + n));
    }
    put(&source, "Trout/copy.png", png(0));
    put(&source, "Perch/broken.jpg", b"broken");
    let summary = import(&source, &dir, 0, &|_, _| {}).unwrap();
    assert_eq!(summary.n_copies, 1);
    assert_eq!(
        summary
            .written
            .left_out
            .iter()
            .map(|p| p.path.as_str())
            .collect::<Vec<_>>(),
        ["Perch/broken.jpg"]
    );
    assert_eq!(open(&dir.join("processed_images")).photographs().len(), 8);
    let message = import(&source, &source, 0, &|_, _| {})
        .unwrap_err()
        .to_string();
    assert!(message.contains("overlaps"), "{message}");
}

/// A drawn set of two fish per species with two photographs each, and its manifest, one folder down.
fn drawn_set() -> Vec<(String, Vec<u8>)> {
    let mut files = vec![("fish/synthetic.json".to_owned(), b"{}".to_vec())];
    let mut manifest = "path,class,group\n".to_owned();
    for (class, folder) in ["perca_fluviatilis", "esox_lucius", "tinca_tinca"]
        .iter()
        .enumerate()
    {
        for n in 0..16u64 {
            let path = format!("{folder}/{n}.jpg");
            files.push((
                format!("fish/{path}"),
                jpeg(&picture(class as u64 * 100 + n, 120, 90), 90),
            ));
            manifest.push_str(&format!("{path},{folder},{folder} {}\n", n / 4));
        }
    }
    files.push(("fish/manifest.csv".to_owned(), manifest.into_bytes()));
    files
}

#[test]
fn a_manifest_keeps_its_groups_and_drawn_fish_stay_drawn_from_a_folder_and_from_an_archive() {
    let root = tempfile::tempdir().unwrap();
    let (folder, archive) = (root.path().join("folder"), root.path().join("fish.zip"));
    let mut zip = ZipWriter::new(File::create(&archive).unwrap());
    for (path, bytes) in drawn_set() {
        put(&folder, &path, &bytes);
        zip.start_file(path, SimpleFileOptions::default()).unwrap();
        zip.write_all(&bytes).unwrap();
    }
    zip.finish().unwrap();
    for (source, out) in [(folder, "from_folder"), (archive, "from_archive")] {
        let out = root.path().join(out);
        let summary = import(&source, &out, 0, &|_, _| {}).unwrap();
        assert_eq!(summary.written.n_groups, 12, "{}", source.display());
        let dataset = open(&summary.written.out);
        assert_eq!(dataset.origin(), fishid_dataset::Origin::Synthetic);
        let mut split_of = BTreeMap::new();
        for photo in dataset.photographs() {
            let before = split_of.insert(photo.group.clone(), photo.split);
            assert!(
                before.is_none_or(|before| before == photo.split),
                "{photo:?}"
            );
        }
    }
}

#[test]
fn a_manifest_that_fits_nothing_is_refused_by_name() {
    let root = tempfile::tempdir().unwrap();
    for (path, bytes) in drawn_set() {
        put(root.path(), &path, &bytes);
    }
    put(
        root.path(),
        "fish/manifest.csv",
        "path,class,group\nelsewhere/1.jpg,a,g\n",
    );
    let out = root.path().with_file_name("imported");
    let error = import(root.path(), &out, 0, &|_, _| {})
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("fish/manifest.csv") && error.contains("relative"),
        "{error}"
    );
}
