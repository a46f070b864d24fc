//! Errors as `application/problem+json` (RFC 9457): one sentence the client can act on, nothing of the
//! inside. What the log should know stands apart.

mod from_service;

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What kind of problem; clients switch on it through `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request carries no photograph.
    NoPhotograph,
    /// The multipart form cannot be read.
    BrokenForm,
    /// A query parameter has a value we do not know.
    BadQuery,
    /// A header has a value we cannot use.
    BadHeader,
    /// Not the token, or not the signature, that the route asks for.
    Unauthorized,
    /// The route is for operators, and this server has no secret to know them by.
    AdminOff,
    /// No such path.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// A look at the registry was asked for, and none is followed.
    NothingToReload,
    /// The photograph did not arrive in time.
    UploadTimeout,
    /// More bytes than a photograph may have.
    TooLarge,
    /// The body's type is none we take.
    UnsupportedMediaType,
    /// The bytes are of no photograph format we read.
    NotAPhotograph,
    /// The photograph cannot be decoded.
    BrokenPhotograph,
    /// The photograph is too small to say anything about.
    TooSmall,
    /// The photograph has more pixels than we decode.
    TooManyPixels,
    /// Our own fault.
    Internal,
    /// More requests than can be answered now.
    Overloaded,
    /// No model has been loaded yet.
    NoModel,
    /// The server is ending.
    ShuttingDown,
    /// The answer did not come in time.
    DeadlineExceeded,
}

impl Kind {
    /// Its name within `type`, its status, its title.
    fn facts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::NoPhotograph => ("no-photograph", StatusCode::BAD_REQUEST, "No photograph"),
            Self::BrokenForm => ("broken-form", StatusCode::BAD_REQUEST, "Broken form"),
            Self::BadQuery => ("bad-query", StatusCode::BAD_REQUEST, "Unknown query value"),
            Self::BadHeader => ("bad-header", StatusCode::BAD_REQUEST, "Unusable header"),
            Self::Unauthorized => ("unauthorized", StatusCode::UNAUTHORIZED, "Unauthorized"),
            Self::AdminOff => ("admin-off", StatusCode::FORBIDDEN, "Not configured"),
            Self::NotFound => ("not-found", StatusCode::NOT_FOUND, "Not found"),
            Self::MethodNotAllowed => (
                "method-not-allowed",
                StatusCode::METHOD_NOT_ALLOWED,
                "Method not allowed",
            ),
            Self::NothingToReload => (
                "nothing-to-reload",
                StatusCode::CONFLICT,
                "Nothing to reload",
            ),
            Self::UploadTimeout => (
                "upload-timeout",
                StatusCode::REQUEST_TIMEOUT,
                "Upload took too long",
            ),
            Self::TooLarge => (
                "too-large",
                StatusCode::PAYLOAD_TOO_LARGE,
                "Photograph too large",
            ),
            Self::UnsupportedMediaType => (
                "unsupported-media-type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Unsupported media type",
            ),
            Self::NotAPhotograph => (
                "not-a-photograph",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Not a photograph",
            ),
            Self::BrokenPhotograph => (
                "broken-photograph",
                StatusCode::UNPROCESSABLE_ENTITY,
                "Broken photograph",
            ),
            Self::TooSmall => (
                "too-small",
                StatusCode::UNPROCESSABLE_ENTITY,
                "Photograph too small",
            ),
            Self::TooManyPixels => (
                "too-many-pixels",
                StatusCode::UNPROCESSABLE_ENTITY,
                "Too many pixels",
            ),
            Self::Internal => (
                "internal",
                StatusCode::INTERNAL_SERVER_ERROR,
                "Internal error",
            ),
            Self::Overloaded => ("overloaded", StatusCode::SERVICE_UNAVAILABLE, "Overloaded"),
            Self::NoModel => ("no-model", StatusCode::SERVICE_UNAVAILABLE, "No model"),
            Self::ShuttingDown => (
                "shutting-down",
                StatusCode::SERVICE_UNAVAILABLE,
                "Shutting down",
            ),
            Self::DeadlineExceeded => (
                "deadline-exceeded",
                StatusCode::GATEWAY_TIMEOUT,
                "No answer in time",
            ),
        }
    }

    /// The status it is sent with.
    pub fn status(self) -> StatusCode {
        self.facts().1
    }
}

/// A problem on its way to a client.
#[derive(Debug, Clone)]
pub struct Problem {
    kind: Kind,
    detail: String,
    retry_after: Option<Duration>,
    log: Option<String>,
}

/// The document itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct ProblemDocument {
    /// Which kind of problem, as a URN that never changes.
    #[serde(rename = "type")]
    #[schema(example = "urn:fishid:problem:not-a-photograph")]
    pub(crate) kind: String,
    /// The kind in words.
    #[schema(example = "Not a photograph")]
    pub(crate) title: String,
    /// The HTTP status.
    #[schema(example = 415)]
    pub(crate) status: u16,
    /// One sentence about this very request.
    pub(crate) detail: String,
    /// The request's id, as in the header `x-request-id` and in the server's log.
    #[schema(example = "5f0c1a9be2d34467")]
    pub(crate) instance: String,
}

impl Problem {
    /// `detail` is read by the client.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            retry_after: None,
            log: None,
        }
    }

    /// Our own fault; the client learns nothing but that, the log learns `cause`.
    pub fn internal(cause: impl Into<String>) -> Self {
        let detail = "The server failed on this request; it has been logged under this id.";
        Self::new(Kind::Internal, detail).logged(cause)
    }

    /// When to come back.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// What the log should say and the client should not read.
    #[must_use]
    pub fn logged(mut self, cause: impl Into<String>) -> Self {
        self.log = Some(cause.into());
        self
    }

    /// What kind it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its sentence.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    pub(crate) fn log(&self) -> Option<&str> {
        self.log.as_deref()
    }

    /// The document with the request's id in it.
    pub(crate) fn body(&self, instance: &str) -> Body {
        let (name, status, title) = self.kind.facts();
        let document = ProblemDocument {
            kind: format!("urn:fishid:problem:{name}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.detail.clone(),
            instance: instance.to_owned(),
        };
        Json(document).into_response().into_body()
    }
}

impl IntoResponse for Problem {
    /// The body comes later, from the layer that knows the request's id; it finds the problem among the
    /// response's extensions.
    fn into_response(self) -> Response {
        let mut response = self.kind.status().into_response();
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.kind == Kind::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs_f64().ceil().clamp(1.0, 60.0) as u64;
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self);
        response
    }
}
