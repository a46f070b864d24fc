//! Every format × kind of colour × orientation comes out upright and in the right colours.

use fishid_image::{Limits, Orientation, PhotoFormat, decode, probe};
use image::ExtendedColorType;
use turbojpeg::{Colorspace, Subsamp};

use crate::{
    containers::{self, exif, with_jpeg_segment, with_png_chunk, without_jpeg_segment},
    pictures::{
        self, CORNERS, HEIGHT, JpegKind, PLAIN, RASTER_COLOURS, WIDTH, corners_of, gray, quarters,
        stored,
    },
};

fn check(name: &str, bytes: &[u8], corners: [[u8; 3]; 4], tolerance: u8) {
    let photo =
        decode(bytes, &Limits::default(), None).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!((photo.width(), photo.height()), (WIDTH, HEIGHT), "{name}");
    for (found, expected) in corners_of(&photo).iter().zip(corners) {
        let is_near = found
            .iter()
            .zip(expected)
            .all(|(found, expected)| found.abs_diff(expected) <= tolerance);
        assert!(
            is_near,
            "{name}: {found:?} should be {expected:?} ± {tolerance}"
        );
    }
}

fn in_gray() -> [[u8; 3]; 4] {
    CORNERS.map(|corner| [gray(corner); 3])
}

#[test]
fn jpeg_of_every_kind_and_orientation_comes_out_upright_in_its_colours() {
    let kinds = [
        PLAIN,
        JpegKind {
            subsampling: Subsamp::Sub2x2,
            ..PLAIN
        },
        JpegKind {
            subsampling: Subsamp::Sub2x1,
            is_progressive: true,
            ..PLAIN
        },
        JpegKind {
            is_arithmetic: true,
            ..PLAIN
        },
        JpegKind {
            colours: Colorspace::RGB,
            ..PLAIN
        },
        JpegKind {
            colours: Colorspace::Gray,
            subsampling: Subsamp::Gray,
            ..PLAIN
        },
        JpegKind {
            colours: Colorspace::CMYK,
            ..PLAIN
        },
        JpegKind {
            colours: Colorspace::YCCK,
            is_progressive: true,
            ..PLAIN
        },
    ];
    for kind in kinds {
        let corners = if kind.colours == Colorspace::Gray {
            in_gray()
        } else {
            CORNERS
        };
        for orientation in 1..=8 {
            let jpeg = pictures::jpeg(&stored(orientation), kind);
            let data = [b"Exif\0\0".as_slice(), &exif(orientation)].concat();
            check(
                &format!("{kind:?}, orientation {orientation}"),
                &with_jpeg_segment(&jpeg, 0xe1, &data),
                corners,
                6,
            );
        }
    }
}

#[test]
fn cmyk_without_adobes_marker_is_not_inverted() {
    let adobe = pictures::jpeg(
        &quarters(),
        JpegKind {
            colours: Colorspace::CMYK,
            ..PLAIN
        },
    );
    let plain = without_jpeg_segment(&adobe, 0xee);
    assert!(plain.len() < adobe.len());
    // The same samples read as ink: white (all 255) becomes all ink.
    let photo = decode(&plain, &Limits::default(), None).unwrap();
    assert_eq!(corners_of(&photo)[3], [0; 3]);
    assert_eq!(
        corners_of(&decode(&adobe, &Limits::default(), None).unwrap())[3],
        [255; 3]
    );
}

#[test]
fn png_of_every_kind_and_orientation_comes_out_upright_in_its_colours() {
    for colours in RASTER_COLOURS {
        let corners = if colours.channel_count() < 3 {
            in_gray()
        } else {
            CORNERS
        };
        for orientation in 1..=8 {
            let png = pictures::png(&stored(orientation), colours);
            let name = format!("{colours:?}, orientation {orientation}");
            check(
                &name,
                &with_png_chunk(&png, *b"eXIf", &exif(orientation)),
                corners,
                0,
            );
        }
    }
}

#[test]
fn webp_of_every_kind_and_orientation_comes_out_upright_in_its_colours() {
    for colours in [
        ExtendedColorType::Rgb8,
        ExtendedColorType::Rgba8,
        ExtendedColorType::L8,
        ExtendedColorType::La8,
    ] {
        let corners = if colours.channel_count() < 3 {
            in_gray()
        } else {
            CORNERS
        };
        for orientation in 1..=8 {
            let photo = stored(orientation);
            let size = (photo.width(), photo.height());
            let has_alpha = colours.channel_count().is_multiple_of(2);
            // Some programs put JPEG's prefix in front of the EXIF data, which the format does not ask for.
            let prefix: &[u8] = if orientation % 2 == 0 {
                b"Exif\0\0"
            } else {
                b""
            };
            let data = [prefix, &exif(orientation)].concat();
            let bytes = containers::webp_with_exif(
                &pictures::webp(&photo, colours),
                size,
                has_alpha,
                &data,
            );
            check(
                &format!("{colours:?}, orientation {orientation}"),
                &bytes,
                corners,
                0,
            );
        }
    }
}

#[test]
fn lossy_webp_decodes_with_and_without_alpha() {
    check(
        "lossy",
        include_bytes!("../fixtures/lossy.webp"),
        CORNERS,
        8,
    );
    check(
        "lossy with alpha",
        include_bytes!("../fixtures/lossy_alpha.webp"),
        CORNERS,
        8,
    );
}

#[test]
fn animations_give_their_first_picture() {
    check(
        "webp",
        include_bytes!("../fixtures/animated.webp"),
        CORNERS,
        8,
    );
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, WIDTH, HEIGHT);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_animated(2, 0).unwrap();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(quarters().pixels()).unwrap();
    writer
        .write_image_data(&vec![0; quarters().pixels().len()])
        .unwrap();
    writer.finish().unwrap();
    check("png", &bytes, CORNERS, 0);
}

#[test]
fn palette_with_transparency_and_few_bits_decode() {
    let indices = |depth: u32| {
        let per_byte = 8 / depth;
        let quarter = |x: u32, y: u32| (y / (HEIGHT / 2) * 2 + x / (WIDTH / 2)) as u8;
        let pack = move |y: u32, byte: u32| {
            (0..per_byte).fold(0_u8, |packed, i| {
                (packed << (depth % 8)) | quarter(byte * per_byte + i, y)
            })
        };
        (0..HEIGHT)
            .flat_map(|y| (0..WIDTH / per_byte).map(move |byte| pack(y, byte)))
            .collect::<Vec<u8>>()
    };
    for (depth, bits) in [
        (png::BitDepth::Eight, 8),
        (png::BitDepth::Four, 4),
        (png::BitDepth::Two, 2),
    ] {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, WIDTH, HEIGHT);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(depth);
        // The last colour is black that nobody sees.
        encoder.set_palette([CORNERS[0], CORNERS[1], CORNERS[2], [0; 3]].concat());
        encoder.set_trns(vec![255, 255, 255, 0]);
        encoder
            .write_header()
            .unwrap()
            .write_image_data(&indices(bits))
            .unwrap();
        check(&format!("{depth:?} bits"), &bytes, CORNERS, 0);
    }
}

#[test]
fn half_transparent_pixels_mix_with_white() {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 16, 16);
    encoder.set_color(png::ColorType::Rgba);
    encoder
        .write_header()
        .unwrap()
        .write_image_data(&[200, 0, 100, 51].repeat(256))
        .unwrap();
    let photo = decode(&bytes, &Limits::default(), None).unwrap();
    assert_eq!(photo.pixel(8, 8), [244, 204, 224]);
}

#[test]
fn broken_exif_is_ignored() {
    let jpeg = pictures::jpeg(&quarters(), PLAIN);
    let whole = exif(6);
    for data in [
        &b"nonsense"[..],
        b"",
        &whole[..12],
        &exif(0),
        &exif(9),
        b"II*\0\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\xff\xff",
    ] {
        let segment = [b"Exif\0\0".as_slice(), data].concat();
        check(
            "jpeg",
            &with_jpeg_segment(&jpeg, 0xe1, &segment),
            CORNERS,
            6,
        );
        let png = with_png_chunk(
            &pictures::png(&quarters(), ExtendedColorType::Rgb8),
            *b"eXIf",
            data,
        );
        check("png", &png, CORNERS, 0);
    }
}

#[test]
fn orientation_counts_though_another_tag_is_broken() {
    // Two tags; the second one's values lie far outside the data.
    let mut tiff = b"II*\0\x08\0\0\0\x02\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0".to_vec();
    tiff.extend(b"\x0f\x01\x02\0\xff\xff\0\0\xff\xff\xff\x7f\0\0\0\0");
    let png = with_png_chunk(
        &pictures::png(&stored(6), ExtendedColorType::Rgb8),
        *b"eXIf",
        &tiff,
    );
    check("png", &png, CORNERS, 0);
}

#[test]
fn bytes_behind_the_end_do_no_harm() {
    let garbage = [0_u8, 255, 216, 1, 2, 3].repeat(50);
    check(
        "jpeg",
        &[pictures::jpeg(&quarters(), PLAIN), garbage.clone()].concat(),
        CORNERS,
        6,
    );
    check(
        "png",
        &[
            pictures::png(&quarters(), ExtendedColorType::Rgb8),
            garbage.clone(),
        ]
        .concat(),
        CORNERS,
        0,
    );
    check(
        "webp",
        &[
            pictures::webp(&quarters(), ExtendedColorType::Rgb8),
            garbage,
        ]
        .concat(),
        CORNERS,
        0,
    );
}

#[test]
fn stray_bytes_between_a_jpegs_pixels_and_its_end_do_no_harm() {
    let mut jpeg = pictures::jpeg(&quarters(), PLAIN);
    let end = jpeg.len() - 2;
    jpeg.splice(end..end, [1, 2, 3, 4, 5, 6, 7]);
    check("jpeg", &jpeg, CORNERS, 6);
    jpeg.truncate(end + 7);
    assert_eq!(
        decode(&jpeg, &Limits::default(), None).unwrap_err().kind(),
        "broken"
    );
}

#[test]
fn header_tells_format_stored_size_and_orientation() {
    let photo = stored(6);
    let png = with_png_chunk(
        &pictures::png(&photo, ExtendedColorType::Rgb8),
        *b"eXIf",
        &exif(6),
    );
    let header = probe(&png).unwrap();
    assert_eq!(
        (header.format, header.width, header.height),
        (PhotoFormat::Png, HEIGHT, WIDTH)
    );
    assert_eq!(header.orientation, Orientation::Rotate90);
    assert_eq!(header.upright_size(), (WIDTH, HEIGHT));
    assert!(header.format.has_extension("PNG") && !header.format.has_extension("jpg"));
    let webp = probe(&pictures::webp(&photo, ExtendedColorType::Rgb8)).unwrap();
    assert_eq!(
        (webp.format, webp.upright_size()),
        (PhotoFormat::WebP, (HEIGHT, WIDTH))
    );
}

#[test]
fn jpeg_is_decoded_at_the_smallest_size_that_is_enough() {
    let jpeg = pictures::jpeg(&pictures::landscape(800, 600), PLAIN);
    let turned = with_jpeg_segment(&jpeg, 0xe1, &[b"Exif\0\0".as_slice(), &exif(6)].concat());
    for (least, size) in [
        (None, (800, 600)),
        (Some(1), (100, 75)),
        (Some(75), (100, 75)),
        (Some(76), (200, 150)),
        (Some(224), (300, 225)),
        (Some(225), (300, 225)),
        (Some(226), (400, 300)),
        (Some(600), (800, 600)),
        (Some(5000), (800, 600)),
    ] {
        let photo = decode(&jpeg, &Limits::default(), least).unwrap();
        assert_eq!((photo.width(), photo.height()), size, "{least:?}");
        let photo = decode(&turned, &Limits::default(), least).unwrap();
        assert_eq!((photo.height(), photo.width()), size, "{least:?}, turned");
    }
}
