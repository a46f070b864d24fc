//! Writing: small content at once, files in parts, with a digest kept beside the object.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, MultipartUpload, ObjectStoreExt, PutMultipartOptions, PutOptions,
};
use sha2::{Digest, Sha256};

use super::read::SHA256_KEY;
use super::{Storage, Stored};
use crate::error::StorageError;
use crate::runtime::{received, start, wait};
use crate::s3::S3Fault;

/// Larger files go up in parts of at least this size. S3 wants 5 MiB or more.
const PART_BYTES: u64 = 8 << 20;
/// S3 allows 10 000 parts.
const MAX_PARTS: u64 = 9_000;
/// Parts on their way at once: with the one being read, this bounds the memory.
const N_PARTS_ON_THE_WAY: usize = 4;
/// Uploads begun anew when the server says that what arrived is not what was sent.
const N_UPLOADS: u32 = 3;

impl Storage {
    /// Writes a file at once; a reader sees the old content or the new, never a part.
    pub fn put(&self, path: &str, content: impl Into<Bytes>) -> Result<Stored, StorageError> {
        let content = content.into();
        let stored = Stored {
            size: content.len() as u64,
            sha256: hex::encode(Sha256::digest(&content)),
        };
        let location = self.writable(path)?;
        Self::again_when_damaged(path, || {
            self.put_whole(path, &location, content.clone(), &stored.sha256)
        })?;
        Ok(stored)
    }

    /// Carries a file from disk, streamed; a reader sees the old content or the whole new one.
    ///
    /// The server checks the SHA-256 of every part, and the one of the whole is kept with the object, where
    /// [`Storage::stat`] and [`Storage::get_file`] find it. A file that changes meanwhile is an error.
    pub fn put_file(&self, path: &str, from: &FilePath) -> Result<Stored, StorageError> {
        let location = self.writable(path)?;
        let stored = sha256_of_file(from).map_err(|error| self.source(path, from, &error))?;
        Self::again_when_damaged(path, || {
            if stored.size > PART_BYTES {
                return self.put_parts(path, &location, from, &stored);
            }
            let content = std::fs::read(from).map_err(|error| self.source(path, from, &error))?;
            if hex::encode(Sha256::digest(&content)) != stored.sha256 {
                return Err(self.changed(path, from));
            }
            self.put_whole(path, &location, content.into(), &stored.sha256)
        })?;
        self.confirm(path, &stored)?;
        Ok(stored)
    }

    /// Removes a file; one that is not there is no error.
    pub fn delete(&self, path: &str) -> Result<(), StorageError> {
        let location = self.writable(path)?;
        let store = Arc::clone(&self.store);
        let deleted = wait(async move { store.delete(&location).await })
            .map_err(|reason| self.unwritten(path, reason))?;
        match deleted {
            Ok(()) => Ok(()),
            Err(error) if Self::is_absent(&error) => Ok(()),
            Err(error) => Err(self.blame(path, &error, |reason| self.unwritten(path, reason))),
        }
    }

    fn put_whole(
        &self,
        path: &str,
        location: &Path,
        content: Bytes,
        sha256: &str,
    ) -> Result<(), StorageError> {
        let (store, location) = (Arc::clone(&self.store), location.clone());
        let options = PutOptions {
            attributes: self.attributes(sha256),
            ..PutOptions::default()
        };
        let put = wait(async move { store.put_opts(&location, content.into(), options).await })
            .map_err(|reason| self.unwritten(path, reason))?;
        put.map(drop)
            .map_err(|error| self.blame(path, &error, |reason| self.unwritten(path, reason)))
    }

    fn put_parts(
        &self,
        path: &str,
        location: &Path,
        from: &FilePath,
        stored: &Stored,
    ) -> Result<(), StorageError> {
        let unwritten = |reason| self.unwritten(path, reason);
        let blame = |error: object_store::Error| self.blame(path, &error, unwritten);
        let (store, at) = (Arc::clone(&self.store), location.clone());
        let options = PutMultipartOptions {
            attributes: self.attributes(&stored.sha256),
            ..PutMultipartOptions::default()
        };
        let mut upload = wait(async move { store.put_multipart_opts(&at, options).await })
            .map_err(unwritten)?
            .map_err(blame)?;
        let sent = self.send_parts(path, from, stored, upload.as_mut());
        // Whatever happened, no part may stay behind: S3 keeps and bills them, and shows them to nobody.
        let (ended, aborted) = wait(async move {
            if sent.is_err() {
                return (sent.map(|()| None), upload.abort().await);
            }
            match upload.complete().await {
                Ok(_) => (Ok(None), Ok(())),
                Err(error) => (Ok(Some(error)), upload.abort().await),
            }
        })
        .map_err(unwritten)?;
        if let Err(error) = aborted {
            tracing::warn!(path, error = %error, "the parts of an upload that failed may be left on the server");
        }
        match ended? {
            None => Ok(()),
            // The answer may be what was lost: asked again, the server says that it knows no such upload.
            Some(error) => self.confirm(path, stored).map_err(|_| blame(error)),
        }
    }

    /// Whatever becomes of it, no part is on its way any more afterwards: one that arrived behind an abort would stay.
    fn send_parts(
        &self,
        path: &str,
        from: &FilePath,
        stored: &Stored,
        upload: &mut dyn MultipartUpload,
    ) -> Result<(), StorageError> {
        let mut on_the_way = VecDeque::new();
        let sent = self.send_each(path, from, stored, upload, &mut on_the_way);
        for part in &on_the_way {
            // What failed first is the error.
            let _ = received(part);
        }
        sent
    }

    fn send_each(
        &self,
        path: &str,
        from: &FilePath,
        stored: &Stored,
        upload: &mut dyn MultipartUpload,
        on_the_way: &mut VecDeque<Receiver<object_store::Result<()>>>,
    ) -> Result<(), StorageError> {
        let mut file = File::open(from).map_err(|error| self.source(path, from, &error))?;
        let part_bytes = PART_BYTES.max(stored.size.div_ceil(MAX_PARTS));
        let mut hasher = Sha256::new();
        let arrive = |part: &Receiver<object_store::Result<()>>| {
            let unwritten = |reason| self.unwritten(path, reason);
            received(part)
                .map_err(unwritten)?
                .map_err(|error| self.blame(path, &error, unwritten))
        };
        loop {
            let mut part = Vec::with_capacity(part_bytes as usize);
            file.by_ref()
                .take(part_bytes)
                .read_to_end(&mut part)
                .map_err(|error| self.source(path, from, &error))?;
            if part.is_empty() {
                break;
            }
            hasher.update(&part);
            if on_the_way.len() == N_PARTS_ON_THE_WAY
                && let Some(first) = on_the_way.pop_front()
            {
                arrive(&first)?;
            }
            let sending = start(upload.put_part(part.into()));
            on_the_way.push_back(sending.map_err(|reason| self.unwritten(path, reason))?);
        }
        while let Some(part) = on_the_way.pop_front() {
            arrive(&part)?;
        }
        if hex::encode(hasher.finalize()) != stored.sha256 {
            return Err(self.changed(path, from));
        }
        Ok(())
    }

    /// Asks the server what it has now: the right size under the right digest.
    fn confirm(&self, path: &str, stored: &Stored) -> Result<(), StorageError> {
        let Some(there) = self.stat(path)? else {
            return Err(self.unwritten(path, "it is not there after the upload; upload it again"));
        };
        let is_other = there.sha256.is_some_and(|there| there != stored.sha256);
        if there.size != stored.size || is_other {
            return Err(self.unwritten(
                path,
                "it holds something else after the upload: another writer replaced it; upload it again",
            ));
        }
        Ok(())
    }

    fn again_when_damaged(
        path: &str,
        mut upload: impl FnMut() -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let mut attempt = 1;
        loop {
            match upload() {
                Err(StorageError::S3 { problem, .. })
                    if problem.fault == S3Fault::Damaged && attempt < N_UPLOADS =>
                {
                    tracing::warn!(path, attempt, "what arrived was damaged, uploading again");
                }
                other => return other,
            }
            attempt += 1;
        }
    }

    fn attributes(&self, sha256: &str) -> Attributes {
        let mut attributes = Attributes::new();
        // A folder has no place for them.
        if self.is_remote() {
            attributes.insert(
                Attribute::Metadata(SHA256_KEY.into()),
                sha256.to_owned().into(),
            );
        }
        attributes
    }

    fn writable(&self, path: &str) -> Result<Path, StorageError> {
        self.path(path)
            .map_err(|reason| self.unwritten(path, reason))
    }

    fn source(&self, path: &str, from: &FilePath, error: &std::io::Error) -> StorageError {
        self.unwritten(path, format!("{} cannot be read: {error}", from.display()))
    }

    fn changed(&self, path: &str, from: &FilePath) -> StorageError {
        self.unwritten(
            path,
            format!(
                "{} changed while it was uploaded; nothing was stored, upload it again",
                from.display()
            ),
        )
    }
}

/// Size and SHA-256 of a file, read in pieces.
pub fn sha256_of_file(path: &FilePath) -> std::io::Result<Stored> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut size = 0;
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        hasher.update(&buffer[..n]);
        size += n as u64;
    }
    Ok(Stored {
        size,
        sha256: hex::encode(hasher.finalize()),
    })
}
