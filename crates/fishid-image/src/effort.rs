//! What decoding a photograph will take, told from its header: for whoever has to plan it.

use crate::{Limits, PhotoError, PhotoFormat, decode::jpeg_size, header};

/// What decoding takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeEffort {
    /// The format.
    pub format: PhotoFormat,
    /// Coded in a way that takes more time and memory per pixel: a progressive JPEG, a PNG of 16 bits.
    pub is_dear: bool,
    /// Pixels as stored.
    pub n_pixels: u64,
    /// About the most memory held at one time, the photograph's own bytes left out.
    pub memory_bytes: u64,
}

pub(crate) fn decode_effort(
    bytes: &[u8],
    limits: &Limits,
    least_size: (u32, u32),
) -> Result<DecodeEffort, PhotoError> {
    let facts = header::read(bytes)?;
    let header = &facts.header;
    limits.check(header.width, header.height)?;
    let n_pixels = u64::from(header.width) * u64::from(header.height);
    let memory_bytes = match (header.format, facts.is_dear) {
        (PhotoFormat::Jpeg, is_progressive) => {
            let (width, height) = jpeg_size(header, least_size);
            // RGB and its upright copy; of three components, coefficients of 16 bits.
            let coefficients = if is_progressive { 6 * n_pixels } else { 0 };
            6 * u64::from(width) * u64::from(height) + coefficients
        }
        // RGBA of 16 bits and of 8, the latter and RGB. Measured: 11 for RGB of 16 bits.
        (PhotoFormat::Png, true) => 12 * n_pixels,
        (PhotoFormat::Png, false) => 7 * n_pixels,
        // The planes it is coded in, RGBA, RGB.
        (PhotoFormat::WebP, _) => 9 * n_pixels,
    };
    Ok(DecodeEffort {
        format: header.format,
        is_dear: facts.is_dear,
        n_pixels,
        memory_bytes,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{RgbPhoto, encode_jpeg, encode_png};

    #[test]
    fn a_large_jpeg_for_a_small_input_takes_little_memory_and_a_png_takes_all_of_its_pixels() {
        let photo = RgbPhoto::filled(1600, 1200, [10, 20, 30]);
        let effort = |bytes: &[u8]| decode_effort(bytes, &Limits::default(), (380, 380)).unwrap();
        let jpeg = effort(&encode_jpeg(&photo, 90).unwrap());
        assert_eq!((jpeg.format, jpeg.n_pixels), (PhotoFormat::Jpeg, 1_920_000));
        assert!(!jpeg.is_dear);
        assert!(jpeg.memory_bytes < 1_920_000 * 6 / 4, "{jpeg:?}");
        let png = effort(&encode_png(&photo).unwrap());
        assert_eq!(
            (png.format, png.memory_bytes),
            (PhotoFormat::Png, 7 * 1_920_000)
        );
    }

    #[test]
    fn what_will_not_be_decoded_has_no_effort() {
        assert!(decode_effort(b"GIF89a", &Limits::default(), (8, 8)).is_err());
    }
}
