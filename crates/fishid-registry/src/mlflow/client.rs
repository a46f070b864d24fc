//! Calls to an `MLflow` server: one request, what its answer means, and whether it is tried again. Knows no
//! model and no run; file transfers are in `transfer`, what a failure means in `meaning`.

mod meaning;

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Certificate, Method, RequestBuilder, Response, Url, redirect};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::address::Address;
use super::error::MlflowError;
use super::retry::Failure;
use super::runtime::wait;
use super::settings::{Credentials, MlflowSettings, Secret, Timing};
use crate::error::RegistryError;

pub(crate) use meaning::causes;

/// uvicorn closes idle connections after 5 s; one it is just closing would make a call fail that may not
/// be repeated.
const IDLE_CONNECTION: Duration = Duration::from_secs(2);

/// Longer answers than this are none of `MLflow`'s.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// As much of a refusal is read: its code and what kind of text it is.
const MAX_REFUSAL: usize = 1024 * 1024;

/// A connection to one server. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Client(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    http: reqwest::Client,
    base: Url,
    credentials: Credentials,
    pub timing: Timing,
    /// The way to S3, besides the environment.
    pub storage: BTreeMap<String, Secret>,
    /// The address for messages.
    server: String,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub method: Method,
    pub url: Url,
    /// Its name in messages, such as `POST runs/create`.
    pub call: String,
    pub body: Option<Value>,
    /// Doing it twice is doing it once.
    pub idempotent: bool,
}

impl Client {
    /// Reads certificates and makes no connection.
    pub fn new(address: Address, settings: &MlflowSettings) -> Result<Self, RegistryError> {
        let server = address.base.as_str().trim_end_matches('/').to_owned();
        let failed = |reason: String| MlflowError::Client {
            server: server.clone(),
            reason,
        };
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("fishid/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(settings.timing.connect_timeout)
            .pool_idle_timeout(IDLE_CONNECTION)
            // A redirect would take credentials elsewhere or turn a POST into a GET.
            .redirect(redirect::Policy::none());
        if address.base.scheme() == "http" {
            // No certificate is looked at, and a machine without any is no reason to fail.
            builder = builder.tls_certs_only([]);
        } else if settings.insecure_tls {
            tracing::warn!(
                server,
                "MLFLOW_TRACKING_INSECURE_TLS: the server's certificate is not checked"
            );
            builder = builder.tls_danger_accept_invalid_certs(true);
        } else if let Some(file) = &settings.certificate_file {
            let pem = fs::read(file).map_err(RegistryError::io("cannot read", file))?;
            let certificates = Certificate::from_pem_bundle(&pem)
                .map_err(|error| failed(format!("{}: {}", file.display(), causes(&error))))?;
            builder = builder.tls_certs_only(certificates);
        }
        let http = builder.build().map_err(|error| failed(causes(&error)))?;
        let credentials = match address.user {
            Some((name, password)) => Credentials::Basic(name, password),
            None => settings.credentials.clone(),
        };
        Ok(Self(Arc::new(Inner {
            http,
            base: address.base,
            credentials,
            timing: settings.timing,
            storage: settings.storage.clone(),
            server,
        })))
    }

    pub fn server(&self) -> &str {
        &self.0.server
    }

    pub fn inner(&self) -> &Arc<Inner> {
        &self.0
    }

    /// Looks something up.
    pub fn get<T: DeserializeOwned>(
        &self,
        call: &str,
        query: &[(&str, &str)],
    ) -> Result<T, MlflowError> {
        let mut request = self.request(Method::GET, call, true);
        if !query.is_empty() {
            request.url.query_pairs_mut().extend_pairs(query);
        }
        self.answer(&request)
    }

    /// Does what may be done twice.
    pub fn post<T: DeserializeOwned>(
        &self,
        call: &str,
        body: &impl Serialize,
    ) -> Result<T, MlflowError> {
        self.send(Method::POST, call, body, true)
    }

    /// Does what must not be done twice.
    pub fn post_once<T: DeserializeOwned>(
        &self,
        call: &str,
        body: &impl Serialize,
    ) -> Result<T, MlflowError> {
        self.send(Method::POST, call, body, false)
    }

    /// Deletes something; its name stands in the body, as `MLflow` wants it.
    pub fn delete(&self, call: &str, body: &impl Serialize) -> Result<(), MlflowError> {
        self.send::<Value>(Method::DELETE, call, body, true)
            .map(drop)
    }

    fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        call: &str,
        body: &impl Serialize,
        idempotent: bool,
    ) -> Result<T, MlflowError> {
        let mut request = self.request(method, call, idempotent);
        let body = serde_json::to_value(body).map_err(|error| MlflowError::Client {
            server: self.server().to_owned(),
            reason: error.to_string(),
        })?;
        request.body = Some(body);
        self.answer(&request)
    }

    fn request(&self, method: Method, call: &str, idempotent: bool) -> Request {
        Request {
            url: self.0.url(&["api", "2.0", "mlflow"], call),
            call: format!("{method} {call}"),
            method,
            body: None,
            idempotent,
        }
    }

    fn answer<T: DeserializeOwned>(&self, request: &Request) -> Result<T, MlflowError> {
        let bytes = self.bytes(request.clone())?;
        serde_json::from_slice(&bytes).map_err(|error| self.0.unreadable(request, &bytes, &error))
    }

    /// The body of an answer, tried again where that may help.
    pub fn bytes(&self, request: Request) -> Result<Vec<u8>, MlflowError> {
        let inner = Arc::clone(&self.0);
        let name = request.call.clone();
        self.wait(&name, async move {
            let mut n = 1;
            loop {
                match inner.exchange(&request).await {
                    Ok(bytes) => return Ok(bytes),
                    Err(failure) => {
                        inner
                            .pause(&request.call, request.idempotent, failure, n)
                            .await?;
                    }
                }
                n += 1;
            }
        })
    }

    /// Blocks for a future that runs on this crate's own threads.
    pub fn wait<T: Send + 'static>(
        &self,
        call: &str,
        future: impl Future<Output = Result<T, MlflowError>> + Send + 'static,
    ) -> Result<T, MlflowError> {
        wait(future).unwrap_or_else(|reason| {
            Err(MlflowError::Client {
                server: self.server().to_owned(),
                reason: format!("{call}: {reason}"),
            })
        })
    }
}

impl Inner {
    /// The server's address with a prefix and a path behind it, each part percent-encoded.
    pub fn url(&self, prefix: &[&str], path: &str) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments
                .pop_if_empty()
                .extend(prefix)
                .extend(path.split('/'));
        }
        url
    }

    /// Waits before try `n + 1`, or gives the failure back where there is none.
    pub async fn pause(
        &self,
        call: &str,
        idempotent: bool,
        failure: Failure,
        n: u32,
    ) -> Result<(), MlflowError> {
        if n >= self.timing.attempts || !failure.is_worth_repeating(idempotent) {
            return Err(failure.error);
        }
        let wait = failure.backoff(&self.timing, n);
        tracing::debug!(call, attempt = n, ?wait, error = %failure.error, "trying again");
        tokio::time::sleep(wait).await;
        Ok(())
    }

    async fn exchange(&self, request: &Request) -> Result<Vec<u8>, Failure> {
        let mut builder = self.builder(request);
        if let Some(body) = &request.body {
            builder = builder
                .header(CONTENT_TYPE, "application/json")
                .body(body.to_string());
        }
        let waited = self.timing.read_timeout;
        let whole = async {
            let response = self.head(request, builder).await?;
            let read = beginning(response, MAX_ANSWER).await;
            let (bytes, is_whole) = read.map_err(|error| self.transport(request, &error))?;
            if !is_whole {
                return Err(self.too_long(request));
            }
            Ok(bytes)
        };
        match tokio::time::timeout(waited, whole).await {
            Ok(answer) => answer,
            Err(_) => Err(self.timed_out(request, waited)),
        }
    }

    /// A request with who asks, ready for a body.
    pub fn builder(&self, request: &Request) -> RequestBuilder {
        let builder = self
            .http
            .request(request.method.clone(), request.url.clone());
        match &self.credentials {
            Credentials::None => builder,
            Credentials::Token(token) => builder.bearer_auth(token.reveal()),
            Credentials::Basic(name, password) => builder.basic_auth(name, Some(password.reveal())),
        }
    }

    /// Sends it; an answer other than success is a failure.
    pub async fn head(
        &self,
        request: &Request,
        builder: RequestBuilder,
    ) -> Result<Response, Failure> {
        let sent = builder.send().await;
        let response = sent.map_err(|error| self.transport(request, &error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.refusal(request, response).await)
    }
}

/// At most so many bytes of an answer's body, and whether that is all of it.
async fn beginning(
    mut response: Response,
    limit: usize,
) -> Result<(Vec<u8>, bool), reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await? {
        if bytes.len() + piece.len() > limit {
            return Ok((bytes, false));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok((bytes, true))
}
