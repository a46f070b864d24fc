//! Changes of colour that are affine in RGB, joined into one pass over the pixels.

/// Factors around 1 and a turn of the colour circle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ColourShift {
    /// Factor on all light.
    pub(crate) brightness: f64,
    /// Factor on the distance from the picture's mean gray.
    pub(crate) contrast: f64,
    /// Factor on the distance from gray.
    pub(crate) saturation: f64,
    /// Part of the colour circle, ±0.5 is the opposite colour.
    pub(crate) hue: f64,
}

/// Luma of ITU-R BT.601.
const LUMA: [f64; 3] = [0.299, 0.587, 0.114];
/// Scales of U and V over B - Y and R - Y in the YUV space of BT.601.
const UV_SCALE: [f64; 2] = [0.492, 0.877];

const FRACTION_BITS: u32 = 14;

impl ColourShift {
    /// Applies the shift to RGB pixels in place.
    pub(crate) fn apply(&self, pixels: &mut [u8]) {
        let matrix = self.matrix(mean(pixels));
        let fixed = matrix
            .map(|row| row.map(|value| (value * f64::from(1 << FRACTION_BITS)).round() as i32));
        for pixel in pixels.as_chunks_mut::<3>().0 {
            let [red, green, blue] = pixel.map(i32::from);
            *pixel = fixed.map(|[r, g, b, offset]| {
                let sum = r * red + g * green + b * blue + offset + (1 << (FRACTION_BITS - 1));
                (sum >> FRACTION_BITS).clamp(0, 255) as u8
            });
        }
    }

    /// Rows of factors on red, green, blue and a constant.
    fn matrix(&self, mean: [f64; 3]) -> [[f64; 4]; 3] {
        let shifted = |rgb: [f64; 3]| {
            self.hue_and_saturation(rgb)
                .map(|value| value * self.brightness)
        };
        let units = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(shifted);
        // Hue and saturation keep luma, so the mean gray is only brightened.
        let gray = luma(mean) * self.brightness;
        let offset = gray * (1.0 - self.contrast);
        std::array::from_fn(|channel| {
            let [r, g, b] = units.map(|unit| unit[channel] * self.contrast);
            [r, g, b, offset]
        })
    }

    fn hue_and_saturation(&self, [red, green, blue]: [f64; 3]) -> [f64; 3] {
        let y = luma([red, green, blue]);
        let (u, v) = (UV_SCALE[0] * (blue - y), UV_SCALE[1] * (red - y));
        let (sin, cos) = (self.hue * std::f64::consts::TAU).sin_cos();
        let (u, v) = (
            self.saturation * (u * cos - v * sin),
            self.saturation * (u * sin + v * cos),
        );
        let (blue, red) = (y + u / UV_SCALE[0], y + v / UV_SCALE[1]);
        [red, (y - LUMA[0] * red - LUMA[2] * blue) / LUMA[1], blue]
    }
}

fn luma(rgb: [f64; 3]) -> f64 {
    LUMA.iter()
        .zip(rgb)
        .map(|(weight, value)| weight * value)
        .sum()
}

fn mean(pixels: &[u8]) -> [f64; 3] {
    let mut sums = [0_u64; 3];
    for pixel in pixels.as_chunks::<3>().0 {
        for (sum, &value) in sums.iter_mut().zip(pixel) {
            *sum += u64::from(value);
        }
    }
    sums.map(|sum| sum as f64 / (pixels.len() / 3).max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: ColourShift = ColourShift {
        brightness: 1.0,
        contrast: 1.0,
        saturation: 1.0,
        hue: 0.0,
    };

    fn check(shift: ColourShift, pixels: &[[u8; 3]], expected: &[[u8; 3]]) {
        let mut bytes = pixels.as_flattened().to_vec();
        shift.apply(&mut bytes);
        assert_eq!(bytes.as_chunks::<3>().0, expected, "{shift:?}");
    }

    #[test]
    fn no_shift_changes_nothing() {
        let pixels: Vec<[u8; 3]> = (0..=255).map(|i| [i, 255 - i, i / 2]).collect();
        check(NONE, &pixels, &pixels);
    }

    #[test]
    fn brightness_scales_light_and_stops_at_white() {
        check(
            ColourShift {
                brightness: 1.2,
                ..NONE
            },
            &[[100, 50, 240]],
            &[[120, 60, 255]],
        );
    }

    #[test]
    fn contrast_moves_away_from_the_mean_gray() {
        check(
            ColourShift {
                contrast: 1.5,
                ..NONE
            },
            &[[50; 3], [150; 3]],
            &[[25; 3], [175; 3]],
        );
    }

    #[test]
    fn saturation_of_zero_leaves_luma() {
        check(
            ColourShift {
                saturation: 0.0,
                ..NONE
            },
            &[[255, 0, 0], [10, 10, 10]],
            &[[76; 3], [10; 3]],
        );
    }

    #[test]
    fn hue_keeps_gray_and_turns_colours() {
        check(ColourShift { hue: 0.05, ..NONE }, &[[120; 3]], &[[120; 3]]);
        let mut red = [200, 60, 60];
        ColourShift { hue: 0.05, ..NONE }.apply(&mut red);
        assert!(red[2] != 60 && red != [200, 60, 60], "{red:?}");
    }
}
