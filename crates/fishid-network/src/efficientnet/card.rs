//! What the publisher of a set of weights says about it: one row per set.
//!
//! Sources: the model cards of `huggingface.co/timm/…` as timm 1.0.31 carries them (`pretrained_cfg`), and
//! torchvision 0.24's `EfficientNet_B*_Weights`. The normalisation's epsilon is a property of the set, not of the
//! flavour: torchvision's B5 to B7 were ported from TensorFlow and need TensorFlow's.

use super::architecture::{Architecture, Flavour, Size};

/// The resizing kernel the weights were trained behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpolation {
    /// A cubic.
    Bicubic,
    /// A triangle.
    Bilinear,
}

/// How the publisher's evaluation makes a square of a photograph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CropMode {
    /// The middle of the photograph.
    Center,
    /// All of it, its proportions changed.
    Squash,
}

/// How a set of weights wants to be fed, and what may be done with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// Name of the set: timm's tag (`ns_jft_in1k`), `torchvision`, or what a person's file is called.
    pub set: String,
    /// Added to the variance in every normalisation.
    pub epsilon: f64,
    /// Side of the square photograph in pixels.
    pub side: u32,
    /// Subtracted from a pixel scaled to 0..1, per channel.
    pub mean: [f32; 3],
    /// Divided by after that, per channel.
    pub std: [f32; 3],
    /// The resizing kernel.
    pub interpolation: Interpolation,
    /// How a square is made.
    pub crop_mode: CropMode,
    /// Share of the shorter side that the publisher's own evaluation keeps. fishid keeps all of it: a fish is cut
    /// off soon enough, and the head is trained behind the same fit it serves behind.
    pub crop_share: f32,
    /// Licence of the weights (SPDX), where it is known.
    pub licence: Option<String>,
}

/// A published set that can be downloaded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PretrainedSet {
    /// The network it belongs to.
    pub architecture: Architecture,
    /// timm's tag.
    pub tag: &'static str,
    /// Commit of the repository, where a public source names it; otherwise the hub's `main` is asked once and what
    /// it declares is recorded and compared ever after.
    pub commit: Option<&'static str>,
    /// SHA-256 of `model.safetensors`, where it was computed from the file or read from a named source.
    pub sha256: Option<&'static str>,
    side: u32,
    epsilon: f64,
    interpolation: Interpolation,
    normalisation: Normalisation,
    crop_mode: CropMode,
    crop_share: f32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Normalisation {
    /// Mean and deviation of ImageNet.
    ImageNet,
    /// Everything to -1..1, as Inception did.
    Half,
}

impl Normalisation {
    fn mean_std(self) -> ([f32; 3], [f32; 3]) {
        match self {
            Self::ImageNet => ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            Self::Half => ([0.5; 3], [0.5; 3]),
        }
    }
}

/// PyTorch's default, and timm's for its own training.
const EPSILON_PYTORCH: f64 = 1e-5;
/// TensorFlow's.
const EPSILON_TENSORFLOW: f64 = 1e-3;

const SETS: &[PretrainedSet] = &[
    PretrainedSet {
        // Source of commit and digest: github.com/kurtvalcorza/efficientnet-classification-pipeline: docs/WEIGHTS.md; the commit also in photoprism/photoprism: scripts/ai/export-label-models.py.
        commit: Some("1b5383e5f79cc0f7fc067e372f8f26a5fa73f26a"),
        sha256: Some("d569899762ea9b1384ee07f4af64805cf8caa1c55f9253ebb1080dc40e87a2cd"),
        ..torch(Size::B0, "ra_in1k", 224, 0.875)
    },
    PretrainedSet {
        // Source of commit and digest: github.com/Imhaohao/global-ai-hackathon: training/b1_model.py.
        commit: Some("1d6ddfd0ad535646fdb05bc3834913d93816152e"),
        sha256: Some("2eb860ed42ef594b3ae479669e306927bb4d4018e246e38f512b6b25b1734f6e"),
        ..torch(Size::B1, "ft_in1k", 224, 0.875)
    },
    PretrainedSet {
        // Source of commit and digest: github.com/Imhaohao/global-ai-hackathon: training/b2_model.py.
        commit: Some("3577c4a7d84723645311bb5a9e5086f1b62ec8e2"),
        sha256: Some("e9adbcce7e5d5055c571c4cafdcc7f920b6a6ec42e643c49dff1aabe1d5f53c5"),
        ..torch(Size::B2, "ra_in1k", 256, 0.875)
    },
    PretrainedSet {
        // Source of commit and digest: github.com/Imhaohao/global-ai-hackathon: training/candidates/efficientnet-b3/b3_model.py.
        commit: Some("0366a75518620e0f2077789202073759f2d61393"),
        sha256: Some("279d2a53898aa89dab43fd6bd7df9f706aea4cb9cf916223988bbcb8e5850469"),
        ..torch(Size::B3, "ra2_in1k", 288, 0.875)
    },
    torch(Size::B4, "ra2_in1k", 320, 0.875),
    PretrainedSet {
        crop_mode: CropMode::Squash,
        ..torch(Size::B5, "sw_in12k_ft_in1k", 448, 1.0)
    },
    tensorflow(Size::B0, "ns_jft_in1k", 224, 0.875),
    tensorflow(Size::B1, "ns_jft_in1k", 240, 0.882),
    tensorflow(Size::B2, "ns_jft_in1k", 260, 0.89),
    PretrainedSet {
        // Read from a public cache path; the digest is published nowhere that was found.
        commit: Some("fd765843d68fcbba2757c8cf89e810efc350bc7d"),
        ..tensorflow(Size::B3, "ns_jft_in1k", 300, 0.904)
    },
    PretrainedSet {
        // Read from a public script that pins this file; its digest is published nowhere that was found.
        commit: Some("40be4c2e3f4a91b2d9772137bfc2ea959e6e5260"),
        ..tensorflow(Size::B4, "ns_jft_in1k", 380, 0.922)
    },
    tensorflow(Size::B5, "ns_jft_in1k", 456, 0.934),
    tensorflow(Size::B6, "ns_jft_in1k", 528, 0.942),
    tensorflow(Size::B7, "ns_jft_in1k", 600, 0.949),
    tensorflow(Size::B0, "aa_in1k", 224, 0.875),
    tensorflow(Size::B1, "aa_in1k", 240, 0.882),
    tensorflow(Size::B2, "aa_in1k", 260, 0.89),
    tensorflow(Size::B3, "aa_in1k", 300, 0.904),
    tensorflow(Size::B4, "aa_in1k", 380, 0.922),
    tensorflow(Size::B5, "aa_in1k", 456, 0.934),
    tensorflow(Size::B6, "aa_in1k", 528, 0.942),
    tensorflow(Size::B7, "aa_in1k", 600, 0.949),
    adversarial(Size::B0, 224, 0.875),
    adversarial(Size::B1, 240, 0.882),
    adversarial(Size::B2, 260, 0.89),
    adversarial(Size::B3, 300, 0.904),
    adversarial(Size::B4, 380, 0.922),
    adversarial(Size::B5, 456, 0.934),
    adversarial(Size::B6, 528, 0.942),
    adversarial(Size::B7, 600, 0.949),
];

const fn torch(size: Size, tag: &'static str, side: u32, crop_share: f32) -> PretrainedSet {
    PretrainedSet {
        architecture: Architecture {
            flavour: Flavour::PyTorch,
            size,
        },
        tag,
        commit: None,
        sha256: None,
        side,
        epsilon: EPSILON_PYTORCH,
        interpolation: Interpolation::Bicubic,
        normalisation: Normalisation::ImageNet,
        crop_mode: CropMode::Center,
        crop_share,
    }
}

const fn tensorflow(size: Size, tag: &'static str, side: u32, crop_share: f32) -> PretrainedSet {
    PretrainedSet {
        architecture: Architecture {
            flavour: Flavour::TensorFlow,
            size,
        },
        epsilon: EPSILON_TENSORFLOW,
        ..torch(size, tag, side, crop_share)
    }
}

const fn adversarial(size: Size, side: u32, crop_share: f32) -> PretrainedSet {
    PretrainedSet {
        normalisation: Normalisation::Half,
        ..tensorflow(size, "ap_in1k", side, crop_share)
    }
}

impl PretrainedSet {
    /// All published sets of `architecture`, the default first; none for PyTorch's B6 and B7.
    pub fn of(architecture: Architecture) -> impl Iterator<Item = &'static Self> {
        SETS.iter()
            .filter(move |set| set.architecture == architecture)
    }

    /// The set `tag` names among those of `architecture`, or its default without a tag.
    pub fn find(architecture: Architecture, tag: Option<&str>) -> Option<&'static Self> {
        Self::of(architecture).find(|set| tag.is_none_or(|tag| set.tag == tag))
    }

    /// Its repository on the hub.
    pub fn repository(&self) -> String {
        format!("timm/{}.{}", self.architecture.timm_name(), self.tag)
    }

    /// Its card.
    pub fn card(&self) -> Card {
        let (mean, std) = self.normalisation.mean_std();
        Card {
            set: self.tag.to_owned(),
            epsilon: self.epsilon,
            side: self.side,
            mean,
            std,
            interpolation: self.interpolation,
            crop_mode: self.crop_mode,
            crop_share: self.crop_share,
            licence: Some("Apache-2.0".to_owned()),
        }
    }
}

fn native_epsilon(flavour: Flavour) -> f64 {
    match flavour {
        Flavour::PyTorch => EPSILON_PYTORCH,
        Flavour::TensorFlow => EPSILON_TENSORFLOW,
    }
}

impl Card {
    /// For weights nobody published a card for, random ones among them: the flavour's epsilon, the size's native
    /// side, ImageNet's normalisation.
    pub fn native(architecture: Architecture, set: &str) -> Self {
        let (mean, std) = Normalisation::ImageNet.mean_std();
        Self {
            set: set.to_owned(),
            epsilon: native_epsilon(architecture.flavour),
            side: architecture.size.native_side(),
            mean,
            std,
            interpolation: Interpolation::Bicubic,
            crop_mode: CropMode::Center,
            crop_share: 1.0,
            licence: None,
        }
    }

    /// For files with torchvision's names: how its `IMAGENET1K_V1` sets want to be fed. No licence: names alone do
    /// not prove that a file is what torchvision published.
    pub fn torchvision(size: Size) -> Self {
        let (side, resized, epsilon) = match size {
            Size::B0 => (224, 256, EPSILON_PYTORCH),
            Size::B1 => (240, 256, EPSILON_PYTORCH),
            Size::B2 => (288, 288, EPSILON_PYTORCH),
            Size::B3 => (300, 320, EPSILON_PYTORCH),
            Size::B4 => (380, 384, EPSILON_PYTORCH),
            Size::B5 => (456, 456, EPSILON_TENSORFLOW),
            Size::B6 => (528, 528, EPSILON_TENSORFLOW),
            Size::B7 => (600, 600, EPSILON_TENSORFLOW),
        };
        let architecture = Architecture {
            flavour: Flavour::PyTorch,
            size,
        };
        Self {
            epsilon,
            side,
            crop_share: side as f32 / resized as f32,
            ..Self::native(architecture, "torchvision")
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_default_set_of_the_default_network_is_noisy_student() {
        let set = PretrainedSet::find(Architecture::DEFAULT, None).unwrap();
        assert_eq!(set.repository(), "timm/tf_efficientnet_b4.ns_jft_in1k");
        let card = set.card();
        assert_eq!((card.side, card.epsilon), (380, 1e-3));
        assert_eq!(card.licence.as_deref(), Some("Apache-2.0"));
    }

    #[test]
    fn every_network_but_the_two_largest_of_pytorch_has_a_set() {
        let without: Vec<String> = Architecture::all()
            .filter(|architecture| PretrainedSet::of(*architecture).next().is_none())
            .map(|architecture| architecture.to_string())
            .collect();
        assert_eq!(without, ["efficientnet-b6", "efficientnet-b7"]);
    }

    #[test]
    fn torchvision_mixes_two_epsilons_in_one_flavour() {
        assert!(Card::torchvision(Size::B4).epsilon < 1e-4);
        assert!(Card::torchvision(Size::B5).epsilon > 5e-4);
    }

    #[test]
    fn adversarial_sets_are_normalised_to_one_around_zero() {
        let set = PretrainedSet::find(Architecture::DEFAULT, Some("ap_in1k")).unwrap();
        assert_eq!(format!("{:?}", set.card().mean), "[0.5, 0.5, 0.5]");
    }
}
