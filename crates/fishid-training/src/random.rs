//! Seeded randomness: one stream per purpose, so that adding a use does not shift the others.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

/// A generator that depends on the seed and the purpose only.
pub(crate) fn stream(seed: u64, purpose: &str) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(purpose.as_bytes());
    ChaCha8Rng::from_seed(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::stream;

    #[test]
    fn a_stream_depends_on_seed_and_purpose() {
        let draw = |seed, purpose| stream(seed, purpose).next_u64();
        assert_eq!(draw(1, "folds"), draw(1, "folds"));
        assert_ne!(draw(1, "folds"), draw(2, "folds"));
        assert_ne!(draw(1, "folds"), draw(1, "dropout"));
    }
}
