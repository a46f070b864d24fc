//! Fetching a file to disk: streamed, gone on with after a cut, verified, put in place whole.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore};
use sha2::{Digest, Sha256};

use super::{Stat, Storage, Stored};
use crate::error::StorageError;
use crate::runtime::wait;

/// Connections that may break with nothing carried before this gives up; one that carried something is free.
const N_IDLE_ATTEMPTS: u32 = 3;
/// Carried from the network's threads to the disk at once.
const CHUNK_BYTES: usize = 1 << 20;

impl Storage {
    /// Fetches a file to `to`, which a reader sees whole or not at all; missing folders are made.
    ///
    /// What arrived before a cut is kept beside it as `.NAME.….part` and the rest is asked for, in this call
    /// and in the next one, as long as the object is still the same. The content is compared with `sha256`,
    /// or with the digest that [`Storage::put_file`] left with the object.
    pub fn get_file(
        &self,
        path: &str,
        to: &FilePath,
        sha256: Option<&str>,
    ) -> Result<Stored, StorageError> {
        let stat = self
            .stat(path)?
            .ok_or_else(|| self.unread(path, "it does not exist (any more)"))?;
        let failed = |error: std::io::Error| {
            self.unread(path, format!("{} cannot be written: {error}", to.display()))
        };
        let mut part = Part::open(&self.full_path(path), to, &stat).map_err(failed)?;
        let from = part.size;
        self.carry(path, &stat, from, &mut |chunk| part.write(chunk))?;
        let stored = part.digest();
        let expected = sha256.or(stat.sha256.as_deref());
        if part.size != stat.size || expected.is_some_and(|expected| expected != stored.sha256) {
            part.discard();
            return Err(StorageError::Corrupted {
                path: self.full_path(path),
                expected: expected.unwrap_or("of another size").to_owned(),
                found: stored.sha256,
            });
        }
        part.place(to).map_err(failed)?;
        Ok(stored)
    }

    /// Gives the bytes of a file from `from` on to `take`, in order, never all of them in memory; none when it
    /// does not exist. After a cut the rest is asked for, as long as the object is still the same.
    ///
    /// Compares nothing: whoever knows the digest counts it along.
    pub fn read_from(
        &self,
        path: &str,
        from: u64,
        take: &mut Take<'_>,
    ) -> Result<Option<Stat>, StorageError> {
        let Some(stat) = self.stat(path)? else {
            return Ok(None);
        };
        self.carry(path, &stat, from, take)?;
        Ok(Some(stat))
    }

    fn carry(
        &self,
        path: &str,
        stat: &Stat,
        from: u64,
        take: &mut Take<'_>,
    ) -> Result<(), StorageError> {
        let (mut at, mut idle) = (from, 0);
        while at < stat.size {
            let before = at;
            match self.carry_once(path, stat, &mut at, take) {
                Ok(()) => break,
                Err(error) => {
                    idle = if at > before { 0 } else { idle + 1 };
                    if idle == N_IDLE_ATTEMPTS || is_lasting(&error) {
                        return Err(error);
                    }
                    tracing::warn!(path, at, error = %error, "going on with the rest of the file");
                }
            }
        }
        Ok(())
    }

    fn carry_once(
        &self,
        path: &str,
        stat: &Stat,
        at: &mut u64,
        take: &mut Take<'_>,
    ) -> Result<(), StorageError> {
        let failed = |reason: String| self.unread(path, reason);
        let location = self.path(path).map_err(failed)?;
        let (store, from) = (Arc::clone(&self.store), *at);
        let opened = wait(async move { open_stream(store, location, from).await });
        let (version, mut stream) = opened
            .map_err(failed)?
            .map_err(|error| self.blame(path, &error, failed))?;
        if version != stat.version {
            return Err(self.unread(path, "it was replaced while it was fetched; fetch it again"));
        }
        loop {
            let (rest, chunks, end) = wait(next_chunks(stream)).map_err(failed)?;
            for chunk in &chunks {
                take(chunk)
                    .map_err(|error| failed(format!("it cannot be kept on disk: {error}")))?;
                *at += chunk.len() as u64;
            }
            match end {
                None => stream = rest,
                Some(Ok(())) => return Ok(()),
                Some(Err(error)) => return Err(self.blame(path, &error, failed)),
            }
        }
    }
}

fn is_lasting(error: &StorageError) -> bool {
    matches!(error, StorageError::S3 { problem, .. } if !problem.fault.is_passing())
}

/// Where the bytes of a file go.
pub type Take<'a> = dyn FnMut(&[u8]) -> std::io::Result<()> + 'a;

type Chunks = BoxStream<'static, object_store::Result<Bytes>>;

async fn open_stream(
    store: Arc<dyn ObjectStore>,
    location: Path,
    from: u64,
) -> object_store::Result<(String, Chunks)> {
    let options = GetOptions {
        range: (from > 0).then_some(GetRange::Offset(from)),
        ..GetOptions::default()
    };
    let result = store.get_opts(&location, options).await?;
    Ok((super::version(&result.meta), result.into_stream()))
}

/// About [`CHUNK_BYTES`] of a stream, and whether it ended with them.
async fn next_chunks(mut stream: Chunks) -> (Chunks, Vec<Bytes>, Option<object_store::Result<()>>) {
    let (mut chunks, mut n_bytes) = (Vec::new(), 0);
    while n_bytes < CHUNK_BYTES {
        match stream.next().await {
            Some(Ok(chunk)) => {
                n_bytes += chunk.len();
                chunks.push(chunk);
            }
            Some(Err(error)) => return (stream, chunks, Some(Err(error))),
            None => return (stream, chunks, Some(Ok(()))),
        }
    }
    (stream, chunks, None)
}

/// The file as far as it has arrived, beside where it belongs.
struct Part {
    file: File,
    path: PathBuf,
    size: u64,
    hasher: Sha256,
}

impl Part {
    fn open(source: &str, to: &FilePath, stat: &Stat) -> std::io::Result<Self> {
        let folder = to.parent().unwrap_or(FilePath::new("."));
        std::fs::create_dir_all(folder)?;
        // Named after what it is a part of: a new version of the object begins anew.
        let key = Sha256::digest(format!("{source}\n{}\n{}", stat.size, stat.version));
        let name = to.file_name().unwrap_or_default().to_string_lossy();
        let path = folder.join(format!(".{name}.{}.part", &hex::encode(key)[..16]));
        let open = |path: &FilePath| {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(path)
        };
        let mut part = Self {
            file: open(&path)?,
            path,
            size: 0,
            hasher: Sha256::new(),
        };
        if part.file.try_lock().is_err() {
            // Another process fetches the same file: a part of one's own.
            part.path = folder.join(format!(".{name}.{}.part", std::process::id()));
            part.file = open(&part.path)?;
            part.file.set_len(0)?;
        }
        part.take_in()?;
        if part.size > stat.size {
            part.file.set_len(0)?;
            part.file.seek(SeekFrom::Start(0))?;
            (part.size, part.hasher) = (0, Sha256::new());
        }
        Ok(part)
    }

    /// Reads what is there already, for the digest.
    fn take_in(&mut self) -> std::io::Result<()> {
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            let n = self.file.read(&mut buffer)?;
            if n == 0 {
                return Ok(());
            }
            self.hasher.update(&buffer[..n]);
            self.size += n as u64;
        }
    }

    fn write(&mut self, chunk: &[u8]) -> std::io::Result<()> {
        self.file.write_all(chunk)?;
        self.hasher.update(chunk);
        self.size += chunk.len() as u64;
        Ok(())
    }

    fn digest(&self) -> Stored {
        Stored {
            size: self.size,
            sha256: hex::encode(self.hasher.clone().finalize()),
        }
    }

    fn discard(&self) {
        // It is only in the way of nobody if it stays: the next fetch finds it wrong again and begins anew.
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), error = %error, "a broken part cannot be removed");
        }
    }

    fn place(&self, to: &FilePath) -> std::io::Result<()> {
        self.file.sync_all()?;
        std::fs::rename(&self.path, to)
    }
}
