//! The place a photograph is taken in. Which place is drawn by lot, whatever the species, so that a
//! background says nothing about the fish.
//! Knows no species; each kind of place is a function that paints an opaque picture.

mod ashore;
mod board;
mod water;

use tiny_skia::Pixmap;

use super::brush;
use super::colour::{Rgb, mix, saturated};
use super::dice::Dice;
use super::pose::bilinear;

/// A place, and what it does to a fish in it.
pub(super) struct Scene {
    pub(super) picture: Pixmap,
    /// Colour and strength of the water between fish and camera.
    pub(super) haze: Option<(Rgb, f32)>,
    /// Strength of the shadow that the fish throws on what it lies on.
    pub(super) shadow: f32,
    pub(super) held_in_hand: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    OpenWater,
    Weeds,
    RiverBed,
    Grass,
    Sand,
    Pebbles,
    Deck,
    Board,
    Net,
    Ice,
    Bank,
}

const PLACES: &[Place] = &[
    Place::OpenWater,
    Place::Weeds,
    Place::RiverBed,
    Place::Grass,
    Place::Sand,
    Place::Pebbles,
    Place::Deck,
    Place::Board,
    Place::Net,
    Place::Ice,
    Place::Bank,
    Place::Bank,
];

impl Place {
    /// Parts of full resolution at which it is painted: a background out of focus needs less.
    fn sharpness(self) -> f32 {
        match self {
            Self::OpenWater | Self::Bank => 0.2,
            Self::Weeds | Self::RiverBed => 0.4,
            Self::Ice | Self::Sand => 0.7,
            _ => 1.0,
        }
    }

    fn paint(self, picture: &mut Pixmap, dice: &mut Dice) -> Option<(Rgb, f32)> {
        match self {
            Self::OpenWater => Some(water::open(picture, dice)),
            Self::Weeds => Some(water::weeds(picture, dice)),
            Self::RiverBed => Some(water::river_bed(picture, dice)),
            Self::Grass => ashore::grass(picture, dice),
            Self::Sand => ashore::sand(picture, dice),
            Self::Pebbles => ashore::pebbles(picture, dice),
            Self::Bank => ashore::bank(picture, dice),
            Self::Ice => ashore::ice(picture, dice),
            Self::Deck => board::deck(picture, dice),
            Self::Board => board::measuring(picture, dice),
            Self::Net => board::net(picture, dice),
        }
    }
}

/// Paints a place drawn by lot.
pub(super) fn paint(width: u32, height: u32, dice: &mut Dice) -> Option<Scene> {
    let place = PLACES[dice.below(PLACES.len())];
    // The fish is what the camera is focused on; what lies behind it often is not sharp.
    let part = place.sharpness() * if dice.chance(0.5) { 0.55 } else { 1.0 };
    let small = |side: u32| ((side as f32 * part) as u32).max(8);
    let mut picture = Pixmap::new(small(width), small(height))?;
    let haze = place.paint(&mut picture, dice);
    if part < 0.5 {
        brush::blur(&mut picture, 1 + dice.below(2));
    }
    muted(&mut picture, dice);
    if part < 1.0 {
        picture = stretched(&picture, width, height)?;
    }
    let held_in_hand = place == Place::Bank;
    let shadow = if haze.is_some() || held_in_hand {
        0.0
    } else {
        dice.between(0.3, 0.65)
    };
    Some(Scene {
        picture,
        haze,
        shadow,
        held_in_hand,
    })
}

/// Takes colour and contrast from a background, so that the fish is the liveliest thing in the picture.
fn muted(picture: &mut Pixmap, dice: &mut Dice) {
    let (vividness, contrast) = (dice.between(0.35, 0.7), dice.between(0.5, 0.8));
    let n_pixels = picture.pixels().len() as f32;
    let mut mean: Rgb = [0.0; 3];
    for pixel in picture.data().chunks_exact(4) {
        for (sum, &channel) in mean.iter_mut().zip(pixel) {
            *sum += f32::from(channel) / n_pixels;
        }
    }
    for pixel in picture.data_mut().chunks_exact_mut(4) {
        let own = [0, 1, 2].map(|i| f32::from(pixel[i]));
        let calm = saturated(mix(mean, own, contrast), vividness);
        for (channel, value) in pixel.iter_mut().zip(calm) {
            *channel = value.clamp(0.0, 255.0) as u8;
        }
    }
}

/// Bilinear enlargement.
pub(super) fn stretched(picture: &Pixmap, width: u32, height: u32) -> Option<Pixmap> {
    let mut large = Pixmap::new(width, height)?;
    let kx = (picture.width() as f32 - 1.01) / width as f32;
    let ky = (picture.height() as f32 - 1.01) / height as f32;
    for (y, row) in large
        .data_mut()
        .chunks_exact_mut(width as usize * 4)
        .enumerate()
    {
        for (x, pixel) in row.chunks_exact_mut(4).enumerate() {
            if let Some(value) = bilinear(picture, x as f32 * kx, y as f32 * ky) {
                pixel.copy_from_slice(&value);
            }
        }
    }
    Some(large)
}
