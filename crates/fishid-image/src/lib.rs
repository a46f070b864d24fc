//! Bytes of a photograph → RGB pixels of a model's size, and the changed views a model is trained on.
//!
//! Knows neither models nor HTTP: the same pixels reach training, the server and the wheel. Start at
//! [`Preprocessing::load`]; [`decode`] is the way in for everything else. Whatever changes a pixel of
//! the output changes [`PIPELINE_REVISION`], which the golden files in `tests/` watch over.

mod augmentation;
mod colour;
mod decode;
mod digest;
mod effort;
mod encode;
mod error;
mod format;
mod header;
mod limits;
mod orientation;
mod photo;
mod preprocessing;
mod resize;
mod view;

pub use augmentation::Augmentation;
pub use decode::decode;
pub use digest::photo_digest;
pub use effort::DecodeEffort;
pub use encode::{EncodeError, encode_jpeg, encode_png};
pub use error::PhotoError;
pub use format::PhotoFormat;
pub use header::{PhotoHeader, probe};
pub use limits::Limits;
pub use orientation::Orientation;
pub use photo::{RgbPhoto, WrongPixelCount};
pub use preprocessing::{Fit, PADDING_COLOUR, PIPELINE_REVISION, Preprocessing};
pub use resize::{Filter, resize};
pub use view::View;
