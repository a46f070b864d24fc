//! The eight ways a camera may have stored a photograph, and turning it upright.

use crate::RgbPhoto;

/// What has to be done to the stored picture to see it upright: EXIF tag 0x0112, values 1 to 8.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Orientation {
    /// 1: nothing.
    #[default]
    Upright,
    /// 2: swap left and right.
    MirrorHorizontally,
    /// 3: turn by 180°.
    Rotate180,
    /// 4: swap top and bottom.
    MirrorVertically,
    /// 5: swap rows and columns.
    Transpose,
    /// 6: turn by 90° clockwise.
    Rotate90,
    /// 7: swap rows and columns over the other diagonal.
    Transverse,
    /// 8: turn by 270° clockwise.
    Rotate270,
}

impl Orientation {
    /// All eight, in the order of their EXIF values.
    pub const ALL: [Self; 8] = [
        Self::Upright,
        Self::MirrorHorizontally,
        Self::Rotate180,
        Self::MirrorVertically,
        Self::Transpose,
        Self::Rotate90,
        Self::Transverse,
        Self::Rotate270,
    ];

    /// The orientation of an EXIF value, `None` outside 1 to 8.
    pub fn from_exif(value: u32) -> Option<Self> {
        Self::ALL
            .get(usize::try_from(value).ok()?.checked_sub(1)?)
            .copied()
    }

    /// Whether width and height change places.
    pub fn swaps_sides(self) -> bool {
        matches!(
            self,
            Self::Transpose | Self::Rotate90 | Self::Transverse | Self::Rotate270
        )
    }

    /// The upright picture of a stored one.
    pub fn apply(self, photo: RgbPhoto) -> RgbPhoto {
        if self == Self::Upright {
            return photo;
        }
        let (width, height) = (photo.width() as usize, photo.height() as usize);
        // Where the first pixel of the result lies in the source, and how far the source moves
        // for a step to the right and a step down in the result.
        let (right, below) = (1_isize, width as isize);
        let (last_column, last_row) = (right * (width as isize - 1), below * (height as isize - 1));
        let (start, step_x, step_y) = match self {
            Self::Upright => (0, right, below),
            Self::MirrorHorizontally => (last_column, -right, below),
            Self::Rotate180 => (last_column + last_row, -right, -below),
            Self::MirrorVertically => (last_row, right, -below),
            Self::Transpose => (0, below, right),
            Self::Rotate90 => (last_row, -below, right),
            Self::Transverse => (last_column + last_row, -below, -right),
            Self::Rotate270 => (last_column, below, -right),
        };
        let (new_width, new_height) = if self.swaps_sides() {
            (height, width)
        } else {
            (width, height)
        };
        let source = photo.pixels();
        let mut pixels = Vec::with_capacity(source.len());
        for y in 0..new_height as isize {
            let row = start + y * step_y;
            for x in 0..new_width as isize {
                let at = (row + x * step_x) as usize * 3;
                pixels.extend_from_slice(&source[at..at + 3]);
            }
        }
        RgbPhoto::of_exact(new_width as u32, new_height as u32, pixels)
    }
}
