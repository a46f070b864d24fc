//! Draws what sits on the head: eye, mouth, nostril, barbel.
//! Knows positions from the profile only.

use tiny_skia::{FillRule, LineCap, PathBuilder, Pixmap, Stroke, Transform};

use super::colour::{Rgb, paint, scaled};
use super::individual::Individual;
use super::outline::Outline;

pub(super) fn draw(canvas: &mut Pixmap, outline: &Outline, fish: &Individual) {
    let head = &fish.profile.head;
    mouth(canvas, outline, fish);

    let eye = outline.pixel(head.eye.0, head.eye.1 * fish.depth);
    let radius = head.eye_radius * fish.eye * outline.scale;
    let iris = fish.fin(head.iris);
    disc(canvas, eye, radius * 1.16, [20.0, 20.0, 18.0], 0.45);
    disc(canvas, eye, radius, scaled(iris, 0.72), 1.0);
    disc(
        canvas,
        (eye.0, eye.1 + radius * 0.08),
        radius * 0.86,
        iris,
        1.0,
    );
    disc(canvas, eye, radius * 0.6, scaled(iris, 1.12), 0.8);
    disc(canvas, eye, radius * 0.5, [10.0, 12.0, 14.0], 1.0);
    disc(
        canvas,
        (eye.0 - radius * 0.2, eye.1 - radius * 0.28),
        radius * 0.17,
        [255.0; 3],
        0.9,
    );

    let u = head.eye.0 * 0.5;
    let height = (head.eye.1 * fish.depth * 0.95).min(outline.back(u) - 0.014);
    let nostril = outline.pixel(u, height);
    disc(
        canvas,
        nostril,
        outline.scale * 0.0045,
        [18.0, 16.0, 14.0],
        0.55,
    );
}

fn mouth(canvas: &mut Pixmap, outline: &Outline, fish: &Individual) {
    let head = &fish.profile.head;
    let [tip, corner] = head
        .mouth
        .map(|(u, height)| outline.pixel(u - 0.005, height * fish.depth));
    let sag = outline.scale * 0.006;
    let stroke = |width: f32| Stroke {
        width: outline.scale * width,
        line_cap: LineCap::Round,
        ..Stroke::default()
    };
    let middle = (
        f32::midpoint(tip.0, corner.0),
        f32::midpoint(tip.1, corner.1) + sag,
    );
    let lip = fish.skin(head.cheek);
    curve(
        canvas,
        [(tip.0, tip.1 + sag), (middle.0, middle.1 + sag), corner],
        &stroke(0.012),
        (scaled(lip, 1.1), 0.5),
    );
    curve(
        canvas,
        [tip, middle, corner],
        &stroke(0.0055),
        ([28.0, 22.0, 18.0], 0.85),
    );
    if head.barbel {
        let end = (
            corner.0 + outline.scale * 0.022,
            corner.1 + outline.scale * 0.044,
        );
        let bend = (
            corner.0 - outline.scale * 0.002,
            end.1 - outline.scale * 0.012,
        );
        curve(
            canvas,
            [corner, bend, end],
            &stroke(0.0062),
            (scaled(lip, 0.7), 1.0),
        );
    }
}

fn curve(
    canvas: &mut Pixmap,
    [from, by, to]: [(f32, f32); 3],
    stroke: &Stroke,
    (colour, alpha): (Rgb, f32),
) {
    let mut path = PathBuilder::new();
    path.move_to(from.0, from.1);
    path.quad_to(by.0, by.1, to.0, to.1);
    if let Some(path) = path.finish() {
        canvas.stroke_path(
            &path,
            &paint(colour, alpha),
            stroke,
            Transform::identity(),
            None,
        );
    }
}

fn disc(canvas: &mut Pixmap, (x, y): (f32, f32), radius: f32, colour: Rgb, alpha: f32) {
    if let Some(path) = PathBuilder::from_circle(x, y, radius) {
        canvas.fill_path(
            &path,
            &paint(colour, alpha),
            FillRule::Winding,
            Transform::identity(),
            None,
        );
    }
}
