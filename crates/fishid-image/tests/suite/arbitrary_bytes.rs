//! Whatever the bytes are, the answer is a photograph or an error.

use std::sync::LazyLock;

use fishid_image::{Filter, Fit, Limits, Preprocessing, probe};
use image::ExtendedColorType;
use proptest::prelude::*;

use crate::{
    containers::{exif, with_jpeg_segment, with_png_chunk},
    pictures::{self, JpegKind, PLAIN, landscape},
};

const SMALL: Limits = Limits {
    max_pixels: 200_000,
    min_side: 1,
};
const INPUT: Preprocessing = Preprocessing {
    width: 24,
    height: 16,
    fit: Fit::CenterCrop,
    filter: Filter::CatmullRom,
};

/// A file of every format to damage.
static FILES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let photo = landscape(40, 28);
    let data = [b"Exif\0\0".as_slice(), &exif(6)].concat();
    vec![
        with_jpeg_segment(&pictures::jpeg(&photo, PLAIN), 0xe1, &data),
        pictures::jpeg(
            &photo,
            JpegKind {
                is_progressive: true,
                ..PLAIN
            },
        ),
        with_png_chunk(
            &pictures::png(&photo, ExtendedColorType::Rgba16),
            *b"eXIf",
            &exif(3),
        ),
        pictures::webp(&photo, ExtendedColorType::Rgba8),
        include_bytes!("../fixtures/lossy.webp").to_vec(),
        include_bytes!("../fixtures/lossy_alpha.webp").to_vec(),
        include_bytes!("../fixtures/animated.webp").to_vec(),
    ]
});

fn check(bytes: &[u8]) {
    let header = probe(bytes);
    if let Ok(photo) = INPUT.load(bytes, &SMALL) {
        assert!(header.is_ok());
        assert_eq!((photo.width(), photo.height()), (INPUT.width, INPUT.height));
    }
}

#[test]
fn a_file_cut_off_at_any_byte_never_panics() {
    for file in FILES.iter() {
        assert!(INPUT.load(file, &SMALL).is_ok());
        (0..file.len()).for_each(|end| check(&file[..end]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&bytes);
        for magic in [&b"\xff\xd8\xff"[..], b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", b"RIFF\xff\xff\0\0WEBPVP8 ", b"RIFF\xff\xff\0\0WEBPVP8X\x0a\0\0\0"] {
            check(&[magic, &bytes].concat());
        }
    }

    #[test]
    fn damaged_files_never_panic(
        which in 0..7_usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = FILES[which].clone();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        check(&bytes);
    }
}
