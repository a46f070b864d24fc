//! Which format the bytes are, by their first bytes and never by a file's name.

use crate::PhotoError;

/// A format we read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PhotoFormat {
    /// JPEG, baseline and progressive.
    Jpeg,
    /// PNG; of an animation the default picture.
    Png,
    /// WebP, lossy and lossless; of an animation the first frame.
    WebP,
}

impl PhotoFormat {
    /// Recognises the format.
    ///
    /// # Errors
    /// [`PhotoError::Empty`] without a byte, [`PhotoError::NotAPhotograph`] for anything else.
    pub fn sniff(bytes: &[u8]) -> Result<Self, PhotoError> {
        if bytes.is_empty() {
            Err(PhotoError::Empty)
        } else if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
            Ok(Self::Jpeg)
        } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            Ok(Self::Png)
        } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            Ok(Self::WebP)
        } else {
            Err(PhotoError::NotAPhotograph)
        }
    }

    /// `image/jpeg`, `image/png` or `image/webp`.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::WebP => "image/webp",
        }
    }

    /// Whether files of this format are named with this extension (without the dot, any case).
    pub fn has_extension(self, extension: &str) -> bool {
        let names: &[&str] = match self {
            Self::Jpeg => &["jpg", "jpeg", "jpe", "jfif"],
            Self::Png => &["png"],
            Self::WebP => &["webp"],
        };
        names
            .iter()
            .any(|name| name.eq_ignore_ascii_case(extension))
    }
}
