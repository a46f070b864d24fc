//! Cropping, turning and mirroring in one step: the pixels wanted are looked up in the photograph.

use crate::{
    Filter, RgbPhoto,
    resize::{Rectangle, resize_part},
};

/// Which part of a photograph is shown, and how it is turned about its centre.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placement {
    pub(super) part: Rectangle,
    /// Radians.
    pub(super) rotation: f64,
    pub(super) is_mirrored: bool,
}

/// Most source pixels per pixel of the result that are looked up with two-point interpolation. More would
/// alias, so the source is made smaller first; resizing to exactly 1 would blur what an unchanged view shows.
const MAX_STRIDE: f64 = 1.5;

/// Extra source pixels around the part, for the kernel and for interpolation.
const MARGIN: f64 = 2.0;

/// An affine map from the result's pixel indices to the source's, along one source axis.
#[derive(Debug, Clone, Copy)]
struct Axis {
    start: f64,
    per_column: f64,
    per_row: f64,
}

impl Placement {
    /// Renders the part at a size. Where a turned part reaches beyond the photograph, the photograph is
    /// mirrored at its edge.
    pub(super) fn render(&self, photo: &RgbPhoto, size: (u32, u32), filter: Filter) -> RgbPhoto {
        let (columns, rows) = (f64::from(size.0), f64::from(size.1));
        let part = self.part;
        let (sin, cos) = self.rotation.sin_cos();
        let (centre_x, centre_y) = (part.left + part.width / 2.0, part.top + part.height / 2.0);

        let half_width = f64::midpoint(part.width * cos.abs(), part.height * sin.abs());
        let half_height = f64::midpoint(part.width * sin.abs(), part.height * cos.abs());
        let (left, width) = span(centre_x, half_width, photo.width());
        let (top, height) = span(centre_y, half_height, photo.height());
        let scale_x = scale(part.width / columns);
        let scale_y = scale(part.height / rows);
        let is_taken_as_is =
            (scale_x - 1.0).abs() < f64::EPSILON && (scale_y - 1.0).abs() < f64::EPSILON;
        let (source, left, top, scale_x, scale_y) = if is_taken_as_is {
            (None, 0.0, 0.0, 1.0, 1.0)
        } else {
            let new_size = (
                (width * scale_x).round().max(1.0) as u32,
                (height * scale_y).round().max(1.0) as u32,
            );
            let resized = resize_part(
                photo,
                Rectangle {
                    left,
                    top,
                    width,
                    height,
                },
                new_size,
                filter,
            );
            (
                Some(resized),
                left,
                top,
                f64::from(new_size.0) / width,
                f64::from(new_size.1) / height,
            )
        };

        // A step to the right in the result, in pixels of the photograph; mirrored, a step to the left.
        let step_x = part.width / columns * if self.is_mirrored { -1.0 } else { 1.0 };
        let step_y = part.height / rows;
        let (middle_column, middle_row) = ((columns - 1.0) / 2.0, (rows - 1.0) / 2.0);
        let axis = |centre: f64, origin: f64, scale: f64, x_part: f64, y_part: f64| Axis {
            start: (centre
                - origin
                - middle_column * step_x * x_part
                - middle_row * step_y * y_part)
                * scale
                - 0.5,
            per_column: step_x * x_part * scale,
            per_row: step_y * y_part * scale,
        };
        let x = axis(centre_x, left, scale_x, cos, -sin);
        let y = axis(centre_y, top, scale_y, sin, cos);
        sample(source.as_ref().unwrap_or(photo), size, x, y)
    }
}

/// The pixels of one side that a turned part touches.
fn span(centre: f64, half: f64, side: u32) -> (f64, f64) {
    let low = (centre - half - MARGIN).floor().max(0.0);
    let high = (centre + half + MARGIN).ceil().min(f64::from(side));
    (low, high - low)
}

/// How the source is resized before the look-up, from source pixels per pixel of the result.
fn scale(stride: f64) -> f64 {
    if stride > MAX_STRIDE {
        MAX_STRIDE / stride
    } else if stride < 1.0 {
        1.0 / stride
    } else {
        1.0
    }
}

const FRACTION_BITS: u32 = 16;

/// Two-point interpolation along both axes, in fixed point.
fn sample(source: &RgbPhoto, (columns, rows): (u32, u32), x: Axis, y: Axis) -> RgbPhoto {
    let fixed = |value: f64| (value * f64::from(1 << FRACTION_BITS)).round() as i64;
    let (width, height) = (i64::from(source.width()), i64::from(source.height()));
    let pixels = source.pixels();
    let row_bytes = source.width() as usize * 3;
    let mut result = Vec::with_capacity(columns as usize * rows as usize * 3);
    for row in 0..rows {
        let mut at_x = fixed(x.start + f64::from(row) * x.per_row);
        let mut at_y = fixed(y.start + f64::from(row) * y.per_row);
        let (step_x, step_y) = (fixed(x.per_column), fixed(y.per_column));
        for _ in 0..columns {
            let (x0, y0) = (at_x >> FRACTION_BITS, at_y >> FRACTION_BITS);
            let (left, right) = (inside(x0, width) * 3, inside(x0 + 1, width) * 3);
            let (above, below) = (
                inside(y0, height) * row_bytes,
                inside(y0 + 1, height) * row_bytes,
            );
            let (weight_x, weight_y) = (weight(at_x), weight(at_y));
            let corner = |row: usize, column: usize| &pixels[row + column..row + column + 3];
            let (a, b) = (corner(above, left), corner(above, right));
            let (c, d) = (corner(below, left), corner(below, right));
            for channel in 0..3 {
                let mix = |from: u8, to: u8| {
                    u32::from(from) * (256 - weight_x) + u32::from(to) * weight_x
                };
                let (top, bottom) = (mix(a[channel], b[channel]), mix(c[channel], d[channel]));
                result.push(((top * (256 - weight_y) + bottom * weight_y + (1 << 15)) >> 16) as u8);
            }
            at_x += step_x;
            at_y += step_y;
        }
    }
    RgbPhoto::of_exact(columns, rows, result)
}

/// The fraction of a fixed-point position, 0 to 255 of 256.
fn weight(position: i64) -> u32 {
    ((position >> (FRACTION_BITS - 8)) & 0xff) as u32
}

/// The index itself, or its mirror image at the edge it lies beyond.
fn inside(index: i64, side: i64) -> usize {
    let reflected = if index < 0 {
        -1 - index
    } else if index >= side {
        2 * side - 1 - index
    } else {
        index
    };
    reflected.clamp(0, side - 1) as usize
}
