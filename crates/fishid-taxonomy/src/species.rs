//! One species and the languages it has names in.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A class of the classifier and its names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Species {
    /// Name of the class folder and of the class in replies: `esox_lucius`.
    pub slug: String,
    /// Latin name, empty where nobody gave one.
    #[serde(default)]
    pub latin: String,
    /// Russian name.
    pub ru: String,
    /// English name.
    pub en: String,
    /// Whether the species is one of the fifteen of the default model.
    #[serde(default)]
    pub default_set: bool,
}

impl Species {
    /// The name alone: `Щука`.
    pub fn name(&self, language: Language) -> &str {
        match language {
            Language::Ru => &self.ru,
            Language::En => &self.en,
        }
    }

    /// The name with the Latin one: `Щука (Esox lucius)`; the name alone where the Latin one is missing
    /// or says the same.
    pub fn full_label(&self, language: Language) -> String {
        let name = self.name(language);
        if self.latin.is_empty() || self.latin == name {
            name.to_owned()
        } else {
            format!("{name} ({})", self.latin)
        }
    }
}

/// Language of labels and messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Russian, the default.
    #[default]
    Ru,
    /// English.
    En,
}

impl Language {
    /// The two-letter code: `ru` or `en`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Ru => "ru",
            Self::En => "en",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// The language asked for is not one we have names in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown language {0:?}: use ru or en")]
pub struct UnknownLanguage(
    /// What was asked for.
    pub String,
);

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "ru" => Ok(Self::Ru),
            "en" => Ok(Self::En),
            other => Err(UnknownLanguage(other.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn pike(latin: &str) -> Species {
        Species {
            slug: "esox_lucius".to_owned(),
            latin: latin.to_owned(),
            ru: "Щука".to_owned(),
            en: "Northern pike".to_owned(),
            default_set: true,
        }
    }

    #[test]
    fn full_label_carries_the_latin_name_only_where_it_says_more() {
        assert_eq!(
            pike("Esox lucius").full_label(Language::Ru),
            "Щука (Esox lucius)"
        );
        assert_eq!(
            pike("Esox lucius").full_label(Language::En),
            "Northern pike (Esox lucius)"
        );
        assert_eq!(pike("").full_label(Language::Ru), "Щука");
        assert_eq!(
            pike("Northern pike").full_label(Language::En),
            "Northern pike"
        );
    }

    #[test]
    fn language_is_read_from_its_code_and_russian_is_the_default() {
        assert_eq!("ru".parse(), Ok(Language::Ru));
        assert_eq!("en".parse(), Ok(Language::En));
        assert_eq!(Language::default(), Language::Ru);
        let error = "de".parse::<Language>().unwrap_err();
        assert_eq!(error.to_string(), "unknown language \"de\": use ru or en");
    }
}
