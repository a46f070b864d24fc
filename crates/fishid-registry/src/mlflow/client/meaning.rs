//! What a failed call means: who or what is at fault, what a person does about it, whether to try again.

use std::time::Duration;

use reqwest::header::LOCATION;
use reqwest::{Response, StatusCode, Url};
use serde_json::Value;

use super::super::error::MlflowError;
use super::super::retry::{Again, Failure, asked_wait};
use super::super::settings::Credentials;
use super::{Inner, MAX_ANSWER, MAX_REFUSAL, Request, beginning};

impl Inner {
    pub fn timed_out(&self, request: &Request, waited: Duration) -> Failure {
        Failure {
            error: MlflowError::TimedOut {
                server: self.server.clone(),
                call: request.call.clone(),
                waited,
            },
            again: Again::Uncertain(None),
        }
    }

    pub(super) fn too_long(&self, request: &Request) -> Failure {
        Failure {
            error: MlflowError::BrokenAnswer {
                server: self.server.clone(),
                call: request.call.clone(),
                reason: format!("more than {} MiB", MAX_ANSWER / 1024 / 1024),
            },
            again: Again::Never,
        }
    }

    /// What a broken connection means.
    pub fn transport(&self, request: &Request, error: &reqwest::Error) -> Failure {
        let (server, call) = (self.server.clone(), request.call.clone());
        let reason = causes(error);
        let lower = reason.to_lowercase();
        if error.is_connect() {
            let is_tls = ["certificate", "tls", "handshake", "corrupt message"]
                .iter()
                .any(|word| lower.contains(word));
            return if is_tls {
                Failure {
                    error: MlflowError::Tls {
                        server,
                        call,
                        reason,
                    },
                    again: Again::Never,
                }
            } else {
                Failure {
                    error: MlflowError::Unreachable {
                        server,
                        call,
                        reason,
                    },
                    again: Again::Unsent,
                }
            };
        }
        Failure {
            error: MlflowError::Cut {
                server,
                call,
                reason,
            },
            again: Again::Uncertain(None),
        }
    }

    /// What an answer other than success means. Decided by status and `error_code`, never by the
    /// message, but for the host check, which has no code.
    pub(super) async fn refusal(&self, request: &Request, response: Response) -> Failure {
        let status = response.status();
        let asked = asked_wait(response.headers());
        let location = response.headers().get(LOCATION);
        let location = location
            .and_then(|to| to.to_str().ok())
            .map(crate::without_secrets);
        let body = beginning(response, MAX_REFUSAL).await;
        let body = body.map(|(bytes, _)| bytes).unwrap_or_default();
        let code = serde_json::from_slice::<Value>(&body)
            .ok()
            .and_then(|body| Some(body.get("error_code")?.as_str()?.to_owned()));
        let (server, call) = (self.server.clone(), request.call.clone());
        let never = |error| Failure {
            error,
            again: Again::Never,
        };
        match (status, code) {
            (StatusCode::UNAUTHORIZED, _) => never(self.unauthorized(call)),
            (StatusCode::FORBIDDEN, None)
                if String::from_utf8_lossy(&body).contains("Invalid Host header") =>
            {
                let host = host(&self.base);
                never(MlflowError::HostRefused { server, call, host })
            }
            (StatusCode::FORBIDDEN, _) => never(MlflowError::Forbidden {
                server,
                call,
                who: self.who(),
            }),
            (status, code)
                if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED
                    || status == StatusCode::TOO_MANY_REQUESTS =>
            {
                Failure {
                    error: MlflowError::Failing {
                        server,
                        call,
                        code: code.unwrap_or_else(|| reason_of(status)),
                        status: status.as_u16(),
                    },
                    again: Again::Uncertain(asked),
                }
            }
            (status, Some(code)) => never(MlflowError::Refused {
                server,
                call,
                code,
                status: status.as_u16(),
            }),
            (StatusCode::PAYLOAD_TOO_LARGE, None) => never(MlflowError::Refused {
                server,
                call,
                code: "a proxy in front of it takes no file of this size; raise its limit (nginx: client_max_body_size)".to_owned(),
                status: status.as_u16(),
            }),
            (status, None) => never(MlflowError::NotMlflow {
                server,
                call,
                status: status.as_u16(),
                what: location.map_or_else(|| kind_of(&body), |to| format!("a redirect to {to}")),
            }),
        }
    }

    fn unauthorized(&self, call: String) -> MlflowError {
        let set =
            "Set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD";
        MlflowError::Unauthorized {
            server: self.server.clone(),
            call,
            who: self.who(),
            remedy: match self.credentials {
                Credentials::None => set,
                Credentials::Token(_) => "Is MLFLOW_TRACKING_TOKEN right, and still valid?",
                Credentials::Basic(..) => {
                    "Are MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or the name and password in the address, right?"
                }
            },
        }
    }

    fn who(&self) -> &'static str {
        match self.credentials {
            Credentials::None => "a caller without a name",
            Credentials::Token(_) => "the given token",
            Credentials::Basic(..) => "the given name and password",
        }
    }

    pub(super) fn unreadable(
        &self,
        request: &Request,
        body: &[u8],
        error: &serde_json::Error,
    ) -> MlflowError {
        let (server, call) = (self.server.clone(), request.call.clone());
        if body.trim_ascii_start().starts_with(b"{") {
            let reason = error.to_string();
            return MlflowError::BrokenAnswer {
                server,
                call,
                reason,
            };
        }
        MlflowError::NotMlflow {
            server,
            call,
            status: 200,
            what: kind_of(body),
        }
    }
}

fn kind_of(body: &[u8]) -> String {
    let body = body.trim_ascii_start();
    if body.is_empty() {
        "an empty body".to_owned()
    } else if body.starts_with(b"<") {
        "a page of HTML".to_owned()
    } else {
        "text that is no answer of MLflow".to_owned()
    }
}

fn reason_of(status: StatusCode) -> String {
    status
        .canonical_reason()
        .unwrap_or("unknown status")
        .to_owned()
}

/// Host and port as the `Host` header has them.
fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}

/// The causes of an HTTP client's error, innermost last, without the address it was sent to.
pub(crate) fn causes(error: &reqwest::Error) -> String {
    let mut texts = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        texts.push(inner.to_string());
        cause = inner.source();
    }
    texts.dedup();
    if texts.is_empty() {
        "the connection failed".to_owned()
    } else {
        texts.join(": ")
    }
}
