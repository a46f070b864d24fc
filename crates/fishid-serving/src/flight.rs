//! Single flight: callers that ask the same photograph of the same model at the same time share one job.
//!
//! A flight lives as long as one of its callers waits. When the last one leaves, the future is dropped,
//! the job's reply channel closes, and a worker that comes to the job skips it.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};

use crate::cache::Key;

/// A job under way, shared by its callers.
pub(crate) type Flight<T> = Shared<BoxFuture<'static, T>>;

struct Entry<T: Clone> {
    number: u64,
    flight: WeakShared<BoxFuture<'static, T>>,
}

struct Board<T: Clone> {
    next_number: u64,
    flights: HashMap<Key, Entry<T>>,
}

/// The flights under way.
pub(crate) struct Flights<T: Clone>(Arc<Mutex<Board<T>>>);

impl<T: Clone> Clone for Flights<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Board {
            next_number: 0,
            flights: HashMap::new(),
        })))
    }

    /// Joins the flight of this key, or starts one. `start` runs under the lock and must not wait.
    pub(crate) fn join_or_start<F, E>(
        &self,
        key: Key,
        start: impl FnOnce() -> Result<F, E>,
    ) -> Result<Flight<T>, E>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = board
            .flights
            .get(&key)
            .and_then(|entry| entry.flight.upgrade())
        {
            return Ok(flight);
        }
        let work = start()?;
        let number = board.next_number;
        board.next_number += 1;
        let landing = Landing {
            flights: self.clone(),
            key: key.clone(),
            number,
        };
        let flight = async move {
            let _landing = landing;
            work.await
        }
        .boxed()
        .shared();
        if let Some(weak) = flight.downgrade() {
            board.flights.insert(
                key,
                Entry {
                    number,
                    flight: weak,
                },
            );
        }
        Ok(flight)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .flights
            .len()
    }
}

/// Takes a flight off the board when it ends or is given up, unless a newer one has its place.
struct Landing<T: Clone> {
    flights: Flights<T>,
    key: Key,
    number: u64,
}

impl<T: Clone> Drop for Landing<T> {
    fn drop(&mut self) {
        let mut board = self
            .flights
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if board
            .flights
            .get(&self.key)
            .is_some_and(|entry| entry.number == self.number)
        {
            board.flights.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::convert::Infallible;
    use tokio::sync::oneshot;

    fn key(first: u8) -> Key {
        let mut photo = [0; 32];
        photo[0] = first;
        Key::new(photo, &"model".into())
    }

    #[tokio::test]
    async fn one_key_flies_once_and_leaves_the_board() {
        let flights = Flights::<u32>::new();
        let (reply, answer) = oneshot::channel::<u32>();
        let first = flights
            .join_or_start(key(1), || {
                Ok::<_, Infallible>(async { answer.await.unwrap() })
            })
            .unwrap();
        let second = flights
            .join_or_start(key(1), || -> Result<std::future::Ready<u32>, Infallible> {
                panic!("the same key must not start twice")
            })
            .unwrap();
        let other = flights
            .join_or_start(key(2), || Ok::<_, Infallible>(std::future::ready(9)))
            .unwrap();
        assert_eq!(flights.len(), 2);
        reply.send(5).unwrap();
        assert_eq!((first.await, second.await, other.await), (5, 5, 9));
        assert_eq!(flights.len(), 0);
    }

    #[tokio::test]
    async fn a_flight_ends_when_its_last_caller_leaves() {
        let flights = Flights::<u32>::new();
        let (reply, answer) = oneshot::channel::<u32>();
        let first = flights
            .join_or_start(key(1), || {
                Ok::<_, Infallible>(async { answer.await.unwrap() })
            })
            .unwrap();
        let second = first.clone();
        drop(first);
        assert!(!reply.is_closed());
        drop(second);
        assert!(reply.is_closed());
        assert_eq!(flights.len(), 0);
    }

    #[tokio::test]
    async fn a_refused_start_leaves_nothing_behind() {
        let flights = Flights::<u32>::new();
        let refused = flights
            .join_or_start(key(1), || Err::<std::future::Ready<u32>, _>("full"))
            .map(|_| ());
        assert_eq!(refused, Err("full"));
        assert_eq!(flights.len(), 0);
    }
}
