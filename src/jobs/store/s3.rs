//! Documents as objects of an S3 bucket: the one file that names the S3 SDK.
//!
//! S3 answers a conditional write with 412 where the condition does not hold, with 409 where another write
//! to the same key was under way, and with 404 where the object to replace is gone
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>). Some stores that speak
//! its protocol pass over the condition and write: those are found out before anything is written to them.

use super::documents::{Documents, Read, Tag, When, WriteError};
use super::place::endpoint;
use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::put_object::{PutObjectError, PutObjectOutput};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumAlgorithm;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::timeout;

/// For one read or write, its retries included.
const OPERATION: Duration = Duration::from_secs(4);
/// For one try of a read.
const ATTEMPT: Duration = Duration::from_millis(1_500);
/// How often a read begins anew whose body was cut off: the SDK retries up to the head of the answer only.
const READS: u32 = 3;
/// An object that no document is: conditional writes are tried out on it.
const PROBE: &str = "probe";
/// An ETag that no object has.
const NO_TAG: &str = "\"00000000000000000000000000000000\"";

/// Documents below a prefix of a bucket.
#[derive(Clone, Debug)]
pub struct S3Documents {
    client: Client,
    bucket: String,
    prefix: String,
    /// Set once the store was seen to obey `If-Match`.
    replaces: Arc<OnceCell<()>>,
    /// Set once the store was seen to obey `If-None-Match`.
    creates: Arc<OnceCell<()>>,
}

impl S3Documents {
    /// Documents in a bucket, below a prefix that is empty or ends with `/`.
    pub fn new(config: &SdkConfig, bucket: &str, prefix: &str) -> Self {
        let timeouts = TimeoutConfig::builder().operation_timeout(OPERATION).operation_attempt_timeout(ATTEMPT).build();
        let config = Builder::from(config)
            // A store at an address of its own rarely has a host name for each bucket.
            .force_path_style(endpoint(config, "S3").is_some())
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(50)))
            .build();
        Self {
            client: Client::from_conf(config),
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            replaces: Arc::default(),
            creates: Arc::default(),
        }
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    async fn fetch(&self, name: &str, known: Option<&Tag>) -> Result<Read, Fetch> {
        let request = self.client.get_object().bucket(&self.bucket).key(self.key(name));
        let object = match request.set_if_none_match(known.map(|tag| tag.0.clone())).send().await {
            Ok(object) => object,
            Err(error) => {
                return match (status(&error), error.code()) {
                    (Some(304), _) => Ok(Read::Unchanged),
                    // Nothing but this code: any web server has a 404.
                    (Some(404), Some("NoSuchKey")) => Ok(Read::Missing),
                    _ => Err(Fetch::Failed(self.words(name, &error))),
                };
            }
        };
        let Some(tag) = object.e_tag().map(|tag| Tag(tag.to_owned())) else {
            return Err(Fetch::Failed(format!("{} came without an ETag, so it could not be written safely", self.place(name))));
        };
        match object.body.collect().await {
            Ok(bytes) => Ok(Read::Found(bytes.to_vec(), tag)),
            Err(error) => Err(Fetch::Cut(format!("{} was cut off: {}", self.place(name), DisplayErrorContext(&error)))),
        }
    }

    /// Writes once: a retry of a write that did happen would be told 412, as if it had not.
    async fn put(&self, name: &str, bytes: Vec<u8>, when: &When) -> Result<PutObjectOutput, SdkError<PutObjectError>> {
        let request = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(self.key(name))
            .content_type("application/json")
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .body(ByteStream::from(bytes));
        let request = match when {
            When::Missing => request.if_none_match("*"),
            When::Unchanged(tag) => request.if_match(&tag.0),
        };
        let timeouts = TimeoutConfig::builder().operation_timeout(OPERATION).operation_attempt_timeout(OPERATION).build();
        let once = Builder::new().retry_config(RetryConfig::disabled()).timeout_config(timeouts);
        request.customize().config_override(once).send().await
    }

    /// Makes sure, once, that a write with such a condition is refused where the condition does not hold.
    async fn try_out(&self, when: &When) -> Result<(), String> {
        match when {
            // Where conditions are obeyed this writes nothing.
            When::Unchanged(_) => self.replaces.get_or_try_init(|| self.probe("If-Match", NO_TAG)).await?,
            When::Missing => self.creates.get_or_try_init(|| self.probe("If-None-Match", "*")).await?,
        };
        Ok(())
    }

    async fn probe(&self, header: &str, value: &str) -> Result<(), String> {
        // Creating succeeds where there is no probe yet; the second time it must not.
        let tries = if header == "If-None-Match" { 2 } else { 1 };
        for _ in 0..tries {
            let when = if header == "If-None-Match" { When::Missing } else { When::Unchanged(Tag(value.to_owned())) };
            match self.put(PROBE, b"{}\n".to_vec(), &when).await {
                Ok(_) => {}
                Err(error) if self.is_conflict(&error) => return Ok(()),
                Err(error) => return Err(format!("conditional writes could not be tried out: {}", self.words(PROBE, &error))),
            }
        }
        Err(format!(
            "the store at s3://{} passes over `{header}`: it wrote {} although the condition did not hold. Two writers would undo \
             each other’s changes there, so nothing else is written. Use S3 itself, or a store with conditional writes",
            self.bucket,
            self.place(PROBE)
        ))
    }

    fn is_conflict(&self, error: &SdkError<PutObjectError>) -> bool {
        match status(error) {
            Some(412 | 409) => true,
            Some(404) => error.code() == Some("NoSuchKey"),
            _ => false,
        }
    }

    /// An error in words, with what can be done about it.
    fn words<E: ProvideErrorMetadata + Error + 'static>(&self, name: &str, error: &SdkError<E, HttpResponse>) -> String {
        let place = self.place(name);
        let (Some(status), Some(service)) = (status(error), error.as_service_error()) else {
            return format!("{place} cannot be reached: {}", DisplayErrorContext(error));
        };
        let code = service.code().unwrap_or("no reason");
        let message = service.message().unwrap_or("no message");
        let said = format!("S3 answered {status} {code} for {place}: {message}");
        match (status, code) {
            (403, _) => format!(
                "{said}. The role needs s3:GetObject and s3:PutObject on this prefix, and s3:ListBucket on the bucket: without \
                 s3:ListBucket, S3 says 403 of an object that does not exist"
            ),
            (404, "NoSuchBucket") => format!("{said}. Create the bucket, or correct its name and region"),
            (301, _) => format!("{said}. The bucket is in another region: set AWS_REGION to its own"),
            (501, _) => format!("{said}. Conditional writes are needed; this store has none"),
            _ => said,
        }
    }
}

/// Why an object was not read.
enum Fetch {
    /// Asking again may help.
    Cut(String),
    /// It does not.
    Failed(String),
}

fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

#[async_trait]
impl Documents for S3Documents {
    async fn read(&self, name: &str, known: Option<&Tag>) -> Result<Read, String> {
        let mut cut = String::new();
        for _ in 0..READS {
            match timeout(OPERATION, self.fetch(name, known)).await {
                Ok(Ok(read)) => return Ok(read),
                Ok(Err(Fetch::Failed(why))) => return Err(why),
                Ok(Err(Fetch::Cut(why))) => cut = why,
                Err(_) => return Err(format!("{} did not arrive within {} s", self.place(name), OPERATION.as_secs())),
            }
        }
        Err(cut)
    }

    async fn write(&self, name: &str, bytes: Vec<u8>, when: &When) -> Result<Tag, WriteError> {
        self.try_out(when).await.map_err(WriteError::Failed)?;
        match self.put(name, bytes, when).await {
            Ok(answer) => match answer.e_tag() {
                Some(tag) => Ok(Tag(tag.to_owned())),
                None => Err(WriteError::Unknown(format!("{} was written without an ETag in the answer", self.place(name)))),
            },
            Err(error) if self.is_conflict(&error) => Err(WriteError::Conflict),
            Err(error @ SdkError::ConstructionFailure(_)) => Err(WriteError::Failed(self.words(name, &error))),
            Err(error) => {
                let words = self.words(name, &error);
                match status(&error) {
                    // `RequestTimeout` is what S3 says, with 400, when the body came too slowly.
                    Some(400..=499) if error.code() != Some("RequestTimeout") => Err(WriteError::Failed(words)),
                    Some(300..=399 | 501) => Err(WriteError::Failed(words)),
                    _ => Err(WriteError::Unknown(words)),
                }
            }
        }
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>, String> {
        let mut names = Vec::new();
        let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(self.key(folder));
        let mut pages = request.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.words(folder, &error))?;
            let keys = page.contents().iter().filter_map(|object| object.key());
            names.extend(keys.filter_map(|key| key.strip_prefix(&self.prefix)).map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    fn place(&self, name: &str) -> String {
        format!("s3://{}/{}", self.bucket, self.key(name))
    }
}
