//! Under water: open water with light from above, weeds, a river bed. Every place returns its haze.

use tiny_skia::Pixmap;

use crate::synth::brush::{blade, blob};
use crate::synth::colour::{Rgb, fill, mix, scaled};
use crate::synth::dice::{Dice, bell, ramp};

/// (near the surface, in the deep).
const WATERS: &[(Rgb, Rgb)] = &[
    ([148.0, 190.0, 172.0], [24.0, 62.0, 58.0]),
    ([124.0, 176.0, 196.0], [18.0, 52.0, 84.0]),
    ([176.0, 174.0, 112.0], [62.0, 60.0, 30.0]),
    ([160.0, 186.0, 132.0], [34.0, 62.0, 32.0]),
    ([170.0, 152.0, 110.0], [66.0, 48.0, 30.0]),
];

fn body_of_water(picture: &mut Pixmap, dice: &mut Dice) -> (Rgb, Rgb) {
    let (light, deep) = WATERS[dice.below(WATERS.len())];
    let light = scaled(light, dice.around(0.95, 0.2));
    let deep = scaled(deep, dice.around(1.15, 0.4));
    let noise = dice.noise();
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let (slant, rays) = (dice.around(0.0, 0.6), dice.between(5.0, 12.0));
    let ray_strength = dice.between(0.0, 0.4);
    fill(picture, |x, y| {
        let (x, y) = (x / width, y / height);
        let murk = (noise.cloud(x * 4.0, y * 4.0) - 0.5) * 0.35;
        let colour = mix(light, deep, (y * 0.9 + murk + 0.05).clamp(0.0, 1.0));
        let ray = noise.sibling(1).at((x + slant * y) * rays, y * 0.7) * ramp(0.9, 0.0, y);
        mix(colour, [235.0, 245.0, 225.0], ray_strength * ray * ray)
    });
    (light, deep)
}

pub(super) fn open(picture: &mut Pixmap, dice: &mut Dice) -> (Rgb, f32) {
    let (light, deep) = body_of_water(picture, dice);
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    for _ in 0..dice.below(14) {
        let centre = (dice.between(0.0, width), dice.between(0.0, height));
        let radius = dice.between(0.01, 0.04) * width;
        blob(
            picture,
            centre,
            &[radius; 8],
            1.0,
            scaled(light, 1.2),
            dice.between(0.1, 0.3),
        );
    }
    (mix(light, deep, 0.4), dice.between(0.06, 0.24))
}

pub(super) fn weeds(picture: &mut Pixmap, dice: &mut Dice) -> (Rgb, f32) {
    let (light, deep) = body_of_water(picture, dice);
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let weed = [
        [64.0, 104.0, 42.0],
        [96.0, 112.0, 40.0],
        [104.0, 84.0, 46.0],
    ][dice.below(3)];
    for i in 0..30 + dice.below(40) {
        let far = 1.0 - i as f32 / 70.0;
        let foot = (
            dice.between(-0.1, 1.1) * width,
            height * dice.between(0.9, 1.1),
        );
        let sway = dice.around(0.0, 0.2) * width;
        let top = height * dice.between(-0.1, 0.75);
        let by = (foot.0 - sway * 0.6, f32::midpoint(foot.1, top));
        let colour = mix(scaled(weed, dice.between(0.6, 1.3)), deep, far * 0.6);
        let thick = width * dice.between(0.012, 0.035);
        blade(
            picture,
            [foot, by, (foot.0 + sway, top)],
            thick,
            colour,
            0.85,
        );
    }
    (mix(light, deep, 0.5), dice.between(0.05, 0.2))
}

pub(super) fn river_bed(picture: &mut Pixmap, dice: &mut Dice) -> (Rgb, f32) {
    let (light, deep) = body_of_water(picture, dice);
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let horizon = dice.between(0.25, 0.7);
    let earth = [
        [150.0, 132.0, 96.0],
        [128.0, 122.0, 108.0],
        [112.0, 98.0, 66.0],
    ][dice.below(3)];
    for i in 0..260 {
        let depth = i as f32 / 260.0;
        let y = height * (horizon + (1.05 - horizon) * depth * depth);
        let radius = width * (0.012 + 0.05 * depth * dice.unit());
        let radii: Vec<f32> = (0..7).map(|_| radius * dice.between(0.75, 1.2)).collect();
        let stone = mix(
            scaled(earth, dice.between(0.55, 1.35)),
            deep,
            0.6 * (1.0 - depth),
        );
        blob(
            picture,
            (dice.between(-0.05, 1.05) * width, y),
            &radii,
            0.6,
            stone,
            0.9,
        );
    }
    let (noise, strength) = (dice.noise(), dice.between(0.1, 0.5));
    let side = picture.width() as usize;
    for (i, pixel) in picture.data_mut().chunks_exact_mut(4).enumerate() {
        let (x, y) = (
            (i % side) as f32 / width * 9.0,
            (i / side) as f32 / height * 12.0,
        );
        // Light is gathered along the zero lines of a smooth field, as under ripples.
        let net = bell(noise.cloud(x, y) - 0.5, 0.035) * strength * ramp(0.0, 12.0, y);
        for channel in &mut pixel[..3] {
            *channel = (f32::from(*channel) + 110.0 * net).min(255.0) as u8;
        }
    }
    (mix(light, deep, 0.45), dice.between(0.05, 0.2))
}
