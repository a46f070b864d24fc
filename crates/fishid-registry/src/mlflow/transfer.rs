//! Files over the wire: streamed from disk, and back into a file or into a digest only. A download that is
//! cut goes on where it was cut. Knows no run and no model.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, RANGE};
use reqwest::{Body, StatusCode};
use sha2::{Digest as _, Sha256};

use super::client::{Client, Inner, Request};
use super::error::MlflowError;
use super::retry::Failure;

const PIECE_BYTES: usize = 256 * 1024;
/// Tries of one download, however much each of them brings.
const MAX_TRIES: u32 = 100;

/// What is sent.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Bytes(Bytes),
    /// A file of this length.
    File(Arc<Path>, u64),
}

impl Content {
    pub fn of_file(path: &Path) -> io::Result<Self> {
        let metadata = path.metadata()?;
        Ok(Self::File(path.into(), metadata.len()))
    }

    pub fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, length) => *length,
        }
    }

    fn body(&self) -> io::Result<Body> {
        match self {
            Self::Bytes(bytes) => Ok(Body::from(bytes.clone())),
            Self::File(path, _) => {
                let file = File::open(path)?;
                let pieces = stream::try_unfold(file, |mut file| async move {
                    let mut piece = vec![0; PIECE_BYTES];
                    let n = file.read(&mut piece)?;
                    piece.truncate(n);
                    Ok::<_, io::Error>((n > 0).then(|| (Bytes::from(piece), file)))
                });
                Ok(Body::wrap_stream(pieces))
            }
        }
    }
}

/// Where the bytes of a download go: their digest always, a file where there is one.
#[derive(Debug)]
pub(crate) struct Sink {
    file: Option<File>,
    hasher: Sha256,
    length: u64,
    kept: Option<Vec<u8>>,
    /// Longest file that is taken.
    limit: u64,
}

impl Sink {
    /// Only the digest is kept.
    pub fn digest() -> Self {
        Self {
            file: None,
            hasher: Sha256::new(),
            length: 0,
            kept: None,
            limit: u64::MAX,
        }
    }

    /// The bytes are kept in memory; a file of more than `limit` is an error.
    pub fn memory(limit: u64) -> Self {
        Self {
            kept: Some(Vec::new()),
            limit,
            ..Self::digest()
        }
    }

    /// The bytes go to a file, after those that an earlier download left there.
    pub fn file(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        let mut hasher = Sha256::new();
        let mut length = 0;
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let n = file.read(&mut piece)?;
            if n == 0 {
                break;
            }
            hasher.update(&piece[..n]);
            length += n as u64;
        }
        Ok(Self {
            file: Some(file),
            hasher,
            length,
            kept: None,
            limit: u64::MAX,
        })
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    pub fn sha256(&self) -> String {
        hex::encode(self.hasher.clone().finalize())
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.kept.unwrap_or_default()
    }

    /// Flushes a file to the disk.
    pub fn sync(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), File::sync_all)
    }

    /// Forgets what came.
    pub fn restart(&mut self) -> io::Result<()> {
        if let Some(file) = &self.file {
            file.set_len(0)?;
        }
        if let Some(kept) = &mut self.kept {
            kept.clear();
        }
        self.hasher = Sha256::new();
        self.length = 0;
        Ok(())
    }

    pub fn accept(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.length + bytes.len() as u64 > self.limit {
            return Err(io::Error::other(format!(
                "it is longer than the {} bytes that such a file may have",
                self.limit
            )));
        }
        if let Some(file) = &mut self.file {
            file.write_all(bytes)?;
        }
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(bytes);
        }
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }
}

/// Why a file did not get through.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransferError {
    #[error(transparent)]
    Mlflow(#[from] MlflowError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Sends `content` as the body of `request`, again where that may help: a server keeps nothing of an
/// upload that was cut.
pub(crate) fn upload(
    client: &Client,
    request: Request,
    content: Content,
) -> Result<(), TransferError> {
    let inner = Arc::clone(client.inner());
    let call = request.call.clone();
    let outcome = client.wait(&call, async move {
        let mut n = 1;
        loop {
            match upload_once(&inner, &request, &content).await {
                Ok(()) => return Ok(Ok(())),
                Err(Once::Io(error)) => return Ok(Err(error)),
                Err(Once::Failed(failure)) => {
                    inner
                        .pause(&request.call, request.idempotent, failure, n)
                        .await?;
                }
            }
            n += 1;
        }
    })?;
    Ok(outcome?)
}

/// How one try went wrong.
enum Once {
    Failed(Failure),
    Io(io::Error),
}

impl From<io::Error> for Once {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Failure> for Once {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

async fn upload_once(inner: &Inner, request: &Request, content: &Content) -> Result<(), Once> {
    let builder = inner
        .builder(request)
        .header(CONTENT_TYPE, "application/octet-stream")
        .header(CONTENT_LENGTH, content.length())
        .body(content.body()?);
    let waited = inner.timing.upload_timeout(content.length());
    match tokio::time::timeout(waited, inner.head(request, builder)).await {
        Ok(answer) => Ok(answer.map(drop)?),
        Err(_) => Err(inner.timed_out(request, waited).into()),
    }
}

/// Appends the answer to `request` to `sink`, going on after a cut. The caller compares digests.
pub(crate) fn download(
    client: &Client,
    request: Request,
    mut sink: Sink,
) -> Result<Sink, TransferError> {
    let inner = Arc::clone(client.inner());
    let call = request.call.clone();
    let outcome = client.wait(&call, async move {
        let mut n = 1;
        let mut n_tries = 0;
        loop {
            n_tries += 1;
            let before = sink.length();
            match download_once(&inner, &request, &mut sink).await {
                Ok(()) => return Ok(Ok(sink)),
                Err(Once::Io(error)) => return Ok(Err(error)),
                // What came stays where it is, for the next download to go on with.
                Err(Once::Failed(failure)) if n_tries == MAX_TRIES => return Err(failure.error),
                Err(Once::Failed(failure)) => {
                    // A try that brought something counts as the first one.
                    if sink.length() > before {
                        n = 1;
                    }
                    inner.pause(&request.call, true, failure, n).await?;
                }
            }
            n += 1;
        }
    })?;
    Ok(outcome?)
}

async fn download_once(inner: &Inner, request: &Request, sink: &mut Sink) -> Result<(), Once> {
    let mut builder = inner.builder(request);
    let offset = sink.length();
    if offset > 0 {
        builder = builder.header(RANGE, format!("bytes={offset}-"));
    }
    let waited = inner.timing.read_timeout;
    let late = || inner.timed_out(request, waited);
    let head = tokio::time::timeout(waited, inner.head(request, builder)).await;
    let mut response = match head.map_err(|_| late())? {
        Ok(response) => response,
        // Everything came already; or more than there is, which the digest tells.
        Err(failure) if offset > 0 && is_past_the_end(&failure) => return Ok(()),
        Err(failure) => return Err(failure.into()),
    };
    if offset > 0 && response.status() != StatusCode::PARTIAL_CONTENT {
        sink.restart()?;
    }
    loop {
        let piece = tokio::time::timeout(waited, response.chunk()).await;
        let piece = piece.map_err(|_| late())?;
        match piece.map_err(|error| inner.transport(request, &error))? {
            Some(piece) => sink.accept(&piece)?,
            None => return Ok(()),
        }
    }
}

fn is_past_the_end(failure: &Failure) -> bool {
    let status = match &failure.error {
        MlflowError::NotMlflow { status, .. } | MlflowError::Refused { status, .. } => *status,
        _ => return false,
    };
    status == StatusCode::RANGE_NOT_SATISFIABLE.as_u16()
}
