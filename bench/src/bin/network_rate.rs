//! The Burn module against `PyTorch` eager with timm's model of the same network, on the same cores and threads.
//!
//! `cargo run --release -p fishid-bench --bin network_rate PYTHON [ARCHITECTURE SIDE [ROUNDS]]…`, where PYTHON has
//! `bench/torch-requirements.txt`. Both sides are asked in turn, so that whatever else the machine does hits both;
//! a ratio below 1 means that Burn is faster.
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
const N_THREADS: usize = 2;
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
    fn start(python: &str, architecture: &str, side: usize) -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("torch_network.py");
        let mut child = Command::new(python)
            .arg(script)
            .args(["--architecture", &architecture.replace('-', "_")])
            .args(["--side", &side.to_string(), "--batch", &BATCH.to_string()])
            .args(["--threads", &N_THREADS.to_string()])
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

    fn run(&mut self, way: &str) -> Result<f64> {
        writeln!(self.questions, "{way}")?;
        Ok(self.line()?.parse()?)
    }
}

impl Drop for PyTorch {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let python = arguments
        .next()
        .context("name the Python that has bench/torch-requirements.txt")?;
    let arguments: Vec<String> = arguments.collect();
    let chosen: Vec<(String, usize, usize)> = match arguments.as_slice() {
        [] => vec![
            ("efficientnet-b0".to_owned(), 224, 9),
            ("tf-efficientnet-b4".to_owned(), 380, 5),
        ],
        [architecture, side] => vec![(architecture.clone(), side.parse()?, 5)],
        [architecture, side, rounds] => {
            vec![(architecture.clone(), side.parse()?, rounds.parse()?)]
        }
        _ => anyhow::bail!("PYTHON [ARCHITECTURE SIDE [ROUNDS]]"),
    };
    rayon::ThreadPoolBuilder::new()
        .num_threads(N_THREADS)
        .build_global()?;
    println!("batch {BATCH}, {N_THREADS} threads, medians in milliseconds\n");
    println!("| network | side | what | Burn | PyTorch | median of Burn / PyTorch |");
    println!("|---|---|---|---|---|---|");
    for (architecture, side, rounds) in chosen {
        let mut burn = Burn::new(&architecture, side)?;
        let mut pytorch = PyTorch::start(&python, &architecture, side)?;
        for way in WAYS {
            let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
            for round in 0..=rounds {
                let started = Instant::now();
                burn.run(way);
                let own = started.elapsed().as_secs_f64() * 1000.0;
                let other = pytorch.run(way)?;
                // The first round warms both up.
                if round > 0 {
                    ours.push(own);
                    theirs.push(other);
                    ratios.push(own / other);
                }
            }
            println!(
                "| {architecture} | {side} | {way} | {:.0} | {:.0} | {:.2} |",
                median(&mut ours),
                median(&mut theirs),
                median(&mut ratios)
            );
        }
    }
    Ok(())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
