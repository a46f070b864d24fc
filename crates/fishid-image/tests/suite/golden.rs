//! The pixels of `tests/golden/pixels.json`, which must not change without a word.
//!
//! Where they have to, raise `PIPELINE_REVISION` and write the file anew with `FISHID_WRITE_GOLDEN=1`.

use std::{collections::BTreeMap, fs, path::PathBuf};

use fishid_image::{
    Augmentation, Filter, Fit, Limits, PIPELINE_REVISION, Preprocessing, RgbPhoto, View, encode_png,
};
use serde::{Deserialize, Serialize};

use crate::{
    containers::{exif, with_jpeg_segment},
    pictures::{JpegKind, PLAIN, jpeg, landscape},
};

/// Vector units round differently: one step for a resize, two where a look-up and a colour shift follow.
const TOLERANCE: [u8; 2] = [1, 2];

#[derive(Serialize, Deserialize)]
struct Golden {
    pipeline_revision: u32,
    digest_of_defaults: String,
    augmentation_digest: String,
    /// Hexadecimal RGB rows.
    pixels: BTreeMap<String, String>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn cases(photo_jpeg: &[u8]) -> BTreeMap<String, RgbPhoto> {
    let photo_png = encode_png(&landscape(121, 87)).unwrap();
    let limits = Limits::default();
    let mut cases = BTreeMap::new();
    for fit in [Fit::Stretch, Fit::Pad, Fit::CenterCrop] {
        for filter in [Filter::Bilinear, Filter::CatmullRom, Filter::Lanczos3] {
            let input = Preprocessing {
                width: 12,
                height: 10,
                fit,
                filter,
            };
            for (name, bytes) in [("png", photo_png.as_slice()), ("jpeg", photo_jpeg)] {
                let name = format!("{name} {} {}", fit.as_str(), filter.as_str());
                cases.insert(name, input.load(bytes, &limits).unwrap());
            }
        }
        let input = Preprocessing {
            width: 12,
            height: 10,
            fit,
            filter: Filter::CatmullRom,
        };
        let decoded = input.decode(&photo_png, &limits).unwrap();
        for index in 0..2 {
            let view = Augmentation::default().render(
                &decoded,
                View::Augmented { index },
                7,
                "golden",
                &input,
            );
            cases.insert(format!("view {index} {}", fit.as_str()), view);
        }
    }
    cases
}

fn of_now(photo_jpeg: &[u8]) -> Golden {
    let input = Preprocessing {
        width: 224,
        height: 224,
        fit: Fit::Stretch,
        filter: Filter::CatmullRom,
    };
    let to_hex = |photo: RgbPhoto| {
        photo
            .pixels()
            .iter()
            .map(|value| format!("{value:02x}"))
            .collect()
    };
    Golden {
        pipeline_revision: PIPELINE_REVISION,
        digest_of_defaults: input.digest(),
        augmentation_digest: Augmentation::default().digest(),
        pixels: cases(photo_jpeg)
            .into_iter()
            .map(|(name, photo)| (name, to_hex(photo)))
            .collect(),
    }
}

fn from_hex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn pixels_are_those_of_the_golden_file() {
    let (jpeg_path, path) = (
        folder().join("fixtures/turned.jpg"),
        folder().join("golden/pixels.json"),
    );
    if std::env::var_os("FISHID_WRITE_GOLDEN").is_some() {
        let kind = JpegKind {
            subsampling: turbojpeg::Subsamp::Sub2x2,
            ..PLAIN
        };
        let data = [b"Exif\0\0".as_slice(), &exif(6)].concat();
        fs::write(
            &jpeg_path,
            with_jpeg_segment(&jpeg(&landscape(150, 110), kind), 0xe1, &data),
        )
        .unwrap();
        let golden = of_now(&fs::read(&jpeg_path).unwrap());
        fs::write(&path, serde_json::to_string_pretty(&golden).unwrap() + "\n").unwrap();
    }
    let golden: Golden = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let now = of_now(&fs::read(&jpeg_path).unwrap());
    assert_eq!(
        now.pipeline_revision, golden.pipeline_revision,
        "write the golden file anew"
    );
    assert_eq!(now.digest_of_defaults, golden.digest_of_defaults);
    assert_eq!(now.augmentation_digest, golden.augmentation_digest);
    assert!(now.pixels.keys().eq(golden.pixels.keys()));
    for (name, expected) in &golden.pixels {
        let (now, expected) = (from_hex(&now.pixels[name]), from_hex(expected));
        assert_eq!(now.len(), expected.len(), "{name}");
        let largest = now
            .iter()
            .zip(&expected)
            .map(|(a, b)| a.abs_diff(*b))
            .max()
            .unwrap();
        let tolerance = TOLERANCE[usize::from(name.starts_with("view"))];
        assert!(
            largest <= tolerance,
            "{name} differs by {largest}: raise PIPELINE_REVISION if that is meant"
        );
    }
}
