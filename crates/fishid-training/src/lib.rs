//! From photographs to a model bundle: embeddings, head, calibration, evaluation, report, gate.
//!
//! Deliberately knows nothing of HTTP, queues, registries or trackers: it takes a data set, a
//! backbone and a folder, and gives back a bundle and numbers. Start reading at [`train`], which
//! tells the story in order; the pipeline calls the same parts one by one.

mod adopt;
mod assemble;
mod calibration;
mod demonstration;
mod embedding;
mod error;
mod evaluation;
mod gate;
mod golden;
mod head;
mod progress;
mod random;
mod random_backbone;
mod recipe;
mod report;
mod rows;
mod splits;
mod train;

pub use adopt::{ADOPTED, AdoptRequest, Adopted, adopt, class_names};
pub use assemble::{Assembled, assemble};
pub use calibration::{Calibrated, calibrate};
pub use demonstration::demonstration_reason;
pub use embedding::{
    EmbedJob, EmbedRequest, EmbedSpec, EmbeddedPhotograph, EmbeddedViews, Embedder, EmbeddingStore,
    Embeddings, MissingViews, RejectedPhotograph, StoreKey, Wanted, embed_all,
};
pub use error::TrainingError;
pub use evaluation::{
    BootstrapOptions, ClassScore, ConfusionMatrix, Evaluation, EvaluationInput, ReliabilityBin,
    bootstrap_interval,
};
pub use gate::{
    Against, CandidateEvidence, ChampionEvidence, Criterion, Decision, Finding, GateAnswer,
    GateLimits, GatePage, GatePhotograph, GateRequest, LatencyRounds, Outcome, SplitAnswers,
    Verdict, gate_page, judge,
};
pub use golden::{GoldenCandidate, select_golden};
pub use head::{
    EpochMetrics, FitRequest, Fitted, LinearHead, SearchTrial, TrainingRows, fit, predict_logits,
    softmax_rows,
};
pub use progress::{Progress, Silent};
pub use random_backbone::StatisticsPhotographs;
pub use recipe::{
    DEFAULT_FIT, FinalHead, LearningRateSchedule, Recipe, Setting, SmallData, ViewPlan,
};
pub use report::{ReportInput, model_card, report_html};
pub use splits::{PlannedPhotograph, SplitPlan, SplitRequest, plan_splits};
pub use train::{
    SplitScores, TrainOutcome, TrainRequest, TrainedHead, embed_jobs, embed_plan, evaluate_split,
    fit_plan, plan, train,
};
