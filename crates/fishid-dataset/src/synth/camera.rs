//! The camera: joins fish and place, throws the shadow, adds light, blur and grain.
//! Knows pixels only.

use tiny_skia::Pixmap;

use super::brush;
use super::dice::{Dice, Noise, ramp};
use super::scene::{Scene, stretched};

/// Darkens the ground where the fish keeps the light off.
pub(super) fn throw_shadow(ground: &mut Pixmap, fish: &Pixmap, strength: f32, dice: &mut Dice) {
    const PART: usize = 4;
    let (width, height) = (fish.width() as usize, fish.height() as usize);
    let Some(mut small) = Pixmap::new((width / PART).max(2) as u32, (height / PART).max(2) as u32)
    else {
        return;
    };
    let side = small.width() as usize;
    for (i, pixel) in small.data_mut().chunks_exact_mut(4).enumerate() {
        let (x, y) = (
            (i % side * PART).min(width - 1),
            (i / side * PART).min(height - 1),
        );
        pixel[3] = fish.data()[(y * width + x) * 4 + 3];
    }
    for _ in 0..2 {
        brush::blur(&mut small, 1 + side / 70);
    }
    let Some(shadow) = stretched(&small, fish.width(), fish.height()) else {
        return;
    };
    let (dx, dy) = (
        dice.around(0.0, 0.03) * width as f32,
        dice.between(0.008, 0.04) * height as f32,
    );
    let (dx, dy) = (dx as isize, dy as isize);
    let data = shadow.data();
    for (i, pixel) in ground.data_mut().chunks_exact_mut(4).enumerate() {
        let x = (i % width) as isize - dx;
        let y = (i / width) as isize - dy;
        if x < 0 || y < 0 || x >= width as isize || y >= height as isize {
            continue;
        }
        let dark = f32::from(data[(y as usize * width + x as usize) * 4 + 3]) / 255.0 * strength;
        for channel in &mut pixel[..3] {
            *channel = (f32::from(*channel) * (1.0 - dark)) as u8;
        }
    }
}

/// Lays the fish over the ground, through haze and under ripples of light where there is water.
pub(super) fn lay(scene: &mut Scene, fish: &Pixmap, dice: &mut Dice) {
    let (noise, ripple) = (dice.noise(), dice.between(0.0, 0.22));
    let gleam = if scene.haze.is_none() {
        dice.between(0.0, 1.0)
    } else {
        0.0
    };
    let width = fish.width() as usize;
    let pairs = scene
        .picture
        .data_mut()
        .chunks_exact_mut(4)
        .zip(fish.data().chunks_exact(4));
    for (i, (ground, fish)) in pairs.enumerate() {
        if fish[3] == 0 {
            continue;
        }
        let cover = f32::from(fish[3]) / 255.0;
        let (x, y) = ((i % width) as f32, (i / width) as f32);
        let mut light = 1.0;
        let mut flash = 0.0;
        if scene.haze.is_some() {
            light += ripple * (noise.at(x / 34.0, y / 22.0) * 2.0 - 1.0);
        } else if gleam > 0.4 {
            // Wet skin throws back single points of the sky.
            flash = ramp(0.86, 0.96, noise.at(x / 5.0, y / 2.6))
                * ramp(0.5, 0.75, noise.sibling(1).at(x / 50.0, y / 24.0))
                * gleam
                * 0.6;
        }
        for channel in 0..3 {
            let mut value = f32::from(fish[channel]) * light;
            if let Some((water, strength)) = scene.haze {
                value += (water[channel] * cover - value) * strength;
            }
            value += (255.0 * cover - value) * flash;
            let seen = f32::from(ground[channel]) * (1.0 - cover) + value;
            ground[channel] = seen.clamp(0.0, 255.0) as u8;
        }
    }
}

/// Light, lens and sensor of one photograph.
pub(super) struct Exposure {
    gain: [f32; 3],
    contrast: f32,
    slope: (f32, f32),
    vignette: f32,
    grain: f32,
    soft: bool,
    noise: Noise,
}

impl Exposure {
    pub(super) fn new(dice: &mut Dice) -> Self {
        let brightness = dice.around(1.02, 0.22);
        let warmth = dice.around(0.0, 0.08);
        Self {
            gain: [
                brightness * (1.0 + warmth),
                brightness * dice.around(1.0, 0.04),
                brightness * (1.0 - warmth),
            ],
            contrast: dice.around(1.04, 0.16),
            slope: (dice.around(0.0, 0.22), dice.around(-0.06, 0.18)),
            vignette: dice.between(0.0, 0.45),
            grain: dice.between(2.0, 16.0),
            soft: dice.chance(0.25),
            noise: dice.noise(),
        }
    }

    /// The photograph as RGB bytes.
    pub(super) fn develop(&self, picture: &mut Pixmap) -> Vec<u8> {
        if self.soft {
            brush::blur(picture, 1);
        }
        let (width, height) = (picture.width() as usize, picture.height() as f32);
        let mut rgb = Vec::with_capacity(picture.data().len() / 4 * 3);
        for (i, pixel) in picture.data().chunks_exact(4).enumerate() {
            let (column, row) = ((i % width) as i32, (i / width) as i32);
            let (x, y) = (
                column as f32 / width as f32 - 0.5,
                row as f32 / height - 0.5,
            );
            let light = 1.0 + self.slope.0 * x + self.slope.1 * y - self.vignette * (x * x + y * y);
            // One draw for all channels keeps grain mostly grey, as sensors' is after processing.
            let grain = self.grain * self.noise.grain(column, row);
            for (channel, gain) in self.gain.iter().enumerate() {
                let value = (f32::from(pixel[channel]) * gain * light - 128.0) * self.contrast
                    + 128.0
                    + grain;
                rgb.push(value.clamp(0.0, 255.0) as u8);
            }
        }
        rgb
    }
}
