//! Settings of the [`Service`](crate::Service), checked once.

use std::num::NonZero;
use std::time::Duration;

/// A server looks at its source of models at least this often; the contract's promise to whoever promotes.
pub const MAX_POLL_INTERVAL: Duration = Duration::from_secs(10);

/// How much is accepted, how long it may take, and who works on it.
#[derive(Debug, Clone)]
pub struct ServingConfig {
    /// Photographs accepted and not yet answered, the ones being worked on included. One more is refused, as is,
    /// long before, one that would not be answered in time.
    pub queue_capacity: usize,
    /// From the moment a photograph is accepted to its answer.
    pub deadline: Duration,
    /// Threads that decode and resize. They are all at work only while the model has nothing to do.
    pub decode_threads: usize,
    /// Decoded photographs that may wait for each inference thread.
    pub decode_ahead: usize,
    /// Memory for decoding, bytes. Half of it is shared evenly by the threads, for photographs that need no
    /// more than such a share; larger ones are decoded at the same time as far as the other half goes, and
    /// one that needs more than that alone of its kind. So the most ever held is this, or half of it and
    /// the largest photograph there is.
    pub decode_memory_bytes: u64,
    /// Threads that run the model; more than one helps only when the model can answer several at once.
    pub inference_threads: usize,
    /// The cache of answers.
    pub cache: CacheConfig,
    /// How often the source of models is looked at; at most [`MAX_POLL_INTERVAL`].
    pub poll_interval: Duration,
    /// A new model must be fetched, loaded and proven in this time; the one before answers meanwhile.
    pub load_timeout: Duration,
}

/// Bounds of the cache of answers. Zero entries or zero bytes turn it off.
#[derive(Debug, Clone)]
pub struct CacheConfig {
    /// At most this many answers.
    pub max_entries: u64,
    /// At most about this many bytes of answers.
    pub max_bytes: u64,
    /// An answer is forgotten after this time.
    pub time_to_live: Duration,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            max_entries: 20_000,
            max_bytes: 64 << 20,
            time_to_live: Duration::from_hours(1),
        }
    }
}

impl Default for ServingConfig {
    fn default() -> Self {
        let n_cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            queue_capacity: 256,
            deadline: Duration::from_secs(5),
            decode_threads: n_cores,
            decode_ahead: 2,
            decode_memory_bytes: 512 << 20,
            inference_threads: 1,
            cache: CacheConfig::default(),
            poll_interval: Duration::from_secs(5),
            load_timeout: Duration::from_mins(5),
        }
    }
}

/// A setting that cannot be served with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting} is {value}: {remedy}")]
pub struct ConfigError {
    /// The field of [`ServingConfig`].
    pub setting: &'static str,
    /// What it was.
    pub value: String,
    /// What it must be.
    pub remedy: &'static str,
}

impl ServingConfig {
    /// Refuses settings under which no photograph could ever be answered.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let at_least_one = "it must be at least 1";
        for (setting, value) in [
            ("queue_capacity", self.queue_capacity),
            ("decode_threads", self.decode_threads),
            ("decode_ahead", self.decode_ahead),
            ("inference_threads", self.inference_threads),
        ] {
            if value == 0 {
                return Err(ConfigError {
                    setting,
                    value: value.to_string(),
                    remedy: at_least_one,
                });
            }
        }
        if self.deadline.is_zero() {
            let value = format!("{:?}", self.deadline);
            return Err(ConfigError {
                setting: "deadline",
                value,
                remedy: "it must be above zero",
            });
        }
        if self.load_timeout.is_zero() {
            let value = format!("{:?}", self.load_timeout);
            return Err(ConfigError {
                setting: "load_timeout",
                value,
                remedy: "it must be above zero",
            });
        }
        if self.poll_interval.is_zero() || self.poll_interval > MAX_POLL_INTERVAL {
            let value = format!("{:?}", self.poll_interval);
            let remedy = "it must be above zero and at most 10 seconds";
            return Err(ConfigError {
                setting: "poll_interval",
                value,
                remedy,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(change: impl FnOnce(&mut ServingConfig), refused: Option<&str>) {
        let mut config = ServingConfig::default();
        change(&mut config);
        assert_eq!(config.validate().err().map(|error| error.setting), refused);
    }

    #[test]
    fn a_setting_that_could_never_answer_is_refused_by_name() {
        check(|_| {}, None);
        check(|c| c.queue_capacity = 0, Some("queue_capacity"));
        check(|c| c.decode_threads = 0, Some("decode_threads"));
        check(|c| c.decode_ahead = 0, Some("decode_ahead"));
        check(|c| c.inference_threads = 0, Some("inference_threads"));
        check(|c| c.deadline = Duration::ZERO, Some("deadline"));
        check(|c| c.load_timeout = Duration::ZERO, Some("load_timeout"));
        check(
            |c| c.poll_interval = Duration::from_secs(11),
            Some("poll_interval"),
        );
        check(|c| c.cache.max_entries = 0, None);
    }
}
