//! What is not accepted, and what the sender is told.

use fishid_image::{Limits, PhotoError, RgbPhoto, decode, probe};
use image::ExtendedColorType;

use crate::{
    containers::{
        self, jpeg_marker_at, png_header, webp_canvas, with_jpeg_segment, with_jpeg_size,
    },
    pictures::{self, HEIGHT, JpegKind, PLAIN, WIDTH, landscape, quarters},
};

fn refusal(bytes: &[u8]) -> PhotoError {
    decode(bytes, &Limits::default(), Some(224)).unwrap_err()
}

fn check(bytes: &[u8], kind: &str, words: &str) {
    let error = refusal(bytes);
    assert_eq!(error.kind(), kind, "{error}");
    let message = error.to_string();
    assert!(
        message.contains(words),
        "{message:?} should contain {words:?}"
    );
}

#[test]
fn nothing_and_other_files_are_told_apart() {
    check(b"", "empty", "the file is empty");
    for bytes in [
        &b"GIF89a\x01\0\x01\0\0\0\0"[..],
        b"%PDF-1.7",
        b"<svg xmlns=",
        b"\xff\xd8",
        b"\x89PNG\r\n",
        b"RIFF\x04\0\0\0WAVE",
        b"\0\0\0\x20ftypheic",
        &[0; 100],
    ] {
        check(bytes, "not_a_photograph", "send a JPEG, PNG or WebP");
    }
}

#[test]
fn magic_alone_is_a_file_that_ends_too_early() {
    for bytes in [
        &b"\xff\xd8\xff"[..],
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\x04\0\0\0WEBP",
    ] {
        check(bytes, "broken", "ends too early");
    }
}

#[test]
fn more_than_50_million_pixels_are_refused_from_the_header() {
    let jpeg = pictures::jpeg(&quarters(), PLAIN);
    for (bytes, width, height) in [
        (png_header(50_000, 50_000), 50_000, 50_000),
        (png_header(10_000, 5_001), 10_000, 5_001),
        (png_header(u32::MAX, u32::MAX), u32::MAX, u32::MAX),
        (with_jpeg_size(&jpeg, 65_500, 65_500), 65_500, 65_500),
        (with_jpeg_size(&jpeg, 65_535, 65_535), 65_535, 65_535),
        (
            containers::webp(&[(*b"VP8X", &webp_canvas(0, 1 << 24, 1 << 24))]),
            1 << 24,
            1 << 24,
        ),
        (
            containers::webp(&[(*b"VP8L", &[0x2f, 0xff, 0xff, 0xff, 0x0f, 0])]),
            1 << 14,
            1 << 14,
        ),
    ] {
        assert_eq!(
            refusal(&bytes),
            PhotoError::TooManyPixels {
                width,
                height,
                limit: 50_000_000
            }
        );
    }
    let message = refusal(&png_header(50_000, 50_000)).to_string();
    assert_eq!(
        message,
        "the photograph has 50000 × 50000 pixels, more than the limit of 50 million: make it smaller"
    );
}

#[test]
fn fifty_million_pixels_are_still_accepted() {
    // Accepted by its size: what it lacks is pixels.
    check(&png_header(10_000, 5_000), "broken", "");
}

#[test]
fn limits_are_the_callers() {
    let png = pictures::png(&quarters(), ExtendedColorType::Rgb8);
    let limits = Limits {
        max_pixels: 1000,
        ..Limits::default()
    };
    let error = decode(&png, &limits, None).unwrap_err();
    assert_eq!(
        error,
        PhotoError::TooManyPixels {
            width: WIDTH,
            height: HEIGHT,
            limit: 1000
        }
    );
    assert!(error.to_string().contains("limit of 1000:"));
    let limits = Limits {
        min_side: HEIGHT + 1,
        ..Limits::default()
    };
    let error = decode(&png, &limits, None).unwrap_err();
    assert_eq!(
        error,
        PhotoError::TooSmall {
            width: WIDTH,
            height: HEIGHT,
            min_side: HEIGHT + 1
        }
    );
}

#[test]
fn one_pixel_is_too_small_in_every_format() {
    let dot = RgbPhoto::filled(1, 1, [9; 3]);
    for bytes in [
        pictures::jpeg(&dot, PLAIN),
        pictures::png(&dot, ExtendedColorType::Rgb8),
        pictures::webp(&dot, ExtendedColorType::Rgb8),
    ] {
        check(
            &bytes,
            "too_small",
            "1 × 1 pixels, but each side needs at least 16",
        );
    }
    check(
        &pictures::jpeg(&RgbPhoto::filled(400, 15, [9; 3]), PLAIN),
        "too_small",
        "400 × 15",
    );
}

#[test]
fn jpeg_cut_off_anywhere_is_refused_and_never_half_gray() {
    for kind in [
        PLAIN,
        JpegKind {
            is_progressive: true,
            ..PLAIN
        },
        JpegKind {
            is_arithmetic: true,
            ..PLAIN
        },
    ] {
        let jpeg = pictures::jpeg(&landscape(96, 64), kind);
        for end in 3..jpeg.len() {
            let error = refusal(&jpeg[..end]);
            assert_eq!(
                error.kind(),
                "broken",
                "{kind:?} cut at {end} of {}: {error}",
                jpeg.len()
            );
        }
    }
}

#[test]
fn png_and_webp_cut_off_in_their_pixels_are_refused() {
    let landscape = landscape(96, 64);
    let png = pictures::png(&landscape, ExtendedColorType::Rgb8);
    // The last 12 bytes only say that the file ends, the 4 before are a checksum.
    for end in 8..png.len() - 16 {
        assert_eq!(
            refusal(&png[..end]).kind(),
            "broken",
            "png cut at {end} of {}",
            png.len()
        );
    }
    // A chunk of odd length is followed by a byte that says nothing.
    for webp in [
        pictures::webp(&landscape, ExtendedColorType::Rgb8),
        include_bytes!("../fixtures/lossy.webp").to_vec(),
        include_bytes!("../fixtures/lossy_alpha.webp").to_vec(),
    ] {
        for end in 12..webp.len() - 2 {
            let error = refusal(&webp[..end]);
            assert_eq!(
                error.kind(),
                "broken",
                "webp cut at {end} of {}: {error}",
                webp.len()
            );
        }
    }
}

#[test]
fn two_sizes_in_one_file_are_refused() {
    let picture = pictures::webp(&quarters(), ExtendedColorType::Rgb8);
    let data = &picture[20..];
    let small = webp_canvas(0, 20, 20);
    check(
        &containers::webp(&[(*b"VP8X", &small), (*b"VP8L", data)]),
        "broken",
        "larger than itself",
    );
    let large = webp_canvas(0, 200, 200);
    check(
        &containers::webp(&[(*b"VP8X", &large), (*b"VP8L", data)]),
        "broken",
        "",
    );
    let jpeg = pictures::jpeg(&quarters(), PLAIN);
    let frame = jpeg_marker_at(&jpeg, 0xc0);
    let second: Vec<u8> = jpeg[frame + 4..frame + 19].to_vec();
    check(&with_jpeg_segment(&jpeg, 0xc0, &second), "broken", "");
}

#[test]
fn scans_without_end_are_refused() {
    let jpeg = pictures::jpeg(
        &landscape(96, 64),
        JpegKind {
            is_progressive: true,
            ..PLAIN
        },
    );
    let scan = jpeg_marker_at(&jpeg, 0xda);
    let length = jpeg[scan + 2..]
        .windows(2)
        .position(|pair| pair[0] == 0xff && pair[1] != 0)
        .unwrap()
        + 2;
    let many = [
        &jpeg[..scan],
        &jpeg[scan..scan + length].repeat(100),
        &jpeg[scan + length..],
    ]
    .concat();
    check(&many, "broken", "");
    check(&many, "broken", "more than 64 layers");
}

#[test]
fn header_without_pixels_or_size_is_broken() {
    check(b"\xff\xd8\xff\xd9", "broken", "no pixels");
    check(b"\xff\xd8\xff\xda\0\x02", "broken", "pixels but no size");
    check(b"\xff\xd8\xff\xe0\0\x02abc", "broken", "scrambled");
    check(
        &with_jpeg_size(&pictures::jpeg(&quarters(), PLAIN), 0, 32),
        "broken",
        "size of zero",
    );
    check(&png_header(0, 0), "broken", "size of zero");
}

#[test]
fn probe_leaves_sizes_to_the_limits() {
    let header = probe(&png_header(50_000, 50_000)).unwrap();
    assert_eq!((header.width, header.height), (50_000, 50_000));
}
