//! The proof that the ONNX file is the trained model: photographs through the file, embeddings through
//! the head, and the largest difference between the probabilities.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use fishid_dataset::Split;
use fishid_engine::{EngineOptions, ImageModel};
use fishid_image::Limits;

use super::TOLERANCE;
use crate::embedding::{Embeddings, threads};
use crate::error::TrainingError;
use crate::head::softmax_rows;
use crate::progress::Progress;
use crate::splits::SplitPlan;
use crate::train::{TrainRequest, TrainedHead};

/// Where there is no validation split, so many training photographs take its place.
const N_WITHOUT_VALIDATION: usize = 64;

/// A difference and the index of the planned photograph that shows it.
type Seen = (f32, usize);

pub(super) fn largest_difference(
    request: &TrainRequest<'_>,
    plan: &SplitPlan,
    embeddings: &Embeddings,
    trained: &TrainedHead,
    model_onnx: &[u8],
    progress: &mut dyn Progress,
) -> Result<f32, TrainingError> {
    let originals: HashMap<usize, &Vec<f32>> = embeddings
        .photographs
        .iter()
        .map(|p| (p.photograph, &p.views[0]))
        .collect();
    let of_split = |split: Split| -> Vec<usize> {
        let all = plan.photographs.iter().enumerate();
        all.filter(|(_, p)| p.split == split && originals.contains_key(&p.photograph))
            .map(|(i, _)| i)
            .collect()
    };
    let mut checked = of_split(Split::Val);
    if checked.is_empty() {
        checked = of_split(Split::Train);
        checked.truncate(N_WITHOUT_VALIDATION);
    }
    let preprocessing = request.preprocessing();
    let photographs = request.dataset.photographs();
    let one = |model: &ImageModel, planned: usize| -> Result<Seen, TrainingError> {
        let photograph = plan.photographs[planned].photograph;
        let bytes = request.dataset.read(&photographs[photograph])?;
        let photo = preprocessing
            .load(&bytes, &Limits::default())
            .map_err(|error| {
                TrainingError::Data(format!("{}: {error}", photographs[photograph].path))
            })?;
        let answer = model.run(photo.pixels(), 1, &["probabilities"])?;
        let logits = trained.fitted.head.logits(originals[&photograph]);
        let expected = softmax_rows(&[logits], trained.calibrated.temperature);
        let differences = answer["probabilities"].values.iter().zip(&expected[0]);
        Ok((
            differences.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max),
            planned,
        ))
    };
    let next = AtomicUsize::new(0);
    let worst = Mutex::new(Ok((0.0, 0)));
    let work = || {
        let result = ImageModel::load(&model_onnx.to_vec(), &EngineOptions::single_threaded())
            .map_err(TrainingError::from)
            .and_then(|model| {
                let mut own: Seen = (0.0, 0);
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(planned) = checked.get(i) else {
                        return Ok(own);
                    };
                    let seen = one(&model, *planned)?;
                    // NaN must not pass for a small difference.
                    if seen.0.is_nan() || seen.0 > own.0 {
                        own = seen;
                    }
                }
            });
        if let Ok(mut worst) = worst.lock() {
            merge(&mut worst, result);
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads(request.n_threads) {
            scope.spawn(work);
        }
    });
    let (difference, planned) = worst
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)?;
    progress.advanced(checked.len(), checked.len(), None);
    if difference.is_nan() || difference > TOLERANCE {
        let path = plan.photographs[planned].path.clone();
        return Err(TrainingError::NotTheSameModel {
            difference,
            limit: TOLERANCE,
            path,
        });
    }
    Ok(difference)
}

fn merge(worst: &mut Result<Seen, TrainingError>, result: Result<Seen, TrainingError>) {
    match (&worst, &result) {
        (Err(_), _) => {}
        (Ok(_), Err(_)) => *worst = result,
        (Ok(so_far), Ok(own)) => {
            if own.0.is_nan() || own.0 > so_far.0 {
                *worst = result;
            }
        }
    }
}
