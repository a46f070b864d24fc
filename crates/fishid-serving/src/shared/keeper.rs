//! The task that connects to the shared tier, looks now and then whether it still answers, and connects again when
//! the circuit has opened.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::circuit::Circuit;
use super::{SharedError, SharedLink, SharedStore, envelope};

/// The first pause after a failure; then twice as long, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// A store that is back is used again within this time and half of it.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A link that held so long was a good one: the pauses begin short again.
const STEADY: Duration = Duration::from_secs(10);
/// Name look-up, connection, TLS and password; no request waits for it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A store that is lost while no photograph comes is noticed within this time and half of it; one that only hangs takes
/// as many looks as the circuit forgives failures.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Runs until it is dropped.
pub(super) async fn keep(store: impl SharedStore, circuit: Arc<Circuit>, budget: Duration) {
    let mut pause = FIRST_PAUSE;
    let mut was_reported = false;
    loop {
        match connect(&store, budget).await {
            Ok(link) => {
                circuit.close(Arc::clone(&link));
                let since = Instant::now();
                tokio::select! {
                    () = circuit.opened() => {}
                    () = watch(&circuit, &link, budget) => {}
                }
                // The circuit itself has said why.
                was_reported = true;
                if since.elapsed() >= STEADY {
                    pause = FIRST_PAUSE;
                }
            }
            // Once per outage: a store that is away for a night must not fill the log.
            Err(error) => {
                if !std::mem::replace(&mut was_reported, true) {
                    circuit.report(&error);
                }
            }
        }
        sleep(jittered(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// A link over which a look-up was answered, within the time that requests give it: a store that is only reachable
/// would open the circuit again at once.
async fn connect(
    store: &impl SharedStore,
    budget: Duration,
) -> Result<Arc<dyn SharedLink>, SharedError> {
    let link = timeout(CONNECT_TIMEOUT, store.connect())
        .await
        .unwrap_or(Err(SharedError::TooSlow(CONNECT_TIMEOUT)))?;
    probe(&*link, budget).await?;
    Ok(link)
}

/// Asks over a link that is in use, as a request would, until it is of no use: without it the circuit, and the metric
/// that operators watch, would learn of an outage from the next photograph.
async fn watch(circuit: &Circuit, link: &Arc<dyn SharedLink>, budget: Duration) {
    loop {
        sleep(jittered(LOOK_EVERY)).await;
        match probe(&**link, budget).await {
            Ok(()) => circuit.answered(),
            Err(error) => circuit.failed(link, &error),
        }
    }
}

async fn probe(link: &dyn SharedLink, budget: Duration) -> Result<(), SharedError> {
    timeout(budget, link.get(&envelope::probe_name()))
        .await
        .unwrap_or(Err(SharedError::TooSlow(budget)))
        .map(drop)
}

/// Half to one and a half of it, so that servers which lost their store together do not come back together.
fn jittered(pause: Duration) -> Duration {
    // The hasher's keys are random; nothing here needs a better generator.
    let random = RandomState::new().hash_one(0) >> 32;
    pause.mul_f64(0.5 + random as f64 / f64::from(u32::MAX))
}
