//! Views by chance: drawn from seed, photograph and index alone, and never far from the photograph.

use fishid_image::{Augmentation, Filter, Fit, PADDING_COLOUR, Preprocessing, RgbPhoto, View};
use proptest::prelude::*;

use crate::pictures::{CORNERS, landscape, mean_difference, quarters};

const INPUT: Preprocessing = Preprocessing {
    width: 64,
    height: 48,
    fit: Fit::Stretch,
    filter: Filter::CatmullRom,
};

/// Changes nothing.
const STILL: Augmentation = Augmentation {
    min_area: 1.0,
    max_aspect_change: 1.0,
    max_rotation: 0.0,
    mirror_probability: 0.0,
    brightness: 0.0,
    contrast: 0.0,
    saturation: 0.0,
    hue: 0.0,
};

fn augmented(
    augmentation: &Augmentation,
    photo: &RgbPhoto,
    seed: u64,
    digest: &str,
    index: u32,
) -> RgbPhoto {
    augmentation.render(photo, View::Augmented { index }, seed, digest, &INPUT)
}

#[test]
fn original_and_mirror_are_what_the_model_is_shown() {
    let photo = landscape(200, 150);
    let render = |view| Augmentation::default().render(&photo, view, 1, "a", &INPUT);
    assert_eq!(render(View::Original), INPUT.apply(&photo));
    let mirror = render(View::Mirror);
    assert_eq!(mirror.mirrored(), INPUT.apply(&photo));
    assert_ne!(render(View::Mirror), render(View::Original));
}

#[test]
fn view_depends_on_seed_photograph_and_index_alone() {
    let photo = landscape(200, 150);
    let augmentation = Augmentation::default();
    let first = augmented(&augmentation, &photo, 1, "a", 0);
    for (seed, digest, index) in [(2, "a", 0), (1, "b", 0), (1, "a", 1)] {
        assert_ne!(augmented(&augmentation, &photo, seed, digest, index), first);
    }
    assert_eq!(augmented(&augmentation, &photo, 1, "a", 0), first);
}

#[test]
fn without_changes_the_view_is_nearly_the_original() {
    // From a source that is enlarged, taken as it is, and made smaller first.
    for (width, height) in [(40, 30), (64, 48), (80, 60), (640, 480)] {
        let photo = landscape(width, height);
        let difference =
            mean_difference(&augmented(&STILL, &photo, 1, "a", 0), &INPUT.apply(&photo));
        assert!(
            difference < 3.0,
            "{width} × {height}: mean difference {difference}"
        );
    }
}

#[test]
fn mirrored_views_are_mirrored() {
    let photo = landscape(640, 480);
    let mirrored = augmented(
        &Augmentation {
            mirror_probability: 1.0,
            ..STILL
        },
        &photo,
        1,
        "a",
        0,
    );
    assert!(mean_difference(&mirrored, &INPUT.apply(&photo).mirrored()) < 3.0);
    let is_mirrored = |index| {
        let view = augmented(
            &Augmentation {
                mirror_probability: 0.5,
                ..STILL
            },
            &quarters(),
            1,
            "a",
            index,
        );
        view.pixel(2, 2)[1] > 100
    };
    let n_mirrored = (0..200).filter(|index| is_mirrored(*index)).count();
    assert!((70..130).contains(&n_mirrored), "{n_mirrored} of 200");
}

#[test]
fn turning_moves_the_corners_and_keeps_the_middle() {
    // A quarter of a square each; turned by 12° the middle of each quarter stays in its colour.
    let turned = (0..50).map(|index| {
        augmented(
            &Augmentation {
                max_rotation: 12.0,
                ..STILL
            },
            &quarters(),
            1,
            "a",
            index,
        )
    });
    let mut directions = [0, 0];
    for view in turned {
        for (x, y, corner) in [(16, 12, 0), (48, 12, 1), (16, 36, 2), (48, 36, 3)] {
            assert_eq!(view.pixel(x, y), CORNERS[corner]);
        }
        // Just left of the middle line at the top: red, or green once turned anticlockwise.
        directions[usize::from(view.pixel(30, 1)[1] > 100)] += 1;
    }
    assert!(directions.iter().all(|&n| n > 5), "{directions:?}");
}

#[test]
fn crops_keep_at_least_the_smallest_area() {
    // A photograph whose red rises from left to right by 200 shows by its span how wide the crop is.
    let row: Vec<u8> = (0..400_u32).flat_map(|x| [(x / 2) as u8, 0, 0]).collect();
    let photo = RgbPhoto::new(400, 300, row.repeat(300)).unwrap();
    let crop = Augmentation {
        min_area: 0.6,
        ..STILL
    };
    let spans: Vec<i32> = (0..100)
        .map(|index| augmented(&crop, &photo, 1, "a", index))
        .map(|view| i32::from(view.pixel(63, 20)[0]) - i32::from(view.pixel(0, 20)[0]))
        .collect();
    let (least, most) = (spans.iter().min().unwrap(), spans.iter().max().unwrap());
    assert!((148..170).contains(least), "{least}");
    assert!((185..=200).contains(most), "{most}");
}

#[test]
fn bars_keep_their_colour() {
    let pad = Preprocessing {
        fit: Fit::Pad,
        ..INPUT
    };
    let photo = RgbPhoto::filled(200, 40, [90, 120, 60]);
    for index in 0..20 {
        let view = Augmentation::default().render(&photo, View::Augmented { index }, 1, "a", &pad);
        assert_eq!((view.width(), view.height()), (64, 48));
        assert_eq!(
            (view.pixel(0, 0), view.pixel(63, 47)),
            (PADDING_COLOUR, PADDING_COLOUR)
        );
        assert_ne!(view.pixel(32, 24), PADDING_COLOUR);
    }
}

#[test]
fn keys_tell_views_apart_and_leave_the_seed_out_where_it_has_no_effect() {
    let default = Augmentation::default();
    assert_eq!(
        View::Original.key(1, &default),
        View::Original.key(2, &STILL)
    );
    assert_eq!(View::Mirror.key(1, &default), "mirror");
    let view = View::Augmented { index: 3 };
    let mut keys = std::collections::HashSet::from([
        View::Original.key(1, &default),
        View::Mirror.key(1, &default),
    ]);
    assert!(keys.insert(view.key(1, &default)));
    assert!(keys.insert(view.key(2, &default)));
    assert!(keys.insert(view.key(1, &STILL)));
    assert!(keys.insert(View::Augmented { index: 4 }.key(1, &default)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_photograph_and_range_gives_a_view_of_the_inputs_size(
        (width, height) in (1..70_u32, 1..70_u32),
        (input_width, input_height) in (1..40_u32, 1..40_u32),
        fit in prop::sample::select(vec![Fit::Stretch, Fit::Pad, Fit::CenterCrop]),
        (min_area, max_rotation, colour) in (-0.5..2.0, 0.0..200.0, 0.0..3.0),
        index in any::<u32>(),
    ) {
        let augmentation = Augmentation {
            min_area, max_rotation, brightness: colour, contrast: colour, saturation: colour, hue: colour,
            ..Augmentation::default()
        };
        let input = Preprocessing { width: input_width, height: input_height, fit, filter: Filter::Lanczos3 };
        let view = augmentation.render(&landscape(width, height), View::Augmented { index }, 7, "p", &input);
        prop_assert_eq!((view.width(), view.height()), (input_width, input_height));
    }
}
