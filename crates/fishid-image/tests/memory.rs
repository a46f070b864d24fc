//! A picture bomb must not move memory. Alone in its file: other tests in the process would.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::io::Write;

use fishid_image::{Limits, PhotoError, decode, probe};

#[path = "suite/containers.rs"]
#[allow(dead_code)]
mod containers;

/// `VmRSS` is the memory the process holds, `VmHWM` the most it ever held, in kilobytes.
fn kilobytes(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// 50000 × 50000 black pixels, all of them there: 7.5 GB of RGB in some hundred kB.
fn png_bomb() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 50_000, 50_000);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    encoder.set_compression(png::Compression::Fast);
    encoder.set_filter(png::Filter::NoFilter);
    let mut writer = encoder.write_header().unwrap();
    let mut stream = writer.stream_writer().unwrap();
    let row = vec![0; 50_000 / 8];
    for _ in 0..50_000 {
        stream.write_all(&row).unwrap();
    }
    stream.finish().unwrap();
    writer.finish().unwrap();
    bytes
}

#[test]
fn bombs_of_every_format_are_refused_without_taking_memory() {
    let picture_larger_than_its_canvas = {
        let lossy = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0xff, 0x3f, 0xff, 0x3f];
        containers::webp(&[
            (*b"VP8X", &containers::webp_canvas(0, 100, 100)),
            (*b"VP8 ", &lossy),
        ])
    };
    let bombs = [
        (png_bomb(), "too_many_pixels"),
        (
            containers::webp(&[(*b"VP8X", &containers::webp_canvas(0, 1 << 24, 1 << 24))]),
            "too_many_pixels",
        ),
        (jpeg_of_size(65_500, 65_500), "too_many_pixels"),
        (picture_larger_than_its_canvas, "broken"),
    ];
    let refuse = |bytes: &[u8]| {
        let _ = probe(bytes);
        decode(bytes, &Limits::default(), Some(224))
            .map_err(|error: PhotoError| error.kind())
            .unwrap_err()
    };
    let before = kilobytes("VmRSS:");
    for (bytes, kind) in &bombs {
        assert_eq!(refuse(bytes), *kind);
    }
    let taken = kilobytes("VmHWM:") - before;
    assert!(taken < 4096, "{taken} kB");
}

fn jpeg_of_size(width: u16, height: u16) -> Vec<u8> {
    let small =
        fishid_image::encode_jpeg(&fishid_image::RgbPhoto::filled(32, 32, [90; 3]), 80).unwrap();
    containers::with_jpeg_size(&small, width, height)
}
