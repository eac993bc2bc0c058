//! A bucket at S3.
//!
//! S3 answers a conditional write with 412 where the condition does not hold, with 409 where another write to the same
//! key was under way, and with 404 where the object to replace is gone
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>). What every write carries is its
//! SHA-256: S3 computes it too, and refuses other bytes with `BadDigest`
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>).

use super::super::{
    Ahead, Bucket, Content, Described, Failure, Found, Kind, Listed, Location, Stat, Tag, When, check_length, read_file,
};
use super::failure::{Asked, Clock, chain, date, status};
use super::{Aws, patience, timeouts};
use crate::deploy::invalidation::tags::METADATA;
use async_trait::async_trait;
use aws_runtime::auth::PayloadSigningOverride;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::interceptors::{BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut};
use aws_sdk_s3::config::{Builder, ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::{BoxError, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, EncodingType, MetadataDirective};
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;
use tokio::sync::OnceCell;
use tokio::time::timeout;

/// From this size on an object goes in parts, in bytes.
pub(super) const PARTS_FROM: u64 = 16 << 20;
/// Up to this size one `CopyObject` copies, in bytes (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>).
const COPIED_AT_ONCE: u64 = 5 << 30;
/// Up to this size a file is read before it is sent, in bytes: the SDK sends memory in one piece.
const AT_ONCE: u64 = 1 << 20;
/// The user metadata that tells the digest of what went in parts: the checksum that S3 keeps of it is one of the
/// parts' checksums.
pub(super) const DIGEST: &str = "sha256";
/// An object that is part of nothing: conditional writes are tried out on it.
const PROBE: &str = "probe";
/// An object that never is: conditional copies are tried out on it.
const COPY_PROBE: &str = ".qdn-probe";
/// An ETag that no object has.
const NO_TAG: &str = "\"00000000000000000000000000000000\"";
/// What stands in a header as it is where a whole key is named.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What IAM must allow, by what is done.
pub(super) const TO_WRITE: &str = "s3:PutObject and s3:GetObject on it (a condition is a question about what is there)";
pub(super) const TO_COPY: &str = "s3:GetObject on what is copied, s3:PutObject and s3:GetObject where it goes";
const TO_READ: &str = "s3:GetObject on it and s3:ListBucket on the bucket: without s3:ListBucket, S3 answers 403 also where \
                       there is no such object";
const TO_REMOVE: &str = "s3:DeleteObject and s3:GetObject on it";
const TO_LIST: &str = "s3:ListBucket on the bucket";

/// Objects below a prefix of a bucket.
#[derive(Clone, Debug)]
pub(super) struct S3Bucket {
    pub(super) client: Client,
    pub(super) clock: Clock,
    pub(super) name: String,
    prefix: String,
    store: String,
    /// Whether copies obey conditions, once that was tried out.
    copies: Arc<OnceCell<bool>>,
    /// Whether they obey conditions on what is copied.
    sources: Arc<OnceCell<bool>>,
    /// How many of the conditions were tried out already, and hold.
    obeyed: Arc<AtomicU8>,
}

impl S3Bucket {
    pub(super) fn new(aws: &Aws, bucket: &str, prefix: &str) -> Self {
        Self {
            client: aws.s3.clone(),
            clock: aws.clock.clone(),
            name: bucket.to_owned(),
            prefix: prefix.to_owned(),
            store: aws.store.clone(),
            copies: Arc::default(),
            sources: Arc::default(),
            obeyed: Arc::default(),
        }
    }

    pub(super) fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    pub(super) fn place(&self, key: &str) -> String {
        format!("s3://{}/{}{key}", self.name, self.prefix)
    }

    pub(super) fn failed<E>(&self, what: &str, needs: &str, error: &SdkError<E, HttpResponse>) -> Failure
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        Asked { who: "S3", what, needs }.failed(&self.clock, error)
    }

    /// What an error of a conditional write means. That there is nothing to replace is a conflict too.
    pub(super) fn unwritten<E>(&self, what: &str, needs: &str, when: &When, error: &SdkError<E, HttpResponse>) -> Failure
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let mut failure = self.failed(what, needs, error);
        if matches!(when, When::Is(_)) && error.code() == Some("NoSuchKey") {
            failure.kind = Kind::Conflict;
        }
        failure
    }

    /// The tag of an answer to a write.
    pub(super) fn tagged(&self, key: &str, tag: Option<&str>) -> Result<Tag, Failure> {
        match tag {
            Some(tag) => Ok(Tag(tag.to_owned())),
            None => Err(Failure::new(Kind::Lost, format!("{} was written without an ETag in the answer", self.place(key)))),
        }
    }

    async fn put_whole(&self, key: &str, body: ByteStream, described: &Described<'_>, when: &When) -> Result<Tag, Failure> {
        let (missing, is) = conditions(when);
        let mut request = self
            .client
            .put_object()
            .bucket(&self.name)
            .key(self.key(key))
            .content_type(described.content_type)
            .set_cache_control(some(described.cache_control))
            .checksum_sha256(base64_of(described.sha256)?)
            .set_if_none_match(missing)
            .set_if_match(is)
            .body(body);
        if !described.cache_tag.is_empty() {
            request = request.metadata(METADATA, described.cache_tag);
        }
        // An override costs as much time as the rest of the request: none where the usual patience will do.
        let answer = if described.size > AT_ONCE {
            request.customize().config_override(Builder::new().timeout_config(timeouts(described.size))).send().await
        } else {
            request.send().await
        };
        match answer {
            Ok(answer) => self.tagged(key, answer.e_tag()),
            Err(error) => Err(self.unwritten(&format!("write {}", self.place(key)), TO_WRITE, when, &error)),
        }
    }

    async fn put_file(&self, key: &str, path: &Path, described: &Described<'_>, when: &When) -> Result<Tag, Failure> {
        if described.size <= AT_ONCE {
            let bytes = read_file(path, described.size).await?;
            return self.put_whole(key, ByteStream::from(bytes), described, when).await;
        }
        check_size(path, described.size).await?;
        let unreadable = |error| Failure::new(Kind::Refused, format!("{} cannot be read: {error}", path.display()));
        let body = ByteStream::read_from().path(path).buffer_size(256 << 10).build().await.map_err(unreadable)?;
        match self.put_whole(key, body, described, when).await {
            // A file that grew shorter breaks the connection, which looks like any other break.
            Err(failure) if failure.kind == Kind::Lost => {
                check_size(path, described.size).await?;
                Err(failure)
            }
            other => other,
        }
    }

    /// One `CopyObject`. A source that is gone is a refusal: it looks like a conflict otherwise.
    async fn copy_whole(
        &self,
        from: &Location,
        is: Option<&Tag>,
        key: &str,
        described: &Described<'_>,
        when: &When,
    ) -> Result<Tag, Failure> {
        let what = format!("copy s3://{from} to {}", self.place(key));
        let (missing, matches) = conditions(when);
        let mut request = self
            .client
            .copy_object()
            .copy_source(source(from))
            .set_copy_source_if_match(is.map(|tag| tag.0.clone()))
            .bucket(&self.name)
            .key(self.key(key))
            .metadata_directive(MetadataDirective::Replace)
            .content_type(described.content_type)
            .set_cache_control(some(described.cache_control))
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .set_if_none_match(missing)
            .set_if_match(matches);
        if !described.cache_tag.is_empty() {
            request = request.metadata(METADATA, described.cache_tag);
        }
        let answer = if described.size >= PARTS_FROM {
            request = request.metadata(DIGEST, described.sha256);
            request.customize().config_override(Builder::new().timeout_config(timeouts(described.size))).send().await
        } else {
            request.send().await
        };
        let result = match answer {
            Ok(answer) => answer.copy_object_result,
            Err(error) if error.code() == Some("NoSuchKey") => {
                self.source(from, described).await?;
                return Err(self.unwritten(&what, TO_COPY, when, &error));
            }
            Err(error) => return Err(self.failed(&what, TO_COPY, &error)),
        };
        let mut digest = result.as_ref().and_then(|result| digest_of(result.checksum_sha256()));
        if digest.is_none() && is.is_some() {
            let stat = self.stat(key).await?;
            digest = Some(stat.and_then(|stat| stat.sha256).unwrap_or_default());
        }
        if digest.is_some_and(|digest| digest != described.sha256) {
            return Err(Failure::new(
                Kind::Refused,
                format!("{} now has other bytes than the release: s3://{from} was overwritten", self.place(key)),
            ));
        }
        self.tagged(key, result.as_ref().and_then(|result| result.e_tag()))
    }

    /// The tag of what is copied, if it is there and what it should be.
    pub(super) async fn source(&self, from: &Location, described: &Described<'_>) -> Result<Tag, Failure> {
        let what = format!("copy s3://{from}");
        let head = self.client.head_object().bucket(&from.bucket).key(&from.key).checksum_mode(ChecksumMode::Enabled);
        let head = match head.send().await {
            Ok(head) => head,
            Err(error) if status(&error) == Some(404) => {
                return Err(Failure::new(Kind::Refused, format!("could not {what}: there is no such object")));
            }
            Err(error) => return Err(self.failed(&what, TO_READ, &error)),
        };
        let digest = digest_of(head.checksum_sha256()).or_else(|| head.metadata()?.get(DIGEST).cloned());
        let size = u64::try_from(head.content_length().unwrap_or_default()).unwrap_or_default();
        if size != described.size || digest.is_some_and(|digest| digest != described.sha256) {
            return Err(Failure::new(Kind::Refused, format!("could not {what}: its bytes are others than the release says")));
        }
        match head.e_tag() {
            Some(tag) => Ok(Tag(tag.to_owned())),
            None => Err(Failure::new(Kind::Refused, format!("could not {what}: it came without an ETag"))),
        }
    }

    /// Whether a copy whose condition cannot hold is refused. Where it is not an object comes of it, which goes again.
    async fn copies_obey(&self, from: &Location, described: &Described<'_>) -> Result<bool, Failure> {
        let probe = async || {
            self.source(from, described).await?;
            self.refuses_copy(from, None, described, &When::Is(Tag(NO_TAG.to_owned()))).await
        };
        self.copies.get_or_try_init(probe).await.copied()
    }

    /// The same of a condition on what is copied.
    async fn sources_obey(&self, from: &Location, described: &Described<'_>) -> Result<bool, Failure> {
        let never = Tag(NO_TAG.to_owned());
        let probe = || self.refuses_copy(from, Some(&never), described, &When::Missing);
        self.sources.get_or_try_init(probe).await.copied()
    }

    /// Whether a copy is refused that has to be. If not, what came of it is removed.
    async fn refuses_copy(
        &self,
        from: &Location,
        is: Option<&Tag>,
        described: &Described<'_>,
        when: &When,
    ) -> Result<bool, Failure> {
        match self.copy_whole(from, is, COPY_PROBE, described, when).await {
            Ok(tag) => {
                self.remove(COPY_PROBE, &tag).await?;
                Ok(false)
            }
            Err(failure) if failure.kind == Kind::Conflict => Ok(true),
            Err(failure) if failure.kind == Kind::Unsupported => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Writes the probe, or is refused.
    async fn try_out(&self, when: &When) -> Result<bool, Failure> {
        const BODY: &[u8] = b"{}\n";
        const SHA256: &str = "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356";
        let described = Described {
            sha256: SHA256,
            size: BODY.len() as u64,
            content_type: "application/json",
            cache_control: "",
            cache_tag: "",
        };
        match self.put_whole(PROBE, ByteStream::from_static(BODY), &described, when).await {
            Ok(_) => Ok(false),
            Err(failure) if failure.kind == Kind::Conflict => Ok(true),
            Err(failure) => Err(failure),
        }
    }

    fn disobeys(&self, header: &str, did: &str) -> Failure {
        Failure::new(
            Kind::Refused,
            format!(
                "the store at s3://{} passes over `{header}`: it {did} {} although the condition did not hold. Two publishers \
                 would undo each other’s changes there. Use S3 itself, or a store with conditional writes",
                self.name,
                self.place(PROBE)
            ),
        )
    }
}

#[async_trait]
impl Bucket for S3Bucket {
    async fn read(&self, key: &str) -> Result<Option<Found>, Failure> {
        let what = format!("read {}", self.place(key));
        let dated = Dated::default();
        let request = self.client.get_object().bucket(&self.name).key(self.key(key)).customize().interceptor(dated.clone());
        let object = match request.send().await {
            Ok(object) => object,
            // Nothing but this code: any web server has a 404.
            Err(error) if error.code() == Some("NoSuchKey") => return Ok(None),
            Err(error) => return Err(self.failed(&what, TO_READ, &error)),
        };
        let lost = |why: String| Failure::new(Kind::Lost, format!("could not {what}: {why}"));
        let tag = Tag(object.e_tag().ok_or_else(|| lost("it came without an ETag".to_owned()))?.to_owned());
        let now = dated.0.get().copied().unwrap_or_else(|| self.clock.now());
        let written = object.last_modified().and_then(|time| SystemTime::try_from(*time).ok()).unwrap_or(now);
        let size = u64::try_from(object.content_length().unwrap_or_default()).unwrap_or_default();
        let bytes = match timeout(patience(size), object.body.collect()).await {
            Ok(Ok(bytes)) => bytes.to_vec(),
            Ok(Err(error)) => return Err(lost(format!("it was cut off: {}", chain(&error)))),
            Err(_) => return Err(lost(format!("it did not arrive within {} s", patience(size).as_secs()))),
        };
        Ok(Some(Found { bytes, tag, age: now.duration_since(written).unwrap_or_default() }))
    }

    async fn read_range(&self, key: &str, offset: u64, size: u64) -> Result<Option<Vec<u8>>, Failure> {
        let last = offset.saturating_add(size).saturating_sub(1);
        let what = format!("read the bytes {offset} to {last} of {}", self.place(key));
        let request = self.client.get_object().bucket(&self.name).key(self.key(key)).range(format!("bytes={offset}-{last}"));
        let object = match request.send().await {
            Ok(object) => object,
            Err(error) if error.code() == Some("NoSuchKey") => return Ok(None),
            Err(error) => return Err(self.failed(&what, TO_READ, &error)),
        };
        let is_part = object.content_range().is_some();
        let length = u64::try_from(object.content_length().unwrap_or_default()).unwrap_or_default();
        let bytes = match timeout(patience(length), object.body.collect()).await {
            Ok(Ok(bytes)) => bytes.to_vec(),
            Ok(Err(error)) => {
                return Err(Failure::new(Kind::Lost, format!("could not {what}: it was cut off: {}", chain(&error))));
            }
            Err(_) => {
                let seconds = patience(length).as_secs();
                return Err(Failure::new(Kind::Lost, format!("could not {what}: it did not arrive within {seconds} s")));
            }
        };
        // A store may send everything all the same.
        let from = if is_part { 0 } else { usize::try_from(offset).unwrap_or(usize::MAX) };
        let length = usize::try_from(size).unwrap_or(usize::MAX);
        match bytes.get(from..from.saturating_add(length)) {
            Some(all) if all.len() == bytes.len() => Ok(Some(bytes)),
            Some(part) => Ok(Some(part.to_vec())),
            None => Err(Failure::new(Kind::Refused, format!("could not {what}: it ends before that"))),
        }
    }

    async fn stat(&self, key: &str) -> Result<Option<Stat>, Failure> {
        let what = format!("look at {}", self.place(key));
        let request = self.client.head_object().bucket(&self.name).key(self.key(key)).checksum_mode(ChecksumMode::Enabled);
        let head = match request.send().await {
            Ok(head) => head,
            // An answer to HEAD has no body, so no code says more.
            Err(error) if status(&error) == Some(404) => return Ok(None),
            Err(error) => return Err(self.failed(&what, TO_READ, &error)),
        };
        let Some(tag) = head.e_tag() else {
            return Err(Failure::new(Kind::Refused, format!("could not {what}: it has no ETag, so it cannot be replaced safely")));
        };
        Ok(Some(Stat {
            tag: Tag(tag.to_owned()),
            size: u64::try_from(head.content_length().unwrap_or_default()).unwrap_or_default(),
            sha256: digest_of(head.checksum_sha256()).or_else(|| head.metadata()?.get(DIGEST).cloned()),
            content_type: content_type(&head),
            cache_control: head.cache_control().unwrap_or_default().to_owned(),
            cache_tag: head.metadata().and_then(|metadata| metadata.get(METADATA).cloned()).unwrap_or_default(),
        }))
    }

    async fn put(&self, key: &str, content: &Content, described: &Described<'_>, when: &When) -> Result<Tag, Failure> {
        match content {
            _ if described.size >= PARTS_FROM => self.put_parts(key, content, described, when).await,
            Content::Bytes(bytes) => {
                let body = ByteStream::from(Bytes::from_owner(Arc::clone(bytes)));
                self.put_whole(key, body, described, when).await
            }
            Content::File(path) => {
                let put = self.put_file(key, path, described, when).await;
                put.map_err(|failure| match failure.kind {
                    Kind::Refused => Failure { message: format!("{}: {}", path.display(), failure.message), ..failure },
                    _ => failure,
                })
            }
        }
    }

    async fn send_ahead(&self, key: &str, content: &Content, described: &Described<'_>) -> Result<Ahead, Failure> {
        self.send_parts(key, content, described).await
    }

    async fn complete(&self, key: &str, ahead: &Ahead, when: &When) -> Result<Option<Tag>, Failure> {
        self.upload(key, ahead).complete_ahead(ahead, when).await
    }

    async fn give_up(&self, key: &str, ahead: &Ahead) -> Result<(), Failure> {
        self.upload(key, ahead).abort().await
    }

    async fn keep(&self, from: &Location, is: &Tag, key: &str, described: &Described<'_>) -> Result<Tag, Failure> {
        let is_one = from.store == self.store && (PARTS_FROM..=COPIED_AT_ONCE).contains(&described.size);
        if !is_one || !self.sources_obey(from, described).await? {
            return self.copy(from, Some(is), key, described, &When::Missing).await;
        }
        if self.source(from, described).await? != *is {
            return Err(Failure::new(Kind::Conflict, format!("could not copy s3://{from}: somebody else wrote it")));
        }
        self.copy_whole(from, Some(is), key, described, &When::Missing).await
    }

    async fn copy(
        &self,
        from: &Location,
        is: Option<&Tag>,
        key: &str,
        described: &Described<'_>,
        when: &When,
    ) -> Result<Tag, Failure> {
        if from.store != self.store {
            let why = format!("{} and {} are not in the same store", from.store, self.store);
            return Err(Failure::new(Kind::Unsupported, format!("could not copy {from} to {}: {why}", self.place(key))));
        }
        if described.size >= PARTS_FROM {
            return self.copy_parts(from, is, key, described, when).await;
        }
        if !self.copies_obey(from, described).await? || is.is_some() && !self.sources_obey(from, described).await? {
            let why = "this store copies without obeying conditions";
            return Err(Failure::new(Kind::Unsupported, format!("could not copy s3://{from} to {}: {why}", self.place(key))));
        }
        self.copy_whole(from, is, key, described, when).await
    }

    async fn remove(&self, key: &str, tag: &Tag) -> Result<(), Failure> {
        let request = self.client.delete_object().bucket(&self.name).key(self.key(key)).if_match(&tag.0);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("NoSuchKey") => Ok(()),
            Err(error) => Err(self.failed(&format!("remove {}", self.place(key)), TO_REMOVE, &error)),
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, Failure> {
        let what = format!("list {}", self.place(prefix));
        let refused = |why: String| Failure::new(Kind::Refused, format!("could not {what}: {why}"));
        let request = self.client.list_objects_v2().bucket(&self.name).prefix(self.key(prefix));
        // A key may hold characters that XML cannot.
        let mut pages = request.encoding_type(EncodingType::Url).into_paginator().send();
        let mut all = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.failed(&what, TO_LIST, &error))?;
            let is_encoded = page.encoding_type() == Some(&EncodingType::Url);
            for object in page.contents() {
                let key = object.key().unwrap_or_default();
                let key = if is_encoded { decoded(key) } else { Some(key.to_owned()) };
                let key = key.ok_or_else(|| refused(format!("`{}` is no UTF-8", object.key().unwrap_or_default())))?;
                let Some(key) = key.strip_prefix(&self.prefix).map(str::to_owned) else { continue };
                let (Some(tag), Some(modified)) = (object.e_tag(), object.last_modified().and_then(timestamp)) else {
                    return Err(refused(format!("`{key}` has no ETag or no time")));
                };
                let size = u64::try_from(object.size().unwrap_or_default()).unwrap_or_default();
                all.push(Listed { key, size, tag: Tag(tag.to_owned()), modified });
            }
        }
        all.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(all)
    }

    async fn obeys_conditions(&self) -> Result<(), Failure> {
        // What holds is remembered: whoever asks again, as the store was busy, goes on where that was.
        let never = Tag(NO_TAG.to_owned());
        let obeyed = self.obeyed.load(Ordering::Relaxed);
        if obeyed < 1 {
            // Creating succeeds where there is no probe yet; the second time it must not.
            if !self.try_out(&When::Missing).await? && !self.try_out(&When::Missing).await? {
                return Err(self.disobeys("If-None-Match", "wrote"));
            }
            self.obeyed.store(1, Ordering::Relaxed);
        }
        if obeyed < 2 {
            if !self.try_out(&When::Is(never.clone())).await? {
                return Err(self.disobeys("If-Match", "wrote"));
            }
            self.obeyed.store(2, Ordering::Relaxed);
        }
        if obeyed < 3 {
            match self.remove(PROBE, &never).await {
                Err(failure) if failure.kind == Kind::Conflict => self.obeyed.store(3, Ordering::Relaxed),
                Ok(()) => return Err(self.disobeys("If-Match", "removed")),
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    fn locate(&self, key: &str) -> Location {
        Location { store: self.store.clone(), bucket: self.name.clone(), key: self.key(key) }
    }
}

/// The two headers that say a condition, of which one is there.
pub(super) fn conditions(when: &When) -> (Option<String>, Option<String>) {
    match when {
        When::Missing => (Some("*".to_owned()), None),
        When::Is(tag) => (None, Some(tag.0.clone())),
    }
}

pub(super) fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// What is copied, as the header has it.
pub(super) fn source(from: &Location) -> String {
    format!("{}/{}", from.bucket, utf8_percent_encode(&from.key, UNRESERVED))
}

/// A digest in hexadecimal, as the header has it.
fn base64_of(sha256: &str) -> Result<String, Failure> {
    let pairs = sha256.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    match pairs.collect::<Option<Vec<u8>>>() {
        Some(bytes) if bytes.len() == 32 => Ok(BASE64_STANDARD.encode(bytes)),
        _ => Err(Failure::new(Kind::Refused, format!("`{sha256}` is no SHA-256"))),
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The `content-type`, and whatever else would make something else of the bytes. No object of ours has any of that, so one that has is
/// of another type.
fn content_type(head: &HeadObjectOutput) -> String {
    let mut content_type = head.content_type().unwrap_or_default().to_owned();
    let others = [
        ("content-encoding", head.content_encoding()),
        ("content-disposition", head.content_disposition()),
        ("content-language", head.content_language()),
        ("expires", head.expires_string()),
        ("website-redirect-location", head.website_redirect_location()),
    ];
    for (name, value) in others.into_iter().filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?))) {
        content_type.push_str(&format!(", {name}: {value}"));
    }
    content_type
}

/// A digest that S3 tells, in hexadecimal. One of the parts' checksums, `…-2`, is none.
fn digest_of(checksum: Option<&str>) -> Option<String> {
    let bytes = BASE64_STANDARD.decode(checksum?).ok()?;
    (bytes.len() == 32).then(|| hex(&bytes))
}

/// A key out of a listing, which is encoded as a form is.
fn decoded(key: &str) -> Option<String> {
    Some(percent_decode_str(&key.replace('+', "%20")).decode_utf8().ok()?.into_owned())
}

fn timestamp(time: &DateTime) -> Option<Timestamp> {
    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}

/// Refuses a file that is gone or has another size, before anything of it is sent.
pub(super) async fn check_size(path: &Path, size: u64) -> Result<(), Failure> {
    let asked = path.to_owned();
    let found = tokio::task::spawn_blocking(move || std::fs::metadata(asked)).await.unwrap_or_else(|error| Err(error.into()));
    match found {
        Ok(metadata) => check_length(path, metadata.len(), size),
        Err(error) => Err(Failure::new(Kind::Refused, format!("{} cannot be read: {error}", path.display()))),
    }
}

/// Signs what is sent with the digest that is known of it, which the SDK would compute once more; what is streamed it
/// would not sign at all.
#[derive(Debug)]
pub(super) struct KnownDigest;

#[dyn_dispatch_hint]
impl Intercept for KnownDigest {
    fn name(&self) -> &'static str {
        "KnownDigest"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request();
        if let Some(digest) = digest_of(request.headers().get("x-amz-checksum-sha256")) {
            config.interceptor_state().store_put(PayloadSigningOverride::Precomputed(digest));
        }
        Ok(())
    }
}

/// Keeps the `Date` of an answer.
#[derive(Clone, Debug, Default)]
struct Dated(Arc<OnceLock<SystemTime>>);

#[dyn_dispatch_hint]
impl Intercept for Dated {
    fn name(&self) -> &'static str {
        "Dated"
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(date) = date(context.response()) {
            let _ = self.0.set(date);
        }
        Ok(())
    }
}
