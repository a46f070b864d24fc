//! Draws a fin as a fan of rays with skin between them.
//! Knows the outline that fins grow from, and no species.

use tiny_skia::{FillRule, LineCap, Path, PathBuilder, Pixmap, Stroke, Transform};

use super::colour::{mix, paint, scaled};
use super::dice::{Dice, Noise, lerp};
use super::individual::Individual;
use super::outline::Outline;
use super::profile::{Fin, Marks, Root};

/// How far a fin's root lies inside the body, in standard lengths.
const ROOTED: f32 = 0.012;

struct Ray {
    root: (f32, f32),
    tip: (f32, f32),
}

impl Ray {
    fn at(&self, t: f32) -> (f32, f32) {
        (
            lerp(self.root.0, self.tip.0, t),
            lerp(self.root.1, self.tip.1, t),
        )
    }
}

/// Draws `fin`; `raised` is 1 for a fin held open, less for one that is folded back.
pub(super) fn draw(
    canvas: &mut Pixmap,
    outline: &Outline,
    fish: &Individual,
    fin: &Fin,
    raised: f32,
    dice: &mut Dice,
) {
    let rays = rays(outline, fish, fin, raised, dice);
    let (colour, rim) = (fish.fin(fin.colour), fish.fin(fin.rim));
    let opacity = if matches!(fin.root, Root::Flank(..)) {
        0.8
    } else {
        0.92
    };
    fill(
        canvas,
        web(&rays, fin.spiny, 0.0, 1.0),
        &paint(scaled(colour, 0.9), opacity),
    );
    for (from, alpha) in [(0.35, 0.3), (0.55, 0.4), (0.75, 0.45), (0.9, 0.4)] {
        fill(canvas, web(&rays, fin.spiny, from, 1.0), &paint(rim, alpha));
    }
    fill(
        canvas,
        web(&rays, fin.spiny, 0.0, 0.25),
        &paint(scaled(colour, 0.62), 0.35),
    );

    let stroke = Stroke {
        width: outline.scale * if fin.spiny { 0.0052 } else { 0.0032 },
        line_cap: LineCap::Round,
        ..Stroke::default()
    };
    let bright = mix(scaled(colour, 1.15), [255.0; 3], 0.14);
    let every = if fin.spiny { 1 } else { 2 };
    lines(
        canvas,
        rays.iter().step_by(every),
        &stroke,
        &paint(bright, 0.6),
    );
    if every == 2 {
        let dark = scaled(colour, 0.58);
        lines(
            canvas,
            rays.iter().skip(1).step_by(2),
            &stroke,
            &paint(dark, 0.6),
        );
    }
    if let Some(edge) = web(&rays, fin.spiny, 0.97, 1.0) {
        canvas.fill_path(
            &edge,
            &paint(scaled(rim, 0.6), 0.5),
            FillRule::Winding,
            Transform::identity(),
            None,
        );
    }
    marks(canvas, outline, fish, fin, &rays);
}

fn rays(outline: &Outline, fish: &Individual, fin: &Fin, raised: f32, dice: &mut Dice) -> Vec<Ray> {
    let n = usize::from(fin.n_rays) * if fin.spiny { 1 } else { 2 };
    let ragged = if fin.spiny { 0.03 } else { 0.018 };
    (0..n)
        .map(|i| {
            let t = i as f32 / (n - 1) as f32;
            let length = length_at(fin.lengths, t) * fish.fin_length * dice.around(1.0, ragged);
            let lean = lerp(fin.lean.0, fin.lean.1, t);
            let (u, height, degrees) = match fin.root {
                Root::Back(from, to) => {
                    let u = lerp(from, to, t);
                    (u, outline.back(u) - ROOTED, 90.0 - fold(lean, raised))
                }
                Root::Belly(from, to) => {
                    let u = lerp(from, to, t);
                    (u, ROOTED - outline.belly(u), fold(lean, raised) - 90.0)
                }
                Root::Tail => {
                    let (top, low) = (outline.back(1.0) * 0.92, -outline.belly(1.0) * 0.92);
                    (
                        1.0 - ROOTED,
                        lerp(top, low, t),
                        lean * lerp(0.72, 1.0, raised),
                    )
                }
                Root::Flank(u, v) => {
                    let height = outline.height_at(u, v);
                    (
                        u + 0.01 * t,
                        height - 0.03 * (t - 0.5),
                        lean * lerp(0.4, 1.0, raised) - 6.0,
                    )
                }
            };
            let (sin, cos) = degrees.to_radians().sin_cos();
            Ray {
                root: outline.pixel(u, height),
                tip: outline.pixel(u + cos * length, height + sin * length),
            }
        })
        .collect()
}

/// A folded fin leans further towards the tail.
fn fold(lean: f32, raised: f32) -> f32 {
    lerp(lerp(lean, 78.0, 0.62), lean, raised)
}

fn length_at(lengths: &[f32], t: f32) -> f32 {
    let position = t * (lengths.len() - 1) as f32;
    let i = (position as usize).min(lengths.len() - 2);
    lerp(lengths[i], lengths[i + 1], position - i as f32)
}

/// The skin between `from` and `to` of the rays' lengths.
fn web(rays: &[Ray], spiny: bool, from: f32, to: f32) -> Option<Path> {
    let mut path = PathBuilder::new();
    let (first, rest) = rays.split_first()?;
    let start = first.at(from);
    path.move_to(start.0, start.1);
    let mut last = first.at(to);
    path.line_to(last.0, last.1);
    for ray in rest {
        let tip = ray.at(to);
        if spiny && to > 0.9 {
            // Between hard rays the skin hangs lower.
            let low = ray.at(to * 0.84);
            path.quad_to(
                lerp(last.0, low.0, 0.75),
                lerp(last.1, low.1, 0.75),
                lerp(low.0, tip.0, 0.25),
                lerp(low.1, tip.1, 0.25),
            );
        }
        path.line_to(tip.0, tip.1);
        last = tip;
    }
    for ray in rays.iter().rev() {
        let root = ray.at(from);
        path.line_to(root.0, root.1);
    }
    path.close();
    path.finish()
}

fn marks(canvas: &mut Pixmap, outline: &Outline, fish: &Individual, fin: &Fin, rays: &[Ray]) {
    let noise: Noise = fish.noise.sibling(u32::from(fin.n_rays) + 77);
    match fin.marks {
        Marks::Plain => {}
        Marks::Dots(colour) => {
            let colour = paint(fish.skin(colour), 0.78 * fish.pattern.min(1.1));
            let step = if fin.spiny { 1 } else { 3 };
            for (i, ray) in rays.iter().enumerate().step_by(step) {
                for row in 0..4 {
                    let chance = noise.cell(i as i32, row);
                    if chance < 0.28 {
                        continue;
                    }
                    let (x, y) = ray.at(0.24 + 0.17 * row as f32 + 0.1 * chance);
                    let radius = outline.scale * (0.0035 + 0.0042 * chance);
                    fill(canvas, PathBuilder::from_circle(x, y, radius), &colour);
                }
            }
        }
        Marks::Blot(colour) => {
            let ray = &rays[rays.len() * 4 / 5];
            let (x, y) = ray.at(0.42);
            for (grow, alpha) in [(1.35, 0.35), (1.0, 0.6), (0.7, 0.7)] {
                let blot = PathBuilder::from_circle(x, y, outline.scale * 0.03 * grow);
                fill(canvas, blot, &paint(colour, alpha));
            }
        }
    }
}

fn fill(canvas: &mut Pixmap, path: Option<Path>, paint: &tiny_skia::Paint<'_>) {
    if let Some(path) = path {
        canvas.fill_path(&path, paint, FillRule::Winding, Transform::identity(), None);
    }
}

/// All rays as one path: one pass over the canvas instead of one for each.
fn lines<'a>(
    canvas: &mut Pixmap,
    rays: impl Iterator<Item = &'a Ray>,
    stroke: &Stroke,
    paint: &tiny_skia::Paint<'_>,
) {
    let mut path = PathBuilder::new();
    for ray in rays {
        path.move_to(ray.root.0, ray.root.1);
        path.line_to(ray.tip.0, ray.tip.1);
    }
    if let Some(path) = path.finish() {
        canvas.stroke_path(&path, paint, stroke, Transform::identity(), None);
    }
}
