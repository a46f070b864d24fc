//! Photographs as they are listed → answers as they are ready: read ahead, all cores busy, every queue bounded.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, never, select};
use fishid_storage::{S3Fault, Storage, StorageError};

use super::Refusal;
use super::row::refusal;
use crate::reading::{predict_contained, read_file};
use crate::{PredictError, Prediction, Predictor};

/// Answers that wait for whoever writes them down, while a disk is slow.
const ANSWERS_WAITING: usize = 256;

/// A photograph in a folder or a bucket.
#[derive(Debug, Clone)]
pub struct Photograph {
    /// As a person can open it.
    pub path: String,
    /// Where it is.
    pub place: Arc<Storage>,
    /// Its name there.
    pub key: String,
}

/// A photograph and its answer.
#[derive(Debug)]
pub struct Scored {
    /// [`Photograph::path`].
    pub path: String,
    /// The answer, or what is wrong with the photograph.
    pub answer: Result<Prediction, Refusal>,
    /// Spent on it by decoding and inference.
    pub spent: Duration,
}

/// What ends a run before its end: the next photograph would meet it too.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// The place of the photographs.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The model or its engine.
    #[error(transparent)]
    Predict(#[from] PredictError),
    /// The threads are gone.
    #[error("the threads that answer have stopped")]
    Stopped,
}

/// How many threads do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threads {
    /// Decode and infer; give the predictor one session for each.
    pub n_workers: usize,
    /// Read ahead of them: each holds one photograph.
    pub n_readers: usize,
}

/// The answers, in the order they are ready. Dropping it ends the work, and waits for the photographs under way: no
/// thread is in the engine any more afterwards.
pub struct Scores {
    answers: Receiver<Result<Scored, ScoreError>>,
    /// Dropped, it ends the workers that wait for a photograph.
    work: Option<Sender<()>>,
    workers: Vec<JoinHandle<()>>,
}

/// Answers photographs; one that cannot be read or decoded is an item of its own and the others go on. An error
/// among the photographs, as one of the network, is the last item.
pub fn score(
    predictor: &Arc<Predictor>,
    photographs: impl Iterator<Item = Result<Photograph, StorageError>> + Send + 'static,
    threads: Threads,
) -> std::io::Result<Scores> {
    let (n_workers, n_readers) = (threads.n_workers.max(1), threads.n_readers.max(1));
    let (answers, scored) = bounded(ANSWERS_WAITING);
    let (to_read, listed) = bounded::<Photograph>(n_readers);
    let (read, photos) = bounded::<(String, Result<Bytes, Refusal>)>(n_workers);
    let (work, stopped) = bounded::<()>(0);
    let spawn = |name: String, work: Box<dyn FnOnce() + Send>| {
        thread::Builder::new().name(name).spawn(work)
    };
    let mut scores = Scores {
        answers: scored,
        work: Some(work),
        workers: Vec::new(),
    };
    for index in 0..n_workers {
        let (photos, answers, predictor) = (photos.clone(), answers.clone(), Arc::clone(predictor));
        let stopped = stopped.clone();
        let work = move || answer_all(&predictor, &photos, &stopped, &answers);
        let worker = spawn(format!("score-{index}"), Box::new(work))?;
        scores.workers.push(worker);
    }
    for index in 0..n_readers {
        let (listed, read, answers) = (listed.clone(), read.clone(), answers.clone());
        let work = move || read_all(&listed, &read, &answers);
        spawn(format!("read-{index}"), Box::new(work))?;
    }
    let list = move || {
        for photograph in photographs {
            let is_wanted = match photograph {
                Ok(photograph) => to_read.send(photograph).is_ok(),
                Err(error) => {
                    // Nobody waits for it when the send fails.
                    let _ = answers.send(Err(error.into()));
                    false
                }
            };
            if !is_wanted {
                return;
            }
        }
    };
    spawn("list".to_owned(), Box::new(list))?;
    Ok(scores)
}

impl Drop for Scores {
    fn drop(&mut self) {
        self.answers = never();
        self.work = None;
        for worker in self.workers.drain(..) {
            // One that has panicked is out of the engine too.
            let _ = worker.join();
        }
    }
}

impl Scores {
    /// The next answer; `Some(Ok(None))` when none was ready in time, `None` at the end.
    pub fn next_within(&self, patience: Duration) -> Option<Result<Option<Scored>, ScoreError>> {
        match self.answers.recv_timeout(patience) {
            Ok(scored) => Some(scored.map(Some)),
            Err(RecvTimeoutError::Timeout) => Some(Ok(None)),
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }
}

impl Iterator for Scores {
    type Item = Result<Scored, ScoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.answers.recv().ok()
    }
}

fn read_all(
    listed: &Receiver<Photograph>,
    read: &Sender<(String, Result<Bytes, Refusal>)>,
    answers: &Sender<Result<Scored, ScoreError>>,
) {
    for photograph in listed {
        let bytes = match photograph.read() {
            Ok(bytes) => bytes,
            Err(error) => {
                // Nobody waits for it when the send fails.
                let _ = answers.send(Err(error.into()));
                return;
            }
        };
        if read.send((photograph.path, bytes)).is_err() {
            return;
        }
    }
}

impl Photograph {
    /// Its content, or what is wrong with it; an error would be met by the next one too.
    fn read(&self) -> Result<Result<Bytes, Refusal>, StorageError> {
        if let Some(folder) = self.place.folder() {
            let bytes = read_file(&folder.join(&self.key)).map(Bytes::from);
            return Ok(bytes.map_err(|error| Refusal::unreadable(error.to_string())));
        }
        match self.place.read(&self.key) {
            Ok(bytes) => Ok(Ok(bytes)),
            Err(error) if concerns_all(&error) => Err(error),
            Err(error) => Ok(Err(Refusal::unreadable(error.to_string()))),
        }
    }
}

/// A server that is away or a key that is refused: a million rows that say so would be of use to nobody. One
/// object may be forbidden by itself.
fn concerns_all(error: &StorageError) -> bool {
    matches!(error, StorageError::S3 { problem, .. } if problem.fault != S3Fault::Denied)
}

fn answer_all(
    predictor: &Predictor,
    photos: &Receiver<(String, Result<Bytes, Refusal>)>,
    stopped: &Receiver<()>,
    answers: &Sender<Result<Scored, ScoreError>>,
) {
    loop {
        let next = select! {
            recv(photos) -> next => next,
            recv(stopped) -> _ => return,
        };
        let Ok((path, bytes)) = next else {
            return;
        };
        let started = Instant::now();
        let answer = match bytes {
            Err(refusal) => Ok(Err(refusal)),
            Ok(bytes) => match predict_contained(predictor, &bytes) {
                Ok(prediction) => Ok(Ok(prediction)),
                Err(error) => refusal(error).map(Err),
            },
        };
        let spent = started.elapsed();
        let scored = answer.map(|answer| Scored {
            path,
            answer,
            spent,
        });
        let is_over = scored.is_err();
        if answers.send(scored.map_err(ScoreError::from)).is_err() || is_over {
            return;
        }
    }
}
