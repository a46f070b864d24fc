//! The process's own numbers, read from `/proc` at each scrape; absent where there is no `/proc`.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::metric_names as names;

/// Clock ticks per second in `/proc/self/stat`. Linux reports them to programs in hundredths on every
/// architecture, whatever the kernel's own clock is (`proc_pid_stat(5)`, `USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Resident memory and processor time.
#[derive(Debug)]
pub struct ProcessMetrics;

impl Collector for ProcessMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        if let Some(bytes) = fs::read_to_string("/proc/self/status")
            .ok()
            .and_then(|s| resident(&s))
        {
            let gauge = ConstGauge::new(bytes);
            let metric = encoder.encode_descriptor(
                names::PROCESS_RESIDENT_MEMORY,
                "Resident memory of the process, bytes.",
                None,
                prometheus_client::metrics::MetricType::Gauge,
            )?;
            gauge.encode(metric)?;
        }
        if let Some(seconds) = fs::read_to_string("/proc/self/stat")
            .ok()
            .and_then(|s| cpu(&s))
        {
            let counter = ConstCounter::new(seconds);
            let metric = encoder.encode_descriptor(
                names::PROCESS_CPU,
                "Processor time of the process, user and system, seconds.",
                None,
                prometheus_client::metrics::MetricType::Counter,
            )?;
            counter.encode(metric)?;
        }
        Ok(())
    }
}

fn resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

fn cpu(stat: &str) -> Option<f64> {
    // The command's name, in parentheses, may hold spaces and parentheses itself: count from its end.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    // Field 3, the state, is first here; utime is field 14 and stime 15.
    let user: f64 = fields.get(11)?.parse().ok()?;
    let system: f64 = fields.get(12)?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_time_are_read_from_proc() {
        assert_eq!(
            resident("Name:\tx\nVmRSS:\t   2048 kB\nThreads:\t1\n"),
            Some(2 << 20)
        );
        assert_eq!(resident("Name:\tx\n"), None);
        let stat = "7 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        assert_eq!(cpu(stat), Some(2.0));
        assert_eq!(cpu("nonsense"), None);
    }
}
