//! Any bytes as an answer out of a shared cache: refused, or a distribution that is kept as the same bytes.
//!
//! Input: how many classes the model has (one byte), the bytes.
#![no_main]

use fishid_prediction::Prediction;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&n_classes, bytes)) = input.split_first() else {
        return;
    };
    let n_classes = usize::from(n_classes);
    let Some(prediction) = Prediction::from_bytes(bytes, n_classes, 0.5) else {
        return;
    };
    assert_eq!(prediction.probabilities().len(), n_classes);
    // The likeliest of n that sum to about 1.
    assert!(f64::from(prediction.confidence()) * n_classes as f64 > 0.97);
    assert_eq!(prediction.to_bytes(), bytes);
});
