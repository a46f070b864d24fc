//! Every number a training run depends on, as data. The defaults are the measured recipe of
//! `docs/TRAINING.md`; nothing here is read from the environment.

use fishid_image::{Augmentation, Fit, View};
use fishid_network::BackboneFile;
use serde::{Deserialize, Serialize};

use crate::error::TrainingError;

/// How whole photographs are fitted to the network unless told otherwise; `docs/TRAINING.md` has the
/// measurements behind the choice.
pub const DEFAULT_FIT: Fit = Fit::CenterCrop;

/// Shrinkage of the discriminant on a backbone with random weights.
const RANDOM_LDA_SHRINKAGE: f64 = 0.03;

/// How the learning rate moves over the epochs of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LearningRateSchedule {
    /// The same for all epochs.
    Constant,
    /// Half a cosine from the full rate down to zero at the last epoch.
    Cosine,
}

impl LearningRateSchedule {
    /// Share of the full rate in `epoch` (from 1) of `n_epochs`.
    pub(crate) fn factor(self, epoch: usize, n_epochs: usize) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Cosine => {
                let done = (epoch - 1) as f64 / n_epochs.max(1) as f64;
                0.5 * (1.0 + (std::f64::consts::PI * done).cos())
            }
        }
    }
}

/// Where the exported head comes from once the setting is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalHead {
    /// Trained once more on all training photographs; stops early on the validation split, or at
    /// the epoch that was best in the inner folds where there is no validation split.
    Refit,
    /// The mean of the heads that the search trained on the inner folds. Their logits are linear in
    /// the weights, so the mean of the heads is one head that answers with the mean of their logits.
    FoldAverage,
}

/// Which views of a training photograph are embedded; validation and test see the original only.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ViewPlan {
    /// The photograph mirrored left to right.
    pub mirror: bool,
    /// Seeded augmentations beside it.
    pub n_augmented: u32,
    /// How far they may differ from it.
    pub augmentation: Augmentation,
}

impl ViewPlan {
    /// The same plan with `n` views of a photograph: the original, then the mirrored one, then augmented ones.
    #[must_use]
    pub fn with_n_views(self, n: u32) -> Self {
        Self {
            mirror: n >= 2,
            n_augmented: n.saturating_sub(2),
            ..self
        }
    }

    /// The views, the original first.
    pub fn all(&self) -> Vec<View> {
        let mut views = vec![View::Original];
        views.extend(self.mirror.then_some(View::Mirror));
        views.extend((0..self.n_augmented).map(|index| View::Augmented { index }));
        views
    }
}

/// The numbers of a training run. `validate` says what is out of range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// Views of each training photograph.
    pub views: ViewPlan,
    /// Learning rates to try.
    pub learning_rates: Vec<f64>,
    /// Decoupled weight decays (`AdamW`) to try.
    pub weight_decays: Vec<f64>,
    /// Dropout probabilities on the embedding to try.
    pub dropouts: Vec<f64>,
    /// Share of the target spread evenly over all classes.
    pub label_smoothing: f64,
    /// A photograph weighs (photographs of its class)^-exponent: 0 ignores balance, 1 makes classes equal.
    pub class_balance_exponent: f64,
    /// And (photographs of its group)^-exponent: photographs of one fish are not independent.
    pub group_balance_exponent: f64,
    /// Most epochs; one epoch is one step over all training rows.
    pub max_epochs: usize,
    /// Epochs without a better validation macro-F1 before a setting stops.
    pub patience_epochs: usize,
    /// Validation is looked at every so many epochs.
    pub validate_every_epochs: usize,
    /// Epochs before one may be chosen: the first are a lottery.
    pub min_epochs: usize,
    /// Inner folds by group for the search.
    pub n_inner_folds: usize,
    /// After these epochs only the better half of the settings goes on (successive halving).
    pub halve_after_epochs: Vec<usize>,
    /// How the learning rate moves.
    pub schedule: LearningRateSchedule,
    /// Where the exported head comes from.
    pub final_head: FinalHead,
    /// Shrinkage of the linear discriminant that is averaged into the head; `None` leaves it out.
    pub lda_shrinkage: Option<f64>,
    /// Share of the discriminant in the average, from 0 to 1.
    pub lda_share: f64,
    /// The setting for data too small to search on: no class has photographs of three groups.
    pub small_data: SmallData,
    /// Embedding dimensions that vary less than this are treated as varying this much.
    pub least_deviation: f32,
}

impl Default for Recipe {
    fn default() -> Self {
        let augmentation = Augmentation {
            min_area: 0.8,
            max_aspect_change: 1.1,
            max_rotation: 5.0,
            brightness: 0.1,
            contrast: 0.1,
            saturation: 0.1,
            hue: 0.02,
            ..Augmentation::default()
        };
        Self {
            views: ViewPlan {
                mirror: true,
                n_augmented: 4,
                augmentation,
            },
            learning_rates: vec![1e-3, 3e-3, 1e-2],
            weight_decays: vec![0.01, 0.1, 1.0, 10.0],
            dropouts: vec![0.0, 0.3],
            label_smoothing: 0.02,
            class_balance_exponent: 0.5,
            group_balance_exponent: 1.0,
            max_epochs: 60,
            patience_epochs: 20,
            validate_every_epochs: 5,
            min_epochs: 20,
            n_inner_folds: 3,
            halve_after_epochs: vec![30],
            schedule: LearningRateSchedule::Cosine,
            final_head: FinalHead::Refit,
            lda_shrinkage: Some(0.3),
            lda_share: 0.5,
            small_data: SmallData {
                learning_rate: 1e-3,
                weight_decay: 0.1,
                lda_shrinkage: 0.5,
            },
            least_deviation: 1e-3,
        }
    }
}

/// What is used where there is too little to choose by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SmallData {
    /// Learning rate.
    pub learning_rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Shrinkage of the linear discriminant, where the recipe has one.
    pub lda_shrinkage: f64,
}

/// One point of the search.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// Learning rate at the start of the schedule.
    pub learning_rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Dropout probability on the embedding.
    pub dropout: f64,
}

impl Recipe {
    /// The default recipe, adapted to the backbone: random features vary along a few directions only, and a
    /// discriminant that shrinks as for learned ones sees little else. Gradient descent sees even less, so the
    /// discriminant is the head.
    pub fn for_backbone(backbone: &BackboneFile) -> Self {
        let default = Self::default();
        if backbone.has_random_weights() {
            Self {
                lda_shrinkage: Some(RANDOM_LDA_SHRINKAGE),
                lda_share: 1.0,
                ..default
            }
        } else {
            default
        }
    }

    /// All settings of the search, dropout outermost.
    pub fn settings(&self) -> Vec<Setting> {
        let mut settings = Vec::new();
        for &dropout in &self.dropouts {
            for &learning_rate in &self.learning_rates {
                for &weight_decay in &self.weight_decays {
                    settings.push(Setting {
                        learning_rate,
                        weight_decay,
                        dropout,
                    });
                }
            }
        }
        settings
    }

    /// Refuses values that cannot train.
    pub fn validate(&self) -> Result<(), TrainingError> {
        let refuse = |name, value: String, reason: &str| {
            Err(TrainingError::Setting {
                name,
                value,
                reason: reason.to_owned(),
            })
        };
        if self.settings().is_empty() {
            return refuse(
                "learning_rates × weight_decays × dropouts",
                "none".into(),
                "each needs at least one value",
            );
        }
        if let Some(bad) = self.dropouts.iter().find(|p| !(0.0..1.0).contains(*p)) {
            return refuse("dropouts", bad.to_string(), "from 0 to below 1");
        }
        if let Some(bad) = self
            .learning_rates
            .iter()
            .find(|rate| !(**rate > 0.0 && rate.is_finite()))
        {
            return refuse("learning_rates", bad.to_string(), "above 0");
        }
        if !(0.0..1.0).contains(&self.label_smoothing) {
            return refuse(
                "label_smoothing",
                self.label_smoothing.to_string(),
                "from 0 to below 1",
            );
        }
        if self.max_epochs == 0 || self.validate_every_epochs == 0 {
            return refuse(
                "max_epochs, validate_every_epochs",
                "0".into(),
                "at least 1",
            );
        }
        let shrinkages = [
            self.lda_shrinkage.unwrap_or(1.0),
            self.small_data.lda_shrinkage,
        ];
        if let Some(bad) = shrinkages
            .iter()
            .find(|value| !(**value > 0.0 && **value <= 1.0))
        {
            return refuse("lda_shrinkage", bad.to_string(), "above 0 and at most 1");
        }
        if !(0.0..=1.0).contains(&self.lda_share) {
            return refuse("lda_share", self.lda_share.to_string(), "from 0 to 1");
        }
        if self.n_inner_folds < 2 {
            return refuse(
                "n_inner_folds",
                self.n_inner_folds.to_string(),
                "at least 2",
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{LearningRateSchedule, Recipe};

    #[test]
    fn the_default_recipe_searches_at_least_24_settings() {
        let recipe = Recipe::default();
        assert!(recipe.settings().len() >= 24, "{}", recipe.settings().len());
        assert!(recipe.validate().is_ok());
    }

    #[test]
    fn six_views_are_the_default_and_one_is_the_original() {
        let default = Recipe::default().views;
        assert_eq!(default.with_n_views(6), default);
        for n in 1..9 {
            assert_eq!(default.with_n_views(n).all().len(), n as usize);
        }
    }

    #[test]
    fn a_cosine_schedule_starts_full_and_ends_near_zero() {
        let at = |epoch| LearningRateSchedule::Cosine.factor(epoch, 60);
        assert!((at(1) - 1.0).abs() < 1e-12);
        assert!((at(31) - 0.5).abs() < 1e-12);
        assert!(at(60) < 0.01);
    }

    #[test]
    fn a_dropout_of_one_is_refused_by_name() {
        let recipe = Recipe {
            dropouts: vec![0.0, 1.0],
            ..Recipe::default()
        };
        let error = recipe.validate().map_err(|e| e.to_string());
        assert_eq!(
            error,
            Err("dropouts = 1 is not acceptable: from 0 to below 1".to_owned())
        );
    }
}
