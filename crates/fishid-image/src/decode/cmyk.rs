//! Ink to light.

/// Converts CMYK samples in place of RGB: `light = (255 - ink) × (255 - black) / 255`, without a colour
/// profile. Adobe's files store the inverse of the ink.
pub(super) fn to_rgb(cmyk: &[u8], is_inverted: bool) -> Vec<u8> {
    let flip = if is_inverted { 0 } else { 255 };
    let mut rgb = Vec::with_capacity(cmyk.len() / 4 * 3);
    for &[cyan, magenta, yellow, black] in cmyk.as_chunks::<4>().0 {
        let light = u16::from(black ^ flip);
        rgb.extend(
            [cyan, magenta, yellow].map(|ink| ((u16::from(ink ^ flip) * light + 127) / 255) as u8),
        );
    }
    rgb
}
