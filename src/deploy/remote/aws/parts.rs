//! Large objects: they go in parts, four at a time, and appear at the moment when the upload is completed, which is
//! where the condition counts. S3 allows 10,000 parts of 5 MiB to 5 GiB
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>).
//!
//! The parts may be sent long before that ([`Ahead`]): until then nobody sees anything of them.
//!
//! An upload that is not completed is aborted. One whose process was killed stays, unseen and paid for: the bucket
//! needs a lifecycle rule with `AbortIncompleteMultipartUpload`.

use super::super::{Ahead, Bucket as _, Content, Described, Failure, Kind, Location, Tag, When};
use super::s3::{DIGEST, S3Bucket, TO_COPY, TO_WRITE, check_size, conditions, hex, some, source};
use super::timeouts;
use crate::deploy::invalidation::tags::METADATA;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// In bytes, of what is sent.
const PART: u64 = 8 << 20;
/// In bytes, of what is copied where it lies.
const COPIED_PART: u64 = 64 << 20;
/// The most parts.
const MOST: u64 = 10_000;
/// Parts on the way at a time: with the one that is being read, they bound the memory.
const AT_A_TIME: usize = 4;
/// How often a part is tried.
const TRIES: u32 = 4;
/// After the first failure of a part; doubled after each further one.
const PAUSE: Duration = Duration::from_millis(200);

/// The size of each part but the last.
fn part_size(size: u64, least: u64) -> u64 {
    let needed = size.div_ceil(MOST);
    if needed <= least { least } else { needed.next_multiple_of(1 << 20) }
}

/// Where the parts begin, with their numbers and lengths.
fn parts(size: u64, part: u64) -> impl Iterator<Item = (i32, u64, u64)> {
    (1..)
        .zip((0..size).step_by(usize::try_from(part).unwrap_or(usize::MAX)))
        .map(move |(number, from)| (number, from, part.min(size - from)))
}

/// An upload that was begun.
#[derive(Clone)]
pub(super) struct Upload {
    bucket: S3Bucket,
    key: String,
    id: String,
    what: Arc<str>,
    needs: &'static str,
}

impl S3Bucket {
    /// Writes an object in parts.
    pub(super) async fn put_parts(
        &self,
        key: &str,
        content: &Content,
        described: &Described<'_>,
        when: &When,
    ) -> Result<Tag, Failure> {
        let reader = Reader::of(content, described).await?;
        let upload = self.begin(key, self.written(key), TO_WRITE, described, Some(when)).await?;
        let sent = async { upload.finish(upload.send_all(reader, described).await?, when).await };
        upload.or_abort(sent.await).await
    }

    /// Sends all parts of an object, and leaves it at that.
    pub(super) async fn send_parts(&self, key: &str, content: &Content, described: &Described<'_>) -> Result<Ahead, Failure> {
        let reader = Reader::of(content, described).await?;
        let upload = self.begin(key, self.written(key), TO_WRITE, described, None).await?;
        let mut parts = upload.or_abort(upload.send_all(reader, described).await).await?;
        parts.sort_by_key(|part| part.part_number());
        let parts = parts.into_iter().filter_map(|part| {
            let (number, tag, sha256) = (part.part_number(), part.e_tag(), part.checksum_sha256());
            Some((number?, tag.unwrap_or_default().to_owned(), sha256.unwrap_or_default().to_owned()))
        });
        Ok(Ahead { upload: upload.id.clone(), parts: parts.collect() })
    }

    /// An upload that was begun before.
    pub(super) fn upload(&self, key: &str, ahead: &Ahead) -> Upload {
        let what = self.written(key).into();
        Upload { bucket: self.clone(), key: key.to_owned(), id: ahead.upload.clone(), what, needs: TO_WRITE }
    }

    fn written(&self, key: &str) -> String {
        format!("write {}", self.place(key))
    }

    /// Copies an object in parts, which also works above the 5 GiB that one `CopyObject` can do.
    pub(super) async fn copy_parts(
        &self,
        from: &Location,
        is: Option<&Tag>,
        key: &str,
        described: &Described<'_>,
        when: &When,
    ) -> Result<Tag, Failure> {
        let tag = self.source(from, described).await?;
        if is.is_some_and(|is| *is != tag) {
            return Err(Failure::new(Kind::Conflict, format!("could not copy s3://{from}: somebody else wrote it")));
        }
        let upload = self.begin(key, format!("copy s3://{from} to {}", self.place(key)), TO_COPY, described, Some(when)).await?;
        let copied = async {
            let mut running = JoinSet::new();
            let mut done = Vec::new();
            for (number, start, length) in parts(described.size, part_size(described.size, COPIED_PART)) {
                if running.len() == AT_A_TIME {
                    done.extend(joined(&mut running).await?);
                }
                let (upload, from, tag) = (upload.clone(), source(from), tag.clone());
                running.spawn(async move { tried(|| upload.send_copy(number, &from, &tag, start, length)).await });
            }
            while let Some(part) = joined(&mut running).await? {
                done.push(part);
            }
            upload.finish(done, when).await
        };
        upload.or_abort(copied.await).await
    }

    /// Refuses where a condition does not hold already. Stores are not tried out for whether they obey it when parts become an object.
    pub(super) async fn holds(&self, key: &str, what: &str, when: &When) -> Result<(), Failure> {
        let found = self.stat(key).await?.map(|stat| stat.tag);
        let holds = match when {
            When::Missing => found.is_none(),
            When::Is(tag) => found.as_ref() == Some(tag),
        };
        match holds {
            true => Ok(()),
            false => Err(Failure::new(Kind::Conflict, format!("could not {what}: somebody else wrote it"))),
        }
    }

    /// Begins an upload, unless the condition does not hold already: it would all be sent for nothing.
    async fn begin(
        &self,
        key: &str,
        what: String,
        needs: &'static str,
        described: &Described<'_>,
        when: Option<&When>,
    ) -> Result<Upload, Failure> {
        if let Some(when) = when {
            self.holds(key, &what, when).await?;
        }
        let mut request = self
            .client
            .create_multipart_upload()
            .bucket(&self.name)
            .key(self.key(key))
            .content_type(described.content_type)
            .set_cache_control(some(described.cache_control))
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .metadata(DIGEST, described.sha256);
        if !described.cache_tag.is_empty() {
            request = request.metadata(METADATA, described.cache_tag);
        }
        let answer = request.send().await.map_err(|error| self.failed(&what, needs, &error))?;
        match answer.upload_id {
            Some(id) => Ok(Upload { bucket: self.clone(), key: key.to_owned(), id, what: what.into(), needs }),
            None => Err(Failure::new(Kind::Lost, format!("could not {what}: the upload came without an id"))),
        }
    }
}

impl Upload {
    /// Sends what is read, part by part.
    async fn send_all(&self, mut reader: Reader, described: &Described<'_>) -> Result<Vec<CompletedPart>, Failure> {
        let mut running = JoinSet::new();
        let mut done = Vec::new();
        for (number, _, length) in parts(described.size, part_size(described.size, PART)) {
            if running.len() == AT_A_TIME {
                done.extend(joined(&mut running).await?);
            }
            let (bytes, digest);
            (reader, bytes, digest) = reader.next(length).await?;
            let upload = self.clone();
            running.spawn(async move { tried(|| upload.send(number, bytes.clone(), &digest)).await });
        }
        while let Some(part) = joined(&mut running).await? {
            done.push(part);
        }
        reader.check(described)?;
        Ok(done)
    }

    async fn send(&self, number: i32, bytes: Bytes, digest: &str) -> Result<CompletedPart, Failure> {
        let patience = Builder::new().timeout_config(timeouts(bytes.len() as u64));
        let request = self
            .bucket
            .client
            .upload_part()
            .bucket(&self.bucket.name)
            .key(self.bucket.key(&self.key))
            .upload_id(&self.id)
            .part_number(number)
            .checksum_sha256(digest)
            .body(ByteStream::from(bytes));
        match request.customize().config_override(patience).send().await {
            Ok(answer) => Ok(CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag).checksum_sha256(digest).build()),
            Err(error) => Err(self.bucket.failed(&self.what, self.needs, &error)),
        }
    }

    async fn send_copy(&self, number: i32, from: &str, tag: &Tag, start: u64, length: u64) -> Result<CompletedPart, Failure> {
        let request = self
            .bucket
            .client
            .upload_part_copy()
            .bucket(&self.bucket.name)
            .key(self.bucket.key(&self.key))
            .upload_id(&self.id)
            .part_number(number)
            .copy_source(from)
            .copy_source_if_match(&tag.0)
            .copy_source_range(format!("bytes={start}-{}", start + length - 1));
        // S3 copies within itself, far faster than any line; it is given time all the same.
        let patience = Builder::new().timeout_config(timeouts(length));
        match request.customize().config_override(patience).send().await {
            Ok(answer) => {
                let part = answer.copy_part_result.unwrap_or_else(|| aws_sdk_s3::types::CopyPartResult::builder().build());
                Ok(CompletedPart::builder()
                    .part_number(number)
                    .set_e_tag(part.e_tag)
                    .set_checksum_sha256(part.checksum_sha256)
                    .build())
            }
            Err(error) => {
                let mut failure = self.bucket.failed(&self.what, self.needs, &error);
                // The condition was on what is copied, not on where it goes.
                if failure.kind == Kind::Conflict {
                    failure.kind = Kind::Refused;
                }
                Err(failure)
            }
        }
    }

    /// Makes an object of parts that were sent before; nothing where there is no such upload any more.
    pub(super) async fn complete_ahead(&self, ahead: &Ahead, when: &When) -> Result<Option<Tag>, Failure> {
        let part = |(number, tag, sha256): &(i32, String, String)| {
            CompletedPart::builder().part_number(*number).e_tag(tag).checksum_sha256(sha256).build()
        };
        self.bucket.holds(&self.key, &self.what, when).await?;
        self.complete(ahead.parts.iter().map(part).collect(), when).await
    }

    /// Completes an upload that cannot be gone, unless it was completed and nobody heard of it.
    async fn finish(&self, done: Vec<CompletedPart>, when: &When) -> Result<Tag, Failure> {
        let gone = || Failure::new(Kind::Lost, format!("could not {}: the upload is gone", self.what));
        self.complete(done, when).await?.ok_or_else(gone)
    }

    /// The moment at which the object is there. Nothing where there is no such upload.
    async fn complete(&self, mut done: Vec<CompletedPart>, when: &When) -> Result<Option<Tag>, Failure> {
        done.sort_by_key(|part| part.part_number());
        let (missing, is) = conditions(when);
        let request = self
            .bucket
            .client
            .complete_multipart_upload()
            .bucket(&self.bucket.name)
            .key(self.bucket.key(&self.key))
            .upload_id(&self.id)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(done)).build())
            .set_if_none_match(missing)
            .set_if_match(is);
        // S3 may take minutes to put the parts together.
        let patience = Builder::new().timeout_config(timeouts(PART * 10));
        match request.customize().config_override(patience).send().await {
            Ok(answer) => self.bucket.tagged(&self.key, answer.e_tag()).map(Some),
            Err(error) if error.code() == Some("NoSuchUpload") => Ok(None),
            Err(error) => Err(self.bucket.unwritten(&self.what, self.needs, when, &error)),
        }
    }

    /// Gives up an upload that came to nothing.
    async fn or_abort<T>(&self, result: Result<T, Failure>) -> Result<T, Failure> {
        if result.is_err()
            && let Err(failure) = self.abort().await
        {
            tracing::debug!("an upload was not aborted: {failure}");
        }
        result
    }

    /// Of one that was completed, and whose answer was lost, nothing is left to abort.
    pub(super) async fn abort(&self) -> Result<(), Failure> {
        let request = self.bucket.client.abort_multipart_upload().bucket(&self.bucket.name);
        match request.key(self.bucket.key(&self.key)).upload_id(&self.id).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("NoSuchUpload") => Ok(()),
            Err(error) => Err(self.bucket.failed(&self.what, "s3:AbortMultipartUpload on it", &error)),
        }
    }
}

/// Tries a part again where that may help.
async fn tried<F: Future<Output = Result<CompletedPart, Failure>>>(part: impl Fn() -> F) -> Result<CompletedPart, Failure> {
    let mut pause = PAUSE;
    for _ in 1..TRIES {
        match part().await {
            Err(failure) if failure.is_passing() => tokio::time::sleep(pause).await,
            other => return other,
        }
        pause *= 2;
    }
    part().await
}

/// The next part that is done; nothing where none is running.
async fn joined(running: &mut JoinSet<Result<CompletedPart, Failure>>) -> Result<Option<CompletedPart>, Failure> {
    match running.join_next().await {
        Some(Ok(part)) => part.map(Some),
        Some(Err(error)) => Err(Failure::new(Kind::Refused, format!("a part was not sent: {error}"))),
        None => Ok(None),
    }
}

/// What is sent, from its beginning to its end.
struct Reader {
    from: From,
    whole: Sha256,
    path: Option<PathBuf>,
}

enum From {
    Memory(Bytes),
    File(File),
}

impl Reader {
    async fn of(content: &Content, described: &Described<'_>) -> Result<Self, Failure> {
        if let Content::File(path) = content {
            check_size(path, described.size).await?;
        }
        let whole = Sha256::new();
        match content {
            Content::Bytes(bytes) if bytes.len() as u64 == described.size => {
                Ok(Self { from: From::Memory(Bytes::from_owner(Arc::clone(bytes))), whole, path: None })
            }
            Content::Bytes(bytes) => {
                Err(Failure::new(Kind::Refused, format!("there are {} bytes, not {}", bytes.len(), described.size)))
            }
            Content::File(path) => match File::open(path) {
                Ok(file) => Ok(Self { from: From::File(file), whole, path: Some(path.clone()) }),
                Err(error) => Err(Failure::new(Kind::Refused, format!("{} cannot be read: {error}", path.display()))),
            },
        }
    }

    /// The next part with its digest, as S3 wants it. Reading and hashing take tens of milliseconds: other tasks
    /// should not wait for that.
    async fn next(mut self, length: u64) -> Result<(Self, Bytes, String), Failure> {
        let read = tokio::task::spawn_blocking(move || {
            let length = usize::try_from(length).map_err(std::io::Error::other)?;
            let bytes = match &mut self.from {
                From::Memory(rest) => rest.split_to(length),
                From::File(file) => {
                    let mut bytes = vec![0; length];
                    file.read_exact(&mut bytes).map_err(|error| named(self.path.as_ref(), &error))?;
                    Bytes::from(bytes)
                }
            };
            self.whole.update(&bytes);
            let digest = BASE64_STANDARD.encode(Sha256::digest(&bytes));
            Ok((self, bytes, digest))
        });
        let read = read.await.unwrap_or_else(|error| Err(error.into()));
        read.map_err(|error: std::io::Error| Failure::new(Kind::Refused, error.to_string()))
    }

    /// Refuses to complete an object of other bytes than were built.
    fn check(self, described: &Described<'_>) -> Result<(), Failure> {
        if hex(&self.whole.finalize()) == described.sha256 {
            return Ok(());
        }
        let what = self.path.map_or_else(|| "what was sent".to_owned(), |path| path.display().to_string());
        Err(Failure::new(Kind::Refused, format!("{what}: it was changed while it was being sent, and was not stored")))
    }
}

fn named(path: Option<&PathBuf>, error: &std::io::Error) -> std::io::Error {
    let path = path.map(|path| path.display().to_string()).unwrap_or_default();
    std::io::Error::other(format!("{path} cannot be read, or changed while it was being sent: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_large_as_the_most_parts_demand() {
        let mib = 1 << 20;
        assert_eq!(part_size(16 * mib, PART), 8 * mib);
        assert_eq!(part_size(80_000 * mib, PART), 8 * mib);
        assert_eq!(part_size(80_000 * mib + 1, PART), 9 * mib);
        assert!((5_u64 << 40).div_ceil(part_size(5 << 40, PART)) <= MOST);
        assert_eq!(parts(20 * mib, 8 * mib).collect::<Vec<_>>(), [(1, 0, 8 * mib), (2, 8 * mib, 8 * mib), (3, 16 * mib, 4 * mib)]);
        assert_eq!(parts(16 * mib, 8 * mib).count(), 2);
    }
}
