//! The SDK's client: what it trusts, how long it waits, how often it tries.

use std::fmt;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Credentials as SdkCredentials, Region, SharedHttpClient,
    StalledStreamProtectionConfig,
};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};

use crate::Store;

/// The certificate authorities that sign AWS's endpoints (Amazon Root CA 1 to 4 and Starfield G2, as
/// Amazon Trust Services publishes them). Reading the system's 140 instead is most of a cold start.
const AMAZON_ROOTS: &[u8] = include_bytes!("../roots/amazon.pem");

const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(700);
const ATTEMPTS: u32 = 3;
/// The queue is tried once less: what it does not take is written directly, in the same request.
const QUEUE_ATTEMPTS: u32 = 2;
const FIRST_BACKOFF: Duration = Duration::from_millis(25);
const LONGEST_BACKOFF: Duration = Duration::from_millis(200);

/// Where the database is, and as whom to speak to it.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Another endpoint than the region's own.
    pub endpoint_url: Option<String>,
    /// The region, such as `eu-central-1`.
    pub region: String,
    /// As whom.
    pub credentials: Credentials,
    /// What stands before the template's table names.
    pub table_prefix: String,
}

/// Credentials of AWS. Print as nothing.
#[derive(Clone)]
pub struct Credentials {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: String,
    /// `AWS_SESSION_TOKEN`, which every Lambda has.
    pub session_token: Option<String>,
}

impl Credentials {
    /// What an engine takes that looks at no credentials.
    #[must_use]
    pub fn for_local_engine() -> Self {
        Self {
            access_key_id: "local".into(),
            secret_access_key: "local".into(),
            session_token: None,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

pub(crate) fn build(config: &StoreConfig) -> Client {
    let mut builder = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(config.region.clone()))
        .credentials_provider(credentials(config))
        .http_client(http_client(config.endpoint_url.as_deref()))
        // Watches long bodies; ours are short, and have their time-out.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(timeouts())
        .retry_config(retries());
    builder.set_endpoint_url(config.endpoint_url.clone());
    Client::from_conf(builder.build())
}

/// The same for the secrets: the same trust, patience and credentials.
pub(crate) fn build_secrets(
    config: &StoreConfig,
    endpoint_url: Option<String>,
) -> aws_sdk_secretsmanager::Client {
    let mut builder = aws_sdk_secretsmanager::Config::builder()
        .behavior_version(aws_sdk_secretsmanager::config::BehaviorVersion::latest())
        .region(Region::new(config.region.clone()))
        .credentials_provider(credentials(config))
        .http_client(http_client(endpoint_url.as_deref()))
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(timeouts())
        .retry_config(retries());
    builder.set_endpoint_url(endpoint_url);
    aws_sdk_secretsmanager::Client::from_conf(builder.build())
}

/// The same for the queue that events are handed over to.
pub(crate) fn build_queue(
    config: &StoreConfig,
    endpoint_url: Option<String>,
) -> aws_sdk_sqs::Client {
    let mut builder = aws_sdk_sqs::Config::builder()
        .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
        .region(Region::new(config.region.clone()))
        .credentials_provider(credentials(config))
        .http_client(http_client(endpoint_url.as_deref()))
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(timeouts())
        .retry_config(retries().with_max_attempts(QUEUE_ATTEMPTS));
    builder.set_endpoint_url(endpoint_url);
    aws_sdk_sqs::Client::from_conf(builder.build())
}

fn credentials(config: &StoreConfig) -> SdkCredentials {
    let Credentials {
        access_key_id,
        secret_access_key,
        session_token,
    } = config.credentials.clone();
    SdkCredentials::new(
        access_key_id,
        secret_access_key,
        session_token,
        None,
        "shoptrail",
    )
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(Store::OPERATION_TIMEOUT)
        .build()
}

fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(FIRST_BACKOFF)
        .with_max_backoff(LONGEST_BACKOFF)
}

fn http_client(endpoint_url: Option<&str>) -> SharedHttpClient {
    let trust = match endpoint_url {
        None => TrustStore::empty().with_pem_certificate(AMAZON_ROOTS),
        // A plain endpoint needs no trust at all.
        Some(url) if url.starts_with("http://") => return Builder::new().build_http(),
        Some(_) => TrustStore::default(),
    };
    let https = Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
    match TlsContext::builder().with_trust_store(trust).build() {
        Ok(context) => https.tls_context(context).build_https(),
        Err(_) => https.build_https(),
    }
}
