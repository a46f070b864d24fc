//! A fish alone on a transparent canvas: fins behind, body, head, breast fin.
//! Start here to follow how a profile becomes a picture; [`super::pose`] puts it into a photograph.

use tiny_skia::Pixmap;

use super::dice::Dice;
use super::individual::Individual;
use super::outline::Outline;
use super::profile::Root;
use super::{fins, head, skin};

/// A straight fish, snout to the left.
pub(super) struct Fish {
    pub(super) canvas: Pixmap,
    pub(super) outline: Outline,
}

/// Draws `individual` with one standard length of `scale` pixels.
pub(super) fn draw(individual: &Individual, scale: f32, dice: &mut Dice) -> Option<Fish> {
    let outline = Outline::new(individual, scale);
    let mut canvas = Pixmap::new(outline.width, outline.height)?;
    let (behind, before): (Vec<_>, Vec<_>) = individual
        .profile
        .fins
        .iter()
        .partition(|fin| !matches!(fin.root, Root::Flank(..)));
    for fin in behind {
        let raised = dice.between(0.45, 1.0);
        fins::draw(&mut canvas, &outline, individual, fin, raised, dice);
    }
    skin::draw(&mut canvas, &outline, individual);
    head::draw(&mut canvas, &outline, individual);
    for fin in before {
        let raised = dice.between(0.2, 1.0);
        fins::draw(&mut canvas, &outline, individual, fin, raised, dice);
    }
    Some(Fish { canvas, outline })
}
