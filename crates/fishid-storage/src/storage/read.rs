//! Reading a file whole, and what is known of it.

use std::sync::Arc;

use bytes::Bytes;
use object_store::{Attribute, Attributes, GetOptions, ObjectStoreExt};
use sha2::{Digest, Sha256};

use super::{Stat, Storage, version};
use crate::error::StorageError;
use crate::runtime::wait;
use crate::s3;

/// Larger files are fetched to disk, not into memory.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// Whole reads tried again when the connection breaks in the middle of a body.
const N_READS: u32 = 3;
/// User metadata under which an object carries the digest of its content.
pub(super) const SHA256_KEY: &str = "sha256";

impl Storage {
    /// Reads a file of at most 256 MB; none when it does not exist.
    pub fn read_if_present(&self, path: &str) -> Result<Option<Bytes>, StorageError> {
        let failed = |reason: String| self.unread(path, reason);
        let location = self.path(path).map_err(&failed)?;
        let mut attempt = 1;
        loop {
            let (store, location) = (Arc::clone(&self.store), location.clone());
            let read = wait(async move {
                let result = store.get(&location).await?;
                if result.meta.size > MAX_FILE_BYTES {
                    return Ok(Err(result.meta.size));
                }
                let expected = digest_in(&result.attributes);
                Ok(Ok((result.bytes().await?, expected)))
            });
            match read.map_err(&failed)? {
                Ok(Ok((bytes, None))) => return Ok(Some(bytes)),
                Ok(Ok((bytes, Some(expected)))) => {
                    let found = hex::encode(Sha256::digest(&bytes));
                    if found == expected {
                        return Ok(Some(bytes));
                    }
                    let path = self.full_path(path);
                    if attempt == N_READS {
                        return Err(StorageError::Corrupted {
                            path,
                            expected,
                            found,
                        });
                    }
                    tracing::warn!(path, attempt, "what arrived was damaged, reading again");
                }
                Ok(Err(size)) => {
                    let (size, most) = (size >> 20, MAX_FILE_BYTES >> 20);
                    return Err(failed(format!(
                        "it is {size} MB; files above {most} MB are not read into memory"
                    )));
                }
                Err(error) if Self::is_absent(&error) => return Ok(None),
                Err(error) => {
                    if attempt == N_READS || !self.is_remote() || s3::is_explained(&error) {
                        return Err(self.blame(path, &error, failed));
                    }
                    tracing::warn!(path, attempt, error = %error, "reading again");
                }
            }
            attempt += 1;
        }
    }

    /// Reads a file of at most 256 MB.
    pub fn read(&self, path: &str) -> Result<Bytes, StorageError> {
        self.read_if_present(path)?
            .ok_or_else(|| self.unread(path, "it does not exist (any more)"))
    }

    /// Size, version and digest of a file; none when it does not exist.
    pub fn stat(&self, path: &str) -> Result<Option<Stat>, StorageError> {
        let failed = |reason: String| self.unread(path, reason);
        let location = self.path(path).map_err(&failed)?;
        let store = Arc::clone(&self.store);
        let options = GetOptions {
            head: true,
            ..GetOptions::default()
        };
        let asked = location.clone();
        let head = wait(async move { store.get_opts(&asked, options).await }).map_err(&failed)?;
        match head {
            Ok(result) => Ok(Some(Stat {
                size: result.meta.size,
                version: version(&result.meta),
                sha256: digest_in(&result.attributes),
            })),
            // An answer to HEAD has no body, so it cannot say which of many reasons it has: ask again in full.
            // One that does not answer is not asked for another minute.
            Err(error) if self.is_remote() && !s3::is_passing(&error) => {
                let store = Arc::clone(&self.store);
                let range = wait(async move { store.get_range(&location, 0..1).await });
                match range.map_err(&failed)? {
                    Ok(_) => Err(failed("the server answers GET and refuses HEAD".to_owned())),
                    Err(error) if Self::is_absent(&error) => Ok(None),
                    Err(error) => Err(self.blame(path, &error, failed)),
                }
            }
            Err(error) if Self::is_absent(&error) => Ok(None),
            Err(error) => Err(self.blame(path, &error, failed)),
        }
    }

    /// Whether only this file is missing: a missing bucket answers 404 too.
    pub(super) fn is_absent(error: &object_store::Error) -> bool {
        matches!(error, object_store::Error::NotFound { .. }) && !s3::is_explained(error)
    }
}

/// The digest that the writer left with an object.
fn digest_in(attributes: &Attributes) -> Option<String> {
    let value = attributes.get(&Attribute::Metadata(SHA256_KEY.into()))?;
    Some(value.as_ref().to_owned())
}
