#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fishid_image::{Augmentation, Filter, Fit, Limits, Preprocessing, RgbPhoto, View, encode_png};

use super::{FLUSH_EVERY, Pool, ViewEmbedder};
use crate::embedding::{EmbedJob, EmbeddingStore, Embeddings, StoreKey};
use crate::error::TrainingError;
use crate::progress::Silent;

const PREPROCESSING: Preprocessing = Preprocessing {
    width: 32,
    height: 32,
    fit: Fit::Stretch,
    filter: Filter::CatmullRom,
};

const VIEWS: [View; 2] = [View::Original, View::Augmented { index: 0 }];

/// Gives the mean of each channel; fails after `calls_left` calls.
struct Counting<'a> {
    calls: &'a AtomicUsize,
    fails_after: usize,
}

impl ViewEmbedder for Counting<'_> {
    fn embed(&mut self, pixels: &[u8]) -> Result<Vec<f32>, TrainingError> {
        if self.calls.fetch_add(1, Ordering::SeqCst) >= self.fails_after {
            return Err(TrainingError::Data("the power went".to_owned()));
        }
        let mean = |channel: usize| {
            let values = pixels.iter().skip(channel).step_by(3);
            values.map(|value| f32::from(*value)).sum::<f32>() / (pixels.len() / 3) as f32
        };
        Ok(vec![mean(0), mean(1), mean(2)])
    }
}

fn photograph(i: usize) -> Vec<u8> {
    let pixels = (0..40 * 36 * 3)
        .map(|p| (p * (i + 3) % 251) as u8)
        .collect();
    encode_png(&RgbPhoto::new(40, 36, pixels).unwrap()).unwrap()
}

struct Run {
    result: Result<Embeddings, TrainingError>,
    n_calls: usize,
}

/// Embeds the first `n` photographs, two views each; number 3 is broken when `with_broken`.
fn run(dir: &Path, n: usize, fails_after: usize, with_broken: bool) -> Run {
    run_flushing(dir, n, fails_after, with_broken, FLUSH_EVERY)
}

fn run_flushing(
    dir: &Path,
    n: usize,
    fails_after: usize,
    with_broken: bool,
    flush_every: Duration,
) -> Run {
    let jobs: Vec<EmbedJob> = (0..n)
        .map(|photograph| EmbedJob {
            digest: None,
            photograph,
            views: VIEWS.to_vec(),
        })
        .collect();
    let read = |i| {
        if with_broken && i == 3 {
            Ok(b"not a photograph".to_vec())
        } else {
            Ok(photograph(i))
        }
    };
    run_jobs(dir, &jobs, &read, fails_after, flush_every)
}

fn run_jobs(
    dir: &Path,
    jobs: &[EmbedJob],
    read: &(dyn Fn(usize) -> Result<Vec<u8>, String> + Sync),
    fails_after: usize,
    flush_every: Duration,
) -> Run {
    let calls = AtomicUsize::new(0);
    let key = StoreKey {
        backbone_digest: "b".into(),
        preprocessing_digest: PREPROCESSING.digest(),
        engine_digest: "e".into(),
    };
    let mut store = EmbeddingStore::open(dir, &key).unwrap();
    let make_embedder = || {
        let embedder: Box<dyn ViewEmbedder + '_> = Box::new(Counting {
            calls: &calls,
            fails_after,
        });
        Ok(embedder)
    };
    let pool = Pool {
        jobs,
        read,
        make_embedder: &make_embedder,
        preprocessing: &PREPROCESSING,
        augmentation: &Augmentation::default(),
        limits: Limits::default(),
        seed: 7,
        n_threads: 2,
        n_readers: 0,
        flush_every,
    };
    let result = pool.run(&mut store, &mut Silent);
    Run {
        result,
        n_calls: calls.load(Ordering::SeqCst),
    }
}

fn parts(dir: &Path) -> Vec<std::path::PathBuf> {
    let folder = fs::read_dir(dir).unwrap().next().unwrap().unwrap().path();
    let all = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    all.filter(|path| path.extension().is_some_and(|e| e == "parquet"))
        .collect()
}

#[test]
fn a_second_run_computes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let first = run(dir.path(), 10, usize::MAX, false);
    let second = run(dir.path(), 10, usize::MAX, false);
    assert_eq!((first.n_calls, second.n_calls), (20, 0));
    let (first, second) = (first.result.unwrap(), second.result.unwrap());
    assert_eq!(first.photographs, second.photographs);
    assert_eq!((second.n_computed, second.n_reused), (0, 20));
}

#[test]
fn a_photograph_is_read_again_only_if_a_view_of_it_is_unknown() {
    let dir = tempfile::tempdir().unwrap();
    let first = run(dir.path(), 4, usize::MAX, false).result.unwrap();
    let jobs: Vec<EmbedJob> = first
        .photographs
        .iter()
        .map(|known| EmbedJob {
            digest: Some(known.digest.clone()),
            photograph: known.photograph,
            views: if known.photograph == 2 {
                vec![View::Original, View::Mirror]
            } else {
                VIEWS.to_vec()
            },
        })
        .collect();
    let read = Mutex::new(Vec::new());
    let note = |i| {
        read.lock().unwrap().push(i);
        Ok(photograph(i))
    };
    let second = run_jobs(dir.path(), &jobs, &note, usize::MAX, FLUSH_EVERY);
    assert_eq!(*read.lock().unwrap(), [2]);
    assert_eq!(second.n_calls, 1);
    let second = second.result.unwrap();
    assert_eq!(second.photographs[0], first.photographs[0]);
    assert_eq!((second.n_computed, second.n_reused), (1, 7));
}

#[test]
fn a_grown_data_set_computes_only_what_is_new() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), 10, usize::MAX, false).result.unwrap();
    assert_eq!(run(dir.path(), 13, usize::MAX, false).n_calls, 6);
}

#[test]
fn an_interrupted_run_resumes_where_it_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let interrupted = run(dir.path(), 20, 15, false);
    assert!(interrupted.result.is_err());
    let resumed = run(dir.path(), 20, usize::MAX, false);
    let embeddings = resumed.result.unwrap();
    assert_eq!(embeddings.photographs.len(), 20);
    assert_eq!(resumed.n_calls, embeddings.n_computed);
    assert!(
        embeddings.n_reused >= 10,
        "only {} were kept",
        embeddings.n_reused
    );
    assert_eq!(embeddings.n_computed + embeddings.n_reused, 40);
}

#[test]
fn what_is_computed_is_on_disk_when_the_time_is_up_and_not_only_when_a_part_is_full() {
    let dir = tempfile::tempdir().unwrap();
    // The time is always up: each photograph's two views are a part of their own.
    let embeddings = run_flushing(dir.path(), 10, usize::MAX, false, Duration::ZERO);
    assert_eq!(embeddings.result.unwrap().n_computed, 20);
    assert_eq!(parts(dir.path()).len(), 10);
    assert_eq!(run(dir.path(), 10, usize::MAX, false).n_calls, 0);
}

#[test]
fn a_torn_part_file_is_set_aside_and_computed_again() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), 10, usize::MAX, false).result.unwrap();
    let part = parts(dir.path()).pop().unwrap();
    let whole = fs::read(&part).unwrap();
    fs::write(&part, &whole[..whole.len() / 2]).unwrap();
    let again = run(dir.path(), 10, usize::MAX, false);
    assert_eq!(
        (again.n_calls, again.result.unwrap().photographs.len()),
        (20, 10)
    );
    assert!(part.with_extension("parquet.damaged").exists());
    assert_eq!(run(dir.path(), 10, usize::MAX, false).n_calls, 0);
}

#[test]
fn a_flipped_bit_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), 10, usize::MAX, false).result.unwrap();
    let part = parts(dir.path()).pop().unwrap();
    let mut bytes = fs::read(&part).unwrap();
    let needle = photo_mean_bytes(&bytes);
    bytes[needle] ^= 0x40;
    fs::write(&part, &bytes).unwrap();
    assert_eq!(run(dir.path(), 10, usize::MAX, false).n_calls, 20);
}

/// Where the first value of some embedding stands in the file.
fn photo_mean_bytes(file: &[u8]) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let embeddings = run(dir.path(), 1, usize::MAX, false).result.unwrap();
    let value = embeddings.photographs[0].views[0][0].to_le_bytes();
    file.windows(4).position(|window| window == value).unwrap()
}

#[test]
fn a_broken_photograph_is_reported_with_its_reason_and_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let embeddings = run(dir.path(), 10, usize::MAX, true).result.unwrap();
    assert_eq!(embeddings.photographs.len(), 9);
    assert_eq!(embeddings.rejected.len(), 1);
    assert_eq!(embeddings.rejected[0].photograph, 3);
    assert!(!embeddings.rejected[0].reason.is_empty());
}

#[test]
fn the_original_view_is_what_a_server_would_show_the_model() {
    let dir = tempfile::tempdir().unwrap();
    let embeddings = run(dir.path(), 1, usize::MAX, false).result.unwrap();
    let served = PREPROCESSING
        .load(&photograph(0), &Limits::default())
        .unwrap();
    let mut embedder = Counting {
        calls: &AtomicUsize::new(0),
        fails_after: 1,
    };
    assert_eq!(
        embeddings.photographs[0].views[0],
        embedder.embed(served.pixels()).unwrap()
    );
}
