//! Pixels → JPEG or PNG, for reports, golden photographs and drawn fish.

use std::fmt::Display;

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

use crate::RgbPhoto;

/// The encoder refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot write {width} × {height} pixels as {format}: {reason}")]
pub struct EncodeError {
    format: &'static str,
    width: u32,
    height: u32,
    reason: String,
}

impl EncodeError {
    fn new(format: &'static str, photo: &RgbPhoto, reason: &dyn Display) -> Self {
        Self {
            format,
            width: photo.width(),
            height: photo.height(),
            reason: reason.to_string(),
        }
    }
}

/// Writes a baseline JPEG. Quality is 1 to 100 (others are brought into that range); colour has half the
/// resolution below 90, full from there.
pub fn encode_jpeg(photo: &RgbPhoto, quality: u8) -> Result<Vec<u8>, EncodeError> {
    let quality = quality.clamp(1, 100);
    let subsampling = if quality < 90 {
        turbojpeg::Subsamp::Sub2x2
    } else {
        turbojpeg::Subsamp::None
    };
    let source = turbojpeg::Image {
        pixels: photo.pixels(),
        width: photo.width() as usize,
        pitch: photo.width() as usize * 3,
        height: photo.height() as usize,
        format: turbojpeg::PixelFormat::RGB,
    };
    turbojpeg::compress(source, i32::from(quality), subsampling)
        .map(|buffer| buffer.to_vec())
        .map_err(|error| EncodeError::new("JPEG", photo, &error))
}

/// Writes a PNG of 8-bit RGB.
pub fn encode_png(photo: &RgbPhoto) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(
            photo.pixels(),
            photo.width(),
            photo.height(),
            ExtendedColorType::Rgb8,
        )
        .map_err(|error| EncodeError::new("PNG", photo, &error))?;
    Ok(bytes)
}
