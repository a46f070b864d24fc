//! The life of a server: bind, answer, drain.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use fishid_serving::Service;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::connections::{Connections, Ending};
use crate::{FishModel, ServerConfig, ServerError, page};

/// How the server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections cut because they were not done in time; 0 for a clean end.
    pub n_cut: usize,
}

/// A server that answers.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    task: JoinHandle<Drained>,
}

impl Running {
    /// Where it listens, with the port it was given for port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the end.
    pub async fn finished(self) -> Drained {
        match self.task.await {
            Ok(drained) => drained,
            Err(error) => {
                tracing::error!(%error, "the server's own task ended");
                Drained { n_cut: 0 }
            }
        }
    }
}

/// Binds, and answers until `shutdown` comes; then says 503 on `/ready`, closes the door, finishes what it
/// has accepted, and ends. The service may be without a model still: `/ready` says so. Metrics of HTTP are
/// added to `registry`, where the service's own should be already.
pub async fn serve(
    config: ServerConfig,
    service: Service<FishModel>,
    registry: Registry,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<Running, ServerError> {
    let listener = bind(&config.listen).await?;
    let address = listener.local_addr().map_err(|source| {
        let listen = config.listen.clone();
        ServerError::Bind { listen, source }
    })?;
    page::warn_if_incomplete();
    tracing::info!(%address, "listening");
    let task = tokio::spawn(live(listener, config, service, registry, shutdown));
    Ok(Running { address, task })
}

async fn bind(listen: &str) -> Result<TcpListener, ServerError> {
    let listen_owned = || listen.to_owned();
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host(listen)
        .await
        .map_err(|source| ServerError::Address {
            listen: listen_owned(),
            source,
        })?
        .collect();
    TcpListener::bind(addresses.as_slice())
        .await
        .map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => ServerError::InUse {
                listen: listen_owned(),
            },
            _ => ServerError::Bind {
                listen: listen_owned(),
                source,
            },
        })
}

async fn live(
    listener: TcpListener,
    config: ServerConfig,
    service: Service<FishModel>,
    registry: Registry,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Drained {
    let (ready_grace, drain_timeout) = (config.ready_grace, config.drain_timeout);
    let ending = Ending::default();
    let open = TaskTracker::new();
    let connections = Connections {
        head_timeout: config.head_timeout,
        write_timeout: config.write_timeout,
        most_at_once: config.max_connections,
        ending: ending.clone(),
        open: open.clone(),
        router: App::new(config, service.clone(), registry).router(),
    };
    let accepting = tokio::spawn(connections.accept(listener));

    shutdown.await;
    service.begin_drain();
    tracing::info!(open_connections = open.len(), "draining");
    tokio::time::sleep(ready_grace).await;

    ending.gently.cancel();
    // Ends at the token; a panic in it would have closed the door as well.
    let _ = accepting.await;
    open.close();
    let n_cut = match tokio::time::timeout(drain_timeout, open.wait()).await {
        Ok(()) => 0,
        Err(_) => open.len(),
    };
    service.close();
    ending.at_once.cancel();
    open.wait().await;
    if n_cut == 0 {
        tracing::info!("drained");
    } else {
        tracing::warn!(
            n_cut,
            drain_timeout_s = drain_timeout.as_secs(),
            "cut off what took too long"
        );
    }
    Drained { n_cut }
}
