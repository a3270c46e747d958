//! The settings, read once, under the same names in a Lambda's environment and in `.env`.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use shoptrail_domain::advice::policy::Policy;
use shoptrail_storage::{Credentials, EventQueueConfig, Pepper, StoreConfig, WindowLimits};
use tracing::level_filters::LevelFilter;

use crate::cors::Origins;
use crate::metrics::{MetricsConfig, NamedStores, Output};
use crate::{TrackerPath, routes};

/// Where the code runs; some defaults are safe only on a developer's own machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deployment {
    /// On AWS, behind API Gateway.
    Lambda,
    /// In the local gateway.
    Local,
}

/// All settings, grouped by concern.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who may call from where.
    pub trust: TrustConfig,
    /// How often who may call.
    pub limits: LimitsConfig,
    /// How long what is kept.
    pub retention: RetentionConfig,
    /// `WRITE_MODE`: how tracked events are written.
    pub write_mode: WriteMode,
    /// Whether addresses are stored cut to /24 (IPv4) or /48 (IPv6).
    pub anonymize_ip: bool,
    /// `TRACKER_PATH`: where the tracker's script is beside [`crate::routes::TRACKER`].
    pub tracker_path: Option<TrackerPath>,
    /// Ask AI's model.
    pub groq: GroqConfig,
    /// Ask AI's policy: `HOLDOUT_PERCENT`, `POPUPS_PER_SESSION`, `POPUPS_PER_DAY` and `POPUP_COOLDOWN_MINUTES`.
    pub policy: Policy,
    /// The least level of log lines.
    pub log_level: LevelFilter,
    /// Whether metrics are written, and how they tell stacks and stores apart.
    pub metrics: MetricsConfig,
}

/// Who may call from where.
#[derive(Debug, Clone)]
pub struct TrustConfig {
    /// `ALLOWED_ORIGINS`: where storefronts are.
    pub storefront_origins: Origins,
    /// `ADMIN_ORIGINS`: where browsers may call the read routes from.
    pub admin_origins: Origins,
    /// `PUBLIC_INGEST`.
    pub public_ingest: PublicIngest,
    /// `SHOPIFY_API_SECRET`: what Shopify signs with. Without it no signature verifies.
    pub shopify_api_secret: Option<Secret>,
    /// `HASH_PEPPER`: under which API keys and erased persons are hashed. Without it no API key verifies.
    pub hash_pepper: Option<Secret>,
    /// `DEV_API_KEY`, of the local gateway alone: a key with all scopes for all stores.
    pub dev_api_key: Option<Secret>,
}

/// How often who may call; 0 is without end.
#[derive(Debug, Clone, Copy)]
pub struct LimitsConfig {
    /// `RATE_LIMIT_PER_MINUTE` and `RATE_LIMIT_PER_HOUR`, of each client.
    pub client: WindowLimits,
    /// `KEY_RATE_LIMIT_PER_MINUTE`, of each API key.
    pub key_per_minute: u32,
    /// `STORE_RATE_LIMIT_PER_MINUTE`, of each store's clients together.
    pub store_per_minute: u32,
}

/// Which storefront routes need no credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicIngest {
    /// None of them.
    None,
    /// Those that browsers call directly: `/ingest`, `/events`, `/askai`, `/askai/outcome`.
    Tracker,
    /// All of them.
    All,
}

/// How tracked events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// By the request that tells of them.
    Direct,
    /// By a worker, to which a queue hands them.
    Queue,
}

/// How long what is kept.
#[derive(Debug, Clone, Copy)]
pub struct RetentionConfig {
    /// `EVENT_RETENTION_DAYS`.
    pub event_days: u32,
    /// `SESSION_RETENTION_DAYS`.
    pub session_days: u32,
}

/// Ask AI's model.
#[derive(Debug, Clone)]
pub struct GroqConfig {
    /// `GROQ_API_KEY`; without it the rules answer.
    pub api_key: Option<Secret>,
    /// `GROQ_MODEL`.
    pub model: String,
    /// `GROQ_BASE_URL`, without a slash at its end.
    pub base_url: String,
    /// `ASK_AI_TIMEOUT_MS`: the time for a whole decision.
    pub timeout: Duration,
    /// `ASK_AI_DAILY_CALLS`: the model calls of a UTC day.
    pub daily_calls: u32,
    /// `ASK_AI_DAILY_CALLS_PER_STORE`: those of one store.
    pub daily_calls_per_store: u32,
}

/// A value that never prints. Its copies are one: a secret that was rotated is replaced in all of them.
#[derive(Clone)]
pub struct Secret(Arc<RwLock<Arc<str>>>);

impl Secret {
    /// Keeps `value`.
    #[must_use]
    pub fn new(value: impl Into<Arc<str>>) -> Self {
        Self(Arc::new(RwLock::new(value.into())))
    }

    /// The value.
    #[must_use]
    pub fn expose(&self) -> Arc<str> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn replace(&self, value: impl Into<Arc<str>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = value.into();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A setting that cannot be read. Never holds the value: it may be a secret in the wrong place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the setting {name} must be {expected}")]
pub struct ConfigError {
    name: &'static str,
    expected: &'static str,
}

impl Config {
    /// Reads the settings; an empty one is an absent one.
    ///
    /// # Errors
    ///
    /// The first setting that is malformed.
    pub fn from_env(
        lookup: impl Fn(&str) -> Option<String>,
        deployment: Deployment,
    ) -> Result<Self, ConfigError> {
        let env = Env(&lookup);
        let is_local = deployment == Deployment::Local;
        let base_url = env
            .text("GROQ_BASE_URL")
            .unwrap_or_else(|| "https://api.groq.com".into());
        if !(base_url.starts_with("https://") || base_url.starts_with("http://")) {
            return Err(ConfigError {
                name: "GROQ_BASE_URL",
                expected: "an http or https URL",
            });
        }
        let dev_api_key = env.text("DEV_API_KEY").filter(|_| is_local);
        if dev_api_key.as_ref().is_some_and(|key| key.len() < 16) {
            return Err(ConfigError {
                name: "DEV_API_KEY",
                expected: "16 characters or more",
            });
        }
        let config = Self {
            trust: TrustConfig {
                storefront_origins: match env.text("ALLOWED_ORIGINS") {
                    Some(list) => env.parsed("ALLOWED_ORIGINS", &list, ORIGINS)?,
                    None if is_local => Origins::any(),
                    None => Origins::none(),
                },
                admin_origins: env.or("ADMIN_ORIGINS", Origins::none(), ORIGINS)?,
                public_ingest: env.or(
                    "PUBLIC_INGEST",
                    if is_local {
                        PublicIngest::All
                    } else {
                        PublicIngest::Tracker
                    },
                    "none, tracker or all",
                )?,
                shopify_api_secret: env.text("SHOPIFY_API_SECRET").map(Secret::new),
                hash_pepper: env.text("HASH_PEPPER").map(Secret::new),
                dev_api_key: dev_api_key.map(Secret::new),
            },
            limits: LimitsConfig {
                client: WindowLimits {
                    per_minute: env.count("RATE_LIMIT_PER_MINUTE", 100)?,
                    per_hour: env.count("RATE_LIMIT_PER_HOUR", 1_000)?,
                },
                key_per_minute: env.count("KEY_RATE_LIMIT_PER_MINUTE", 6_000)?,
                store_per_minute: env.count("STORE_RATE_LIMIT_PER_MINUTE", 6_000)?,
            },
            retention: RetentionConfig {
                event_days: env.within(
                    "EVENT_RETENTION_DAYS",
                    365,
                    1..=36_500,
                    "a number of days, 1 to 36500",
                )?,
                session_days: env.within(
                    "SESSION_RETENTION_DAYS",
                    90,
                    1..=36_500,
                    "a number of days, 1 to 36500",
                )?,
            },
            write_mode: env.or("WRITE_MODE", WriteMode::Direct, "direct or queue")?,
            anonymize_ip: env.or("ANONYMIZE_IP", Switch(false), "on or off")?.0,
            tracker_path: env
                .text("TRACKER_PATH")
                // There it is anyway.
                .filter(|path| path != routes::TRACKER)
                .map(|path| env.parsed("TRACKER_PATH", &path, TrackerPath::EXPECTED))
                .transpose()?,
            groq: GroqConfig {
                api_key: env.text("GROQ_API_KEY").map(Secret::new),
                model: env
                    .text("GROQ_MODEL")
                    .unwrap_or_else(|| "openai/gpt-oss-20b".into()),
                base_url: base_url.trim_end_matches('/').to_owned(),
                timeout: Duration::from_millis(u64::from(env.within(
                    "ASK_AI_TIMEOUT_MS",
                    4_000,
                    1..=25_000,
                    "a number of milliseconds, 1 to 25000",
                )?)),
                daily_calls: env.count("ASK_AI_DAILY_CALLS", 10_000)?,
                daily_calls_per_store: env.count("ASK_AI_DAILY_CALLS_PER_STORE", 2_000)?,
            },
            policy: Policy {
                holdout_percent: env.percent("HOLDOUT_PERCENT", if is_local { 0 } else { 10 })?,
                popups_per_session: env.count("POPUPS_PER_SESSION", 2)?,
                popups_per_day: env.count("POPUPS_PER_DAY", 3)?,
                cooldown_minutes: env.within(
                    "POPUP_COOLDOWN_MINUTES",
                    30,
                    0..=YEAR_MINUTES,
                    "a number of minutes, 0 to 525600",
                )?,
            },
            log_level: match env.text("LOG_LEVEL") {
                Some(level) => env.parsed(
                    "LOG_LEVEL",
                    &level,
                    "off, error, warn, info, debug or trace",
                )?,
                // RUST_LOG is often set for other programs, in a grammar of its own.
                None => env
                    .text("RUST_LOG")
                    .and_then(|level| level.parse().ok())
                    .unwrap_or(LevelFilter::INFO),
            },
            metrics: MetricsConfig {
                // On a terminal they would hide what is to be read.
                is_on: env.or("METRICS", Switch(!is_local), "on or off")?.0,
                stack: env.text("STACK_NAME").unwrap_or_else(|| "local".into()),
                stores: env.or(
                    "METRIC_STORES",
                    NamedStores::default(),
                    NamedStores::EXPECTED,
                )?,
                output: Output::default(),
            },
        };
        config.check_pepper()?;
        Ok(config)
    }

    /// A pepper that is too short hides nothing.
    pub(crate) fn check_pepper(&self) -> Result<(), ConfigError> {
        let pepper = self.trust.hash_pepper.as_ref();
        if pepper.is_some_and(|secret| Pepper::new(&secret.expose()).is_none()) {
            return Err(ConfigError {
                name: "HASH_PEPPER",
                expected: "16 characters or more",
            });
        }
        Ok(())
    }
}

/// Where a Lambda's database is, from what the Lambda service and the template put into its environment.
///
/// # Errors
///
/// The first setting that is missing.
pub fn store_from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<StoreConfig, ConfigError> {
    let env = Env(&lookup);
    let required = |name| {
        env.text(name).ok_or(ConfigError {
            name,
            expected: "set",
        })
    };
    Ok(StoreConfig {
        endpoint_url: env
            .text("AWS_ENDPOINT_URL_DYNAMODB")
            .or_else(|| env.text("AWS_ENDPOINT_URL")),
        region: required("AWS_REGION")?,
        credentials: Credentials {
            access_key_id: required("AWS_ACCESS_KEY_ID")?,
            secret_access_key: required("AWS_SECRET_ACCESS_KEY")?,
            session_token: env.text("AWS_SESSION_TOKEN"),
        },
        table_prefix: env.text("TABLE_PREFIX").unwrap_or_default(),
    })
}

/// Where the queue is that events are handed over to, where the settings say that they are.
///
/// # Errors
///
/// When its URL is missing or none.
pub fn event_queue_from_env(
    lookup: impl Fn(&str) -> Option<String>,
    write_mode: WriteMode,
) -> Result<Option<EventQueueConfig>, ConfigError> {
    let env = Env(&lookup);
    if write_mode == WriteMode::Direct {
        return Ok(None);
    }
    let is_url = |url: &String| url.starts_with("https://") || url.starts_with("http://");
    let url = env.text("EVENT_QUEUE_URL").filter(is_url);
    Ok(Some(EventQueueConfig {
        url: url.ok_or(ConfigError {
            name: "EVENT_QUEUE_URL",
            expected: "a queue's URL where WRITE_MODE is queue",
        })?,
        endpoint_url: env
            .text("AWS_ENDPOINT_URL_SQS")
            .or_else(|| env.text("AWS_ENDPOINT_URL")),
    }))
}

/// One variable of the process's environment.
#[must_use]
pub fn process_env(name: &str) -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the environment"
    )]
    std::env::var(name).ok()
}

const ORIGINS: &str = "a comma separated list of origins such as https://shop.example.com or https://*.myshopify.com, or *";

struct Env<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Env<'_> {
    fn text(&self, name: &str) -> Option<String> {
        let value = (self.0)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    fn parsed<T: FromStr>(
        &self,
        name: &'static str,
        value: &str,
        expected: &'static str,
    ) -> Result<T, ConfigError> {
        value.parse().map_err(|_| ConfigError { name, expected })
    }

    fn or<T: FromStr>(
        &self,
        name: &'static str,
        default: T,
        expected: &'static str,
    ) -> Result<T, ConfigError> {
        self.text(name)
            .map_or(Ok(default), |value| self.parsed(name, &value, expected))
    }

    fn count(&self, name: &'static str, default: u32) -> Result<u32, ConfigError> {
        self.within(
            name,
            default,
            0..=MOST_COUNTED,
            "a whole number, 0 to 1000000000",
        )
    }

    fn percent(&self, name: &'static str, default: u8) -> Result<u8, ConfigError> {
        let expected = "a whole number, 0 to 100";
        let value = self.or(name, default, expected)?;
        if value <= 100 {
            Ok(value)
        } else {
            Err(ConfigError { name, expected })
        }
    }

    fn within(
        &self,
        name: &'static str,
        default: u32,
        range: std::ops::RangeInclusive<u32>,
        expected: &'static str,
    ) -> Result<u32, ConfigError> {
        let value = self.or(name, default, expected)?;
        if range.contains(&value) {
            Ok(value)
        } else {
            Err(ConfigError { name, expected })
        }
    }
}

/// Larger limits than this limit nothing.
const MOST_COUNTED: u32 = 1_000_000_000;
/// A longer pause is none any more: no session and no tracker lives so long.
const YEAR_MINUTES: u32 = 365 * 24 * 60;

struct Switch(bool);

impl FromStr for Switch {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "on" | "true" | "1" | "yes" => Ok(Self(true)),
            "off" | "false" | "0" | "no" => Ok(Self(false)),
            _ => Err(()),
        }
    }
}

impl FromStr for WriteMode {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "direct" => Ok(Self::Direct),
            "queue" => Ok(Self::Queue),
            _ => Err(()),
        }
    }
}

impl FromStr for PublicIngest {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "none" => Ok(Self::None),
            "tracker" => Ok(Self::Tracker),
            "all" => Ok(Self::All),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(settings: &[(&str, &str)], deployment: Deployment) -> Result<Config, ConfigError> {
        let find = |name: &str| {
            settings
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Config::from_env(find, deployment)
    }

    #[test]
    fn the_defaults_are_the_contracts() {
        let lambda = config(&[], Deployment::Lambda).unwrap();
        assert_eq!(lambda.trust.public_ingest, PublicIngest::Tracker);
        assert!(
            !lambda
                .trust
                .storefront_origins
                .allow("https://shop.example.com")
        );
        assert_eq!(
            (lambda.retention.event_days, lambda.retention.session_days),
            (365, 90)
        );
        assert_eq!(lambda.groq.model, "openai/gpt-oss-20b");
        assert_eq!(lambda.groq.timeout, Duration::from_secs(4));
        assert_eq!(lambda.log_level, LevelFilter::INFO);
        let policy = Policy {
            holdout_percent: 10,
            popups_per_session: 2,
            popups_per_day: 3,
            cooldown_minutes: 30,
        };
        assert_eq!(lambda.policy, policy);
        assert_eq!(lambda.tracker_path, None);
        assert!(lambda.metrics.is_on);
        assert_eq!(lambda.write_mode, WriteMode::Direct);
        let local = config(&[], Deployment::Local).unwrap();
        let everyone = Policy {
            holdout_percent: 0,
            ..policy
        };
        assert_eq!(local.policy, everyone);
        assert_eq!(local.trust.public_ingest, PublicIngest::All);
        assert!(!local.metrics.is_on);
        assert!(
            local
                .trust
                .storefront_origins
                .allow("https://shop.example.com")
        );
    }

    #[test]
    fn a_malformed_setting_is_named_without_its_value() {
        for (name, value) in [
            ("ALLOWED_ORIGINS", "other.example.com"),
            ("PUBLIC_INGEST", "yes"),
            ("EVENT_RETENTION_DAYS", "99999"),
            ("SESSION_RETENTION_DAYS", "ninety"),
            ("ANONYMIZE_IP", "perhaps"),
            ("WRITE_MODE", "sometimes"),
            ("GROQ_BASE_URL", "api.groq.com"),
            ("ASK_AI_TIMEOUT_MS", "-1"),
            ("LOG_LEVEL", "loud"),
            ("DEV_API_KEY", "short"),
            ("HASH_PEPPER", "short"),
            ("RATE_LIMIT_PER_MINUTE", "-1"),
            ("RATE_LIMIT_PER_HOUR", "many"),
            ("ASK_AI_DAILY_CALLS", "1e3"),
            ("HOLDOUT_PERCENT", "101"),
            ("HOLDOUT_PERCENT", "10%"),
            ("POPUPS_PER_SESSION", "-1"),
            ("POPUPS_PER_DAY", "many"),
            ("POPUP_COOLDOWN_MINUTES", "525601"),
            ("TRACKER_PATH", "/docs/canary.js"),
            ("METRICS", "loud"),
            ("METRIC_STORES", "a-store,no store"),
            ("METRIC_STORES", "a,b,c,d,e,f,g,h,i,j,k"),
        ] {
            let error = config(&[(name, value)], Deployment::Local)
                .unwrap_err()
                .to_string();
            assert!(error.contains(name) && !error.contains(value), "{error}");
        }
        assert!(
            config(
                &[("RUST_LOG", "hyper=debug,info"), ("GROQ_MODEL", " ")],
                Deployment::Local
            )
            .is_ok()
        );
    }

    #[test]
    fn a_queue_is_named_where_events_go_into_one() {
        let queue = |settings: &[(&str, &str)], mode| {
            let find = |name: &str| {
                let found = settings.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            event_queue_from_env(find, mode)
        };
        let url = ("EVENT_QUEUE_URL", "https://sqs.example.com/1/events");
        assert!(queue(&[url], WriteMode::Direct).unwrap().is_none());
        let found = queue(&[url], WriteMode::Queue).unwrap().unwrap();
        assert_eq!((found.url.as_str(), found.endpoint_url), (url.1, None));
        let own = ("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:9");
        let found = queue(&[url, own], WriteMode::Queue).unwrap().unwrap();
        assert_eq!(found.endpoint_url.as_deref(), Some(own.1));
        for wrong in ["", "events"] {
            let error = queue(&[("EVENT_QUEUE_URL", wrong)], WriteMode::Queue).unwrap_err();
            assert!(error.to_string().contains("EVENT_QUEUE_URL"), "{error}");
        }
    }

    #[test]
    fn the_policy_takes_its_limits() {
        let settings = [
            ("HOLDOUT_PERCENT", "100"),
            ("POPUPS_PER_SESSION", "0"),
            ("POPUPS_PER_DAY", "1000000000"),
            ("POPUP_COOLDOWN_MINUTES", "525600"),
        ];
        let policy = Policy {
            holdout_percent: 100,
            popups_per_session: 0,
            popups_per_day: 1_000_000_000,
            cooldown_minutes: 525_600,
        };
        for deployment in [Deployment::Lambda, Deployment::Local] {
            assert_eq!(config(&settings, deployment).unwrap().policy, policy);
        }
    }

    #[test]
    fn the_trackers_second_path_is_another_one() {
        let path = |path: &str| {
            let config = config(&[("TRACKER_PATH", path)], Deployment::Lambda).unwrap();
            config.tracker_path
        };
        assert_eq!(
            path(" /s.js ").as_ref().map(TrackerPath::as_str),
            Some("/s.js")
        );
        assert_eq!((path(""), path("/tracker.js")), (None, None));
    }

    #[test]
    fn secrets_do_not_print() {
        let config = config(
            &[
                ("GROQ_API_KEY", "gsk_canary"),
                ("DEV_API_KEY", "canary-canary-canary"),
                ("SHOPIFY_API_SECRET", "shpss_canary"),
                ("HASH_PEPPER", "canary-canary-canary"),
            ],
            Deployment::Local,
        )
        .unwrap();
        assert!(!format!("{config:?}").contains("canary"));
    }
}
