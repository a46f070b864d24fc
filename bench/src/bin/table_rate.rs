//! How near `fishid predict … --out` comes to what the cores allow.
//!
//! `cargo run --release -p fishid-bench --bin table_rate BUNDLE [FOLDER]`. Measures on the same cores, in turns:
//! decoding alone, inference alone, and the whole way from a listed file to a line of the journal. Without a folder
//! the photographs are drawn: 12 megapixels of sensor noise over a gradient, 3–5 MB each as JPEG.
//! The bound is one over the sum of both costs, since both are work of the same cores.
#![allow(clippy::print_stdout)] // the table is what it is for

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fishid_bench::peak_memory_mib;
use fishid_engine::Wishes;
use fishid_image::{RgbPhoto, encode_jpeg};
use fishid_prediction::scoring::{Output, Photograph, Row, Run, RunIdentity, Threads, score};
use fishid_prediction::{Circumstances, EngineChooser, Occasion, Predictor};
use fishid_storage::{Storage, Walked};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

const N_ROUNDS: usize = 3;
/// Each part of a round takes about this long.
const ROUND: Duration = Duration::from_secs(15);
const N_DRAWN: u64 = 16;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let bundle = arguments.next().context("give a bundle")?;
    let folder = tempfile::tempdir()?;
    let photographs = match arguments.next() {
        Some(given) => PathBuf::from(given),
        None => draw(folder.path())?,
    };
    let n_threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    // The engine of `predict --out`: the machine's own choice, one stream a core.
    let chooser = EngineChooser::new(folder.path().join("engine"), Wishes::default()).for_files();
    let predictor = Arc::new(chooser.open(Path::new(&bundle), Occasion::FirstStart)?);
    let place = Arc::new(Storage::open(
        &photographs.to_string_lossy(),
        &BTreeMap::new(),
    )?);
    let keys = keys(&place)?;
    let files = keys
        .iter()
        .map(|key| Ok(place.read(key)?.to_vec()))
        .collect::<Result<Vec<_>>>()?;
    let prepared = files
        .iter()
        .take(64)
        .map(|bytes| predictor.prepare(bytes))
        .collect::<Result<Vec<_>, _>>()?;
    let megabytes = files.iter().map(Vec::len).sum::<usize>() as f64 / 1e6 / files.len() as f64;
    println!(
        "{} photographs of {megabytes:.2} MB, {n_threads} threads, {}",
        files.len(),
        predictor.engine_description()
    );
    println!(
        "| round | decoding alone, per s | inference alone, per s | bound, per s | table, per s | table / bound | table / slowest | peak, MiB |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for round in 1..=N_ROUNDS {
        let decoding = rate(n_threads, |n| {
            predictor.prepare(&files[n % files.len()]).map(drop)
        })?;
        let inference = rate(n_threads, |n| {
            let photo = prepared[n % prepared.len()].clone();
            predictor.infer_one(photo).map(drop)
        })?;
        let bound = 1.0 / (1.0 / decoding + 1.0 / inference);
        let table = table_rate(&predictor, &place, &keys, n_threads, bound)?;
        println!(
            "| {round} | {decoding:.1} | {inference:.1} | {bound:.1} | {table:.1} | {:.1} % | {:.1} % | {:.0} |",
            table / bound * 100.0,
            table / decoding.min(inference) * 100.0,
            peak_memory_mib().unwrap_or_default()
        );
    }
    Ok(())
}

fn keys(place: &Storage) -> Result<Vec<String>> {
    let mut keys = Vec::new();
    for walked in place.walk()? {
        if let Walked::File(file) = walked?
            && matches!(file.path.rsplit('.').next(), Some("jpg" | "png"))
        {
            keys.push(file.path);
        }
    }
    Ok(keys)
}

/// Calls of `work` per second by all threads together.
fn rate<E: Send>(n_threads: usize, work: impl Fn(usize) -> Result<(), E> + Sync) -> Result<f64, E> {
    let n_done = AtomicUsize::new(0);
    let started = Instant::now();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..n_threads)
            .map(|_| {
                scope.spawn(|| -> Result<(), E> {
                    while started.elapsed() < ROUND {
                        work(n_done.fetch_add(1, Ordering::Relaxed))?;
                    }
                    Ok(())
                })
            })
            .collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or(Ok(())))
    })?;
    Ok(n_done.into_inner() as f64 / started.elapsed().as_secs_f64())
}

/// The files again and again, for about as long as the other parts of a round.
fn table_rate(
    predictor: &Arc<Predictor>,
    place: &Arc<Storage>,
    keys: &[String],
    n_threads: usize,
    expected_rate: f64,
) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let output = Output::new(&folder.path().join("table.parquet"))?;
    let identity = RunIdentity {
        model_digest: predictor.digest().to_owned(),
        engine_digest: predictor.engine_digest().to_owned(),
        language: "ru".to_owned(),
        inputs: Vec::new(),
    };
    let n = (expected_rate * ROUND.as_secs_f64()).ceil() as usize;
    let (place, keys) = (Arc::clone(place), keys.to_vec());
    let photographs = (0..n).map(move |n| {
        let key = keys[n % keys.len()].clone();
        Ok(Photograph {
            path: format!("{n} {key}"),
            place: Arc::clone(&place),
            key,
        })
    });
    let threads = Threads {
        n_workers: n_threads,
        n_readers: 2,
    };
    let started = Instant::now();
    let mut run = Run::open(&output, &identity, false)?.context("the folder is new")?;
    for scored in score(predictor, photographs, threads)? {
        let scored = scored?;
        run.add(&match scored.answer {
            Err(refusal) => Row::refused(scored.path, refusal),
            Ok(prediction) => {
                let reply = prediction.reply(predictor.names(), Circumstances::default());
                Row::answered(scored.path, reply, predictor.digest())
            }
        })?;
    }
    run.finish()?;
    Ok(n as f64 / started.elapsed().as_secs_f64())
}

/// Photographs as cameras write them: noise is what makes a JPEG large and slow to decode.
fn draw(folder: &Path) -> Result<PathBuf> {
    let (width, height) = (4000_u32, 3000_u32);
    for seed in 0..N_DRAWN {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        let mut pixels = Vec::with_capacity((width * height * 3) as usize);
        for y in 0..height {
            for x in 0..width {
                let light = (x * 120 / width + y * 80 / height) as i16;
                for colour in [20, 40, 60_i16] {
                    let noise = dice.random_range(-6..=6_i16) + dice.random_range(-6..=6_i16);
                    pixels.push((light + colour + noise).clamp(0, 255) as u8);
                }
            }
        }
        let photo = RgbPhoto::new(width, height, pixels)?;
        std::fs::write(
            folder.join(format!("{seed:02}.jpg")),
            encode_jpeg(&photo, 90)?,
        )?;
    }
    Ok(folder.to_owned())
}
