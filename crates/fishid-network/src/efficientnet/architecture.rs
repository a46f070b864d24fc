//! Which networks there are: eight sizes in two flavours, and their names.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Whose arithmetic the network follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flavour {
    /// Padding of half the kernel on all sides.
    PyTorch,
    /// TensorFlow's SAME padding: as much as the output's size needs, the odd pixel at the bottom and the right.
    TensorFlow,
}

/// The compound-scaled sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Size {
    /// 5.3 million parameters.
    B0,
    /// 7.8 million parameters.
    B1,
    /// 9.1 million parameters.
    B2,
    /// 12 million parameters.
    B3,
    /// 19 million parameters.
    B4,
    /// 30 million parameters.
    B5,
    /// 43 million parameters.
    B6,
    /// 66 million parameters.
    B7,
}

impl Size {
    /// All sizes, the smallest first.
    pub const ALL: [Self; 8] = [
        Self::B0,
        Self::B1,
        Self::B2,
        Self::B3,
        Self::B4,
        Self::B5,
        Self::B6,
        Self::B7,
    ];

    /// Factors on width and depth. Source: the authors' `efficientnet_builder.py` in `tensorflow/tpu`.
    pub(super) fn coefficients(self) -> (f64, f64) {
        match self {
            Self::B0 => (1.0, 1.0),
            Self::B1 => (1.0, 1.1),
            Self::B2 => (1.1, 1.2),
            Self::B3 => (1.2, 1.4),
            Self::B4 => (1.4, 1.8),
            Self::B5 => (1.6, 2.2),
            Self::B6 => (1.8, 2.6),
            Self::B7 => (2.0, 3.1),
        }
    }

    /// Side of the square photographs the size was designed for, in pixels. Same source.
    pub fn native_side(self) -> u32 {
        match self {
            Self::B0 => 224,
            Self::B1 => 240,
            Self::B2 => 260,
            Self::B3 => 300,
            Self::B4 => 380,
            Self::B5 => 456,
            Self::B6 => 528,
            Self::B7 => 600,
        }
    }
}

/// One network: size and flavour. Its text form is timm's name with dashes, such as `tf-efficientnet-b4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Architecture {
    /// Whose arithmetic.
    pub flavour: Flavour,
    /// How large.
    pub size: Size,
}

impl Architecture {
    /// The network the system is built around.
    pub const DEFAULT: Self = Self {
        flavour: Flavour::TensorFlow,
        size: Size::B4,
    };

    /// All sixteen.
    pub fn all() -> impl Iterator<Item = Self> {
        [Flavour::PyTorch, Flavour::TensorFlow]
            .into_iter()
            .flat_map(|flavour| Size::ALL.map(|size| Self { flavour, size }))
    }

    /// timm's own spelling, with underscores.
    pub fn timm_name(self) -> String {
        self.to_string().replace('-', "_")
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.flavour {
            Flavour::PyTorch => "",
            Flavour::TensorFlow => "tf-",
        };
        write!(f, "{prefix}efficientnet-b{}", self.size as usize)
    }
}

/// A name no network has.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no network fishid knows; there are efficientnet-b0 to efficientnet-b7 (PyTorch flavour) and tf-efficientnet-b0 to tf-efficientnet-b7 (TensorFlow flavour)"
)]
pub struct UnknownArchitecture(pub String);

impl FromStr for Architecture {
    type Err = UnknownArchitecture;

    /// Underscores and capitals are accepted too: people copy timm's names.
    fn from_str(text: &str) -> Result<Self, UnknownArchitecture> {
        let wanted = text.to_ascii_lowercase().replace('_', "-");
        Self::all()
            .find(|architecture| architecture.to_string() == wanted)
            .ok_or_else(|| UnknownArchitecture(text.to_owned()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_network_is_found_by_its_own_name_and_by_timms() {
        assert_eq!(Architecture::all().count(), 16);
        for architecture in Architecture::all() {
            assert_eq!(architecture.to_string().parse(), Ok(architecture));
            assert_eq!(architecture.timm_name().parse(), Ok(architecture));
        }
        assert_eq!(Architecture::DEFAULT.to_string(), "tf-efficientnet-b4");
        assert_eq!(Architecture::DEFAULT.timm_name(), "tf_efficientnet_b4");
    }

    #[test]
    fn an_unknown_name_is_told_with_those_there_are() {
        for name in ["efficientnet-b8", "tf-efficientnetv2-s", "b4", ""] {
            let error = name.parse::<Architecture>().unwrap_err().to_string();
            assert!(
                error.contains(name) && error.contains("tf-efficientnet-b7"),
                "{error}"
            );
        }
    }
}
