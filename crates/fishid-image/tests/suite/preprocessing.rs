//! Fits, filters, digests, and decoding at a fraction of the size.

use fishid_image::{
    Filter, Fit, Limits, PADDING_COLOUR, Preprocessing, RgbPhoto, decode, encode_jpeg, encode_png,
    resize,
};

use crate::pictures::{landscape, mean_difference, quarters};

const INPUT: Preprocessing = Preprocessing {
    width: 64,
    height: 64,
    fit: Fit::Stretch,
    filter: Filter::CatmullRom,
};

#[test]
fn stretch_shows_all_four_corners() {
    let shown = INPUT.apply(&quarters());
    assert_eq!((shown.width(), shown.height()), (64, 64));
    for (x, y, corner) in [(1, 1, 0), (62, 1, 1), (1, 62, 2), (62, 62, 3)] {
        assert_eq!(shown.pixel(x, y), crate::pictures::CORNERS[corner]);
    }
}

#[test]
fn pad_keeps_proportions_and_fills_up_with_the_padding_colour() {
    let pad = Preprocessing {
        fit: Fit::Pad,
        ..INPUT
    };
    // 48 × 32 becomes 64 × 43, with 10 rows above and 11 below.
    let shown = pad.apply(&quarters());
    for y in 0..64 {
        assert_eq!(
            shown.pixel(32, y) == PADDING_COLOUR,
            !(10..53).contains(&y),
            "row {y}"
        );
    }
    let upright = pad.apply(&RgbPhoto::filled(20, 80, [1, 2, 3]));
    for x in 0..64 {
        let expected = if (24..40).contains(&x) {
            [1, 2, 3]
        } else {
            PADDING_COLOUR
        };
        assert_eq!(upright.pixel(x, 0), expected, "column {x}");
    }
}

#[test]
fn centre_crop_takes_the_largest_middle_part() {
    // 60 columns: 15 red, 30 blue, 15 red; the middle 30 rows are square.
    let row: Vec<u8> = (0..60)
        .flat_map(|x| {
            if (15..45).contains(&x) {
                [0, 0, 200]
            } else {
                [200, 0, 0]
            }
        })
        .collect();
    let photo = RgbPhoto::new(60, 30, row.repeat(30)).unwrap();
    let shown = Preprocessing {
        width: 30,
        height: 30,
        fit: Fit::CenterCrop,
        ..INPUT
    }
    .apply(&photo);
    assert!(
        shown
            .pixels()
            .as_chunks::<3>()
            .0
            .iter()
            .all(|pixel| *pixel == [0, 0, 200])
    );
}

#[test]
fn photographs_of_any_proportions_fit_any_input() {
    for (width, height) in [(1, 1), (1, 300), (300, 1), (3, 7), (2000, 16)] {
        let photo = RgbPhoto::filled(width, height, [10, 20, 30]);
        for fit in [Fit::Stretch, Fit::Pad, Fit::CenterCrop] {
            for (input_width, input_height) in [(1, 1), (24, 16), (5, 90)] {
                let input = Preprocessing {
                    width: input_width,
                    height: input_height,
                    fit,
                    filter: Filter::Lanczos3,
                };
                let shown = input.apply(&photo);
                assert_eq!((shown.width(), shown.height()), (input_width, input_height));
                let is_right = |pixel: &[u8; 3]| *pixel == [10, 20, 30] || *pixel == PADDING_COLOUR;
                assert!(
                    shown.pixels().as_chunks::<3>().0.iter().all(is_right),
                    "{width} × {height}, {input:?}"
                );
            }
        }
    }
}

#[test]
fn making_smaller_does_not_alias() {
    let stripes: Vec<u8> = (0..512)
        .flat_map(|x| [if x % 2 == 0 { 0 } else { 255 }; 3])
        .collect();
    let photo = RgbPhoto::new(512, 64, stripes.repeat(64)).unwrap();
    for filter in [Filter::Bilinear, Filter::CatmullRom, Filter::Lanczos3] {
        let small = resize(&photo, 60, 60, filter);
        assert!(
            small.pixels().iter().all(|value| value.abs_diff(127) < 14),
            "{filter:?}"
        );
    }
}

#[test]
fn decoding_at_a_fraction_is_close_to_decoding_all() {
    let jpeg = encode_jpeg(&landscape(1600, 1200), 90).unwrap();
    let limits = Limits::default();
    for (width, height) in [(224, 224), (380, 380), (100, 150)] {
        for fit in [Fit::Stretch, Fit::Pad, Fit::CenterCrop] {
            let input = Preprocessing {
                width,
                height,
                fit,
                filter: Filter::CatmullRom,
            };
            let whole = decode(&jpeg, &limits, None).unwrap();
            assert_eq!(whole.width(), 1600);
            let difference =
                mean_difference(&input.load(&jpeg, &limits).unwrap(), &input.apply(&whole));
            assert!(difference < 2.0, "{input:?}: mean difference {difference}");
        }
    }
}

#[test]
fn decoding_leaves_at_least_the_inputs_width_and_height() {
    let jpeg = encode_jpeg(&landscape(1600, 600), 90).unwrap();
    let decoded = |width, height| {
        let photo = Preprocessing {
            width,
            height,
            ..INPUT
        }
        .decode(&jpeg, &Limits::default())
        .unwrap();
        (photo.width(), photo.height())
    };
    assert_eq!(decoded(200, 75), (200, 75));
    assert_eq!(decoded(201, 75), (400, 150));
    assert_eq!(decoded(100, 200), (600, 225));
}

#[test]
fn settings_are_written_as_the_bundle_has_them() {
    let json = r#"{"width":224,"height":224,"fit":"stretch","filter":"catmull_rom"}"#;
    let input: Preprocessing = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&input).unwrap(), json);
    assert_eq!(
        input,
        Preprocessing {
            width: 224,
            height: 224,
            ..INPUT
        }
    );
    let pad: Preprocessing =
        serde_json::from_str(r#"{"width":1,"height":4096,"fit":"pad","filter":"lanczos3"}"#)
            .unwrap();
    assert_eq!((pad.fit, pad.filter), (Fit::Pad, Filter::Lanczos3));
}

#[test]
fn settings_that_make_no_picture_are_refused() {
    for (json, words) in [
        (
            r#"{"width":0,"height":224,"fit":"stretch","filter":"bilinear"}"#,
            "a side of 0 pixels is outside 1 to 4096",
        ),
        (
            r#"{"width":224,"height":5000,"fit":"stretch","filter":"bilinear"}"#,
            "a side of 5000 pixels",
        ),
        (
            r#"{"width":224,"height":224,"fit":"squeeze","filter":"bilinear"}"#,
            "unknown variant `squeeze`",
        ),
    ] {
        let message = serde_json::from_str::<Preprocessing>(json)
            .unwrap_err()
            .to_string();
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn digest_tells_any_two_settings_apart() {
    let mut digests = std::collections::HashSet::new();
    for (width, height) in [(224, 224), (224, 225), (225, 224)] {
        for fit in [Fit::Stretch, Fit::Pad, Fit::CenterCrop] {
            for filter in [Filter::Bilinear, Filter::CatmullRom, Filter::Lanczos3] {
                let digest = Preprocessing {
                    width,
                    height,
                    fit,
                    filter,
                }
                .digest();
                assert!(digest.len() == 64 && digests.insert(digest));
            }
        }
    }
}

#[test]
fn encoded_photographs_decode_to_the_same_picture() {
    let photo = landscape(60, 40);
    let limits = Limits::default();
    assert_eq!(
        decode(&encode_png(&photo).unwrap(), &limits, None).unwrap(),
        photo
    );
    for (quality, most) in [(100, 1.0), (90, 4.0), (0, 60.0), (255, 1.0)] {
        let difference = mean_difference(
            &decode(&encode_jpeg(&photo, quality).unwrap(), &limits, None).unwrap(),
            &photo,
        );
        assert!(
            difference < most,
            "quality {quality}: mean difference {difference}"
        );
    }
}

#[test]
fn photograph_is_made_only_of_the_right_number_of_bytes() {
    assert!(RgbPhoto::new(2, 2, vec![0; 12]).is_ok());
    let error = RgbPhoto::new(2, 2, vec![0; 11]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "11 bytes are no picture of 2 × 2 RGB pixels"
    );
    assert!(RgbPhoto::new(0, 2, Vec::new()).is_err());
    assert!(RgbPhoto::new(u32::MAX, u32::MAX, Vec::new()).is_err());
}
