//! Yandex's IAM token in place of a signature: taken from the environment or from the metadata of the machine,
//! put on every request, renewed before its time is over.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use http::HeaderValue;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
    HttpResponse, HttpService, ReqwestConnector,
};
use serde::Deserialize;
use tokio::sync::Mutex;

/// Begins every message about a token that could not be had.
pub(super) const FAILED: &str = "no token from the machine's metadata";

/// The header that Object Storage reads tokens from.
const HEADER: &str = "x-yacloud-subjecttoken";
const METADATA_ADDRESS: &str = "169.254.169.254";
const METADATA_PATH: &str = "computeMetadata/v1/instance/service-accounts/default/token";
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);
const N_ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);
/// A token is renewed when less than this is left, or a tenth of its life where that is shorter.
const MARGIN: Duration = Duration::from_mins(10);
/// A refused token younger than this was not refused for its age.
const FRESH: Duration = Duration::from_mins(1);

/// Where the token comes from.
#[derive(Clone)]
pub(super) enum TokenSource {
    /// As it stands in `YC_TOKEN`.
    Given(String),
    /// The metadata service at this address.
    Metadata(String),
}

impl TokenSource {
    /// The metadata service, at its usual address or at `address` (host, host:port or a URL).
    pub(super) fn metadata(address: Option<&str>) -> Self {
        let address = address.unwrap_or(METADATA_ADDRESS).trim_end_matches('/');
        Self::Metadata(if address.contains("://") {
            address.to_owned()
        } else {
            format!("http://{address}")
        })
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(_) => out.write_str("Given(******)"),
            Self::Metadata(address) => out.debug_tuple("Metadata").field(address).finish(),
        }
    }
}

/// Makes clients that put the token on every request.
#[derive(Debug)]
pub(super) struct TokenConnector(TokenSource);

impl TokenConnector {
    pub(super) fn new(source: TokenSource) -> Self {
        Self(source)
    }
}

impl HttpConnector for TokenConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let plain = ReqwestConnector::default();
        let metadata = ClientOptions::new()
            .with_allow_http(true)
            .with_timeout(METADATA_TIMEOUT)
            .with_connect_timeout(METADATA_TIMEOUT);
        Ok(HttpClient::new(TokenService {
            client: plain.connect(options)?,
            tokens: Arc::new(Tokens {
                source: self.0.clone(),
                client: plain.connect(&metadata)?,
                current: Mutex::default(),
            }),
        }))
    }
}

#[derive(Debug)]
struct TokenService {
    client: HttpClient,
    tokens: Arc<Tokens>,
}

#[async_trait]
impl HttpService for TokenService {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let token = self.tokens.get().await.map_err(failed)?;
        let mut value = HeaderValue::from_str(&token)
            .map_err(|_| failed("it cannot stand in a header".to_owned()))?;
        value.set_sensitive(true);
        request.headers_mut().insert(HEADER, value);
        let response = self.client.execute(request).await?;
        if matches!(response.status().as_u16(), 401 | 403) {
            self.tokens.forget().await;
        }
        Ok(response)
    }
}

struct Token {
    text: String,
    fetched: Instant,
    renew: Instant,
    ends: Instant,
}

struct Tokens {
    source: TokenSource,
    client: HttpClient,
    current: Mutex<Option<Token>>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Tokens").field(&self.source).finish()
    }
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    /// Seconds.
    expires_in: u64,
}

impl Tokens {
    /// The lock is held while a token is fetched, so that many requests fetch one.
    async fn get(&self) -> Result<String, String> {
        let address = match &self.source {
            TokenSource::Given(token) => return Ok(token.clone()),
            TokenSource::Metadata(address) => address,
        };
        let mut current = self.current.lock().await;
        let now = Instant::now();
        if let Some(token) = current.as_ref().filter(|token| now < token.renew) {
            return Ok(token.text.clone());
        }
        match self.fetch(address).await {
            Ok(token) => Ok(current.insert(token).text.clone()),
            // The old one is good for some minutes still.
            Err(error) => match current.as_ref().filter(|token| now < token.ends) {
                Some(token) => {
                    tracing::warn!(error, "the token could not be renewed yet");
                    Ok(token.text.clone())
                }
                None => Err(error),
            },
        }
    }

    /// After a refusal: it may have been taken back before its time.
    async fn forget(&self) {
        let mut current = self.current.lock().await;
        if current
            .as_ref()
            .is_some_and(|token| token.fetched.elapsed() > FRESH)
        {
            *current = None;
        }
    }

    async fn fetch(&self, address: &str) -> Result<Token, String> {
        let mut attempt = 1;
        loop {
            match self.ask(address).await {
                Err(error) if attempt == N_ATTEMPTS => {
                    return Err(format!("{error} (asked {address} {N_ATTEMPTS} times)"));
                }
                Err(error) => tracing::debug!(error, attempt, "asking for a token again"),
                Ok(token) => return Ok(token),
            }
            tokio::time::sleep(PAUSE * attempt).await;
            attempt += 1;
        }
    }

    async fn ask(&self, address: &str) -> Result<Token, String> {
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.uri_mut() = format!("{address}/{METADATA_PATH}")
            .parse()
            .map_err(|_| format!("YC_METADATA_ADDR is `{address}`, which is no address"))?;
        let flavour = HeaderValue::from_static("Google");
        request.headers_mut().insert("metadata-flavor", flavour);
        let fetched = Instant::now();
        let response = self.client.execute(request).await;
        let response = response.map_err(|error| crate::error::reason(&error))?;
        let status = response.status();
        if !status.is_success() {
            return Err(format!("it answered {status}"));
        }
        let body = response.into_body().bytes().await;
        let body = body.map_err(|error| crate::error::reason(&error))?;
        // The parser's message may hold what it read: nothing of it is shown.
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|_| "its answer is no JSON with access_token and expires_in".to_owned())?;
        let life = Duration::from_secs(answer.expires_in);
        Ok(Token {
            text: answer.access_token,
            fetched,
            renew: fetched + life.saturating_sub(MARGIN.min(life / 10)),
            ends: fetched + life,
        })
    }
}

fn failed(reason: String) -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, NoToken(reason))
}

#[derive(Debug, thiserror::Error)]
#[error("{FAILED}: {0}")]
struct NoToken(String);
