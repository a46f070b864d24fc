//! One request for a file: redirects, who gets the token, and which answers are worth asking again.

use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, IF_RANGE, LOCATION, RANGE};
use reqwest::{Client, Method, Response, Url, redirect};

use crate::declaration::Declaration;
use crate::error::HubError;
use crate::file::HubFile;
use crate::retry::{Failure, asked_wait};
use crate::settings::{HubSettings, Token};

/// Renamed repositories, regional hosts and storage make two or three.
const MAX_REDIRECTS: usize = 8;

/// Asks one hub.
#[derive(Debug)]
pub(crate) struct Requester {
    client: Client,
    base: Url,
    token: Option<Token>,
    read_timeout: Duration,
}

/// Where a body is to begin.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct From<'a> {
    pub offset: u64,
    /// Entity tag of the bytes before it, where known.
    pub validator: Option<&'a str>,
}

/// An answer, redirects followed.
#[derive(Debug)]
pub(crate) struct Answer {
    pub declared: Declaration,
    pub response: Response,
    pub host: String,
}

/// The hub's address, fit to put paths behind.
pub(crate) fn address(base_url: &str) -> Result<Url, HubError> {
    let broken = |reason: String| HubError::InvalidAddress {
        url: base_url.to_owned(),
        reason,
    };
    let mut base = Url::parse(base_url).map_err(|error| broken(error.to_string()))?;
    if !matches!(base.scheme(), "http" | "https") {
        return Err(broken(
            "it begins with neither https:// nor http://".to_owned(),
        ));
    }
    if !base.username().is_empty() || base.password().is_some() || base.query().is_some() {
        return Err(broken(
            "a name, password or query has no place in it".to_owned(),
        ));
    }
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    Ok(base)
}

impl Requester {
    /// Reads the machine's certificates, which a machine that only uses its cache need not have.
    pub fn new(settings: &HubSettings, base: Url) -> Result<Self, HubError> {
        let client = Client::builder()
            .user_agent(concat!("fishid/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(settings.timing.connect_timeout)
            // Followed by hand: the declaration stands in the hub's own answer, not in the one of
            // the storage behind it, and the token goes no further than the hub.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| HubError::Client {
                reason: causes(&error),
            })?;
        Ok(Self {
            client,
            base,
            token: settings.token.clone(),
            read_timeout: settings.timing.read_timeout,
        })
    }

    /// Where the hub is asked for the file.
    pub fn url(&self, file: &HubFile) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{}", self.base.path(), file.url_path()));
        url
    }

    /// What the hub declares of the file, without asking any storage behind it.
    pub async fn declaration(&self, file: &HubFile) -> Result<Declaration, Failure> {
        let answer = self.ask(Method::HEAD, file, From::default()).await?;
        Ok(answer.declared)
    }

    /// The file's bytes from an offset on.
    pub async fn body(&self, file: &HubFile, from: From<'_>) -> Result<Answer, Failure> {
        self.ask(Method::GET, file, from).await
    }

    async fn ask(&self, method: Method, file: &HubFile, from: From<'_>) -> Result<Answer, Failure> {
        let mut url = self.url(file);
        let mut declared = Declaration::default();
        for _ in 0..=MAX_REDIRECTS {
            let host = host(&url);
            let response = self.send(method.clone(), &url, file, from).await?;
            let at_hub = self.is_hub(&url);
            if at_hub {
                declared = Declaration::read(response.headers()).or(declared);
            }
            if !response.status().is_redirection() {
                check(&response, at_hub, self.token.is_some(), &host, file)?;
                return Ok(Answer {
                    declared,
                    response,
                    host,
                });
            }
            let next = target(&url, response.headers(), file)?;
            if method == Method::HEAD && !self.is_hub(&next) {
                return Ok(Answer {
                    declared,
                    response,
                    host,
                });
            }
            url = next;
        }
        Err(Failure::from(HubError::Redirect {
            host: host(&url),
            file: file.to_string(),
            problem: format!("more than {MAX_REDIRECTS} times"),
        }))
    }

    async fn send(
        &self,
        method: Method,
        url: &Url,
        file: &HubFile,
        from: From<'_>,
    ) -> Result<Response, Failure> {
        // A compressed body would have neither the declared length nor meaningful ranges.
        let mut request = self
            .client
            .request(method, url.clone())
            .header(ACCEPT_ENCODING, "identity");
        if from.offset > 0 {
            request = request.header(RANGE, format!("bytes={}-", from.offset));
            if let Some(validator) = from.validator {
                request = request.header(IF_RANGE, validator);
            }
        }
        if let Some(token) = &self.token
            && self.is_hub(url)
        {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.reveal()));
        }
        match tokio::time::timeout(self.read_timeout, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(Failure::passing(HubError::Unreachable {
                host: host(url),
                reason: causes(&error),
                file: file.to_string(),
            })),
            Err(_) => Err(Failure::passing(HubError::Stalled {
                host: host(url),
                file: file.to_string(),
                waited: self.read_timeout,
            })),
        }
    }

    /// Whether an address is the hub's own: same host and port, or the same host from http to https.
    fn is_hub(&self, url: &Url) -> bool {
        let same_origin = url.origin() == self.base.origin();
        let made_secure = self.base.scheme() == "http"
            && self.base.port().is_none()
            && url.scheme() == "https"
            && url.port().is_none()
            && url.host() == self.base.host();
        same_origin || made_secure
    }
}

/// Turns every status but those of a body into a failure.
fn check(
    response: &Response,
    at_hub: bool,
    with_token: bool,
    host: &str,
    file: &HubFile,
) -> Result<(), Failure> {
    let (host, file) = (host.to_owned(), file.to_string());
    let status = response.status().as_u16();
    let code = response.headers().get("x-error-code");
    let code = code
        .and_then(|code| code.to_str().ok())
        .map_or(String::new(), |code| format!(", {code}"));
    let wait = asked_wait(response.headers());
    match status {
        200 | 206 | 416 => Ok(()),
        // The signature of a storage address runs out; asking the hub again gives a fresh one.
        401 | 403 if !at_hub => Err(Failure::passing(HubError::Status { host, file, status })),
        401 | 403 => Err(Failure::from(HubError::Denied {
            host,
            file,
            status,
            who: if with_token {
                "the given token"
            } else {
                "everyone"
            },
            code,
            remedy: if with_token {
                "Is the token right, and was the repository's licence accepted on its page?"
            } else {
                "Is the name right? For a private or gated repository set a token in HF_TOKEN"
            },
        })),
        404 | 410 => Err(Failure::from(HubError::NotFound {
            host,
            file,
            code: code.replacen(", ", " (", 1) + if code.is_empty() { "" } else { ")" },
        })),
        429 => Err(Failure::Passing(
            Box::new(HubError::TooManyRequests {
                host,
                file,
                when: wait.map_or(String::new(), |wait| {
                    format!(" and asks to come back in {} s", wait.as_secs())
                }),
                remedy: if with_token {
                    "Try again then"
                } else {
                    "Try again then; with a token in HF_TOKEN the hub allows more"
                },
            }),
            wait,
        )),
        408 | 500..=599 => Err(Failure::Passing(
            Box::new(HubError::Status { host, file, status }),
            wait,
        )),
        _ => Err(Failure::from(HubError::Status { host, file, status })),
    }
}

/// Where a redirect leads.
fn target(url: &Url, headers: &HeaderMap, file: &HubFile) -> Result<Url, HubError> {
    let to = headers.get(LOCATION).and_then(|to| to.to_str().ok());
    let next = to.and_then(|to| url.join(to).ok());
    match next {
        Some(next) if matches!(next.scheme(), "http" | "https") => Ok(next),
        _ => Err(HubError::Redirect {
            host: host(url),
            file: file.to_string(),
            problem: "to nowhere it can be followed".to_owned(),
        }),
    }
}

/// Host and port, the part of an address that is never secret.
pub(crate) fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    url.port()
        .map_or(name.to_owned(), |port| format!("{name}:{port}"))
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
