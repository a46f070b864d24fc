//! Asking and filling the cache that other servers share. Its troubles end here: they are counted, and the
//! photograph goes on to the model.

use std::time::Instant;

use super::Service;
use crate::cache::Key;
use crate::error::Phase;
use crate::metrics::CacheResult;
use crate::model::Model;
use crate::shared::{Looked, envelope};

impl<M: Model> Service<M> {
    pub(super) async fn look_up_shared(&self, model: &M, key: &Key) -> Option<M::Answer> {
        let inner = &self.0;
        let shared = inner.shared.as_ref()?;
        let started = Instant::now();
        let name = envelope::name(key);
        let (result, answer) = match shared.get(&name).await {
            Looked::Absent => (CacheResult::Miss, None),
            Looked::Failed => (CacheResult::Error, None),
            Looked::Found(value) => {
                match envelope::open(&name, &value).and_then(|bytes| model.decode_answer(bytes)) {
                    Some(answer) => (CacheResult::Hit, Some(answer)),
                    None => (CacheResult::Error, None),
                }
            }
        };
        inner.metrics.observe_phase(Phase::Cache, started.elapsed());
        inner.metrics.count_cache(shared.name(), result);
        answer
    }

    /// Leaves the answer to the tier's own task; nobody waits for it.
    pub(super) fn share(&self, key: &Key, answer: &M::Answer) {
        let Some(shared) = &self.0.shared else {
            return;
        };
        if let Some(bytes) = M::encode_answer(answer) {
            let name = envelope::name(key);
            let value = envelope::seal(&name, &bytes);
            shared.put(name, value);
        }
    }
}
