//! Maps as planes of one photograph and channel each: how they are shared among threads, and elementary functions
//! that the compiler can vectorise.

use burn::backend::DType;
use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{Bytes, Shape};

/// Numbers worked on together; two registers of AVX2 or one of AVX-512.
pub(super) const LANES: usize = 16;
/// Values per task: large enough to hide the hand-over, small enough for the second-level cache.
const VALUES_PER_TASK: usize = 32 * 1024;

/// Sides of a tensor `[n, channels, height, width]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Maps {
    pub(super) n: usize,
    pub(super) channels: usize,
    pub(super) height: usize,
    pub(super) width: usize,
}

impl Maps {
    pub(super) fn of(tensor: &FlexTensor) -> Self {
        let [n, channels, height, width] = tensor.layout().shape().dims();
        Self {
            n,
            channels,
            height,
            width,
        }
    }

    /// Values in a plane.
    pub(super) fn plane(&self) -> usize {
        self.height * self.width
    }

    /// Planes in a task.
    pub(super) fn planes_per_task(&self) -> usize {
        (VALUES_PER_TASK / self.plane().max(1)).max(1)
    }

    /// Channels in a task that needs a channel of every photograph.
    pub(super) fn channels_per_task(&self) -> usize {
        (VALUES_PER_TASK / (self.n * self.plane()).max(1)).max(1)
    }
}

/// The same numbers as one row-major block that starts at the buffer's start.
pub(super) fn contiguous(tensor: FlexTensor) -> FlexTensor {
    let n = tensor.layout().num_elements();
    if tensor.is_contiguous() && tensor.storage::<f32>().len() == n {
        tensor
    } else {
        tensor.to_contiguous()
    }
}

/// A tensor of new numbers.
pub(super) fn tensor<const D: usize>(values: Vec<f32>, sides: [usize; D]) -> FlexTensor {
    let layout = Layout::contiguous(Shape::new(sides));
    FlexTensor::new(Bytes::from_elems(values), layout, DType::F32)
}

/// Runs a block compiled for the vector unit of this machine; everything it calls has to be inlined. The values it
/// takes are named with their types, references with the lifetime `'a`.
///
/// A closure would be shorter, but nothing makes the compiler inline one, and outside the block a fused
/// multiplication is a call into the C library.
macro_rules! vectorised {
    (($($name:ident: $kind:ty),* $(,)?) -> $output:ty $body:block) => {{
        struct Task<'a> {
            $($name: $kind,)*
            lifetime: std::marker::PhantomData<&'a ()>,
        }
        impl<'a> pulp::NullaryFnOnce for Task<'a> {
            type Output = $output;

            #[inline(always)]
            fn call(self) -> $output {
                let Self { $($name,)* lifetime: _ } = self;
                $body
            }
        }
        pulp::Arch::new().dispatch(Task {
            $($name,)*
            lifetime: std::marker::PhantomData,
        })
    }};
}
pub(super) use vectorised;

/// `e^x` to about one unit in the last place, without branches. Coefficients: `expf` of Cephes (Moshier 1989).
#[inline(always)]
fn exp(x: f32) -> f32 {
    /// Adding this to a small number leaves the number rounded in the lowest bits.
    const ROUNDER: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let rounded = x.mul_add(std::f32::consts::LOG2_E, ROUNDER);
    let n = rounded - ROUNDER;
    let r = n.mul_add(-LN_2_HIGH, x);
    let r = n.mul_add(-LN_2_LOW, r);
    let p = 1.987_569_1e-4_f32
        .mul_add(r, 1.398_199_9e-3)
        .mul_add(r, 8.333_452e-3)
        .mul_add(r, 4.166_579_6e-2)
        .mul_add(r, 1.666_666_5e-1)
        .mul_add(r, 0.5);
    let p = p.mul_add(r * r, r) + 1.0;
    let power = rounded.to_bits().wrapping_shl(23).wrapping_add(0x3f80_0000);
    p * f32::from_bits(power)
}

#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    (1.0 + exp(-x)).recip()
}

#[inline(always)]
pub(super) fn silu(x: f32) -> f32 {
    x * sigmoid(x)
}

/// Derivative of `silu`.
#[inline(always)]
pub(super) fn silu_slope(x: f32) -> f32 {
    let s = sigmoid(x);
    s * x.mul_add(1.0 - s, 1.0)
}

/// Sum of `f(a, b)` over pairs, in [`LANES`] strands, so that it is vectorised and rounds little.
#[inline(always)]
pub(super) fn sum_of(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f64 {
    let mut strands = [0.0_f32; LANES];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            strands[lane] += f(x[lane], y[lane]);
        }
    }
    let rest: f64 = a_rest
        .iter()
        .zip(b_rest)
        .map(|(x, y)| f64::from(f(*x, *y)))
        .sum();
    strands.iter().map(|x| f64::from(*x)).sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_right_to_a_few_units_in_the_last_place() {
        for i in -8000..8000 {
            let x = i as f32 * 0.01;
            let expected = f64::from(x).exp();
            let error = (f64::from(exp(x)) / expected - 1.0).abs();
            assert!(error < 3e-7, "exp({x}) is off by {error:e}");
        }
        assert!((0.0..1e-37).contains(&sigmoid(-200.0)));
        assert!((silu(100.0) - 100.0).abs() < 1e-4);
    }
}
