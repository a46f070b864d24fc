//! Colours the body pixel by pixel: countershading, scales, markings and the gloss of a wet flank.
//! Knows (u, v) on the body, not where the fish swims.

use tiny_skia::{FillRule, Mask, Pixmap, Transform};

use super::colour::{Rgb, mix, scaled};
use super::dice::{bell, ramp};
use super::individual::Individual;
use super::outline::Outline;
use super::profile::Pattern;

/// Paints the body onto the canvas, over fins that are already there.
pub(super) fn draw(canvas: &mut Pixmap, outline: &Outline, fish: &Individual) {
    let (Some(mut mask), Some(path)) = (Mask::new(outline.width, outline.height), outline.path())
    else {
        return;
    };
    mask.fill_path(&path, FillRule::Winding, true, Transform::identity());
    let skin = Skin::new(outline, fish);
    let width = outline.width as usize;
    let rows = canvas
        .data_mut()
        .chunks_exact_mut(width * 4)
        .zip(mask.data().chunks_exact(width));
    for (y, (row, cover)) in rows.enumerate() {
        for (x, (pixel, &cover)) in row.chunks_exact_mut(4).zip(cover).enumerate() {
            if cover == 0 {
                continue;
            }
            let (u, v) = outline.body_at(x as f32 + 0.5, y as f32 + 0.5);
            let colour = skin.colour(u, v.clamp(-1.0, 1.0));
            // The flesh fades into the tail fin instead of ending at a line.
            let over = f32::from(cover) / 255.0 * ramp(1.03, 0.985, u);
            for (channel, value) in pixel.iter_mut().zip(colour) {
                *channel =
                    (f32::from(*channel) * (1.0 - over) + value.clamp(0.0, 255.0) * over) as u8;
            }
            let alpha = f32::from(pixel[3]) * (1.0 - over) + 255.0 * over;
            // Premultiplied colour may not exceed alpha.
            pixel[3] = alpha.ceil() as u8;
        }
    }
}

/// The skin's colours resolved for one fish.
struct Skin<'a> {
    fish: &'a Individual,
    outline: &'a Outline,
    back: Rgb,
    flank: Rgb,
    belly: Rgb,
    cheek: Rgb,
}

impl<'a> Skin<'a> {
    fn new(outline: &'a Outline, fish: &'a Individual) -> Self {
        let (skin, head) = (&fish.profile.skin, &fish.profile.head);
        Self {
            fish,
            outline,
            back: fish.skin(skin.back),
            flank: fish.skin(skin.flank),
            belly: fish.skin(skin.belly),
            cheek: fish.skin(head.cheek),
        }
    }

    fn colour(&self, u: f32, v: f32) -> Rgb {
        let (profile, noise) = (self.fish.profile, self.fish.noise);
        let skin = &profile.skin;
        let ragged = (noise.at(u * 26.0, v * 5.0) - 0.5) * 0.2;
        let mut colour = mix(
            self.back,
            self.flank,
            ramp(skin.back_to - 0.32, skin.back_to + 0.34, v + ragged),
        );
        colour = mix(colour, self.belly, ramp(0.32, 0.88, v + ragged * 0.7));

        // The gill cover bulges backwards in the middle.
        let gill = profile.head.gill * (1.0 - 0.2 * v * v) + 0.006;
        let on_head = ramp(gill + 0.008, gill - 0.012, u);
        let cheek = ramp(-0.55, 0.1, v) * on_head;
        colour = mix(
            colour,
            mix(self.cheek, self.belly, ramp(0.3, 1.0, v) * 0.5),
            cheek * 0.72,
        );

        let (edge, centre) = self.scale_at(u, v);
        let scaly = (1.0 - on_head) * ramp(1.02, 0.97, u);
        for pattern in profile.patterns {
            colour = self.marked(colour, pattern, u, v, on_head);
        }
        colour = scaled(colour, 1.0 - edge * skin.scale_edge * scaly * 0.62);
        colour = scaled(colour, 1.0 + centre * scaly * (0.05 + 0.1 * skin.shine));

        // Behind the gill cover lies a shadow, before it a bright rim.
        colour = scaled(
            colour,
            1.0 - 0.42 * bell(u - gill - 0.006, 0.009) * bell(v - 0.1, 0.8),
        );
        colour = scaled(
            colour,
            1.0 + 0.12 * bell(u - gill + 0.016, 0.012) * bell(v, 0.7),
        );
        let pre_opercle = profile.head.gill * (0.74 - 0.12 * v * v);
        colour = scaled(
            colour,
            1.0 - 0.18 * bell(u - pre_opercle, 0.006) * ramp(-0.5, 0.0, v),
        );

        let line = -0.08 + 0.28 * bell(u - 0.5, 0.32) * self.outline.half_depth / 0.2;
        let near_line = bell(v - line, 0.022);
        if near_line > 0.0 {
            let dots = 0.6 + 0.4 * (u * skin.scale_rows * 26.0).sin();
            colour = scaled(
                colour,
                1.0 - skin.lateral_line * dots * near_line * (1.0 - on_head),
            );
        }
        self.lit(colour, u, v)
    }

    /// Roundness of the body, gloss of the upper flank, darkness at the rims.
    fn lit(&self, colour: Rgb, u: f32, v: f32) -> Rgb {
        let round = (1.0 - v * v).max(0.0).sqrt();
        let light = 0.58 + 0.44 * round - 0.1 * ramp(0.45, 1.0, v);
        let uneven = self.fish.noise.sibling(3).at(u * 16.0, v * 3.0);
        let shine = self.fish.profile.skin.shine
            * bell(v + 0.3, 0.2)
            * (0.25 + uneven)
            * ramp(0.0, 0.12, u);
        mix(
            scaled(colour, light),
            [255.0, 255.0, 250.0],
            (shine * 0.42).min(0.75),
        )
    }

    /// (how much of a dark scale edge, how much of a bright scale centre) there is at (u, v).
    fn scale_at(&self, u: f32, v: f32) -> (f32, f32) {
        let rows = self.fish.profile.skin.scale_rows;
        let row = v * rows / 2.0 + rows;
        let pitch = self.outline.half_depth * 2.0 / rows * 1.05;
        let column = u / pitch + 0.5 * (row.floor() % 2.0);
        let (along, across) = (column.fract(), row.fract() * 2.0 - 1.0);
        // Each scale ends in an arc; what lies behind the arc belongs to the next one.
        let arc = 0.97 - 0.45 * across * across;
        let glint = self.fish.noise.sibling(5).cell(column as i32, row as i32);
        let edge = bell(along - arc, 0.2).max(0.6 * bell(along - arc + 1.0, 0.2));
        (edge, (1.0 - edge) * (glint * 1.6 - 0.6))
    }

    fn marked(&self, colour: Rgb, pattern: &Pattern, u: f32, v: f32, on_head: f32) -> Rgb {
        let noise = self.fish.noise;
        let (mark, amount) = match *pattern {
            Pattern::Bars {
                colour,
                count,
                reach,
                width,
                strength,
            } => {
                let sway = (noise.sibling(11).at(u * 8.0, v * 1.6) - 0.5) * 0.5;
                let place = (u - 0.2) * count / 0.78 + sway;
                let own = noise.sibling(12).cell(place.floor() as i32, 0);
                // Every bar has its own length; bars taper towards the belly.
                let end = reach - 0.35 + 0.6 * own;
                let taper = width * (1.0 - 0.45 * ramp(-0.6, end, v));
                let across = (place.rem_euclid(1.0) - 0.5).abs();
                let body = ramp(0.1, 0.24, u) * ramp(end + 0.22, end - 0.15, v);
                (
                    colour,
                    strength * body * ramp(taper * 0.75 + 0.07, taper * 0.75 - 0.07, across),
                )
            }
            Pattern::Spots {
                colour,
                pitch,
                size,
                long,
                between,
                strength,
            } => {
                let height = v * self.outline.half_depth;
                let (x, y) = (u / (pitch * long), height / pitch);
                let on = ramp(between.0 - 0.1, between.0 + 0.1, v)
                    * ramp(between.1 + 0.15, between.1 - 0.15, v);
                (
                    colour,
                    strength * on * (1.0 - 0.55 * on_head) * self.spot(x, y, size),
                )
            }
            Pattern::Mottle {
                colour,
                pitch,
                cover,
                strength,
            } => {
                let height = v * self.outline.half_depth;
                let cloud = noise
                    .sibling((pitch * 1000.0) as u32)
                    .cloud(u / pitch, height / pitch);
                (
                    colour,
                    strength
                        * ramp(
                            0.56 - cover * 0.12,
                            0.64 - cover * 0.12,
                            cloud + 0.1 * cover,
                        )
                        * ramp(1.05, 0.55, v),
                )
            }
            Pattern::Blotches {
                colour,
                count,
                at,
                size,
                strength,
            } => {
                let place = (u - 0.24) * count / 0.74;
                let own = noise.sibling(21).cell(place.floor() as i32, 1);
                let dx = (place.rem_euclid(1.0) - 0.5) * 0.74 / count;
                let dy = (v - at - 0.1 * (own - 0.5)) * self.outline.half_depth;
                let radius = size * (0.75 + 0.45 * own);
                let near = (dx * dx + dy * dy * 1.7).sqrt() / radius;
                (
                    colour,
                    strength * ramp(1.2, 0.7, near) * ramp(0.23, 0.26, u) * ramp(1.0, 0.97, u),
                )
            }
            Pattern::Stripe {
                colour,
                at,
                width,
                strength,
            } => (
                colour,
                strength * bell(v - at, width) * (1.0 - on_head * 0.6),
            ),
        };
        mix(
            colour,
            self.fish.skin(mark),
            (amount * self.fish.pattern).clamp(0.0, 0.96),
        )
    }

    /// 1 inside a spot of the jittered grid that holds (x, y).
    fn spot(&self, x: f32, y: f32, size: f32) -> f32 {
        let noise = self.fish.noise.sibling(31);
        let row = y.floor();
        let x = x + 0.5 * row.rem_euclid(2.0);
        let (i, j) = (x.floor() as i32, row as i32);
        let own = noise.cell(i, j);
        if own < 0.16 {
            return 0.0;
        }
        let dx = x - x.floor() - 0.5 - 0.25 * (noise.cell(i, j + 500) - 0.5);
        let dy = y - row - 0.5 - 0.25 * (noise.cell(i + 500, j) - 0.5);
        let near = (dx * dx + dy * dy).sqrt() / (size * (0.55 + 0.5 * own));
        ramp(1.2, 0.75, near)
    }
}
