//! A bundle opened for answering.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use fishid_bundle::{Bundle, Manifest};
use fishid_engine::{EngineOptions, Facts, Lanes, ModelSource};
use fishid_image::{DecodeEffort, Limits, Preprocessing, RgbPhoto};

use crate::golden::{self, GoldenReport};
use crate::{ClassNames, EngineChoice, GOLDEN_TOLERANCE, PredictError, Prediction};

const PROBABILITIES: &str = "probabilities";

/// How a bundle is opened.
#[derive(Debug, Clone)]
pub struct PredictorOptions {
    /// Provider, and threads of each session.
    pub engine: EngineOptions,
    /// Sessions of the network, which is how many photographs can be answered at the same time.
    pub n_sessions: usize,
    /// Photographs of a full batch; above 1 each session has a second one beside it for full batches.
    pub batch: usize,
    /// Which photographs are refused.
    pub limits: Limits,
}

impl Default for PredictorOptions {
    /// One session with all cores: the lowest latency for one photograph at a time.
    fn default() -> Self {
        Self {
            engine: EngineOptions::default(),
            n_sessions: 1,
            batch: 1,
            limits: Limits::default(),
        }
    }
}

impl PredictorOptions {
    /// f32 in ONNX Runtime's own kernels, which are there soonest and give what any other reader of the bundle gets.
    /// One photograph at a time has every core; several share them, a session with one thread each, which is the highest
    /// throughput.
    pub fn for_files(n_at_once: usize) -> Self {
        if n_at_once <= 1 {
            return Self::default();
        }
        Self {
            engine: EngineOptions::single_threaded(),
            n_sessions: n_at_once,
            ..Self::default()
        }
    }
}

/// Answers photographs with the model of one bundle. Any number of threads may share it.
pub struct Predictor {
    bundle: Bundle,
    model_digest: String,
    names: ClassNames,
    preprocessing: Preprocessing,
    limits: Limits,
    lanes: Lanes,
    facts: Facts,
    choice: Option<EngineChoice>,
    /// The largest difference found on the golden photographs, once they are known to agree.
    proven: OnceLock<Proven>,
}

#[derive(Debug, Clone, Copy)]
struct Proven {
    max_difference: f32,
    /// All golden photographs were answered by these very sessions.
    here: bool,
}

/// Golden photographs that a warm-up asks of a model that was proven before.
const WARM_UP_PHOTOGRAPHS: usize = 4;

impl Predictor {
    /// Opens a bundle with one session.
    pub fn open(
        bundle_dir: impl AsRef<Path>,
        engine: &EngineOptions,
    ) -> Result<Self, PredictError> {
        let options = PredictorOptions {
            engine: engine.clone(),
            ..PredictorOptions::default()
        };
        Self::open_with(bundle_dir, &options)
    }

    /// Opens a bundle: manifest and network are read and compared. [`Predictor::check_golden`] proves
    /// that it also answers as it should.
    pub fn open_with(
        bundle_dir: impl AsRef<Path>,
        options: &PredictorOptions,
    ) -> Result<Self, PredictError> {
        Self::of_bundle(Bundle::open(bundle_dir)?, options)
    }

    pub(crate) fn of_bundle(
        bundle: Bundle,
        options: &PredictorOptions,
    ) -> Result<Self, PredictError> {
        let manifest = bundle.manifest();
        let mismatch = |reason: String| PredictError::Mismatch {
            bundle: bundle.dir().to_owned(),
            reason,
        };
        let preprocessing = preprocessing(manifest).map_err(mismatch)?;
        let model = bundle.model_path();
        let source = ModelSource::File(&model);
        let PredictorOptions {
            engine,
            n_sessions,
            batch,
            ..
        } = options;
        let (lanes, facts) = Lanes::load(&source, engine, *n_sessions, *batch)?;
        check_fit(manifest, &preprocessing, &facts).map_err(mismatch)?;
        Ok(Self {
            model_digest: bundle.model_digest()?,
            names: ClassNames::new(manifest),
            limits: options.limits,
            preprocessing,
            lanes,
            facts,
            choice: None,
            proven: OnceLock::new(),
            bundle,
        })
    }

    /// What the bundle says about itself.
    pub fn manifest(&self) -> &Manifest {
        self.bundle.manifest()
    }

    /// The bundle's folder.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The model digest, 64 hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.model_digest
    }

    /// The version of a model that no registry has named: the first 12 digits of its digest.
    pub fn digest_version(&self) -> &str {
        self.model_digest.get(..12).unwrap_or(&self.model_digest)
    }

    /// Names of the classes.
    pub fn names(&self) -> &ClassNames {
        &self.names
    }

    /// Size, fit and filter of the model's input.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    /// SHA-256 of what decides the exact numbers beside the model: library, provider, precision.
    pub fn engine_digest(&self) -> &str {
        &self.facts.engine_digest
    }

    /// The engine in words.
    pub fn engine_description(&self) -> &str {
        &self.facts.engine_description
    }

    /// The options of each session.
    pub fn engine_options(&self) -> &EngineOptions {
        &self.facts.options
    }

    /// How the engine was chosen, where an [`crate::EngineChooser`] opened the bundle.
    pub fn engine_choice(&self) -> Option<&EngineChoice> {
        self.choice.as_ref()
    }

    pub(crate) fn set_choice(&mut self, choice: EngineChoice) {
        self.choice = Some(choice);
    }

    /// Photographs that can be answered at the same time.
    pub fn n_sessions(&self) -> usize {
        self.lanes.n_lanes()
    }

    /// Photographs of a full batch.
    pub fn batch(&self) -> usize {
        self.lanes.batch()
    }

    /// The network's outputs.
    pub fn output_names(&self) -> &[String] {
        &self.facts.output_names
    }

    /// Bytes to pixels, scaled down as far as the model allows.
    pub fn decode(&self, bytes: &[u8]) -> Result<RgbPhoto, PredictError> {
        Ok(self.preprocessing.decode(bytes, &self.limits)?)
    }

    /// What [`Predictor::decode`] will take, from the photograph's header; `None` where that tells that it is
    /// refused.
    pub fn effort(&self, bytes: &[u8]) -> Option<DecodeEffort> {
        self.preprocessing.effort(bytes, &self.limits).ok()
    }

    /// Pixels to the model's input.
    pub fn fit(&self, photo: &RgbPhoto) -> RgbPhoto {
        self.preprocessing.apply(photo)
    }

    /// Bytes to the model's input.
    pub fn prepare(&self, bytes: &[u8]) -> Result<RgbPhoto, PredictError> {
        Ok(self.fit(&self.decode(bytes)?))
    }

    /// Answers prepared photographs in one run of the network; none for none.
    pub fn infer(&self, photos: &[RgbPhoto]) -> Result<Vec<Prediction>, PredictError> {
        let outputs = match photos {
            [] => return Ok(Vec::new()),
            [photo] => self.lanes.run(photo.pixels(), 1, &[PROBABILITIES])?,
            photos => {
                let pixels: Vec<u8> = photos
                    .iter()
                    .flat_map(|photo| photo.pixels().iter().copied())
                    .collect();
                self.lanes.run(&pixels, photos.len(), &[PROBABILITIES])?
            }
        };
        let bad = |reason: String| PredictError::BadOutput { reason };
        let tensor = outputs
            .get(PROBABILITIES)
            .ok_or_else(|| bad("the output is missing".to_owned()))?;
        let expected = photos.len() * self.names.len();
        if tensor.values.len() != expected {
            let reason = format!("{} numbers where {expected} were due", tensor.values.len());
            return Err(bad(reason));
        }
        let threshold = self.manifest().calibration.confidence_threshold;
        tensor
            .values
            .chunks_exact(self.names.len())
            .map(|row| Prediction::new(row.to_vec(), threshold))
            .collect()
    }

    /// Answers one photograph.
    pub fn predict(&self, bytes: &[u8]) -> Result<Prediction, PredictError> {
        self.infer_one(self.prepare(bytes)?)
    }

    /// Answers one prepared photograph.
    pub fn infer_one(&self, photo: RgbPhoto) -> Result<Prediction, PredictError> {
        self.infer(&[photo])?
            .pop()
            .ok_or_else(|| PredictError::BadOutput {
                reason: "the output is empty".to_owned(),
            })
    }

    /// Compares the answers on the bundle's golden photographs with those it was made with; see
    /// [`crate::GOLDEN_TOLERANCE`]. An error means that they could not be asked; the report says whether
    /// they agree.
    pub fn check_golden(&self, tolerance: f32) -> Result<GoldenReport, PredictError> {
        golden::check(self, tolerance, usize::MAX, &|| ())
    }

    /// [`Predictor::check_golden`], with a report that does not agree as an error.
    pub fn prove(&self, tolerance: f32) -> Result<GoldenReport, PredictError> {
        let report = self.check_golden(tolerance)?;
        if report.misses.is_empty() {
            // The first proof stands.
            let _ = self.proven.set(Proven {
                max_difference: report.max_difference,
                here: true,
            });
            return Ok(report);
        }
        Err(PredictError::Golden {
            report: report.to_string(),
        })
    }

    /// The largest difference of a probability on the golden photographs, once they are proven.
    pub fn golden_max_difference(&self) -> Option<f32> {
        self.proven.get().map(|proven| proven.max_difference)
    }

    /// The same model was proven before in the same engine on this machine.
    pub(crate) fn trust_golden(&self, max_difference: f32) {
        // The first proof stands.
        let _ = self.proven.set(Proven {
            max_difference,
            here: false,
        });
    }

    /// The sessions of full batches are others than those that the golden photographs go through.
    fn run_full_batches(&self, take_turn: &dyn Fn()) -> Result<(), PredictError> {
        let batch = self.batch();
        if batch > 1 {
            let blank = vec![0; batch * self.facts.height * self.facts.width * 3];
            for _ in 0..self.n_sessions() {
                take_turn();
                self.lanes.run(&blank, batch, &[PROBABILITIES])?;
            }
        }
        Ok(())
    }

    /// Makes sure that the first client does not wait for what a first run prepares, and that the model answers as it
    /// should: on a few golden photographs when all were proven before, else on all.
    pub fn warm_up(&self) -> Result<GoldenReport, PredictError> {
        self.warm_up_by_turns(&|| ())
    }

    /// The same beside a model that answers: `take_turn` is called before each run of the network.
    pub fn warm_up_by_turns(&self, take_turn: &dyn Fn()) -> Result<GoldenReport, PredictError> {
        let n = match self.proven.get() {
            Some(Proven { here: true, .. }) => 1,
            Some(Proven { here: false, .. }) => WARM_UP_PHOTOGRAPHS,
            None => usize::MAX,
        };
        self.run_full_batches(take_turn)?;
        let report = golden::check(self, GOLDEN_TOLERANCE, n, take_turn)?;
        if report.misses.is_empty() {
            return Ok(report);
        }
        Err(PredictError::Golden {
            report: report.to_string(),
        })
    }
}

/// The manifest's preprocessing as the image crate's: the same JSON, read into another type.
fn preprocessing(manifest: &Manifest) -> Result<Preprocessing, String> {
    serde_json::to_value(&manifest.preprocessing)
        .and_then(serde_json::from_value)
        .map_err(|error| format!("its preprocessing is not one this build knows: {error}"))
}

fn check_fit(
    manifest: &Manifest,
    preprocessing: &Preprocessing,
    facts: &Facts,
) -> Result<(), String> {
    let (height, width) = (facts.height, facts.width);
    if (preprocessing.height as usize, preprocessing.width as usize) != (height, width) {
        return Err(format!(
            "the network takes {width}x{height} pixels, the manifest says {}x{}",
            preprocessing.width, preprocessing.height
        ));
    }
    if !facts.output_names.iter().any(|name| name == PROBABILITIES) {
        return Err(format!("the network has no output `{PROBABILITIES}`"));
    }
    if manifest.classes.is_empty() {
        return Err("the manifest names no classes".to_owned());
    }
    Ok(())
}

impl std::fmt::Debug for Predictor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Predictor")
            .field("bundle", &PathBuf::from(self.bundle.dir()))
            .field("digest", &self.model_digest)
            .finish_non_exhaustive()
    }
}
