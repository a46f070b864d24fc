//! The numbers the perceptual hash is chosen by, on the 839 real photographs of the fishcam set.

use std::path::Path;
use std::time::Instant;

use fishid_dataset::{
    CheckOptions, Dataset, Inspection, MAX_DISTANCE, OpenOptions, PerceptualHash, check, groups_of,
    inspect,
};
use fishid_image::{Filter, Limits, RgbPhoto, decode, encode_jpeg, resize};

fn fishcam() -> Option<Dataset> {
    let Some(data) = std::env::var_os("FISHID_TEST_DATA") else {
        eprintln!("skipped: FISHID_TEST_DATA is not set");
        return None;
    };
    let folder = Path::new(&data).join("fishcam");
    Some(Dataset::open(folder.to_str().unwrap(), &OpenOptions::default()).unwrap())
}

fn inspections(dataset: &Dataset) -> Vec<Inspection> {
    inspect(dataset, &Limits::default(), &|_, _| {})
}

#[test]
fn real_photographs_check_clean() {
    let Some(dataset) = fishcam() else { return };
    let start = Instant::now();
    let problems = check(&dataset, &CheckOptions::default(), &|_, _| {});
    eprintln!(
        "checked {} photographs in {:?}",
        dataset.photographs().len(),
        start.elapsed()
    );
    assert_eq!(dataset.photographs().len(), 839);
    assert_eq!(problems, []);
}

#[test]
fn no_two_different_fish_are_near_duplicates() {
    let Some(dataset) = fishcam() else { return };
    let (photos, inspections) = (dataset.photographs(), inspections(&dataset));
    let (mut species, mut fish) = (u32::MAX, u32::MAX);
    for (a, one) in photos.iter().enumerate() {
        for (b, other) in photos.iter().enumerate().take(a) {
            let distance = inspections[a]
                .hash()
                .unwrap()
                .distance(inspections[b].hash().unwrap());
            if one.class != other.class {
                species = species.min(distance);
            } else if one.group != other.group {
                fish = fish.min(distance);
            }
        }
    }
    eprintln!(
        "nearest two of different species: {species} bits; nearest two fish of one species: {fish} bits"
    );
    assert!(species > MAX_DISTANCE && fish > MAX_DISTANCE);
    let given: Vec<String> = photos
        .iter()
        .map(|photo| photo.group.clone().unwrap())
        .collect();
    assert_eq!(
        groups_of(&dataset, &inspections),
        given,
        "near-duplicates joined two fish"
    );
}

/// Distances of every photograph to its changed self: the largest, and how many are too far to be found.
fn distances(originals: &[RgbPhoto], change: &dyn Fn(&RgbPhoto) -> RgbPhoto) -> (u32, usize) {
    let hash = |photo: &RgbPhoto| PerceptualHash::of(photo).unwrap();
    let distances: Vec<u32> = originals
        .iter()
        .map(|photo| hash(photo).distance(hash(&change(photo))))
        .collect();
    (
        distances.iter().copied().max().unwrap(),
        distances
            .iter()
            .filter(|distance| **distance > MAX_DISTANCE)
            .count(),
    )
}

/// Name, change, and the shorter side from which every photograph must be found.
type Change<'a> = (&'a str, &'a dyn Fn(&RgbPhoto) -> RgbPhoto, u32);

#[test]
fn changed_photographs_are_found_again() {
    let Some(dataset) = fishcam() else { return };
    let read = |photo| decode(&dataset.read(photo).unwrap(), &Limits::default(), None).unwrap();
    let originals: Vec<RgbPhoto> = dataset.photographs().iter().map(read).collect();
    let encoded = |photo: &RgbPhoto, quality| {
        decode(
            &encode_jpeg(photo, quality).unwrap(),
            &Limits {
                min_side: 1,
                ..Limits::default()
            },
            None,
        )
        .unwrap()
    };
    let half = |photo: &RgbPhoto| {
        resize(
            photo,
            photo.width() / 2,
            photo.height() / 2,
            Filter::CatmullRom,
        )
    };
    let twice = |photo: &RgbPhoto| encoded(&half(photo), 60);
    let changes: [Change; 5] = [
        ("JPEG at quality 60", &|photo| encoded(photo, 60), 0),
        ("half size", &half, 0),
        ("mirrored", &|photo| photo.clone().mirrored(), 0),
        (
            "JPEG at quality 60, mirrored",
            &|photo| encoded(&photo.clone().mirrored(), 60),
            0,
        ),
        // A photograph of 30 pixels height has 15 then, in JPEG blocks of 8: too little to tell it by.
        (
            "half size, JPEG at quality 60, from 120 pixels",
            &twice,
            120,
        ),
    ];
    for (name, change, min_side) in changes {
        let large: Vec<RgbPhoto> = originals
            .iter()
            .filter(|photo| photo.width().min(photo.height()) >= min_side)
            .cloned()
            .collect();
        let (farthest, missed) = distances(&large, change);
        eprintln!(
            "{name}: at most {farthest} bits, {missed} of {} missed",
            large.len()
        );
        assert_eq!(missed, 0, "{name}");
    }
    let (_, missed) = distances(&originals, &twice);
    eprintln!("half size, JPEG at quality 60, all sizes: {missed} missed");
}
