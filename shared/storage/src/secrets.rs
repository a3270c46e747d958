//! Secrets, from AWS Secrets Manager.

use aws_sdk_secretsmanager::Client;

use crate::{StoreConfig, StoreError, client};

/// Where a deployment keeps its secrets.
#[derive(Debug, Clone)]
pub struct SecretStore(Client);

impl SecretStore {
    /// The secrets of the account and region of `config`. `endpoint_url` is another endpoint than the region's own.
    #[must_use]
    pub fn connect(config: &StoreConfig, endpoint_url: Option<String>) -> Self {
        Self(client::build_secrets(config, endpoint_url))
    }

    /// A secret's whole text, by its ARN or name.
    ///
    /// # Errors
    ///
    /// When the service does not answer, does not have the secret, or may not give it.
    pub async fn find_secret(&self, id: &str) -> Result<String, StoreError> {
        const OPERATION: &str = "find_secret";
        let found = self.0.get_secret_value().secret_id(id).send().await;
        let found = found.map_err(|error| StoreError::new(OPERATION, error))?;
        found
            .secret_string
            .ok_or_else(|| StoreError::unreadable(OPERATION, "the secret is no text"))
    }
}
