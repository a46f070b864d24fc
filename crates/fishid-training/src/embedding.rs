//! Photographs to embeddings, each computed once: a thread pool in front of a store on disk.
//!
//! Knows the frozen backbone as a graph to run and nothing of labels, splits or heads. Start at
//! [`embed_all`]; [`EmbeddingStore`] is what makes a second run cheap and an interrupted one resume.

mod elsewhere;
mod key;
mod missing;
mod part;
mod shared;
mod store;
mod workers;

use std::path::Path;
use std::time::Instant;

use fishid_dataset::Dataset;
use fishid_engine::{EngineOptions, ImageModel};
use fishid_image::{Augmentation, Limits, Preprocessing, View};
use fishid_network::BackboneFile;
use fishid_storage::Storage;

pub use elsewhere::{EmbedSpec, EmbeddedViews, Embedder, Wanted};
pub use key::StoreKey;
pub use missing::MissingViews;
pub use store::EmbeddingStore;

use self::workers::{FLUSH_EVERY, Pool, ViewEmbedder};
use crate::error::TrainingError;
use crate::progress::Progress;

/// More unusable photographs than this, in percent, stop a run.
const MAX_REJECTED_PERCENT: usize = 5;

/// One photograph and the views wanted of it.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbedJob {
    /// Index into `Dataset::photographs()`.
    pub photograph: usize,
    /// SHA-256 of its bytes where it is known: one whose views are all in the store is not read again.
    pub digest: Option<String>,
    /// The views; their embeddings come back in this order.
    pub views: Vec<View>,
}

/// What to embed, and how.
#[derive(Clone, Copy)]
pub struct EmbedRequest<'a> {
    /// Where the photographs are.
    pub dataset: &'a Dataset,
    /// The frozen backbone.
    pub backbone: &'a BackboneFile,
    /// How a photograph becomes the backbone's pixels.
    pub preprocessing: &'a Preprocessing,
    /// Ranges of the augmented views.
    pub augmentation: &'a Augmentation,
    /// Seed of the augmented views.
    pub seed: u64,
    /// Worker threads, each with an engine session of one thread; 0 for one per core.
    pub n_threads: usize,
    /// Where embeddings are kept between runs.
    pub cache_dir: &'a Path,
    /// Where they are shared with other machines.
    pub shared: Option<&'a Storage>,
    /// What is wanted.
    pub jobs: &'a [EmbedJob],
}

/// One photograph's embeddings.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddedPhotograph {
    /// Index into `Dataset::photographs()`.
    pub photograph: usize,
    /// SHA-256 of its bytes.
    pub digest: String,
    /// One embedding per view of the job, in the job's order.
    pub views: Vec<Vec<f32>>,
}

/// A photograph that gave no embedding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedPhotograph {
    /// Index into `Dataset::photographs()`.
    pub photograph: usize,
    /// Its path in the data set.
    pub path: String,
    /// Why, in words.
    pub reason: String,
}

/// What [`embed_all`] gives back.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// Width of an embedding.
    pub dim: usize,
    /// The photographs that could be embedded, in the order of the jobs.
    pub photographs: Vec<EmbeddedPhotograph>,
    /// Those that could not.
    pub rejected: Vec<RejectedPhotograph>,
    /// Embeddings computed in this run.
    pub n_computed: usize,
    /// Embeddings taken from the store.
    pub n_reused: usize,
    /// Wall-clock time, in seconds.
    pub seconds: f64,
}

impl Embeddings {
    /// Embeddings computed per second of wall-clock time; `None` when all came from the store.
    pub fn per_second(&self) -> Option<f64> {
        (self.n_computed > 0 && self.seconds > 0.0).then(|| self.n_computed as f64 / self.seconds)
    }
}

/// Embeds every view of every job, taking from the store what is there and adding what is not.
///
/// # Errors
/// Photographs that cannot be read or decoded are collected, unless they are more than 5 %
/// ([`TrainingError::TooManyRejected`]). Trouble with engine, backbone or store stops the run.
pub fn embed_all(
    request: &EmbedRequest<'_>,
    progress: &mut dyn Progress,
) -> Result<Embeddings, TrainingError> {
    let started = Instant::now();
    let graph = fishid_network::embedder(request.backbone)?;
    let load = || ImageModel::load(&graph, &EngineOptions::single_threaded());
    let first = load()?;
    let key = StoreKey {
        backbone_digest: fishid_network::graph_digest(request.backbone)?,
        preprocessing_digest: request.preprocessing.digest(),
        engine_digest: first.engine_digest(),
    };
    let mut store = EmbeddingStore::open(request.cache_dir, &key)?
        .of_width(width(&first, request.preprocessing)?)
        .shared_in(request.shared);
    let photographs = request.dataset.photographs();
    let read = |photograph: usize| {
        let bytes = request
            .dataset
            .read(&photographs[photograph])
            .map_err(|e| e.to_string())?;
        Ok(bytes.to_vec())
    };
    let pool = Pool {
        jobs: request.jobs,
        read: &read,
        make_embedder: &|| Ok(Box::new(EngineEmbedder(load()?)) as Box<dyn ViewEmbedder>),
        preprocessing: request.preprocessing,
        augmentation: request.augmentation,
        limits: Limits::default(),
        seed: request.seed,
        n_threads: threads(request.n_threads),
        // A folder answers at once; S3 answers many as fast as one.
        n_readers: if request.dataset.is_remote() {
            request.dataset.n_readers()
        } else {
            0
        },
        flush_every: FLUSH_EVERY,
    };
    drop(first);
    let mut embeddings = pool.run(&mut store, progress)?;
    for rejected in &mut embeddings.rejected {
        rejected
            .path
            .clone_from(&photographs[rejected.photograph].path);
        progress.warn(&format!("{}: {}", rejected.path, rejected.reason));
    }
    embeddings.seconds = started.elapsed().as_secs_f64();
    check_rejected(&embeddings, request.jobs.len())?;
    Ok(embeddings)
}

/// Values of one embedding, from one that is computed and thrown away: a graph need not say it.
fn width(model: &ImageModel, preprocessing: &Preprocessing) -> Result<usize, TrainingError> {
    let n_pixels = preprocessing.width as usize * preprocessing.height as usize;
    Ok(embedding_of(model, &vec![0; n_pixels * 3])?.len())
}

fn check_rejected(embeddings: &Embeddings, n_photographs: usize) -> Result<(), TrainingError> {
    let n_rejected = embeddings.rejected.len();
    match embeddings.rejected.first() {
        Some(first) if n_rejected * 100 > n_photographs * MAX_REJECTED_PERCENT => {
            Err(TrainingError::TooManyRejected {
                n_rejected,
                n_photographs,
                limit_percent: MAX_REJECTED_PERCENT,
                first_path: first.path.clone(),
                first_reason: first.reason.clone(),
            })
        }
        _ => Ok(()),
    }
}

pub(crate) fn threads(wanted: usize) -> usize {
    if wanted > 0 {
        return wanted;
    }
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

struct EngineEmbedder(ImageModel);

impl ViewEmbedder for EngineEmbedder {
    fn embed(&mut self, pixels: &[u8]) -> Result<Vec<f32>, TrainingError> {
        embedding_of(&self.0, pixels)
    }
}

fn embedding_of(model: &ImageModel, pixels: &[u8]) -> Result<Vec<f32>, TrainingError> {
    let outputs = model.run(pixels, 1, &["embedding"])?;
    outputs
        .get("embedding")
        .map(|tensor| tensor.values.clone())
        .ok_or_else(|| TrainingError::Data("the backbone gave no output `embedding`".to_owned()))
}
