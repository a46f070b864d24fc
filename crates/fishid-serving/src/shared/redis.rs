//! A Redis, or anything that speaks as one, as the store of the shared tier.
//!
//! One connection carries the commands of all requests, pipelined as they come. It never reconnects by itself:
//! the keeper replaces it. The password is in no error and no log.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, IntoConnectionInfo as _, RedisError};

use super::{SharedError, SharedLink, SharedStore};

/// No answer is that long. Asking for a part of the value bounds what a foreign one can cost.
const LONGEST_VALUE_BYTES: usize = 64 << 10;
/// Commands that may wait for the connection's task; the circuit opens long before so many are stuck.
const N_QUEUED: usize = 1_024;

/// An address that is none of a Redis. Says nothing of the address, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not the address of a Redis: write redis://[user:password@]host[:port][/database], or rediss://… for TLS"
)]
pub struct BadRedisAddress;

/// Where a Redis is and how to log in.
pub struct RedisStore {
    client: Client,
    /// Removed from whatever the server says.
    password: Option<String>,
}

impl RedisStore {
    /// Reads `redis://[user:password@]host[:port][/database]`, or `rediss://…` for TLS with the roots that the
    /// system trusts. Connects to nothing.
    pub fn new(url: &str) -> Result<Self, BadRedisAddress> {
        if !(url.starts_with("redis://") || url.starts_with("rediss://")) {
            return Err(BadRedisAddress);
        }
        let info = url.into_connection_info().map_err(|_| BadRedisAddress)?;
        let password = info.redis_settings().password().map(str::to_owned);
        let client = Client::open(info).map_err(|_| BadRedisAddress)?;
        Ok(Self { client, password })
    }

    fn broken(&self, error: &RedisError) -> SharedError {
        let said = error.to_string();
        // A server that does not know AUTH quotes what came after it.
        let said = match self.password.as_deref() {
            Some(password) if !password.is_empty() => said.replace(password, "…"),
            _ => said,
        };
        SharedError::Broken(said)
    }

    async fn open(&self) -> Result<Arc<dyn SharedLink>, SharedError> {
        // Every caller has a time-out of its own.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(N_QUEUED);
        let connection = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(|error| self.broken(&error))?;
        Ok(Arc::new(RedisLink(connection)))
    }
}

impl SharedStore for RedisStore {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn address(&self) -> String {
        let info = self.client.get_connection_info();
        format!("{}/{}", info.addr(), info.redis_settings().db())
    }

    fn connect(&self) -> BoxFuture<'_, Result<Arc<dyn SharedLink>, SharedError>> {
        self.open().boxed()
    }
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("RedisStore").field(&self.address()).finish()
    }
}

struct RedisLink(MultiplexedConnection);

impl SharedLink for RedisLink {
    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, SharedError>> {
        async move {
            let mut command = redis::cmd("GETRANGE");
            command.arg(name).arg(0).arg(LONGEST_VALUE_BYTES - 1);
            let value: Vec<u8> = command
                .query_async(&mut self.0.clone())
                .await
                .map_err(|error| failure(&error))?;
            // GETRANGE of nothing is the empty string, which is no answer either.
            Ok((!value.is_empty()).then(|| value.into()))
        }
        .boxed()
    }

    fn put<'a>(
        &'a self,
        name: &'a str,
        value: Bytes,
        time_to_live: Duration,
    ) -> BoxFuture<'a, Result<(), SharedError>> {
        async move {
            let milliseconds = u64::try_from(time_to_live.as_millis()).unwrap_or(u64::MAX);
            let mut command = redis::cmd("SET");
            command
                .arg(name)
                .arg(&value[..])
                .arg("PX")
                .arg(milliseconds.max(1));
            command
                .query_async::<()>(&mut self.0.clone())
                .await
                .map_err(|error| failure(&error))
        }
        .boxed()
    }
}

/// The commands of a link hold no secret, so neither do its errors.
fn failure(error: &RedisError) -> SharedError {
    let said = error.to_string();
    if error.is_unrecoverable_error() || error.is_io_error() || error.is_connection_dropped() {
        SharedError::Broken(said)
    } else {
        SharedError::Refused(said)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password_and_a_wrong_one_not_at_all() {
        let store = RedisStore::new("rediss://user:hush%21@cache.example:6380/3").unwrap();
        assert_eq!(store.address(), "cache.example:6380/3");
        assert!(!format!("{store:?}").contains("hush"));
        assert_eq!(
            RedisStore::new("redis://host").unwrap().address(),
            "host:6379/0"
        );
        for bad in [
            "",
            "localhost:6379",
            "http://:hush@localhost",
            "redis://:hush@localhost:port",
            "redis://:hush@localhost/first",
        ] {
            let error = RedisStore::new(bad).unwrap_err();
            assert!(!error.to_string().contains("hush"), "{bad}: {error}");
        }
    }

    #[test]
    fn a_password_that_the_server_quotes_is_left_out() {
        let store = RedisStore::new("redis://:hush@localhost").unwrap();
        let quoting = RedisError::from((
            redis::ErrorKind::AuthenticationFailed,
            "refused",
            "unknown command 'AUTH', with args beginning with: 'hush'".to_owned(),
        ));
        let said = store.broken(&quoting).to_string();
        assert!(said.contains("'…'") && !said.contains("hush"), "{said}");
    }
}
