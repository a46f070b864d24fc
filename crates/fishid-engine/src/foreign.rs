//! A graph that is not one of this system's: any single input of numbers, one output read.
//!
//! Only for comparing such a graph with what was made of it; answering photographs is `model`'s.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use ort::session::{OutputSelector, RunOptions, Session};
use ort::value::TensorRef;

use crate::model::{ModelSource, Tensor, commit};
use crate::{EngineError, EngineOptions, Runtime};

/// Values fed to a [`ForeignModel`], row-major.
#[derive(Debug, Clone, Copy)]
pub enum Fed<'a> {
    /// float32
    Floats(&'a [f32]),
    /// uint8
    Bytes(&'a [u8]),
}

/// A loaded graph with one input.
pub struct ForeignModel {
    session: Mutex<Session>,
    input: String,
    output: String,
}

impl ForeignModel {
    /// Loads a graph, of which `input` is fed and `output` read.
    ///
    /// # Errors
    /// The library is missing or too old, or the graph cannot be run.
    pub fn load(
        bytes: &[u8],
        [input, output]: [&str; 2],
        options: &EngineOptions,
    ) -> Result<Self, EngineError> {
        let runtime = Runtime::current()?;
        let session = commit(&runtime, &ModelSource::Bytes(bytes), options).map_err(|reason| {
            EngineError::Model {
                model: format!("the graph of {} bytes", bytes.len()),
                reason,
            }
        })?;
        Ok(Self {
            session: Mutex::new(session),
            input: input.to_owned(),
            output: output.to_owned(),
        })
    }

    /// Runs one batch of this shape.
    ///
    /// # Errors
    /// The values do not fit the shape or the shape the graph; a failure inside ONNX Runtime.
    pub fn run(&self, fed: Fed<'_>, shape: [usize; 4]) -> Result<Tensor, EngineError> {
        self.run_shaped(fed, shape)
            .map_err(|error| EngineError::Inference {
                reason: error.to_string(),
            })
    }

    fn run_shaped(&self, fed: Fed<'_>, shape: [usize; 4]) -> ort::Result<Tensor> {
        let selector = OutputSelector::no_default().with(&self.output);
        let options = RunOptions::new()?.with_outputs(selector);
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let name = self.input.as_str();
        let values = match fed {
            Fed::Floats(values) => {
                let input = TensorRef::from_array_view((shape, values))?;
                session.run_with_options(ort::inputs![name => input], &options)?
            }
            Fed::Bytes(values) => {
                let input = TensorRef::from_array_view((shape, values))?;
                session.run_with_options(ort::inputs![name => input], &options)?
            }
        };
        let (shape, data) = values[self.output.as_str()].try_extract_tensor::<f32>()?;
        Ok(Tensor {
            values: data.to_vec(),
            shape: shape.iter().map(|&side| side as usize).collect(),
        })
    }
}

impl fmt::Debug for ForeignModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForeignModel")
            .field("input", &self.input)
            .field("output", &self.output)
            .finish_non_exhaustive()
    }
}
