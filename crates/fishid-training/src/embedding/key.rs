//! What an embedding depends on, as the name of a folder.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What all embeddings of one folder share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreKey {
    /// `fishid_network::graph_digest` of the backbone: file and sidecar together.
    pub backbone_digest: String,
    /// Digest of size, fit, filter and revision of the pixel pipeline.
    pub preprocessing_digest: String,
    /// Digest of engine library, provider and precision.
    pub engine_digest: String,
}

impl StoreKey {
    /// Name of the folder: 16 hexadecimal digits of the SHA-256 of the three digests.
    pub fn folder(&self) -> String {
        let lines = [
            &*self.backbone_digest,
            &*self.preprocessing_digest,
            &*self.engine_digest,
        ]
        .join("\n");
        hex::encode(&Sha256::digest(lines.as_bytes())[..8])
    }
}
