//! The names of a model's classes.

use std::sync::Arc;

use fishid_bundle::{Class, Manifest};
use fishid_taxonomy::{Language, Species};

/// Names of the classes in the order of the probabilities; cheap to clone.
#[derive(Debug, Clone)]
pub struct ClassNames(Arc<[Species]>);

impl ClassNames {
    /// The names the bundle was made with.
    pub fn new(manifest: &Manifest) -> Self {
        Self(manifest.classes.iter().map(species).collect())
    }

    /// How many classes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The slug of a class, empty for an index that is none.
    pub fn slug(&self, class: usize) -> &str {
        self.0.get(class).map_or("", |species| &species.slug)
    }

    /// Its name: `Щука`.
    pub fn name(&self, class: usize, language: Language) -> &str {
        self.0
            .get(class)
            .map_or("", |species| species.name(language))
    }

    /// Its name with the Latin one: `Щука (Esox lucius)`.
    pub fn full_label(&self, class: usize, language: Language) -> String {
        self.0
            .get(class)
            .map_or_else(String::new, |species| species.full_label(language))
    }
}

fn species(class: &Class) -> Species {
    let Class {
        slug,
        latin,
        ru,
        en,
    } = class.clone();
    Species {
        slug,
        latin,
        ru,
        en,
        default_set: false,
    }
}
