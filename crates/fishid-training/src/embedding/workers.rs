//! The pool: read → decode → view → embed, whole photographs per thread, one writer.
//!
//! Each worker has an engine session of one thread, so decoding and inference of different photographs overlap and no
//! core waits. One session with many threads was rejected: it idles them while the next photograph is decoded.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use fishid_image::{Augmentation, Limits, Preprocessing, View, photo_digest};

use super::part::Row;
use super::store::EmbeddingStore;
use super::{EmbedJob, EmbeddedPhotograph, Embeddings, RejectedPhotograph};
use crate::error::TrainingError;
use crate::progress::Progress;

/// New embeddings per part file, about 4 MB of disk.
const ROWS_PER_PART: usize = 512;
/// How much time's work an interrupted run may lose; a slow backbone takes minutes to 512 embeddings.
pub(super) const FLUSH_EVERY: Duration = Duration::from_secs(5);

/// Turns the pixels of one view into its embedding.
pub(super) trait ViewEmbedder {
    fn embed(&mut self, pixels: &[u8]) -> Result<Vec<f32>, TrainingError>;
}

/// Makes one embedder per worker.
pub(super) type MakeEmbedder<'a> =
    dyn Fn() -> Result<Box<dyn ViewEmbedder + 'a>, TrainingError> + Sync + 'a;

/// The pool and all it shares.
pub(super) struct Pool<'a> {
    pub(super) jobs: &'a [EmbedJob],
    pub(super) read: &'a (dyn Fn(usize) -> Result<Vec<u8>, String> + Sync),
    pub(super) make_embedder: &'a MakeEmbedder<'a>,
    pub(super) preprocessing: &'a Preprocessing,
    pub(super) augmentation: &'a Augmentation,
    pub(super) limits: Limits,
    pub(super) seed: u64,
    pub(super) n_threads: usize,
    /// Threads that only read, ahead of the workers; 0 where a worker reads for itself.
    pub(super) n_readers: usize,
    /// New embeddings lie in memory no longer than this while photographs are answered.
    pub(super) flush_every: Duration,
}

type Known = HashMap<(String, String), Vec<f32>>;

/// One view: its name in the store, the embedding, and whether it was computed now.
type NamedView = (String, Vec<f32>, bool);

enum Answer {
    Embedded {
        job: usize,
        digest: String,
        views: Vec<NamedView>,
    },
    Rejected {
        job: usize,
        reason: String,
    },
    Failed(TrainingError),
}

/// The bytes of a photograph, `None` where nobody needs them, or why there are none.
type Bytes = Result<Option<Vec<u8>>, String>;

/// What the threads share while they run.
struct Shared {
    known: Known,
    next: AtomicUsize,
    is_stopped: AtomicBool,
}

impl Shared {
    /// The next job nobody has taken.
    fn take(&self, n_jobs: usize) -> Option<usize> {
        if self.is_stopped.load(Ordering::Relaxed) {
            return None;
        }
        let job = self.next.fetch_add(1, Ordering::Relaxed);
        (job < n_jobs).then_some(job)
    }
}

impl Pool<'_> {
    /// Takes from the store what is there and adds to it what is not.
    pub(super) fn run(
        &self,
        store: &mut EmbeddingStore,
        progress: &mut dyn Progress,
    ) -> Result<Embeddings, TrainingError> {
        let wanted: HashSet<String> = self
            .jobs
            .iter()
            .flat_map(|job| job.views.iter().map(|view| self.name(*view)))
            .collect();
        let known = store.load(&wanted)?;
        for text in store.take_warnings() {
            progress.warn(&text);
        }
        self.answer(known, Some(store), progress)
    }

    /// Computes everything and keeps nothing.
    pub(super) fn compute(&self, progress: &mut dyn Progress) -> Result<Embeddings, TrainingError> {
        self.answer(Known::new(), None, progress)
    }

    fn answer(
        &self,
        known: Known,
        store: Option<&mut EmbeddingStore>,
        progress: &mut dyn Progress,
    ) -> Result<Embeddings, TrainingError> {
        let shared = Shared {
            known,
            next: AtomicUsize::new(0),
            is_stopped: AtomicBool::new(false),
        };
        let (sender, receiver) = bounded::<Answer>(self.n_threads * 4);
        // As many photographs wait in memory as are being read.
        let (read_sender, read_receiver) = bounded::<(usize, Bytes)>(self.n_readers);
        thread::scope(|scope| {
            let is_read_ahead = (0..self.n_readers).fold(false, |is_started, i| {
                let sender = read_sender.clone();
                let shared = &shared;
                let reader = move || self.read_ahead(shared, &sender);
                let thread = thread::Builder::new().name(format!("read-{i}"));
                is_started | thread.spawn_scoped(scope, reader).is_ok()
            });
            drop(read_sender);
            let ahead = is_read_ahead.then_some(read_receiver);
            for i in 0..self.n_threads.max(1) {
                let sender = sender.clone();
                let work = {
                    let (shared, ahead) = (&shared, ahead.clone());
                    move || self.work(shared, ahead.as_ref(), &sender)
                };
                let thread = thread::Builder::new().name(format!("embed-{i}"));
                match thread.spawn_scoped(scope, work) {
                    Ok(_) => {}
                    Err(error) if i == 0 => {
                        return Err(TrainingError::file("cannot start a thread for", "embed")(
                            error,
                        ));
                    }
                    // With fewer threads it takes longer.
                    Err(_) => break,
                }
            }
            // Readers that wait for room end with the last worker.
            drop((sender, ahead));
            let gathered = self.gather(&receiver, store, progress);
            shared.is_stopped.store(true, Ordering::Relaxed);
            // Workers that wait for room in the channel must find it.
            while receiver.recv().is_ok() {}
            gathered
        })
    }

    fn name(&self, view: View) -> String {
        view.key(self.seed, self.augmentation)
    }

    /// The bytes of a photograph; none are read where it is known by its digest and so are all its views.
    fn bytes(&self, job: usize, known: &Known) -> Bytes {
        let wanted = &self.jobs[job];
        if let Some(digest) = &wanted.digest {
            let mut names = wanted.views.iter().map(|view| self.name(*view));
            if names.all(|name| known.contains_key(&(digest.clone(), name))) {
                return Ok(None);
            }
        }
        (self.read)(wanted.photograph).map(Some)
    }

    fn read_ahead(&self, shared: &Shared, sender: &Sender<(usize, Bytes)>) {
        while let Some(job) = shared.take(self.jobs.len()) {
            let bytes = self.bytes(job, &shared.known);
            if sender.send((job, bytes)).is_err() {
                break;
            }
        }
    }

    fn work(
        &self,
        shared: &Shared,
        ahead: Option<&Receiver<(usize, Bytes)>>,
        sender: &Sender<Answer>,
    ) {
        let mut embedder = match (self.make_embedder)() {
            Ok(embedder) => embedder,
            Err(error) => return drop(sender.send(Answer::Failed(error))),
        };
        let next = || {
            if let Some(ahead) = ahead {
                return ahead.recv().ok();
            }
            let job = shared.take(self.jobs.len())?;
            Some((job, self.bytes(job, &shared.known)))
        };
        while let Some((job, bytes)) = next() {
            let answer = self.embed(job, bytes, &shared.known, embedder.as_mut());
            if sender.send(answer).is_err() || shared.is_stopped.load(Ordering::Relaxed) {
                break;
            }
        }
    }

    fn embed(
        &self,
        job: usize,
        bytes: Bytes,
        known: &Known,
        embedder: &mut dyn ViewEmbedder,
    ) -> Answer {
        let wanted = &self.jobs[job];
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(reason) => return Answer::Rejected { job, reason },
        };
        let digest = match (&bytes, &wanted.digest) {
            (None, Some(digest)) => digest.clone(),
            (bytes, _) => photo_digest(bytes.as_deref().unwrap_or_default()),
        };
        let bytes = bytes.unwrap_or_default();
        let mut photo = None;
        let mut views = Vec::with_capacity(wanted.views.len());
        for view in &wanted.views {
            let key = (digest.clone(), self.name(*view));
            if let Some(embedding) = known.get(&key) {
                views.push((key.1, embedding.clone(), false));
                continue;
            }
            let decoded = match photo.take() {
                Some(decoded) => decoded,
                None => match self.preprocessing.decode(&bytes, &self.limits) {
                    Ok(decoded) => decoded,
                    Err(error) => {
                        return Answer::Rejected {
                            job,
                            reason: error.to_string(),
                        };
                    }
                },
            };
            let pixels =
                self.augmentation
                    .render(&decoded, *view, self.seed, &digest, self.preprocessing);
            photo = Some(decoded);
            match embedder.embed(pixels.pixels()) {
                Ok(embedding) => views.push((key.1, embedding, true)),
                Err(error) => return Answer::Failed(error),
            }
        }
        Answer::Embedded { job, digest, views }
    }

    fn gather(
        &self,
        receiver: &Receiver<Answer>,
        mut store: Option<&mut EmbeddingStore>,
        progress: &mut dyn Progress,
    ) -> Result<Embeddings, TrainingError> {
        let started = Instant::now();
        let mut flushed = started;
        let mut gathered: Vec<Option<EmbeddedPhotograph>> = vec![None; self.jobs.len()];
        let mut rejected = Vec::new();
        let (mut n_computed, mut n_reused) = (0, 0);
        for done in 1..=self.jobs.len() {
            let Ok(answer) = receiver.recv() else { break };
            match answer {
                Answer::Embedded { job, digest, views } => {
                    for (view, embedding, is_new) in &views {
                        n_computed += usize::from(*is_new);
                        n_reused += usize::from(!is_new);
                        if let (true, Some(store)) = (*is_new, store.as_deref_mut()) {
                            store.push(Row {
                                photo_digest: digest.clone(),
                                view: view.clone(),
                                embedding: embedding.clone(),
                            });
                        }
                    }
                    let views = views
                        .into_iter()
                        .map(|(_, embedding, _)| embedding)
                        .collect();
                    let photograph = self.jobs[job].photograph;
                    gathered[job] = Some(EmbeddedPhotograph {
                        photograph,
                        digest,
                        views,
                    });
                }
                Answer::Rejected { job, reason } => {
                    let photograph = self.jobs[job].photograph;
                    rejected.push(RejectedPhotograph {
                        photograph,
                        path: String::new(),
                        reason,
                    });
                }
                Answer::Failed(error) => {
                    if let Some(store) = store {
                        store.flush()?;
                    }
                    return Err(error);
                }
            }
            if let Some(store) = store.as_deref_mut()
                && (store.n_pending() >= ROWS_PER_PART || flushed.elapsed() >= self.flush_every)
            {
                store.flush()?;
                flushed = Instant::now();
            }
            let rate = n_computed as f64 / started.elapsed().as_secs_f64();
            progress.advanced(done, self.jobs.len(), (n_computed > 0).then_some(rate));
        }
        if let Some(store) = store {
            store.flush()?;
            store.finish();
            for text in store.take_warnings() {
                progress.warn(&text);
            }
        }
        rejected.sort_by_key(|photograph| photograph.photograph);
        let photographs: Vec<EmbeddedPhotograph> = gathered.into_iter().flatten().collect();
        let dim = photographs
            .iter()
            .flat_map(|p| &p.views)
            .map(Vec::len)
            .next()
            .unwrap_or(0);
        Ok(Embeddings {
            dim,
            photographs,
            rejected,
            n_computed,
            n_reused,
            seconds: 0.0,
        })
    }
}

#[cfg(test)]
mod tests;
