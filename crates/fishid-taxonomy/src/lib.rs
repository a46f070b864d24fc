//! Names of fish: slugs of class folders, Latin, Russian and English names, labels.
//!
//! Knows neither files nor models: a user's own names arrive here as text. Start at [`Catalogue`];
//! the data stand in `species.toml`.

mod catalogue;
mod slug;
mod species;

pub use catalogue::{Catalogue, CatalogueError};
pub use slug::slug_from_name;
pub use species::{Language, Species, UnknownLanguage};
