//! Things between camera and fish: a leaf, a stem, the fingers of a hand.
//! Knows the pose, to put fingers where a hand would be, and no species.

use tiny_skia::Pixmap;

use super::brush::{Point, blade, blob, line, rod};
use super::colour::{Rgb, mix, scaled};
use super::dice::Dice;
use super::outline::Outline;
use super::pose::Pose;

const HANDS: &[Rgb] = &[
    [226.0, 176.0, 146.0],
    [206.0, 150.0, 118.0],
    [164.0, 112.0, 82.0],
    [54.0, 58.0, 66.0],
    [222.0, 120.0, 48.0],
];

const SLEEVES: &[Rgb] = &[
    [70.0, 82.0, 56.0],
    [44.0, 56.0, 84.0],
    [96.0, 96.0, 98.0],
    [150.0, 60.0, 44.0],
    [198.0, 150.0, 122.0],
];

/// A hand that holds the fish: the palm goes behind it, the fingers before it.
pub(super) struct Hand {
    skin: Rgb,
    sleeve: Rgb,
    /// u of the place it holds.
    at: f32,
    from_below: bool,
}

impl Hand {
    pub(super) fn new(dice: &mut Dice) -> Self {
        Self {
            skin: scaled(HANDS[dice.below(HANDS.len())], dice.around(1.0, 0.15)),
            sleeve: scaled(SLEEVES[dice.below(SLEEVES.len())], dice.around(1.0, 0.2)),
            at: dice.between(0.34, 0.62),
            from_below: dice.chance(0.8),
        }
    }

    fn edge(&self, outline: &Outline, u: f32) -> f32 {
        if self.from_below {
            -outline.belly(u)
        } else {
            outline.back(u)
        }
    }

    fn inward(&self) -> f32 {
        if self.from_below { 1.0 } else { -1.0 }
    }

    /// The palm, the thumb's ball and the forearm in its sleeve.
    pub(super) fn palm(&self, picture: &mut Pixmap, pose: &Pose, outline: &Outline) {
        let (edge, inward) = (self.edge(outline, self.at), self.inward());
        let at = |u: f32, out: f32| pose.pixel(self.at + u, edge - out * inward);
        rod(
            picture,
            &[at(0.02, 0.12), at(0.07, 0.42)],
            pose.scale * 0.15,
            scaled(self.skin, 0.9),
        );
        rod(
            picture,
            &[at(0.08, 0.46), at(0.2, 1.4)],
            pose.scale * 0.21,
            self.sleeve,
        );
        let radius = 0.13 * pose.scale;
        let radii = [
            radius,
            radius * 0.95,
            radius * 1.05,
            radius * 1.1,
            radius * 1.05,
            radius * 0.95,
        ];
        blob(
            picture,
            at(0.0, 0.05),
            &radii,
            0.95,
            scaled(self.skin, 0.84),
            1.0,
        );
        rod(
            picture,
            &[at(0.07, 0.08), at(0.115, -0.02), at(0.13, -0.1)],
            pose.scale * 0.062,
            scaled(self.skin, 0.92),
        );
    }

    /// Four fingers laid over the fish, or fewer where the hand is seen from aside.
    pub(super) fn fingers(
        &self,
        picture: &mut Pixmap,
        pose: &Pose,
        outline: &Outline,
        dice: &mut Dice,
    ) {
        let n = 3 + dice.below(2);
        let (thick, inward) = (dice.between(0.05, 0.06), self.inward());
        let curl = dice.between(0.05, 0.1);
        for i in (0..n).rev() {
            let place = i as f32 - n as f32 / 2.0 + 0.5;
            let u = self.at + place * thick * 1.02 - 0.02;
            let edge = self.edge(outline, u);
            // The middle finger is the longest.
            let reach = (curl - 0.012 * place * place + dice.around(0.0, 0.01)) * inward;
            let points = [
                pose.pixel(u + 0.012 - place * 0.012, edge - 0.075 * inward),
                pose.pixel(u + 0.004, edge + reach * 0.2),
                pose.pixel(u - 0.012, edge + reach),
            ];
            rod(picture, &points, thick * pose.scale, self.skin);
            let nail = pose.pixel(u - 0.0135, edge + reach * 1.04);
            let radius = thick * pose.scale * 0.22;
            let tone = mix(self.skin, [250.0, 226.0, 220.0], 0.35);
            blob(
                picture,
                nail,
                &[radius, radius * 1.15, radius, radius * 1.15],
                0.9,
                tone,
                0.7,
            );
        }
    }
}

/// A leaf or a stem across the fish.
pub(super) fn plant(picture: &mut Pixmap, pose: &Pose, dice: &mut Dice) {
    let greens: [Rgb; 4] = [
        [86.0, 122.0, 46.0],
        [128.0, 138.0, 60.0],
        [150.0, 118.0, 56.0],
        [64.0, 92.0, 50.0],
    ];
    let colour = scaled(greens[dice.below(4)], dice.between(0.7, 1.2));
    let middle = pose.pixel(dice.between(0.25, 1.15), dice.around(0.0, 0.14));
    let angle = dice.between(0.0, std::f32::consts::TAU);
    let along = |distance: f32| -> Point {
        (
            middle.0 + distance * angle.cos(),
            middle.1 + distance * angle.sin(),
        )
    };
    if dice.chance(0.5) {
        let far = pose.scale * 0.9;
        let by = (
            middle.0 + dice.around(0.0, 24.0),
            middle.1 + dice.around(0.0, 24.0),
        );
        let thick = pose.scale * dice.between(0.014, 0.034);
        blade(
            picture,
            [along(-far), by, along(far)],
            thick,
            scaled(colour, 0.7),
            1.0,
        );
        blade(
            picture,
            [along(-far), (by.0 - 1.5, by.1 - 1.5), along(far)],
            thick * 0.6,
            colour,
            1.0,
        );
    } else {
        let long = pose.scale * dice.between(0.08, 0.17);
        let (nx, ny) = (-angle.sin() * long * 0.42, angle.cos() * long * 0.42);
        for (k, tone) in [(1.0, 0.72), (-1.0, 1.0)] {
            let by = (middle.0 + nx * k, middle.1 + ny * k);
            let mut path = tiny_skia::PathBuilder::new();
            let (from, to) = (along(-long), along(long));
            path.move_to(from.0, from.1);
            path.quad_to(by.0 + nx * k, by.1 + ny * k, to.0, to.1);
            path.close();
            super::brush::fill(picture, path.finish(), scaled(colour, tone), 1.0);
        }
        line(
            picture,
            along(-long * 1.25),
            along(long * 0.95),
            pose.scale * 0.006,
            (scaled(colour, 0.5), 0.9),
        );
    }
}
