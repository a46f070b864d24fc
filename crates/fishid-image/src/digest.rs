//! SHA-256 in hexadecimal.

use sha2::{Digest, Sha256};

/// SHA-256 of a photograph's bytes as 64 hexadecimal digits: its name in caches and reports.
pub fn photo_digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
