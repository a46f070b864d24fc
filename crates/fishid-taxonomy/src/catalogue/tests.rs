#![allow(clippy::unwrap_used)]

use super::*;
use crate::Language;

fn extended(text: &str) -> Result<Catalogue, CatalogueError> {
    Catalogue::builtin().clone().extended_with(text)
}

#[test]
fn builtin_catalogue_has_24_species_and_15_default_ones() {
    let catalogue = Catalogue::builtin();
    assert_eq!(catalogue.iter().count(), 24);
    let default: Vec<_> = catalogue
        .default_set()
        .map(|species| species.slug.as_str())
        .collect();
    assert_eq!(default.len(), 15);
    assert_eq!(
        (default[0], default[14]),
        ("abramis_brama", "scardinius_erythrophthalmus")
    );
    assert!(default.is_sorted());
}

#[test]
fn every_builtin_species_has_all_its_names_and_the_slug_of_its_latin_name() {
    for species in Catalogue::builtin().iter() {
        assert_eq!(slug_from_name(&species.latin), species.slug);
        assert!(
            !species.ru.is_empty() && !species.en.is_empty(),
            "{}",
            species.slug
        );
        assert!(species.ru.chars().all(|c| c == ' '
            || ('а'..='я').contains(&c)
            || ('А'..='Я').contains(&c)
            || "ёЁ".contains(c)));
    }
}

#[test]
fn russian_names_are_those_anglers_use() {
    for (slug, ru) in [
        ("esox_lucius", "Щука"),
        ("carassius_gibelio", "Карась серебряный"),
        ("gymnocephalus_cernua", "Ёрш"),
        ("rutilus_lacustris", "Плотва сибирская"),
        ("scardinius_erythrophthalmus", "Краснопёрка"),
        ("salmo_salar", "Сёмга"),
        ("squalius_cephalus", "Голавль"),
    ] {
        assert_eq!(
            Catalogue::builtin().get(slug).unwrap().name(Language::Ru),
            ru
        );
    }
}

#[test]
fn class_folder_resolves_to_the_catalogue_or_to_a_label_of_its_own() {
    let catalogue = Catalogue::builtin();
    assert_eq!(
        catalogue.resolve("Esox Lucius").full_label(Language::Ru),
        "Щука (Esox lucius)"
    );
    let sprat = catalogue.resolve("Black Sea Sprat");
    assert_eq!(sprat.slug, "black_sea_sprat");
    assert_eq!(sprat.full_label(Language::Ru), "Black Sea Sprat");
    assert_eq!(sprat.name(Language::En), "Black Sea Sprat");
    assert!(!catalogue.is_known("black_sea_sprat"));
}

#[test]
fn own_file_adds_species_and_renames_known_ones() {
    let catalogue = extended(
        "[[species]]\nslug = \"clupeonella_cultriventris\"\nlatin = \"Clupeonella cultriventris\"\nru = \"Тюлька\"\n\
         [[species]]\nslug = \"esox_lucius\"\nru = \"Щука обыкновенная\"\n",
    )
    .unwrap();
    assert_eq!(catalogue.iter().count(), 25);
    let sprat = catalogue.get("clupeonella_cultriventris").unwrap();
    assert_eq!(
        (sprat.ru.as_str(), sprat.en.as_str(), sprat.default_set),
        ("Тюлька", "Тюлька", false)
    );
    let pike = catalogue.get("esox_lucius").unwrap();
    assert_eq!(
        (pike.ru.as_str(), pike.en.as_str(), pike.default_set),
        ("Щука обыкновенная", "Northern pike", true)
    );
}

#[test]
fn mistakes_in_an_own_file_are_named() {
    for (text, expected) in [
        (
            "[[species]]\nslug = \"Esox Lucius\"\n",
            "write \"esox_lucius\"",
        ),
        ("[[species]]\nslug = \"\"\n", "not usable as a folder name"),
        (
            "[[species]]\nslug = \"a\"\n[[species]]\nslug = \"a\"\n",
            "slug \"a\" stands twice",
        ),
        (
            "[[species]]\nslug = \"a\"\nrussian = \"А\"\n",
            "unknown field `russian`",
        ),
        ("[[species]]\nru = \"А\"\n", "missing field `slug`"),
        ("[[fish]]\nslug = \"a\"\n", "unknown field `fish`"),
        ("[[species", "the species file cannot be read"),
    ] {
        let message = extended(text).unwrap_err().to_string();
        assert!(message.contains(expected), "{text:?} gave {message:?}");
    }
}
