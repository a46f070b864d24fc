//! A companion for the trained head: Fisher's linear discriminant with a shrunken covariance.
//!
//! It errs differently from a head trained by gradient, and is linear too, so the mean of both is one
//! head. On the fishcam photographs it is worth more than any setting of the search. Shrinkage towards a
//! multiple of the identity as in Friedman: Regularized Discriminant Analysis (1989).

use burn::tensor::{Device, Tensor, TensorData};

use super::LinearHead;

const ROWS_PER_CHUNK: usize = 2048;

/// Fits the discriminant on standardised rows: `W = Σ⁻¹ M`, `b = −½ diag(Mᵀ Σ⁻¹ M) + log prior` with class
/// means `M` and `Σ = (1 − λ) S + λ (tr S / d) I` from the pooled within-class covariance `S`.
pub(super) fn discriminant(
    x: &[f32],
    labels: &[usize],
    row_weights: &[f32],
    [n_classes, dim]: [usize; 2],
    shrinkage: f64,
) -> LinearHead {
    let (means, share) = class_means(x, labels, row_weights, [n_classes, dim]);
    let mut covariance = within_class(x, labels, row_weights, &means, dim);
    let trace: f64 = (0..dim).map(|i| covariance[i * dim + i]).sum();
    // Rows that all equal their class's mean leave nothing to divide by.
    let ridge = (shrinkage * trace / dim as f64).max(1e-6);
    for (i, value) in covariance.iter_mut().enumerate() {
        *value *= 1.0 - shrinkage;
        if i % (dim + 1) == 0 {
            *value += ridge;
        }
    }
    cholesky(&mut covariance, dim);
    let mut head = LinearHead {
        n_classes,
        dim,
        weights: Vec::new(),
        bias: Vec::new(),
    };
    for (mean, share) in means.chunks_exact(dim).zip(share) {
        let direction = solve(&covariance, mean);
        let half_norm = 0.5 * dot(&direction, mean);
        head.bias.push((share.max(1e-9).ln() - half_norm) as f32);
        head.weights
            .extend(direction.iter().map(|value| *value as f32));
    }
    head
}

/// The mean of two heads whose logits were brought to the spread of the first's on the rows of `x`; `share` is
/// the companion's.
pub(super) fn averaged(
    head: &LinearHead,
    companion: &LinearHead,
    x: &[f32],
    share: f64,
) -> LinearHead {
    let own_share = (1.0 - share) as f32;
    let scale = (share * spread(head, x) / spread(companion, x).max(1e-12)) as f32;
    let mean = |own: &[f32], other: &[f32]| -> Vec<f32> {
        own.iter()
            .zip(other)
            .map(|(a, b)| own_share * a + scale * b)
            .collect()
    };
    LinearHead {
        weights: mean(&head.weights, &companion.weights),
        bias: mean(&head.bias, &companion.bias),
        ..*head
    }
}

/// Standard deviation of the logits around each row's mean, the part that the softmax sees.
fn spread(head: &LinearHead, x: &[f32]) -> f64 {
    let device = Device::flex();
    let weights = tensor(head.weights.clone(), head.dim, &device).transpose();
    let bias = tensor(head.bias.clone(), head.n_classes, &device);
    let (mut squares, mut n) = (0.0_f64, 0_usize);
    for part in x.chunks(ROWS_PER_CHUNK * head.dim) {
        let logits =
            tensor(part.to_vec(), head.dim, &device).matmul(weights.clone()) + bias.clone();
        for row in values(logits).chunks_exact(head.n_classes) {
            let mean = row.iter().sum::<f32>() / row.len() as f32;
            squares += row
                .iter()
                .map(|value| f64::from(value - mean).powi(2))
                .sum::<f64>();
            n += row.len();
        }
    }
    (squares / n.max(1) as f64).sqrt()
}

/// Means `[classes, d]` and each class's share of the weight.
fn class_means(
    x: &[f32],
    labels: &[usize],
    row_weights: &[f32],
    [n_classes, dim]: [usize; 2],
) -> (Vec<f64>, Vec<f64>) {
    let mut sums = vec![0.0_f64; n_classes * dim];
    let mut weight = vec![0.0_f64; n_classes];
    for ((row, label), row_weight) in x.chunks_exact(dim).zip(labels).zip(row_weights) {
        weight[*label] += f64::from(*row_weight);
        for (sum, value) in sums[label * dim..(label + 1) * dim].iter_mut().zip(row) {
            *sum += f64::from(*row_weight) * f64::from(*value);
        }
    }
    for (mean, weight) in sums.chunks_exact_mut(dim).zip(&weight) {
        for value in mean {
            *value /= weight.max(1e-12);
        }
    }
    let total: f64 = weight.iter().sum();
    (
        sums,
        weight
            .iter()
            .map(|weight| weight / total.max(1e-12))
            .collect(),
    )
}

fn within_class(
    x: &[f32],
    labels: &[usize],
    row_weights: &[f32],
    means: &[f64],
    dim: usize,
) -> Vec<f64> {
    let device = Device::flex();
    let total: f64 = row_weights.iter().map(|weight| f64::from(*weight)).sum();
    let mut covariance = vec![0.0_f64; dim * dim];
    let parts = x
        .chunks(ROWS_PER_CHUNK * dim)
        .zip(labels.chunks(ROWS_PER_CHUNK))
        .zip(row_weights.chunks(ROWS_PER_CHUNK));
    for ((rows, labels), weights) in parts {
        let mut centred = Vec::with_capacity(rows.len());
        for ((row, label), weight) in rows.chunks_exact(dim).zip(labels).zip(weights) {
            let scale = (f64::from(*weight) / total).sqrt();
            let mean = &means[label * dim..(label + 1) * dim];
            centred.extend(
                row.iter()
                    .zip(mean)
                    .map(|(value, mean)| ((f64::from(*value) - mean) * scale) as f32),
            );
        }
        let centred = tensor(centred, dim, &device);
        for (sum, value) in covariance
            .iter_mut()
            .zip(values(centred.clone().transpose().matmul(centred)))
        {
            *sum += f64::from(value);
        }
    }
    covariance
}

/// In place: the lower triangle becomes `L` with `L Lᵀ` the given matrix, which must be positive definite.
fn cholesky(matrix: &mut [f64], dim: usize) {
    for i in 0..dim {
        for j in 0..=i {
            let sum = dot(&matrix[i * dim..i * dim + j], &matrix[j * dim..j * dim + j]);
            let rest = matrix[i * dim + j] - sum;
            matrix[i * dim + j] = if i == j {
                rest.max(1e-12).sqrt()
            } else {
                rest / matrix[j * dim + j]
            };
        }
    }
}

/// Solves `L Lᵀ y = right`.
fn solve(lower: &[f64], right: &[f64]) -> Vec<f64> {
    let dim = right.len();
    let mut y = right.to_vec();
    for i in 0..dim {
        y[i] = (y[i] - dot(&lower[i * dim..i * dim + i], &y[..i])) / lower[i * dim + i];
    }
    for i in (0..dim).rev() {
        y[i] /= lower[i * dim + i];
        let value = y[i];
        for (before, factor) in y[..i].iter_mut().zip(&lower[i * dim..i * dim + i]) {
            *before -= factor * value;
        }
    }
    y
}

/// Eight running sums: one would wait for each addition, since floating point may not be reordered.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a_parts, a_rest) = a.as_chunks::<8>();
    let (b_parts, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0_f64; 8];
    for (a, b) in a_parts.iter().zip(b_parts) {
        for i in 0..8 {
            sums[i] += a[i] * b[i];
        }
    }
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

fn tensor(values: Vec<f32>, width: usize, device: &Device) -> Tensor<2> {
    let shape = [values.len() / width, width];
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn values(tensor: Tensor<2>) -> Vec<f32> {
    tensor
        .try_into_vec_as::<f32>()
        .expect("a host tensor of f32 can be read")
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::{LinearHead, averaged, cholesky, discriminant, dot, solve};
    use crate::evaluation::argmax;
    use crate::random;

    #[test]
    fn a_positive_definite_system_is_solved() {
        let dim = 37;
        let mut rng = random::stream(0, "lda test");
        let root: Vec<f64> = (0..dim * dim)
            .map(|_| rng.random_range(-1.0..1.0))
            .collect();
        let row = |i: usize| &root[i * dim..(i + 1) * dim];
        let mut matrix: Vec<f64> = (0..dim * dim)
            .map(|i| dot(row(i / dim), row(i % dim)) + if i % (dim + 1) == 0 { 0.5 } else { 0.0 })
            .collect();
        let given = matrix.clone();
        let wanted: Vec<f64> = (0..dim).map(|i| i as f64 - 10.0).collect();
        let right: Vec<f64> = given
            .chunks_exact(dim)
            .map(|row| dot(row, &wanted))
            .collect();
        cholesky(&mut matrix, dim);
        for (got, wanted) in solve(&matrix, &right).iter().zip(wanted) {
            assert!((got - wanted).abs() < 1e-8, "{got} is not {wanted}");
        }
    }

    #[test]
    fn the_discriminant_is_the_textbook_one_for_two_classes_in_two_dimensions() {
        // Means (1, 0) and (−1, 0), within-class covariance diag(0.25, 4), no shrinkage to speak of.
        let x = [
            1.5, 2.0, 0.5, -2.0, 1.5, -2.0, 0.5, 2.0, -1.5, 2.0, -0.5, -2.0, -1.5, -2.0, -0.5, 2.0,
        ];
        let labels = [0, 0, 0, 0, 1, 1, 1, 1];
        let head = discriminant(&x, &labels, &[1.0; 8], [2, 2], 1e-9);
        let wanted = [4.0, 0.0, -4.0, 0.0];
        for (got, wanted) in head.weights.iter().zip(wanted) {
            assert!((got - wanted).abs() < 1e-4, "{:?}", head.weights);
        }
        for bias in &head.bias {
            assert!(
                (bias - (0.5_f32.ln() - 2.0)).abs() < 1e-4,
                "{:?}",
                head.bias
            );
        }
    }

    #[test]
    fn noise_along_one_direction_does_not_mislead_it() {
        let mut rng = random::stream(1, "lda test");
        let labels: Vec<usize> = (0..600).map(|i| i % 3).collect();
        let x: Vec<f32> = labels
            .iter()
            .flat_map(|label| {
                let shared: f32 = rng.random_range(-20.0..20.0);
                [shared, shared + *label as f32 + rng.random_range(-0.3..0.3)]
            })
            .collect();
        let head = discriminant(&x, &labels, &[1.0; 600], [3, 2], 1e-4);
        let right = x
            .chunks(2)
            .zip(&labels)
            .filter(|(row, label)| argmax(&head.logits(row)) == **label)
            .count();
        assert!(right > 590, "{right}");
    }

    #[test]
    fn the_average_of_a_head_and_itself_in_another_scale_is_the_head() {
        let head = LinearHead {
            n_classes: 2,
            dim: 2,
            weights: vec![1.0, -2.0, 0.5, 3.0],
            bias: vec![0.1, -0.1],
        };
        let scaled = |by: f32| LinearHead {
            weights: head.weights.iter().map(|value| value * by).collect(),
            bias: head.bias.iter().map(|value| value * by).collect(),
            ..head.clone()
        };
        let got = averaged(&head, &scaled(50.0), &[1.0, 2.0, -1.0, 0.5, 3.0, 3.0], 0.5);
        for (got, wanted) in got.weights.iter().zip(&head.weights) {
            assert!((got - wanted).abs() < 1e-5);
        }
    }
}
