//! What a process has once, however many tasks it is given: engines by what they were loaded from, open places.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use fishid_engine::{EngineOptions, usable_cores};
use fishid_network::BackboneFile;
use fishid_prediction::{Predictor, PredictorOptions};
use fishid_storage::Storage;
use fishid_training::Embedder;

/// Values that are made once for each key; who asks while one is made waits for it.
struct Once<K, V>(Mutex<HashMap<K, V>>);

impl<K: Eq + Hash, V: Clone> Once<K, V> {
    fn get(&self, key: K, make: impl FnOnce(&K) -> anyhow::Result<V>) -> anyhow::Result<V> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = made.get(&key) {
            return Ok(value.clone());
        }
        let value = make(&key)?;
        made.insert(key, value.clone());
        Ok(value)
    }
}

type Keeper<K, V> = LazyLock<Once<K, V>>;

static EMBEDDERS: Keeper<(String, usize), Arc<Embedder>> = LazyLock::new(|| Once(Mutex::default()));
static PREDICTORS: Keeper<(String, usize), Arc<Predictor>> =
    LazyLock::new(|| Once(Mutex::default()));
static PLACES: Keeper<String, Arc<Storage>> = LazyLock::new(|| Once(Mutex::default()));

/// The embedder of a backbone file in this process.
pub fn embedder(backbone: &str, n_threads: usize) -> anyhow::Result<Arc<Embedder>> {
    EMBEDDERS.get((backbone.to_owned(), n_threads), |(path, n_threads)| {
        let backbone = BackboneFile::open(path.as_ref())?;
        Ok(Arc::new(Embedder::load(&backbone, *n_threads)?))
    })
}

/// The predictor of a bundle in this process.
pub fn predictor(bundle: &str, n_threads: usize) -> anyhow::Result<Arc<Predictor>> {
    let key = (bundle.to_owned(), n_threads);
    PREDICTORS.get(key, |(bundle, n_threads)| {
        open_predictor(bundle, *n_threads)
    })
}

/// A predictor in f32 with a session of one thread for each of `n_threads`, proven.
pub fn open_predictor(bundle: &str, n_threads: usize) -> anyhow::Result<Arc<Predictor>> {
    let options = PredictorOptions {
        engine: EngineOptions::single_threaded(),
        n_sessions: n_threads,
        ..PredictorOptions::default()
    };
    let predictor = Predictor::open_with(bundle, &options)?;
    predictor.warm_up()?;
    Ok(Arc::new(predictor))
}

/// A folder or an S3 prefix, with its connections.
pub fn place(location: &str) -> anyhow::Result<Arc<Storage>> {
    PLACES.get(location.to_owned(), |location| {
        Ok(Arc::new(Storage::open(location, &BTreeMap::new())?))
    })
}

/// The threads asked for, else those that Spark allots (`OMP_NUM_THREADS`), else one a core.
pub fn threads(asked: Option<usize>) -> usize {
    let allotted = || {
        let value = std::env::var("OMP_NUM_THREADS").ok()?;
        value.trim().parse().ok()
    };
    asked
        .or_else(allotted)
        .filter(|n| *n > 0)
        .unwrap_or_else(usable_cores)
}
