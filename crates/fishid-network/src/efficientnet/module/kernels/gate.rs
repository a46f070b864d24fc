//! The squeeze-and-excitation gate: one factor per plane.

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::planes::{Maps, contiguous, sigmoid, sum_of, tensor, vectorised};

/// `x * sigmoid(logits)`, in place where nobody else holds `x`.
pub(super) fn forward(x: FlexTensor, logits: &FlexTensor) -> FlexTensor {
    let maps = Maps::of(&x);
    let logits = contiguous(logits.clone());
    let logits = logits.storage::<f32>();
    let mut x = contiguous(x);
    let (area, per_task) = (maps.plane(), maps.planes_per_task());
    x.storage_mut::<f32>()
        .par_chunks_mut(area * per_task)
        .zip(logits.par_chunks(per_task))
        .for_each(|(values, logits)| {
            vectorised!((values: &'a mut [f32], logits: &'a [f32], area: usize) -> () {
                for (plane, logit) in values.chunks_exact_mut(area).zip(logits) {
                    let factor = sigmoid(*logit);
                    for value in plane {
                        *value *= factor;
                    }
                }
            });
        });
    x
}

/// Gradients of `x` and `logits`.
pub(super) fn backward(x: &FlexTensor, logits: &FlexTensor, grad: FlexTensor) -> [FlexTensor; 2] {
    let maps = Maps::of(x);
    let x = contiguous(x.clone());
    let x = x.storage::<f32>();
    let logits = contiguous(logits.clone());
    let logits = logits.storage::<f32>();
    let mut grad = contiguous(grad);
    let mut of_logits = vec![0.0_f32; logits.len()];
    let (area, per_task) = (maps.plane(), maps.planes_per_task());
    grad.storage_mut::<f32>()
        .par_chunks_mut(area * per_task)
        .zip(x.par_chunks(area * per_task))
        .zip(of_logits.par_chunks_mut(per_task))
        .zip(logits.par_chunks(per_task))
        .for_each(|(((grad, x), of_logits), logits)| {
            vectorised!((
                grad: &'a mut [f32],
                x: &'a [f32],
                of_logits: &'a mut [f32],
                logits: &'a [f32],
                area: usize,
            ) -> () {
                let planes = grad.chunks_exact_mut(area).zip(x.chunks_exact(area));
                for ((grad, x), (of_logit, logit)) in planes.zip(of_logits.iter_mut().zip(logits)) {
                    let factor = sigmoid(*logit);
                    let product = sum_of(grad, x, |grad, x| grad * x) as f32;
                    *of_logit = product * factor * (1.0 - factor);
                    for value in grad {
                        *value *= factor;
                    }
                }
            });
        });
    [grad, tensor(of_logits, [maps.n, maps.channels])]
}
