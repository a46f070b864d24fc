//! The routes for operators: a hint to look at the registry now, by a person's token or by a signed event of
//! `MLflow`. Neither says what to serve; that is read from the registry, as at every look.

mod signature;

use std::time::SystemTime;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use fishid_serving::Hinted;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::problem::{Kind, Problem, ProblemDocument};
use crate::upload::Upload;

/// An event of `MLflow` has some hundred bytes.
const MAX_EVENT_BYTES: usize = 64 << 10;

/// Reply of both routes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Looking {
    /// `looking`.
    #[schema(example = "looking")]
    status: &'static str,
    /// What is looked at.
    #[schema(example = "alias production of fish-classifier in mlflow+http://mlflow:5000")]
    at: String,
    /// The version that answers until the look has come to something.
    #[schema(example = "3")]
    model_version: Option<String>,
}

/// Look at the registry now instead of at the next interval.
#[utoipa::path(
    post,
    tag = "operation",
    path = "/admin/reload",
    security(("admin_token" = [])),
    responses(
        (status = 202, description = "The registry is looked at now; `GET /model` tells when another version answers", body = Looking),
        (status = 401, description = "Not the token", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, description = "This server has no token and takes no hints", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 409, description = "This server serves one bundle and follows no registry", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn reload(
    State(app): State<App>,
    request: Request,
) -> Result<(StatusCode, Json<Looking>), Problem> {
    let allowed = has_token(&app, request.headers());
    // A client that writes still would never see the reply.
    Upload::new(&app, request).discard().await;
    allowed?;
    told(&app, "token", app.service.reload_hint().insist())
}

/// A signed event of an `MLflow` server, taken as a hint to look at the registry now.
#[utoipa::path(
    post,
    tag = "operation",
    path = "/admin/mlflow-webhook",
    params(
        ("X-MLflow-Signature" = String, Header, description = "`v1,` and the base64 of HMAC-SHA256 over delivery id, timestamp and body, joined by dots"),
        ("X-MLflow-Delivery-Id" = String, Header, description = "The delivery"),
        ("X-MLflow-Timestamp" = String, Header, description = "Seconds since 1970; at most five minutes off"),
    ),
    request_body(content = String, content_type = "application/json", description = "The event; only its signature is read"),
    responses(
        (status = 202, description = "The registry is looked at now", body = Looking),
        (status = 401, description = "Not signed with this server's secret, or not lately", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, description = "This server has no webhook secret and takes no events", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 409, description = "This server serves one bundle and follows no registry", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 413, description = "More than 64 KiB", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn mlflow_webhook(
    State(app): State<App>,
    request: Request,
) -> Result<(StatusCode, Json<Looking>), Problem> {
    let headers = request.headers().clone();
    let event = Upload::new(&app, request)
        .receive_small(MAX_EVENT_BYTES)
        .await;
    is_signed(&app, &headers, event)?;
    told(
        &app,
        "MLflow's webhook",
        app.service.reload_hint().look_now(),
    )
}

fn has_token(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(token) = &app.config.admin.token else {
        let detail = "This server has no admin token and takes no hints; set FISHID_ADMIN__TOKEN or \
            admin.token_file and start it again.";
        return Err(Problem::new(Kind::AdminOff, detail));
    };
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| bearer(value.as_bytes()));
    // Compared in any case: an absent token must not be told faster than a wrong one.
    if token.is(given.unwrap_or_default()) {
        Ok(())
    } else {
        let detail = "Send the admin token of this server as `Authorization: Bearer TOKEN`.";
        Err(Problem::new(Kind::Unauthorized, detail))
    }
}

/// The scheme's name is written in any case (RFC 9110, section 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}

fn is_signed(app: &App, headers: &HeaderMap, event: Result<Bytes, Problem>) -> Result<(), Problem> {
    let Some(secret) = &app.config.admin.webhook_secret else {
        let detail = "This server has no webhook secret and takes no events; set \
            FISHID_ADMIN__WEBHOOK_SECRET or admin.webhook_secret_file and start it again.";
        return Err(Problem::new(Kind::AdminOff, detail));
    };
    let event = event?;
    signature::verify(secret, headers, &event, SystemTime::now()).map_err(|why| {
        let detail =
            "The event is not signed with this server's webhook secret, or not in the last five minutes.";
        Problem::new(Kind::Unauthorized, detail).logged(why.to_string())
    })
}

fn told(
    app: &App,
    by: &'static str,
    hinted: Hinted,
) -> Result<(StatusCode, Json<Looking>), Problem> {
    match hinted {
        Hinted::Looking { at } => {
            tracing::info!(by, at, "told to look at the registry now");
            let model_version = app
                .service
                .current()
                .map(|loaded| loaded.identity.version.clone());
            let looking = Looking {
                status: "looking",
                at,
                model_version,
            };
            Ok((StatusCode::ACCEPTED, Json(looking)))
        }
        Hinted::NothingToFollow => Err(Problem::new(
            Kind::NothingToReload,
            "This server serves one bundle and follows no registry; start it with --registry to follow one.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_is_found_whatever_the_case_of_its_scheme() {
        assert_eq!(bearer(b"Bearer abc"), Some(b"abc".as_slice()));
        assert_eq!(bearer(b"bEARER  abc "), Some(b"abc".as_slice()));
        for other in [b"Basic abc".as_slice(), b"Bearer", b"", b"abc"] {
            assert_eq!(bearer(other), None);
        }
    }
}
