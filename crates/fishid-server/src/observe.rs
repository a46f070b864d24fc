//! Every request gets an id, a line in the log, its metrics; every problem gets the id into its body.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

use crate::app::App;
use crate::problem::Problem;

/// The header a request's id comes and goes in.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST_ID: usize = 64;

/// Where no route matched; the path itself would let a stranger fill the metrics.
const NO_ROUTE: &str = "other";

/// Nginx's code for a client that left before its answer.
const CLIENT_LEFT: u16 = 499;

pub(crate) async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let id = client_id(request.headers()).unwrap_or_else(new_id);
    // Every line that is logged on the request's way carries it, the workers' too.
    let span = tracing::info_span!("request", id);
    answer(app, id, request, next).instrument(span).await
}

async fn answer(app: App, id: String, request: Request, next: Next) -> Response {
    let watch = Watch::new(app, &request, id.clone());
    let mut response = next.run(request).await;
    let problem = response.extensions_mut().remove::<Problem>();
    if let Some(problem) = &problem {
        *response.body_mut() = problem.body(&id);
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    watch.answered(response.status(), problem.as_ref());
    response
}

/// A request under way. Dropped without an answer, it notes that the client left.
struct Watch {
    app: App,
    id: String,
    method: Method,
    path: String,
    route: Arc<str>,
    started: Instant,
    is_answered: bool,
}

impl Watch {
    fn new(app: App, request: &Request, id: String) -> Self {
        let matched = request.extensions().get::<MatchedPath>();
        Self {
            app,
            id,
            method: request.method().clone(),
            path: request.uri().path().chars().take(200).collect(),
            route: matched.map_or(NO_ROUTE, MatchedPath::as_str).into(),
            started: Instant::now(),
            is_answered: false,
        }
    }

    fn answered(mut self, status: StatusCode, problem: Option<&Problem>) {
        self.is_answered = true;
        self.note(status.as_u16(), problem);
    }

    fn note(&self, code: u16, problem: Option<&Problem>) {
        let took = self.started.elapsed();
        self.app
            .metrics
            .count(&self.route, method_label(&self.method), code, took);
        let took_ms = took.as_secs_f64() * 1e3;
        let (id, method, path) = (self.id.as_str(), &self.method, self.path.as_str());
        let detail = problem.map(Problem::detail);
        let cause = problem.and_then(Problem::log);
        if code >= 500 && cause.is_some() {
            tracing::error!(id, %method, path, code, took_ms, detail, cause, "request answered");
        } else if matches!(&*self.route, "/health" | "/ready" | "/metrics") {
            tracing::debug!(id, %method, path, code, took_ms, detail, "request answered");
        } else {
            tracing::info!(id, %method, path, code, took_ms, detail, cause, "request answered");
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.is_answered {
            self.note(CLIENT_LEFT, None);
        }
    }
}

/// Methods are the client's to invent, labels are not.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "OTHER",
    }
}

/// The client's own id, where it is short and plain enough for a log and a header.
fn client_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_sane = (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(is_plain);
    is_sane.then(|| id.to_owned())
}

/// Unlike any other of this process, and not to be guessed from it: a keyed hash of a counter.
fn new_id() -> String {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let mut hasher = KEY.build_hasher();
    hasher.write_u64(COUNTER.fetch_add(1, Ordering::Relaxed));
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[track_caller]
    fn check(sent: &str, is_taken: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(
            REQUEST_ID,
            HeaderValue::from_bytes(sent.as_bytes()).unwrap(),
        );
        assert_eq!(client_id(&headers).as_deref(), is_taken.then_some(sent));
    }

    #[test]
    fn a_clients_id_is_taken_when_it_is_short_and_plain() {
        check("a-1_b.C", true);
        check(&"x".repeat(64), true);
        check(&"x".repeat(65), false);
        check("", false);
        check("two words", false);
        check("Щука", false);
        assert_eq!(client_id(&HeaderMap::new()), None);
    }

    #[test]
    fn ids_of_our_own_differ() {
        let ids: std::collections::BTreeSet<_> = (0..1000).map(|_| new_id()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == 16));
    }
}
