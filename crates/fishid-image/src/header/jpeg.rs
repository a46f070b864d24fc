//! The markers of a JPEG up to its first scan (ITU-T T.81, annex B).

use super::{Walk, take};
use crate::PhotoError;

pub(super) fn walk(bytes: &[u8]) -> Result<Walk<'_>, PhotoError> {
    let mut found = Walk::default();
    let mut has_size = false;
    let mut rest = &bytes[2..];
    loop {
        let marker = next_marker(&mut rest)?;
        match marker {
            // Start of scan: everything before the pixels has been seen.
            0xda if has_size => return Ok(found),
            0xda => return Err(PhotoError::broken("it has pixels but no size")),
            0xd9 => return Err(PhotoError::broken("it has no pixels")),
            // Markers without a segment.
            0x01 | 0xd0..=0xd8 => continue,
            _ => {}
        }
        let segment = segment(&mut rest).ok_or_else(PhotoError::cut_off)?;
        match marker {
            // Start of frame, of any coding; c4, c8 and cc are tables that share the range.
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                let &[_precision, h1, h2, w1, w2, ..] = segment else {
                    return Err(PhotoError::broken("its header is incomplete"));
                };
                found.width = u16::from_be_bytes([w1, w2]).into();
                found.height = u16::from_be_bytes([h1, h2]).into();
                // Progressive: all coefficients are kept until the last pass.
                found.is_dear = marker & 0b11 == 0b10;
                has_size = true;
            }
            0xe1 if found.exif.is_none() => found.exif = segment.strip_prefix(b"Exif\0\0"),
            0xee if segment.starts_with(b"Adobe") => found.has_adobe_marker = true,
            _ => {}
        }
    }
}

fn next_marker(rest: &mut &[u8]) -> Result<u8, PhotoError> {
    if take(rest, 1).ok_or_else(PhotoError::cut_off)? != [0xff] {
        return Err(PhotoError::broken("its header is scrambled"));
    }
    // Any number of 0xff may fill the space in front of a marker.
    loop {
        match take(rest, 1).ok_or_else(PhotoError::cut_off)? {
            [0xff] => {}
            [0] => return Err(PhotoError::broken("its header is scrambled")),
            marker => return Ok(marker[0]),
        }
    }
}

fn segment<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take(rest, 2)?;
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    take(rest, length.checked_sub(2)?)
}
