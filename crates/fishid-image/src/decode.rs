//! Bytes → upright RGB pixels: limits first, then the decoder of the format, then orientation.

mod cmyk;
mod jpeg;
mod raster;

use crate::{Limits, PhotoError, PhotoFormat, PhotoHeader, RgbPhoto, header};

/// Decodes a photograph: upright, 8-bit RGB whatever was stored (gray and CMYK are converted, 16 bits
/// rounded to 8, alpha laid over white).
///
/// With `shorter_side_at_least` a large JPEG is decoded at a fraction of its size, the smallest one whose
/// shorter side is not under that number of pixels; other formats come at full size.
pub fn decode(
    bytes: &[u8],
    limits: &Limits,
    shorter_side_at_least: Option<u32>,
) -> Result<RgbPhoto, PhotoError> {
    decode_at_least(
        bytes,
        limits,
        shorter_side_at_least.map(|side| (side, side)),
    )
}

/// The same with a least width and height of the upright photograph.
pub(crate) fn decode_at_least(
    bytes: &[u8],
    limits: &Limits,
    least_size: Option<(u32, u32)>,
) -> Result<RgbPhoto, PhotoError> {
    let facts = header::read(bytes)?;
    let header = &facts.header;
    limits.check(header.width, header.height)?;
    let photo = match header.format {
        PhotoFormat::Jpeg => {
            let least_size = least_size.map(|least| as_stored(header, least));
            jpeg::decode(bytes, &facts, least_size)
        }
        PhotoFormat::Png | PhotoFormat::WebP => raster::decode(bytes, header),
    }?;
    Ok(header.orientation.apply(photo))
}

fn as_stored(header: &PhotoHeader, (width, height): (u32, u32)) -> (u32, u32) {
    if header.orientation.swaps_sides() {
        (height, width)
    } else {
        (width, height)
    }
}

/// The size a JPEG is decoded at when the upright photograph needs at least this size.
pub(crate) fn jpeg_size(header: &PhotoHeader, least_size: (u32, u32)) -> (u32, u32) {
    jpeg::scaled_size(header, as_stored(header, least_size))
}
