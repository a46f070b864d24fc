//! What a refusal of S3 means, and what a person does about it. Decided by the error's code, since servers
//! answer the same code with different statuses.

use std::error::Error;
use std::fmt;

use object_store::client::{HttpError, HttpErrorKind};

/// Why S3 refused, as far as a person can do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum S3Fault {
    /// No key, no token, no other way to say who asks.
    NoKey,
    /// The access key does not exist.
    UnknownKey,
    /// The secret key is not the one of the access key.
    WrongSecret,
    /// A key or token whose time is over.
    Expired,
    /// Known, but not allowed.
    Denied,
    /// The bucket does not exist.
    NoBucket,
    /// The bucket is in another region or behind another endpoint.
    WrongRegion,
    /// The clock here is more than some minutes off.
    ClockSkew,
    /// The token could not be fetched from the machine's metadata.
    NoToken,
    /// The connection was refused, timed out or the name is unknown.
    Unreachable,
    /// The server's certificate is not trusted.
    Tls,
    /// The server does not speak TLS.
    NoTls,
    /// What arrived is not what was sent.
    Damaged,
    /// A header for checksums is unknown to this server.
    NoChecksums,
    /// The connection stands and nothing came over it in time.
    TimedOut,
    /// The server failed for a reason of its own, or has too much to do.
    ServerError,
}

impl S3Fault {
    /// Whether the next attempt may succeed although nobody did anything about it.
    pub(crate) fn is_passing(self) -> bool {
        matches!(self, Self::TimedOut | Self::ServerError)
    }
}

/// A fault with where it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Problem {
    /// What is wrong.
    pub fault: S3Fault,
    /// The bucket.
    pub bucket: String,
    /// The server.
    pub endpoint: String,
    uses_token: bool,
}

/// A bucket, as errors name it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub bucket: String,
    pub endpoint: String,
    pub uses_token: bool,
}

/// The codes of S3's answers.
const CODES: &[(&str, S3Fault)] = &[
    ("InvalidAccessKeyId", S3Fault::UnknownKey),
    ("SignatureDoesNotMatch", S3Fault::WrongSecret),
    ("ExpiredToken", S3Fault::Expired),
    ("TokenRefreshRequired", S3Fault::Expired),
    ("InvalidToken", S3Fault::Expired),
    ("RequestTimeTooSkewed", S3Fault::ClockSkew),
    ("NoSuchBucket", S3Fault::NoBucket),
    ("PermanentRedirect", S3Fault::WrongRegion),
    ("AuthorizationHeaderMalformed", S3Fault::WrongRegion),
    ("IllegalLocationConstraintException", S3Fault::WrongRegion),
    ("AccessDenied", S3Fault::Denied),
    ("AllAccessDisabled", S3Fault::Denied),
    ("BadDigest", S3Fault::Damaged),
    ("XAmzContentSHA256Mismatch", S3Fault::Damaged),
    ("InvalidDigest", S3Fault::Damaged),
    ("XAmzContentChecksumMismatch", S3Fault::Damaged),
    ("RequestTimeout", S3Fault::TimedOut),
];
/// Marks in what a connection says that failed; the first that is found counts.
const MARKS: &[(&str, S3Fault)] = &[
    (super::token::FAILED, S3Fault::NoToken),
    ("certificate", S3Fault::Tls),
    ("corrupt message", S3Fault::NoTls),
    ("dns error", S3Fault::Unreachable),
    ("tcp connect error", S3Fault::Unreachable),
    ("Connection refused", S3Fault::Unreachable),
    ("client error (Connect)", S3Fault::Unreachable),
];
/// Elements of an answer that repeat what was asked for, which may have any name.
const ECHOES: [&str; 3] = ["Resource", "Key", "BucketName"];
/// How `object_store` begins the innermost text of an answer that was no success.
const STATUS: &str = "Server returned non-2xx status code: ";
const FAILED_INSIDE: &str = "Server returned error response: ";
const BARE_REDIRECT: &str = "Received redirect without LOCATION";

/// Looks at the innermost causes only: the outer ones quote the path and the URL, in which anything may stand.
fn fault(error: &(dyn Error + 'static)) -> Option<S3Fault> {
    let mut cause = error;
    loop {
        if let Some(http) = cause.downcast_ref::<HttpError>() {
            return of_connection(http);
        }
        match cause.source() {
            Some(source) => cause = source,
            None => return of_answer(&cause.to_string()),
        }
    }
}

fn of_connection(error: &HttpError) -> Option<S3Fault> {
    let text = crate::error::reason(error);
    let mark = MARKS.iter().find(|(mark, _)| text.contains(mark));
    mark.map(|(_, fault)| *fault)
        .or_else(|| (error.kind() == HttpErrorKind::Timeout).then_some(S3Fault::TimedOut))
}

fn of_answer(text: &str) -> Option<S3Fault> {
    if text.starts_with(BARE_REDIRECT) {
        return Some(S3Fault::WrongRegion);
    }
    if text.starts_with(FAILED_INSIDE) {
        return Some(S3Fault::ServerError);
    }
    let answer = text.strip_prefix(STATUS)?;
    let code = between(answer, "<Code>", "</Code>");
    let known = CODES.iter().find(|(known, _)| code == Some(known));
    if let Some((_, fault)) = known {
        return Some(*fault);
    }
    if without_echoes(answer).contains("x-amz-checksum") {
        return Some(S3Fault::NoChecksums);
    }
    match answer.get(..3)? {
        "401" | "403" => Some(S3Fault::Denied),
        "408" | "429" => Some(S3Fault::ServerError),
        status if status.starts_with('5') => Some(S3Fault::ServerError),
        _ => None,
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(inside, _)| inside)
}

fn without_echoes(answer: &str) -> String {
    let mut answer = answer.to_owned();
    for name in ECHOES {
        let (start, end) = (format!("<{name}>"), format!("</{name}>"));
        if let Some(inside) = between(&answer, &start, &end) {
            answer = answer.replacen(&format!("{start}{inside}{end}"), "", 1);
        }
    }
    answer
}

/// Whether trying again at once cannot help.
pub(crate) fn is_explained(error: &object_store::Error) -> bool {
    fault(error).is_some_and(|fault| !fault.is_passing())
}

/// Whether the server hangs or fails, which may be over in a while.
pub(crate) fn is_passing(error: &object_store::Error) -> bool {
    fault(error).is_some_and(S3Fault::is_passing)
}

impl Place {
    pub(crate) fn of(&self, fault: S3Fault) -> S3Problem {
        S3Problem {
            fault,
            bucket: self.bucket.clone(),
            endpoint: self.endpoint.clone(),
            uses_token: self.uses_token,
        }
    }

    /// What an error says, when it is something a person can act on.
    pub(crate) fn problem(&self, error: &object_store::Error) -> Option<S3Problem> {
        fault(error).map(|fault| self.of(fault))
    }
}

impl fmt::Display for S3Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            bucket, endpoint, ..
        } = self;
        match self.fault {
            S3Fault::NoKey => write!(
                out,
                "there is no key for {endpoint} (bucket {bucket}); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, \
                 or AWS_SKIP_SIGNATURE=true for a public bucket"
            ),
            S3Fault::UnknownKey => write!(
                out,
                "{endpoint} does not know the access key (bucket {bucket}); check AWS_ACCESS_KEY_ID, and that the key \
                 was made for this server"
            ),
            S3Fault::WrongSecret => write!(
                out,
                "{endpoint} says that the secret key is not the one of the access key (bucket {bucket}); check \
                 AWS_SECRET_ACCESS_KEY"
            ),
            S3Fault::Expired if self.uses_token => write!(
                out,
                "{endpoint} says that the IAM token has expired (bucket {bucket}); set YC_TOKEN anew, or unset it \
                 where the machine has a service account"
            ),
            S3Fault::Expired => write!(
                out,
                "{endpoint} says that the key has expired (bucket {bucket}); get a new key and session token, then set \
                 AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN anew"
            ),
            S3Fault::Denied => write!(
                out,
                "{endpoint} denies access to bucket {bucket}; give this key (or service account) the right to read, \
                 and to write where something is stored"
            ),
            S3Fault::NoBucket => write!(
                out,
                "bucket {bucket} does not exist at {endpoint}; create it, or check the name and AWS_ENDPOINT_URL"
            ),
            S3Fault::WrongRegion => write!(
                out,
                "bucket {bucket} is not in this region of {endpoint}; set AWS_REGION to the bucket's region"
            ),
            S3Fault::ClockSkew => write!(
                out,
                "{endpoint} says that the clock of this machine is wrong (bucket {bucket}); set it, for example with \
                 `timedatectl set-ntp true`"
            ),
            S3Fault::NoToken => write!(
                out,
                "this machine's metadata gives no token for {endpoint} (bucket {bucket}); attach a service account to \
                 the machine, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            ),
            S3Fault::Unreachable => write!(
                out,
                "{endpoint} cannot be reached (bucket {bucket}); check AWS_ENDPOINT_URL, the network and that the \
                 server runs"
            ),
            S3Fault::Tls => write!(
                out,
                "the certificate of {endpoint} is not trusted (bucket {bucket}); install its authority on this \
                 machine, or name the file in SSL_CERT_FILE"
            ),
            S3Fault::NoTls => write!(
                out,
                "{endpoint} does not speak TLS (bucket {bucket}); write AWS_ENDPOINT_URL with http:// if the server is \
                 meant to be open"
            ),
            S3Fault::Damaged => write!(
                out,
                "{endpoint} says that the bytes were damaged on their way (bucket {bucket}); check the network and \
                 any proxy in between"
            ),
            S3Fault::NoChecksums => write!(
                out,
                "{endpoint} does not take SHA-256 checksums (bucket {bucket}); set AWS_CHECKSUM_ALGORITHM=none"
            ),
            S3Fault::TimedOut => write!(
                out,
                "{endpoint} did not answer in time (bucket {bucket}); check that the server is well and the network \
                 carries, then try again"
            ),
            S3Fault::ServerError => write!(
                out,
                "{endpoint} answers that it failed or has too much to do (bucket {bucket}); look at the server's log, \
                 or try again later"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, inner: impl Error + Send + Sync + 'static, expected: Option<S3Fault>) {
        let error = object_store::Error::NotFound {
            path: path.to_owned(),
            source: Box::new(inner),
        };
        assert_eq!(fault(&error), expected, "{error}");
        let is_lasting = expected.is_some_and(|fault| !fault.is_passing());
        assert_eq!(is_explained(&error), is_lasting, "{error}");
    }

    fn answer(text: &str) -> std::io::Error {
        std::io::Error::other(text.to_owned())
    }

    #[test]
    fn names_of_folders_say_nothing_of_what_went_wrong() {
        let path = "certificates/dns error/403 Forbidden/<Code>AccessDenied</Code>/a.jpg";
        for (text, expected) in [
            ("500 Internal Server Error: ", Some(S3Fault::ServerError)),
            (
                "503 Service Unavailable: <Code>SlowDown</Code>",
                Some(S3Fault::ServerError),
            ),
            (
                "500 Internal Server Error: <Code>InternalError</Code><Resource>/fish/x-amz-checksum</Resource>",
                Some(S3Fault::ServerError),
            ),
            (
                "501 Not Implemented: <Code>NotImplemented</Code><Header>x-amz-checksum-sha256</Header>",
                Some(S3Fault::NoChecksums),
            ),
            (
                "404 Not Found: <Code>NoSuchKey</Code><Key>certificates/403</Key>",
                None,
            ),
            (
                "404 Not Found: <Code>NoSuchBucket</Code>",
                Some(S3Fault::NoBucket),
            ),
            ("403 Forbidden: ", Some(S3Fault::Denied)),
        ] {
            check(path, answer(&format!("{STATUS}{text}")), expected);
        }
        check(path, answer("anything"), None);
        let connection = |kind, text| HttpError::new(kind, answer(text));
        check(
            path,
            connection(HttpErrorKind::Connect, "tcp connect error"),
            Some(S3Fault::Unreachable),
        );
        check(
            path,
            connection(HttpErrorKind::Timeout, "operation timed out"),
            Some(S3Fault::TimedOut),
        );
        check(
            path,
            connection(HttpErrorKind::Interrupted, "connection reset"),
            None,
        );
        check(
            path,
            connection(HttpErrorKind::Connect, "invalid peer certificate"),
            Some(S3Fault::Tls),
        );
    }
}
