//! Convolution with one kernel per channel, and its gradients.
//!
//! Each plane is laid into a frame of zeros first, its columns parted by the stride, so that the inner loop reads
//! whole runs and never asks where the border is.

use burn::backend::flex::FlexTensor;
use pulp::{Arch, NullaryFnOnce};
use rayon::prelude::*;

use super::planes::{LANES, Maps, contiguous, tensor};

/// Stride and padding above and on the left, and the sides of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::efficientnet::module) struct Window {
    pub(in crate::efficientnet::module) stride: usize,
    pub(in crate::efficientnet::module) top: usize,
    pub(in crate::efficientnet::module) left: usize,
    pub(in crate::efficientnet::module) out_height: usize,
    pub(in crate::efficientnet::module) out_width: usize,
}

/// A frame of zeros with room for everything that the windows of one plane can see.
#[derive(Debug, Clone, Copy)]
struct Frame {
    kernel: usize,
    window: Window,
    /// Length of the rows laid into it.
    width: usize,
    /// Distance of its rows and columns in the frame: above 1 in the gradient of a strided convolution.
    spread: usize,
}

impl Frame {
    fn rows(&self) -> usize {
        (self.window.out_height - 1) * self.window.stride + self.kernel
    }

    /// Length of one of the `stride` parts of a row.
    fn part(&self) -> usize {
        self.window.out_width.next_multiple_of(LANES) + self.kernel
    }

    fn row(&self) -> usize {
        self.part() * self.window.stride
    }

    fn empty(&self) -> Vec<f32> {
        vec![0.0; self.rows() * self.row()]
    }

    /// Lays a plane in; what is outside stays zero from plane to plane.
    #[inline(always)]
    fn fill(&self, frame: &mut [f32], plane: &[f32]) {
        let Window {
            stride, top, left, ..
        } = self.window;
        let (part, row_length) = (self.part(), self.row());
        for (y, values) in plane.chunks_exact(self.width).enumerate() {
            let row = y * self.spread + top;
            if row >= self.rows() {
                break;
            }
            let row = &mut frame[row * row_length..][..row_length];
            if stride == 1 && self.spread == 1 {
                let n = values.len().min(part - left);
                row[left..left + n].copy_from_slice(&values[..n]);
            } else {
                let mut column = left;
                for value in values {
                    let place = column / stride;
                    if place >= part {
                        break;
                    }
                    row[column % stride * part + place] = *value;
                    column += self.spread;
                }
            }
        }
    }

    /// Correlates the frame with a kernel.
    #[inline(always)]
    fn correlate<const K: usize>(&self, frame: &[f32], kernel: &[[f32; K]; K], out: &mut [f32]) {
        let stride = self.window.stride;
        let (part, row_length) = (self.part(), self.row());
        for (y, out) in out.chunks_exact_mut(self.window.out_width).enumerate() {
            let rows = &frame[y * stride * row_length..][..K * row_length];
            for (block, out) in out.chunks_mut(LANES).enumerate() {
                let mut sums = [0.0_f32; LANES];
                for (row, weights) in rows.chunks_exact(row_length).zip(kernel) {
                    for (column, weight) in weights.iter().enumerate() {
                        let start = column % stride * part + block * LANES + column / stride;
                        let values: &[f32; LANES] = row[start..]
                            .first_chunk()
                            .expect("a frame's row is longer than its blocks");
                        for lane in 0..LANES {
                            sums[lane] = weight.mul_add(values[lane], sums[lane]);
                        }
                    }
                }
                out.copy_from_slice(&sums[..out.len()]);
            }
        }
    }

    /// Adds to `sums`, per place of the kernel, the products of the frame with a gradient of the output. `grad` has
    /// rows padded with zeros to whole blocks.
    #[inline(always)]
    fn products<const K: usize>(
        &self,
        frame: &[f32],
        grad: &[f32],
        sums: &mut [[[f32; LANES]; K]; K],
    ) {
        let stride = self.window.stride;
        let (part, row_length) = (self.part(), self.row());
        let padded = self.window.out_width.next_multiple_of(LANES);
        for (ky, sums) in sums.iter_mut().enumerate() {
            let mut strands = *sums;
            for (y, grad) in grad.chunks_exact(padded).enumerate() {
                let row = &frame[(y * stride + ky) * row_length..][..row_length];
                for (block, grad) in grad.as_chunks::<LANES>().0.iter().enumerate() {
                    for (column, strand) in strands.iter_mut().enumerate() {
                        let start = column % stride * part + block * LANES + column / stride;
                        let values: &[f32; LANES] = row[start..]
                            .first_chunk()
                            .expect("a frame's row is longer than its blocks");
                        for lane in 0..LANES {
                            strand[lane] = grad[lane].mul_add(values[lane], strand[lane]);
                        }
                    }
                }
            }
            *sums = strands;
        }
    }
}

/// Side of the square kernels in `weight`.
fn kernel_side(weight: &FlexTensor) -> usize {
    let [_, _, side, _] = weight.layout().shape().dims();
    side
}

pub(super) fn forward(x: &FlexTensor, weight: &FlexTensor, window: Window) -> FlexTensor {
    let maps = Maps::of(x);
    let frame = Frame {
        kernel: kernel_side(weight),
        window,
        width: maps.width,
        spread: 1,
    };
    correlate_all(x, weight, frame, false)
}

/// Gradient of the input: the output's gradient, spread by the stride, correlated with the kernel turned round.
pub(super) fn backward_input(
    x: &FlexTensor,
    weight: &FlexTensor,
    grad: &FlexTensor,
    window: Window,
) -> FlexTensor {
    let maps = Maps::of(x);
    let kernel = kernel_side(weight);
    let frame = Frame {
        kernel,
        window: Window {
            stride: 1,
            top: kernel - 1 - window.top,
            left: kernel - 1 - window.left,
            out_height: maps.height,
            out_width: maps.width,
        },
        width: window.out_width,
        spread: window.stride,
    };
    correlate_all(grad, weight, frame, true)
}

fn correlate_all(x: &FlexTensor, weight: &FlexTensor, frame: Frame, is_turned: bool) -> FlexTensor {
    match frame.kernel {
        3 => correlate_planes::<3>(x, weight, frame, is_turned),
        5 => correlate_planes::<5>(x, weight, frame, is_turned),
        side => unreachable!("the plan has no depthwise kernel of side {side}"),
    }
}

fn correlate_planes<const K: usize>(
    x: &FlexTensor,
    weight: &FlexTensor,
    frame: Frame,
    is_turned: bool,
) -> FlexTensor {
    let maps = Maps::of(x);
    let (x, weight) = (contiguous(x.clone()), contiguous(weight.clone()));
    let values = x.storage::<f32>();
    let mut kernels = kernels::<K>(weight.storage());
    if is_turned {
        for kernel in &mut kernels {
            kernel.as_flattened_mut().reverse();
        }
    }
    let out_plane = frame.window.out_height * frame.window.out_width;
    let mut output = vec![0.0_f32; maps.n * maps.channels * out_plane];
    let per_task = maps.planes_per_task();
    output
        .par_chunks_mut(out_plane * per_task)
        .zip(values.par_chunks(maps.plane() * per_task))
        .enumerate()
        .for_each_init(
            || frame.empty(),
            |scratch, (task, (output, input))| {
                Arch::new().dispatch(Correlation {
                    frame,
                    maps,
                    kernels: &kernels,
                    first: task * per_task,
                    scratch,
                    input,
                    output,
                });
            },
        );
    let sides = [
        maps.n,
        maps.channels,
        frame.window.out_height,
        frame.window.out_width,
    ];
    tensor(output, sides)
}

/// Some planes of a convolution.
struct Correlation<'a, const K: usize> {
    frame: Frame,
    maps: Maps,
    kernels: &'a [[[f32; K]; K]],
    /// Number of the first plane.
    first: usize,
    scratch: &'a mut [f32],
    input: &'a [f32],
    output: &'a mut [f32],
}

impl<const K: usize> NullaryFnOnce for Correlation<'_, K> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let out_plane = self.frame.window.out_height * self.frame.window.out_width;
        let outputs = self.output.chunks_exact_mut(out_plane);
        let planes = outputs.zip(self.input.chunks_exact(self.maps.plane()));
        for (i, (output, input)) in planes.enumerate() {
            let kernel = &self.kernels[(self.first + i) % self.maps.channels];
            self.frame.fill(self.scratch, input);
            self.frame.correlate(self.scratch, kernel, output);
        }
    }
}

fn kernels<const K: usize>(weights: &[f32]) -> Vec<[[f32; K]; K]> {
    let rows = weights.as_chunks::<K>().0;
    rows.as_chunks::<K>().0.to_vec()
}

/// Gradient of the kernels.
pub(super) fn backward_weight(
    x: &FlexTensor,
    weight: &FlexTensor,
    grad: &FlexTensor,
    window: Window,
) -> FlexTensor {
    match kernel_side(weight) {
        3 => products_of_channels::<3>(x, grad, window),
        5 => products_of_channels::<5>(x, grad, window),
        side => unreachable!("the plan has no depthwise kernel of side {side}"),
    }
}

fn products_of_channels<const K: usize>(
    x: &FlexTensor,
    grad: &FlexTensor,
    window: Window,
) -> FlexTensor {
    let maps = Maps::of(x);
    let (x, grad) = (contiguous(x.clone()), contiguous(grad.clone()));
    let (x, grad) = (x.storage::<f32>(), grad.storage::<f32>());
    let frame = Frame {
        kernel: K,
        window,
        width: maps.width,
        spread: 1,
    };
    let padded = window.out_width.next_multiple_of(LANES);
    let mut output = vec![0.0_f32; maps.channels * K * K];
    output
        .par_chunks_exact_mut(K * K)
        .with_min_len(maps.channels_per_task())
        .enumerate()
        .for_each_init(
            || (frame.empty(), vec![0.0_f32; window.out_height * padded]),
            |(scratch, blocks), (channel, output)| {
                Arch::new().dispatch(Products::<K> {
                    frame,
                    maps,
                    channel,
                    scratch,
                    blocks,
                    x,
                    grad,
                    output,
                });
            },
        );
    tensor(output, [maps.channels, 1, K, K])
}

/// The gradient of one channel's kernel.
struct Products<'a, const K: usize> {
    frame: Frame,
    maps: Maps,
    channel: usize,
    scratch: &'a mut [f32],
    /// Room for a plane of gradients with its rows padded to whole blocks.
    blocks: &'a mut [f32],
    x: &'a [f32],
    grad: &'a [f32],
    output: &'a mut [f32],
}

impl<const K: usize> NullaryFnOnce for Products<'_, K> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Window {
            out_height,
            out_width,
            ..
        } = self.frame.window;
        let (plane, out_plane) = (self.maps.plane(), out_height * out_width);
        let padded = out_width.next_multiple_of(LANES);
        let mut sums = [[[0.0_f32; LANES]; K]; K];
        for photograph in 0..self.maps.n {
            let place = photograph * self.maps.channels + self.channel;
            self.frame
                .fill(self.scratch, &self.x[place * plane..][..plane]);
            let grad = &self.grad[place * out_plane..][..out_plane];
            let rows = self.blocks.chunks_exact_mut(padded);
            for (to, from) in rows.zip(grad.chunks_exact(out_width)) {
                to[..out_width].copy_from_slice(from);
            }
            self.frame.products(self.scratch, self.blocks, &mut sums);
        }
        for (out, strands) in self.output.iter_mut().zip(sums.as_flattened()) {
            *out = strands.iter().sum();
        }
    }
}
