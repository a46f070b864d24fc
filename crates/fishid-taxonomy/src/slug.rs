//! From the name a person gave a class to one that is safe as a folder, a file and a key.

/// Longest slug in bytes: a Cyrillic letter takes two, and file systems stop at 255 for a whole file name.
const MAX_BYTES: usize = 120;

/// Turns a name into a slug: `Black Sea Sprat` → `black_sea_sprat`, `Ёрш` → `ёрш`.
///
/// Letters and digits of any alphabet are kept in lower case, every run of anything else becomes one `_`.
/// Never empty: a name without letters and digits gives `unnamed`. A slug gives itself.
pub fn slug_from_name(name: &str) -> String {
    let mut slug = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            // macOS stores names decomposed: a letter, then its mark.
            '\u{308}' if slug.ends_with('е') => replace_last(&mut slug, 'ё'),
            '\u{306}' if slug.ends_with('и') => replace_last(&mut slug, 'й'),
            '\u{300}'..='\u{36f}' => {}
            _ if character.is_alphanumeric() => {
                slug.extend(character.to_lowercase().filter(|c| c.is_alphanumeric()));
            }
            _ if !slug.is_empty() && !slug.ends_with('_') => slug.push('_'),
            _ => {}
        }
    }
    slug.truncate(slug.floor_char_boundary(MAX_BYTES));
    slug.truncate(slug.trim_end_matches('_').len());
    if slug.is_empty() {
        "unnamed".to_owned()
    } else {
        slug
    }
}

fn replace_last(slug: &mut String, character: char) {
    slug.pop();
    slug.push(character);
}

/// The name shown for a class the catalogue does not have: `black_sea_sprat` → `Black sea sprat`.
pub(crate) fn label_from_folder(folder: &str) -> String {
    let words: Vec<&str> = folder
        .split(|c: char| c == '_' || c == '-' || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .collect();
    let label = words.join(" ");
    let mut characters = label.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => folder.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn slugs_are_lower_case_words_joined_by_underscores() {
        for (name, slug) in [
            ("Black Sea Sprat", "black_sea_sprat"),
            ("esox_lucius", "esox_lucius"),
            ("Esox lucius", "esox_lucius"),
            ("  Gilt-Head  Bream ", "gilt_head_bream"),
            ("../../etc/passwd", "etc_passwd"),
            ("Ёрш", "ёрш"),
            ("Е\u{308}рш", "ёрш"),
            ("Налим обыкновенныи\u{306}", "налим_обыкновенный"),
            ("Salmo trutta (L.)", "salmo_trutta_l"),
            ("***", "unnamed"),
            ("", "unnamed"),
        ] {
            assert_eq!(slug_from_name(name), slug, "of {name:?}");
        }
    }

    #[test]
    fn labels_read_like_names() {
        for (folder, label) in [
            ("black_sea_sprat", "Black sea sprat"),
            ("Black Sea Sprat", "Black Sea Sprat"),
            ("ёрш-носарь", "Ёрш носарь"),
            ("___", "___"),
        ] {
            assert_eq!(label_from_folder(folder), label, "of {folder:?}");
        }
    }

    proptest! {
        #[test]
        fn any_name_gives_a_slug_that_is_safe_and_gives_itself(name in any::<String>()) {
            let slug = slug_from_name(&name);
            prop_assert!(!slug.is_empty() && slug.len() <= MAX_BYTES);
            prop_assert!(slug.chars().all(|c| c == '_' || c.is_alphanumeric()), "{slug:?}");
            prop_assert_eq!(slug_from_name(&slug), slug);
        }
    }
}
