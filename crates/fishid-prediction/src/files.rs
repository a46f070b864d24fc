//! Scores files as a stream: all threads busy, answers in the order of the paths, memory bounded however
//! many files there are.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};

use crate::reading::{predict_contained, read_file};
use crate::{PredictError, Prediction, Predictor};

/// Files between the path iterator and the consumer, per thread: enough that a slow photograph does not
/// hold up the others, few enough that only their answers, not their pixels, are ever waiting.
const AHEAD_PER_THREAD: usize = 8;

type Answer = Result<Prediction, PredictError>;

/// A path and where its answer and the seconds it took will come.
type Awaited = (PathBuf, Receiver<(Answer, f64)>);

/// One file and what the model says about it.
#[derive(Debug)]
pub struct AnsweredFile {
    /// The file.
    pub path: PathBuf,
    /// The answer, or why there is none.
    pub answer: Result<Prediction, PredictError>,
    /// Seconds its thread spent on it: reading, decoding, inference.
    pub seconds: f64,
}

/// The answers, in the order of the paths. Dropping it ends the work after the files under way.
pub struct PredictFiles {
    awaited: Receiver<Awaited>,
}

/// Answers every file of `paths` with `n_threads` threads. A file that cannot be answered is an item with
/// its error, and the others go on. Give the predictor one session per thread
/// ([`crate::PredictorOptions::for_files`]).
pub fn predict_files(
    predictor: &Arc<Predictor>,
    paths: impl IntoIterator<Item = PathBuf, IntoIter: Send + 'static>,
    n_threads: usize,
) -> std::io::Result<PredictFiles> {
    let n_threads = n_threads.max(1);
    let (order, awaited) = crossbeam_channel::bounded::<Awaited>(n_threads * AHEAD_PER_THREAD);
    let (jobs, queue) = crossbeam_channel::bounded::<(PathBuf, Sender<(Answer, f64)>)>(n_threads);
    for index in 0..n_threads {
        let queue = queue.clone();
        let predictor = Arc::clone(predictor);
        thread::Builder::new()
            .name(format!("predict-{index}"))
            .spawn(move || {
                for (path, reply) in &queue {
                    // Fails when the consumer is gone, which ends the feeder and so this loop.
                    let started = Instant::now();
                    let answer =
                        read_file(&path).and_then(|bytes| predict_contained(&predictor, &bytes));
                    let _ = reply.send((answer, started.elapsed().as_secs_f64()));
                }
            })?;
    }
    let paths = paths.into_iter();
    thread::Builder::new()
        .name("predict-feed".to_owned())
        .spawn(move || {
            for path in paths {
                let (reply, answer) = crossbeam_channel::bounded(1);
                if order.send((path.clone(), answer)).is_err() || jobs.send((path, reply)).is_err()
                {
                    return;
                }
            }
        })?;
    Ok(PredictFiles { awaited })
}

impl Iterator for PredictFiles {
    type Item = AnsweredFile;

    fn next(&mut self) -> Option<AnsweredFile> {
        let (path, answer) = self.awaited.recv().ok()?;
        let (answer, seconds) = answer.recv().unwrap_or_else(|_| {
            let gone = PredictError::Panicked {
                message: "its thread is gone".to_owned(),
            };
            (Err(gone), 0.0)
        });
        Some(AnsweredFile {
            path,
            answer,
            seconds,
        })
    }
}
