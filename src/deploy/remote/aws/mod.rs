//! Buckets at S3 and distributions at CloudFront: with `jobs/store/`, the only files that name the SDKs.
//!
//! The SDK's own retries are off: it would send a conditional write a second time, and be told that somebody else had
//! been faster. Its correction of the clock is on: what a server's `Date` says is used for the next signature.

mod cloudfront;
mod failure;
mod parts;
mod s3;

use super::{Bucket, Cdn, Failure, Kind};
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector};
use aws_types::service_config::ServiceConfigKey;
use failure::Clock;
use std::sync::Arc;
use std::time::Duration;

/// To be connected.
const CONNECT: Duration = Duration::from_secs(5);
/// For one request and its answer, where no large body is sent.
const ATTEMPT: Duration = Duration::from_secs(30);
/// The slowest line that is waited for, in bytes a second.
const SLOWEST: u64 = 100_000;

/// How long a request with a body of so many bytes may take.
fn patience(bytes: u64) -> Duration {
    ATTEMPT + Duration::from_secs(bytes / SLOWEST)
}

/// What a request with a body of so many bytes is given. There is one attempt, so nothing is said of attempts.
fn timeouts(bytes: u64) -> TimeoutConfig {
    let all = patience(bytes);
    TimeoutConfig::builder().connect_timeout(CONNECT).operation_timeout(all).build()
}

/// An account at AWS, or something that speaks its protocols.
#[derive(Clone, Debug)]
pub struct Aws {
    s3: aws_sdk_s3::Client,
    cloudfront: aws_sdk_cloudfront::Client,
    /// What [`super::Location::store`] says.
    store: String,
    clock: Clock,
}

impl Aws {
    /// Takes the settings that every AWS tool takes: `AWS_REGION`, `AWS_PROFILE`, `AWS_ENDPOINT_URL` and those of S3
    /// and CloudFront alone, credentials of the environment, of the profile or of the machine. What is given here
    /// goes before them. `endpoint` is the address of S3 alone. Nothing is sent to either service yet.
    ///
    /// # Errors
    /// [`Kind::Refused`] where no region is set.
    pub async fn connect(region: Option<&str>, endpoint: Option<&str>, cloudfront_endpoint: Option<&str>) -> Result<Self, Failure> {
        let http = Builder::new().tls_provider(Provider::rustls(CryptoMode::Ring)).build_https();
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(http);
        if let Some(region) = region {
            loader = loader.region(Region::new(region.to_owned()));
        }
        let config = loader.load().await;
        if config.region().is_none() {
            return Err(Failure::new(
                Kind::Refused,
                "no AWS region is set for the buckets: set `region` of the stage, AWS_REGION, or `region` in the AWS profile",
            ));
        }
        Ok(Self::of(&config, endpoint, cloudfront_endpoint))
    }

    /// With settings of one's own.
    pub fn with(config: &SdkConfig) -> Self {
        Self::of(config, None, None)
    }

    fn of(config: &SdkConfig, s3: Option<&str>, cloudfront: Option<&str>) -> Self {
        let s3 = s3.map(str::to_owned).or_else(|| endpoint(config, "S3"));
        let cloudfront = cloudfront.map(str::to_owned).or_else(|| endpoint(config, "CloudFront"));
        let store = match &s3 {
            Some(address) => format!("s3 at {}", address.trim_end_matches('/')),
            // A copy is asked of the region that it goes to, and what there is to know of its source of the source's own.
            None => format!("s3 in {}", config.region().map_or("no region", |region| region.as_ref())),
        };
        let mut of_s3 = aws_sdk_s3::config::Builder::from(config)
            // A store at an address of its own rarely has a host name for each bucket.
            .force_path_style(s3.is_some())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts(0))
            // It watches each body for what the time that a request is given sees to as well.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .interceptor(s3::KnownDigest);
        of_s3.set_endpoint_url(s3);
        let mut of_cloudfront =
            aws_sdk_cloudfront::config::Builder::from(config).retry_config(RetryConfig::disabled()).timeout_config(timeouts(0));
        of_cloudfront.set_endpoint_url(cloudfront);
        Self {
            s3: aws_sdk_s3::Client::from_conf(of_s3.build()),
            cloudfront: aws_sdk_cloudfront::Client::from_conf(of_cloudfront.build()),
            store,
            clock: Clock::new(config.time_source().unwrap_or_default()),
        }
    }

    /// A bucket below a prefix that is empty or ends with `/`.
    pub fn bucket(&self, bucket: &str, prefix: &str) -> Arc<dyn Bucket> {
        Arc::new(s3::S3Bucket::new(self, bucket, prefix))
    }

    /// The account's distributions and functions.
    pub fn cdn(&self) -> Arc<dyn Cdn> {
        let visitor = Connector::builder().tls_provider(Provider::rustls(CryptoMode::Ring)).build();
        Arc::new(cloudfront::CloudFront::new(self, visitor))
    }
}

/// The address that stands in for AWS's own, where the settings name one: for all services or for this one.
fn endpoint(config: &SdkConfig, service: &str) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("endpoint_url").build().ok()?;
    let own = config.service_config().and_then(|settings| settings.load_config(key));
    own.or_else(|| config.endpoint_url().map(str::to_owned))
}
