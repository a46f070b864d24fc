//! JPEG by libjpeg-turbo, at a fraction of the size where that is enough.

use turbojpeg::{Colorspace, DecompressHeader, Decompressor, Image, PixelFormat, ScalingFactor};

use super::cmyk;
use crate::{PhotoError, PhotoHeader, RgbPhoto, header::Facts};

/// A progressive file may hold thousands of tiny scans, and each costs a pass over the whole picture.
/// Encoders write about 10, optimisers up to 20.
const MAX_SCANS: u32 = 64;

pub(super) fn decode(
    bytes: &[u8],
    facts: &Facts,
    least_size: Option<(u32, u32)>,
) -> Result<RgbPhoto, PhotoError> {
    let mut decompressor = Decompressor::new().map_err(|error| broken(&error))?;
    decompressor
        .set_scan_limit(MAX_SCANS)
        .map_err(|error| broken(&error))?;
    let header = decompressor
        .read_header(bytes)
        .map_err(|error| broken(&error))?;
    if (header.width, header.height) != (facts.header.width as usize, facts.header.height as usize)
    {
        return Err(PhotoError::broken("it gives two different sizes"));
    }
    let factor = least_size.map_or(ScalingFactor::ONE, |least_size| {
        scaling_factor(&header, least_size)
    });
    decompressor
        .set_scaling_factor(factor)
        .map_err(|error| broken(&error))?;
    let is_ink = matches!(header.colorspace, Colorspace::CMYK | Colorspace::YCCK);
    let format = if is_ink {
        PixelFormat::CMYK
    } else {
        PixelFormat::RGB
    };
    let scaled = header.scaled(factor);
    let mut pixels = vec![0; scaled.width * scaled.height * format.size()];
    let output = Image {
        pixels: pixels.as_mut_slice(),
        width: scaled.width,
        pitch: scaled.width * format.size(),
        height: scaled.height,
        format,
    };
    match decompressor.decompress(bytes, output) {
        Err(error) if !is_harmless(&error, bytes) => return Err(broken(&error)),
        _ => {}
    }
    let pixels = if is_ink {
        cmyk::to_rgb(&pixels, facts.has_adobe_marker)
    } else {
        pixels
    };
    Ok(RgbPhoto::of_exact(
        scaled.width as u32,
        scaled.height as u32,
        pixels,
    ))
}

/// The smallest fraction that leaves at least this size, or the whole.
fn scaling_factor(header: &DecompressHeader, (width, height): (u32, u32)) -> ScalingFactor {
    if header.is_lossless {
        return ScalingFactor::ONE;
    }
    let is_enough = |factor: &ScalingFactor| {
        let scaled = header.scaled(*factor);
        scaled.width >= width as usize && scaled.height >= height as usize
    };
    Decompressor::supported_scaling_factors()
        .into_iter()
        .filter(|factor| factor.num() < factor.denom() && is_enough(factor))
        .min_by(|a, b| (a.num() * b.denom()).cmp(&(b.num() * a.denom())))
        .unwrap_or(ScalingFactor::ONE)
}

/// The size decoded at, by the same rule from our own header; the whole size of a lossless file is not told.
pub(super) fn scaled_size(header: &PhotoHeader, (width, height): (u32, u32)) -> (u32, u32) {
    let scaled = |factor: ScalingFactor| {
        let side = |side: u32| factor.scale(side as usize) as u32;
        (side(header.width), side(header.height))
    };
    Decompressor::supported_scaling_factors()
        .into_iter()
        .filter(|factor| factor.num() < factor.denom())
        .map(scaled)
        .filter(|&size| size.0 >= width && size.1 >= height)
        .min()
        .unwrap_or((header.width, header.height))
}

/// The library reports its first warning as an error, after the pixels were written. Bytes that belong to
/// nothing, between the pixels and the end, are left there by some cameras; any other warning means that
/// pixels are missing or wrong. Only the first one is told, so the end must be there too.
fn is_harmless(error: &turbojpeg::Error, bytes: &[u8]) -> bool {
    let is_extra_bytes = matches!(error, turbojpeg::Error::TurboJpegError(message)
        if message.contains("extraneous bytes before marker 0xd9"));
    is_extra_bytes && bytes.windows(2).rev().any(|pair| pair == [0xff, 0xd9])
}

fn broken(error: &turbojpeg::Error) -> PhotoError {
    let turbojpeg::Error::TurboJpegError(message) = error else {
        return PhotoError::broken(error.to_string());
    };
    if message.contains("Premature end") || message.contains("premature end") {
        PhotoError::cut_off()
    } else if message.contains("scans") {
        PhotoError::broken(format!("it is built of more than {MAX_SCANS} layers"))
    } else {
        PhotoError::broken(message.trim_end_matches('.').to_owned())
    }
}
