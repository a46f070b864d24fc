//! Antialiased resizing by `fast_image_resize`.

use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer, images};
use serde::{Deserialize, Serialize};

use crate::RgbPhoto;

/// The kernel pixels are weighted with; widened when the picture becomes smaller, so that nothing aliases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// A triangle.
    Bilinear,
    /// A cubic, the default.
    #[default]
    CatmullRom,
    /// A windowed sinc of three lobes.
    Lanczos3,
}

impl Filter {
    /// The name in a bundle: `bilinear`, `catmull_rom` or `lanczos3`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bilinear => "bilinear",
            Self::CatmullRom => "catmull_rom",
            Self::Lanczos3 => "lanczos3",
        }
    }

    fn kernel(self) -> FilterType {
        match self {
            Self::Bilinear => FilterType::Bilinear,
            Self::CatmullRom => FilterType::CatmullRom,
            Self::Lanczos3 => FilterType::Lanczos3,
        }
    }
}

/// A rectangle in pixels of a photograph; edges may lie between pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rectangle {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Rectangle {
    pub(crate) fn whole(photo: &RgbPhoto) -> Self {
        Self {
            left: 0.0,
            top: 0.0,
            width: photo.width().into(),
            height: photo.height().into(),
        }
    }

    /// The largest rectangle of the given proportions around the same centre.
    pub(crate) fn centred_with_aspect(self, aspect: f64) -> Self {
        let width = self.width.min(self.height * aspect);
        let height = self.height.min(self.width / aspect);
        Self {
            left: self.left + (self.width - width) / 2.0,
            top: self.top + (self.height - height) / 2.0,
            width,
            height,
        }
    }
}

/// Resizes the whole photograph, whatever becomes of its proportions. A side of 0 becomes 1.
pub fn resize(photo: &RgbPhoto, width: u32, height: u32, filter: Filter) -> RgbPhoto {
    resize_part(photo, Rectangle::whole(photo), (width, height), filter)
}

/// Resizes a part that lies within the photograph.
pub(crate) fn resize_part(
    photo: &RgbPhoto,
    part: Rectangle,
    size: (u32, u32),
    filter: Filter,
) -> RgbPhoto {
    let (width, height) = (size.0.max(1), size.1.max(1));
    if part == Rectangle::whole(photo) && (width, height) == (photo.width(), photo.height()) {
        return photo.clone();
    }
    let source = images::ImageRef::new(
        photo.width(),
        photo.height(),
        photo.pixels(),
        PixelType::U8x3,
    )
    .expect("a photograph has the bytes of its size");
    let mut target = images::Image::new(width, height, PixelType::U8x3);
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(filter.kernel()))
        .crop(part.left, part.top, part.width, part.height);
    Resizer::new()
        .resize(&source, &mut target, &options)
        .expect("the part lies within the photograph");
    RgbPhoto::of_exact(width, height, target.into_vec())
}
