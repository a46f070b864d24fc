//! Many heads trained side by side: the embeddings are read once per step for all of them.
//!
//! A block holds the heads of one setting, one per member (inner fold). All blocks of one dropout
//! share a matrix product `[rows, d] × [d, blocks · members · classes]`, which keeps a search bound
//! by arithmetic and not by memory. Every block has its own `AdamW`.

use burn::optim::{AdamW, AdamWConfig, AdamWState, Optimizer};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;

use crate::random;
use crate::recipe::Setting;

/// Rows per matrix product: large enough for full GEMM speed, small enough that logits and dropout
/// masks stay some tens of megabytes for any number of photographs.
const ROWS_PER_CHUNK: usize = 2048;

/// Rows with their targets and their weight in each member, cut into chunks.
pub(super) struct Batch {
    chunks: Vec<Chunk>,
}

struct Chunk {
    embeddings: Tensor<2>,
    /// `[rows, 1, 1, classes]`, smoothed.
    targets: Tensor<4>,
    /// `[rows, 1, members, 1]`; a member does not learn from rows of weight 0.
    weights: Tensor<4>,
}

/// The shapes every block has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) dim: usize,
    pub(super) n_members: usize,
    pub(super) n_classes: usize,
}

impl Shape {
    fn width(&self) -> usize {
        self.n_members * self.n_classes
    }
}

impl Batch {
    /// `targets` is `[rows, classes]`, `weights` `[rows, members]`, both row-major.
    pub(super) fn new(shape: Shape, embeddings: &[f32], targets: &[f32], weights: &[f32]) -> Self {
        let device = Device::flex();
        let parts = embeddings
            .chunks(ROWS_PER_CHUNK * shape.dim)
            .zip(targets.chunks(ROWS_PER_CHUNK * shape.n_classes))
            .zip(weights.chunks(ROWS_PER_CHUNK * shape.n_members));
        let chunks = parts
            .map(|((embeddings, targets), weights)| {
                let n = embeddings.len() / shape.dim;
                Chunk {
                    embeddings: matrix(embeddings, n, &device),
                    targets: matrix(targets, n, &device).reshape([n, 1, 1, shape.n_classes]),
                    weights: matrix(weights, n, &device).reshape([n, 1, shape.n_members, 1]),
                }
            })
            .collect();
        Self { chunks }
    }
}

/// The heads of one setting.
pub(super) struct Block {
    /// Which outcome of the run this block belongs to.
    pub(super) trial: usize,
    setting: Setting,
    /// `[d, members · classes]`
    weights: Tensor<2>,
    /// `[1, members · classes]`
    bias: Tensor<2>,
    optimizer: AdamW,
    bias_optimizer: AdamW,
    state: Option<AdamWState<2>>,
    bias_state: Option<AdamWState<2>>,
}

impl Block {
    /// Starts from zero: the loss is convex, so there is no symmetry to break.
    pub(super) fn new(trial: usize, setting: Setting, shape: Shape) -> Self {
        let device = Device::flex();
        let config = AdamWConfig::new().with_epsilon(1e-8);
        Self {
            trial,
            setting,
            weights: Tensor::zeros([shape.dim, shape.width()], &device),
            bias: Tensor::zeros([1, shape.width()], &device),
            optimizer: config
                .clone()
                .with_weight_decay(setting.weight_decay as f32)
                .build(),
            bias_optimizer: config.with_weight_decay(0.0).build(),
            state: None,
            bias_state: None,
        }
    }

    /// Weights `[d, members · classes]` and bias, row-major.
    pub(super) fn snapshot(&self) -> (Vec<f32>, Vec<f32>) {
        (values(self.weights.clone()), values(self.bias.clone()))
    }

    fn update(&mut self, learning_rate: f64, weights: Tensor<2>, bias: Tensor<2>) {
        (self.weights, self.state) = self.optimizer.step(
            learning_rate,
            self.weights.clone(),
            weights,
            self.state.take(),
        );
        (self.bias, self.bias_state) = self.bias_optimizer.step(
            learning_rate,
            self.bias.clone(),
            bias,
            self.bias_state.take(),
        );
    }
}

/// One step of every block over the whole batch. Returns the training loss of each block, the mean
/// over its members.
pub(super) fn step(blocks: &mut [Block], batch: &Batch, shape: Shape, epoch: Epoch) -> Vec<f64> {
    let mut losses = vec![0.0; blocks.len()];
    for (dropout, together) in by_dropout(blocks) {
        let (weights, bias, loss) = gradients(blocks, &together, batch, shape, dropout, epoch);
        for (place, block) in together.into_iter().enumerate() {
            let range = place * shape.width();
            let rate = blocks[block].setting.learning_rate * epoch.rate_factor;
            let own = |gradient: &Tensor<2>| gradient.clone().narrow(1, range, shape.width());
            blocks[block].update(rate, own(&weights), own(&bias));
            losses[block] = loss[place];
        }
    }
    losses
}

/// Where a run stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Epoch {
    pub(super) number: usize,
    pub(super) rate_factor: f64,
    pub(super) seed: u64,
}

fn by_dropout(blocks: &[Block]) -> Vec<(f64, Vec<usize>)> {
    let mut together: Vec<(f64, Vec<usize>)> = Vec::new();
    for (i, block) in blocks.iter().enumerate() {
        let dropout = block.setting.dropout;
        match together
            .iter_mut()
            .find(|(own, _)| own.total_cmp(&dropout).is_eq())
        {
            Some((_, members)) => members.push(i),
            None => together.push((dropout, vec![i])),
        }
    }
    together
}

fn gradients(
    blocks: &[Block],
    together: &[usize],
    batch: &Batch,
    shape: Shape,
    dropout: f64,
    epoch: Epoch,
) -> (Tensor<2>, Tensor<2>, Vec<f64>) {
    let joined = |part: fn(&Block) -> &Tensor<2>| {
        let parts = together
            .iter()
            .map(|block| part(&blocks[*block]).clone())
            .collect();
        Tensor::cat(parts, 1).autodiff().require_grad()
    };
    let (weights, bias) = (joined(|block| &block.weights), joined(|block| &block.bias));
    let mut sums: Option<(Tensor<2>, Tensor<2>)> = None;
    let mut losses = vec![0.0; together.len()];
    let purpose = format!("dropout {dropout} epoch {}", epoch.number);
    let mut masks = random::stream(epoch.seed, &purpose);
    for chunk in &batch.chunks {
        let n = chunk.embeddings.dims()[0];
        let embeddings = masked(&chunk.embeddings, dropout, &mut masks);
        let logits = embeddings.autodiff().matmul(weights.clone()) + bias.clone();
        let logits = logits.reshape([n, together.len(), shape.n_members, shape.n_classes]);
        let entropy = (log_softmax(logits, 3) * chunk.targets.clone().autodiff())
            .sum_dim(3)
            .neg();
        let by_head = (entropy * chunk.weights.clone().autodiff()).sum_dim(0);
        let mut found = by_head.clone().sum().backward();
        for (total, own) in losses
            .iter_mut()
            .zip(values4(by_head.inner()).chunks(shape.n_members))
        {
            *total +=
                own.iter().map(|value| f64::from(*value)).sum::<f64>() / shape.n_members as f64;
        }
        let own = (
            weights
                .grad_remove(&mut found)
                .expect("the loss depends on the weights"),
            bias.grad_remove(&mut found)
                .expect("the loss depends on the bias"),
        );
        sums = Some(match sums {
            None => own,
            Some((weights, bias)) => (weights + own.0, bias + own.1),
        });
    }
    let (weights, bias) = sums.expect("a batch has at least one chunk");
    (weights, bias, losses)
}

/// Inverted dropout with our own generator: Burn's is shared by the whole process, so a second run in
/// another thread would change the result.
fn masked(embeddings: &Tensor<2>, dropout: f64, rng: &mut impl Rng) -> Tensor<2> {
    if dropout <= 0.0 {
        return embeddings.clone();
    }
    let [n, dim] = embeddings.dims();
    let mut bytes = vec![0_u8; n * dim];
    rng.fill_bytes(&mut bytes);
    let dropped_below = (dropout * 256.0).round().clamp(0.0, 255.0) as u8;
    let kept = 256.0 / (256.0 - f32::from(dropped_below));
    let mask: Vec<f32> = bytes
        .into_iter()
        .map(|byte| if byte < dropped_below { 0.0 } else { kept })
        .collect();
    embeddings.clone() * Tensor::<2>::from_data(TensorData::new(mask, [n, dim]), &Device::flex())
}

/// Calls `judge` with (first row, logits `[rows, blocks · members · classes]`) chunk by chunk.
pub(super) fn for_each_logits(
    blocks: &[Block],
    shape: Shape,
    embeddings: &[Tensor<2>],
    mut judge: impl FnMut(usize, &[f32]),
) {
    let joined = |part: fn(&Block) -> &Tensor<2>| {
        Tensor::cat(blocks.iter().map(|block| part(block).clone()).collect(), 1)
    };
    let (weights, bias) = (joined(|block| &block.weights), joined(|block| &block.bias));
    debug_assert_eq!(weights.dims()[1], blocks.len() * shape.width());
    let mut first = 0;
    for chunk in embeddings {
        let logits = values(chunk.clone().matmul(weights.clone()) + bias.clone());
        judge(first, &logits);
        first += chunk.dims()[0];
    }
}

/// Row-major embeddings as tensors of at most [`ROWS_PER_CHUNK`] rows.
pub(super) fn chunked(embeddings: &[f32], dim: usize) -> Vec<Tensor<2>> {
    let device = Device::flex();
    embeddings
        .chunks(ROWS_PER_CHUNK * dim)
        .map(|part| matrix(part, part.len() / dim, &device))
        .collect()
}

fn matrix(values: &[f32], n_rows: usize, device: &Device) -> Tensor<2> {
    let shape = [n_rows, values.len() / n_rows.max(1)];
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

fn values(tensor: Tensor<2>) -> Vec<f32> {
    tensor
        .try_into_vec_as::<f32>()
        .expect("a host tensor of f32 can be read")
}

fn values4(tensor: Tensor<4>) -> Vec<f32> {
    tensor
        .try_into_vec_as::<f32>()
        .expect("a host tensor of f32 can be read")
}
