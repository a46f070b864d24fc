//! The chunks of a PNG: size from the first, EXIF from wherever it stands.

use super::{Walk, take};
use crate::PhotoError;

pub(super) fn walk(bytes: &[u8]) -> Result<Walk<'_>, PhotoError> {
    let mut rest = &bytes[8..];
    let Some((b"IHDR", header)) = chunk(&mut rest) else {
        return Err(if bytes.len() < 33 {
            PhotoError::cut_off()
        } else {
            PhotoError::broken("it has no header")
        });
    };
    let &[w1, w2, w3, w4, h1, h2, h3, h4, bit_depth, ..] = header else {
        return Err(PhotoError::broken("its header is incomplete"));
    };
    let mut found = Walk {
        width: u32::from_be_bytes([w1, w2, w3, w4]),
        height: u32::from_be_bytes([h1, h2, h3, h4]),
        is_dear: bit_depth == 16,
        ..Walk::default()
    };
    while let Some((kind, data)) = chunk(&mut rest) {
        match kind {
            b"eXIf" => found.exif = Some(data),
            b"IEND" => break,
            _ => {}
        }
    }
    Ok(found)
}

/// The next chunk's type and data; its checksum is the decoder's affair.
fn chunk<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8; 4], &'a [u8])> {
    let length = u32::from_be_bytes(*take(rest, 4)?.as_array()?);
    let kind = take(rest, 4)?.as_array()?;
    let data = take(rest, usize::try_from(length).ok()?)?;
    take(rest, 4)?;
    Some((kind, data))
}
