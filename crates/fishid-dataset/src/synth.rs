//! Procedurally drawn fish: demonstration and test data where there are no photographs.
//! Owns the drawn data set: which fish, how many, where the files go. The same request gives the same
//! bytes whatever the number of threads. Does not know models, nor what the pictures are used for.
//! Start at [`synthesise`]; how one picture comes about is in `synth/photo.rs`.

mod brush;
mod camera;
mod colour;
mod dice;
mod fins;
mod fish;
mod folder;
mod head;
mod individual;
mod occlusion;
mod outline;
mod photo;
mod pose;
mod profile;
mod scene;
mod skin;
mod species;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use fishid_image::RgbPhoto;
use rayon::prelude::*;

use folder::Folder;
use profile::Profile;

/// Raised whenever the same request would draw other pixels, so that nobody mixes two drawings.
const REVISION: u32 = 1;
/// Photographs of a class are numbered with four figures.
const MOST_PER_CLASS: usize = 9999;

/// What to draw and where to put it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SynthRequest {
    /// Folder that will hold one folder per species, `manifest.csv` and `synthetic.json`.
    pub dir: PathBuf,
    /// The first so many of the default species, 1 to 15.
    pub n_species: usize,
    /// Photographs of each species, 1 to 9999; two of each fish.
    pub per_class: usize,
    /// Another seed gives other fish.
    pub seed: u64,
}

/// What [`synthesise`] left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SynthSummary {
    /// Class folders.
    pub n_species: usize,
    /// Photographs in the folder.
    pub n_photographs: usize,
    /// Photographs drawn now; the others were there from an earlier run of the same request.
    pub n_drawn: usize,
    /// Individual fish: the groups of the manifest.
    pub n_groups: usize,
}

/// Why no fish were drawn.
#[derive(Debug, thiserror::Error)]
pub enum SynthError {
    /// More or fewer species than there are profiles.
    #[error("cannot draw {asked} species: ask for 1 to {available}")]
    SpeciesCount {
        /// What was asked for.
        asked: usize,
        /// How many have a profile.
        available: usize,
    },
    /// None or too many photographs of a class.
    #[error("cannot draw {asked} photographs per class: ask for 1 to {MOST_PER_CLASS}")]
    PerClass {
        /// What was asked for.
        asked: usize,
    },
    /// The folder holds something that `data synth` did not write.
    #[error("{} is not empty and was not written by `data synth` (it has no synthetic.json); choose an empty or new folder", dir.display())]
    ForeignFolder {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder holds the fish of another request.
    #[error("{} already holds other synthetic fish ({found}, asked for: {asked}); choose another folder or delete that one", dir.display())]
    OtherRequest {
        /// The folder.
        dir: PathBuf,
        /// The request that was found there.
        found: String,
        /// The request that was made.
        asked: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A photograph could not be drawn or encoded.
    #[error("{path} could not be drawn: {reason}")]
    Draw {
        /// The photograph, relative to the folder.
        path: String,
        /// What went wrong.
        reason: String,
    },
}

/// Draws photograph `index` of a species at any size; `None` for a species without a profile or a
/// size with a side under 16 pixels or over 4096.
///
/// Photographs 0 and 1 show one fish, 2 and 3 the next, and so on.
pub fn render(
    species_slug: &str,
    seed: u64,
    index: u32,
    width: u32,
    height: u32,
) -> Option<RgbPhoto> {
    let sides = 16..=4096;
    if !sides.contains(&width) || !sides.contains(&height) {
        return None;
    }
    let pixels = photo::take(species::find(species_slug)?, seed, index, (width, height))?;
    RgbPhoto::new(width, height, pixels).ok()
}

/// Folder names of the species that can be drawn, in the order in which they are taken.
pub fn species_slugs() -> impl Iterator<Item = &'static str> {
    species::PROFILES.iter().map(|profile| profile.slug)
}

/// Draws a data set: `DIR/<slug>/<slug>_NNNN.jpg`, `DIR/manifest.csv` (`path,class,group`, one group
/// per fish) and the marker `DIR/synthetic.json`.
///
/// `progress` is told (photographs done, photographs in all) from several threads. A request that was
/// cut short is completed by making it again.
pub fn synthesise(
    request: &SynthRequest,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<SynthSummary, SynthError> {
    let shots = plan(request)?;
    let folder = Folder::claim(request)?;
    let (n_done, n_drawn) = (AtomicUsize::new(0), AtomicUsize::new(0));
    shots.par_iter().try_for_each(|shot| {
        if !folder.has(&shot.path()) {
            let bytes = shot.jpeg(request.seed)?;
            folder.write(&shot.path(), &bytes)?;
            n_drawn.fetch_add(1, Ordering::Relaxed);
        }
        progress(n_done.fetch_add(1, Ordering::Relaxed) + 1, shots.len());
        Ok(())
    })?;
    let mut manifest = String::from("path,class,group\n");
    for shot in &shots {
        manifest += &[shot.path().as_str(), shot.profile.slug, &shot.group()].join(",");
        manifest.push('\n');
    }
    folder.write("manifest.csv", manifest.as_bytes())?;
    Ok(SynthSummary {
        n_species: request.n_species,
        n_photographs: shots.len(),
        n_drawn: n_drawn.into_inner(),
        n_groups: request.n_species
            * request
                .per_class
                .div_ceil(photo::PHOTOGRAPHS_PER_FISH as usize),
    })
}

/// One photograph to be taken.
struct Shot {
    profile: &'static Profile,
    index: u32,
}

impl Shot {
    fn path(&self) -> String {
        let slug = self.profile.slug;
        format!("{slug}/{slug}_{:04}.jpg", self.index)
    }

    fn group(&self) -> String {
        format!(
            "{}_fish_{:04}",
            self.profile.slug,
            photo::fish_number(self.index)
        )
    }

    fn jpeg(&self, seed: u64) -> Result<Vec<u8>, SynthError> {
        let fail = |reason: String| SynthError::Draw {
            path: self.path(),
            reason,
        };
        let ((width, height), quality) = photo::format(self.profile.slug, seed, self.index);
        let picture = render(self.profile.slug, seed, self.index, width, height)
            .ok_or_else(|| fail(format!("no memory for {width}x{height} pixels")))?;
        fishid_image::encode_jpeg(&picture, quality).map_err(|error| fail(error.to_string()))
    }
}

fn plan(request: &SynthRequest) -> Result<Vec<Shot>, SynthError> {
    let available = species::PROFILES.len();
    if !(1..=available).contains(&request.n_species) {
        return Err(SynthError::SpeciesCount {
            asked: request.n_species,
            available,
        });
    }
    if !(1..=MOST_PER_CLASS).contains(&request.per_class) {
        return Err(SynthError::PerClass {
            asked: request.per_class,
        });
    }
    let profiles = species::PROFILES.iter().take(request.n_species);
    Ok(profiles
        .flat_map(|profile| (0..request.per_class as u32).map(move |index| Shot { profile, index }))
        .collect())
}

#[cfg(test)]
mod tests;
