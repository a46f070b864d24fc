//! Named threads that take jobs in order. Not tokio's blocking pool: its hundreds of threads would run
//! hundreds of models at once, and its queue has no end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use crossbeam_channel::Sender;

/// A fixed number of threads working on one queue. The threads end once the pool is dropped and the
/// queue is empty. The queue itself has no bound: who puts a job in must hold an admission permit.
#[derive(Debug)]
pub(crate) struct Pool<J> {
    jobs: Sender<J>,
}

impl<J: Send + 'static> Pool<J> {
    /// Starts `n_threads` threads named `name-0`, `name-1`, …
    pub(crate) fn start(
        name: &str,
        n_threads: usize,
        work: impl Fn(J) + Clone + Send + 'static,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = crossbeam_channel::unbounded::<J>();
        for index in 0..n_threads {
            let queue = queue.clone();
            let work = work.clone();
            thread::Builder::new()
                .name(format!("{name}-{index}"))
                .spawn(move || {
                    for job in &queue {
                        // The work contains the model's panics itself and answers them; this is the last
                        // net, so that a worker never dies and leaves the pool smaller.
                        if catch_unwind(AssertUnwindSafe(|| work(job))).is_err() {
                            tracing::error!(worker = index, "a worker panicked outside of a model");
                        }
                    }
                })?;
        }
        Ok(Self { jobs })
    }

    /// Puts a job at the end of the queue. Gives it back if no thread is left to take it.
    pub(crate) fn submit(&self, job: J) -> Result<(), J> {
        self.jobs.send(job).map_err(|refused| refused.0)
    }
}

/// A panic's message, as far as it has one.
pub(crate) fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

/// Runs foreign code; a panic in it becomes its message.
pub(crate) fn contain<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| panic_message(payload.as_ref()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_worker_outlives_a_panic_and_ends_with_the_pool() {
        let (done, results) = mpsc::channel();
        let pool = Pool::start("test", 1, move |job: u32| {
            assert_ne!(job, 1, "job one panics");
            done.send((job, thread::current().name().map(str::to_owned)))
                .unwrap();
        })
        .unwrap();
        for job in [1, 2, 3] {
            pool.submit(job).unwrap();
        }
        drop(pool);
        let results: Vec<_> = results.iter().collect();
        assert_eq!(
            results,
            [
                (2, Some("test-0".to_owned())),
                (3, Some("test-0".to_owned()))
            ]
        );
    }

    #[test]
    fn a_contained_panic_keeps_its_words() {
        assert_eq!(contain(|| 7), Ok(7));
        assert_eq!(
            contain(|| panic!("plain")).map(|()| 0),
            Err("plain".to_owned())
        );
        assert_eq!(
            contain(|| panic!("with {}", 1)).map(|()| 0),
            Err("with 1".to_owned())
        );
    }
}
