//! Convolution with 1×1 kernels as the matrix product that it is, and its gradients as products too.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;
use burn::tensor::Shape;

use super::planes::Maps;

/// `[n, channels, height, width]` as one matrix per photograph.
fn matrices(x: &FlexTensor) -> FlexTensor {
    let maps = Maps::of(x);
    let sides = Shape::new([maps.n, maps.channels, maps.plane()]);
    Flex::float_reshape(x.clone(), sides)
}

/// `[filters, channels, 1, 1]` as one matrix for all photographs.
fn matrix(weight: &FlexTensor) -> FlexTensor {
    let [filters, channels, _, _] = weight.layout().shape().dims();
    Flex::float_reshape(weight.clone(), Shape::new([1, filters, channels]))
}

pub(super) fn forward(x: &FlexTensor, weight: &FlexTensor) -> FlexTensor {
    let maps = Maps::of(x);
    let [filters, _, _, _] = weight.layout().shape().dims();
    let product = Flex::float_matmul(matrix(weight), matrices(x));
    let sides = Shape::new([maps.n, filters, maps.height, maps.width]);
    Flex::float_reshape(product, sides)
}

pub(super) fn backward_input(x: &FlexTensor, weight: &FlexTensor, grad: &FlexTensor) -> FlexTensor {
    let turned = Flex::float_swap_dims(matrix(weight), 1, 2);
    let product = Flex::float_matmul(turned, matrices(grad));
    Flex::float_reshape(product, x.layout().shape().clone())
}

/// Gradient of the kernels. Summing over photographs inside one product means copying the maps channel by channel;
/// summing afterwards means writing as many matrices of kernels as there are photographs. The smaller one wins.
pub(super) fn backward_weight(
    x: &FlexTensor,
    weight: &FlexTensor,
    grad: &FlexTensor,
) -> FlexTensor {
    let maps = Maps::of(x);
    let [filters, channels, _, _] = weight.layout().shape().dims();
    let product = if filters * channels > (filters + channels) * maps.plane() {
        let rows = |x: &FlexTensor, n_rows: usize| {
            let by_channel = Flex::float_swap_dims(matrices(x), 0, 1);
            Flex::float_reshape(by_channel, Shape::new([n_rows, maps.n * maps.plane()]))
        };
        let turned = Flex::float_swap_dims(rows(x, channels), 0, 1);
        Flex::float_matmul(rows(grad, filters), turned)
    } else {
        let turned = Flex::float_swap_dims(matrices(x), 1, 2);
        Flex::float_sum_dim(Flex::float_matmul(matrices(grad), turned), 0)
    };
    Flex::float_reshape(product, weight.layout().shape().clone())
}
