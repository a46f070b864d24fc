//! What about this machine decides how fast a graph is computed, and in which numbers.

use serde::Serialize;

use crate::{EngineError, Precision, Provider, Runtime, usable_cores};

/// The facts that a measurement is kept under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// The processor's architecture.
    pub architecture: String,
    /// Its model, where the system tells it: two of the same features may still differ in caches.
    pub processor: String,
    /// Vector extensions that the engines choose kernels by.
    pub features: Vec<String>,
    /// Cores this process may use.
    pub cores: usize,
    /// The library's statement about its build.
    pub library: String,
    /// Whether the library can use `OpenVINO`.
    pub has_openvino: bool,
}

impl Machine {
    /// This machine, this process, the library in use.
    ///
    /// # Errors
    /// The library is missing, too old or broken.
    pub fn here() -> Result<Self, EngineError> {
        let runtime = Runtime::current()?;
        Ok(Self {
            architecture: std::env::consts::ARCH.to_owned(),
            processor: processor(),
            features: features(),
            cores: usable_cores(),
            library: runtime.build().to_owned(),
            has_openvino: Provider::OpenVino.is_built_in()?,
        })
    }

    /// Whether the processor multiplies bf16 matrices by itself. Without that bf16 is slower than f32.
    pub fn has_native_bf16(&self) -> bool {
        let native = ["avx512bf16", "amx-bf16"];
        self.features
            .iter()
            .any(|feature| native.contains(&feature.as_str()))
    }

    /// The provider to use where nothing was measured.
    pub fn best_provider(&self) -> Provider {
        if self.has_openvino {
            Provider::OpenVino
        } else {
            Provider::Cpu
        }
    }

    /// The precision to use with this provider where nothing was measured.
    pub fn best_precision(&self, provider: Provider) -> Precision {
        if provider.knows(Precision::Bf16) && self.has_native_bf16() {
            Precision::Bf16
        } else {
            Precision::F32
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<String> {
    let mut found = Vec::new();
    let mut note = |name: &str, is_there: bool| {
        if is_there {
            found.push(name.to_owned());
        }
    };
    note("avx2", is_x86_feature_detected!("avx2"));
    note("avx512f", is_x86_feature_detected!("avx512f"));
    note("avx512vnni", is_x86_feature_detected!("avx512vnni"));
    note("avx512bf16", is_x86_feature_detected!("avx512bf16"));
    note("amx-bf16", flag_in_cpuinfo("amx_bf16"));
    found
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> Vec<String> {
    Vec::new()
}

/// The standard library cannot be asked for AMX yet.
#[cfg(target_arch = "x86_64")]
fn flag_in_cpuinfo(flag: &str) -> bool {
    cpuinfo("flags").is_some_and(|flags| flags.split_whitespace().any(|found| found == flag))
}

fn processor() -> String {
    cpuinfo("model name").unwrap_or_else(|| "unknown".to_owned())
}

fn cpuinfo(field: &str) -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with(field))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
