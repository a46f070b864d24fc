//! Folders of test photographs: drawn from a number, so that two numbers are two pictures.

use std::fs;
use std::path::Path;

use fishid_dataset::{Dataset, OpenOptions};
use fishid_image::{RgbPhoto, encode_jpeg, encode_png};

/// A picture of random soft blobs; another seed is another picture.
pub fn picture(seed: u64, width: u32, height: u32) -> RgbPhoto {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    for _ in 0..8 {
        next();
    }
    let blobs: Vec<[f32; 5]> = (0..24)
        .map(|_| {
            [
                next(),
                next(),
                0.04 + 0.2 * next(),
                160.0 * (next() - 0.5),
                60.0 * (next() - 0.5),
            ]
        })
        .collect();
    let mut pixels = Vec::with_capacity((width * height * 3) as usize);
    for y in 0..height {
        for x in 0..width {
            let (u, v) = (x as f32 / width as f32, y as f32 / height as f32);
            let (mut grey, mut tint) = (120.0, 0.0);
            for [bx, by, size, light, colour] in &blobs {
                let near = (-((u - bx).powi(2) + (v - by).powi(2)) / (size * size)).exp();
                grey += light * near;
                tint += colour * near;
            }
            pixels.extend(
                [grey + tint, grey, grey - tint].map(|value| value.clamp(0.0, 255.0) as u8),
            );
        }
    }
    RgbPhoto::new(width, height, pixels).unwrap()
}

pub fn png(seed: u64) -> Vec<u8> {
    encode_png(&picture(seed, 160, 120)).unwrap()
}

pub fn jpeg(photo: &RgbPhoto, quality: u8) -> Vec<u8> {
    encode_jpeg(photo, quality).unwrap()
}

pub fn put(folder: &Path, path: &str, bytes: impl AsRef<[u8]>) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Two species of six photographs each.
pub fn small_data_set(folder: &Path) {
    for n in 0..6 {
        put(folder, &format!("esox_lucius/{n}.png"), png(n));
        put(folder, &format!("perca_fluviatilis/{n}.png"), png(100 + n));
    }
}

pub fn open(folder: &Path) -> Dataset {
    Dataset::open(folder.to_str().unwrap(), &OpenOptions::default()).unwrap()
}

pub fn files_below(folder: &Path) -> Vec<String> {
    fn visit(folder: &Path, root: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, root, found);
            } else {
                found.push(
                    path.strip_prefix(root)
                        .unwrap()
                        .to_str()
                        .unwrap()
                        .to_owned(),
                );
            }
        }
    }
    let mut found = Vec::new();
    visit(folder, folder, &mut found);
    found.sort();
    found
}
