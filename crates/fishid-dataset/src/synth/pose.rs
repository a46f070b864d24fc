//! Puts a straight fish into the photograph: turned, bent, foreshortened, seen a little from aside.
//! Owns the map between fish and photograph, both ways; knows no light and no background.

use tiny_skia::Pixmap;

use super::dice::Dice;
use super::fish::Fish;

pub(super) struct Pose {
    /// Pixels of one standard length.
    pub(super) scale: f32,
    /// Pixel of the photograph where the middle of the fish lies.
    pub(super) centre: (f32, f32),
    /// Sine and cosine of the turn, anticlockwise on the screen's downward axis.
    turn: (f32, f32),
    faces_right: bool,
    /// Length seen against true length.
    squash: f32,
    /// How much nearer the tail is than the head.
    aside: f32,
    bend: f32,
    wave: f32,
}

/// The middle of fish and tail fin, in standard lengths from the snout.
const MIDDLE: f32 = 0.58;

impl Pose {
    /// A pose in a photograph of `width` × `height`; `lively` fish bend more.
    pub(super) fn new(
        width: f32,
        height: f32,
        half_depth: f32,
        lively: bool,
        dice: &mut Dice,
    ) -> Self {
        let turn = dice.around(0.0, 0.3);
        let reach = dice.between(0.8, 1.0);
        let by_width = width * reach / (1.24 * turn.cos() + half_depth * turn.sin().abs());
        let by_height = height * 0.88 / (half_depth * 2.0 + 0.26 + 1.1 * turn.sin().abs());
        // Some fish are cut off by the frame.
        let stray = if dice.chance(0.1) { 0.2 } else { 0.05 };
        let supple = if lively { 1.0 } else { 0.45 };
        Self {
            scale: by_width.min(by_height),
            centre: (
                width * dice.around(0.5, stray),
                height * dice.around(0.51, 0.07),
            ),
            turn: turn.sin_cos(),
            faces_right: dice.chance(0.5),
            squash: 1.0 - 0.16 * dice.unit() * dice.unit(),
            aside: dice.around(0.0, 0.22),
            bend: dice.around(0.0, 0.22) * supple,
            wave: dice.around(0.0, 0.05) * supple,
        }
    }

    /// Sideways shift of the body at `u`, in standard lengths.
    fn shift(&self, u: f32) -> f32 {
        let x = u - 0.45;
        self.bend * x * x + self.wave * 4.0 * u * (u - 0.35) * (u - 0.8)
    }

    /// The pixel of the photograph of (u, height above the axis).
    pub(super) fn pixel(&self, u: f32, height: f32) -> (f32, f32) {
        let (x, y) = ((u - MIDDLE) * self.squash, self.shift(u) - height);
        let near = 1.0 / (1.0 - self.aside * x);
        let x = x * near * if self.faces_right { -1.0 } else { 1.0 };
        let (sin, cos) = self.turn;
        let (x, y) = (x, y * near);
        (
            self.centre.0 + self.scale * (x * cos - y * sin),
            self.centre.1 + self.scale * (x * sin + y * cos),
        )
    }

    /// The inverse of [`Self::pixel`].
    fn body_at(&self, x: f32, y: f32) -> (f32, f32) {
        let (sin, cos) = self.turn;
        let (x, y) = (
            (x - self.centre.0) / self.scale,
            (y - self.centre.1) / self.scale,
        );
        let (x, y) = (x * cos + y * sin, y * cos - x * sin);
        let x = if self.faces_right { -x } else { x };
        let near = 1.0 / (1.0 + self.aside * x);
        let u = x * near / self.squash + MIDDLE;
        (u, self.shift(u) - y * near)
    }

    /// The fish as the photograph sees it, on a transparent picture of its size.
    pub(super) fn place(&self, fish: &Fish, width: u32, height: u32) -> Option<Pixmap> {
        let mut seen = Pixmap::new(width, height)?;
        for (y, row) in seen
            .data_mut()
            .chunks_exact_mut(width as usize * 4)
            .enumerate()
        {
            for (x, pixel) in row.chunks_exact_mut(4).enumerate() {
                let (u, height) = self.body_at(x as f32 + 0.5, y as f32 + 0.5);
                let (cx, cy) = fish.outline.pixel(u, height);
                if let Some(value) = bilinear(&fish.canvas, cx - 0.5, cy - 0.5) {
                    pixel.copy_from_slice(&value);
                }
            }
        }
        Some(seen)
    }
}

/// The premultiplied pixel at a fractional place; nothing where the picture ends or is empty.
pub(super) fn bilinear(picture: &Pixmap, x: f32, y: f32) -> Option<[u8; 4]> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    if x < 0.0 || y < 0.0 || x >= width as f32 - 1.0 || y >= height as f32 - 1.0 {
        return None;
    }
    let (i, j) = (x as usize, y as usize);
    let start = (j * width + i) * 4;
    let top = picture.data().get(start..start + 8)?;
    let low = picture
        .data()
        .get(start + width * 4..start + width * 4 + 8)?;
    if top[3] | top[7] | low[3] | low[7] == 0 {
        return None;
    }
    let (fx, fy) = (x - i as f32, y - j as f32);
    let weights = [
        (1.0 - fx) * (1.0 - fy),
        fx * (1.0 - fy),
        (1.0 - fx) * fy,
        fx * fy,
    ];
    let four = |bytes: &[u8]| [bytes[0], bytes[1], bytes[2], bytes[3]].map(f32::from);
    let corners = [
        four(&top[..4]),
        four(&top[4..]),
        four(&low[..4]),
        four(&low[4..]),
    ];
    let mut value = [0.5; 4];
    for (corner, weight) in corners.into_iter().zip(weights) {
        for (sum, channel) in value.iter_mut().zip(corner) {
            *sum += channel * weight;
        }
    }
    Some(value.map(|channel: f32| channel as u8))
}
