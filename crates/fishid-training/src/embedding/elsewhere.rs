//! Embedding on machines that have no data set and no store: a cluster's executors are told what to do by an
//! [`EmbedSpec`], get paths, and bring what they computed to the place that all machines share.
//!
//! Knows nothing of clusters. The sessions and the pool are those of a run on one machine, so the numbers are too.

use std::sync::atomic::{AtomicUsize, Ordering};

use fishid_engine::{EngineOptions, ImageModel};
use fishid_image::{Augmentation, Limits, Preprocessing, View};
use fishid_network::BackboneFile;
use fishid_storage::Storage;
use serde::{Deserialize, Serialize};

use super::part::{self, Row};
use super::workers::{FLUSH_EVERY, Pool, ViewEmbedder};
use super::{EmbedJob, StoreKey, embedding_of};
use crate::error::TrainingError;
use crate::progress::Silent;

/// Threads that read from S3 ahead of the engine, each with one photograph in memory.
const READERS_OF_S3: usize = 8;

/// What every machine of a run has to know to compute the same embeddings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbedSpec {
    /// Folder or `s3://bucket/prefix` that paths are relative to.
    pub location: String,
    /// How a photograph becomes the backbone's pixels.
    pub preprocessing: Preprocessing,
    /// Ranges of the augmented views.
    pub augmentation: Augmentation,
    /// Seed of the augmented views.
    pub seed: u64,
    /// The views that may be asked for, the original first.
    pub views: Vec<View>,
    /// What all embeddings of the run depend on; a machine with another engine is told so.
    pub key: StoreKey,
    /// Folder or `s3://bucket/prefix` in which machines share embeddings.
    pub store: Option<String>,
}

impl EmbedSpec {
    /// Names of all views, in their order.
    pub fn view_names(&self) -> Vec<String> {
        let name = |view: &View| view.key(self.seed, &self.augmentation);
        self.views.iter().map(name).collect()
    }

    fn views_of(&self, wanted: &Wanted) -> Result<Vec<View>, TrainingError> {
        let Some(names) = &wanted.views else {
            return Ok(self.views.clone());
        };
        let known = self.view_names();
        let view = |name: &String| {
            let index = known.iter().position(|it| it == name);
            index.map(|index| self.views[index]).ok_or_else(|| {
                TrainingError::Data(format!(
                    "{}: there is no view {name:?}; this run's views are {}",
                    wanted.path,
                    known.join(", ")
                ))
            })
        };
        names.iter().map(view).collect()
    }
}

/// A photograph and the views asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its path in [`EmbedSpec::location`].
    pub path: String,
    /// Names of its views; `None` for all.
    pub views: Option<Vec<String>>,
}

/// The embeddings of one photograph.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddedViews {
    /// SHA-256 of its bytes.
    pub digest: String,
    /// Name and embedding of every view asked for, in their order.
    pub views: Vec<(String, Vec<f32>)>,
}

/// A backbone that is loaded once and embeds as long as the process lives.
pub struct Embedder {
    sessions: Vec<ImageModel>,
    backbone_digest: String,
}

impl Embedder {
    /// Loads `n_threads` sessions of one thread each (0 for one a core), f32.
    pub fn load(backbone: &BackboneFile, n_threads: usize) -> Result<Self, TrainingError> {
        let graph = fishid_network::embedder(backbone)?;
        let load = |_| ImageModel::load(&graph, &EngineOptions::single_threaded());
        let sessions = (0..super::threads(n_threads)).map(load);
        Ok(Self {
            sessions: sessions.collect::<Result<_, _>>()?,
            backbone_digest: fishid_network::graph_digest(backbone)?,
        })
    }

    /// What its embeddings of pictures prepared like this depend on.
    pub fn key(&self, preprocessing: &Preprocessing) -> StoreKey {
        StoreKey {
            backbone_digest: self.backbone_digest.clone(),
            preprocessing_digest: preprocessing.digest(),
            engine_digest: self.sessions[0].engine_digest(),
        }
    }

    /// Embeds photographs of `place`, which is the spec's location; an answer for each, in their order. One that
    /// cannot be read or decoded has a reason in its place.
    ///
    /// # Errors
    /// The backbone or the engine is not that of the spec, a view is none of its, or the engine fails.
    pub fn embed(
        &self,
        spec: &EmbedSpec,
        place: &Storage,
        wanted: &[Wanted],
    ) -> Result<Vec<Result<EmbeddedViews, String>>, TrainingError> {
        self.refuse_other(spec)?;
        let job = |(photograph, wanted)| {
            Ok(EmbedJob {
                photograph,
                digest: None,
                views: spec.views_of(wanted)?,
            })
        };
        let jobs: Vec<EmbedJob> = wanted
            .iter()
            .enumerate()
            .map(job)
            .collect::<Result<_, TrainingError>>()?;
        let next = AtomicUsize::new(0);
        let pool = Pool {
            jobs: &jobs,
            read: &|index| {
                let bytes = place.read(&wanted[index].path);
                Ok(bytes.map_err(|error| error.to_string())?.to_vec())
            },
            make_embedder: &|| {
                let index = next.fetch_add(1, Ordering::Relaxed) % self.sessions.len();
                Ok(Box::new(Session(&self.sessions[index])) as Box<dyn ViewEmbedder>)
            },
            preprocessing: &spec.preprocessing,
            augmentation: &spec.augmentation,
            limits: Limits::default(),
            seed: spec.seed,
            n_threads: self.sessions.len(),
            n_readers: if place.is_remote() { READERS_OF_S3 } else { 0 },
            flush_every: FLUSH_EVERY,
        };
        let embeddings = pool.compute(&mut Silent)?;
        let missing = || Err("its thread is gone".to_owned());
        let mut answers: Vec<_> = wanted.iter().map(|_| missing()).collect();
        for embedded in embeddings.photographs {
            let views = &jobs[embedded.photograph].views;
            let names = views
                .iter()
                .map(|view| view.key(spec.seed, &spec.augmentation));
            answers[embedded.photograph] = Ok(EmbeddedViews {
                digest: embedded.digest,
                views: names.zip(embedded.views).collect(),
            });
        }
        for rejected in embeddings.rejected {
            answers[rejected.photograph] = Err(rejected.reason);
        }
        Ok(answers)
    }

    /// Brings embeddings to `store` as one part file, which is there whole or not at all. Its name is that of its
    /// content: what is computed twice is there once.
    pub fn keep(
        &self,
        spec: &EmbedSpec,
        store: &Storage,
        answers: &[Result<EmbeddedViews, String>],
    ) -> Result<(), TrainingError> {
        let embedded = answers.iter().flatten();
        let rows: Vec<Row> = embedded
            .flat_map(|photograph| {
                photograph.views.iter().map(|(view, embedding)| Row {
                    photo_digest: photograph.digest.clone(),
                    view: view.clone(),
                    embedding: embedding.clone(),
                })
            })
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        let name = part::name(&rows);
        let folder = store.below(&spec.key.folder())?;
        let content = part::to_bytes(&rows).map_err(|reason| TrainingError::Store {
            path: folder.full_path(&name).into(),
            reason,
        })?;
        folder.put(&name, content)?;
        Ok(())
    }

    fn refuse_other(&self, spec: &EmbedSpec) -> Result<(), TrainingError> {
        let here = self.key(&spec.preprocessing);
        let difference = if here.backbone_digest != spec.key.backbone_digest {
            "the backbone is another one: give every machine the file that the run was made with"
        } else if here.engine_digest != spec.key.engine_digest {
            "the engine is another one: install the same wheel on every machine"
        } else if here != spec.key {
            "photographs are prepared in another way: install the same wheel on every machine"
        } else {
            return Ok(());
        };
        Err(TrainingError::Data(format!(
            "these embeddings would not be those of the run: {difference}"
        )))
    }
}

struct Session<'a>(&'a ImageModel);

impl ViewEmbedder for Session<'_> {
    fn embed(&mut self, pixels: &[u8]) -> Result<Vec<f32>, TrainingError> {
        embedding_of(self.0, pixels)
    }
}
