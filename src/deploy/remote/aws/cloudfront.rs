//! CloudFront's distributions, invalidations and functions.
//!
//! A function has an ETag for each stage; only the one of DEVELOPMENT is good for conditions
//! (<https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_UpdateFunction.html>).

use super::super::{
    Cdn, DistributionInfo, Failure, Fetched, FunctionStage, Invalidation, Kind, RemoteFunction, Running, Tag, Tested,
};
use super::Aws;
use super::failure::{Asked, Clock, chain};
use crate::deploy::invalidation::Item;
use async_trait::async_trait;
use aws_sdk_cloudfront::Client;
use aws_sdk_cloudfront::config::http::{HttpRequest, HttpResponse};
use aws_sdk_cloudfront::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cloudfront::primitives::Blob;
use aws_sdk_cloudfront::types;
use aws_sdk_cloudfront::types::{EventType, FunctionAssociations, FunctionConfig, FunctionRuntime, InvalidationBatch, Paths};
use aws_smithy_http_client::Connector;
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_types::byte_stream::ByteStream;
use serde_json::Value;
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

/// For what the edge is asked.
const FETCH: Duration = Duration::from_secs(10);
/// How many invalidations in progress are asked for their paths.
const ASKED: usize = 20;
const IN_PROGRESS: &str = "InProgress";

/// CloudFront, as an account sees it.
#[derive(Clone, Debug)]
pub(super) struct CloudFront {
    client: Client,
    clock: Clock,
    /// Asks the edge: without signature, and without following redirects.
    visitor: Arc<Connector>,
    /// The host names of distributions, which never change.
    domains: Arc<Mutex<BTreeMap<String, String>>>,
}

impl CloudFront {
    pub(super) fn new(aws: &Aws, visitor: Connector) -> Self {
        Self { client: aws.cloudfront.clone(), clock: aws.clock.clone(), visitor: Arc::new(visitor), domains: Arc::default() }
    }

    fn failed<E>(&self, what: &str, needs: &str, error: &SdkError<E, HttpResponse>) -> Failure
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        Asked { who: "CloudFront", what, needs }.failed(&self.clock, error)
    }

    /// What an error of a change to a function means. That there is none any more is a conflict too.
    fn unchanged<E>(&self, what: &str, needs: &str, error: &SdkError<E, HttpResponse>) -> Failure
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let mut failure = self.failed(what, needs, error);
        if error.code() == Some("NoSuchFunctionExists") {
            failure.kind = Kind::Conflict;
        }
        failure
    }

    /// What is known of a function besides its code.
    async fn described(&self, name: &str, stage: FunctionStage) -> Result<Option<(Tag, FunctionConfig)>, Failure> {
        let what = format!("look at the function {name}");
        let answer = match self.client.describe_function().name(name).stage(staged(stage)).send().await {
            Ok(answer) => answer,
            Err(error) if error.code() == Some("NoSuchFunctionExists") => return Ok(None),
            Err(error) => return Err(self.failed(&what, "cloudfront:DescribeFunction", &error)),
        };
        match (answer.e_tag, answer.function_summary.and_then(|summary| summary.function_config)) {
            (Some(tag), Some(config)) => Ok(Some((Tag(tag), config))),
            _ => Err(lost(&what, "the answer has no ETag or no function in it")),
        }
    }

    async fn domain(&self, id: &str) -> Result<String, Failure> {
        let known = self.domains.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        match known {
            Some(domain) => Ok(domain),
            None => Ok(self.distribution(id).await?.domain),
        }
    }
}

#[async_trait]
impl Cdn for CloudFront {
    async fn distribution(&self, id: &str) -> Result<DistributionInfo, Failure> {
        let what = format!("look at the distribution {id}");
        let answer = self.client.get_distribution().id(id).send().await;
        let answer = answer.map_err(|error| self.failed(&what, "cloudfront:GetDistribution", &error))?;
        let distribution = answer.distribution.ok_or_else(|| lost(&what, "the answer has no distribution in it"))?;
        let config = distribution.distribution_config.as_ref();
        let default = config.and_then(|config| config.default_cache_behavior()?.function_associations());
        let others = config.and_then(|config| config.cache_behaviors()).map(|others| others.items()).unwrap_or_default();
        let all: Vec<_> = default.into_iter().chain(others.iter().filter_map(|other| other.function_associations())).collect();
        let (viewer_request, viewer_response) = (names(&all, &EventType::ViewerRequest), names(&all, &EventType::ViewerResponse));
        let tag_header = config.and_then(|config| config.cache_tag_config()).map(|tags| tags.header_name.clone());
        let domain = distribution.domain_name;
        self.domains.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), domain.clone());
        Ok(DistributionInfo { domain, viewer_request: Some(viewer_request), viewer_response: Some(viewer_response), tag_header })
    }

    async fn invalidate(&self, id: &str, reference: &str, items: &[Item]) -> Result<Invalidation, Failure> {
        let what = format!("invalidate {} items of the distribution {id}", items.len());
        let built = |error: aws_sdk_cloudfront::error::BuildError| Failure::new(Kind::Refused, error.to_string());
        let quantity = i32::try_from(items.len()).unwrap_or(i32::MAX);
        let paths = Paths::builder().quantity(quantity).set_items(Some(items.iter().map(Item::to_string).collect()));
        let batch = InvalidationBatch::builder().caller_reference(reference).paths(paths.build().map_err(built)?);
        let request = self.client.create_invalidation().distribution_id(id).invalidation_batch(batch.build().map_err(built)?);
        let answer = request.send().await.map_err(|error| self.failed(&what, "cloudfront:CreateInvalidation", &error))?;
        answer.invalidation.as_ref().map(progress).ok_or_else(|| lost(&what, "the answer has no invalidation in it"))
    }

    async fn invalidation(&self, id: &str, invalidation: &str) -> Result<Invalidation, Failure> {
        let what = format!("look at the invalidation {invalidation} of the distribution {id}");
        let answer = self.client.get_invalidation().distribution_id(id).id(invalidation).send().await;
        let answer = answer.map_err(|error| self.failed(&what, "cloudfront:GetInvalidation", &error))?;
        answer.invalidation.as_ref().map(progress).ok_or_else(|| lost(&what, "the answer has no invalidation in it"))
    }

    async fn running(&self, id: &str) -> Result<Running, Failure> {
        let what = format!("look at the invalidations of the distribution {id}");
        // The newest come first, and those in progress are new.
        let answer = self.client.list_invalidations().distribution_id(id).max_items(100).send().await;
        let answer = answer.map_err(|error| self.failed(&what, "cloudfront:ListInvalidations", &error))?;
        let list = answer.invalidation_list.ok_or_else(|| lost(&what, "the answer has no list in it"))?;
        let mut running = Running::default();
        for summary in list.items().iter().filter(|summary| summary.status == IN_PROGRESS).take(ASKED) {
            let answer = self.client.get_invalidation().distribution_id(id).id(&summary.id).send().await;
            let answer = answer.map_err(|error| self.failed(&what, "cloudfront:GetInvalidation", &error))?;
            let Some(invalidation) = answer.invalidation.filter(|one| one.status == IN_PROGRESS) else { continue };
            let paths = invalidation.invalidation_batch.and_then(|batch| batch.paths).and_then(|paths| paths.items);
            for path in paths.unwrap_or_default() {
                let count = if path.ends_with('*') { &mut running.wildcards } else { &mut running.paths };
                *count += 1;
            }
        }
        Ok(running)
    }

    async fn fetch(&self, id: &str, url: Option<&str>, path: &str) -> Result<Fetched, Failure> {
        let base = match url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("https://{}", self.domain(id).await?),
        };
        let what = format!("read {base}{path}");
        let refused = |error: &dyn std::fmt::Display| Failure::new(Kind::Refused, format!("could not {what}: {error}"));
        let mut request = HttpRequest::get(format!("{base}{path}")).map_err(|error| refused(&error))?;
        request.headers_mut().try_insert("accept-encoding", "identity").map_err(|error| refused(&error))?;
        let asked = async {
            let answer = self.visitor.call(request).await;
            let answer = answer.map_err(|error| lost(&what, &chain(&error)))?;
            let mut headers = BTreeMap::<String, String>::new();
            for (name, value) in answer.headers() {
                let known = headers.entry(name.to_ascii_lowercase()).or_default();
                if !known.is_empty() {
                    known.push_str(", ");
                }
                known.push_str(value);
            }
            let status = answer.status().as_u16();
            let body = ByteStream::new(answer.into_body()).collect().await;
            let body = body.map_err(|error| lost(&what, &chain(&error)))?;
            Ok(Fetched { status, headers, body: body.to_vec() })
        };
        timeout(FETCH, asked).await.unwrap_or_else(|_| Err(lost(&what, &format!("no answer within {} s", FETCH.as_secs()))))
    }

    async fn function(&self, name: &str, stage: FunctionStage) -> Result<Option<RemoteFunction>, Failure> {
        let what = format!("read the function {name}");
        let Some((_, config)) = self.described(name, stage).await? else { return Ok(None) };
        let answer = match self.client.get_function().name(name).stage(staged(stage)).send().await {
            Ok(answer) => answer,
            Err(error) if error.code() == Some("NoSuchFunctionExists") => return Ok(None),
            Err(error) => return Err(self.failed(&what, "cloudfront:GetFunction", &error)),
        };
        // The tag that came with the code: if it was replaced between the two questions, a condition on it holds.
        let tag = Tag(answer.e_tag.ok_or_else(|| lost(&what, "the answer has no ETag"))?);
        let code = answer.function_code.map(Blob::into_inner).unwrap_or_default();
        Ok(Some(RemoteFunction { tag, code, runtime: config.runtime.as_str().to_owned(), comment: config.comment }))
    }

    async fn create_function(&self, name: &str, code: &str, runtime: &str) -> Result<Tag, Failure> {
        let what = format!("create the function {name}");
        let config = FunctionConfig::builder().comment("").runtime(FunctionRuntime::from(runtime)).build();
        let config = config.map_err(|error| Failure::new(Kind::Refused, error.to_string()))?;
        let request = self.client.create_function().name(name).function_config(config).function_code(Blob::new(code));
        let answer = request.send().await.map_err(|error| self.failed(&what, "cloudfront:CreateFunction", &error))?;
        answer.e_tag.map(Tag).ok_or_else(|| lost(&what, "the answer has no ETag"))
    }

    async fn update_function(&self, name: &str, code: &str, runtime: &str, tag: &Tag) -> Result<Tag, Failure> {
        let what = format!("update the function {name}");
        // What is not said again is forgotten: the comment, and the key-value store that the function reads.
        let Some((_, mut config)) = self.described(name, FunctionStage::Development).await? else {
            return Err(Failure::new(Kind::Conflict, format!("could not {what}: there is none any more")));
        };
        config.runtime = FunctionRuntime::from(runtime);
        let request = self.client.update_function().name(name).if_match(&tag.0).function_config(config);
        let answer = request.function_code(Blob::new(code)).send().await;
        let answer = answer.map_err(|error| self.unchanged(&what, "cloudfront:UpdateFunction", &error))?;
        if let Some(tag) = answer.e_tag {
            return Ok(Tag(tag));
        }
        // The SDK looks for a header that is spelled `ETtag`.
        match self.described(name, FunctionStage::Development).await? {
            Some((tag, _)) => Ok(tag),
            None => Err(Failure::new(Kind::Conflict, format!("could not {what}: there is none any more"))),
        }
    }

    async fn test_function(&self, name: &str, event: &Value, tag: &Tag) -> Result<Tested, Failure> {
        let what = format!("try the function {name}");
        let request = self.client.test_function().name(name).if_match(&tag.0).stage(types::FunctionStage::Development);
        let answer = request.event_object(Blob::new(event.to_string())).send().await;
        let answer = answer.map_err(|error| self.unchanged(&what, "cloudfront:TestFunction", &error))?;
        let result = answer.test_result.ok_or_else(|| lost(&what, "the answer has no result in it"))?;
        let error = result.function_error_message.filter(|message| !message.is_empty());
        let output = result.function_output.filter(|output| !output.is_empty());
        let value = output.map(|output| serde_json::from_str(&output)).transpose();
        let value = value.map_err(|error| lost(&what, &format!("what it returned is no JSON: {error}")))?;
        let utilization = result.compute_utilization.and_then(|percent| percent.parse().ok()).unwrap_or_default();
        Ok(Tested { result: value.filter(|value: &Value| !value.is_null()), error, utilization })
    }

    async fn publish_function(&self, name: &str, tag: &Tag) -> Result<(), Failure> {
        match self.client.publish_function().name(name).if_match(&tag.0).send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.unchanged(&format!("publish the function {name}"), "cloudfront:PublishFunction", &error)),
        }
    }
}

fn lost(what: &str, why: &str) -> Failure {
    Failure::new(Kind::Lost, format!("could not {what}: {why}"))
}

fn staged(stage: FunctionStage) -> types::FunctionStage {
    match stage {
        FunctionStage::Development => types::FunctionStage::Development,
        FunctionStage::Live => types::FunctionStage::Live,
    }
}

fn progress(invalidation: &types::Invalidation) -> Invalidation {
    Invalidation { id: invalidation.id.clone(), is_complete: invalidation.status != IN_PROGRESS }
}

/// The names in `arn:aws:cloudfront::123456789012:function/name`, of those that run at an event.
fn names(associations: &[&FunctionAssociations], event: &EventType) -> Vec<String> {
    let all = associations.iter().flat_map(|one| one.items()).filter(|one| one.event_type == *event);
    let mut names: Vec<String> =
        all.filter_map(|one| one.function_arn.rsplit_once("function/")).map(|(_, name)| name.to_owned()).collect();
    names.sort();
    names.dedup();
    names
}
