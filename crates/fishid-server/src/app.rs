//! The routes, put together, and what they share.

use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use fishid_serving::Service;
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

use crate::metrics::HttpMetrics;
use crate::problem::{Kind, Problem};
use crate::upload::{self, UPLOAD_BLOCK_BYTES};
use crate::{
    FishModel, ServerConfig, admin, batch, cors, in_flight, observe, openapi, page, routes,
    security,
};

/// The routes alone, for whoever brings connections of their own; [`crate::serve`] adds the ones of this crate with
/// their limits.
pub fn router(config: ServerConfig, service: Service<FishModel>, registry: Registry) -> Router {
    App::new(config, service, registry).router()
}

/// What the routes share. Each request takes several clones, which cost one count each.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// One for all requests.
pub(crate) struct Shared {
    pub(crate) service: Service<FishModel>,
    pub(crate) config: ServerConfig,
    pub(crate) registry: Registry,
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
        Self(Arc::new(Shared {
            service,
            config,
            registry,
            metrics,
            upload_memory: Arc::new(Semaphore::new(n_blocks)),
            in_flight: Arc::new(Semaphore::new(max_in_flight)),
            batch_memory: Arc::new(Semaphore::new(n_batch_blocks)),
        }))
    }

    pub(crate) fn router(self) -> Router {
        let (docs_path, docs) = openapi::docs();
        let photographs = Router::new()
            .route("/predict", post(routes::predict))
            .route(batch::PATH, post(batch::predict_batch))
            .layer(from_fn_with_state(self.clone(), in_flight::limit));
        let mut public = Router::new()
            .merge(photographs)
            .route("/health", get(routes::health))
            .route("/ready", get(routes::ready))
            .route("/model", get(routes::model))
            .route("/metrics", get(routes::metrics))
            .route(openapi::DOCUMENT_PATH, get(routes::openapi))
            .route("/", get(page::index))
            .merge(page::parts())
            .merge(docs)
            .method_not_allowed_fallback(routes::method_not_allowed);
        if let Some(cors) = cors::layer(&self.config.allowed_origins) {
            // Not over the operators' routes: no page of another origin has business there.
            public = public.layer(cors);
        }
        let operators = Router::new()
            .route("/admin/reload", post(admin::reload))
            .route("/admin/mlflow-webhook", post(admin::mlflow_webhook))
            .method_not_allowed_fallback(routes::method_not_allowed);
        let routes = public.merge(operators).fallback(routes::not_found);
        self.layered(routes, docs_path)
    }

    /// What holds for every reply, from the inside out: in time, no panic in it, headers, id and log.
    fn layered(self, routes: Router<Self>, docs_path: &'static str) -> Router {
        routes
            .layer(from_fn_with_state(self.clone(), in_time))
            .layer(CatchPanicLayer::custom(routes::panicked))
            .layer(from_fn(move |request, next| {
                security::headers(docs_path, request, next)
            }))
            .layer(from_fn_with_state(self.clone(), observe::observe))
            .with_state(self)
    }
}

/// The body and the answer have limits of their own; this is for whatever neither of them thought of.
async fn in_time(State(app): State<App>, request: Request, next: Next) -> Response {
    let ServerConfig {
        request_timeout,
        batch_body_timeout,
        batch_patience,
        ..
    } = app.config;
    let limit = match request.uri().path() {
        // Many photographs take longer to arrive, and wait for their places.
        batch::PATH => request_timeout + batch_body_timeout + batch_patience,
        _ => request_timeout,
    };
    let answer = tokio::time::timeout(limit, next.run(request));
    answer.await.unwrap_or_else(|_| {
        let detail = "The request took too long and was given up; send it again.";
        Problem::new(Kind::DeadlineExceeded, detail).into_response()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use axum::body::{Body, to_bytes};
    use fishid_serving::ServingConfig;
    use fishid_serving::metrics::Metrics;
    use tower::ServiceExt as _;

    /// The reply to a route of no server, behind the layers of every server.
    async fn ask(path: &str) -> (u16, String) {
        let mut registry = Registry::default();
        let metrics = Arc::new(Metrics::register(&mut registry));
        let service = Service::start(ServingConfig::default(), metrics).unwrap();
        let app = App::new(ServerConfig::default(), service, registry);
        let routes = Router::new()
            .route("/panic", get(async || -> () { panic!("of the inside") }))
            .route("/forever", get(std::future::pending::<()>));
        let router = app.layered(routes, "/docs");
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert!(response.headers().contains_key("x-request-id"));
        assert!(response.headers().contains_key("content-security-policy"));
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 1 << 16).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_panic_of_a_handler_is_a_problem_that_tells_nothing_of_it() {
        let (status, body) = ask("/panic").await;
        assert_eq!(status, 500);
        assert!(body.contains("urn:fishid:problem:internal"), "{body}");
        assert!(!body.contains("of the inside"), "{body}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_would_take_for_ever_is_given_up() {
        let started = tokio::time::Instant::now();
        let (status, body) = ask("/forever").await;
        assert_eq!(status, 504);
        assert!(body.contains("deadline-exceeded"), "{body}");
        assert_eq!(started.elapsed(), ServerConfig::default().request_timeout);
    }
}
