//! Safetensors to a checkpoint: names recognised, every tensor accounted for.
//!
//! Nothing is guessed about a tensor: one that is missing, left over, of another shape or not finite is told by name.

use std::collections::{BTreeMap, BTreeSet};

use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use thiserror::Error;

use super::architecture::{Architecture, Flavour};
use super::card::Card;
use super::checkpoint::Checkpoint;
use super::names::{Naming, torchvision_parts};
use super::plan::Network;
use super::tensors::{Tensor, Tensors};

/// So many names stand in a message; more would bury the first.
const N_NAMED: usize = 4;

/// Why a file of weights cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImportError {
    /// The bytes are in another format, or cut off.
    #[error(
        "it is not a safetensors file: {reason}; is the download whole? (a .pth or .bin file has to be saved as safetensors first)"
    )]
    NotSafetensors {
        /// What was found instead.
        reason: String,
    },
    /// Names of neither library.
    #[error("its tensors have neither timm's names (`conv_stem.weight`) nor torchvision's (`features.0.0.weight`), but such as {}", .examples.join(", "))]
    UnknownNames {
        /// Some that were found.
        examples: Vec<String>,
    },
    /// torchvision has the PyTorch flavour only.
    #[error(
        "its tensors have torchvision's names, and torchvision's weights belong to {fitting}, not to {asked}: padding and epsilon differ"
    )]
    OtherFlavour {
        /// The network that was asked for.
        asked: String,
        /// The one to ask for.
        fitting: String,
    },
    /// Tensors do not match the network.
    #[error("it does not hold the weights of {architecture}: {}", .problems.join("; "))]
    Tensors {
        /// The network that was asked for.
        architecture: String,
        /// Missing, extra and mis-shaped tensors, by their name in the file.
        problems: Vec<String>,
    },
    /// A tensor whose numbers cannot be read.
    #[error("its tensor {name} {reason}")]
    Numbers {
        /// Its name in the file.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Checkpoint {
    /// Reads the weights of `architecture` from a safetensors file's bytes, with timm's names or torchvision's.
    ///
    /// `card` says how the weights want to be fed; without one, torchvision's own is taken for torchvision's names
    /// and [`Card::native`] for timm's. f32, f16 and bf16 are read; the ImageNet classifier is left out.
    ///
    /// # Errors
    /// See [`ImportError`].
    pub fn import(
        architecture: Architecture,
        bytes: &[u8],
        card: Option<Card>,
    ) -> Result<Self, ImportError> {
        let file =
            SafeTensors::deserialize(bytes).map_err(|error| ImportError::NotSafetensors {
                reason: error.to_string(),
            })?;
        let names = file.names();
        let Some(naming) = Naming::recognise(names.iter().copied()) else {
            let mut examples: Vec<String> = names.iter().map(ToString::to_string).collect();
            examples.sort();
            examples.truncate(N_NAMED);
            return Err(ImportError::UnknownNames { examples });
        };
        if naming == Naming::Torchvision && architecture.flavour == Flavour::TensorFlow {
            let fitting = Architecture {
                flavour: Flavour::PyTorch,
                ..architecture
            };
            return Err(ImportError::OtherFlavour {
                asked: architecture.to_string(),
                fitting: fitting.to_string(),
            });
        }
        let network = Network::new(architecture);
        let tensors = read(&file, &network, naming)?;
        let card = card.unwrap_or_else(|| match naming {
            Naming::Timm => Card::native(architecture, "file"),
            Naming::Torchvision => Card::torchvision(architecture.size),
        });
        Ok(Self::new(network, card, "file".to_owned(), tensors))
    }

    /// Whose names a safetensors file uses; `None` when it is no such file or has neither's.
    pub fn naming(bytes: &[u8]) -> Option<Naming> {
        let file = SafeTensors::deserialize(bytes).ok()?;
        Naming::recognise(file.names().iter().copied())
    }
}

fn read(file: &SafeTensors<'_>, network: &Network, naming: Naming) -> Result<Tensors, ImportError> {
    let parts: BTreeMap<String, String> = match naming {
        Naming::Timm => BTreeMap::new(),
        Naming::Torchvision => torchvision_parts(network).into_iter().collect(),
    };
    let in_file = |name: &str| match (naming, name.rsplit_once('.')) {
        (Naming::Torchvision, Some((part, leaf))) => format!("{}.{leaf}", parts[part]),
        _ => name.to_owned(),
    };
    let mut tensors = Tensors::new();
    let mut used = BTreeSet::new();
    let (mut missing, mut misshaped) = (Vec::new(), Vec::new());
    for spec in network.tensors() {
        let name = in_file(&spec.name);
        let Ok(view) = file.tensor(&name) else {
            missing.push(name);
            continue;
        };
        if view.shape() == spec.shape {
            let values = numbers(&name, &view)?;
            let shape = spec.shape;
            tensors.insert(spec.name, Tensor { shape, values });
        } else {
            misshaped.push(format!(
                "{name} is {:?} where {:?} is needed",
                view.shape(),
                spec.shape
            ));
        }
        used.insert(name);
    }
    let mut extra: Vec<String> = file
        .names()
        .into_iter()
        .filter(|name| !used.contains(*name) && !Naming::is_ignored(name))
        .map(ToString::to_string)
        .collect();
    extra.sort();
    let problems: Vec<String> = [
        ("missing", missing),
        ("of another shape", misshaped),
        ("left over", extra),
    ]
    .into_iter()
    .filter(|(_, names)| !names.is_empty())
    .map(|(what, names)| listed(what, &names))
    .collect();
    if problems.is_empty() {
        return Ok(tensors);
    }
    Err(ImportError::Tensors {
        architecture: network.architecture.to_string(),
        problems,
    })
}

fn listed(what: &str, names: &[String]) -> String {
    let shown = names[..names.len().min(N_NAMED)].join(", ");
    let rest = match names.len().saturating_sub(N_NAMED) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    format!("{what}: {shown}{rest}")
}

fn numbers(name: &str, view: &TensorView<'_>) -> Result<Vec<f32>, ImportError> {
    let wrong = |reason: String| ImportError::Numbers {
        name: name.to_owned(),
        reason,
    };
    let bytes = view.data();
    let pairs = || bytes.as_chunks::<2>().0.iter();
    let values: Vec<f32> = match view.dtype() {
        Dtype::F32 => bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .collect(),
        Dtype::F16 => pairs().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
        Dtype::BF16 => pairs().map(|b| bf16::from_le_bytes(*b).to_f32()).collect(),
        other => {
            return Err(wrong(format!(
                "holds numbers of the type {other:?}; f32, f16 and bf16 are read"
            )));
        }
    };
    if values.iter().any(|value| !value.is_finite()) {
        return Err(wrong("holds a number that is not finite".to_owned()));
    }
    if name.ends_with("running_var") && values.iter().any(|value| *value < 0.0) {
        return Err(wrong("is a variance below 0".to_owned()));
    }
    Ok(values)
}
