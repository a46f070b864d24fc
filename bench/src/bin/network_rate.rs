//! The Burn module against `PyTorch` eager with timm's model of the same network, on the same cores and threads.
//!
//! `cargo run --release -p fishid-bench --bin network_rate PYTHON [THREADS [ARCHITECTURE SIDE [ROUNDS]]]`, where PYTHON
//! has `bench/torch-requirements.txt`. Both sides are asked in turn, so that whatever else the machine does hits both;
//! a ratio below 1 means that Burn is faster. Processor time is told beside the time on the clock: with one thread it
//! hardly depends on the machine's load, with several it holds the threads' waiting too.
#![allow(clippy::print_stdout)] // the table is what it is for

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Distribution, Int, Tensor};
use fishid_network::efficientnet::{EfficientNet, random_checkpoint};

const BATCH: usize = 8;
const N_CLASSES: usize = 15;
/// The last stage of blocks; it and the head convolution are trained with the classifier.
const LAST_STAGE: usize = 6;
const WAYS: [&str; 4] = ["forward", "step_last", "step_last_cached", "step_all"];

#[derive(Debug, Module)]
struct Classifier {
    network: EfficientNet,
    head: Linear,
}

struct Burn {
    images: Tensor<4>,
    labels: Tensor<1, Int>,
    evaluated: EfficientNet,
    last: (Classifier, ModuleOptimizer),
    everything: (Classifier, ModuleOptimizer),
    prefix: Tensor<4>,
}

impl Burn {
    fn new(architecture: &str, side: usize) -> Result<Self> {
        let device = Device::flex();
        let training = device.clone().autodiff();
        let checkpoint = random_checkpoint(architecture.parse()?, 0);
        let width = checkpoint.network().embedding_width();
        let classifier = |frozen: Option<usize>| {
            let network = EfficientNet::from_checkpoint(&checkpoint, &training);
            let network = match frozen {
                Some(stage) => network.freeze_before(stage),
                None => network,
            };
            let head = LinearConfig::new(width, N_CLASSES).init(&training);
            (Classifier { network, head }, AdamWConfig::new().init())
        };
        let images = Tensor::random([BATCH, 3, side, side], Distribution::Default, &device);
        let evaluated = EfficientNet::from_checkpoint(&checkpoint, &device);
        let prefix = evaluated.forward_before(LAST_STAGE, images.clone());
        let labels = Tensor::arange(0..BATCH as i64, &training);
        Ok(Self {
            images,
            labels,
            evaluated,
            last: classifier(Some(LAST_STAGE)),
            everything: classifier(None),
            prefix,
        })
    }

    fn run(&mut self, way: &str) {
        let images = self.images.clone();
        match way {
            "forward" => {
                self.evaluated.embed(images);
            }
            "step_last" => step(&mut self.last, &self.labels, |network| {
                network.embed(images)
            }),
            "step_last_cached" => {
                let prefix = self.prefix.clone();
                step(&mut self.last, &self.labels, |network| {
                    network.embed_from(LAST_STAGE, prefix)
                });
            }
            _ => step(&mut self.everything, &self.labels, |network| {
                network.embed(images)
            }),
        }
    }
}

fn step(
    (classifier, optimizer): &mut (Classifier, ModuleOptimizer),
    labels: &Tensor<1, Int>,
    embed: impl FnOnce(&EfficientNet) -> Tensor<2>,
) {
    let logits = classifier.head.forward(embed(&classifier.network));
    let loss = CrossEntropyLossConfig::new()
        .init(&logits.device())
        .forward(logits, labels.clone());
    let gradients = GradientsParams::from_grads(loss.backward(), classifier);
    *classifier = optimizer.step(1e-4, classifier.clone(), gradients);
}

/// `bench/torch_network.py`, asked line by line.
struct PyTorch {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl PyTorch {
    fn start(python: &str, n_threads: usize, network: &Chosen) -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("torch_network.py");
        let mut child = Command::new(python)
            .arg(script)
            .args(["--architecture", &network.architecture.replace('-', "_")])
            .args(["--side", &network.side.to_string()])
            .args(["--batch", &BATCH.to_string()])
            .args(["--threads", &n_threads.to_string()])
            // Threads that spin while they wait would take the processor from the other side.
            .env("OMP_WAIT_POLICY", "PASSIVE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{python} does not start"))?;
        let questions = child.stdin.take().context("its standard input")?;
        let answers = BufReader::new(child.stdout.take().context("its standard output")?);
        let mut started = Self {
            child,
            questions,
            answers,
        };
        ensure!(started.line()? == "ready", "PyTorch's side did not start");
        Ok(started)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    fn run(&mut self, way: &str) -> Result<Cost> {
        writeln!(self.questions, "{way}")?;
        let line = self.line()?;
        let (clock, processor) = line.split_once(' ').context("two numbers")?;
        Ok(Cost {
            clock: clock.parse()?,
            processor: processor.parse()?,
        })
    }
}

impl Drop for PyTorch {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Milliseconds.
#[derive(Debug, Clone, Copy)]
struct Cost {
    clock: f64,
    processor: f64,
}

/// What is measured.
struct Chosen {
    architecture: String,
    side: usize,
    n_rounds: usize,
}

/// Processor time of all threads so far, in milliseconds (Linux).
fn processor_time() -> Result<f64> {
    let mut nanoseconds = 0.0;
    for thread in std::fs::read_dir("/proc/self/task")? {
        let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        let own = text.split(' ').next().context("an empty schedstat")?;
        nanoseconds += own.parse::<f64>()?;
    }
    Ok(nanoseconds / 1e6)
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let python = arguments
        .next()
        .context("name the Python that has bench/torch-requirements.txt")?;
    let n_threads = arguments.next().map_or(Ok(2), |text| text.parse())?;
    let chosen = |architecture: &str, side, n_rounds| Chosen {
        architecture: architecture.to_owned(),
        side,
        n_rounds,
    };
    let networks = match arguments.next() {
        None => vec![
            chosen("efficientnet-b0", 224, 9),
            chosen("tf-efficientnet-b4", 380, 5),
        ],
        Some(architecture) => {
            let side = arguments.next().context("the side in pixels")?.parse()?;
            let n_rounds = arguments.next().map_or(Ok(5), |text| text.parse())?;
            vec![chosen(&architecture, side, n_rounds)]
        }
    };
    rayon::ThreadPoolBuilder::new()
        .num_threads(n_threads)
        .build_global()?;
    println!("batch {BATCH}, {n_threads} threads, medians in milliseconds\n");
    println!(
        "| network | side | what | Burn | PyTorch | Burn / PyTorch | Burn, processor | PyTorch, processor | Burn / PyTorch |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for network in networks {
        let mut burn = Burn::new(&network.architecture, network.side)?;
        let mut pytorch = PyTorch::start(&python, n_threads, &network)?;
        for way in WAYS {
            let mut pairs = Vec::with_capacity(network.n_rounds);
            for round in 0..=network.n_rounds {
                let (started, used) = (Instant::now(), processor_time()?);
                burn.run(way);
                let own = Cost {
                    clock: started.elapsed().as_secs_f64() * 1000.0,
                    processor: processor_time()? - used,
                };
                let other = pytorch.run(way)?;
                // The first round warms both up.
                if round > 0 {
                    pairs.push((own, other));
                }
            }
            let columns = |of: fn(&Cost) -> f64| {
                let own = median(pairs.iter().map(|(own, _)| of(own)));
                let other = median(pairs.iter().map(|(_, other)| of(other)));
                let ratio = median(pairs.iter().map(|(own, other)| of(own) / of(other)));
                format!("{own:.0} | {other:.0} | {ratio:.2}")
            };
            println!(
                "| {} | {} | {way} | {} | {} |",
                network.architecture,
                network.side,
                columns(|cost| cost.clock),
                columns(|cost| cost.processor)
            );
        }
    }
    Ok(())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
