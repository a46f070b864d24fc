//! How large and how small a photograph may be.

use crate::PhotoError;

/// Sizes that are refused, checked against the header before memory is taken for pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most pixels, width × height. A decoder takes 3 to 8 bytes for each.
    pub max_pixels: u64,
    /// Shortest side.
    pub min_side: u32,
}

impl Default for Limits {
    /// 50 million pixels, at least 16 on each side.
    fn default() -> Self {
        Self {
            max_pixels: 50_000_000,
            min_side: 16,
        }
    }
}

impl Limits {
    /// Refuses a size that is too large or too small.
    pub fn check(&self, width: u32, height: u32) -> Result<(), PhotoError> {
        if u64::from(width) * u64::from(height) > self.max_pixels {
            return Err(PhotoError::TooManyPixels {
                width,
                height,
                limit: self.max_pixels,
            });
        }
        if width.min(height) < self.min_side {
            return Err(PhotoError::TooSmall {
                width,
                height,
                min_side: self.min_side,
            });
        }
        Ok(())
    }
}
