//! What an error of the SDK means to whoever asked, and the words for it.

use super::super::{Failure, Kind};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use aws_smithy_async::time::SharedTimeSource;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

/// S3 refuses what is signed with a clock that is off by 15 minutes, CloudFront by five
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>, `RequestTimeTooSkewed`). The SDK takes
/// four for a sign of a wrong clock.
const SKEW: Duration = Duration::from_secs(4 * 60);

/// This machine's clock, and whether somebody was told already that it is wrong.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    source: SharedTimeSource,
    warned: Arc<AtomicBool>,
}

impl Clock {
    pub(super) fn new(source: SharedTimeSource) -> Self {
        Self { source, warned: Arc::default() }
    }

    /// Now, by this machine.
    pub(super) fn now(&self) -> SystemTime {
        self.source.now()
    }

    /// How far the answer's `Date` is from this machine's clock, where that is too far.
    fn skew(&self, response: &HttpResponse) -> Option<Duration> {
        let theirs = date(response)?;
        let ours = self.source.now();
        let skew = theirs.duration_since(ours).or_else(|_| ours.duration_since(theirs)).ok()?;
        (skew > SKEW).then_some(skew)
    }

    fn warn(&self, skew: Duration) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "the clock of this machine is off by {} minutes, so AWS refused a request; its own time is used from now on",
                skew.as_secs() / 60
            );
        }
    }
}

/// When an answer was given, by whoever gave it.
pub(super) fn date(response: &HttpResponse) -> Option<SystemTime> {
    let text = response.headers().get("date")?;
    SystemTime::try_from(DateTime::from_str(text, DateTimeFormat::HttpDate).ok()?).ok()
}

/// A request, as an error tells of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// Who was asked: `S3`.
    pub(super) who: &'static str,
    /// What for, after "could not": `write s3://bucket/key`.
    pub(super) what: &'a str,
    /// What IAM must allow for it, in words.
    pub(super) needs: &'a str,
}

/// The status of the answer, where one came.
pub(super) fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

impl Asked<'_> {
    fn fail(&self, kind: Kind, why: impl std::fmt::Display) -> Failure {
        Failure::new(kind, format!("could not {}: {why}", self.what))
    }

    /// An error of the SDK as one of ours.
    pub(super) fn failed<E>(&self, clock: &Clock, error: &SdkError<E, HttpResponse>) -> Failure
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        if let Some(why) = credentials(error) {
            let passing = matches!(why, CredentialsError::ProviderTimedOut(_));
            return self.fail(
                if passing { Kind::Busy } else { Kind::Refused },
                format!("no credentials: {}. Sign in again, or set AWS_PROFILE, and run it again", chain(why)),
            );
        }
        let all = chain(error);
        let response = match error {
            SdkError::ConstructionFailure(_) => return self.fail(Kind::Refused, all),
            SdkError::DispatchFailure(failure) if failure.is_user() => return self.fail(Kind::Refused, all),
            SdkError::ServiceError(service) => service.raw(),
            SdkError::ResponseError(answer) => answer.raw(),
            _ => return self.fail(Kind::Lost, format!("{} did not answer: {all}", self.who)),
        };
        let status = response.status().as_u16();
        let (code, message) = match error.as_service_error() {
            Some(error) => (error.code().unwrap_or_default(), error.message().unwrap_or("no message")),
            None => ("", "no message"),
        };
        if code.is_empty() && response.status().is_success() {
            return self.fail(Kind::Lost, format!("the answer of {} was cut off or is no answer of its: {all}", self.who));
        }
        self.answered(clock, response, status, code, message)
    }

    fn answered(&self, clock: &Clock, response: &HttpResponse, status: u16, code: &str, message: &str) -> Failure {
        let named = if code.is_empty() { "with no reason" } else { code };
        let said = format!("{} answered {status} {named}: {message}", self.who);
        let needs = self.needs;
        let (kind, hint) = match (status, code) {
            // Of a request that has no body, and so no code, the time alone can tell.
            (403, "" | "SignatureDoesNotMatch" | "InvalidSignatureException")
            | (_, "RequestTimeTooSkewed" | "RequestInTheFuture")
                if clock.skew(response).is_some() =>
            {
                let skew = clock.skew(response).unwrap_or_default();
                clock.warn(skew);
                (Kind::Busy, format!("The clock of this machine is off by {} minutes: set it", skew.as_secs() / 60))
            }
            (412, _) | (_, "InvalidIfMatchVersion" | "FunctionAlreadyExists") => (Kind::Conflict, String::new()),
            (_, "ConditionalRequestConflict" | "OperationAborted") => (Kind::Busy, String::new()),
            (_, "RequestTimeout") => (Kind::Lost, String::new()),
            (_, "TooManyInvalidationsInProgress") => (Kind::Full, String::new()),
            (_, "SlowDown" | "InternalError" | "ServiceUnavailable" | "TooManyRequests" | "RequestLimitExceeded") => {
                (Kind::Busy, String::new())
            }
            (501, _) | (_, "NotImplemented") => (Kind::Unsupported, "This store cannot do that".to_owned()),
            (429 | 500..=599, _) => (Kind::Busy, String::new()),
            (_, code) if code.starts_with("Throttl") => (Kind::Busy, String::new()),
            (_, "BadDigest" | "XAmzContentSHA256Mismatch") => {
                let why = format!("it was changed while it was being sent, or on the way, and was not stored. {said}");
                return self.fail(Kind::Refused, why);
            }
            (_, "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" | "TokenRefreshRequired") => {
                (Kind::Refused, "The credentials have expired: sign in again, and run it again".to_owned())
            }
            (
                _,
                "InvalidAccessKeyId"
                | "SignatureDoesNotMatch"
                | "InvalidClientTokenId"
                | "UnrecognizedClientException"
                | "InvalidToken",
            ) => (Kind::Refused, "The credentials are not valid: see AWS_PROFILE and AWS_ACCESS_KEY_ID".to_owned()),
            (301 | 307, _) | (_, "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => {
                let region = match response.headers().get("x-amz-bucket-region") {
                    Some(region) => format!("in {region}: set `region` of the stage, or AWS_REGION, to it"),
                    None => "in another region: set `region` of the stage, or AWS_REGION, to its own".to_owned(),
                };
                (Kind::Refused, format!("The bucket is {region}"))
            }
            // An answer to HEAD has no body, and so no reason.
            (403, "") => (
                Kind::Refused,
                format!(
                    "Either the credentials have expired (sign in again, and run it again), or it is not allowed: allow {needs}"
                ),
            ),
            (403, _) => (Kind::Refused, format!("Allow {needs}")),
            (_, "NoSuchBucket") => (Kind::Refused, "Create the bucket, or correct its name and region".to_owned()),
            (_, "NoSuchDistribution") => (Kind::Refused, "Correct the distribution’s id".to_owned()),
            (_, "InvalidationBatchAlreadyExists") => {
                (Kind::Refused, "An invalidation of other paths has the same reference".to_owned())
            }
            _ => (Kind::Refused, String::new()),
        };
        match hint.as_str() {
            "" => self.fail(kind, said),
            hint => self.fail(kind, format!("{said}. {hint}")),
        }
    }
}

/// An error and those behind it, each that says something new.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let part = error.to_string();
        if !parts.iter().any(|known| known.contains(&part)) {
            parts.push(part);
        }
        next = error.source();
    }
    parts.join(": ")
}

/// The reason, where there are no credentials to sign with.
fn credentials<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CredentialsError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<CredentialsError>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
