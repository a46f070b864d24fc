//! How long work tells what it is doing; drawing bars is the binary's business.

/// Receives the story of a training run. Steps do not overlap.
pub trait Progress: Send {
    /// A step begins, e.g. "embedding".
    fn started(&mut self, step: &str);
    /// `done` of `total` units are ready; `rate` in units per second where it is meaningful.
    fn advanced(&mut self, done: usize, total: usize, rate: Option<f64>);
    /// The step ended; `summary` is one line for people.
    fn finished(&mut self, step: &str, summary: &str);
    /// Something the user should know that does not stop the run.
    fn warn(&mut self, text: &str);
}

/// Says nothing.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn started(&mut self, _step: &str) {}
    fn advanced(&mut self, _done: usize, _total: usize, _rate: Option<f64>) {}
    fn finished(&mut self, _step: &str, _summary: &str) {}
    fn warn(&mut self, _text: &str) {}
}
