//! PNG and WebP by the `image` crate.

use std::{
    io::Cursor,
    panic::{AssertUnwindSafe, catch_unwind},
};

use image::{DynamicImage, ImageError, ImageFormat, ImageReader};

use crate::{PhotoError, PhotoFormat, RgbPhoto, header::PhotoHeader};

/// What decoders may take beside the pixels: rows, tables, metadata.
const SPARE_BYTES: u64 = 32 << 20;

pub(super) fn decode(bytes: &[u8], header: &PhotoHeader) -> Result<RgbPhoto, PhotoError> {
    let format = match header.format {
        PhotoFormat::WebP => ImageFormat::WebP,
        PhotoFormat::Png | PhotoFormat::Jpeg => ImageFormat::Png,
    };
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(header.width);
    limits.max_image_height = Some(header.height);
    // Four channels of 16 bits are the most a pixel takes.
    let n_pixels = u64::from(header.width) * u64::from(header.height);
    limits.max_alloc = Some(n_pixels.saturating_mul(8).saturating_add(SPARE_BYTES));
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    // The build checks arithmetic, so a decoder that overflows on a stranger's bytes stops with a panic:
    // that is a broken photograph, not the end of a server's thread.
    let decoded = catch_unwind(AssertUnwindSafe(|| reader.decode()))
        .map_err(|_| PhotoError::broken("its contents contradict each other"))?
        .map_err(|error| broken(&error))?;
    if (decoded.width(), decoded.height()) != (header.width, header.height) {
        return Err(PhotoError::broken("it gives two different sizes"));
    }
    let (width, height) = (decoded.width(), decoded.height());
    Ok(RgbPhoto::of_exact(width, height, to_rgb(decoded)))
}

fn to_rgb(decoded: DynamicImage) -> Vec<u8> {
    if !decoded.color().has_alpha() {
        return decoded.into_rgb8().into_raw();
    }
    let rgba = decoded.into_rgba8().into_raw();
    let mut rgb = Vec::with_capacity(rgba.len() / 4 * 3);
    for &[red, green, blue, alpha] in rgba.as_chunks::<4>().0 {
        let over_white = |colour: u8| {
            let (colour, alpha) = (u16::from(colour), u16::from(alpha));
            ((colour * alpha + 255 * (255 - alpha) + 127) / 255) as u8
        };
        rgb.extend([red, green, blue].map(over_white));
    }
    rgb
}

fn broken(error: &ImageError) -> PhotoError {
    match error {
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            PhotoError::cut_off()
        }
        ImageError::Limits(_) => PhotoError::broken("it needs more memory than its size explains"),
        other => PhotoError::broken(other.to_string()),
    }
}
