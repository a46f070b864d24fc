//! What the classifier answers to the samples, fed by plain arithmetic, and whether the bundle's graph
//! answers the same to the photographs' bytes.

use std::collections::BTreeSet;

use fishid_engine::{EngineError, EngineOptions, Fed, ForeignModel, ImageModel};
use fishid_image::Limits;
use fishid_network::{AnswerKind, BackboneInput, InputElement};

use super::feeding::{Feeding, others};
use super::{AdoptRequest, Sample, refused};
use crate::error::TrainingError;
use crate::progress::Progress;

/// f32 arithmetic in another order moves a probability by some 1e-6; a wrong scale or layout by 1e-1.
const TOLERANCE: f32 = 1e-4;

/// Samples that are shown in every other way too: enough for a difference to be seen, few enough that a large
/// classifier is not asked all day.
const MAX_PROBED: usize = 200;

/// The classifier's own numbers, one a class.
pub(super) struct Answers {
    /// For each sample, fed as stated.
    pub rows: Vec<Vec<f32>>,
    /// Which samples were fed in other ways too.
    pub probed: Vec<usize>,
    /// What it says to those, for each of the other ways.
    pub others: Vec<(Feeding, Vec<Vec<f32>>)>,
}

impl Answers {
    /// Runs the classifier as it is in the file.
    pub(super) fn of_original(
        request: &AdoptRequest<'_>,
        samples: &[Sample],
        progress: &mut dyn Progress,
    ) -> Result<Self, TrainingError> {
        let foreign = request.foreign;
        let names = [foreign.input.name.as_str(), foreign.output()];
        let model = ForeignModel::load(&foreign.original(), names, &EngineOptions::default())
            .map_err(blamed)?;
        let others = others(&foreign.input, foreign.element);
        let mut answers = Self {
            rows: Vec::new(),
            probed: Vec::new(),
            others: others.into_iter().map(|way| (way, Vec::new())).collect(),
        };
        let probed = probed(samples);
        for (index, sample) in samples.iter().enumerate() {
            let pixels = pixels(request, sample)?;
            let own = run(request, &model, &pixels, &foreign.input)?;
            answers.rows.push(own);
            if probed.contains(&index) {
                answers.probed.push(index);
                for (way, rows) in &mut answers.others {
                    rows.push(run(request, &model, &pixels, &way.input)?);
                }
            }
            progress.advanced(index + 1, 2 * samples.len(), None);
        }
        Ok(answers)
    }

    pub(super) fn probabilities(&self, kind: AnswerKind) -> Vec<Vec<f32>> {
        self.rows.iter().map(|row| normalised(row, kind)).collect()
    }
}

/// One photograph of each group, for those of one video are answered alike; where these are too many, some of
/// every class, which the samples stand in the order of.
fn probed(samples: &[Sample]) -> BTreeSet<usize> {
    let mut seen = BTreeSet::new();
    let first: Vec<usize> = (0..samples.len())
        .filter(|&index| seen.insert((samples[index].class, samples[index].group.as_str())))
        .collect();
    let step = first.len().div_ceil(MAX_PROBED).max(1);
    first.into_iter().step_by(step).collect()
}

/// Probabilities with the sum 1, worked out in f64.
fn normalised(row: &[f32], kind: AnswerKind) -> Vec<f32> {
    let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f64> = row
        .iter()
        .map(|&value| match kind {
            AnswerKind::Logits => f64::from(value - highest).exp(),
            AnswerKind::Probabilities => f64::from(value),
        })
        .collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| (weight / sum) as f32).collect()
}

fn pixels(request: &AdoptRequest<'_>, sample: &Sample) -> Result<Vec<u8>, TrainingError> {
    let photograph = &request.samples.photographs()[sample.photograph];
    let bytes = request.samples.read(photograph)?;
    let photo = request
        .preprocessing()
        .load(&bytes, &Limits::default())
        .map_err(|error| TrainingError::Data(format!("{}: {error}", photograph.path)))?;
    Ok(photo.pixels().to_vec())
}

/// One row for one photograph; where the classifier was exported for a batch, all of it is this photograph.
fn run(
    request: &AdoptRequest<'_>,
    model: &ForeignModel,
    pixels: &[u8],
    input: &BackboneInput,
) -> Result<Vec<f32>, TrainingError> {
    let foreign = request.foreign;
    let n = foreign.fixed_batch.unwrap_or(1);
    let [_, sides @ ..] = foreign.fed_shape();
    let shape = [n, sides[0], sides[1], sides[2]];
    let answer = match foreign.element {
        InputElement::Float => {
            let values = foreign.feed(pixels, input).repeat(n);
            model.run(Fed::Floats(&values), shape)
        }
        InputElement::Bytes => {
            let values = foreign.feed_bytes(pixels, input).repeat(n);
            model.run(Fed::Bytes(&values), shape)
        }
    };
    let answer = answer.map_err(blamed)?;
    let row = answer.rows().next().unwrap_or_default().to_vec();
    if row.len() != request.classes.len() {
        return Err(refused(format!(
            "{} classes are named, but it answers with {} numbers",
            request.classes.len(),
            row.len()
        )));
    }
    Ok(row)
}

/// A graph that the engine does not take is the classifier's fault; an engine that is not there is nobody's.
pub(super) fn blamed(error: EngineError) -> TrainingError {
    match error {
        EngineError::Model { reason, .. } | EngineError::Inference { reason } => {
            refused(format!("the engine cannot run it: {reason}"))
        }
        other => other.into(),
    }
}

/// The bundle's answers and how far they are from the classifier's.
pub(super) struct Compared {
    pub probabilities: Vec<Vec<f32>>,
    pub difference: f32,
}

/// Lets the bundle's graph answer every sample, one by one and the first ones in a batch of two.
pub(super) fn compare(
    request: &AdoptRequest<'_>,
    samples: &[Sample],
    model: &ImageModel,
    expected: &[Vec<f32>],
    progress: &mut dyn Progress,
) -> Result<Compared, TrainingError> {
    let mut compared = Compared {
        probabilities: Vec::new(),
        difference: 0.0,
    };
    let mut first = Vec::new();
    for (index, (sample, wanted)) in samples.iter().zip(expected).enumerate() {
        let pixels = pixels(request, sample)?;
        let answer = model.run(&pixels, 1, &["probabilities"])?;
        let row = answer["probabilities"].values.clone();
        let difference = largest(&row, wanted);
        if differs(difference) {
            return Err(refused(format!(
                "after wrapping it answers differently, by up to {difference:.1e} in probability (limit {TOLERANCE:.0e}) on {}",
                request.samples.photographs()[sample.photograph].path
            )));
        }
        compared.difference = compared.difference.max(difference);
        compared.probabilities.push(row);
        if index < 2 {
            first.extend(pixels);
        }
        progress.advanced(samples.len() + index + 1, 2 * samples.len(), None);
    }
    let of_batch = model
        .run(&first, samples.len().min(2), &["probabilities"])
        .map_err(|error| {
            refused(format!(
                "it answers one photograph at a time only ({error}); export it with an open batch"
            ))
        })?;
    for (row, wanted) in of_batch["probabilities"].rows().zip(expected) {
        if differs(largest(row, wanted)) {
            return Err(refused(
                "in a batch it answers differently than one by one; export it with an open batch and in evaluation mode".to_owned(),
            ));
        }
    }
    Ok(compared)
}

fn differs(difference: f32) -> bool {
    difference.is_nan() || difference > TOLERANCE
}

/// Largest difference of two rows; not a number where one of them is not.
fn largest(row: &[f32], wanted: &[f32]) -> f32 {
    if row.len() != wanted.len() {
        return f32::NAN;
    }
    let differences = row.iter().zip(wanted).map(|(a, b)| (a - b).abs());
    differences.fold(
        0.0,
        |worst, own| if own.is_nan() { own } else { worst.max(own) },
    )
}
