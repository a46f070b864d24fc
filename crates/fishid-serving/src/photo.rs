//! A photograph's bytes together with their digest, which is what the cache knows it by.
//!
//! The digest is taken chunk by chunk while the bytes arrive: ten megabytes hashed at once would hold up
//! a thread of the async runtime. BLAKE3, because SHA-256 was a third of what an answer out of the cache costs; as
//! hard to forge, which matters where strangers share a cache.

use bytes::{Bytes, BytesMut};

/// A whole photograph as it was sent.
#[derive(Debug, Clone)]
pub struct Photo {
    bytes: Bytes,
    digest: [u8; 32],
}

impl Photo {
    /// Takes the digest at once; for bytes that are already there.
    pub fn new(bytes: Bytes) -> Self {
        let digest = blake3::hash(&bytes).into();
        Self { bytes, digest }
    }

    /// The bytes as sent.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// BLAKE3 of the bytes.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }
}

/// Collects a photograph that arrives in chunks.
#[derive(Debug, Default)]
pub struct PhotoReader {
    bytes: BytesMut,
    hasher: blake3::Hasher,
}

impl PhotoReader {
    /// With room for the size the sender announced, when it did.
    pub fn with_capacity(n_bytes: usize) -> Self {
        Self {
            bytes: BytesMut::with_capacity(n_bytes),
            hasher: blake3::Hasher::new(),
        }
    }

    /// Adds the next chunk.
    pub fn push(&mut self, chunk: &[u8]) {
        self.hasher.update(chunk);
        self.bytes.extend_from_slice(chunk);
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing came yet.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The whole photograph.
    pub fn finish(self) -> Photo {
        Photo {
            bytes: self.bytes.freeze(),
            digest: self.hasher.finalize().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_photograph_read_in_chunks_has_the_digest_of_the_whole() {
        let whole: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        let mut reader = PhotoReader::default();
        assert!(reader.is_empty());
        whole.chunks(777).for_each(|chunk| reader.push(chunk));
        assert_eq!(reader.len(), whole.len());
        let photo = reader.finish();
        assert_eq!(photo.bytes(), &whole);
        assert_eq!(photo.digest(), Photo::new(Bytes::from(whole)).digest());
    }
}
