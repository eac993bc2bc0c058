//! Where jobs are kept, as people write it: `s3://bucket/prefix`, `dynamodb://table`, or a folder.

use super::dynamo::{DynamoDocuments, DynamoStore};
use super::json::JsonStore;
use super::s3::S3Documents;
use super::{Documents, Store};
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_types::service_config::ServiceConfigKey;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

/// A place for jobs and for the documents beside them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On this machine.
    Folder(PathBuf),
    /// At AWS, or at something that speaks its protocols.
    Remote(Remote),
}

/// A place that is reached over the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remote {
    /// `s3://bucket/prefix`: one `jobs.json`.
    S3 {
        /// The bucket.
        bucket: String,
        /// Empty, or ends with `/`.
        prefix: String,
    },
    /// `dynamodb://table`: one item a job.
    Dynamo {
        /// The table.
        table: String,
    },
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return match text {
                "" => Err("a place for jobs has no name: write a folder, `s3://bucket/prefix` or `dynamodb://table`".to_owned()),
                folder => Ok(Self::Folder(PathBuf::from(folder))),
            };
        };
        let allowed = |name: &str, others: &str| {
            let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || others.contains(c);
            name.len() >= 3 && name.chars().all(good)
        };
        match scheme {
            "s3" => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                if !allowed(bucket, ".-") || bucket.len() > 63 {
                    return Err(format!("`{bucket}` in `{text}` is no bucket: 3 to 63 of a–z, 0–9, `.` and `-`"));
                }
                let prefix = prefix.trim_matches('/');
                let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
                Ok(Self::Remote(Remote::S3 { bucket: bucket.to_owned(), prefix }))
            }
            "dynamodb" => {
                if !allowed(&rest.to_ascii_lowercase(), "._-") || rest.len() > 255 {
                    return Err(format!("`{rest}` in `{text}` is no table: 3 to 255 of A–Z, a–z, 0–9, `.`, `_` and `-`"));
                }
                Ok(Self::Remote(Remote::Dynamo { table: rest.to_owned() }))
            }
            _ => Err(format!("jobs cannot be kept at `{text}`: write a folder, `s3://bucket/prefix` or `dynamodb://table`")),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Remote(remote) => remote.fmt(f),
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
            Self::Dynamo { table } => write!(f, "dynamodb://{table}"),
        }
    }
}

/// Jobs, and the documents beside them.
pub type Opened = (Arc<dyn Store>, Arc<dyn Documents>);

/// Opens a remote place with the settings that every AWS tool takes: `AWS_REGION`, `AWS_PROFILE`,
/// `AWS_ENDPOINT_URL`, credentials of the environment, of the profile or of the machine. Nothing is sent yet.
///
/// # Errors
/// A sentence where no region is set.
pub async fn connect(remote: &Remote) -> Result<Opened, String> {
    let tls = Provider::rustls(CryptoMode::Ring);
    let http = Builder::new().tls_provider(tls).build_https();
    let config = aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(http).load().await;
    if config.region().is_none() {
        return Err(format!("no AWS region is set for {remote}: set AWS_REGION, or `region` in the AWS profile"));
    }
    Ok(open(remote, &config))
}

/// Opens a remote place with settings of one's own.
pub fn open(remote: &Remote, config: &SdkConfig) -> Opened {
    match remote {
        Remote::S3 { bucket, prefix } => {
            let documents = S3Documents::new(config, bucket, prefix);
            (Arc::new(JsonStore::new(documents.clone())), Arc::new(documents))
        }
        Remote::Dynamo { table } => {
            let (store, documents) = (DynamoStore::new(config, table), DynamoDocuments::new(config, table));
            (Arc::new(store), Arc::new(documents))
        }
    }
}

/// The address that stands in for AWS's own, where the settings name one: for all services or for this one.
pub(super) fn endpoint(config: &SdkConfig, service: &str) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("endpoint_url").build().ok()?;
    let own = config.service_config().and_then(|settings| settings.load_config(key));
    own.or_else(|| config.endpoint_url().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_folder_a_bucket_or_a_table() {
        let s3 =
            |bucket: &str, prefix: &str| Ok(Place::Remote(Remote::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() }));
        assert_eq!("s3://jobs-bucket".parse(), s3("jobs-bucket", ""));
        assert_eq!("s3://jobs-bucket/".parse(), s3("jobs-bucket", ""));
        assert_eq!("s3://jobs-bucket/a/b".parse(), s3("jobs-bucket", "a/b/"));
        assert_eq!("s3://jobs-bucket/a/b/".parse(), s3("jobs-bucket", "a/b/"));
        assert_eq!("dynamodb://Jobs_1.x".parse(), Ok(Place::Remote(Remote::Dynamo { table: "Jobs_1.x".to_owned() })));
        assert_eq!(".qdn/local".parse(), Ok(Place::Folder(".qdn/local".into())));
        assert_eq!("C:\\jobs".parse(), Ok(Place::Folder("C:\\jobs".into())));
    }

    #[test]
    fn what_is_no_place_is_refused_in_words() {
        for (text, part) in [
            ("", "no name"),
            ("s3://", "no bucket"),
            ("s3://Jobs", "no bucket"),
            ("s3:///jobs", "no bucket"),
            ("dynamodb://a/b", "no table"),
            ("dynamodb://", "no table"),
            ("gs://bucket", "cannot be kept"),
            ("S3://bucket", "cannot be kept"),
            ("https://example.com", "cannot be kept"),
        ] {
            let error = text.parse::<Place>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_place_is_shown_as_it_is_written() {
        for text in ["s3://jobs-bucket/a/", "dynamodb://jobs", "some/folder"] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
    }
}
