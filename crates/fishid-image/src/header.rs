//! What a photograph says of itself before a pixel of it is decoded.
//!
//! The walks over the files are our own: they take no memory, so sizes are known before any decoder
//! may allocate. EXIF itself is parsed by `kamadak-exif`; a broken one counts as none.

mod exif;
mod jpeg;
mod png;
mod webp;

use crate::{Orientation, PhotoError, PhotoFormat};

/// Format, stored size and orientation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhotoHeader {
    /// The format, by the first bytes.
    pub format: PhotoFormat,
    /// Columns as stored, before orientation.
    pub width: u32,
    /// Rows as stored, before orientation.
    pub height: u32,
    /// What has to be done to see it upright.
    pub orientation: Orientation,
}

impl PhotoHeader {
    /// Width and height of the upright photograph.
    pub fn upright_size(&self) -> (u32, u32) {
        if self.orientation.swaps_sides() {
            (self.height, self.width)
        } else {
            (self.width, self.height)
        }
    }
}

/// Reads the header only, and takes no memory for pixels. Sizes are not judged here: see [`crate::Limits`].
pub fn probe(bytes: &[u8]) -> Result<PhotoHeader, PhotoError> {
    read(bytes).map(|facts| facts.header)
}

/// The public header, and what only the decoder asks for.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) header: PhotoHeader,
    /// A JPEG with Adobe's marker stores CMYK inverted: 255 is no ink.
    pub(crate) has_adobe_marker: bool,
    /// See [`Walk::is_dear`].
    pub(crate) is_dear: bool,
}

/// What a walk over the file found.
#[derive(Debug, Default)]
struct Walk<'a> {
    width: u32,
    height: u32,
    /// The TIFF structure of the EXIF data, without what the container puts in front.
    exif: Option<&'a [u8]>,
    has_adobe_marker: bool,
    /// Coded in a way that takes the decoder more memory per pixel: a JPEG in several passes, a PNG of 16 bits.
    is_dear: bool,
}

pub(crate) fn read(bytes: &[u8]) -> Result<Facts, PhotoError> {
    let format = PhotoFormat::sniff(bytes)?;
    let walk = match format {
        PhotoFormat::Jpeg => jpeg::walk(bytes),
        PhotoFormat::Png => png::walk(bytes),
        PhotoFormat::WebP => webp::walk(bytes),
    }?;
    if walk.width == 0 || walk.height == 0 {
        return Err(PhotoError::broken("its header gives a size of zero"));
    }
    let orientation = walk.exif.and_then(exif::orientation).unwrap_or_default();
    let header = PhotoHeader {
        format,
        width: walk.width,
        height: walk.height,
        orientation,
    };
    Ok(Facts {
        header,
        has_adobe_marker: walk.has_adobe_marker,
        is_dear: walk.is_dear,
    })
}

/// Takes `n` bytes off the front.
fn take<'a>(bytes: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    bytes.split_off(..n)
}
