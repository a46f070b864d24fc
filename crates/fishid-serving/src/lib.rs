//! Admission, scheduling, cache and hot swap of models.
//!
//! Owns the traits [`Model`] and [`ModelSource`] that it drives, and the [`Service`] every request goes
//! through. Does not know HTTP, ONNX, registries, nor what a photograph or an answer is made of.
//! Start at [`Service::ask`]; [`Follower`] is how a new model comes in.

mod cache;
mod clock;
mod config;
mod error;
mod flight;
mod follow;
mod freshness;
mod hint;
pub mod metric_names;
pub mod metrics;
mod model;
mod photo;
mod pool;
mod priority;
mod schedule;
mod service;
mod shared;
mod stages;

pub use clock::Clock;
pub use config::{CacheConfig, ConfigError, MAX_POLL_INTERVAL, ServingConfig};
pub use error::{InstallError, Phase, ServeError};
pub use follow::{Follower, Following, Polled};
pub use freshness::Freshness;
pub use hint::{Hinted, ReloadHint};
pub use model::{
    Effort, Identity, Measure, Model, ModelSource, Observation, SourceError, VersionTag,
};
pub use photo::{Photo, PhotoReader};
pub use priority::{at_low_priority, only_when_idle};
pub use service::{Loaded, Served, Service, StartError};
pub use shared::{
    BadRedisAddress, RedisStore, SharedError, SharedLink, SharedSettings, SharedStore, SharedTier,
};
pub use stages::Timings;
