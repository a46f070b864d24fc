//! The sessions of one plan, each taken by one caller at a time.

use std::num::NonZeroUsize;

use crossbeam_channel::{Receiver, Sender};

use crate::model::{ImageModel, ModelSource, Outputs, Tensor};
use crate::{EngineError, EngineOptions};

/// What one caller at a time uses: a session of one photograph, or of any number, and perhaps one of a full batch.
struct Lane {
    session: ImageModel,
    full_batch: Option<ImageModel>,
}

/// The lanes that are free wait in a channel.
pub struct Lanes {
    free: Receiver<Lane>,
    back: Sender<Lane>,
    in_all: usize,
    batch: usize,
}

/// Gives the lane back, also when the caller panics.
struct Borrowed<'a> {
    lane: Option<Lane>,
    back: &'a Sender<Lane>,
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        if let Some(lane) = self.lane.take() {
            // Fails only when the receiver is gone, and with it every caller.
            let _ = self.back.send(lane);
        }
    }
}

impl Lanes {
    /// Loads `n` lanes, at least one; with a `batch` above 1 each has a session for so many photographs too. Also
    /// returns the first session's facts, since the sessions themselves are in use from now on.
    ///
    /// # Errors
    /// The library is missing, or the graph cannot be loaded.
    pub fn load(
        source: &ModelSource<'_>,
        options: &EngineOptions,
        n: usize,
        batch: usize,
    ) -> Result<(Self, Facts), EngineError> {
        let (back, free) = crossbeam_channel::unbounded();
        let n_lanes = n.max(1);
        let mut facts = None;
        for _ in 0..n_lanes {
            let session = ImageModel::load(source.clone(), options)?;
            let full_batch = match NonZeroUsize::new(batch) {
                Some(batch) if batch.get() > 1 => {
                    let batch = Some(batch);
                    let options = EngineOptions {
                        batch,
                        ..options.clone()
                    };
                    Some(ImageModel::load(source.clone(), &options)?)
                }
                _ => None,
            };
            facts.get_or_insert_with(|| Facts::of(&session));
            // The receiver is held right here.
            let _ = back.send(Lane {
                session,
                full_batch,
            });
        }
        let lanes = Self {
            free,
            back,
            in_all: n_lanes,
            batch: batch.max(1),
        };
        // At least one lane was loaded.
        facts.map(|facts| (lanes, facts)).ok_or(no_lane())
    }

    /// Lanes in all: so many callers can run at the same time.
    pub fn n_lanes(&self) -> usize {
        self.in_all
    }

    /// Photographs of a full batch.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Waits for a free lane and runs `n` photographs in it.
    ///
    /// # Errors
    /// As [`ImageModel::run`].
    pub fn run(&self, pixels: &[u8], n: usize, wanted: &[&str]) -> Result<Outputs, EngineError> {
        let Ok(lane) = self.free.recv() else {
            return Err(no_lane());
        };
        let borrowed = Borrowed {
            lane: Some(lane),
            back: &self.back,
        };
        match &borrowed.lane {
            Some(lane) => lane.run(pixels, n, wanted),
            None => Err(no_lane()),
        }
    }
}

impl Lane {
    fn run(&self, pixels: &[u8], n: usize, wanted: &[&str]) -> Result<Outputs, EngineError> {
        let fixed = |session: &ImageModel| session.options().batch.map(NonZeroUsize::get);
        if let Some(full) = &self.full_batch
            && fixed(full) == Some(n)
        {
            return full.run(pixels, n, wanted);
        }
        if fixed(&self.session).is_none_or(|batch| batch == n) || n == 0 {
            return self.session.run(pixels, n, wanted);
        }
        if !pixels.len().is_multiple_of(n) {
            // Says what is wrong with the number of pixels.
            return self.session.run(pixels, n, wanted);
        }
        let mut all: Option<Outputs> = None;
        for photograph in pixels.chunks_exact(pixels.len() / n) {
            let outputs = self.session.run(photograph, 1, wanted)?;
            match &mut all {
                None => all = Some(outputs),
                Some(all) => append(all, outputs),
            }
        }
        Ok(all.unwrap_or_default())
    }
}

/// Puts the photographs of `more` after those of `all`.
fn append(all: &mut Outputs, more: Outputs) {
    for (name, tensor) in more {
        let Some(Tensor { values, shape }) = all.get_mut(&name) else {
            continue;
        };
        values.extend(tensor.values);
        if let (Some(n), Some(added)) = (shape.first_mut(), tensor.shape.first()) {
            *n += added;
        }
    }
}

fn no_lane() -> EngineError {
    EngineError::Inference {
        reason: "no session is left".to_owned(),
    }
}

/// What is the same for every session of a plan.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The graph's height in pixels.
    pub height: usize,
    /// The graph's width in pixels.
    pub width: usize,
    /// What it can answer.
    pub output_names: Vec<String>,
    /// See [`ImageModel::engine_digest`].
    pub engine_digest: String,
    /// See [`ImageModel::engine_description`].
    pub engine_description: String,
    /// The options of the sessions.
    pub options: EngineOptions,
}

impl Facts {
    fn of(session: &ImageModel) -> Self {
        let outputs = session.outputs().iter();
        Self {
            height: session.height(),
            width: session.width(),
            output_names: outputs.map(|output| output.name.clone()).collect(),
            engine_digest: session.engine_digest(),
            engine_description: session.engine_description(),
            options: session.options().clone(),
        }
    }
}
