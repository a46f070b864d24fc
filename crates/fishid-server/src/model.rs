//! A [`Predictor`] as the model that the serving crate drives.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fishid_image::{PhotoFormat, RgbPhoto};
use fishid_prediction::{ClassNames, PredictError, Prediction, Predictor, PredictorOptions};
use fishid_serving::{Effort, Identity, Measure, Model, Observation};
use serde_json::Value;

use crate::description::ModelDescription;

/// Unpacking a coded byte takes about as long as what is done with so many pixels.
const PIXELS_PER_BYTE: u64 = 4;

/// A bundle opened for serving.
#[derive(Debug)]
pub struct FishModel {
    predictor: Predictor,
    identity: Identity,
    description: Arc<ModelDescription>,
    /// Known after the warm-up.
    fastest_answer: OnceLock<Duration>,
}

/// A prediction and the names of its classes: everything a reply in either language needs.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The prediction.
    pub prediction: Arc<Prediction>,
    /// The names.
    pub names: ClassNames,
}

impl FishModel {
    /// Opens a bundle. `version` is the registry's; without it the model is known by its digest.
    pub fn open(
        bundle_dir: impl AsRef<Path>,
        options: &PredictorOptions,
        version: Option<&str>,
    ) -> Result<Self, PredictError> {
        Ok(Self::new(
            Predictor::open_with(bundle_dir, options)?,
            version,
        ))
    }

    /// Takes a predictor that is open already.
    pub fn new(predictor: Predictor, version: Option<&str>) -> Self {
        let identity = Identity {
            name: predictor.manifest().model_name.clone(),
            version: version
                .unwrap_or_else(|| predictor.digest_version())
                .to_owned(),
            digest: predictor.digest().to_owned(),
            precision: predictor.engine_options().precision.to_string(),
        };
        let description = Arc::new(ModelDescription::new(&predictor, &identity));
        Self {
            predictor,
            identity,
            description,
            fastest_answer: OnceLock::new(),
        }
    }

    /// What `GET /model` says.
    pub fn description(&self) -> &Arc<ModelDescription> {
        &self.description
    }
}

impl Model for FishModel {
    type Photo = RgbPhoto;
    type Input = RgbPhoto;
    type Answer = Answer;
    type Error = PredictError;

    fn identity(&self) -> Identity {
        self.identity.clone()
    }

    fn appraise(&self, photo: &[u8]) -> Effort {
        let Some(effort) = self.predictor.effort(photo) else {
            // It will be refused by its header.
            return Effort::default();
        };
        let format = match effort.format {
            PhotoFormat::Jpeg => 1,
            PhotoFormat::Png => 2,
            PhotoFormat::WebP => 3,
        };
        Effort {
            kind: 2 * format + u8::from(effort.is_dear),
            work: effort.n_pixels + PIXELS_PER_BYTE * photo.len() as u64,
            memory_bytes: effort.memory_bytes,
        }
    }

    fn decode(&self, photo: &[u8]) -> Result<RgbPhoto, PredictError> {
        self.predictor.decode(photo)
    }

    fn preprocess(&self, photo: RgbPhoto) -> Result<RgbPhoto, PredictError> {
        Ok(self.predictor.fit(&photo))
    }

    fn infer(&self, inputs: Vec<RgbPhoto>) -> Result<Vec<Answer>, PredictError> {
        let answer = |prediction| Answer {
            prediction: Arc::new(prediction),
            names: self.predictor.names().clone(),
        };
        let predictions = self.predictor.infer(&inputs)?;
        Ok(predictions.into_iter().map(answer).collect())
    }

    fn max_batch(&self) -> usize {
        self.predictor.batch()
    }

    fn n_streams(&self) -> usize {
        self.predictor.n_sessions()
    }

    fn warm_up(&self, take_turn: &dyn Fn()) -> Result<(), PredictError> {
        let report = self.predictor.warm_up_by_turns(take_turn)?;
        if let Some(fastest) = report.fastest {
            // A second warm-up measures nothing new.
            let _ = self.fastest_answer.set(fastest);
        }
        Ok(())
    }

    fn fastest_answer(&self) -> Option<Duration> {
        self.fastest_answer.get().copied()
    }

    fn observe(answer: &Answer) -> Observation<'_> {
        let prediction = &answer.prediction;
        Observation {
            class: answer.names.slug(prediction.top()),
            confidence: f64::from(prediction.confidence()),
        }
    }

    fn answer_bytes(answer: &Answer) -> usize {
        // One f32 and one index per class, and the two vectors' heads.
        answer.prediction.probabilities().len() * 12 + 64
    }

    fn encode_answer(answer: &Answer) -> Option<Vec<u8>> {
        Some(answer.prediction.to_bytes())
    }

    fn decode_answer(&self, bytes: &[u8]) -> Option<Answer> {
        let names = self.predictor.names().clone();
        let threshold = self.predictor.manifest().calibration.confidence_threshold;
        let prediction = Prediction::from_bytes(bytes, names.len(), threshold)?;
        Some(Answer {
            prediction: Arc::new(prediction),
            names,
        })
    }

    fn evaluation(&self) -> Vec<Measure> {
        let splits = &self.predictor.manifest().evaluation;
        splits
            .iter()
            .flat_map(|(split, numbers)| measures(split, numbers))
            .collect()
    }
}

/// The plain numbers of one split; tables and intervals are not metrics.
fn measures(split: &str, numbers: &Value) -> Vec<Measure> {
    let Some(numbers) = numbers.as_object() else {
        return Vec::new();
    };
    let measure = |(metric, value): (&String, &Value)| {
        Some(Measure {
            metric: metric.clone(),
            split: split.to_owned(),
            value: value.as_f64()?,
        })
    };
    numbers.iter().filter_map(measure).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_numbers_of_the_evaluation_are_metrics() {
        let numbers = serde_json::json!({"accuracy": 0.5, "n": 10, "accuracy_ci95": [0.4, 0.6], "per_class": {}});
        let found: Vec<_> = measures("test", &numbers)
            .into_iter()
            .map(|m| (m.metric, m.value))
            .collect();
        assert_eq!(
            found,
            [("accuracy".to_owned(), 0.5), ("n".to_owned(), 10.0)]
        );
        assert!(measures("test", &Value::Null).is_empty());
    }
}
