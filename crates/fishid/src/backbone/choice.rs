//! What `--backbone` and `--weights` mean, before anything is opened.

use std::path::PathBuf;
use std::str::FromStr;

use fishid_network::efficientnet::Architecture;

use crate::exit::InputError;

/// Which backbone is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Nothing was named: the network the system is built around, or what can be had offline.
    Unnamed(Weights),
    /// A network by name.
    Network(Architecture, Weights),
    /// An ONNX file with its own weights.
    File(PathBuf),
}

/// Which weights a network by name gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Weights {
    /// Cached, else downloaded, else random.
    Auto,
    /// A published set, the network's default without a name.
    ImageNet(Option<String>),
    /// Drawn from a seed.
    Random(u64),
    /// A safetensors file.
    File(PathBuf),
}

impl Choice {
    /// What the two flags mean together.
    pub fn new(backbone: Option<&str>, weights: Option<&str>) -> Result<Self, InputError> {
        let parsed = weights.map_or(Ok(Weights::Auto), Weights::from_str)?;
        let Some(backbone) = backbone else {
            return Ok(Self::Unnamed(parsed));
        };
        match (backbone.parse::<Architecture>(), weights) {
            (Ok(architecture), _) => Ok(Self::Network(architecture, parsed)),
            (Err(_), None) => Ok(Self::File(PathBuf::from(backbone))),
            (Err(_), Some(weights)) => Err(InputError(format!(
                "--weights {weights} goes with a network's name (--backbone tf-efficientnet-b4); {backbone} has weights of its own"
            ))),
        }
    }
}

impl FromStr for Weights {
    type Err = InputError;

    fn from_str(text: &str) -> Result<Self, InputError> {
        let wrong = |reason: &str| {
            Err(InputError(format!(
                "--weights {text}: {reason}; give auto, imagenet, imagenet:SET, random:SEED or FILE.safetensors"
            )))
        };
        match text.split_once(':') {
            None if text == "auto" => Ok(Self::Auto),
            None if text == "imagenet" => Ok(Self::ImageNet(None)),
            None if text == "random" => wrong("random weights need a seed, such as random:0"),
            Some(("imagenet", set)) if !set.is_empty() => Ok(Self::ImageNet(Some(set.to_owned()))),
            Some(("random", seed)) => match seed.parse() {
                Ok(seed) => Ok(Self::Random(seed)),
                Err(_) => wrong("the seed is a whole number from 0"),
            },
            _ => {
                let path = PathBuf::from(text);
                if path.is_file() {
                    Ok(Self::File(path))
                } else {
                    wrong("there is no such file")
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_and_files_are_told_apart() {
        let choice = |backbone, weights| Choice::new(backbone, weights).unwrap();
        assert_eq!(choice(None, None), Choice::Unnamed(Weights::Auto));
        let b4 = Architecture::DEFAULT;
        assert_eq!(
            choice(Some("tf_efficientnet_b4"), Some("random:3")),
            Choice::Network(b4, Weights::Random(3))
        );
        assert_eq!(
            choice(Some("tf-efficientnet-b4"), Some("imagenet:ap_in1k")),
            Choice::Network(b4, Weights::ImageNet(Some("ap_in1k".to_owned())))
        );
        assert_eq!(
            choice(Some("net.onnx"), None),
            Choice::File("net.onnx".into())
        );
    }

    #[test]
    fn weights_nobody_can_read_are_told_with_what_there_is() {
        for weights in [
            "random",
            "random:x",
            "imagenet:",
            "nowhere.safetensors",
            "best",
        ] {
            let error = Choice::new(Some("efficientnet-b0"), Some(weights)).unwrap_err();
            assert!(
                error.0.contains(weights) && error.0.contains("random:SEED"),
                "{}",
                error.0
            );
        }
        let error = Choice::new(Some("net.onnx"), Some("auto")).unwrap_err();
        assert!(error.0.contains("weights of its own"), "{}", error.0);
    }
}
