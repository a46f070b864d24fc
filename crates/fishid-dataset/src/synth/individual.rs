//! One fish: a profile with the differences that fish of a species have among themselves.
//! Two photographs of one fish share an [`Individual`]; how it is held and lit is not its business.

use super::colour::{Rgb, mix, saturated, scaled};
use super::dice::{Dice, Noise};
use super::profile::Profile;

pub(super) struct Individual {
    pub(super) profile: &'static Profile,
    /// Depth of the body against the profile's.
    pub(super) depth: f32,
    /// Length of all fins against the profile's.
    pub(super) fin_length: f32,
    /// Strength of patterns against the profile's.
    pub(super) pattern: f32,
    pub(super) eye: f32,
    /// Where markings sit.
    pub(super) noise: Noise,
    skin_vividness: f32,
    fin_vividness: f32,
    brightness: f32,
    cast: Rgb,
}

impl Individual {
    pub(super) fn new(profile: &'static Profile, dice: &mut Dice) -> Self {
        Self {
            profile,
            depth: dice.around(1.0, 0.1),
            fin_length: dice.around(1.0, 0.14),
            pattern: dice.around(0.97, 0.2),
            eye: dice.around(1.0, 0.12),
            noise: dice.noise(),
            skin_vividness: dice.around(1.05, 0.22),
            fin_vividness: dice.around(1.0, 0.22),
            brightness: dice.around(1.0, 0.14),
            cast: [
                dice.around(0.0, 10.0),
                dice.around(0.0, 6.0),
                dice.around(0.0, 10.0),
            ],
        }
    }

    /// A colour of the table as this fish wears it on its skin.
    pub(super) fn skin(&self, colour: Rgb) -> Rgb {
        let own = scaled(saturated(colour, self.skin_vividness), self.brightness);
        [0, 1, 2].map(|i| own[i] + self.cast[i])
    }

    /// A colour of the table as this fish wears it on its fins.
    pub(super) fn fin(&self, colour: Rgb) -> Rgb {
        let own = saturated(colour, self.fin_vividness);
        mix(own, scaled(own, self.brightness), 0.6)
    }
}
