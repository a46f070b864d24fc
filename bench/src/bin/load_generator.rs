//! Sends photographs to a server and prints what became of them as one JSON object.
//!
//! `cargo run --release -p fishid-bench --bin load_generator -- --host 127.0.0.1:8080 --photographs FOLDER closed
//! --clients 8 --seconds 10`. `closed`: so many clients, each sends its next photograph when it has its answer.
//! `open`: photographs arrive at random (Poisson), whether or not the server keeps up, and their latency counts
//! from the moment they were due. `search`: the highest such rate whose 99th percentile stays within a bound, as
//! in the Server scenario of `MLPerf` Inference. One thread; its own processor time is told with the results.
#![allow(clippy::print_stdout)] // the results are what it is for

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand};
use fishid_bench::http::Connection;
use fishid_bench::latencies::{Latencies, Told};
use fishid_bench::payload::{Payload, Payloads};
use fishid_bench::processor_seconds;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep_until};

#[derive(Parser)]
struct Arguments {
    /// The server: address and port
    #[arg(long)]
    host: String,
    /// A folder of photographs
    #[arg(long)]
    photographs: PathBuf,
    /// Photographs and arrivals are drawn from it
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Send the files as they are, over and over; every answer but the first ones must be out of the cache
    #[arg(long)]
    same: bool,
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// So many clients, each waiting for its answers
    Closed(Closed),
    /// Arrivals at random
    Open(Open),
    /// The highest rate of arrivals within a bound
    Search(Search),
}

#[derive(Args)]
struct Closed {
    #[arg(long)]
    clients: usize,
    #[arg(long)]
    seconds: f64,
}

#[derive(Args)]
struct Open {
    /// Photographs per second
    #[arg(long)]
    rate: f64,
    #[arg(long)]
    seconds: f64,
    /// Go on however many are refused or fail: for more than a server can answer
    #[arg(long)]
    whatever: bool,
}

#[derive(Args)]
struct Search {
    /// The 99th percentile may be so many milliseconds
    #[arg(long)]
    bound_ms: f64,
    /// No higher rate is tried
    #[arg(long)]
    highest: f64,
    /// Of each try
    #[arg(long)]
    seconds: f64,
    /// Halvings of the interval from 0 to the highest rate
    #[arg(long, default_value_t = 6)]
    tries: u32,
}

/// What became of the photographs of one phase.
#[derive(Debug, Serialize)]
struct Results {
    seconds: f64,
    n_answered: usize,
    n_failed: usize,
    failures: BTreeMap<String, usize>,
    photographs_per_second: f64,
    latency_ms: Option<Told>,
    generator_processor_seconds: f64,
}

#[derive(Debug, Serialize)]
struct Try {
    rate: f64,
    within: bool,
    results: Results,
}

#[derive(Debug, Serialize)]
struct Found {
    bound_ms: f64,
    /// 0 when none was within the bound.
    rate: f64,
    tries: Vec<Try>,
}

/// What all clients share.
struct Shared {
    host: String,
    payloads: Payloads,
    run: Option<u64>,
    expect_cached: bool,
    next: Cell<u64>,
    latencies: RefCell<Latencies>,
    failures: RefCell<BTreeMap<String, usize>>,
    /// Failed or later than the bound.
    n_bad: Cell<usize>,
    bound_ms: f64,
    idle: RefCell<Vec<Connection>>,
}

impl Shared {
    fn payload(&self) -> Payload {
        let n = self.next.get();
        self.next.set(n + 1);
        self.payloads.request(n, self.run, &self.host)
    }

    async fn ask(&self, since: Instant) {
        let outcome = self.try_to_ask().await;
        let milliseconds = since.elapsed().as_secs_f64() * 1e3;
        match outcome {
            Ok(()) => {
                self.latencies.borrow_mut().push(milliseconds);
                if milliseconds > self.bound_ms {
                    self.n_bad.set(self.n_bad.get() + 1);
                }
            }
            Err(error) => {
                *self
                    .failures
                    .borrow_mut()
                    .entry(format!("{error:#}"))
                    .or_default() += 1;
                self.n_bad.set(self.n_bad.get() + 1);
            }
        }
    }

    async fn try_to_ask(&self) -> Result<()> {
        let payload = self.payload();
        let mut connection = match self.kept() {
            Some(connection) => connection,
            None => Connection::open(&self.host).await?,
        };
        let reply = connection.ask(&payload).await?;
        if connection.is_open() {
            self.idle.borrow_mut().push(connection);
        }
        reply.check(self.expect_cached)
    }

    /// The connection that was used last of those that are still open.
    fn kept(&self) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        while let Some(connection) = idle.pop() {
            if connection.is_open() {
                return Some(connection);
            }
        }
        None
    }
}

/// One phase: its clock and its processor time.
struct Phase {
    shared: Rc<Shared>,
    started: Instant,
    processor: f64,
}

impl Phase {
    fn begin(shared: Shared) -> Result<Self> {
        Ok(Self {
            shared: Rc::new(shared),
            started: Instant::now(),
            processor: processor_seconds().context("no /proc: only Linux is measured")?,
        })
    }

    fn end(self) -> Result<Results> {
        let seconds = self.started.elapsed().as_secs_f64();
        let spent = processor_seconds().context("no /proc")? - self.processor;
        let latencies = self.shared.latencies.take();
        let failures = self.shared.failures.take();
        Ok(Results {
            seconds,
            n_answered: latencies.len(),
            n_failed: failures.values().sum(),
            failures,
            photographs_per_second: latencies.len() as f64 / seconds,
            latency_ms: latencies.tell(),
            generator_processor_seconds: spent,
        })
    }
}

async fn closed(shared: Shared, clients: usize, duration: Duration) -> Result<Results> {
    let phase = Phase::begin(shared)?;
    let until = phase.started + duration;
    let mut running = JoinSet::new();
    for _ in 0..clients {
        let shared = Rc::clone(&phase.shared);
        running.spawn_local(async move {
            while Instant::now() < until {
                shared.ask(Instant::now()).await;
            }
        });
    }
    while let Some(ended) = running.join_next().await {
        ended?;
    }
    phase.end()
}

async fn open(
    shared: Shared,
    rate: f64,
    duration: Duration,
    seed: u64,
    whatever: bool,
) -> Result<Results> {
    ensure!(rate > 0.0, "the rate must be above 0");
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let phase = Phase::begin(shared)?;
    // One in a hundred may be late; once there are more, the rest of the phase changes nothing.
    let allowed = (rate * duration.as_secs_f64() * 0.01) as usize;
    let mut running = JoinSet::new();
    let mut due = Duration::ZERO;
    loop {
        let uniform: f64 = dice.random();
        due += Duration::from_secs_f64(-(1.0 - uniform).ln() / rate);
        let is_decided = !whatever && phase.shared.n_bad.get() > allowed;
        if due >= duration || is_decided {
            break;
        }
        let at = phase.started + due;
        sleep_until(at).await;
        let shared = Rc::clone(&phase.shared);
        running.spawn_local(async move { shared.ask(at).await });
    }
    while let Some(ended) = running.join_next().await {
        ended?;
    }
    phase.end()
}

/// Sends every file once, so that the answers lie in the cache.
async fn fill(shared: &Shared) -> Result<()> {
    for _ in 0..shared.payloads.len() {
        let payload = shared.payload();
        let mut connection = Connection::open(&shared.host).await?;
        let reply = connection.ask(&payload).await?;
        ensure!(
            reply.status == 200,
            "status {} while the cache is filled",
            reply.status
        );
    }
    Ok(())
}

async fn run(arguments: Arguments) -> Result<String> {
    let payloads = Payloads::read(&arguments.photographs)?;
    let shared = |next: u64, bound_ms: f64| Shared {
        host: arguments.host.clone(),
        payloads: payloads.clone(),
        run: (!arguments.same).then_some(arguments.seed),
        expect_cached: arguments.same,
        next: Cell::new(next),
        latencies: RefCell::default(),
        failures: RefCell::default(),
        n_bad: Cell::new(0),
        bound_ms,
        idle: RefCell::default(),
    };
    if arguments.same {
        fill(&shared(0, f64::INFINITY)).await?;
    }
    let json = match arguments.mode {
        Mode::Closed(Closed { clients, seconds }) => {
            let duration = Duration::from_secs_f64(seconds);
            serde_json::to_string(&closed(shared(0, f64::INFINITY), clients, duration).await?)
        }
        Mode::Open(Open {
            rate,
            seconds,
            whatever,
        }) => {
            let duration = Duration::from_secs_f64(seconds);
            let shared = shared(0, f64::INFINITY);
            let results = open(shared, rate, duration, arguments.seed, whatever).await?;
            serde_json::to_string(&results)
        }
        Mode::Search(search) => {
            let duration = Duration::from_secs_f64(search.seconds);
            let (mut within, mut beyond) = (0.0, search.highest);
            let mut tries = Vec::new();
            for number in 0..search.tries {
                let rate = f64::midpoint(within, beyond);
                // Every try has photographs of its own.
                let first = u64::from(number + 1) << 32;
                let shared = shared(first, search.bound_ms);
                let results = open(shared, rate, duration, arguments.seed, false).await?;
                let n = results.n_answered + results.n_failed;
                let late = results
                    .latency_ms
                    .as_ref()
                    .is_none_or(|told| told.p99 > search.bound_ms);
                let is_within = !late && results.n_failed * 100 <= n;
                if is_within {
                    within = rate;
                } else {
                    beyond = rate;
                }
                tries.push(Try {
                    rate,
                    within: is_within,
                    results,
                });
            }
            serde_json::to_string(&Found {
                bound_ms: search.bound_ms,
                rate: within,
                tries,
            })
        }
    }?;
    Ok(json)
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let json = LocalSet::new().block_on(&runtime, run(arguments))?;
    println!("{json}");
    Ok(())
}
