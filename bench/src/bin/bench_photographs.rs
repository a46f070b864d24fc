//! Takes the photographs that the servers are compared with, and holds their digests against those on record.
//!
//! `cargo run --release -p fishid-bench --bin bench_photographs FOLDER [--quick] [--record]`. What is there already is not
//! taken again. FOLDER gets `12mp/`, `1mp/`, `100kb/` of JPEG and `pixels/`, lossless and of the model's size.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Parser;
use fishid_bench::sensor::{Shot, take};
use fishid_image::{Filter, Limits, decode, encode_png, resize};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

const SEED: u64 = 5;
const MODEL_SIDE: u32 = 380;

/// Photographs of one size.
struct Set {
    folder: &'static str,
    size: (u32, u32),
    bytes: RangeInclusive<usize>,
}

/// Of each set; enough that they differ in content, and few enough for the generator's memory.
const PER_SET: u32 = 24;
const SETS: [Set; 3] = [
    Set {
        folder: "12mp",
        size: (4000, 3000),
        bytes: 3_200_000..=4_800_000,
    },
    Set {
        folder: "1mp",
        size: (1152, 864),
        bytes: 300_000..=400_000,
    },
    Set {
        folder: "100kb",
        size: (640, 480),
        bytes: 96_000..=104_000,
    },
];
/// Taken from `1mp`.
const N_PIXELS: usize = 12;

#[derive(Parser)]
struct Arguments {
    /// Where they go
    folder: PathBuf,
    /// Write the digests down instead of comparing them
    #[arg(long)]
    record: bool,
    /// Only the small ones
    #[arg(long)]
    quick: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let record = Path::new(env!("CARGO_MANIFEST_DIR")).join("photographs.sha256");
    let species: Vec<&str> = fishid_dataset::synth::species_slugs().collect();
    let mut jobs = Vec::new();
    for Set {
        folder,
        size,
        bytes,
    } in SETS
    {
        if arguments.quick && folder == "12mp" {
            continue;
        }
        std::fs::create_dir_all(arguments.folder.join(folder))?;
        for number in 0..PER_SET {
            let shot = Shot {
                species: species[number as usize % species.len()].to_owned(),
                index: number,
                size,
                bytes: bytes.clone(),
            };
            jobs.push((format!("{folder}/{number:02}.jpg"), shot));
        }
    }
    jobs.par_iter().try_for_each(|(name, shot)| {
        let path = arguments.folder.join(name);
        if path.is_file() {
            return Ok(());
        }
        write(&path, &take(shot, SEED).with_context(|| name.clone())?)
    })?;
    std::fs::create_dir_all(arguments.folder.join("pixels"))?;
    (0..N_PIXELS).into_par_iter().try_for_each(|number| {
        let path = arguments.folder.join(format!("pixels/{number:02}.png"));
        if path.is_file() {
            return Ok(());
        }
        let jpeg = std::fs::read(arguments.folder.join(format!("1mp/{number:02}.jpg")))?;
        let photo = decode(&jpeg, &Limits::default(), None)?;
        let photo = resize(&photo, MODEL_SIDE, MODEL_SIDE, Filter::CatmullRom);
        write(&path, &encode_png(&photo)?)
    })?;

    let mut names: Vec<String> = jobs.into_iter().map(|(name, _)| name).collect();
    names.extend((0..N_PIXELS).map(|number| format!("pixels/{number:02}.png")));
    names.sort();
    let mut found = BTreeMap::new();
    for name in names {
        let bytes = std::fs::read(arguments.folder.join(&name))?;
        found.insert(name, hex::encode(Sha256::digest(bytes)));
    }
    if arguments.record {
        let mut text = String::new();
        for (name, digest) in &found {
            writeln!(text, "{digest}  {name}")?;
        }
        std::fs::write(&record, text)?;
        return Ok(());
    }
    compare(
        &found,
        &std::fs::read_to_string(&record)?,
        &arguments.folder,
    )
}

fn compare(found: &BTreeMap<String, String>, recorded: &str, folder: &Path) -> Result<()> {
    let recorded: BTreeMap<&str, &str> = recorded
        .lines()
        .filter_map(|line| line.split_once("  ").map(|(digest, name)| (name, digest)))
        .collect();
    for (name, digest) in found {
        if recorded.get(name.as_str()) != Some(&digest.as_str()) {
            bail!(
                "{}/{name} is not the photograph on record in bench/photographs.sha256: delete the folder to have \
                 it taken again; if it comes out the same, this machine draws differently, and --record writes its \
                 own digests down",
                folder.display()
            );
        }
    }
    Ok(())
}

/// Whole or not at all: an interrupted run is gone on with.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let part = path.with_extension("part");
    std::fs::write(&part, bytes)?;
    std::fs::rename(&part, path)?;
    Ok(())
}
