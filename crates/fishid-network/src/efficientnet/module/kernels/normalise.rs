//! Batch normalisation with `SiLU`, forwards and backwards, one channel at a time.

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::planes::{Maps, contiguous, silu, silu_slope, sum_of, tensor, vectorised};

/// What the gradient needs.
#[derive(Debug, Clone)]
pub(super) struct Saved {
    pub(super) x: FlexTensor,
    pub(super) scale: FlexTensor,
    pub(super) offset: FlexTensor,
    pub(super) mean: FlexTensor,
    pub(super) variance: FlexTensor,
    pub(super) epsilon: f64,
    pub(super) silu: bool,
}

pub(super) struct Forward {
    pub(super) output: FlexTensor,
    pub(super) mean: FlexTensor,
    pub(super) variance: FlexTensor,
}

/// `activation(x * scale + shift)` per channel, in place where nobody else holds `x`.
pub(super) fn affine(
    x: FlexTensor,
    scale: &FlexTensor,
    shift: &FlexTensor,
    has_silu: bool,
) -> FlexTensor {
    let maps = Maps::of(&x);
    let (scale, shift) = (contiguous(scale.clone()), contiguous(shift.clone()));
    let (scale, shift) = (scale.storage::<f32>(), shift.storage::<f32>());
    let mut x = contiguous(x);
    let per_task = maps.planes_per_task();
    x.storage_mut::<f32>()
        .par_chunks_mut(maps.plane() * per_task)
        .enumerate()
        .for_each(|(task, values)| {
            let first = task * per_task;
            vectorised!((
                values: &'a mut [f32],
                scale: &'a [f32],
                shift: &'a [f32],
                maps: Maps,
                first: usize,
                has_silu: bool,
            ) -> () {
                for (i, plane) in values.chunks_exact_mut(maps.plane()).enumerate() {
                    let channel = (first + i) % maps.channels;
                    let (a, b) = (scale[channel], shift[channel]);
                    if has_silu {
                        for value in plane {
                            *value = silu(value.mul_add(a, b));
                        }
                    } else {
                        for value in plane {
                            *value = value.mul_add(a, b);
                        }
                    }
                }
            });
        });
    x
}

/// Normalises by the batch's own mean and biased variance.
pub(super) fn forward(
    x: &FlexTensor,
    scale: &FlexTensor,
    offset: &FlexTensor,
    epsilon: f64,
    has_silu: bool,
) -> Forward {
    let maps = Maps::of(x);
    let x = contiguous(x.clone());
    let values = x.storage::<f32>();
    let moments: Vec<(f64, f64)> = (0..maps.channels)
        .into_par_iter()
        .with_min_len(maps.channels_per_task())
        .map(|channel| {
            vectorised!((values: &'a [f32], maps: Maps, channel: usize) -> (f64, f64) {
                moments(values, &maps, channel)
            })
        })
        .collect();
    let (scale, offset) = (contiguous(scale.clone()), contiguous(offset.clone()));
    let (scale, offset) = (scale.storage::<f32>(), offset.storage::<f32>());
    let factors: Vec<(f32, f32)> = moments
        .iter()
        .zip(scale.iter().zip(offset))
        .map(|((mean, variance), (scale, offset))| {
            let factor = f64::from(*scale) / (variance + epsilon).sqrt();
            (factor as f32, (f64::from(*offset) - mean * factor) as f32)
        })
        .collect();

    let mut output = vec![0.0_f32; values.len()];
    let per_task = maps.planes_per_task();
    output
        .par_chunks_mut(maps.plane() * per_task)
        .zip(values.par_chunks(maps.plane() * per_task))
        .enumerate()
        .for_each(|(task, (output, input))| {
            let (first, factors) = (task * per_task, factors.as_slice());
            vectorised!((
                output: &'a mut [f32],
                input: &'a [f32],
                factors: &'a [(f32, f32)],
                maps: Maps,
                first: usize,
                has_silu: bool,
            ) -> () {
                let planes = output
                    .chunks_exact_mut(maps.plane())
                    .zip(input.chunks_exact(maps.plane()));
                for (i, (output, input)) in planes.enumerate() {
                    let (a, b) = factors[(first + i) % maps.channels];
                    if has_silu {
                        for (out, x) in output.iter_mut().zip(input) {
                            *out = silu(x.mul_add(a, b));
                        }
                    } else {
                        for (out, x) in output.iter_mut().zip(input) {
                            *out = x.mul_add(a, b);
                        }
                    }
                }
            });
        });
    let statistic = |of: fn(&(f64, f64)) -> f64| {
        let values = moments.iter().map(|moments| of(moments) as f32).collect();
        tensor(values, [maps.channels])
    };
    Forward {
        output: tensor(output, [maps.n, maps.channels, maps.height, maps.width]),
        mean: statistic(|moments| moments.0),
        variance: statistic(|moments| moments.1),
    }
}

/// Mean and biased variance of a channel; each plane about its own mean first, so that nothing cancels.
#[inline(always)]
fn moments(values: &[f32], maps: &Maps, channel: usize) -> (f64, f64) {
    let area = maps.plane();
    let (mut count, mut mean, mut deviation) = (0.0_f64, 0.0_f64, 0.0_f64);
    for photograph in 0..maps.n {
        let start = (photograph * maps.channels + channel) * area;
        let plane = &values[start..start + area];
        let own = sum_of(plane, plane, |x, _| x) / area as f64;
        let centre = own as f32;
        let squares = sum_of(plane, plane, |x, _| (x - centre) * (x - centre));
        let shift = own - mean;
        let together = count + area as f64;
        deviation += squares + shift * shift * count * area as f64 / together;
        mean += shift * area as f64 / together;
        count = together;
    }
    (mean, deviation / count)
}

/// Gradients of input, scale and offset.
pub(super) fn backward(saved: &Saved, grad: FlexTensor) -> [FlexTensor; 3] {
    let maps = Maps::of(&saved.x);
    let x = contiguous(saved.x.clone());
    let x = x.storage::<f32>();
    let vectors = [&saved.scale, &saved.offset, &saved.mean, &saved.variance];
    let vectors = vectors.map(|vector| contiguous(vector.clone()));
    let [scale, offset, mean, variance] = vectors.each_ref().map(FlexTensor::storage::<f32>);
    let mut grad = contiguous(grad);
    let mut by_channel: Vec<Vec<&mut [f32]>> = (0..maps.channels)
        .map(|_| Vec::with_capacity(maps.n))
        .collect();
    let planes = grad.storage_mut::<f32>().chunks_exact_mut(maps.plane());
    for (i, plane) in planes.enumerate() {
        by_channel[i % maps.channels].push(plane);
    }
    let sums: Vec<(f32, f32)> = by_channel
        .into_par_iter()
        .with_min_len(maps.channels_per_task())
        .enumerate()
        .map(|(channel, planes)| {
            let inverse = (f64::from(variance[channel]) + saved.epsilon)
                .sqrt()
                .recip();
            let channel = Channel {
                mean: mean[channel],
                inverse: inverse as f32,
                scale: scale[channel],
                offset: offset[channel],
                has_silu: saved.silu,
                inputs: (0..maps.n)
                    .map(|photograph| {
                        let start = (photograph * maps.channels + channel) * maps.plane();
                        &x[start..start + maps.plane()]
                    })
                    .collect(),
            };
            vectorised!((channel: Channel<'a>, planes: Vec<&'a mut [f32]>) -> (f32, f32) {
                channel.backward(planes)
            })
        })
        .collect();
    let vector = |of: fn(&(f32, f32)) -> f32| tensor(sums.iter().map(of).collect(), [sums.len()]);
    [grad, vector(|sums| sums.1), vector(|sums| sums.0)]
}

/// One channel of a batch and its numbers.
struct Channel<'a> {
    mean: f32,
    inverse: f32,
    scale: f32,
    offset: f32,
    has_silu: bool,
    inputs: Vec<&'a [f32]>,
}

impl Channel<'_> {
    /// Turns the gradient of the output into that of the input; returns the gradients of offset and scale.
    #[inline(always)]
    fn backward(&self, mut planes: Vec<&mut [f32]>) -> (f32, f32) {
        let (mut sum, mut sum_normal) = (0.0_f64, 0.0_f64);
        let mut count = 0;
        for (grad, input) in planes.iter_mut().zip(&self.inputs) {
            if self.has_silu {
                for (grad, x) in grad.iter_mut().zip(*input) {
                    let normal = (x - self.mean) * self.inverse;
                    *grad *= silu_slope(normal.mul_add(self.scale, self.offset));
                }
            }
            sum += sum_of(grad, grad, |grad, _| grad);
            sum_normal += sum_of(grad, input, |grad, x| {
                grad * ((x - self.mean) * self.inverse)
            });
            count += input.len();
        }
        let mean = (sum / count as f64) as f32;
        let mean_normal = (sum_normal / count as f64) as f32;
        let factor = self.scale * self.inverse;
        for (grad, input) in planes.iter_mut().zip(&self.inputs) {
            for (grad, x) in grad.iter_mut().zip(*input) {
                let normal = (x - self.mean) * self.inverse;
                *grad = factor * (*grad - mean - normal * mean_normal);
            }
        }
        (sum as f32, sum_normal as f32)
    }
}
