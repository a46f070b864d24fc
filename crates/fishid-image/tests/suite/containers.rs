//! Just enough of three file formats to put EXIF, odd headers and scans where a test wants them.

/// EXIF data whose only tag is an orientation.
pub(crate) fn exif(orientation: u16) -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    tiff.extend(orientation.to_le_bytes());
    tiff.extend([0; 6]);
    tiff
}

/// The JPEG with a segment behind its first marker.
pub(crate) fn with_jpeg_segment(jpeg: &[u8], marker: u8, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xff, marker], &length, data, &jpeg[2..]].concat()
}

/// The JPEG without the segments of one marker in front of its pixels.
pub(crate) fn without_jpeg_segment(jpeg: &[u8], marker: u8) -> Vec<u8> {
    let mut kept = jpeg[..2].to_vec();
    let mut at = 2;
    while jpeg[at + 1] != 0xda {
        let end = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        if jpeg[at + 1] != marker {
            kept.extend(&jpeg[at..end]);
        }
        at = end;
    }
    kept.extend(&jpeg[at..]);
    kept
}

/// Where the segment of a marker starts.
pub(crate) fn jpeg_marker_at(jpeg: &[u8], marker: u8) -> usize {
    jpeg.windows(2)
        .position(|pair| pair == [0xff, marker])
        .unwrap()
}

/// The JPEG with other numbers in its header.
pub(crate) fn with_jpeg_size(jpeg: &[u8], width: u16, height: u16) -> Vec<u8> {
    let at = jpeg_marker_at(jpeg, 0xc0) + 5;
    let mut jpeg = jpeg.to_vec();
    jpeg[at..at + 2].copy_from_slice(&height.to_be_bytes());
    jpeg[at + 2..at + 4].copy_from_slice(&width.to_be_bytes());
    jpeg
}

/// The PNG with a chunk behind its header.
pub(crate) fn with_png_chunk(png: &[u8], kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    [&png[..33], &png_chunk(kind, data), &png[33..]].concat()
}

/// A PNG of this size whose pixels are missing.
pub(crate) fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([8, 2, 0, 0, 0]);
    [
        b"\x89PNG\r\n\x1a\n".as_slice(),
        &png_chunk(*b"IHDR", &header),
        &png_chunk(*b"IDAT", &[0x78, 0x9c, 0xed]),
    ]
    .concat()
}

fn png_chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [kind.as_slice(), data].concat();
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    [length.as_slice(), &body, &crc32(&body).to_be_bytes()].concat()
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 {
                (crc >> 1) ^ 0xedb8_8320
            } else {
                crc >> 1
            }
        })
    })
}

/// A WebP of these chunks.
pub(crate) fn webp(chunks: &[([u8; 4], &[u8])]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (kind, data) in chunks {
        body.extend(kind);
        body.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        body.extend(*data);
        body.extend(vec![0; data.len() % 2]);
    }
    [
        b"RIFF".as_slice(),
        &u32::try_from(body.len()).unwrap().to_le_bytes(),
        &body,
    ]
    .concat()
}

/// Data of a `VP8X` chunk.
pub(crate) fn webp_canvas(flags: u8, width: u32, height: u32) -> Vec<u8> {
    let mut data = vec![flags, 0, 0, 0];
    data.extend(&(width - 1).to_le_bytes()[..3]);
    data.extend(&(height - 1).to_le_bytes()[..3]);
    data
}

/// A simple lossless WebP as an extended one with EXIF.
pub(crate) fn webp_with_exif(
    simple: &[u8],
    size: (u32, u32),
    has_alpha: bool,
    exif: &[u8],
) -> Vec<u8> {
    let length = u32::from_le_bytes(simple[16..20].try_into().unwrap()) as usize;
    let picture = &simple[20..20 + length];
    let flags = 0x08 | if has_alpha { 0x10 } else { 0 };
    webp(&[
        (*b"VP8X", &webp_canvas(flags, size.0, size.1)),
        (*b"VP8L", picture),
        (*b"EXIF", exif),
    ])
}
