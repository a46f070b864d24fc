//! `fishid serve`: parse without binding, build, bind, say the address, wait for the signal, drain.

pub mod shared_cache;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use fishid_engine::Wishes;
use fishid_prediction::{EngineChooser, Occasion};
use fishid_registry::{check_model, without_secrets};
use fishid_server::{FishModel, Origin, Registry, ServerConfig, serve, stop_signal};
use fishid_serving::metrics::Metrics;
use fishid_serving::{CacheConfig, Clock, Follower, Following, Service, ServingConfig, SharedTier};

use self::shared_cache::SharedCache;
use super::{predict, registry};
use crate::cli::ServeArgs;
use crate::config::{Config, ServeConfig};
use crate::exit::{BlameInput as _, InputError, Status};
use crate::home::Home;
use crate::preparation::Preparation;
use crate::registry_source::RegistrySource;

/// Bytes an answer takes in the cache, about: a probability and an index per class, and names shared by all.
const ANSWER_BYTES: u64 = 512;

pub fn run(
    args: &ServeArgs,
    config_file: Option<&Path>,
    config: &Config,
    home: &Home,
) -> anyhow::Result<Status> {
    let listen = args.listen.as_ref().unwrap_or(&config.serve.listen);
    let shared = shared_cache::parse(args.redis_url.as_deref(), &config.cache)?;
    let wishes = config.engine.wishes(&args.engine);
    let streams = wishes.streams;
    let preparation = preparation(config_file, &wishes, config);
    let engine = EngineChooser::new(home.engine(), wishes);
    let from = if let Some(bundle) = &args.bundle {
        if !bundle.is_dir() {
            anyhow::bail!(InputError(format!(
                "--bundle {}: no such bundle folder",
                bundle.display()
            )));
        }
        From::Bundle(Box::new(FishModel::new(
            engine
                .open(bundle, Occasion::FirstStart)
                .map_err(predict::blame)?,
            None,
        )))
    } else {
        let chosen = registry::choose(&args.registry, config, home)?;
        tracing::info!(
            registry = without_secrets(&chosen.url),
            model = chosen.model,
            "following the alias production"
        );
        check_model(&chosen.model).map_err(registry::blame)?;
        From::Registry(Box::new(RegistrySource::new(
            chosen,
            engine,
            preparation,
            home,
        )?))
    };
    let wiring = Wiring {
        from,
        streams,
        shared,
    };
    answer(wiring, listen, config)
}

/// New models are made ready as this server would.
pub fn preparation(config_file: Option<&Path>, wishes: &Wishes, config: &Config) -> Preparation {
    let limit = Duration::from_secs(config.serve.load_timeout_s);
    Preparation::new(config_file, wishes, limit)
}

/// Where the models come from.
pub enum From {
    /// One bundle, for ever.
    Bundle(Box<FishModel>),
    /// Whatever is in production.
    Registry(Box<RegistrySource>),
}

/// What a server is put together from.
pub struct Wiring {
    pub from: From,
    /// The user's wish; without it there are threads for all the streams that may be chosen.
    pub streams: Option<NonZeroUsize>,
    /// Answers shared with other servers.
    pub shared: Option<SharedCache>,
}

/// Serves until SIGTERM or SIGINT, then drains.
pub fn answer(wiring: Wiring, listen: &str, settings: &Config) -> anyhow::Result<Status> {
    let Wiring {
        from,
        streams,
        shared,
    } = wiring;
    let config = &settings.serve;
    let server_config = server_config(listen, settings).blame_input()?;
    let mut metrics_registry = Registry::default();
    let metrics = Arc::new(Metrics::register(&mut metrics_registry));

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async move {
        let shared = shared.map(|SharedCache { store, settings }| {
            SharedTier::start(store, settings, Arc::clone(&metrics))
        });
        let service = Service::start_with(
            Clock::system(),
            serving_config(config, streams),
            metrics,
            shared,
        )
        .blame_input()?;
        let stop = stop_signal().context("cannot listen for signals")?;
        let running = serve(server_config, service.clone(), metrics_registry, stop).await?;
        let _following = install(from, &service)?;
        super::print_line(&format!("fishid answers on http://{}", running.address()))?;
        let drained = running.finished().await;
        anyhow::ensure!(
            drained.n_cut == 0,
            "{} connections were cut off at the end",
            drained.n_cut
        );
        Ok(Status::Done)
    })
}

/// Installs the bundle, or begins to follow the registry.
fn install(from: From, service: &Service<FishModel>) -> anyhow::Result<Option<Following>> {
    match from {
        From::Bundle(model) => {
            service.install(*model)?;
            Ok(None)
        }
        From::Registry(source) => Ok(Some(Follower::new(*source, service.clone()).start()?)),
    }
}

fn server_config(listen: &str, settings: &Config) -> anyhow::Result<ServerConfig> {
    let origins = settings.serve.allowed_origins.iter();
    let origins: Result<Vec<Origin>, _> = origins.map(|origin| origin.parse()).collect();
    Ok(ServerConfig {
        drain_timeout: Duration::from_secs(settings.serve.drain_s),
        max_in_flight: settings.serve.max_in_flight,
        max_connections: settings.serve.max_connections,
        allowed_origins: origins.context("serve.allowed_origins")?,
        admin: settings.admin.secrets()?,
        ..ServerConfig::listening_on(listen)
    })
}

fn serving_config(config: &ServeConfig, streams: Option<NonZeroUsize>) -> ServingConfig {
    let defaults = ServingConfig::default();
    ServingConfig {
        queue_capacity: config.queue_capacity,
        deadline: Duration::from_millis(config.deadline_ms),
        decode_threads: config.decode_threads.unwrap_or(defaults.decode_threads),
        decode_ahead: config.decode_ahead,
        inference_threads: streams.map_or(defaults.inference_threads, NonZeroUsize::get),
        decode_memory_bytes: config.decode_memory_mib.saturating_mul(1 << 20),
        cache: CacheConfig {
            max_entries: config.cache_entries,
            max_bytes: config.cache_entries.saturating_mul(ANSWER_BYTES),
            time_to_live: Duration::from_secs(config.cache_ttl_s),
        },
        poll_interval: Duration::from_secs(config.poll_s),
        load_timeout: Duration::from_secs(config.load_timeout_s),
    }
}
