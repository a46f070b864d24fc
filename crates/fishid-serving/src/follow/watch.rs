//! The follower on its thread: a look at each interval, and one at each hint.

use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, select};

use super::{Follower, Polled};
use crate::model::ModelSource;

/// So much of the interval is left to chance. Servers that were started together, or lost their registry
/// together, would otherwise ask it in step for ever. It shortens the wait only: the interval is a promise.
const JITTER: f64 = 0.25;

/// The least time between two looks, whatever hints come: a registry is not to be flooded through this server.
const LEAST_BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// Keeps a follower going until it is dropped.
#[derive(Debug)]
pub struct Following {
    _stop: Sender<()>,
}

impl<S: ModelSource> Follower<S> {
    /// Goes on looking, on a thread of its own, at the interval of the service's settings or a little before it,
    /// and at each hint; beginning at once. Ends when the returned handle is dropped.
    pub fn start(mut self) -> std::io::Result<Following> {
        let interval = self.service.config().poll_interval;
        let hints = self.service.reload_hint().listen(self.source.place());
        let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
        thread::Builder::new()
            .name("fishid-follow".to_owned())
            .spawn(move || {
                loop {
                    let looked_at = Instant::now();
                    if let Polled::Superseded(_) = self.poll(looked_at) {
                        continue;
                    }
                    // From one look to the next: what a look takes is part of the interval.
                    let wait = shortened(interval, fastrand::f64());
                    let until = looked_at + wait;
                    let earliest = looked_at + LEAST_BETWEEN_LOOKS.min(wait);
                    select! {
                        recv(stopped) -> _ => return,
                        recv(hints) -> _ => {
                            let pause = earliest.saturating_duration_since(Instant::now());
                            if stopped.recv_timeout(pause).is_err_and(|error| error.is_disconnected()) {
                                return;
                            }
                        }
                        default(until.saturating_duration_since(Instant::now())) => {}
                    }
                }
            })?;
        Ok(Following { _stop: stop })
    }
}

/// `chance` lies in [0, 1).
fn shortened(interval: Duration, chance: f64) -> Duration {
    interval.mul_f64(1.0 - JITTER * chance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MAX_POLL_INTERVAL;

    #[test]
    fn the_wait_differs_and_never_exceeds_the_interval() {
        let waits: Vec<_> = (0..1000)
            .map(|_| shortened(MAX_POLL_INTERVAL, fastrand::f64()))
            .collect();
        assert!(waits.iter().all(|wait| *wait <= MAX_POLL_INTERVAL));
        assert!(waits.iter().all(|wait| *wait >= MAX_POLL_INTERVAL / 2));
        let (min, max) = (waits.iter().min(), waits.iter().max());
        assert!(
            max.zip(min)
                .is_some_and(|(max, min)| max.saturating_sub(*min) > Duration::from_secs(2))
        );
    }
}
