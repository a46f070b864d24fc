//! Charts as SVG text. Colours come from the page's CSS variables, so they follow light and dark.

use std::fmt::Write as _;

use crate::evaluation::ReliabilityBin;
use crate::head::EpochMetrics;

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 22.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 40.0;

/// Data coordinates to the drawing's.
struct Frame {
    x: [f64; 2],
    y: [f64; 2],
    svg: String,
}

impl Frame {
    fn new(x: [f64; 2], y: [f64; 2], label: &str) -> Self {
        let svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{label}\" class=\"chart\">"
        );
        Self { x, y, svg }
    }

    fn at_x(&self, value: f64) -> f64 {
        LEFT + (value - self.x[0]) / (self.x[1] - self.x[0]) * (WIDTH - LEFT - RIGHT)
    }

    fn at_y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (value - self.y[0]) / (self.y[1] - self.y[0]) * (HEIGHT - TOP - BOTTOM)
    }

    fn push(&mut self, text: &str) {
        self.svg.push_str(text);
    }

    fn axes(
        &mut self,
        x_ticks: &[(f64, String)],
        y_ticks: &[(f64, String)],
        x_name: &str,
        y_name: &str,
    ) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for (value, text) in y_ticks {
            let y = self.at_y(*value);
            let (text_x, text_y) = (LEFT - 6.0, y + 4.0);
            let _ = write!(
                self.svg,
                "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\" class=\"grid\"/>\
                 <text x=\"{text_x}\" y=\"{text_y:.1}\" text-anchor=\"end\">{text}</text>"
            );
        }
        for (value, text) in x_ticks {
            let (x, text_y) = (self.at_x(*value), bottom + 16.0);
            let _ = write!(
                self.svg,
                "<text x=\"{x:.1}\" y=\"{text_y}\" text-anchor=\"middle\">{text}</text>"
            );
        }
        let (middle_x, middle_y) = (f64::midpoint(LEFT, right), f64::midpoint(TOP, bottom));
        let _ = write!(
            self.svg,
            "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{bottom}\" y2=\"{bottom}\" class=\"axis\"/>\
             <text x=\"{middle_x}\" y=\"{}\" text-anchor=\"middle\" class=\"name\">{x_name}</text>\
             <text transform=\"translate(11 {middle_y}) rotate(-90)\" text-anchor=\"middle\" class=\"name\">{y_name}</text>",
            HEIGHT - 6.0
        );
    }

    fn line(&mut self, points: &[(f64, f64)], class: &str) {
        let path: Vec<String> = points
            .iter()
            .map(|(x, y)| format!("{:.1},{:.1}", self.at_x(*x), self.at_y(*y)))
            .collect();
        let _ = write!(
            self.svg,
            "<polyline points=\"{}\" class=\"line {class}\"/>",
            path.join(" ")
        );
    }

    fn finish(mut self) -> String {
        self.push("</svg>");
        self.svg
    }
}

/// Share of right answers against confidence, with the number of photographs as bars below.
pub(super) fn reliability(bins: &[ReliabilityBin]) -> String {
    let mut frame = Frame::new(
        [0.0, 1.0],
        [0.0, 1.0],
        "Share of right answers by confidence",
    );
    let ticks: Vec<(f64, String)> = (0..=5)
        .map(|i| f64::from(i) * 0.2)
        .map(|v| (v, format!("{:.0} %", v * 100.0)))
        .collect();
    frame.axes(&ticks, &ticks, "confidence", "right answers");
    let most = bins.iter().map(|bin| bin.n).max().unwrap_or(0).max(1) as f64;
    for bin in bins.iter().filter(|bin| bin.n > 0) {
        let (x, right) = (frame.at_x(bin.low) + 1.0, frame.at_x(bin.high) - 1.0);
        let (top, bottom) = (frame.at_y(bin.n as f64 / most * 0.25), frame.at_y(0.0));
        let bar = format!(
            "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" class=\"amount\"><title>{} photographs</title></rect>",
            right - x,
            bottom - top,
            bin.n
        );
        frame.push(&bar);
    }
    frame.line(&[(0.0, 0.0), (1.0, 1.0)], "ideal");
    let points: Vec<(f64, f64)> = bins
        .iter()
        .filter(|bin| bin.n > 0)
        .map(|bin| (bin.confidence, bin.accuracy))
        .collect();
    frame.line(&points, "first");
    for bin in bins.iter().filter(|bin| bin.n > 0) {
        // Area by number of photographs: a lone photograph must not look like evidence.
        let radius = 2.5 + 5.0 * (bin.n as f64 / most).sqrt();
        let point = format!(
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius:.1}\" class=\"point\"><title>{} photographs: {:.0} % sure, {:.0} % right</title></circle>",
            frame.at_x(bin.confidence),
            frame.at_y(bin.accuracy),
            bin.n,
            bin.confidence * 100.0,
            bin.accuracy * 100.0
        );
        frame.push(&point);
    }
    frame.finish()
}

/// Training and validation loss by epoch.
pub(super) fn losses(curve: &[EpochMetrics], best_epoch: usize) -> String {
    let train: Vec<(f64, f64)> = curve
        .iter()
        .map(|m| (m.epoch as f64, m.train_loss))
        .collect();
    let validation: Vec<(f64, f64)> = curve
        .iter()
        .map(|m| (m.epoch as f64, m.validation_loss))
        .collect();
    by_epoch(
        &[(&train, "second"), (&validation, "first")],
        best_epoch,
        "loss",
    )
}

/// Validation macro-F1 by epoch.
pub(super) fn macro_f1(curve: &[EpochMetrics], best_epoch: usize) -> String {
    let points: Vec<(f64, f64)> = curve
        .iter()
        .map(|m| (m.epoch as f64, m.validation_macro_f1))
        .collect();
    by_epoch(&[(&points, "first")], best_epoch, "macro-F1")
}

fn by_epoch(lines: &[(&Vec<(f64, f64)>, &str)], best_epoch: usize, name: &str) -> String {
    let all = || lines.iter().flat_map(|(points, _)| points.iter());
    let Some(last) = all().map(|point| point.0).reduce(f64::max) else {
        return String::new();
    };
    let low = all().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let high = all().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
    let step = nice_step((high - low).max(1e-3) / 4.0);
    let (low, high) = ((low / step).floor() * step, (high / step).ceil() * step);
    let high = if high > low { high } else { low + step };
    let mut frame = Frame::new(
        [0.0, last.max(1.0)],
        [low, high],
        &format!("{name} by epoch"),
    );
    let n_steps = ((high - low) / step).round() as u32;
    let decimals = if step < 0.1 { 2 } else { 1 };
    let y_ticks: Vec<(f64, String)> = (0..=n_steps)
        .map(|i| low + f64::from(i) * step)
        .map(|v| (v, format!("{v:.decimals$}")))
        .collect();
    let x_step = nice_step(last / 6.0).max(1.0);
    let x_ticks: Vec<(f64, String)> = (0..=(last / x_step).floor() as u32)
        .map(|i| f64::from(i) * x_step)
        .map(|v| (v, format!("{v:.0}")))
        .collect();
    frame.axes(&x_ticks, &y_ticks, "epoch", name);
    let x = frame.at_x(best_epoch as f64);
    let marker = format!(
        "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{}\" class=\"best\"><title>best epoch: {best_epoch}</title></line>",
        HEIGHT - BOTTOM
    );
    frame.push(&marker);
    for (points, class) in lines {
        frame.line(points, class);
    }
    frame.finish()
}

/// 1, 2 or 5 times a power of ten, not below `least`.
fn nice_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|factor| factor * power >= least);
    factor.unwrap_or(10.0) * power
}
