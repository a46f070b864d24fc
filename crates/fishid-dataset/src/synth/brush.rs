//! Strokes and shapes that scenes and occluders share: strips, blobs, rounded rods, blur.
//! Knows pictures only.

use tiny_skia::{FillRule, LineCap, LineJoin, Path, PathBuilder, Pixmap, Stroke, Transform};

use super::colour::{Rgb, mix, paint, scaled};

pub(super) type Point = (f32, f32);

pub(super) fn fill(picture: &mut Pixmap, path: Option<Path>, colour: Rgb, alpha: f32) {
    if let Some(path) = path {
        picture.fill_path(
            &path,
            &paint(colour, alpha),
            FillRule::Winding,
            Transform::identity(),
            None,
        );
    }
}

/// A curved strip that narrows from `width` at its foot to nothing at its tip: grass, weed, reed.
pub(super) fn blade(
    picture: &mut Pixmap,
    [foot, by, tip]: [Point; 3],
    width: f32,
    colour: Rgb,
    alpha: f32,
) {
    let (dx, dy) = (tip.0 - foot.0, tip.1 - foot.1);
    let length = (dx * dx + dy * dy).sqrt().max(1.0);
    let (nx, ny) = (-dy / length * width / 2.0, dx / length * width / 2.0);
    let mut path = PathBuilder::new();
    path.move_to(foot.0 + nx, foot.1 + ny);
    path.quad_to(by.0 + nx, by.1 + ny, tip.0, tip.1);
    path.quad_to(by.0 - nx, by.1 - ny, foot.0 - nx, foot.1 - ny);
    path.close();
    fill(picture, path.finish(), colour, alpha);
}

/// A closed smooth blob around `centre`; `radii` are taken at equal angles.
pub(super) fn blob(
    picture: &mut Pixmap,
    centre: Point,
    radii: &[f32],
    flat: f32,
    colour: Rgb,
    alpha: f32,
) {
    let n = radii.len();
    let at = |i: usize| {
        let angle = i as f32 / n as f32 * std::f32::consts::TAU;
        let radius = radii[i % n];
        (
            centre.0 + radius * angle.cos(),
            centre.1 + radius * flat * angle.sin(),
        )
    };
    let between = |a: Point, b: Point| (f32::midpoint(a.0, b.0), f32::midpoint(a.1, b.1));
    let mut path = PathBuilder::new();
    let start = between(at(n - 1), at(0));
    path.move_to(start.0, start.1);
    for i in 0..n {
        let (by, end) = (at(i), between(at(i), at(i + 1)));
        path.quad_to(by.0, by.1, end.0, end.1);
    }
    path.close();
    fill(picture, path.finish(), colour, alpha);
}

/// A rounded rod that looks round: dark rims, a light ridge. Fingers and stems.
pub(super) fn rod(picture: &mut Pixmap, points: &[Point], width: f32, colour: Rgb) {
    let [first, rest @ ..] = points else { return };
    let steps = 9;
    for step in 0..steps {
        let t = step as f32 / (steps - 1) as f32;
        let offset = width * 0.1 * t;
        let mut path = PathBuilder::new();
        path.move_to(first.0 - offset, first.1 - offset);
        for point in rest {
            path.line_to(point.0 - offset, point.1 - offset);
        }
        let stroke = Stroke {
            width: width * (1.0 - 0.8 * t),
            line_cap: LineCap::Round,
            line_join: LineJoin::Round,
            ..Stroke::default()
        };
        let tone = mix(scaled(colour, 0.55), scaled(colour, 1.12), t.sqrt());
        if let Some(path) = path.finish() {
            let alpha = if step == 0 { 1.0 } else { 0.3 };
            picture.stroke_path(
                &path,
                &paint(tone, alpha),
                &stroke,
                Transform::identity(),
                None,
            );
        }
    }
}

pub(super) fn line(
    picture: &mut Pixmap,
    from: Point,
    to: Point,
    width: f32,
    (colour, alpha): (Rgb, f32),
) {
    let mut path = PathBuilder::new();
    path.move_to(from.0, from.1);
    path.line_to(to.0, to.1);
    if let Some(path) = path.finish() {
        let stroke = Stroke {
            width,
            line_cap: LineCap::Round,
            ..Stroke::default()
        };
        picture.stroke_path(
            &path,
            &paint(colour, alpha),
            &stroke,
            Transform::identity(),
            None,
        );
    }
}

/// Box blur of all four channels, `radius` pixels each way, in both directions.
pub(super) fn blur(picture: &mut Pixmap, radius: usize) {
    if radius == 0 {
        return;
    }
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let data = picture.data_mut();
    for y in 0..height {
        blur_line(data, y * width * 4, 4, width, radius);
    }
    for x in 0..width {
        blur_line(data, x * 4, width * 4, height, radius);
    }
}

fn blur_line(data: &mut [u8], start: usize, step: usize, n: usize, radius: usize) {
    let window = (2 * radius + 1) as u32;
    for channel in 0..4 {
        let at = |i: usize| start + i.min(n - 1) * step + channel;
        let values: Vec<u8> = (0..n).map(|i| data[at(i)]).collect();
        let value = |i: usize| u32::from(values[i.min(n - 1)]);
        let mut sum = value(0) * radius as u32 + (0..=radius).map(value).sum::<u32>();
        for i in 0..n {
            data[at(i)] = (sum / window) as u8;
            sum = sum + value(i + radius + 1) - value(i.saturating_sub(radius));
        }
    }
}
