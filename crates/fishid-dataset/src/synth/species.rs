//! The table of species that can be drawn, in the order of the catalogue's default set.
//! A species is added by writing its [`Profile`] and listing it here; no code knows a species.

mod bronze;
mod carps;
mod predators;
mod slender;
mod spiny;

use super::profile::Profile;

/// Every species with a profile.
pub(super) const PROFILES: &[&Profile] = &[
    &carps::BREAM,
    &slender::BLEAK,
    &carps::WHITE_BREAM,
    &carps::PRUSSIAN_CARP,
    &predators::PIKE,
    &slender::GUDGEON,
    &spiny::RUFFE,
    &slender::SIBERIAN_DACE,
    &bronze::IDE,
    &spiny::PERCH,
    &spiny::AMUR_SLEEPER,
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
