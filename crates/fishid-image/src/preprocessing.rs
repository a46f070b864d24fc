//! From any photograph to the size of a model's input: the part of a bundle that says how.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use sha2::{Digest, Sha256};

use crate::{
    DecodeEffort, Filter, Limits, PhotoError, RgbPhoto,
    decode::decode_at_least,
    effort::decode_effort,
    resize::{Rectangle, resize_part},
};

/// Raised whenever decoding or resizing gives other pixels than before, so that no embedding and no cached
/// answer made of the old ones is used with the new.
pub const PIPELINE_REVISION: u32 = 1;

/// What [`Fit::Pad`] fills up with: `ImageNet`'s mean colour, which most backbones see as nothing.
pub const PADDING_COLOUR: [u8; 3] = [124, 116, 104];

/// Largest side a model's input may have.
const MAX_SIDE: u32 = 4096;

/// How a photograph of other proportions becomes the model's rectangle.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// All of it, its proportions changed.
    #[default]
    Stretch,
    /// All of it, with bars of [`PADDING_COLOUR`].
    Pad,
    /// The largest part of the model's proportions around its centre.
    CenterCrop,
}

impl Fit {
    /// The name in a bundle: `stretch`, `pad` or `center_crop`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stretch => "stretch",
            Self::Pad => "pad",
            Self::CenterCrop => "center_crop",
        }
    }
}

/// Size, fit and filter of a model's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Preprocessing {
    /// Columns, 1 to 4096.
    #[serde(deserialize_with = "side")]
    pub width: u32,
    /// Rows, 1 to 4096.
    #[serde(deserialize_with = "side")]
    pub height: u32,
    /// What happens to the proportions.
    pub fit: Fit,
    /// The resizing kernel.
    pub filter: Filter,
}

fn side<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let side = u32::deserialize(deserializer)?;
    if (1..=MAX_SIDE).contains(&side) {
        Ok(side)
    } else {
        Err(D::Error::custom(format!(
            "a side of {side} pixels is outside 1 to {MAX_SIDE}"
        )))
    }
}

impl Preprocessing {
    /// SHA-256 over the settings and [`PIPELINE_REVISION`], 64 hexadecimal digits.
    pub fn digest(&self) -> String {
        let text = format!(
            "fishid-image {PIPELINE_REVISION}: {} x {} {} {}",
            self.width,
            self.height,
            self.fit.as_str(),
            self.filter.as_str()
        );
        hex::encode(Sha256::digest(text))
    }

    /// Decodes and resizes: what a model is shown.
    pub fn load(&self, bytes: &[u8], limits: &Limits) -> Result<RgbPhoto, PhotoError> {
        Ok(self.apply(&self.decode(bytes, limits)?))
    }

    /// Decodes at the smallest size that is enough for [`Self::apply`] and for
    /// [`crate::Augmentation::render`]: at least the input's width and height where the photograph has them.
    pub fn decode(&self, bytes: &[u8], limits: &Limits) -> Result<RgbPhoto, PhotoError> {
        decode_at_least(bytes, limits, Some((self.width, self.height)))
    }

    /// What [`Self::decode`] will take; fails as it would where the header tells.
    pub fn effort(&self, bytes: &[u8], limits: &Limits) -> Result<DecodeEffort, PhotoError> {
        decode_effort(bytes, limits, (self.width, self.height))
    }

    /// Resizes a decoded photograph to the input's size.
    pub fn apply(&self, photo: &RgbPhoto) -> RgbPhoto {
        let (part, size) = self.layout(Rectangle::whole(photo));
        self.on_padding(resize_part(photo, part, size, self.filter))
    }

    /// The part of a photograph's rectangle that is shown, and its size on the input: smaller than the
    /// input only where bars are added.
    pub(crate) fn layout(&self, whole: Rectangle) -> (Rectangle, (u32, u32)) {
        let (width, height) = (self.width.max(1), self.height.max(1));
        match self.fit {
            Fit::Stretch => (whole, (width, height)),
            Fit::CenterCrop => (
                whole.centred_with_aspect(f64::from(width) / f64::from(height)),
                (width, height),
            ),
            Fit::Pad => {
                let scale = (f64::from(width) / whole.width).min(f64::from(height) / whole.height);
                let side =
                    |length: f64, limit: u32| ((length * scale).round() as u32).clamp(1, limit);
                (
                    whole,
                    (side(whole.width, width), side(whole.height, height)),
                )
            }
        }
    }

    /// Puts the picture into the middle of the input.
    pub(crate) fn on_padding(&self, picture: RgbPhoto) -> RgbPhoto {
        let (width, height) = (self.width.max(1), self.height.max(1));
        if (picture.width(), picture.height()) == (width, height) {
            return picture;
        }
        let mut input = RgbPhoto::filled(width, height, PADDING_COLOUR);
        let (left, top) = (
            (width - picture.width()) / 2,
            (height - picture.height()) / 2,
        );
        let (input_row, row) = (width as usize * 3, picture.width() as usize * 3);
        let lines = input
            .pixels_mut()
            .chunks_exact_mut(input_row)
            .skip(top as usize);
        for (line, source) in lines.zip(picture.pixels().chunks_exact(row)) {
            line[left as usize * 3..][..row].copy_from_slice(source);
        }
        input
    }
}
