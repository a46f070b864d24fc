//! The routes, put together, and what they share.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use fishid_serving::Service;
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

use crate::metrics::HttpMetrics;
use crate::upload::{self, UPLOAD_BLOCK_BYTES};
use crate::{FishModel, ServerConfig, batch, in_flight, observe, openapi, page, routes, security};

/// The routes alone, for whoever brings connections of their own; [`crate::serve`] adds the ones of this crate with
/// their limits.
pub fn router(config: ServerConfig, service: Service<FishModel>, registry: Registry) -> Router {
    App::new(config, service, registry).router()
}

/// What the routes share.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) service: Service<FishModel>,
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) metrics: HttpMetrics,
    /// Memory for photographs, in blocks of [`UPLOAD_BLOCK_BYTES`].
    pub(crate) upload_memory: Arc<Semaphore>,
    /// Places for requests with photographs.
    pub(crate) in_flight: Arc<Semaphore>,
    /// The share of it that batches may take, in the same blocks.
    pub(crate) batch_memory: Arc<Semaphore>,
}

impl App {
    pub(crate) fn new(
        config: ServerConfig,
        service: Service<FishModel>,
        mut registry: Registry,
    ) -> Self {
        let metrics = HttpMetrics::register(&mut registry);
        let n_blocks = (config.upload_memory_bytes / UPLOAD_BLOCK_BYTES).max(1);
        let n_blocks = n_blocks.min(Semaphore::MAX_PERMITS);
        let max_in_flight = config.max_in_flight.clamp(1, Semaphore::MAX_PERMITS);
        // Half, so that batches leave room for single photographs, but enough for one.
        let n_batch_blocks = upload::blocks(config.max_photo_bytes).clamp(n_blocks / 2, n_blocks);
        Self {
            service,
            config: Arc::new(config),
            registry: Arc::new(registry),
            metrics,
            upload_memory: Arc::new(Semaphore::new(n_blocks)),
            in_flight: Arc::new(Semaphore::new(max_in_flight)),
            batch_memory: Arc::new(Semaphore::new(n_batch_blocks)),
        }
    }

    pub(crate) fn router(self) -> Router {
        let (docs_path, docs) = openapi::docs();
        let photographs = Router::new()
            .route("/predict", post(routes::predict))
            .route("/predict/batch", post(batch::predict_batch))
            .layer(from_fn_with_state(self.clone(), in_flight::limit));
        Router::new()
            .merge(photographs)
            .route("/health", get(routes::health))
            .route("/ready", get(routes::ready))
            .route("/model", get(routes::model))
            .route("/metrics", get(routes::metrics))
            .route(openapi::DOCUMENT_PATH, get(routes::openapi))
            .route("/", get(page::index))
            .merge(page::parts())
            .merge(docs)
            .fallback(routes::not_found)
            .method_not_allowed_fallback(routes::method_not_allowed)
            .layer(CatchPanicLayer::custom(routes::panicked))
            .layer(from_fn(move |request, next| {
                security::headers(docs_path, request, next)
            }))
            .layer(from_fn_with_state(self.clone(), observe::observe))
            .with_state(self)
    }
}
