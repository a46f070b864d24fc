//! A network with its weights: what the ONNX writer and the Burn module are made from.

use sha2::{Digest, Sha256};

use super::architecture::Architecture;
use super::card::Card;
use super::plan::Network;
use super::tensors::{Tensor, Tensors};

/// Weights of one network, complete and of the right shapes.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    network: Network,
    /// How the weights want to be fed.
    pub card: Card,
    /// What they are, as a bundle says it: `imagenet`, `random:SEED` or `file`.
    pub weights: String,
    /// Where they come from, for people.
    pub source: Option<String>,
    tensors: Tensors,
}

impl Checkpoint {
    /// Only the importer and the random initialiser make one: they have checked names and shapes.
    pub(super) fn new(network: Network, card: Card, weights: String, tensors: Tensors) -> Self {
        Self {
            network,
            card,
            weights,
            source: None,
            tensors,
        }
    }

    /// Which network.
    pub fn architecture(&self) -> Architecture {
        self.network.architecture
    }

    /// The network's plan.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The tensor of that name of the plan.
    ///
    /// # Panics
    /// For a name that is not in [`Network::tensors`].
    pub fn tensor(&self, name: &str) -> &Tensor {
        self.tensors
            .get(name)
            .expect("a checkpoint holds every tensor of its plan")
    }

    /// SHA-256 over names, shapes and numbers sorted by name, hex. The same weights have the same digest
    /// whoever named the tensors in the file they came from.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.architecture().to_string());
        for (name, tensor) in &self.tensors {
            hash.update(format!("\n{name} {:?}\n", tensor.shape));
            for value in &tensor.values {
                hash.update(value.to_le_bytes());
            }
        }
        hex::encode(hash.finalize())
    }

    /// Replaces the numbers of a tensor of the plan, as an estimate of statistics or a training step does.
    ///
    /// # Panics
    /// For a name that is not in [`Network::tensors`], and for another number of values.
    pub fn set(&mut self, name: &str, values: Vec<f32>) {
        let tensor = self
            .tensors
            .get_mut(name)
            .expect("a checkpoint holds every tensor of its plan");
        assert_eq!(tensor.values.len(), values.len(), "{name} keeps its shape");
        tensor.values = values;
    }
}
