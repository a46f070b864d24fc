//! Pixels in memory.

use std::fmt;

/// A picture of 8-bit RGB pixels, row by row from the top, without gaps. Has at least one pixel.
#[derive(Clone, PartialEq, Eq)]
pub struct RgbPhoto {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

/// The number of bytes does not fit the size of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{n_bytes} bytes are no picture of {width} × {height} RGB pixels")]
pub struct WrongPixelCount {
    /// Columns asked for.
    pub width: u32,
    /// Rows asked for.
    pub height: u32,
    /// Bytes given.
    pub n_bytes: usize,
}

impl RgbPhoto {
    /// A picture of `width × height × 3` bytes; neither side may be 0.
    pub fn new(width: u32, height: u32, pixels: Vec<u8>) -> Result<Self, WrongPixelCount> {
        // In 128 bits, because three bytes for each of 2^64 pixels are more than 64 bits count.
        let expected = u128::from(width) * u128::from(height) * 3;
        if expected == 0 || expected != pixels.len() as u128 {
            return Err(WrongPixelCount {
                width,
                height,
                n_bytes: pixels.len(),
            });
        }
        Ok(Self {
            width,
            height,
            pixels,
        })
    }

    /// A picture of one colour. A side of 0 becomes 1.
    pub fn filled(width: u32, height: u32, colour: [u8; 3]) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        Self {
            width,
            height,
            pixels: colour.repeat(width as usize * height as usize),
        }
    }

    /// For callers that computed the pixels from the size.
    pub(crate) fn of_exact(width: u32, height: u32, pixels: Vec<u8>) -> Self {
        Self::new(width, height, pixels).expect("the buffer was made for this size")
    }

    /// Columns.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The bytes, `[height, width, 3]`.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The bytes, `[height, width, 3]`.
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }

    /// The colour at a column and row.
    ///
    /// # Panics
    /// Outside the picture.
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        assert!(
            x < self.width && y < self.height,
            "({x}, {y}) is outside {self:?}"
        );
        let at = (y as usize * self.width as usize + x as usize) * 3;
        [self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]]
    }

    pub(crate) fn pixels_mut(&mut self) -> &mut [u8] {
        &mut self.pixels
    }

    /// The picture with left and right swapped.
    #[must_use]
    pub fn mirrored(mut self) -> Self {
        for row in self.pixels.chunks_exact_mut(self.width as usize * 3) {
            let (pixels, _) = row.as_chunks_mut::<3>();
            pixels.reverse();
        }
        self
    }
}

impl fmt::Debug for RgbPhoto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RgbPhoto({} × {})", self.width, self.height)
    }
}
