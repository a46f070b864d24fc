//! The changes by chance that training photographs are shown with.
//!
//! A view is drawn from the seed, the photograph's digest and the view's index alone, so its pixels do
//! not depend on the order of work or the machine's number of cores.

mod geometry;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    Preprocessing, RgbPhoto, View, colour::ColourShift, preprocessing::PIPELINE_REVISION,
    resize::Rectangle,
};
use geometry::Placement;

/// How far a view may differ from its photograph. Every value is drawn evenly from its range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Least part of the photograph's area that is kept, 0 to 1.
    pub min_area: f64,
    /// Largest factor between the proportions of the part kept and the photograph's, at least 1.
    pub max_aspect_change: f64,
    /// Largest turn either way, in degrees.
    pub max_rotation: f64,
    /// How often left and right are swapped, 0 to 1.
    pub mirror_probability: f64,
    /// Largest change of brightness: 0.2 is a factor of 0.8 to 1.2.
    pub brightness: f64,
    /// Largest change of contrast, as a part of it.
    pub contrast: f64,
    /// Largest change of saturation, as a part of it.
    pub saturation: f64,
    /// Largest turn of the colour circle, as a part of it.
    pub hue: f64,
}

impl Default for Augmentation {
    fn default() -> Self {
        Self {
            min_area: 0.6,
            max_aspect_change: 1.15,
            max_rotation: 12.0,
            mirror_probability: 0.5,
            brightness: 0.2,
            contrast: 0.2,
            saturation: 0.2,
            hue: 0.05,
        }
    }
}

impl Augmentation {
    /// SHA-256 over the ranges and the pixel pipeline's revision, 64 hexadecimal digits.
    pub fn digest(&self) -> String {
        hex::encode(Sha256::digest(format!(
            "fishid-image {PIPELINE_REVISION}: {self:?}"
        )))
    }

    /// Renders a view at the size of the model's input.
    ///
    /// `photo` comes from [`Preprocessing::decode`]; [`View::Original`] then is what
    /// [`Preprocessing::load`] gives. `photo_digest` is [`crate::photo_digest`] of the file.
    pub fn render(
        &self,
        photo: &RgbPhoto,
        view: View,
        seed: u64,
        photo_digest: &str,
        preprocessing: &Preprocessing,
    ) -> RgbPhoto {
        let index = match view {
            View::Original => return preprocessing.apply(photo),
            View::Mirror => return preprocessing.apply(photo).mirrored(),
            View::Augmented { index } => index,
        };
        let mut chance = Chance::of(seed, photo_digest, index);
        // The order of the draws is part of the pipeline's revision.
        let part = self.draw_part(photo, &mut chance);
        let rotation = chance.between(-self.max_rotation, self.max_rotation);
        let is_mirrored = chance.unit() < self.mirror_probability;
        let shift = self.draw_colour_shift(&mut chance);

        let (part, size) = preprocessing.layout(part);
        let placement = Placement {
            part,
            rotation: rotation.to_radians(),
            is_mirrored,
        };
        let mut picture = placement.render(photo, size, preprocessing.filter);
        shift.apply(picture.pixels_mut());
        preprocessing.on_padding(picture)
    }

    fn draw_part(&self, photo: &RgbPhoto, chance: &mut Chance) -> Rectangle {
        let whole = Rectangle::whole(photo);
        let area = chance.between(self.min_area.clamp(0.01, 1.0), 1.0);
        let log_aspect = self.max_aspect_change.max(1.0).ln();
        let aspect = chance.between(-log_aspect, log_aspect).exp();
        let width = (whole.width * (area * aspect).sqrt()).clamp(1.0, whole.width);
        let height = (whole.height * (area / aspect).sqrt()).clamp(1.0, whole.height);
        let left = chance.between(0.0, whole.width - width);
        let top = chance.between(0.0, whole.height - height);
        Rectangle {
            left,
            top,
            width,
            height,
        }
    }

    fn draw_colour_shift(&self, chance: &mut Chance) -> ColourShift {
        let mut around_one = |range: f64| chance.between(1.0 - range, 1.0 + range).max(0.0);
        ColourShift {
            brightness: around_one(self.brightness),
            contrast: around_one(self.contrast),
            saturation: around_one(self.saturation),
            hue: around_one(self.hue) - 1.0,
        }
    }
}

/// The draws of one view.
struct Chance(ChaCha8Rng);

impl Chance {
    fn of(seed: u64, photo_digest: &str, index: u32) -> Self {
        let key = Sha256::new()
            .chain_update(b"fishid-image view")
            .chain_update(seed.to_le_bytes())
            .chain_update(index.to_le_bytes())
            .chain_update(photo_digest)
            .finalize();
        Self(ChaCha8Rng::from_seed(key.into()))
    }

    /// Evenly from 0 up to but not 1.
    fn unit(&mut self) -> f64 {
        f64::from(self.0.next_u32()) / 4_294_967_296.0
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }
}
