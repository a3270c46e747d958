//! Secrets of a Lambda: fetched from Secrets Manager while it starts, and again from time to time, so that a rotated
//! one needs no deployment. They stand in no template, no environment and no log.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use shoptrail_domain::Timestamp;
use shoptrail_storage::{SecretStore, StoreConfig, StoreError};

use crate::Config;
use crate::config::Secret;

/// Settings that are secrets. The variable `{NAME}_ARN` says where one is kept, in place of `{NAME}` itself.
const NAMES: [&str; 3] = ["HASH_PEPPER", "SHOPIFY_API_SECRET", "GROQ_API_KEY"];
/// How long a secret is believed, in ms: a rotated one takes effect within this time.
const BELIEVED_MS: i64 = 5 * 60 * 1_000;
/// What fetching them again may take of the request that finds them old.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where the secrets of this process are kept.
#[derive(Debug)]
pub(crate) struct Secrets {
    store: SecretStore,
    ids: Vec<(&'static str, String)>,
    fetched_at: Mutex<Timestamp>,
}

/// A secret that cannot be fetched.
#[derive(Debug, thiserror::Error)]
#[error("the secret of {name}_ARN cannot be read")]
pub(crate) struct SecretError {
    name: &'static str,
    #[source]
    source: StoreError,
}

impl Secrets {
    /// The secrets that the environment names; `None` where it names none.
    pub(crate) fn from_env(
        lookup: impl Fn(&str) -> Option<String>,
        store: &StoreConfig,
        now: Timestamp,
    ) -> Option<Self> {
        let id = |name| lookup(&format!("{name}_ARN")).filter(|id| !id.trim().is_empty());
        let ids: Vec<_> = NAMES
            .into_iter()
            .filter_map(|name| Some((name, id(name)?)))
            .collect();
        let endpoint =
            lookup("AWS_ENDPOINT_URL_SECRETS_MANAGER").or_else(|| lookup("AWS_ENDPOINT_URL"));
        (!ids.is_empty()).then(|| Self {
            store: SecretStore::connect(store, endpoint),
            ids,
            fetched_at: Mutex::new(now),
        })
    }

    /// Puts all of them into the settings.
    pub(crate) async fn fetch_into(&self, config: &mut Config) -> Result<(), SecretError> {
        for (name, value) in self.fetch().await? {
            *setting(config, name) = Some(Secret::new(value));
        }
        Ok(())
    }

    async fn fetch(&self) -> Result<Vec<(&'static str, String)>, SecretError> {
        let mut values = Vec::with_capacity(self.ids.len());
        for (name, id) in &self.ids {
            let value = self.store.find_secret(id).await;
            let value = value.map_err(|source| SecretError { name, source })?;
            values.push((*name, value.trim().to_owned()));
        }
        Ok(values)
    }

    /// Fetches them again if they are old. When that fails, the old ones hold. The pepper never changes: it would
    /// forget every key.
    pub(crate) async fn refresh(&self, config: &Config, now: Timestamp) {
        {
            let mut fetched_at = self
                .fetched_at
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if now.millis_since(*fetched_at) < BELIEVED_MS {
                return;
            }
            *fetched_at = now;
        }
        match tokio::time::timeout(PATIENCE, self.fetch()).await {
            Ok(Ok(values)) => {
                // The copies in the settings are the ones in use: see `Secret`.
                let mut config = config.clone();
                for (name, value) in values {
                    if let Some(secret) = setting(&mut config, name) {
                        secret.replace(value);
                    }
                }
            }
            Ok(Err(error)) => tracing::warn!(cause = %error, "the old secrets hold"),
            Err(_) => tracing::warn!("the secrets did not come in time; the old ones hold"),
        }
    }
}

/// Where a secret stands among the settings.
fn setting<'a>(config: &'a mut Config, name: &str) -> &'a mut Option<Secret> {
    match name {
        "SHOPIFY_API_SECRET" => &mut config.trust.shopify_api_secret,
        "GROQ_API_KEY" => &mut config.groq.api_key,
        _ => &mut config.trust.hash_pepper,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shoptrail_storage::Credentials;
    use wiremock::matchers::body_partial_json;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::config::Deployment;

    async fn keep(server: &MockServer, id: &str, value: &str) {
        server.reset().await;
        Mock::given(body_partial_json(json!({ "SecretId": id })))
            .respond_with(
                ResponseTemplate::new(200).set_body_json(json!({ "SecretString": value })),
            )
            .mount(server)
            .await;
    }

    #[tokio::test]
    async fn a_rotated_secret_takes_effect_without_a_start() {
        let server = MockServer::start().await;
        keep(&server, "arn:shopify", "first").await;
        let database = StoreConfig {
            endpoint_url: None,
            region: "us-east-1".into(),
            credentials: Credentials::for_local_engine(),
            table_prefix: String::new(),
        };
        let lookup = |name: &str| match name {
            "SHOPIFY_API_SECRET_ARN" => Some("arn:shopify".to_owned()),
            "AWS_ENDPOINT_URL_SECRETS_MANAGER" => Some(server.uri()),
            _ => None,
        };
        let at = Timestamp::from_millis;
        let secrets = Secrets::from_env(lookup, &database, at(0)).unwrap();
        let mut config = Config::from_env(lookup, Deployment::Lambda).unwrap();
        secrets.fetch_into(&mut config).await.unwrap();
        // What a handler holds on to.
        let held = config.trust.shopify_api_secret.clone().unwrap();
        assert_eq!(&*held.expose(), "first");

        keep(&server, "arn:shopify", "second\n").await;
        secrets.refresh(&config, at(BELIEVED_MS - 1)).await;
        assert_eq!(&*held.expose(), "first");
        secrets.refresh(&config, at(BELIEVED_MS)).await;
        assert_eq!(&*held.expose(), "second");

        // When it cannot be fetched, the old one holds.
        server.reset().await;
        secrets.refresh(&config, at(3 * BELIEVED_MS)).await;
        assert_eq!(&*held.expose(), "second");
    }

    #[test]
    fn without_arns_there_is_nothing_to_fetch() {
        let database = StoreConfig {
            endpoint_url: None,
            region: "us-east-1".into(),
            credentials: Credentials::for_local_engine(),
            table_prefix: String::new(),
        };
        let empty = |name: &str| (name == "GROQ_API_KEY_ARN").then(String::new);
        assert!(Secrets::from_env(empty, &database, Timestamp::from_millis(0)).is_none());
    }
}
