//! Things people lay fish on: a boat's deck, a measuring board, a landing net.

use tiny_skia::{Pixmap, Transform};

use crate::synth::brush::line;
use crate::synth::colour::{Rgb, fill, mix, paint, scaled};
use crate::synth::dice::Dice;

/// On land there is no haze; the type lets every place be painted alike.
type NoHaze = Option<(Rgb, f32)>;

pub(super) fn deck(picture: &mut Pixmap, dice: &mut Dice) -> NoHaze {
    let woods = [
        [150.0, 112.0, 74.0],
        [186.0, 160.0, 122.0],
        [104.0, 96.0, 86.0],
        [92.0, 112.0, 120.0],
    ];
    let (wood, noise) = (woods[dice.below(4)], dice.noise());
    let plank = picture.height() as f32 * dice.between(0.14, 0.34);
    let (sin, cos) = dice.around(0.0, 0.5).sin_cos();
    let upright = dice.chance(0.3);
    fill(picture, |x, y| {
        let (x, y) = if upright { (y, x) } else { (x, y) };
        let (along, across) = (x * cos + y * sin, y * cos - x * sin);
        let number = (across / plank).floor();
        let own = noise.cell(number as i32, 7);
        let wiggle = noise.at(along / 90.0, number * 3.0) * 6.0;
        let grain = noise
            .sibling(1)
            .at(along / 46.0 + own * 50.0, (across + wiggle) / 2.6);
        let rings = noise.sibling(2).at(along / 170.0, across / 9.0);
        let inside = (across / plank).rem_euclid(1.0);
        let gap = inside.min(1.0 - inside) * plank;
        let light = 0.66 + 0.2 * own + 0.2 * grain + 0.16 * rings;
        if gap < 1.8 {
            scaled(wood, 0.22)
        } else {
            scaled(wood, light)
        }
    });
    None
}

pub(super) fn measuring(picture: &mut Pixmap, dice: &mut Dice) -> NoHaze {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let boards = [
        [236.0, 234.0, 224.0],
        [240.0, 210.0, 70.0],
        [198.0, 210.0, 216.0],
        [222.0, 196.0, 150.0],
    ];
    let (board, noise) = (boards[dice.below(4)], dice.noise());
    let table = scaled(
        [[90.0, 92.0, 94.0], [96.0, 74.0, 54.0], [70.0, 96.0, 60.0]][dice.below(3)],
        dice.between(0.7, 1.2),
    );
    let (top, low) = (
        height * dice.between(-0.1, 0.14),
        height * dice.between(0.88, 1.1),
    );
    fill(picture, |x, y| {
        let wear = noise.cloud(x / 90.0, y / 40.0);
        if y > top && y < low {
            scaled(board, 0.8 + 0.24 * wear)
        } else {
            scaled(
                table,
                0.7 + 0.5 * noise.sibling(3).cloud(x / 12.0, y / 12.0),
            )
        }
    });
    let ink: Rgb = if dice.chance(0.7) {
        [26.0, 26.0, 30.0]
    } else {
        [176.0, 30.0, 30.0]
    };
    let ruler = if dice.chance(0.5) {
        top.max(0.0) + 4.0
    } else {
        low.min(height) - height * 0.1
    };
    let step = width * dice.between(0.009, 0.02);
    let tall = height * 0.075;
    for i in 0..(width / step) as usize {
        let x = i as f32 * step + 2.0;
        let length = if i % 10 == 0 {
            tall
        } else if i % 5 == 0 {
            tall * 0.7
        } else {
            tall * 0.42
        };
        line(
            picture,
            (x, ruler),
            (x, ruler + length),
            if i % 10 == 0 { 2.2 } else { 1.2 },
            (ink, 0.85),
        );
        if i % 10 == 0 {
            digit(
                picture,
                (x + 5.0, ruler + tall * 0.5),
                tall * 0.5,
                i / 10,
                ink,
            );
        }
    }
    None
}

/// A figure of seven segments, as on a printed scale.
fn digit(picture: &mut Pixmap, (x, y): (f32, f32), size: f32, number: usize, ink: Rgb) {
    const SEGMENTS: [u8; 10] = [0x77, 0x24, 0x5d, 0x6d, 0x2e, 0x6b, 0x7b, 0x25, 0x7f, 0x6f];
    let lit = SEGMENTS[number % 10];
    let half = size / 2.0;
    let wide = size * 0.5;
    let corners = [
        ((0.0, 0.0), (wide, 0.0)),
        ((0.0, 0.0), (0.0, half)),
        ((wide, 0.0), (wide, half)),
        ((0.0, half), (wide, half)),
        ((0.0, half), (0.0, size)),
        ((wide, half), (wide, size)),
        ((0.0, size), (wide, size)),
    ];
    for (i, (from, to)) in corners.into_iter().enumerate() {
        if lit >> i & 1 == 1 {
            line(
                picture,
                (x + from.0, y + from.1),
                (x + to.0, y + to.1),
                1.8,
                (ink, 0.9),
            );
        }
    }
}

pub(super) fn net(picture: &mut Pixmap, dice: &mut Dice) -> NoHaze {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let noise = dice.noise();
    let ground: Rgb = [[60.0, 74.0, 44.0], [96.0, 88.0, 70.0], [52.0, 70.0, 78.0]][dice.below(3)];
    fill(picture, |x, y| {
        scaled(ground, 0.55 + 0.8 * noise.cloud(x / 36.0, y / 36.0))
    });
    let cords: [Rgb; 3] = [
        [24.0, 28.0, 26.0],
        [46.0, 96.0, 62.0],
        [210.0, 210.0, 200.0],
    ];
    let cord = cords[dice.below(3)];
    let mesh = width * dice.between(0.025, 0.05);
    let sag = noise.sibling(4);
    let warp = |x: f32, y: f32| {
        let pull = mesh * 1.6;
        (
            x + pull * (sag.at(x / 110.0, y / 110.0) - 0.5),
            y + pull * (sag.at(y / 90.0 + 40.0, x / 90.0) - 0.5),
        )
    };
    for slant in [1.0, -1.0] {
        let n = ((width + height) / mesh) as i32;
        for i in -(height / mesh) as i32 - 2..n {
            let mut path = tiny_skia::PathBuilder::new();
            for step in 0..=24 {
                let y = height * step as f32 / 24.0;
                let x = i as f32 * mesh * 1.4
                    + slant * y * 0.8
                    + if slant < 0.0 { height * 0.6 } else { 0.0 };
                let (x, y) = warp(x, y);
                if step == 0 {
                    path.move_to(x, y);
                } else {
                    path.line_to(x, y);
                }
            }
            if let Some(path) = path.finish() {
                let stroke = tiny_skia::Stroke {
                    width: width * 0.004,
                    ..tiny_skia::Stroke::default()
                };
                picture.stroke_path(
                    &path,
                    &paint(mix(cord, ground, 0.15), 0.9),
                    &stroke,
                    Transform::identity(),
                    None,
                );
            }
        }
    }
    None
}
