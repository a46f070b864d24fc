//! The page, embedded when the program is compiled: `frontend/` and what `npm` put into its `vendor/`.

use std::fmt::Write as _;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};
use tower_http::compression::CompressionLayer;

use crate::problem::{Kind, Problem};

#[derive(RustEmbed)]
#[folder = "../../frontend/"]
#[allow_missing = true]
#[include = "*.html"]
#[include = "*.css"]
#[include = "*.js"]
#[include = "*.svg"]
#[include = "*.png"]
#[include = "*.ico"]
#[include = "*.webmanifest"]
#[include = "vendor/*"]
#[exclude = "node_modules/*"]
#[exclude = "tests/*"]
struct Parts;

const INDEX: &str = "index.html";
const VENDOR: &str = "vendor/";
const WHERE_VENDOR_IS: &str = "/vendor/";

/// The page's files, each at its own path.
pub(crate) fn parts<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let mut router = Router::new();
    for name in Parts::iter().filter(|name| name != INDEX) {
        let file_name = name.to_string();
        router = router.route(
            &format!("/{name}"),
            get(move |request: Request| {
                let reply = part(&file_name, &request);
                async move { reply }
            }),
        );
    }
    router.layer(CompressionLayer::new())
}

/// `GET /`.
pub(crate) async fn index(request: Request) -> Response {
    match what_is_missing(Parts::iter()) {
        None => part(INDEX, &request),
        Some(missing) => incomplete(missing),
    }
}

fn part(name: &str, request: &Request) -> Response {
    let Some(file) = Parts::get(name) else {
        return missing_part().into_response();
    };
    let tag = entity_tag(&file);
    let known = request
        .headers()
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    let is_known = known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag));
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Body::from(file.data.into_owned()).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(content_type(name)),
    );
    // The names carry no version, so a browser has to ask each time; mostly it is told 304.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// Weak, because the same file may go out compressed.
fn entity_tag(file: &EmbeddedFile) -> String {
    let mut tag = String::from("W/\"");
    for byte in &file.metadata.sha256_hash()[..16] {
        // Writing to a String does not fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("json" | "map") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

/// What this build of the program lacks of its page.
fn what_is_missing<N: AsRef<str>>(names: impl Iterator<Item = N>) -> Option<&'static str> {
    let (mut has_index, mut has_vendor) = (false, false);
    for name in names {
        has_index |= name.as_ref() == INDEX;
        has_vendor |= name.as_ref().starts_with(VENDOR);
    }
    match (has_index, has_vendor) {
        (true, true) => None,
        (false, _) => Some("the page (frontend/index.html)"),
        (true, false) => Some("the page's npm parts (frontend/vendor)"),
    }
}

/// Logged once when the server starts.
pub(crate) fn warn_if_incomplete() {
    if let Some(missing) = what_is_missing(Parts::iter()) {
        tracing::warn!(
            missing,
            "this build has no page; run make setup and build again"
        );
    }
}

fn incomplete(missing: &str) -> Response {
    let text = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>fishid</title>\
         <h1>fishid is running, its page is not in this build</h1>\
         <p>The program was compiled without {missing}. Run <code>make setup</code> and build again. \
         The interface works all the same: see <a href=\"/docs\">/docs</a>.</p></html>\n"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (StatusCode::SERVICE_UNAVAILABLE, headers, text).into_response()
}

/// Whether a path would be the page's, if this build had it.
pub(crate) fn is_part(path: &str) -> bool {
    path.starts_with(WHERE_VENDOR_IS)
}

/// A part of the page that this build lacks.
pub(crate) fn missing_part() -> Problem {
    let detail = "This part of the page is not in this build; run `make setup` and build again.";
    Problem::new(Kind::NotFound, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_its_page_says_what_is_missing() {
        assert_eq!(what_is_missing(["index.html", "vendor/a.css"].iter()), None);
        let page = what_is_missing(["vendor/a.css"].iter());
        assert!(page.is_some_and(|missing| missing.contains("index.html")));
        let vendor = what_is_missing(["index.html", "app.js"].iter());
        assert!(vendor.is_some_and(|missing| missing.contains("vendor")));
    }

    #[test]
    fn nothing_of_the_tool_chain_is_embedded() {
        for name in Parts::iter() {
            let is_tool = name.contains("node_modules") || name.starts_with("package");
            assert!(!is_tool, "{name}");
        }
    }
}
