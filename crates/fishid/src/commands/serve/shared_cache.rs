//! The settings of the cache that servers share, from flag, environment and file to what serving takes.

use std::time::Duration;

use fishid_serving::{RedisStore, SharedSettings};

use crate::config::CacheConfig;
use crate::exit::InputError;

/// A Redis that answers are shared over; connected by whoever starts serving.
pub struct SharedCache {
    pub store: RedisStore,
    pub settings: SharedSettings,
}

/// None where no Redis is named. `flag` goes before the settings; an empty one turns the sharing off.
pub fn parse(flag: Option<&str>, config: &CacheConfig) -> anyhow::Result<Option<SharedCache>> {
    let (url, from) = match (flag, &config.redis_url) {
        (Some(url), _) => (url, "--redis-url"),
        (None, Some(url)) => (url.0.as_str(), "cache.redis_url or REDIS_URL"),
        (None, None) => return Ok(None),
    };
    if url.trim().is_empty() {
        return Ok(None);
    }
    let refuse = |reason: String| Err(InputError(reason).into());
    let store = match RedisStore::new(url.trim()) {
        Ok(store) => store,
        Err(error) => return refuse(format!("{from}: {error}")),
    };
    for (setting, value) in [
        ("cache.redis_budget_ms", config.redis_budget_ms),
        ("cache.redis_ttl_s", config.redis_ttl_s),
    ] {
        if value == 0 {
            return refuse(format!("{setting} is 0: it must be at least 1"));
        }
    }
    Ok(Some(SharedCache {
        store,
        settings: SharedSettings {
            budget: Duration::from_millis(config.redis_budget_ms),
            time_to_live: Duration::from_secs(config.redis_ttl_s),
            ..SharedSettings::default()
        },
    }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::SecretUrl;

    fn config(url: Option<&str>) -> CacheConfig {
        CacheConfig {
            redis_url: url.map(|url| SecretUrl(url.to_owned())),
            ..CacheConfig::default()
        }
    }

    #[test]
    fn the_flag_goes_before_the_settings_and_turns_them_off_when_empty() {
        let address = |flag, url| {
            let parsed = parse(flag, &config(url)).unwrap();
            parsed.map(|shared| format!("{:?}", shared.store))
        };
        assert_eq!(address(None, None), None);
        let named = address(None, Some("redis://one:1"));
        assert!(named.unwrap().contains("one:1/0"));
        let flag = address(Some("rediss://two:2/3"), Some("redis://one:1"));
        assert!(flag.unwrap().contains("two:2/3"));
        assert_eq!(address(Some(""), Some("redis://one:1")), None);
        assert_eq!(address(None, Some(" ")), None);
    }

    #[test]
    fn a_wrong_setting_is_named_and_a_password_is_not() {
        let refused = |config: &CacheConfig| {
            let error = parse(None, config).map(|_| ()).unwrap_err();
            format!("{error:#}")
        };
        let error = refused(&config(Some("http://:hush@host")));
        assert!(error.contains("cache.redis_url"), "{error}");
        assert!(!error.contains("hush"), "{error}");
        let error = refused(&CacheConfig {
            redis_budget_ms: 0,
            ..config(Some("redis://host"))
        });
        assert!(error.contains("cache.redis_budget_ms"), "{error}");
        assert!(!format!("{:?}", config(Some("redis://:hush@host"))).contains("hush"));
    }
}
