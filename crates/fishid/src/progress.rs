//! Progress on a terminal: bars with a rate, one line per finished step. Without a terminal the lines
//! stay and the bars vanish.

use std::cell::Cell;
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fishid_pipeline::steps::Watcher;
use fishid_training::Progress;
use indicatif::{ProgressBar, ProgressStyle};

/// One bar for one piece of work; usable from several threads.
pub struct Bar(ProgressBar);

impl Bar {
    /// A bar that starts when it hears of its first unit.
    pub fn new(label: &str) -> Self {
        let bar = ProgressBar::new(0);
        bar.set_style(style());
        bar.set_prefix(label.to_owned());
        Self(bar)
    }

    /// `done` of `total`.
    pub fn set(&self, done: usize, total: usize) {
        self.0.set_length(total as u64);
        self.0.set_position(done as u64);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Without a terminal, how often a long work says how far it is.
const SAY_EVERY: Duration = Duration::from_mins(1);

/// The bar of a work whose end becomes known while it is done. Without a terminal a line a minute stands in for it.
pub struct Tally {
    bar: ProgressBar,
    total: Arc<AtomicU64>,
    first: u64,
    started: Instant,
    said: Cell<Instant>,
    is_seen: bool,
}

impl Tally {
    /// `done` were done before, and say nothing of the rate.
    pub fn new(label: &str, done: u64) -> Self {
        let bar = ProgressBar::new(done);
        bar.set_style(style());
        bar.set_prefix(label.to_owned());
        bar.set_position(done);
        bar.reset_eta();
        let now = Instant::now();
        Self {
            bar,
            total: Arc::default(),
            first: done,
            started: now,
            said: Cell::new(now),
            is_seen: std::io::stderr().is_terminal(),
        }
    }

    /// Whether somebody looks at the bar.
    pub fn is_seen(&self) -> bool {
        self.is_seen
    }

    /// Where the total is written as it becomes known.
    pub fn total(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.total)
    }

    pub fn set(&self, done: u64) {
        self.bar
            .set_length(self.total.load(Ordering::Relaxed).max(done));
        self.bar.set_position(done);
        if !self.is_seen && self.said.get().elapsed() >= SAY_EVERY {
            self.said.set(Instant::now());
            let rate = (done - self.first) as f64 / self.started.elapsed().as_secs_f64();
            eprintln!("{done} done, {rate:.1} a second");
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix:>12} [{bar:30}] {pos}/{len}  {per_sec}  {msg} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

/// The story of a training run, on standard error.
#[derive(Default)]
pub struct Story {
    bar: Option<ProgressBar>,
    is_nested: bool,
    started: Option<Instant>,
}

impl Story {
    /// The story within a pipeline's step, whose end the pipeline tells itself: bars and warnings only.
    pub fn nested() -> Self {
        Self {
            is_nested: true,
            ..Self::default()
        }
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Story {
    fn started(&mut self, _step: &str) {
        self.started = Some(Instant::now());
    }

    fn advanced(&mut self, done: usize, total: usize, rate: Option<f64>) {
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::new(total as u64);
            bar.set_style(style());
            bar
        });
        bar.set_length(total as u64);
        bar.set_position(done as u64);
        if let Some(rate) = rate {
            bar.set_message(format!("{rate:.1} a second"));
        }
    }

    fn finished(&mut self, step: &str, summary: &str) {
        let seconds = self
            .started
            .take()
            .map_or(Duration::ZERO, |start| start.elapsed())
            .as_secs_f64();
        self.clear();
        if !self.is_nested {
            eprintln!("{step}: {summary} ({seconds:.1} s)");
        }
    }

    fn warn(&mut self, text: &str) {
        self.clear();
        eprintln!("warning: {text}");
    }
}

/// The steps of a pipeline, on standard error.
pub struct Steps;

impl Watcher for Steps {
    fn step(&mut self, name: &str, skipped: bool) {
        if skipped {
            eprintln!("{name}: unchanged, skipped");
        } else {
            eprintln!("{name} …");
        }
    }

    fn ended(&mut self, name: &str, seconds: f64, detail: &str) {
        eprintln!("{name}: {detail} ({seconds:.1} s)");
    }
}
