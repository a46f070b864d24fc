//! How near the trainer's embedding rate comes to what the cores allow.
//!
//! `FISHID_TEST_DATA=… cargo run --release -p fishid-bench --bin embedding_rate`. Measures on the same
//! cores, one after the other: the engine alone (one session per core, fixed pixels), reading, decoding
//! and augmenting alone, and the trainer on an empty cache. The bound is one over the sum of both costs.
//! Given a place (`s3://bucket/prefix`) that holds the same photographs, the trainer is timed on them from
//! there too.
#![allow(clippy::print_stdout)] // the table is what it is for

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fishid_bench::test_data;
use fishid_dataset::{Dataset, OpenOptions};
use fishid_engine::{EngineOptions, ImageModel};
use fishid_image::{Augmentation, Filter, Fit, Limits, Preprocessing, View, photo_digest};
use fishid_network::{BackboneFile, embedder};
use fishid_training::{EmbedJob, EmbedRequest, Silent, embed_all};

const N_PHOTOGRAPHS: usize = 400;
const N_ROUNDS: usize = 3;
const ENGINE_TIME: Duration = Duration::from_secs(10);

fn main() -> Result<()> {
    let root = test_data()?;
    let location = root.join("fishcam");
    let dataset = Dataset::open(
        location.to_str().context("the path is not UTF-8")?,
        &OpenOptions::default(),
    )?;
    let backbone = BackboneFile::open(&root.join("backbones/mobilenet_v2_imagenet.onnx"))?;
    let preprocessing = Preprocessing {
        width: backbone.input.width,
        height: backbone.input.height,
        fit: Fit::Stretch,
        filter: Filter::CatmullRom,
    };
    let views = [
        View::Original,
        View::Mirror,
        View::Augmented { index: 0 },
        View::Augmented { index: 1 },
    ];
    let elsewhere = std::env::args()
        .nth(1)
        .map(|location| Dataset::open(&location, &OpenOptions::default()))
        .transpose()?;
    if let Some(elsewhere) = &elsewhere {
        ensure!(
            elsewhere.photographs() == dataset.photographs(),
            "{} does not hold the photographs of {}",
            elsewhere.location(),
            location.display()
        );
    }
    let stride = (dataset.photographs().len() / N_PHOTOGRAPHS).max(1);
    let jobs: Vec<EmbedJob> = (0..dataset.photographs().len())
        .step_by(stride)
        .take(N_PHOTOGRAPHS)
        .map(|photograph| EmbedJob {
            digest: None,
            photograph,
            views: views.to_vec(),
        })
        .collect();
    let n_threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    println!(
        "{} photographs, {} views each, {n_threads} threads",
        jobs.len(),
        views.len()
    );
    let trainer_rate = |dataset: &Dataset| -> Result<f64> {
        let cache = tempfile::tempdir()?;
        let embeddings = embed_all(
            &EmbedRequest {
                dataset,
                backbone: &backbone,
                preprocessing: &preprocessing,
                augmentation: &Augmentation::default(),
                seed: 0,
                n_threads,
                cache_dir: cache.path(),
                shared: None,
                jobs: &jobs,
            },
            &mut Silent,
        )?;
        embeddings.per_second().context("nothing was embedded")
    };
    println!(
        "| round | engine alone, per s | decode and augment alone, per s | bound, per s | trainer, per s | trainer / bound | from elsewhere, per s | elsewhere / folder |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for round in 1..=N_ROUNDS {
        let engine = engine_rate(&embedder(&backbone)?, n_threads)?;
        let pixels = pixel_rate(&dataset, &preprocessing, &jobs, n_threads)?;
        let bound = 1.0 / (1.0 / engine + 1.0 / pixels);
        let trainer = trainer_rate(&dataset)?;
        let other = match elsewhere.as_ref().map(&trainer_rate).transpose()? {
            Some(rate) => format!("{rate:.1} | {:.1} %", rate / trainer * 100.0),
            None => "– | –".to_owned(),
        };
        println!(
            "| {round} | {engine:.1} | {pixels:.1} | {bound:.1} | {trainer:.1} | {:.1} % | {other} |",
            trainer / bound * 100.0
        );
    }
    Ok(())
}

/// Embeddings per second of one session per thread on pixels that are there already.
fn engine_rate(graph: &Vec<u8>, n_threads: usize) -> Result<f64> {
    let models = (0..n_threads)
        .map(|_| ImageModel::load(graph, &EngineOptions::single_threaded()))
        .collect::<Result<Vec<_>, _>>()?;
    let n_runs = AtomicUsize::new(0);
    let started = Instant::now();
    thread::scope(|scope| {
        let workers: Vec<_> = models
            .iter()
            .map(|model| {
                scope.spawn(|| -> Result<()> {
                    let pixels = vec![97_u8; model.height() * model.width() * 3];
                    while started.elapsed() < ENGINE_TIME {
                        model.run(&pixels, 1, &["embedding"])?;
                        n_runs.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| {
            worker
                .join()
                .map_err(|_| anyhow::anyhow!("a worker died"))?
        })
    })?;
    Ok(n_runs.into_inner() as f64 / started.elapsed().as_secs_f64())
}

/// Views per second of reading, decoding and rendering on all threads, nothing embedded.
fn pixel_rate(
    dataset: &Dataset,
    preprocessing: &Preprocessing,
    jobs: &[EmbedJob],
    n_threads: usize,
) -> Result<f64> {
    let next = AtomicUsize::new(0);
    let augmentation = Augmentation::default();
    let started = Instant::now();
    thread::scope(|scope| {
        let work = || -> Result<usize> {
            let mut n_views = 0;
            while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                let bytes = dataset.read(&dataset.photographs()[job.photograph])?;
                let digest = photo_digest(&bytes);
                let photo = preprocessing.decode(&bytes, &Limits::default())?;
                for view in &job.views {
                    let pixels = augmentation.render(&photo, *view, 0, &digest, preprocessing);
                    n_views += usize::from(!std::hint::black_box(pixels).pixels().is_empty());
                }
            }
            Ok(n_views)
        };
        let workers: Vec<_> = (0..n_threads).map(|_| scope.spawn(work)).collect();
        let mut n_views = 0;
        for worker in workers {
            n_views += worker
                .join()
                .map_err(|_| anyhow::anyhow!("a worker died"))??;
        }
        Ok(n_views as f64 / started.elapsed().as_secs_f64())
    })
}
