//! What a run would have to compute: the views of its photographs that the store does not have.

use std::collections::HashSet;

use super::{EmbedRequest, EmbeddingStore, StoreKey};
use crate::error::TrainingError;

/// The views that are not in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingViews {
    /// For each job with any, in their order: its index and the names of its missing views.
    pub jobs: Vec<(usize, Vec<String>)>,
    /// Views of all jobs that are there.
    pub n_there: usize,
    /// Views of all jobs that are not.
    pub n_missing: usize,
    /// What a person should know, one sentence each.
    pub warnings: Vec<String>,
}

impl MissingViews {
    /// Looks into the store of `key`, fetching first what other machines brought. A job whose photograph has no
    /// known digest lacks everything.
    pub fn of(request: &EmbedRequest<'_>, key: &StoreKey) -> Result<Self, TrainingError> {
        let mut store = EmbeddingStore::open(request.cache_dir, key)?.shared_in(request.shared);
        let name = |view: &fishid_image::View| view.key(request.seed, request.augmentation);
        let views = request.jobs.iter().flat_map(|job| &job.views);
        let wanted: HashSet<String> = views.map(name).collect();
        let known: HashSet<(String, String)> = store.load(&wanted)?.into_keys().collect();
        store.finish();
        let mut missing = Self {
            jobs: Vec::new(),
            n_there: 0,
            n_missing: 0,
            warnings: store.take_warnings(),
        };
        for (index, job) in request.jobs.iter().enumerate() {
            let is_there = |view: &String| {
                let digest = job.digest.clone();
                digest.is_some_and(|digest| known.contains(&(digest, view.clone())))
            };
            let (there, lacking): (Vec<String>, Vec<String>) =
                job.views.iter().map(name).partition(is_there);
            missing.n_there += there.len();
            missing.n_missing += lacking.len();
            if !lacking.is_empty() {
                missing.jobs.push((index, lacking));
            }
        }
        Ok(missing)
    }
}
