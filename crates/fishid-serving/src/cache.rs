//! Answers already given, known by photograph and model. Another model, or the same one in another
//! precision, never answers from here.

use std::sync::Arc;

use moka::future::Cache;

use crate::config::CacheConfig;
use crate::model::{Identity, Model};

/// What a stored answer is found by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    photo: [u8; 32],
    model: Arc<str>,
}

impl Key {
    pub(crate) fn new(photo: [u8; 32], model: &Arc<str>) -> Self {
        Self {
            photo,
            model: Arc::clone(model),
        }
    }

    /// Digest of the photograph.
    pub(crate) fn photo(&self) -> &[u8; 32] {
        &self.photo
    }

    /// What [`model_key`] made of the model.
    pub(crate) fn model(&self) -> &str {
        &self.model
    }
}

/// The part of a [`Key`] that is the model's.
pub(crate) fn model_key(identity: &Identity) -> Arc<str> {
    format!("{}/{}", identity.digest, identity.precision).into()
}

/// The cache in process; absent when its bounds are zero.
///
/// An answer is kept without the version that gave it: two versions of one digest answer alike, and a reply names
/// the one that is in production when it is sent.
pub(crate) struct AnswerCache<M: Model>(Option<Cache<Key, M::Answer>>);

impl<M: Model> Clone for AnswerCache<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// What one entry holds beside the answer: key, list links, counters.
const ENTRY_OVERHEAD_BYTES: u64 = 256;

impl<M: Model> AnswerCache<M> {
    pub(crate) fn new(config: &CacheConfig) -> Self {
        if config.max_entries == 0 || config.max_bytes == 0 {
            return Self(None);
        }
        // One bound serves both limits: an entry never weighs less than its share of the bytes.
        let lightest = (config.max_bytes / config.max_entries).max(1);
        let cache = Cache::builder()
            .max_capacity(config.max_bytes)
            .time_to_live(config.time_to_live)
            .weigher(move |_: &Key, answer: &M::Answer| {
                let bytes = M::answer_bytes(answer) as u64 + ENTRY_OVERHEAD_BYTES;
                u32::try_from(bytes.max(lightest)).unwrap_or(u32::MAX)
            })
            .build();
        Self(Some(cache))
    }

    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) async fn get(&self, key: &Key) -> Option<M::Answer> {
        self.0.as_ref()?.get(key).await
    }

    pub(crate) async fn put(&self, key: Key, answer: M::Answer) {
        if let Some(cache) = &self.0 {
            cache.insert(key, answer).await;
        }
    }
}
