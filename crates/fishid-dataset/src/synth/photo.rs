//! One photograph from beginning to end: which fish, which place, which pose, which camera.
//! Everything is drawn from streams named by (seed, species, number), see [`super::dice`].

use super::camera::{self, Exposure};
use super::dice::Dice;
use super::fish;
use super::individual::Individual;
use super::occlusion::{self, Hand};
use super::outline::Outline;
use super::pose::Pose;
use super::profile::Profile;
use super::scene;

/// Photographs taken of each fish before the next fish is caught.
pub(super) const PHOTOGRAPHS_PER_FISH: u32 = 2;

/// (width, height); most cameras here take 4:3 at this size.
const USUAL: (u32, u32) = (640, 480);
const OTHERS: &[(u32, u32)] = &[
    (640, 360),
    (720, 480),
    (560, 560),
    (480, 640),
    (800, 600),
    (512, 384),
];

/// The fish that photograph `index` shows.
pub(super) fn fish_number(index: u32) -> u32 {
    index / PHOTOGRAPHS_PER_FISH
}

/// Size and JPEG quality of photograph `index`.
pub(super) fn format(slug: &str, seed: u64, index: u32) -> ((u32, u32), u8) {
    let mut dice = Dice::new(seed, slug, "format", index);
    let size = if dice.chance(0.72) {
        USUAL
    } else {
        OTHERS[dice.below(OTHERS.len())]
    };
    (size, dice.between(74.0, 94.0) as u8)
}

/// RGB bytes of photograph `index`, row by row.
pub(super) fn take(
    profile: &'static Profile,
    seed: u64,
    index: u32,
    (width, height): (u32, u32),
) -> Option<Vec<u8>> {
    let slug = profile.slug;
    let individual = Individual::new(
        profile,
        &mut Dice::new(seed, slug, "fish", fish_number(index)),
    );
    let mut dice = Dice::new(seed, slug, "photograph", index);

    let mut scene = scene::paint(width, height, &mut dice)?;
    let half_depth = Outline::new(&individual, 1.0).half_depth;
    let lively = scene.haze.is_some();
    let pose = Pose::new(width as f32, height as f32, half_depth, lively, &mut dice);
    let fish = fish::draw(&individual, pose.scale, &mut dice)?;
    let placed = pose.place(&fish, width, height)?;

    let hand = (scene.held_in_hand || (scene.haze.is_none() && dice.chance(0.15)))
        .then(|| Hand::new(&mut dice));
    if scene.shadow > 0.0 {
        camera::throw_shadow(&mut scene.picture, &placed, scene.shadow, &mut dice);
    }
    if let Some(hand) = &hand {
        hand.palm(&mut scene.picture, &pose, &fish.outline);
    }
    camera::lay(&mut scene, &placed, &mut dice);
    if let Some(hand) = &hand {
        hand.fingers(&mut scene.picture, &pose, &fish.outline, &mut dice);
    } else if dice.chance(0.25) {
        occlusion::plant(&mut scene.picture, &pose, &mut dice);
    }
    Some(Exposure::new(&mut dice).develop(&mut scene.picture))
}
