//! Memory for photographs, counted over all requests: a thousand clients that each send ten megabytes must
//! not take ten gigabytes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Problem;

/// The unit in which it is claimed.
pub(crate) const UPLOAD_BLOCK_BYTES: usize = 64 << 10;

/// Blocks that so many bytes take.
pub(crate) fn blocks(n_bytes: usize) -> usize {
    n_bytes.div_ceil(UPLOAD_BLOCK_BYTES)
}

/// What one photograph holds; given back when dropped.
pub(crate) struct Claim {
    memory: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
}

impl Claim {
    pub(crate) fn new(memory: &Arc<Semaphore>) -> Self {
        Self {
            memory: Arc::clone(memory),
            held: None,
        }
    }

    /// Claims up to `n_bytes` in all, as they arrive: what was only announced claims nothing.
    pub(crate) fn grow_to(&mut self, n_bytes: usize) -> Result<(), Problem> {
        let n_held = self
            .held
            .as_ref()
            .map_or(0, OwnedSemaphorePermit::num_permits);
        let n_more = blocks(n_bytes).saturating_sub(n_held);
        if n_more == 0 {
            return Ok(());
        }
        let more = u32::try_from(n_more)
            .ok()
            .and_then(|n_more| Arc::clone(&self.memory).try_acquire_many_owned(n_more).ok())
            .ok_or_else(|| Problem::overloaded(Duration::from_secs(1)))?;
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn memory_is_claimed_in_blocks_and_given_back() {
        let memory = Arc::new(Semaphore::new(3));
        let mut first = Claim::new(&memory);
        first.grow_to(1).unwrap();
        first.grow_to(UPLOAD_BLOCK_BYTES).unwrap();
        assert_eq!(memory.available_permits(), 2);
        first.grow_to(UPLOAD_BLOCK_BYTES + 1).unwrap();
        let mut second = Claim::new(&memory);
        second.grow_to(1).unwrap();
        assert!(second.grow_to(2 * UPLOAD_BLOCK_BYTES).is_err());
        drop(first);
        second.grow_to(2 * UPLOAD_BLOCK_BYTES).unwrap();
        drop(second);
        assert_eq!(memory.available_permits(), 3);
    }
}
