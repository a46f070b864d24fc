//! One pass over the pixels: digest, size, format and perceptual hash of every photograph.
//!
//! Runs in parallel with one photograph in memory per thread; everything that needs pixels reads its result.

use bytes::Bytes;
use fishid_image::{Limits, PhotoFormat, decode, photo_digest, probe};
use fishid_storage::Storage;
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::perceptual_hash::PerceptualHash;
use crate::problem::ProblemKind;
use crate::{Dataset, DatasetError, Progress};

/// Scaled decoding stops here: enough for a 64-pixel hash not to feel which decoder scaled it.
const DECODED_SIDE: u32 = 256;

/// What was found in one photograph file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Inspection {
    /// SHA-256 of the file in hex; none when it could not be read at all.
    pub sha256: Option<String>,
    /// Size of the file in bytes; 0 when it could not be read.
    pub size: u64,
    /// The picture, or why it is not one: kind and reason in words.
    pub seen: Result<Seen, (ProblemKind, String)>,
}

/// A photograph that could be decoded.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Seen {
    /// Width as stored in the file, in pixels.
    pub width: u32,
    /// Height as stored in the file, in pixels.
    pub height: u32,
    /// Format of the bytes, whatever the extension says.
    pub format: PhotoFormat,
    /// Perceptual hash; none for a picture without contrast.
    pub hash: Option<PerceptualHash>,
}

impl Inspection {
    /// Inspects the bytes of one file.
    pub fn of(bytes: &[u8], limits: &Limits) -> Self {
        let seen = probe(bytes).and_then(|header| {
            let photo = decode(bytes, limits, Some(DECODED_SIDE))?;
            Ok(Seen {
                width: header.width,
                height: header.height,
                format: header.format,
                hash: PerceptualHash::of(&photo),
            })
        });
        let seen = seen.map_err(|error| {
            let kind = match error {
                fishid_image::PhotoError::TooSmall { .. } => ProblemKind::TooSmall,
                fishid_image::PhotoError::TooManyPixels { .. } => ProblemKind::TooManyPixels,
                _ => ProblemKind::Unreadable,
            };
            (kind, error.to_string())
        });
        Self {
            sha256: Some(photo_digest(bytes)),
            size: bytes.len() as u64,
            seen,
        }
    }

    /// The perceptual hash, where there is one.
    pub fn hash(&self) -> Option<PerceptualHash> {
        self.seen.as_ref().ok().and_then(|seen| seen.hash)
    }

    /// Whether the photograph can be decoded.
    pub fn is_readable(&self) -> bool {
        self.seen.is_ok()
    }
}

/// Inspects every photograph of a data set, in its order. A file that cannot be read is a finding, not an error.
pub fn inspect(dataset: &Dataset, limits: &Limits, progress: &Progress<'_>) -> Vec<Inspection> {
    let photographs = dataset.photographs();
    inspect_each(
        photographs.len(),
        dataset.n_readers(),
        limits,
        progress,
        &|index| dataset.read(&photographs[index]),
    )
}

/// Inspects files of a place by their paths, in their order, on `n_threads` threads: for machines that share the
/// work of [`inspect`] and need not know the data set.
pub fn inspect_paths(place: &Storage, paths: &[String], n_threads: usize) -> Vec<Inspection> {
    let read = |index: usize| Ok(place.read(&paths[index])?);
    let limits = Limits::default();
    inspect_each(paths.len(), n_threads, &limits, &|_, _| {}, &read)
}

pub(crate) fn inspect_each(
    n: usize,
    n_threads: usize,
    limits: &Limits,
    progress: &Progress<'_>,
    read: &(dyn Fn(usize) -> Result<Bytes, DatasetError> + Sync),
) -> Vec<Inspection> {
    let one = |index: usize| match read(index) {
        Ok(bytes) => Inspection::of(&bytes, limits),
        Err(error) => Inspection {
            sha256: None,
            size: 0,
            seen: Err((ProblemKind::Unreadable, error.to_string())),
        },
    };
    each(n, n_threads, progress, &one)
}

/// Does `work` for 0 to `n` on `n_threads` threads; the results stand in order.
pub(crate) fn each<T: Send>(
    n: usize,
    n_threads: usize,
    progress: &Progress<'_>,
    work: &(dyn Fn(usize) -> T + Sync),
) -> Vec<T> {
    let done = AtomicUsize::new(0);
    let one = |index: usize| {
        let result = work(index);
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, n);
        result
    };
    match rayon::ThreadPoolBuilder::new()
        .num_threads(n_threads)
        .thread_name(|index| format!("inspect-{index}"))
        .build()
    {
        Ok(pool) => pool.install(|| (0..n).into_par_iter().map(one).collect()),
        // No threads to be had: slower, but the same result.
        Err(_) => (0..n).map(one).collect(),
    }
}
