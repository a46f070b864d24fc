//! On land: grass, sand, pebbles, ice, and a bank out of focus behind a fish held up.

use tiny_skia::Pixmap;

use crate::synth::brush::{blade, blob, fill as fill_path, line};
use crate::synth::colour::{Rgb, fill, mix, scaled};
use crate::synth::dice::{Dice, ramp};

/// On land there is no haze; the type lets every place be painted alike.
type NoHaze = Option<(Rgb, f32)>;

pub(super) fn grass(picture: &mut Pixmap, dice: &mut Dice) -> NoHaze {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let (noise, dry) = (dice.noise(), dice.unit() * dice.unit());
    let green = mix([78.0, 122.0, 40.0], [164.0, 146.0, 82.0], dry);
    fill(picture, |x, y| {
        scaled(
            mix([52.0, 46.0, 28.0], green, 0.6),
            0.4 + 0.6 * noise.cloud(x / 40.0, y / 40.0),
        )
    });
    let lean = dice.around(0.0, 0.5);
    for _ in 0..420 {
        let foot = (
            dice.between(-0.05, 1.05) * width,
            dice.between(0.0, 1.25) * height,
        );
        let length = height * dice.between(0.1, 0.32);
        let angle = lean + dice.around(0.0, 1.1);
        let tip = (foot.0 + length * angle.sin(), foot.1 - length * angle.cos());
        let by = (
            foot.0 + dice.around(0.0, 0.1) * length,
            f32::midpoint(foot.1, tip.1) - length * 0.1,
        );
        let tone = [
            green[0] + dice.around(0.0, 30.0),
            green[1] + dice.around(0.0, 24.0),
            green[2],
        ];
        let colour = scaled(tone, dice.between(0.55, 1.45));
        blade(
            picture,
            [foot, by, tip],
            width * dice.between(0.006, 0.016),
            colour,
            1.0,
        );
    }
    None
}

pub(super) fn sand(picture: &mut Pixmap, dice: &mut Dice) -> NoHaze {
    let noise = dice.noise();
    let sand = [
        [206.0, 184.0, 140.0],
        [168.0, 150.0, 120.0],
        [150.0, 140.0, 128.0],
    ][dice.below(3)];
    let (ripple, slant) = (dice.between(0.02, 0.06), dice.around(0.0, 1.0));
    let depth = dice.between(0.0, 0.16);
    fill(picture, |x, y| {
        let warp = noise.at(x / 60.0, y / 60.0) * 7.0;
        let wave = ((y + slant * x) * ripple + warp).sin() * depth;
        let grain = noise.sibling(1).cell(x as i32, y as i32) * 0.24;
        let damp = noise.sibling(2).cloud(x / 150.0, y / 150.0) * 0.4;
        scaled(sand, 0.72 + wave + grain + damp * 0.6)
    });
    None
}

pub(super) fn pebbles(picture: &mut Pixmap, dice: &mut Dice) -> NoHaze {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    fill(picture, |_, _| [58.0, 54.0, 48.0]);
    let size = dice.between(0.03, 0.065);
    let warm = dice.around(0.0, 20.0);
    for _ in 0..(0.75 / (size * size)) as usize {
        let centre = (
            dice.between(-0.02, 1.02) * width,
            dice.between(-0.02, 1.02) * height,
        );
        let radius = width * size * dice.between(0.5, 1.3);
        let radii: Vec<f32> = (0..7).map(|_| radius * dice.between(0.8, 1.15)).collect();
        let grey = dice.between(74.0, 200.0);
        let stone = [
            grey + warm,
            grey + warm * 0.5 + dice.around(0.0, 8.0),
            grey - warm * 0.6,
        ];
        blob(
            picture,
            (centre.0 + radius * 0.12, centre.1 + radius * 0.2),
            &radii,
            0.8,
            [26.0, 24.0, 22.0],
            0.6,
        );
        blob(picture, centre, &radii, 0.8, scaled(stone, 0.8), 1.0);
        let lit: Vec<f32> = radii.iter().map(|r| r * 0.7).collect();
        blob(
            picture,
            (centre.0 - radius * 0.12, centre.1 - radius * 0.14),
            &lit,
            0.8,
            stone,
            0.7,
        );
    }
    None
}

pub(super) fn ice(picture: &mut Pixmap, dice: &mut Dice) -> NoHaze {
    let (noise, frost) = (dice.noise(), dice.between(0.2, 1.0));
    let shade = scaled([150.0, 176.0, 204.0], dice.between(0.7, 1.05));
    fill(picture, |x, y| {
        let drift = noise.at(x / 190.0, y / 90.0);
        let grain = noise.sibling(1).cell(x as i32, y as i32) * 0.1 * frost;
        let crumb = noise.sibling(2).cloud(x / 17.0, y / 13.0);
        let crust =
            ramp(0.48, 0.72, crumb) * ramp(0.35, 0.7, noise.sibling(3).at(x / 60.0, y / 40.0));
        scaled(
            mix(shade, [244.0, 247.0, 250.0], drift * 0.8 + 0.2),
            0.88 + grain - crust * 0.16 * frost,
        )
    });
    None
}

pub(super) fn bank(picture: &mut Pixmap, dice: &mut Dice) -> NoHaze {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let sky = [
        [176.0, 204.0, 230.0],
        [214.0, 216.0, 214.0],
        [232.0, 196.0, 150.0],
    ][dice.below(3)];
    let lake = mix(sky, [64.0, 92.0, 96.0], dice.between(0.3, 0.8));
    let shore = dice.between(0.2, 0.62);
    let noise = dice.noise();
    fill(picture, |x, y| {
        let y = y / height;
        if y < shore {
            scaled(sky, 1.0 - 0.18 * y)
        } else {
            let ripple = noise.at(x / width * 6.0, y * 90.0) * 0.22;
            scaled(lake, 0.82 + ripple + 0.1 * (1.0 - y))
        }
    });
    let wood = [
        [52.0, 74.0, 40.0],
        [86.0, 96.0, 50.0],
        [130.0, 104.0, 54.0],
        [70.0, 80.0, 78.0],
    ][dice.below(4)];
    let tall = dice.between(0.08, 0.5);
    for _ in 0..60 {
        let radius = height * tall * dice.between(0.12, 0.4);
        let centre = (
            dice.between(-0.05, 1.05) * width,
            height * (shore - tall * dice.unit() * 0.6),
        );
        let radii: Vec<f32> = (0..8).map(|_| radius * dice.between(0.7, 1.2)).collect();
        blob(
            picture,
            centre,
            &radii,
            1.0,
            scaled(wood, dice.between(0.55, 1.4)),
            0.9,
        );
    }
    if dice.chance(0.4) {
        // The angler's jacket.
        angler(picture, dice);
    }
    None
}

/// Whoever holds the fish, out of focus behind it: face, cap and a jacket with shoulders.
fn angler(picture: &mut Pixmap, dice: &mut Dice) {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let coats = [
        [52.0, 62.0, 44.0],
        [34.0, 44.0, 70.0],
        [140.0, 52.0, 40.0],
        [70.0, 70.0, 72.0],
    ];
    let coat = scaled(coats[dice.below(4)], dice.between(0.8, 1.3));
    let middle = width * dice.between(0.2, 0.8);
    let broad = width * dice.between(0.17, 0.26);
    let neck = height * dice.between(0.12, 0.4);
    let head = broad * 0.42;
    blob(
        picture,
        (middle, neck - head * 0.7),
        &[head; 8],
        1.25,
        [206.0, 160.0, 132.0],
        1.0,
    );
    blob(
        picture,
        (middle, neck - head * 1.45),
        &[head * 1.08; 8],
        0.62,
        scaled(coat, 0.7),
        1.0,
    );
    let mut path = tiny_skia::PathBuilder::new();
    path.move_to(middle - broad * 0.3, neck);
    path.quad_to(
        middle - broad * 0.95,
        neck + broad * 0.15,
        middle - broad,
        neck + broad * 0.7,
    );
    path.line_to(middle - broad * 1.25, height * 1.1);
    path.line_to(middle + broad * 1.25, height * 1.1);
    path.line_to(middle + broad, neck + broad * 0.7);
    path.quad_to(
        middle + broad * 0.95,
        neck + broad * 0.15,
        middle + broad * 0.3,
        neck,
    );
    path.close();
    fill_path(picture, path.finish(), coat, 1.0);
    line(
        picture,
        (middle, neck),
        (middle, height),
        width * 0.008,
        (scaled(coat, 0.6), 0.8),
    );
}
