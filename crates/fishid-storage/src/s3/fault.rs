//! What a refusal of S3 means, and what a person does about it. Decided by the error's code, since servers
//! answer the same code with different statuses.

use std::fmt;

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

/// Marks of what happened, in the text of an error with its causes; the first that is found counts.
const MARKS: &[(&str, S3Fault)] = &[
    (super::token::FAILED, S3Fault::NoToken),
    ("<Code>InvalidAccessKeyId<", S3Fault::UnknownKey),
    ("<Code>SignatureDoesNotMatch<", S3Fault::WrongSecret),
    ("<Code>ExpiredToken<", S3Fault::Expired),
    ("<Code>TokenRefreshRequired<", S3Fault::Expired),
    ("<Code>InvalidToken<", S3Fault::Expired),
    ("<Code>RequestTimeTooSkewed<", S3Fault::ClockSkew),
    ("<Code>NoSuchBucket<", S3Fault::NoBucket),
    ("<Code>PermanentRedirect<", S3Fault::WrongRegion),
    ("<Code>AuthorizationHeaderMalformed<", S3Fault::WrongRegion),
    (
        "<Code>IllegalLocationConstraintException<",
        S3Fault::WrongRegion,
    ),
    ("redirect without LOCATION", S3Fault::WrongRegion),
    ("<Code>AccessDenied<", S3Fault::Denied),
    ("<Code>AllAccessDisabled<", S3Fault::Denied),
    ("<Code>BadDigest<", S3Fault::Damaged),
    ("<Code>XAmzContentSHA256Mismatch<", S3Fault::Damaged),
    ("<Code>InvalidDigest<", S3Fault::Damaged),
    ("<Code>XAmzContentChecksumMismatch<", S3Fault::Damaged),
    ("x-amz-checksum", S3Fault::NoChecksums),
    ("403 Forbidden", S3Fault::Denied),
    ("401 Unauthorized", S3Fault::Denied),
    ("certificate", S3Fault::Tls),
    ("corrupt message", S3Fault::NoTls),
    ("dns error", S3Fault::Unreachable),
    ("tcp connect error", S3Fault::Unreachable),
    ("Connection refused", S3Fault::Unreachable),
    ("client error (Connect)", S3Fault::Unreachable),
];

fn fault(text: &str) -> Option<S3Fault> {
    MARKS
        .iter()
        .find(|(mark, _)| text.contains(mark))
        .map(|(_, fault)| *fault)
}

/// Whether trying again at once cannot help.
pub(crate) fn is_explained(text: &str) -> bool {
    fault(text).is_some()
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

    /// What the text of an error says, when it is something a person can act on.
    pub(crate) fn problem(&self, text: &str) -> Option<S3Problem> {
        fault(text).map(|fault| self.of(fault))
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
        }
    }
}
