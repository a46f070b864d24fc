//! The most requests with photographs that are under way at one time, being received or being answered.
//!
//! One connection has one of them: HTTP/1.1 answers in order, and hyper reads the next request of a
//! connection only when the one before is answered, however many a client has sent ahead.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use fishid_serving::metrics::Rejection;

use crate::app::App;
use crate::problem::Problem;
use crate::upload::Upload;

/// Nobody is told in what order they end; the shortest pause that `Retry-After` can say.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Lets a request pass, or reads and drops it and says 503: a client that writes still would never see that.
pub(crate) async fn limit(State(app): State<App>, request: Request, next: Next) -> Response {
    // Held until the answer is made; a client that leaves gives it back with the request.
    let Ok(_place) = app.in_flight.try_acquire() else {
        app.service.metrics().count_rejection(Rejection::InFlight);
        Upload::new(&app, request).discard().await;
        let wait = app.service.retry_after().max(RETRY_AFTER);
        return Problem::overloaded(wait).into_response();
    };
    next.run(request).await
}
