//! The JSON file beside a backbone. Every field may be missing; unknown ones are ignored.
//!
//! Only parsing and spelling here; what is assumed for a missing field is `input`'s.

use serde::Deserialize;

use crate::NetworkError;

/// The sidecar as written. The input's fields may stand in `input` or at the top.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Sidecar {
    pub name: Option<String>,
    input: Option<InputFields>,
    #[serde(flatten)]
    top: InputFields,
    sha256: Option<String>,
    pub weights: Option<String>,
    #[serde(alias = "license")]
    pub licence: Option<String>,
    pub source: Option<String>,
    pub weights_set: Option<String>,
    pub weights_digest: Option<String>,
}

/// What the sidecar may say about the input.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct InputFields {
    pub name: Option<String>,
    pub size: Option<Size>,
    pub layout: Option<String>,
    pub channel_order: Option<String>,
    pub scale: Option<f32>,
    pub mean: Option<[f32; 3]>,
    pub std: Option<[f32; 3]>,
    pub fit: Option<String>,
    pub filter: Option<String>,
}

/// `[height, width]`, or one number for a square.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
pub(crate) enum Size {
    Sides([u32; 2]),
    Square(u32),
}

impl Sidecar {
    pub fn parse(text: &str, name: &str) -> Result<Self, NetworkError> {
        let sidecar: Self =
            serde_json::from_str(text).map_err(|error| wrong(name, error.to_string()))?;
        let fields = sidecar.fields();
        let number = |value: f32| value.is_finite() && value != 0.0;
        if fields.std.is_some_and(|std| !std.into_iter().all(number)) {
            return Err(wrong(
                name,
                "`std` holds a 0 or a number that is not finite".to_owned(),
            ));
        }
        if fields.scale.is_some_and(|scale| !number(scale)) {
            return Err(wrong(name, "`scale` is 0 or not finite".to_owned()));
        }
        if fields
            .mean
            .is_some_and(|mean| !mean.into_iter().all(f32::is_finite))
        {
            return Err(wrong(
                name,
                "`mean` holds a number that is not finite".to_owned(),
            ));
        }
        Ok(sidecar)
    }

    /// The description of the input, wherever it stands.
    pub fn fields(&self) -> &InputFields {
        self.input.as_ref().unwrap_or(&self.top)
    }

    /// A sidecar that states a SHA-256 belongs to that file and no other.
    pub fn check_digest(&self, digest: &str, name: &str) -> Result<(), NetworkError> {
        match self.sha256.as_deref() {
            Some(stated) if !stated.eq_ignore_ascii_case(digest) => Err(wrong(
                name,
                format!(
                    "it was written for SHA-256 {stated}, but the file has {digest}; is the download whole?"
                ),
            )),
            _ => Ok(()),
        }
    }
}

fn wrong(name: &str, reason: String) -> NetworkError {
    NetworkError::Sidecar {
        name: name.to_owned(),
        reason,
    }
}
