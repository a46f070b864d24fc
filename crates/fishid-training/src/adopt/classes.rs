//! The class list of a foreign classifier, from the forms in which people and exporters leave one.

use fishid_taxonomy::Catalogue;

/// Slugs from names: a JSON list, the index-to-name form of exporters (`{0: 'pike', 1: 'perch'}`, also as
/// JSON), lines, or names between commas. `None` when it is none of these or a name stands twice.
pub fn class_names(text: &str, catalogue: &Catalogue) -> Option<Vec<String>> {
    let text = text.trim();
    let names = if text.starts_with('[') {
        serde_json::from_str(text).ok()?
    } else if text.starts_with('{') {
        indexed(text)?
    } else {
        let separator = if text.contains('\n') { '\n' } else { ',' };
        text.split(separator)
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .collect::<Vec<String>>()
    };
    let slugs: Vec<String> = names
        .iter()
        .map(|name| catalogue.resolve(name).slug)
        .collect();
    let distinct: std::collections::BTreeSet<&String> = slugs.iter().collect();
    (!slugs.is_empty() && distinct.len() == slugs.len()).then_some(slugs)
}

/// `{0: 'pike', 1: 'perch'}` with any quotes: indices from 0 without a gap.
fn indexed(text: &str) -> Option<Vec<String>> {
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    let mut names = std::collections::BTreeMap::new();
    for entry in inner.split(',').filter(|entry| !entry.trim().is_empty()) {
        let (index, name) = entry.split_once(':')?;
        let bare = |text: &str| text.trim().trim_matches(['\'', '"']).to_owned();
        names.insert(bare(index).parse::<usize>().ok()?, bare(name));
    }
    let is_whole = names.keys().copied().eq(0..names.len());
    is_whole.then(|| names.into_values().collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_class_list_is_read_in_every_form_it_is_left_in() {
        let expected = ["esox_lucius", "perca_fluviatilis"];
        for text in [
            "esox_lucius,perca_fluviatilis",
            "Esox lucius\nPerca fluviatilis\n",
            "[\"esox_lucius\", \"perca_fluviatilis\"]",
            "{0: 'esox_lucius', 1: 'perca_fluviatilis'}",
            "{\"1\": \"perca_fluviatilis\", \"0\": \"esox_lucius\"}",
        ] {
            let found = class_names(text, Catalogue::builtin());
            assert_eq!(found.unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn a_list_with_a_gap_or_a_name_twice_is_none() {
        for text in ["", "[1, 2]", "{0: 'a', 2: 'b'}", "a,b,a", "{a: b}"] {
            assert_eq!(class_names(text, Catalogue::builtin()), None, "{text}");
        }
    }
}
