//! What decoding and inference cost, each measured alone, through the crates that the server calls; as JSON.
//!
//! `cargo run --release -p fishid-bench --bin stage_costs BUNDLE PHOTOGRAPHS [SECONDS]`, where PHOTOGRAPHS holds the
//! folders of `bench_photographs`. From it follows the bound that a saturated server is held against: cores divided
//! by decoding and inference in core-milliseconds.
#![allow(clippy::print_stdout)] // the results are what it is for

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fishid_bench::processor_seconds;
use fishid_engine::{EngineOptions, Wishes};
use fishid_image::RgbPhoto;
use fishid_prediction::{EngineChooser, Occasion, Predictor, PredictorOptions};
use serde::Serialize;

#[derive(Serialize)]
struct Costs {
    photographs: Vec<Decoding>,
    inference: Vec<Inference>,
}

#[derive(Serialize)]
struct Decoding {
    folder: String,
    n_threads: usize,
    mean_bytes: f64,
    /// Of one thread, on its clock.
    decode_ms: f64,
    resize_ms: f64,
    /// Processor time of both together.
    core_ms: f64,
}

#[derive(Serialize)]
struct Inference {
    how: &'static str,
    engine: String,
    ms: f64,
    /// Processor time, all threads of the engine.
    core_ms: f64,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().context("BUNDLE PHOTOGRAPHS [SECONDS]");
    let (bundle, folder) = (PathBuf::from(next()?), PathBuf::from(next()?));
    let seconds = next().ok().map_or(Ok(3.0), |text| text.parse())?;
    let duration = Duration::from_secs_f64(seconds);
    let n_cores = std::thread::available_parallelism()?.get();

    // As served: the engine that a server without flags chooses, by the same records where FISHID_HOME has them.
    let home = std::env::var_os("FISHID_HOME").map_or_else(std::env::temp_dir, PathBuf::from);
    let chooser = EngineChooser::new(home.join("engine"), Wishes::default());
    let served = chooser.open(&bundle, Occasion::FirstStart)?;
    let mut photographs = Vec::new();
    for name in ["1mp", "12mp", "100kb"] {
        // A quick run has no large ones.
        if !folder.join(name).is_dir() {
            continue;
        }
        let files = read(&folder.join(name))?;
        for n_threads in [1, n_cores] {
            photographs.push(decoding(&served, name, &files, n_threads, duration)?);
        }
    }
    let input = served.prepare(&read(&folder.join("1mp"))?[0])?;
    let mut inference = vec![infer(&served, &input, "as served", duration)?];
    let served_options = served.engine_options().clone();
    drop(served);
    let single = PredictorOptions {
        engine: EngineOptions {
            threads: 1,
            ..served_options
        },
        ..PredictorOptions::default()
    };
    let single = Predictor::open_with(&bundle, &single)?;
    inference.push(infer(&single, &input, "one thread", duration)?);
    let costs = Costs {
        photographs,
        inference,
    };
    println!("{}", serde_json::to_string(&costs)?);
    Ok(())
}

fn read(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let mut paths = std::fs::read_dir(folder)
        .with_context(|| folder.display().to_string())?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    paths.sort();
    paths.iter().map(|path| Ok(std::fs::read(path)?)).collect()
}

fn decoding(
    predictor: &Predictor,
    folder: &str,
    files: &[Vec<u8>],
    n_threads: usize,
    duration: Duration,
) -> Result<Decoding> {
    let work = || -> Result<(usize, Duration, Duration)> {
        let started = Instant::now();
        let (mut n, mut decode, mut resize) = (0, Duration::ZERO, Duration::ZERO);
        while started.elapsed() < duration {
            let begun = Instant::now();
            let photo = predictor.decode(&files[n % files.len()])?;
            let decoded = Instant::now();
            predictor.fit(&photo);
            decode += decoded - begun;
            resize += decoded.elapsed();
            n += 1;
        }
        Ok((n, decode, resize))
    };
    work()?;
    let before = processor_seconds().context("no /proc")?;
    let parts = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..n_threads).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .map_err(|_| anyhow::anyhow!("a thread panicked"))?
            })
            .collect::<Result<Vec<_>>>()
    })?;
    let spent = processor_seconds().context("no /proc")? - before;
    let n = parts.iter().map(|part| part.0).sum::<usize>() as f64;
    let mean = |of: fn(&(usize, Duration, Duration)) -> Duration| {
        parts.iter().map(|part| of(part).as_secs_f64()).sum::<f64>() * 1e3 / n
    };
    Ok(Decoding {
        folder: folder.to_owned(),
        n_threads,
        mean_bytes: files.iter().map(Vec::len).sum::<usize>() as f64 / files.len() as f64,
        decode_ms: mean(|part| part.1),
        resize_ms: mean(|part| part.2),
        core_ms: spent * 1e3 / n,
    })
}

fn infer(
    predictor: &Predictor,
    input: &RgbPhoto,
    how: &'static str,
    duration: Duration,
) -> Result<Inference> {
    let run = || -> Result<(usize, f64)> {
        let started = Instant::now();
        let mut n = 0;
        while started.elapsed() < duration {
            predictor.infer_one(input.clone())?;
            n += 1;
        }
        Ok((n, started.elapsed().as_secs_f64()))
    };
    run()?;
    let before = processor_seconds().context("no /proc")?;
    let (n, seconds) = run()?;
    let spent = processor_seconds().context("no /proc")? - before;
    Ok(Inference {
        how,
        engine: predictor.engine_description().to_owned(),
        ms: seconds * 1e3 / n as f64,
        core_ms: spent * 1e3 / n as f64,
    })
}
