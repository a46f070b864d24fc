//! The reply of `POST /predict` and of `fishid predict --json`: one struct, so that they cannot differ.

use serde::{Deserialize, Serialize};

use fishid_taxonomy::Language;

use crate::{ClassNames, Prediction};

/// How many of the likeliest classes a reply lists.
const N_CANDIDATES: usize = 3;

/// What the model says about one photograph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reply {
    /// Slug of the likeliest class.
    #[cfg_attr(feature = "openapi", schema(example = "esox_lucius"))]
    pub predicted_class: String,
    /// Its name in the language asked for, with the Latin one.
    #[cfg_attr(feature = "openapi", schema(example = "Щука (Esox lucius)"))]
    pub predicted_label: String,
    /// Calibrated probability of that class, 0 to 1.
    #[cfg_attr(feature = "openapi", schema(example = 0.9847))]
    pub confidence: f64,
    /// Whether the confidence reaches the model's threshold; `false` means "not sure".
    #[cfg_attr(feature = "openapi", schema(example = true))]
    pub is_confident: bool,
    /// The likeliest classes, at most three, the likeliest first.
    pub top_3_predictions: Vec<Candidate>,
    /// Milliseconds from the whole photograph being there to the answer.
    #[cfg_attr(feature = "openapi", schema(example = 45.2))]
    pub processing_time_ms: f64,
    /// Version in the registry, or the first 12 hexadecimal digits of the model's digest.
    #[cfg_attr(feature = "openapi", schema(example = "1"))]
    pub model_version: String,
    /// Whether the answer was given before and kept.
    #[cfg_attr(feature = "openapi", schema(example = false))]
    pub cached: bool,
}

/// One of the likeliest classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Candidate {
    /// Slug of the class.
    #[cfg_attr(feature = "openapi", schema(example = "esox_lucius"))]
    pub class: String,
    /// Its name in the language asked for.
    #[cfg_attr(feature = "openapi", schema(example = "Щука"))]
    pub label: String,
    /// Its calibrated probability, 0 to 1.
    #[cfg_attr(feature = "openapi", schema(example = 0.9847))]
    pub probability: f64,
}

/// What a reply says beside the prediction.
#[derive(Debug, Clone, Default)]
pub struct Circumstances {
    /// Language of the labels.
    pub language: Language,
    /// Milliseconds it took.
    pub processing_time_ms: f64,
    /// The model's version.
    pub model_version: String,
    /// Whether it came out of a cache.
    pub cached: bool,
}

impl Prediction {
    /// The prediction with names, ready to be sent.
    pub fn reply(&self, names: &ClassNames, circumstances: Circumstances) -> Reply {
        let Circumstances {
            language,
            processing_time_ms,
            model_version,
            cached,
        } = circumstances;
        let candidate = |&class: &usize| Candidate {
            class: names.slug(class).to_owned(),
            label: names.name(class, language).to_owned(),
            probability: rounded(f64::from(self.probabilities()[class]), 6),
        };
        Reply {
            predicted_class: names.slug(self.top()).to_owned(),
            predicted_label: names.full_label(self.top(), language),
            confidence: rounded(f64::from(self.confidence()), 6),
            is_confident: self.is_confident(),
            top_3_predictions: self
                .order()
                .iter()
                .take(N_CANDIDATES)
                .map(candidate)
                .collect(),
            processing_time_ms: rounded(processing_time_ms, 3),
            model_version,
            cached,
        }
    }
}

/// An f32 written as f64 would show digits it never had.
fn rounded(value: f64, n_digits: i32) -> f64 {
    let scale = 10_f64.powi(n_digits);
    (value * scale).round() / scale
}
