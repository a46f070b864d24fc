//! Does the model answer its golden photographs as it did when it was made?

use std::fmt;
use std::time::{Duration, Instant};

use fishid_image::Limits;

use crate::{PredictError, Predictor};

/// How far the probability of the expected class may be off: far above what another provider or bf16
/// changes, far below what a wrong colour order or a missing normalisation does.
pub const GOLDEN_TOLERANCE: f32 = 0.02;

/// Two classes expected within this of each other are a tie: either may come first in another precision.
const TIE: f32 = 0.005;

/// A golden photograph that was not answered as expected.
#[derive(Debug, Clone, PartialEq)]
pub struct GoldenMiss {
    /// The photograph's file name.
    pub file_name: String,
    /// Slug and probability expected.
    pub expected: (String, f32),
    /// Slug answered, and the probability now given to the class expected.
    pub found: (String, f32),
}

/// The comparison over all golden photographs.
#[derive(Debug, Clone, PartialEq)]
pub struct GoldenReport {
    /// Photographs asked.
    pub n: usize,
    /// The largest difference of any probability of any of them.
    pub max_difference: f32,
    /// What the fastest of them took the engine; `None` where there was none.
    pub fastest: Option<Duration>,
    /// Those that do not agree; empty when the model is proven.
    pub misses: Vec<GoldenMiss>,
}

impl fmt::Display for GoldenReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} agree", self.n - self.misses.len(), self.n)?;
        if let Some(GoldenMiss {
            file_name,
            expected,
            found,
        }) = self.misses.first()
        {
            write!(
                f,
                "; {file_name} should be {} with {:.3}, but the answer is {}, and {} has {:.3}",
                expected.0, expected.1, found.0, expected.0, found.1
            )?;
        }
        Ok(())
    }
}

/// Asks at most `n` of the golden photographs, each after a call of `take_turn`.
pub(crate) fn check(
    predictor: &Predictor,
    tolerance: f32,
    n: usize,
    take_turn: &dyn Fn(),
) -> Result<GoldenReport, PredictError> {
    let mut golden = predictor.bundle().golden()?;
    golden.truncate(n);
    let names = predictor.names();
    // They are the bundle's own and small on purpose; only strangers' photographs have a least size.
    let limits = Limits {
        min_side: 1,
        ..Limits::default()
    };
    let mut report = GoldenReport {
        n: golden.len(),
        max_difference: 0.0,
        fastest: None,
        misses: Vec::new(),
    };
    for photo in golden {
        let pixels = predictor.preprocessing().load(&photo.bytes, &limits)?;
        take_turn();
        let started = Instant::now();
        let answer = predictor.infer_one(pixels)?;
        let took = started.elapsed();
        report.fastest = Some(report.fastest.map_or(took, |fastest| fastest.min(took)));
        let comparison = compare(&photo.probabilities, answer.probabilities(), tolerance);
        report.max_difference = report.max_difference.max(comparison.max_difference);
        if !comparison.agrees {
            let top = comparison.expected_top;
            report.misses.push(GoldenMiss {
                file_name: photo.file_name,
                expected: (names.slug(top).to_owned(), photo.probabilities[top]),
                found: (
                    names.slug(answer.top()).to_owned(),
                    answer.probabilities()[top],
                ),
            });
        }
    }
    Ok(report)
}

struct Comparison {
    agrees: bool,
    max_difference: f32,
    expected_top: usize,
}

/// Both hold one probability per class, at least one.
fn compare(expected: &[f32], found: &[f32], tolerance: f32) -> Comparison {
    let expected_top = top(expected);
    let found_top = top(found);
    let max_difference = expected
        .iter()
        .zip(found)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max);
    let same_class =
        found_top == expected_top || expected[expected_top] - expected[found_top] <= TIE;
    let close = (expected[expected_top] - found[expected_top]).abs() <= tolerance;
    Comparison {
        agrees: same_class && close,
        max_difference,
        expected_top,
    }
}

fn top(probabilities: &[f32]) -> usize {
    let mut top = 0;
    for (class, probability) in probabilities.iter().enumerate() {
        if *probability > probabilities[top] {
            top = class;
        }
    }
    top
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expected: &[f32], found: &[f32], agrees: bool) {
        assert_eq!(compare(expected, found, GOLDEN_TOLERANCE).agrees, agrees);
    }

    #[test]
    fn the_class_must_be_the_same_and_its_probability_close() {
        check(&[0.7, 0.3], &[0.7, 0.3], true);
        check(&[0.7, 0.3], &[0.715, 0.285], true);
        check(&[0.7, 0.3], &[0.73, 0.27], false);
        check(&[0.51, 0.49], &[0.495, 0.505], false);
    }

    #[test]
    fn a_tie_may_fall_either_way() {
        check(&[0.501, 0.499], &[0.498, 0.502], true);
        check(&[0.4, 0.399, 0.201], &[0.399, 0.4, 0.201], true);
    }
}
