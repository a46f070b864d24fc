//! A few sessions of one network, each taken by one caller at a time.

use std::path::Path;

use crossbeam_channel::{Receiver, Sender};

use fishid_engine::{EngineError, EngineOptions, ImageModel, Outputs};

/// The sessions that are free wait in a channel.
pub(crate) struct Sessions {
    free: Receiver<ImageModel>,
    back: Sender<ImageModel>,
    facts: Facts,
}

/// What is the same for every session.
pub(crate) struct Facts {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) output_names: Vec<String>,
    pub(crate) engine_digest: String,
    pub(crate) engine_description: String,
    pub(crate) options: EngineOptions,
}

/// Gives the session back, also when the caller panics.
struct Borrowed<'a> {
    session: Option<ImageModel>,
    back: &'a Sender<ImageModel>,
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            // Fails only when the receiver is gone, and with it every caller.
            let _ = self.back.send(session);
        }
    }
}

impl Sessions {
    /// Loads `n` sessions, at least one.
    pub(crate) fn load(
        model: &Path,
        options: &EngineOptions,
        n: usize,
    ) -> Result<Self, EngineError> {
        let (back, free) = crossbeam_channel::unbounded();
        let first = ImageModel::load(model, options)?;
        let facts = Facts {
            height: first.height(),
            width: first.width(),
            output_names: first
                .outputs()
                .iter()
                .map(|output| output.name.clone())
                .collect(),
            engine_digest: first.engine_digest(),
            engine_description: first.engine_description(),
            options: first.options().clone(),
        };
        let mut sessions = vec![first];
        for _ in 1..n {
            sessions.push(ImageModel::load(model, options)?);
        }
        for session in sessions {
            // The receiver is held right here.
            let _ = back.send(session);
        }
        Ok(Self { free, back, facts })
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Waits for a free session and runs it.
    pub(crate) fn run(
        &self,
        pixels: &[u8],
        n: usize,
        wanted: &[&str],
    ) -> Result<Outputs, EngineError> {
        let Ok(session) = self.free.recv() else {
            return Err(EngineError::Inference {
                reason: "no session is left".to_owned(),
            });
        };
        let borrowed = Borrowed {
            session: Some(session),
            back: &self.back,
        };
        match &borrowed.session {
            Some(session) => session.run(pixels, n, wanted),
            None => Err(EngineError::Inference {
                reason: "no session is left".to_owned(),
            }),
        }
    }
}
