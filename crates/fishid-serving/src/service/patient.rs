//! Asking on behalf of somebody who would rather wait than be refused: one photograph of many.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{Served, Service, Waiting};
use crate::error::ServeError;
use crate::model::Model;
use crate::photo::Photo;

/// The first pause; about what a small model takes.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest one: an empty place is not left empty for longer.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

impl<M: Model> Service<M> {
    /// [`Service::ask`], which asks again until `until` while the answer is that there is no place now.
    ///
    /// Whoever asks impatiently goes first: this one holds no place while it waits. Once accepted, a photograph
    /// has the service's own deadline, or until the caller leaves. The metrics count the last answer only.
    pub async fn ask_patiently(
        &self,
        photo: Photo,
        until: Instant,
        leaves_at: Option<Instant>,
    ) -> Result<Served<M::Answer>, ServeError<M::Error>> {
        let waiting = Waiting(Some(&self.0.metrics));
        let mut pause = FIRST_PAUSE;
        loop {
            let deadline = self.0.config.deadline;
            let allowed =
                leaves_at.map_or(deadline, |at| at.saturating_duration_since(Instant::now()));
            let result = self.answer(allowed, photo.clone()).await;
            let is_refused = matches!(
                result,
                Err(ServeError::QueueFull { .. } | ServeError::OutOfReach { .. })
            );
            let next = Instant::now() + pause;
            if !is_refused || next > until {
                waiting.ends();
                self.note(&result);
                return result;
            }
            sleep_until(next).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
