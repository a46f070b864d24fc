//! The body's contour on the canvas of one fish: from (u, v) to pixels and back.
//! Knows no colours. The fish lies straight, its snout to the left.

use tiny_skia::{Path, PathBuilder};

use super::individual::Individual;

/// Steps along the body at which the contour is kept.
const N_STEPS: usize = 256;
/// Room in front of the snout and behind the tail base, in standard lengths.
const MARGIN: (f32, f32) = (0.05, 0.4);

pub(super) struct Outline {
    /// Pixels of one standard length.
    pub(super) scale: f32,
    /// Pixel of snout and axis.
    pub(super) origin: (f32, f32),
    pub(super) width: u32,
    pub(super) height: u32,
    /// Half the depth at the deepest place, in standard lengths.
    pub(super) half_depth: f32,
    back: Vec<f32>,
    belly: Vec<f32>,
}

impl Outline {
    pub(super) fn new(fish: &Individual, scale: f32) -> Self {
        let curve = |points: &[(f32, f32)]| -> Vec<f32> {
            (0..=N_STEPS)
                .map(|i| fish.depth * smooth_curve(points, i as f32 / N_STEPS as f32))
                .collect()
        };
        let (back, belly) = (curve(fish.profile.back), curve(fish.profile.belly));
        let deepest = |side: &[f32]| side.iter().copied().fold(0.0, f32::max);
        let (up, down) = (deepest(&back) + 0.24, deepest(&belly) + 0.22);
        Self {
            scale,
            origin: (MARGIN.0 * scale, up * scale),
            width: ((1.0 + MARGIN.0 + MARGIN.1) * scale).ceil() as u32,
            height: ((up + down) * scale).ceil() as u32,
            half_depth: (up + down - 0.46) / 2.0,
            back,
            belly,
        }
    }

    /// Height of the back above the axis at `u`.
    pub(super) fn back(&self, u: f32) -> f32 {
        sample(&self.back, u)
    }

    /// Depth of the belly below the axis at `u`.
    pub(super) fn belly(&self, u: f32) -> f32 {
        sample(&self.belly, u)
    }

    /// The pixel of (u, height above the axis).
    pub(super) fn pixel(&self, u: f32, height: f32) -> (f32, f32) {
        (
            self.origin.0 + u * self.scale,
            self.origin.1 - height * self.scale,
        )
    }

    /// Height above the axis at (u, v).
    pub(super) fn height_at(&self, u: f32, v: f32) -> f32 {
        let (back, belly) = (self.back(u), self.belly(u));
        (back - belly) / 2.0 - v * (back + belly) / 2.0
    }

    /// (u, v) of a pixel.
    pub(super) fn body_at(&self, x: f32, y: f32) -> (f32, f32) {
        let u = (x - self.origin.0) / self.scale;
        let height = (self.origin.1 - y) / self.scale;
        let (back, belly) = (self.back(u), self.belly(u));
        let half = f32::midpoint(back, belly).max(1e-4);
        (u, ((back - belly) / 2.0 - height) / half)
    }

    /// The closed contour of the body.
    pub(super) fn path(&self) -> Option<Path> {
        let mut path = PathBuilder::new();
        let steps = (0..=N_STEPS).map(|i| i as f32 / N_STEPS as f32);
        let front = self.pixel(-0.006, (self.back(0.0) - self.belly(0.0)) / 2.0);
        path.move_to(front.0, front.1);
        for u in steps.clone() {
            let (x, y) = self.pixel(u, self.back(u));
            path.line_to(x, y);
        }
        // The flesh runs on a little into the tail fin.
        let end = self.pixel(1.035, (self.back(1.0) - self.belly(1.0)) / 2.0);
        let corner = self.pixel(1.0, -self.belly(1.0));
        path.quad_to(end.0, end.1, corner.0, corner.1);
        for u in steps.rev() {
            let (x, y) = self.pixel(u, -self.belly(u));
            path.line_to(x, y);
        }
        path.close();
        path.finish()
    }
}

fn sample(side: &[f32], u: f32) -> f32 {
    let position = u.clamp(0.0, 1.0) * N_STEPS as f32;
    let i = (position as usize).min(N_STEPS - 1);
    side[i] + (side[i + 1] - side[i]) * (position - i as f32)
}

/// Cubic Hermite through the points, with the slopes of Fritsch and Butland (1984), which keep the
/// curve from overshooting where a Catmull-Rom spline would bulge.
fn smooth_curve(points: &[(f32, f32)], x: f32) -> f32 {
    let n = points.len();
    let slope = |i: usize| (points[i + 1].1 - points[i].1) / (points[i + 1].0 - points[i].0);
    let tangent = |i: usize| {
        if i == 0 {
            return slope(0) * 1.4;
        }
        if i == n - 1 {
            return slope(n - 2);
        }
        let (a, b) = (slope(i - 1), slope(i));
        if a * b <= 0.0 {
            0.0
        } else {
            2.0 * a * b / (a + b)
        }
    };
    let i = points[1..n - 1]
        .iter()
        .take_while(|point| point.0 <= x)
        .count();
    let (from, to) = (points[i], points[i + 1]);
    let width = to.0 - from.0;
    let t = ((x - from.0) / width).clamp(0.0, 1.0);
    let (t2, t3) = (t * t, t * t * t);
    (2.0 * t3 - 3.0 * t2 + 1.0) * from.1
        + (t3 - 2.0 * t2 + t) * width * tangent(i)
        + (3.0 * t2 - 2.0 * t3) * to.1
        + (t3 - t2) * width * tangent(i + 1)
}

#[cfg(test)]
mod tests {
    use super::smooth_curve;

    #[test]
    fn the_curve_passes_through_its_points_and_does_not_overshoot() {
        let points = [(0.0, 0.0), (0.2, 0.3), (0.6, 0.3), (1.0, 0.1)];
        for (x, y) in points {
            assert!((smooth_curve(&points, x) - y).abs() < 1e-5, "at {x}");
        }
        for i in 0..=100 {
            let y = smooth_curve(&points, i as f32 / 100.0);
            assert!((0.0..=0.3001).contains(&y), "{y} at step {i}");
        }
    }
}
