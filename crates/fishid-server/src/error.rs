//! Why the server could not start.

use std::io;

/// Every message names the address or setting and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// Not a `host:port`, or the host has no address.
    #[error("{listen} is no address to listen on: use host:port, such as 127.0.0.1:8080")]
    Address {
        /// What was given.
        listen: String,
        /// What the system said.
        source: io::Error,
    },
    /// Another program listens there.
    #[error(
        "{listen} is already in use by another program: stop it, or choose another port with --listen"
    )]
    InUse {
        /// The address.
        listen: String,
    },
    /// The system does not let us listen there.
    #[error("cannot listen on {listen}: {source}")]
    Bind {
        /// The address.
        listen: String,
        /// What the system said.
        source: io::Error,
    },
}
