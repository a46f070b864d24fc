//! Work of low priority beside the answers: on Linux a thread has a niceness of its own, and the threads it
//! starts inherit it.
//!
//! A model's engine starts threads while it is loaded, and those answer clients later. They get the usual
//! niceness back when the work is done, which a process may do only with `CAP_SYS_NICE` or a limit
//! `RLIMIT_NICE` that allows it. Where it may not, nothing is lowered: threads that answer slowly for ever
//! would be worse than a load that is in the way for a second.

use std::thread;

#[cfg(target_os = "linux")]
pub use linux::only_when_idle;
#[cfg(target_os = "linux")]
pub(crate) use linux::{lower_for_good, lowered};

/// Runs work that starts no threads for later on a thread of its own, at the lowest priority; that is always allowed.
pub fn at_low_priority<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            lower_for_good();
            work()
        });
        match thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Priorities of threads are a matter of Linux.
#[cfg(not(target_os = "linux"))]
pub(crate) fn lower_for_good() {}

/// Priorities of threads are a matter of Linux.
#[cfg(not(target_os = "linux"))]
pub fn only_when_idle() {}

/// Runs the work; priorities of threads are a matter of Linux.
#[cfg(not(target_os = "linux"))]
pub(crate) fn lowered<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::HashSet;
    use std::fs;
    use std::sync::OnceLock;
    use std::thread;

    use rustix::process::{Pid, getpriority_process, setpriority_process};
    use thread_priority::{
        NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
        set_thread_priority_and_policy, thread_native_id,
    };

    /// The lowest there is.
    const LOW: i32 = 19;

    /// Runs the work on this thread at the lowest priority. Afterwards this thread, and those that were started
    /// meanwhile with the same low priority, have the one from before.
    pub(crate) fn lowered<T>(work: impl FnOnce() -> T) -> T {
        let Some(usual) = usual_niceness() else {
            return work();
        };
        let before = threads();
        if setpriority_process(None, LOW).is_err() {
            return work();
        }
        let done = work();
        restore(&before, usual);
        done
    }

    /// For a thread that ends after the work, or a process with no other work.
    pub(crate) fn lower_for_good() {
        // One that stays as it is does the same work.
        let _ = setpriority_process(None, LOW);
    }

    /// For a process with no other work, before it starts threads: it has a core while nobody else wants it, and gives
    /// it up at once, where a thread of the lowest niceness finishes its slice of some milliseconds first. Under full
    /// load it goes on all the same, in the moments in which the others wait for each other.
    ///
    /// Not for a thread that shares locks with others: they would wait until the system is idle.
    pub fn only_when_idle() {
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        if let Err(error) =
            set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle)
        {
            tracing::debug!(?error, "the lowest niceness has to do");
        }
        // Last, since the call above sets the usual one.
        lower_for_good();
    }

    fn restore(before: &HashSet<i32>, usual: i32) {
        let mut n_left_low = 0_usize;
        let started_meanwhile = threads();
        for thread in started_meanwhile.difference(before) {
            let is_low = |pid| getpriority_process(Some(pid)).is_ok_and(|nice| nice == LOW);
            let Some(pid) = Pid::from_raw(*thread).filter(|pid| is_low(*pid)) else {
                continue;
            };
            // A thread that has ended since is no failure.
            if setpriority_process(Some(pid), usual).is_err() && is_low(pid) {
                n_left_low += 1;
            }
        }
        if setpriority_process(None, usual).is_err() {
            n_left_low += 1;
        }
        if n_left_low > 0 {
            tracing::warn!(n_left_low, "threads of the model stay at low priority");
        }
    }

    /// The niceness to go back to; `None` where this process may not go back to it.
    fn usual_niceness() -> Option<i32> {
        static USUAL: OnceLock<Option<i32>> = OnceLock::new();
        *USUAL.get_or_init(|| {
            // On a thread of its own: what cannot be taken back ends with it.
            let probe = thread::Builder::new().name("fishid-probe".to_owned());
            let probe = probe.spawn(|| {
                let usual = getpriority_process(None).ok()?;
                setpriority_process(None, LOW).ok()?;
                setpriority_process(None, usual).ok()?;
                (usual < LOW).then_some(usual)
            });
            let usual = probe.ok().and_then(|probe| probe.join().ok()).flatten();
            if usual.is_none() {
                tracing::info!(
                    "new models are loaded at the usual priority: without CAP_SYS_NICE or RLIMIT_NICE a thread's \
                     priority cannot be raised again"
                );
            }
            usual
        })
    }

    /// The threads of this process by their ids.
    fn threads() -> HashSet<i32> {
        let tasks = fs::read_dir("/proc/self/task");
        let ids = tasks.into_iter().flatten().flatten();
        ids.filter_map(|task| task.file_name().to_str()?.parse().ok())
            .collect()
    }

    #[cfg(test)]
    mod tests {
        #![allow(clippy::unwrap_used)]
        use super::*;
        use std::sync::mpsc;

        fn niceness() -> i32 {
            getpriority_process(None).unwrap()
        }

        #[test]
        fn threads_started_during_low_work_have_the_usual_priority_after_it() {
            if usual_niceness().is_none() {
                eprintln!("skipped: this process may not raise a priority");
                return;
            }
            // Of its own, since other tests start threads too.
            let here = thread::spawn(|| {
                let usual = niceness();
                let (ask, asked) = mpsc::channel::<()>();
                let (tell, told) = mpsc::channel();
                let (during, child) = lowered(|| {
                    let child = thread::spawn(move || {
                        tell.send(niceness()).unwrap();
                        asked.recv().unwrap();
                        niceness()
                    });
                    assert_eq!(told.recv().unwrap(), LOW, "it is inherited");
                    (niceness(), child)
                });
                ask.send(()).unwrap();
                assert_eq!(during, LOW);
                assert_eq!(niceness(), usual);
                assert_eq!(child.join().unwrap(), usual);
            });
            here.join().unwrap();
        }

        #[test]
        fn what_runs_only_when_idle_hands_that_on_to_the_threads_it_starts() {
            let policy = || thread_priority::unix::thread_schedule_policy().unwrap();
            let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
            let thread = thread::spawn(move || {
                only_when_idle();
                (policy(), thread::spawn(policy).join().unwrap())
            });
            assert_eq!(thread.join().unwrap(), (idle, idle));
        }

        #[test]
        fn work_of_low_priority_leaves_no_trace_on_who_waits_for_it() {
            let usual = niceness();
            assert_eq!(crate::at_low_priority(niceness), LOW);
            assert_eq!(niceness(), usual);
        }
    }
}
