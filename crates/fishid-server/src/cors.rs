//! Pages of other origins: none may read an answer, unless the operator names them.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser may remember that it was allowed.
const REMEMBERED_FOR: Duration = Duration::from_mins(10);

/// An origin as browsers send it, such as `https://fish.example`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(HeaderValue);

/// Not an origin: neither `*` nor a path is one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no origin: write scheme and host, such as https://fish.example, without a path")]
pub struct NoOrigin(String);

impl std::str::FromStr for Origin {
    type Err = NoOrigin;

    fn from_str(text: &str) -> Result<Self, NoOrigin> {
        let no_origin = || NoOrigin(text.to_owned());
        let host = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"))
            .ok_or_else(no_origin)?;
        let is_host = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte)
        };
        if host.is_empty() || !host.bytes().all(is_host) {
            return Err(no_origin());
        }
        HeaderValue::from_str(text)
            .map(Self)
            .map_err(|_| no_origin())
    }
}

/// What the pages of these origins may do; without any, browsers keep to the rule that they may nothing.
pub(crate) fn layer(origins: &[Origin]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let origins = origins.iter().map(|origin| origin.0.clone());
    Some(
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins))
            .allow_methods([Method::GET, Method::POST])
            .allow_headers([
                header::CONTENT_TYPE,
                HeaderName::from_static("x-request-id"),
                HeaderName::from_static("x-request-timeout-ms"),
            ])
            .expose_headers([header::RETRY_AFTER, HeaderName::from_static("x-request-id")])
            .max_age(REMEMBERED_FOR),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_and_host() {
        for text in [
            "https://fish.example",
            "http://127.0.0.1:8000",
            "http://[::1]:1",
        ] {
            assert!(text.parse::<Origin>().is_ok(), "{text}");
        }
        for text in [
            "*",
            "fish.example",
            "https://",
            "https://fish.example/",
            "https://Fish.example",
            "null",
        ] {
            let error = text.parse::<Origin>().err().map(|error| error.to_string());
            assert!(error.is_some_and(|error| error.contains(text)), "{text}");
        }
    }
}
