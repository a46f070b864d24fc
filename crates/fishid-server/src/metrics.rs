//! Metrics of HTTP itself, and the text of `/metrics`.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use fishid_serving::metric_names as names;
use fishid_serving::metrics::Latency;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Content type of [`prometheus_text`].
pub(crate) const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Content type of [`openmetrics_text`].
pub(crate) const OPENMETRICS_TEXT: &str =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: Arc<str>,
    method: &'static str,
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: Arc<str>,
}

/// The families that every request writes.
#[derive(Debug, Clone)]
pub(crate) struct HttpMetrics {
    requests: Family<RequestLabels, Counter>,
    duration: Family<RouteLabel, Histogram, Latency>,
}

impl HttpMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            duration: Family::new_with_constructor(Latency),
        };
        registry.register(
            names::HTTP_REQUESTS,
            "Requests answered; code 499 where the client left before its answer",
            metrics.requests.clone(),
        );
        registry.register(
            names::HTTP_REQUEST_DURATION,
            "Seconds from the request's head to the reply's",
            metrics.duration.clone(),
        );
        metrics
    }

    pub(crate) fn count(&self, route: &Arc<str>, method: &'static str, code: u16, took: Duration) {
        let labels = RequestLabels {
            route: Arc::clone(route),
            method,
            code,
        };
        self.requests.get_or_create(&labels).inc();
        let label = RouteLabel {
            route: Arc::clone(route),
        };
        self.duration
            .get_or_create(&label)
            .observe(took.as_secs_f64());
    }
}

/// All metrics as `OpenMetrics` text.
pub(crate) fn openmetrics_text(registry: &Registry) -> String {
    let mut output = String::new();
    // Writing to a String does not fail; a collector that does leaves its part out.
    if let Err(error) = text::encode(&mut output, registry) {
        tracing::error!(%error, "a metric could not be written");
    }
    output
}

/// The same in the older text format, which differs in how a counter's family is named and in its end.
pub(crate) fn prometheus_text(openmetrics: &str) -> String {
    let mut output = String::with_capacity(openmetrics.len() + 1024);
    let mut help: Option<(&str, &str)> = None;
    for line in openmetrics.lines() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        // The help comes before the type, and only the type tells whether the name needs its suffix.
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
            continue;
        }
        if let Some((name, kind)) = line
            .strip_prefix("# TYPE ")
            .and_then(|rest| rest.split_once(' '))
        {
            // Writing to a String does not fail.
            let suffix = if kind == "counter" { "_total" } else { "" };
            if let Some((_, words)) = help.take().filter(|(helped, _)| *helped == name) {
                let _ = writeln!(output, "# HELP {name}{suffix} {words}");
            }
            let _ = writeln!(output, "# TYPE {name}{suffix} {kind}");
            continue;
        }
        output.push_str(line);
        output.push('\n');
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_named_in_full_in_the_older_format() {
        let mut registry = Registry::default();
        let metrics = HttpMetrics::register(&mut registry);
        metrics.count(&"/predict".into(), "POST", 200, Duration::from_millis(3));
        let text = prometheus_text(&openmetrics_text(&registry));
        for line in [
            "# TYPE fishid_http_requests_total counter",
            "fishid_http_requests_total{route=\"/predict\",method=\"POST\",code=\"200\"} 1",
            "# TYPE fishid_http_request_duration_seconds histogram",
            "fishid_http_request_duration_seconds_count{route=\"/predict\"} 1",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is not in\n{text}"
            );
        }
        assert!(
            text.contains("# HELP fishid_http_requests_total Requests answered"),
            "{text}"
        );
        assert!(!text.contains("EOF"), "{text}");
    }
}
