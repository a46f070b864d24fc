//! The chunks of a WebP: the canvas, the pictures on it, EXIF (RFC 9649).

use super::{Walk, take};
use crate::PhotoError;

pub(super) fn walk(bytes: &[u8]) -> Result<Walk<'_>, PhotoError> {
    let mut rest = &bytes[12..];
    let mut found = Walk::default();
    let mut has_canvas = false;
    while let Some((kind, data)) = chunk(&mut rest)? {
        match kind {
            b"VP8X" if !has_canvas => {
                (found.width, found.height) = canvas_size(data).ok_or_else(incomplete)?;
                has_canvas = true;
            }
            b"EXIF" if found.exif.is_none() => {
                found.exif = Some(data.strip_prefix(b"Exif\0\0").unwrap_or(data));
            }
            b"ANMF" => {
                let mut frame = data.get(16..).ok_or_else(incomplete)?;
                while let Some((kind, data)) = chunk(&mut frame)? {
                    note_picture(&mut found, &mut has_canvas, *kind, data)?;
                }
            }
            _ => note_picture(&mut found, &mut has_canvas, *kind, data)?,
        }
    }
    if has_canvas {
        Ok(found)
    } else {
        Err(PhotoError::cut_off())
    }
}

fn incomplete() -> PhotoError {
    PhotoError::broken("its header is incomplete")
}

/// A picture gives the size where no canvas did, and must not be larger than the canvas: the decoder
/// would take memory for it before it compares.
fn note_picture(
    found: &mut Walk,
    has_canvas: &mut bool,
    kind: [u8; 4],
    data: &[u8],
) -> Result<(), PhotoError> {
    let (width, height) = match &kind {
        b"VP8 " => lossy_size(data),
        b"VP8L" => lossless_size(data),
        _ => return Ok(()),
    }
    .ok_or_else(incomplete)?;
    if !*has_canvas {
        (found.width, found.height) = (width, height);
        *has_canvas = true;
    }
    if width > found.width || height > found.height {
        return Err(PhotoError::broken("it holds a picture larger than itself"));
    }
    Ok(())
}

fn canvas_size(data: &[u8]) -> Option<(u32, u32)> {
    let side = |at: usize| {
        Some(1 + u32::from_le_bytes([*data.get(at)?, *data.get(at + 1)?, *data.get(at + 2)?, 0]))
    };
    Some((side(4)?, side(7)?))
}

fn lossy_size(data: &[u8]) -> Option<(u32, u32)> {
    let side = |at: usize| {
        Some(u32::from(
            u16::from_le_bytes([*data.get(at)?, *data.get(at + 1)?]) & 0x3fff,
        ))
    };
    Some((side(6)?, side(8)?))
}

fn lossless_size(data: &[u8]) -> Option<(u32, u32)> {
    let bits = u32::from_le_bytes(*data.get(1..5)?.as_array()?);
    Some((1 + (bits & 0x3fff), 1 + ((bits >> 14) & 0x3fff)))
}

/// A chunk's name and data.
type Chunk<'a> = (&'a [u8; 4], &'a [u8]);

/// The next chunk. Pixels that end too early are an error here, because the lossy decoder would fill up
/// with what it likes; of anything else there is as much as there is.
fn chunk<'a>(rest: &mut &'a [u8]) -> Result<Option<Chunk<'a>>, PhotoError> {
    let Some(&[ref kind @ .., l1, l2, l3, l4]) = take(rest, 8).and_then(<[u8]>::as_array::<8>)
    else {
        return Ok(None);
    };
    let length = u32::from_le_bytes([l1, l2, l3, l4]) as usize;
    if length > rest.len() && matches!(kind, b"VP8 " | b"VP8L" | b"ALPH" | b"ANMF") {
        return Err(PhotoError::cut_off());
    }
    let data = take(rest, length.min(rest.len())).unwrap_or_default();
    // Chunks start at even offsets.
    take(rest, length & 1);
    Ok(Some((kind, data)))
}
