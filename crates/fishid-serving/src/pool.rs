//! Named threads. Not tokio's blocking pool: its hundreds of threads would run hundreds of models at once,
//! and its queue has no end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

/// Starts `n_threads` threads named `name-0`, `name-1`, …; each ends with `work`.
pub(crate) fn start(
    name: &str,
    n_threads: usize,
    work: impl Fn() + Clone + Send + 'static,
) -> std::io::Result<()> {
    for index in 0..n_threads {
        thread::Builder::new()
            .name(format!("{name}-{index}"))
            .spawn(work.clone())?;
    }
    Ok(())
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
    fn threads_have_their_names() {
        let (done, names) = mpsc::channel();
        start("test", 2, move || {
            done.send(thread::current().name().map(str::to_owned))
                .unwrap();
        })
        .unwrap();
        let mut names: Vec<_> = names.iter().flatten().collect();
        names.sort();
        assert_eq!(names, ["test-0", "test-1"]);
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
