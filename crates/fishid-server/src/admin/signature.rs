//! The signature of `MLflow`'s webhooks, in the manner of standardwebhooks.com: HMAC-SHA256 over
//! `delivery id . timestamp . body`, in base64 after `v1,`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::secret::Secret;

const SIGNATURE: &str = "x-mlflow-signature";
const DELIVERY_ID: &str = "x-mlflow-delivery-id";
const TIMESTAMP: &str = "x-mlflow-timestamp";

/// How far the clocks of both sides and a delivery's tries may be apart. Within it an event may be played again,
/// which is one more look at the registry.
const TOLERANCE: Duration = Duration::from_mins(5);

/// Why an event is not believed; for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotSigned {
    #[error("a header of the signature is absent or not readable")]
    NoHeader,
    #[error("the timestamp is more than {TOLERANCE:?} off this machine's clock")]
    Old,
    #[error("the signature does not fit the body and this server's secret")]
    Wrong,
}

/// Whether the event was signed with the secret not long before `now`.
pub(super) fn verify(
    secret: &Secret,
    headers: &HeaderMap,
    body: &[u8],
    now: SystemTime,
) -> Result<(), NotSigned> {
    let header = |name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .ok_or(NotSigned::NoHeader)
    };
    let (signatures, id, timestamp) =
        (header(SIGNATURE)?, header(DELIVERY_ID)?, header(TIMESTAMP)?);
    let at: u64 = timestamp.parse().map_err(|_| NotSigned::NoHeader)?;
    let now = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    if now.abs_diff(at) > TOLERANCE.as_secs() {
        return Err(NotSigned::Old);
    }
    // An HMAC takes a key of any length.
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(|_| NotSigned::Wrong)?;
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    // While a secret is changed the sender may sign with both.
    let is_right = signatures.split(' ').any(|signature| {
        let Some(encoded) = signature.strip_prefix("v1,") else {
            return false;
        };
        BASE64_STANDARD
            .decode(encoded)
            .is_ok_and(|given| mac.clone().verify_slice(&given).is_ok())
    });
    if is_right {
        Ok(())
    } else {
        Err(NotSigned::Wrong)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    // Made by MLflow 3.17's own mlflow.webhooks.delivery._generate_hmac_signature.
    const ID: &str = "8a4f5a5e-7a3b-4f0e-9d53-0d6f3d1c9b11";
    const AT: u64 = 1_764_000_000;
    const BODY: &str = r#"{"entity": "model_version_alias", "action": "created"}"#;
    const SIGNED: &str = "v1,WioUb7cLXYgEE5IjsAkA18mZUm2u/49jldMlxqTG1mE=";

    fn check(change: impl FnOnce(&mut HeaderMap), body: &str, expected: Result<(), NotSigned>) {
        let secret = Secret::new("a secret of both sides").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(SIGNATURE, SIGNED.parse().unwrap());
        headers.insert(DELIVERY_ID, ID.parse().unwrap());
        headers.insert(TIMESTAMP, AT.to_string().parse().unwrap());
        change(&mut headers);
        let now = UNIX_EPOCH + Duration::from_secs(AT + 60);
        assert_eq!(verify(&secret, &headers, body.as_bytes(), now), expected);
    }

    #[test]
    fn what_mlflow_signs_is_believed_and_nothing_else() {
        check(|_| {}, BODY, Ok(()));
        let twice = format!("v1,AAAA {SIGNED}");
        check(
            |headers| drop(headers.insert(SIGNATURE, twice.parse().unwrap())),
            BODY,
            Ok(()),
        );
        check(|_| {}, "{}", Err(NotSigned::Wrong));
        for (name, value) in [
            (DELIVERY_ID, "another".to_owned()),
            (SIGNATURE, SIGNED.replace("v1,", "v2,")),
            (SIGNATURE, "v1,".to_owned()),
            (SIGNATURE, SIGNED[..20].to_owned()),
            (TIMESTAMP, (AT + 1).to_string()),
        ] {
            check(
                |headers| drop(headers.insert(name, value.parse().unwrap())),
                BODY,
                Err(NotSigned::Wrong),
            );
        }
    }

    #[test]
    fn an_old_event_one_of_the_future_and_one_without_its_headers_are_refused() {
        for at in [AT - 241, AT + 361] {
            check(
                |headers| drop(headers.insert(TIMESTAMP, at.to_string().parse().unwrap())),
                BODY,
                Err(NotSigned::Old),
            );
        }
        for name in [SIGNATURE, DELIVERY_ID, TIMESTAMP] {
            check(
                |headers| drop(headers.remove(name)),
                BODY,
                Err(NotSigned::NoHeader),
            );
        }
        check(
            |headers| drop(headers.insert(TIMESTAMP, "yesterday".parse().unwrap())),
            BODY,
            Err(NotSigned::NoHeader),
        );
    }
}
