//! `report.html` and `model_card.md`: what the model is and how good it is, for people.
//!
//! Knows how to say it, computes nothing new. The page needs no network: styles, charts and thumbnails
//! are inside. Start at [`report_html`]; the words stand in `templates/`.

mod chart;
mod data_uri;
mod page;
mod thumbnail;

use fishid_bundle::Manifest;
use minijinja::Environment;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use serde::Serialize;

use self::page::Page;
pub(crate) use self::page::{interval, percent};
use crate::error::TrainingError;
use crate::splits::SplitPlan;
use crate::train::{SplitScores, TrainRequest, TrainedHead};

/// What the report is made from.
#[derive(Clone, Copy)]
pub struct ReportInput<'a> {
    /// The run's request.
    pub request: &'a TrainRequest<'a>,
    /// Groups and splits.
    pub plan: &'a SplitPlan,
    /// Head, search and calibration.
    pub trained: &'a TrainedHead,
    /// Scores on the validation split, possibly empty.
    pub validation: &'a SplitScores,
    /// Scores on the test split.
    pub test: &'a SplitScores,
    /// The manifest the bundle will have.
    pub manifest: &'a Manifest,
}

/// The report as one self-contained HTML page.
pub fn report_html(input: &ReportInput<'_>) -> Result<String, TrainingError> {
    let page = Page::new(input, thumbnail::worst_mistakes(input));
    render(
        "report.html",
        include_str!("../templates/report.html"),
        &page,
    )
}

/// The model card as Markdown.
pub fn model_card(input: &ReportInput<'_>) -> Result<String, TrainingError> {
    let page = Page::new(input, Vec::new());
    render(
        "model_card.md",
        include_str!("../templates/model_card.md"),
        &page,
    )
}

pub(crate) fn render(
    name: &str,
    template: &str,
    page: &impl Serialize,
) -> Result<String, TrainingError> {
    let mut environment = Environment::new();
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()?,
    );
    environment.add_template(name, template)?;
    Ok(environment.get_template(name)?.render(Serde(page))?)
}
