//! A model made ready in a process of its own, beside a server that answers.
//!
//! Compiling a graph and asking all golden photographs take seconds of a processor and twice the model's memory for a
//! moment. Done at the lowest priority in another process, they take no time from clients, leave no memory behind, and
//! a graph that crashes the engine ends that process and not the server. What it leaves is on disk: the compiled graph
//! and the proof, which the server then finds.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use fishid_engine::Wishes;
use fishid_serving::SourceError;

/// Of what the other process says, so much goes into the log.
const MOST_SAID_BYTES: usize = 2_000;

/// How `fishid prepare` is started so that it opens bundles as this process does.
#[derive(Clone, Debug)]
pub struct Preparation {
    arguments: Vec<OsString>,
}

impl Preparation {
    /// `config` is the settings file named on the command line. The process ends by itself after `limit`.
    pub fn new(config: Option<&Path>, wishes: &Wishes, limit: Duration) -> Self {
        let mut arguments: Vec<OsString> = vec!["prepare".into()];
        let mut flag = |name: &str, value: Option<OsString>| {
            if let Some(value) = value {
                arguments.extend([name.into(), value]);
            }
        };
        let number = |n: &std::num::NonZeroUsize| n.to_string().into();
        flag("--config", config.map(Into::into));
        flag("--provider", wishes.provider.map(|it| it.slug().into()));
        flag("--precision", wishes.precision.map(|it| it.name().into()));
        flag("--streams", wishes.streams.as_ref().map(number));
        flag("--threads", wishes.threads.as_ref().map(number));
        flag("--batch", wishes.batch.as_ref().map(number));
        flag("--within", Some(limit.as_secs_f64().to_string().into()));
        Self { arguments }
    }

    /// Waits until the bundle is prepared. Where no process can be started that is logged and no failure: the bundle
    /// is then compiled where it is loaded.
    ///
    /// # Errors
    /// The other process has found the bundle unusable, or has not survived it.
    pub fn prepare(&self, bundle: &Path) -> Result<(), SourceError> {
        let started = Instant::now();
        let mut child = match self.start(bundle) {
            Ok(child) => child,
            Err(error) => {
                tracing::warn!(%error, "no process can be started to prepare the model in, it is compiled in this one");
                return Ok(());
            }
        };
        // `wait_with_output` would close it.
        let _alive = child.stdin.take();
        let output = child.wait_with_output()?;
        if !output.status.success() {
            return Err(failure(output.status, &output.stderr).into());
        }
        let took_ms = started.elapsed().as_millis() as u64;
        tracing::info!(took_ms, "model prepared in a process of its own");
        Ok(())
    }

    fn start(&self, bundle: &Path) -> std::io::Result<Child> {
        Command::new(own_program()?)
            .args(&self.arguments)
            .arg(bundle)
            // It ends when this pipe does.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
    }
}

/// The file this process runs, also after an update has put another in its place.
fn own_program() -> std::io::Result<PathBuf> {
    if cfg!(target_os = "linux") {
        return Ok("/proc/self/exe".into());
    }
    std::env::current_exe()
}

fn failure(status: ExitStatus, said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let last = said.lines().rev().find(|line| !line.trim().is_empty());
    if status.code().is_none() {
        return format!(
            "the process that prepared it ended by itself ({status}): either the graph crashes the engine, or memory does not suffice for two models"
        );
    }
    let mut text = last.map_or_else(
        || status.to_string(),
        |line| line.trim_start_matches("error: ").to_owned(),
    );
    let most = (0..=MOST_SAID_BYTES).rev();
    let end = most.into_iter().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0).min(text.len()));
    text
}

/// Ends this process when the one that started it has ended, or after `limit`: a server that has given the model up
/// waits for it no longer.
pub fn end_with_the_server(limit: Duration) -> std::io::Result<()> {
    let (ended, end) = mpsc::channel::<()>();
    thread::Builder::new()
        .name("server-is-alive".to_owned())
        .spawn(move || {
            // Nothing is ever written: it ends, well or badly, with the server.
            let _ = std::io::stdin().read(&mut [0]);
            drop(ended);
        })?;
    thread::Builder::new()
        .name("time-is-up".to_owned())
        .spawn(move || {
            let _ = end.recv_timeout(limit);
            end_at_once();
        })?;
    Ok(())
}

/// No destructor of the engine may run while its threads do.
fn end_at_once() {
    use rustix::process::{Signal, getpid, kill_process};
    if kill_process(getpid(), Signal::KILL).is_err() {
        std::process::abort();
    }
}

/// Where memory runs out, this process is what the system ends, and not the server beside it.
pub fn be_the_first_to_go() {
    if cfg!(target_os = "linux")
        && let Err(error) = std::fs::write("/proc/self/oom_score_adj", "1000")
    {
        tracing::debug!(%error, "the system may end another process first");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;

    #[test]
    fn a_process_that_was_ended_tells_what_may_be_the_matter() {
        let text = failure(ExitStatus::from_raw(11), b"error: something");
        assert!(text.contains("SIGSEGV"), "{text}");
        assert!(text.contains("crashes the engine"), "{text}");
    }

    #[test]
    fn the_last_thing_said_is_the_reason() {
        let failed = ExitStatus::from_raw(2 << 8);
        let said = b"WARN a remark\nerror: model.onnx: no network\n\n";
        assert_eq!(failure(failed, said), "model.onnx: no network");
        assert!(failure(failed, b"").contains('2'));
        let long = "\u{e9}".repeat(MOST_SAID_BYTES);
        assert!(failure(failed, long.as_bytes()).len() <= MOST_SAID_BYTES);
    }

    #[test]
    fn wishes_are_passed_on_as_flags() {
        let wishes = Wishes {
            threads: std::num::NonZeroUsize::new(3),
            ..Wishes::default()
        };
        let preparation =
            Preparation::new(Some(Path::new("my.toml")), &wishes, Duration::from_secs(5));
        let expected = [
            "prepare",
            "--config",
            "my.toml",
            "--threads",
            "3",
            "--within",
            "5",
        ];
        assert_eq!(preparation.arguments, expected.map(OsString::from));
    }
}
