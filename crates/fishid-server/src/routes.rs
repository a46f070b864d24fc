//! The handlers, thin: each turns a request into one call and the result into a reply.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use fishid_prediction::Reply;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::asked::Asked;
use crate::description::{ModelDescription, ModelState};
use crate::metrics::{OPENMETRICS_TEXT, PROMETHEUS_TEXT, openmetrics_text, prometheus_text};
use crate::patience::Patience;
use crate::problem::{Kind, Problem, ProblemDocument};
use crate::upload::{PhotoForm, Upload};
use crate::{openapi, page};

/// Reply of `GET /health`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `healthy` while the process lives.
    #[schema(example = "healthy")]
    status: &'static str,
    /// Whether a model has been loaded.
    model_loaded: bool,
}

/// Reply of `GET /ready`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ready {
    /// `ready`.
    #[schema(example = "ready")]
    status: &'static str,
    /// The version that answers.
    #[schema(example = "1")]
    model_version: String,
}

/// Name the fish on a photograph.
#[utoipa::path(
    post,
    tag = "photographs",
    path = "/predict",
    params(
        ("lang" = Option<String>, Query, description = "Language of the labels: `ru` (default) or `en`", example = "en"),
        ("x-request-timeout-ms" = Option<u64>, Header, minimum = 1, description = "Milliseconds the client waits, from its request's head; more than the server's own deadline is not given", example = 2000),
    ),
    request_body(
        description = "A JPEG, PNG or WebP photograph of at most 10 MB, as the field `file` of a form or as the body itself",
        content((PhotoForm = "multipart/form-data"), ("image/jpeg"), ("image/png"), ("image/webp"))
    ),
    responses(
        (status = 200, description = "The likeliest species", body = Reply),
        (status = 400, description = "No photograph, a broken form, an unknown `lang` or an unusable `x-request-timeout-ms`", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 408, description = "The photograph did not arrive in time", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 413, description = "More than 10 MB", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 415, description = "Not a JPEG, PNG or WebP photograph", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 422, description = "Broken, too small, or more than 50 million pixels", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, description = "Overloaded, or no model; `Retry-After` says when to come back", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 504, description = "No answer in time", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn predict(
    State(app): State<App>,
    request: Request,
) -> Result<impl IntoResponse, Problem> {
    let asked = Asked::of(&request);
    let mut upload = Upload::new(&app, request);
    let asked = match asked {
        Ok(asked) => asked,
        Err(problem) => {
            upload.discard().await;
            return Err(problem);
        }
    };
    let received = upload.receive().await?;
    let started = Instant::now();
    let allowed = asked.patience.left(started, app.service.config().deadline);
    if allowed.is_zero() {
        return Err(Patience::ran_out(app.service.metrics()));
    }
    let served = app.service.ask_within(allowed, received.photo).await?;
    let reply = asked.reply(&served, started);
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(reply)))
}

/// Whether the process lives.
#[utoipa::path(get, tag = "state", path = "/health", responses((status = 200, description = "It lives", body = Health)))]
pub(crate) async fn health(State(app): State<App>) -> impl IntoResponse {
    let model_loaded = app.service.current().is_some();
    fresh(Json(Health {
        status: "healthy",
        model_loaded,
    }))
}

/// Whether requests should be sent here.
#[utoipa::path(
    get,
    tag = "state",
    path = "/ready",
    responses(
        (status = 200, description = "A model has answered its warm-up", body = Ready),
        (status = 503, description = "No model yet, or shutting down", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn ready(State(app): State<App>) -> Result<impl IntoResponse, Problem> {
    if app.service.is_draining() {
        return Err(Problem::shutting_down());
    }
    let loaded = app.service.current().ok_or_else(Problem::no_model)?;
    let model_version = loaded.identity.version.clone();
    Ok(fresh(Json(Ready {
        status: "ready",
        model_version,
    })))
}

/// The model that answers now.
#[utoipa::path(
    get,
    tag = "state",
    path = "/model",
    responses(
        (status = 200, description = "Classes, evaluation, lineage, engine; whether it may be stale", body = ModelState),
        (status = 503, description = "No model yet", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn model(State(app): State<App>) -> Result<impl IntoResponse, Problem> {
    let loaded = app.service.current().ok_or_else(Problem::no_model)?;
    let description: Arc<ModelDescription> = Arc::clone(loaded.model.description());
    let state = ModelState::new(
        ModelDescription::clone(&description),
        app.service.freshness(),
    );
    Ok(fresh(Json(state)))
}

/// Metrics in Prometheus' text format, or `OpenMetrics` where the client accepts it.
#[utoipa::path(
    get,
    tag = "state",
    path = "/metrics",
    responses((status = 200, description = "Prometheus text", body = String, content_type = "text/plain"))
)]
pub(crate) async fn metrics(State(app): State<App>, headers: HeaderMap) -> impl IntoResponse {
    let text = openmetrics_text(&app.registry);
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    if accept.contains("application/openmetrics-text") {
        ([(header::CONTENT_TYPE, OPENMETRICS_TEXT)], text)
    } else {
        (
            [(header::CONTENT_TYPE, PROMETHEUS_TEXT)],
            prometheus_text(&text),
        )
    }
}

pub(crate) async fn openapi() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/json")],
        openapi::openapi_json(),
    )
}

pub(crate) async fn not_found(State(app): State<App>, request: Request) -> Problem {
    let uri = request.uri().clone();
    // A client that writes still would never see the reply.
    Upload::new(&app, request).discard().await;
    if page::is_part(uri.path()) {
        return page::missing_part();
    }
    let path: String = uri.path().chars().take(100).collect();
    Problem::new(
        Kind::NotFound,
        format!("There is nothing at {path}; GET /docs lists what there is."),
    )
}

/// The router adds the `Allow` header to either reply.
pub(crate) async fn method_not_allowed(State(app): State<App>, request: Request) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    Upload::new(&app, request).discard().await;
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let path: String = uri.path().chars().take(100).collect();
    let method: String = method.as_str().chars().take(20).collect();
    let detail = format!("{path} does not take {method}; the header Allow lists what it takes.");
    Problem::new(Kind::MethodNotAllowed, detail).into_response()
}

/// The signature is the layer's.
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn panicked(payload: Box<dyn Any + Send + 'static>) -> Response {
    let message = payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    Problem::internal(format!("a handler panicked: {message}")).into_response()
}

/// A reply that is true only now.
fn fresh(reply: impl IntoResponse) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-store")], reply)
}
