//! What the measurements share: where the real photographs are, how much memory and processor time was taken,
//! and, for those of the server, photographs and a client for HTTP.
//!
//! One binary per measurement, quoted in `docs/`; each says in its module docs how to run it. Start there.

pub mod http;
pub mod latencies;
pub mod payload;
pub mod sensor;

use std::path::PathBuf;

use anyhow::{Context, Result};

/// The folder of real photographs and backbones: `$FISHID_TEST_DATA`, holding `fishcam/` and `backbones/`.
pub fn test_data() -> Result<PathBuf> {
    let folder = std::env::var_os("FISHID_TEST_DATA").context(
        "FISHID_TEST_DATA is not set; it names the folder that holds fishcam/ and backbones/",
    )?;
    Ok(PathBuf::from(folder))
}

/// Where embeddings are kept between runs of the measurements: `$FISHID_HOME/embeddings`, else a folder
/// in the system's temporary one.
pub fn cache_dir() -> PathBuf {
    let home = std::env::var_os("FISHID_HOME").map(PathBuf::from);
    home.unwrap_or_else(|| std::env::temp_dir().join("fishid-bench"))
        .join("embeddings")
}

/// The largest resident memory this process has had, in MiB (Linux).
pub fn peak_memory_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}

/// Processor seconds of this process so far, its threads together, in steps of 10 ms (Linux).
pub fn processor_seconds() -> Option<f64> {
    /// What the kernel counts in, whatever its own clock is.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name may hold anything, blanks and brackets too.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_SECOND)
}
