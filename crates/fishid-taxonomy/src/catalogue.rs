//! The catalogue of species: what is built in, and a user's additions to it.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::{
    Species,
    slug::{label_from_folder, slug_from_name},
};

/// Species by slug, in the order they were written down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue {
    species: Vec<Species>,
}

/// What is wrong with a file of species names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// Not TOML of the expected form.
    #[error("the species file cannot be read: {detail}")]
    Syntax {
        /// The parser's words, with line and column.
        detail: String,
    },
    /// A slug that could not be a class folder.
    #[error(
        "slug {slug:?} in the species file is not usable as a folder name: write {suggestion:?}"
    )]
    BadSlug {
        /// As written.
        slug: String,
        /// The slug that would do.
        suggestion: String,
    },
    /// One slug twice in one file.
    #[error("slug {slug:?} stands twice in the species file: keep one of them")]
    Repeated {
        /// The slug.
        slug: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    species: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    slug: String,
    latin: Option<String>,
    ru: Option<String>,
    en: Option<String>,
    default_set: Option<bool>,
}

static BUILTIN: LazyLock<Catalogue> = LazyLock::new(|| {
    Catalogue::default()
        .extended_with(include_str!("../species.toml"))
        .expect("species.toml is compiled in and read by the tests")
});

impl Catalogue {
    /// The catalogue compiled into the program: 24 species, 15 of them the default set.
    pub fn builtin() -> &'static Self {
        &BUILTIN
    }

    /// Adds the names of a TOML text with `[[species]]` tables (`slug`, and any of `latin`, `ru`, `en`,
    /// `default_set`). A slug that is here already gets the names given and keeps the others; a new one
    /// takes a missing name from the other language, then from its slug.
    pub fn extended_with(mut self, text: &str) -> Result<Self, CatalogueError> {
        let file: File = toml::from_str(text).map_err(|error| CatalogueError::Syntax {
            detail: error.to_string(),
        })?;
        let mut seen = std::collections::HashSet::new();
        for entry in file.species {
            let suggestion = slug_from_name(&entry.slug);
            if suggestion != entry.slug {
                return Err(CatalogueError::BadSlug {
                    slug: entry.slug,
                    suggestion,
                });
            }
            if !seen.insert(entry.slug.clone()) {
                return Err(CatalogueError::Repeated { slug: entry.slug });
            }
            self.merge(entry);
        }
        Ok(self)
    }

    fn merge(&mut self, entry: Entry) {
        let given = |name: Option<String>| {
            name.map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty())
        };
        let (latin, ru, en) = (given(entry.latin), given(entry.ru), given(entry.en));
        if let Some(known) = self
            .species
            .iter_mut()
            .find(|known| known.slug == entry.slug)
        {
            known.latin = latin.unwrap_or_else(|| std::mem::take(&mut known.latin));
            known.ru = ru.unwrap_or_else(|| std::mem::take(&mut known.ru));
            known.en = en.unwrap_or_else(|| std::mem::take(&mut known.en));
            known.default_set = entry.default_set.unwrap_or(known.default_set);
            return;
        }
        let label = || label_from_folder(&entry.slug);
        self.species.push(Species {
            latin: latin.unwrap_or_default(),
            ru: ru.clone().or_else(|| en.clone()).unwrap_or_else(label),
            en: en.or(ru).unwrap_or_else(label),
            default_set: entry.default_set.unwrap_or(false),
            slug: entry.slug,
        });
    }

    /// The species of a slug.
    pub fn get(&self, slug: &str) -> Option<&Species> {
        self.species.iter().find(|species| species.slug == slug)
    }

    /// Whether the slug stands in the catalogue.
    pub fn is_known(&self, slug: &str) -> bool {
        self.get(slug).is_some()
    }

    /// The species of a class folder: the catalogue's where the folder's slug is known, else one whose
    /// names are made from the folder's name.
    pub fn resolve(&self, class_folder: &str) -> Species {
        let slug = slug_from_name(class_folder);
        self.get(&slug).cloned().unwrap_or_else(|| {
            let label = label_from_folder(class_folder);
            Species {
                slug,
                latin: String::new(),
                ru: label.clone(),
                en: label,
                default_set: false,
            }
        })
    }

    /// The fifteen species of the default model, in the order of their slugs.
    pub fn default_set(&self) -> impl Iterator<Item = &Species> {
        self.species.iter().filter(|species| species.default_set)
    }

    /// All species.
    pub fn iter(&self) -> impl Iterator<Item = &Species> {
        self.species.iter()
    }
}

#[cfg(test)]
mod tests;
