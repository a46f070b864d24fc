//! Pictures whose every corner tells which one it is, stored in all the ways cameras and programs do.

use fishid_image::RgbPhoto;
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder, codecs::webp::WebPEncoder};
use turbojpeg::{Colorspace, Compressor, Image, PixelFormat, Subsamp};

pub(crate) const WIDTH: u32 = 48;
pub(crate) const HEIGHT: u32 = 32;

/// Red, green; blue, white.
pub(crate) const CORNERS: [[u8; 3]; 4] =
    [[200, 30, 40], [40, 180, 60], [30, 50, 190], [255, 255, 255]];

/// The upright picture: four quarters.
pub(crate) fn quarters() -> RgbPhoto {
    stored(1)
}

/// The picture as a camera stores it under an EXIF orientation. From the standard's table, which says
/// where row 0 and column 0 lie to the eye, and not from the code under test.
pub(crate) fn stored(orientation: u16) -> RgbPhoto {
    let (row_0, column_0) = match orientation {
        1 => ("top", "left"),
        2 => ("top", "right"),
        3 => ("bottom", "right"),
        4 => ("bottom", "left"),
        5 => ("left", "top"),
        6 => ("right", "top"),
        7 => ("right", "bottom"),
        _ => ("left", "bottom"),
    };
    let (width, height) = if orientation < 5 {
        (WIDTH, HEIGHT)
    } else {
        (HEIGHT, WIDTH)
    };
    let mut pixels = Vec::new();
    for row in 0..height {
        for column in 0..width {
            let mut at = (0, 0);
            for (side, distance) in [(row_0, row), (column_0, column)] {
                match side {
                    "top" => at.1 = distance,
                    "bottom" => at.1 = HEIGHT - 1 - distance,
                    "left" => at.0 = distance,
                    _ => at.0 = WIDTH - 1 - distance,
                }
            }
            pixels.extend(CORNERS[(at.1 / (HEIGHT / 2) * 2 + at.0 / (WIDTH / 2)) as usize]);
        }
    }
    RgbPhoto::new(width, height, pixels).unwrap()
}

/// Fine and coarse structure with smooth colour, from integer arithmetic alone.
pub(crate) fn landscape(width: u32, height: u32) -> RgbPhoto {
    let mut pixels = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let wave = (x * 7 / 3 + y * 5 / 2) % 128;
            let ripple = if wave < 64 { wave } else { 127 - wave };
            let sky = 255 * y / height;
            let side = 255 * x / width;
            pixels.extend(
                [
                    side * 3 / 4 + ripple,
                    255 - sky * 3 / 4,
                    (side + sky) / 3 + ripple,
                ]
                .map(|v| v.min(255) as u8),
            );
        }
    }
    RgbPhoto::new(width, height, pixels).unwrap()
}

/// Four of this picture's corners, away from the edge: top left, top right, bottom left, bottom right.
pub(crate) fn corners_of(photo: &RgbPhoto) -> [[u8; 3]; 4] {
    let (right, bottom) = (photo.width() - 4, photo.height() - 4);
    [(3, 3), (right, 3), (3, bottom), (right, bottom)].map(|(x, y)| photo.pixel(x, y))
}

pub(crate) fn mean_difference(a: &RgbPhoto, b: &RgbPhoto) -> f64 {
    assert_eq!((a.width(), a.height()), (b.width(), b.height()));
    let sum: u64 = a
        .pixels()
        .iter()
        .zip(b.pixels())
        .map(|(a, b)| u64::from(a.abs_diff(*b)))
        .sum();
    sum as f64 / a.pixels().len() as f64
}

/// A way to store a JPEG.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JpegKind {
    pub(crate) colours: Colorspace,
    pub(crate) subsampling: Subsamp,
    pub(crate) is_progressive: bool,
    pub(crate) is_arithmetic: bool,
}

pub(crate) const PLAIN: JpegKind = JpegKind {
    colours: Colorspace::YCbCr,
    subsampling: Subsamp::None,
    is_progressive: false,
    is_arithmetic: false,
};

/// Writes a JPEG. CMYK is written as Adobe does: inverted, with its marker.
pub(crate) fn jpeg(photo: &RgbPhoto, kind: JpegKind) -> Vec<u8> {
    let is_ink = matches!(kind.colours, Colorspace::CMYK | Colorspace::YCCK);
    let (pixels, format) = if is_ink {
        (inverted_ink(photo), PixelFormat::CMYK)
    } else {
        (photo.pixels().to_vec(), PixelFormat::RGB)
    };
    let width = photo.width() as usize;
    let source = Image {
        pixels: pixels.as_slice(),
        width,
        pitch: width * format.size(),
        height: photo.height() as usize,
        format,
    };
    let mut compressor = Compressor::new().unwrap();
    compressor.set_quality(95).unwrap();
    compressor.set_colorspace(kind.colours).unwrap();
    compressor.set_subsamp(kind.subsampling).unwrap();
    compressor.set_progressive(kind.is_progressive).unwrap();
    compressor.set_arithmetic(kind.is_arithmetic).unwrap();
    compressor.compress_to_vec(source).unwrap()
}

/// `255 - ink`, with as much black as the colour allows.
fn inverted_ink(photo: &RgbPhoto) -> Vec<u8> {
    let to_ink = |&[r, g, b]: &[u8; 3]| {
        let black = r.max(g).max(b);
        let light = |colour: u8| {
            if black == 0 {
                255
            } else {
                (u16::from(colour) * 255 / u16::from(black)) as u8
            }
        };
        [light(r), light(g), light(b), black]
    };
    photo
        .pixels()
        .as_chunks::<3>()
        .0
        .iter()
        .flat_map(to_ink)
        .collect()
}

/// The channels a raster format can hold.
pub(crate) const RASTER_COLOURS: [ExtendedColorType; 8] = [
    ExtendedColorType::L8,
    ExtendedColorType::La8,
    ExtendedColorType::Rgb8,
    ExtendedColorType::Rgba8,
    ExtendedColorType::L16,
    ExtendedColorType::La16,
    ExtendedColorType::Rgb16,
    ExtendedColorType::Rgba16,
];

/// Samples of these channels; where there is alpha, white becomes transparent black.
fn samples(photo: &RgbPhoto, colours: ExtendedColorType) -> Vec<u8> {
    let n_channels = colours.channel_count();
    let is_wide = colours.bits_per_pixel() / u16::from(n_channels) == 16;
    let mut bytes = Vec::new();
    for pixel in photo.pixels().as_chunks::<3>().0 {
        let is_clear = n_channels.is_multiple_of(2) && *pixel == [255; 3];
        let mut channels = if n_channels < 3 {
            vec![gray(*pixel)]
        } else {
            pixel.to_vec()
        };
        if is_clear {
            channels.fill(0);
        }
        if n_channels.is_multiple_of(2) {
            channels.push(if is_clear { 0 } else { 255 });
        }
        for channel in channels {
            bytes.push(channel);
            if is_wide {
                // 16 bits in the machine's order: v × 257 has the same byte twice.
                bytes.push(channel);
            }
        }
    }
    bytes
}

pub(crate) fn gray([r, g, b]: [u8; 3]) -> u8 {
    ((u32::from(r) * 299 + u32::from(g) * 587 + u32::from(b) * 114) / 1000) as u8
}

pub(crate) fn png(photo: &RgbPhoto, colours: ExtendedColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(
            &samples(photo, colours),
            photo.width(),
            photo.height(),
            colours,
        )
        .unwrap();
    bytes
}

/// Lossless, 8 bits.
pub(crate) fn webp(photo: &RgbPhoto, colours: ExtendedColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    WebPEncoder::new_lossless(&mut bytes)
        .encode(
            &samples(photo, colours),
            photo.width(),
            photo.height(),
            colours,
        )
        .unwrap();
    bytes
}
