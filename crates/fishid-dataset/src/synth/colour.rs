//! Colours of the synthetic fish: sRGB in 0..=255 as floats, and how they reach tiny-skia.
//! Knows nothing of fish or scenes.

use tiny_skia::{Color, Paint, Pixmap};

/// sRGB, each channel in 0..=255.
pub(super) type Rgb = [f32; 3];

/// `t` = 0 gives `a`, 1 gives `b`.
pub(super) fn mix(a: Rgb, b: Rgb, t: f32) -> Rgb {
    [0, 1, 2].map(|i| a[i] + (b[i] - a[i]) * t)
}

/// Brighter (`k` > 1) or darker.
pub(super) fn scaled(a: Rgb, k: f32) -> Rgb {
    a.map(|c| c * k)
}

/// Mean of the channels pulled apart: 0 is grey, 1 unchanged, more is vivid.
pub(super) fn saturated(a: Rgb, k: f32) -> Rgb {
    let grey = (a[0] + a[1] + a[2]) / 3.0;
    a.map(|c| grey + (c - grey) * k)
}

/// An anti-aliased paint of one colour.
pub(super) fn paint(colour: Rgb, alpha: f32) -> Paint<'static> {
    let [r, g, b] = colour.map(|c| (c / 255.0).clamp(0.0, 1.0));
    let mut paint = Paint::default();
    if let Some(colour) = Color::from_rgba(r, g, b, alpha.clamp(0.0, 1.0)) {
        paint.set_color(colour);
    }
    paint.anti_alias = true;
    paint
}

/// Fills an opaque picture from a function of the pixel.
pub(super) fn fill(picture: &mut Pixmap, mut colour: impl FnMut(f32, f32) -> Rgb) {
    let width = picture.width() as usize;
    for (y, row) in picture.data_mut().chunks_exact_mut(width * 4).enumerate() {
        for (x, pixel) in row.chunks_exact_mut(4).enumerate() {
            let [r, g, b] = colour(x as f32, y as f32);
            pixel.copy_from_slice(&[r as u8, g as u8, b as u8, 255]);
        }
    }
}
