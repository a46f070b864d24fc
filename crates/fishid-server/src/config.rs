//! Settings of the front.

use std::time::Duration;

use crate::cors::Origin;
use crate::secret::Secret;

/// Limits of connections and uploads, and how the server ends.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// `host:port`; port 0 takes a free one.
    pub listen: String,
    /// The largest photograph, bytes.
    pub max_photo_bytes: usize,
    /// Memory that all photographs being received and answered may take together, bytes.
    pub upload_memory_bytes: usize,
    /// A request's head must be whole in this time; also how long an idle connection is kept.
    pub head_timeout: Duration,
    /// A photograph must be whole in this time.
    pub body_timeout: Duration,
    /// The longest pause within a photograph.
    pub body_idle_timeout: Duration,
    /// From a request's head to its reply's; what is not answered then is given up.
    pub request_timeout: Duration,
    /// A client that takes nothing of its reply for this long is hung up on.
    pub write_timeout: Duration,
    /// Connections open at the same time; one more waits to be accepted.
    pub max_connections: usize,
    /// Requests with photographs under way at the same time, being received or being answered; one more is
    /// refused with 503.
    pub max_in_flight: usize,
    /// After the stop signal `/ready` says 503 for this long while everything is still answered, so that
    /// load balancers notice before the door closes.
    pub ready_grace: Duration,
    /// After that, accepted requests may take this long.
    pub drain_timeout: Duration,
    /// Origins whose pages may read answers; none by default.
    pub allowed_origins: Vec<Origin>,
    /// Who may ask for a look at the registry.
    pub admin: AdminConfig,
}

/// What opens the routes under `/admin/`. Without its secret each of them refuses everybody.
#[derive(Debug, Clone, Default)]
pub struct AdminConfig {
    /// The bearer token of `/admin/reload`.
    pub token: Option<Secret>,
    /// What `MLflow` signs its webhooks with.
    pub webhook_secret: Option<Secret>,
}

impl ServerConfig {
    /// The defaults, at this address.
    pub fn listening_on(listen: impl Into<String>) -> Self {
        Self {
            listen: listen.into(),
            ..Self::default()
        }
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            max_photo_bytes: 10 << 20,
            upload_memory_bytes: 256 << 20,
            head_timeout: Duration::from_secs(15),
            body_timeout: Duration::from_mins(1),
            body_idle_timeout: Duration::from_secs(10),
            // Above the time for a body and any sane deadline: a net below both, not a limit of its own.
            request_timeout: Duration::from_mins(2),
            write_timeout: Duration::from_secs(30),
            max_connections: 1024,
            max_in_flight: 512,
            ready_grace: Duration::from_millis(500),
            drain_timeout: Duration::from_secs(30),
            allowed_origins: Vec::new(),
            admin: AdminConfig::default(),
        }
    }
}
