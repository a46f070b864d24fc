//! What a request for predictions asks for beside its photographs: one of one photograph and a batch alike.

use std::time::Instant;

use axum::extract::{Query, Request};
use axum::http::Uri;
use fishid_prediction::{Circumstances, Reply};
use fishid_serving::Served;
use fishid_taxonomy::Language;
use serde::Deserialize;

use crate::model::Answer;
use crate::patience::Patience;
use crate::problem::{Kind, Problem};

#[derive(Debug, Deserialize)]
struct PredictQuery {
    lang: Option<String>,
}

/// Read from a request's head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    language: Language,
    pub(crate) patience: Patience,
}

impl Asked {
    /// Of a request whose head has just come.
    pub(crate) fn of(request: &Request) -> Result<Self, Problem> {
        let patience = Patience::of(request.headers(), Instant::now());
        Ok(Self {
            language: language(request.uri())?,
            patience: patience?,
        })
    }

    /// The reply to a photograph that was whole at `started`.
    pub(crate) fn reply(self, served: &Served<Answer>, started: Instant) -> Reply {
        let circumstances = Circumstances {
            language: self.language,
            processing_time_ms: started.elapsed().as_secs_f64() * 1e3,
            model_version: served.identity.version.clone(),
            cached: served.cached,
        };
        let Answer { prediction, names } = &served.answer;
        prediction.reply(names, circumstances)
    }
}

fn language(uri: &Uri) -> Result<Language, Problem> {
    let Query(query) = Query::<PredictQuery>::try_from_uri(uri).map_err(|_| {
        Problem::new(
            Kind::BadQuery,
            "The query cannot be read; use ?lang=ru or ?lang=en.",
        )
    })?;
    match query.lang {
        None => Ok(Language::default()),
        Some(lang) => lang.parse().map_err(|_| {
            let lang: String = lang.chars().take(20).collect();
            Problem::new(
                Kind::BadQuery,
                format!("`lang` is `{lang}`, but it must be `ru` or `en`."),
            )
        }),
    }
}
