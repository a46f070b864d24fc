//! The table of species that can be drawn, in the order of the catalogue's default set.
//! A species is added by writing its [`Profile`] and listing it here; no code knows a species.

mod bronze;
mod carps;
mod predators;

use super::profile::Profile;

/// Every species with a profile.
pub(super) const PROFILES: &[&Profile] = &[
    &carps::BREAM,
    &carps::BLEAK,
    &carps::WHITE_BREAM,
    &carps::PRUSSIAN_CARP,
    &predators::PIKE,
    &carps::GUDGEON,
    &predators::RUFFE,
    &carps::SIBERIAN_DACE,
    &bronze::IDE,
    &predators::PERCH,
    &predators::AMUR_SLEEPER,
    &bronze::SIBERIAN_ROACH,
    &bronze::ROACH,
    &predators::ZANDER,
    &bronze::RUDD,
];

/// The profile of a species by its folder name.
pub(super) fn find(slug: &str) -> Option<&'static Profile> {
    PROFILES
        .iter()
        .copied()
        .find(|profile| profile.slug == slug)
}
