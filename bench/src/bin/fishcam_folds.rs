//! Accuracy on real photographs of fish the head never saw: mean over the five fold sets by fish and the
//! five by video of `$FISHID_TEST_DATA/fishcam/folds.csv`, with the shared `MobileNetV2`.
//!
//! `FISHID_TEST_DATA=… cargo run --release -p fishid-bench --bin fishcam_folds [stretch|pad|center_crop]…`
//! Every choice (setting, epoch) is made by the crate's own `fit` inside the training folds; a
//! photograph of a held-out fold is only ever answered. Goal: 0.70 by fish, 0.59 by video.
#![allow(clippy::print_stdout)] // the table is what it is for

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use fishid_bench::{cache_dir, test_data};
use fishid_dataset::{Dataset, OpenOptions};
use fishid_image::{Filter, Fit, Preprocessing};
use fishid_network::BackboneFile;
use fishid_training::{
    EmbedJob, EmbedRequest, Embeddings, FitRequest, Recipe, Silent, TrainingRows, embed_all, fit,
};

const N_FOLDS: usize = 5;

struct Photographs {
    labels: Vec<usize>,
    /// Group column → group of each photograph.
    groups: BTreeMap<&'static str, Vec<String>>,
    /// Fold set → fold of each photograph.
    folds: BTreeMap<String, Vec<usize>>,
    n_classes: usize,
}

fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let root = test_data()?.join("fishcam");
    let location = root
        .to_str()
        .context("the path of the test data is not UTF-8")?;
    let open = |column: &str| {
        Dataset::open(
            location,
            &OpenOptions {
                group_column: column.to_owned(),
                ..OpenOptions::default()
            },
        )
    };
    let by_fish = open("group")?;
    let photographs = read_photographs(&by_fish, &open("video")?, &root.join("folds.csv"))?;
    let backbone = BackboneFile::open(&test_data()?.join("backbones/mobilenet_v2_imagenet.onnx"))?;
    let recipe = Recipe::default();
    println!(
        "{} photographs, {} settings, recipe:\n{recipe:?}\n",
        photographs.labels.len(),
        recipe.settings().len()
    );
    println!(
        "| fit | split | at test | accuracy, mean of 5 sets | lowest–highest | macro-F1 | seconds |"
    );
    println!("|---|---|---|---|---|---|---|");
    for fit_mode in [Fit::Stretch, Fit::Pad, Fit::CenterCrop] {
        if !wanted.is_empty() && !wanted.iter().any(|name| name == fit_mode.as_str()) {
            continue;
        }
        let embeddings = embed(&by_fish, &backbone, fit_mode, &recipe)?;
        for (split, column) in [("fish", "group"), ("video", "video")] {
            let started = Instant::now();
            let mut scores = Vec::new();
            for (set, folds) in photographs
                .folds
                .iter()
                .filter(|(set, _)| set.starts_with(split))
            {
                let score = score_set(
                    &embeddings,
                    &photographs,
                    &photographs.groups[column],
                    folds,
                    &recipe,
                )?;
                eprintln!(
                    "{} {set}: {:.3}, with the mirror {:.3}",
                    fit_mode.as_str(),
                    score.single.accuracy(),
                    score.mirrored.accuracy()
                );
                scores.push(score);
            }
            let seconds = started.elapsed().as_secs_f64();
            let single: Vec<&Confusion> = scores.iter().map(|score| &score.single).collect();
            let mirrored: Vec<&Confusion> = scores.iter().map(|score| &score.mirrored).collect();
            for (pass, counts) in [("one pass", single), ("mean of both mirrors", mirrored)] {
                print_row(fit_mode, split, pass, &counts, seconds);
            }
        }
    }
    Ok(())
}

fn print_row(fit_mode: Fit, split: &str, pass: &str, sets: &[&Confusion], seconds: f64) {
    let accuracies: Vec<f64> = sets.iter().map(|counts| counts.accuracy()).collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let macro_f1: Vec<f64> = sets.iter().map(|counts| counts.macro_f1()).collect();
    println!(
        "| {} | by {split} | {pass} | {:.3} | {:.3}–{:.3} | {:.3} | {seconds:.0} |",
        fit_mode.as_str(),
        mean(&accuracies),
        accuracies.iter().copied().fold(f64::INFINITY, f64::min),
        accuracies.iter().copied().fold(0.0, f64::max),
        mean(&macro_f1),
    );
}

/// `counts[true][answered]`.
struct Confusion(Vec<Vec<usize>>);

impl Confusion {
    fn new(n_classes: usize) -> Self {
        Self(vec![vec![0; n_classes]; n_classes])
    }

    fn add(&mut self, class: usize, logits: &[f32]) {
        let best = (0..logits.len())
            .max_by(|a, b| logits[*a].total_cmp(&logits[*b]))
            .unwrap_or(0);
        self.0[class][best] += 1;
    }

    fn accuracy(&self) -> f64 {
        let n: usize = self.0.iter().flatten().sum();
        let right: usize = (0..self.0.len()).map(|class| self.0[class][class]).sum();
        right as f64 / n.max(1) as f64
    }

    fn macro_f1(&self) -> f64 {
        let f1 = |class: usize| {
            let answered: usize = self.0.iter().map(|row| row[class]).sum();
            let total = self.0[class].iter().sum::<usize>() + answered;
            2.0 * self.0[class][class] as f64 / total.max(1) as f64
        };
        (0..self.0.len()).map(f1).sum::<f64>() / self.0.len() as f64
    }
}

/// Answers to all photographs of a fold set, each by the head that did not see its fold.
struct SetScore {
    single: Confusion,
    mirrored: Confusion,
}

fn read_photographs(
    by_fish: &Dataset,
    by_video: &Dataset,
    folds_csv: &std::path::Path,
) -> Result<Photographs> {
    let classes = by_fish.classes();
    let label = |class: &String| classes.iter().position(|known| known == class).unwrap_or(0);
    let groups = |dataset: &Dataset| -> Vec<String> {
        dataset
            .photographs()
            .iter()
            .map(|p| p.group.clone().unwrap_or_else(|| p.path.clone()))
            .collect()
    };
    let mut reader =
        csv::Reader::from_path(folds_csv).with_context(|| folds_csv.display().to_string())?;
    let names: Vec<String> = reader
        .headers()?
        .iter()
        .skip(1)
        .map(str::to_owned)
        .collect();
    let mut by_path: HashMap<String, Vec<usize>> = HashMap::new();
    for record in reader.records() {
        let record = record?;
        let folds = record
            .iter()
            .skip(1)
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        by_path.insert(record[0].to_owned(), folds);
    }
    let mut folds: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for photograph in by_fish.photographs() {
        let Some(of_sets) = by_path.get(&photograph.path) else {
            bail!("{} is not in {}", photograph.path, folds_csv.display());
        };
        for (name, fold) in names.iter().zip(of_sets) {
            folds.entry(name.clone()).or_default().push(*fold);
        }
    }
    Ok(Photographs {
        labels: by_fish
            .photographs()
            .iter()
            .map(|p| label(&p.class))
            .collect(),
        groups: BTreeMap::from([("group", groups(by_fish)), ("video", groups(by_video))]),
        folds,
        n_classes: classes.len(),
    })
}

fn embed(
    dataset: &Dataset,
    backbone: &BackboneFile,
    fit_mode: Fit,
    recipe: &Recipe,
) -> Result<Embeddings> {
    let preprocessing = Preprocessing {
        width: backbone.input.width,
        height: backbone.input.height,
        fit: fit_mode,
        filter: Filter::CatmullRom,
    };
    let views = recipe.views.all();
    let jobs: Vec<EmbedJob> = (0..dataset.photographs().len())
        .map(|photograph| EmbedJob {
            digest: None,
            photograph,
            views: views.clone(),
        })
        .collect();
    let request = EmbedRequest {
        dataset,
        backbone,
        preprocessing: &preprocessing,
        augmentation: &recipe.views.augmentation,
        seed: 0,
        n_threads: 0,
        cache_dir: &cache_dir(),
        shared: None,
        jobs: &jobs,
    };
    Ok(embed_all(&request, &mut Silent)?)
}

fn score_set(
    embeddings: &Embeddings,
    photographs: &Photographs,
    groups: &[String],
    folds: &[usize],
    recipe: &Recipe,
) -> Result<SetScore> {
    let k = photographs.n_classes;
    let mut score = SetScore {
        single: Confusion::new(k),
        mirrored: Confusion::new(k),
    };
    for fold in 0..N_FOLDS {
        let (mut rows, mut labels, mut row_groups, mut is_original) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for p in embeddings
            .photographs
            .iter()
            .filter(|p| folds[p.photograph] != fold)
        {
            for (i, view) in p.views.iter().enumerate() {
                rows.extend_from_slice(view);
                labels.push(photographs.labels[p.photograph]);
                row_groups.push(groups[p.photograph].clone());
                is_original.push(i == 0);
            }
        }
        let request = FitRequest {
            train: TrainingRows {
                dim: embeddings.dim,
                embeddings: &rows,
                labels: &labels,
                groups: &row_groups,
                is_original: &is_original,
            },
            validation: None,
            n_classes: k,
            recipe,
            seed: fold as u64,
        };
        let fitted = fit(&request, &mut Silent)?;
        for p in embeddings
            .photographs
            .iter()
            .filter(|p| folds[p.photograph] == fold)
        {
            let class = photographs.labels[p.photograph];
            let (logits, of_mirror) = (
                fitted.head.logits(&p.views[0]),
                fitted.head.logits(&p.views[1]),
            );
            let both: Vec<f32> = logits.iter().zip(of_mirror).map(|(a, b)| a + b).collect();
            score.single.add(class, &logits);
            score.mirrored.add(class, &both);
        }
    }
    Ok(score)
}
