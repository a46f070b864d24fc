//! When a model is a demonstration only, and the sentence that says so wherever it answers.

use fishid_dataset::Origin;
use fishid_network::BackboneFile;

/// Why a model from these photographs and this backbone is no more than a demonstration; `None` for real ones.
pub fn demonstration_reason(origin: Origin, backbone: &BackboneFile) -> Option<String> {
    match (origin, backbone.has_random_weights()) {
        (Origin::Synthetic, true) => Some(
            "Demonstration model: trained on drawn fish, not on photographs, and on a backbone with random weights. Its answers about real fish mean nothing.".to_owned(),
        ),
        (Origin::Synthetic, false) => Some(
            "Demonstration model: trained on drawn fish, not on photographs. Its answers about real fish mean nothing.".to_owned(),
        ),
        (Origin::Photographs, true) => Some(
            "Demonstration model: its backbone has random weights and never saw photographs. Train with a pretrained backbone for real use.".to_owned(),
        ),
        (Origin::Photographs, false) => None,
    }
}
