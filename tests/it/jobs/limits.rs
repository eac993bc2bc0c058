//! What a store refuses to touch, and to grow to.

use super::*;
use qdn::jobs::file::{Filed, JobsFile, LARGE, TOO_LARGE, to_bytes};
use qdn::jobs::store::documents::{Read, When};
use qdn::jobs::store::{CreateError, StoreError};
use std::sync::{Mutex, OnceLock};

#[tokio::test]
async fn a_file_that_is_none_is_reported_and_not_written_over() {
    let later = br#"{"format": 2, "rev": 1, "jobs": []}"#;
    for place in [Place::folder(), Place::s3().await] {
        for (bytes, part) in [(&b"{\"format\": 1, \"rev\": 3, \"jobs\": [oops"[..], "line 1"), (later, "format 2"), (b"", "line 1")]
        {
            let (store, documents) = place.both();
            let when = match documents.read("jobs.json", None).await.unwrap() {
                Read::Found(_, tag) => When::Unchanged(tag),
                _ => When::Missing,
            };
            documents.write("jobs.json", bytes.to_vec(), &when).await.unwrap();
            let error = store.create(&new(1)).await.unwrap_err();
            assert!(
                matches!(&error, CreateError::Store(StoreError::Broken(why)) if why.contains(part) && why.contains("jobs.json")),
                "{error:?}"
            );
            assert!(matches!(store.since(0).await, Err(StoreError::Broken(_))));
            assert!(matches!(store.import(&[job(1)], "i").await, Err(StoreError::Broken(_))));
            let Read::Found(kept, _) = documents.read("jobs.json", None).await.unwrap() else { panic!("it is there") };
            assert_eq!(kept, bytes, "not a byte was written");
        }
    }
}

#[tokio::test]
async fn an_item_that_is_no_job_is_reported_and_not_written_over() {
    let place = Place::dynamo().await;
    let store = place.open();
    store.create(&new(1)).await.unwrap();
    let client = aws_sdk_dynamodb::Client::new(place.settings());
    let key = AttributeValue::S(format!("job:{}", id(1)));
    for (attribute, value, part) in
        [("job", AttributeValue::S("{oops".to_owned()), "line 1"), ("format", AttributeValue::N("2".to_owned()), "format 2")]
    {
        let update = client.update_item().table_name(place.table().unwrap()).key("id", key.clone());
        let update = update.update_expression("SET #name = :value").expression_attribute_names("#name", attribute);
        update.expression_attribute_values(":value", value).send().await.unwrap();
        let error = store.change(id(1), None, &ready("r")).await.unwrap_err();
        assert!(format!("{error:?}").contains("Broken") && format!("{error:?}").contains(part), "{error:?}");
    }
    let item = client.get_item().table_name(place.table().unwrap()).key("id", key).send().await.unwrap().item.unwrap();
    assert_eq!(item["job"].as_s().unwrap(), "{oops");
}

/// What was logged by this program: level and place.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(tracing::Level, String)>>>);

impl Log {
    /// The one of this program. It hears everything, since a listener of one thread is at times not asked.
    fn of_all() -> Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        let log = LOG.get_or_init(|| {
            let log = Self::default();
            tracing::subscriber::set_global_default(log.clone()).expect("nobody else listens");
            log
        });
        log.clone()
    }

    fn at(&self, place: &str) -> Vec<tracing::Level> {
        self.0.lock().unwrap().iter().filter(|(_, known)| known == place).map(|(level, _)| *level).collect()
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("qdn::jobs")
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut place = Placed(String::new());
        event.record(&mut place);
        self.0.lock().unwrap().push((*event.metadata().level(), place.0));
    }
}

/// Picks the field of that name.
struct Placed(String);

impl tracing::field::Visit for Placed {
    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        if field.name() == "place" {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, _: &tracing::field::Field, _: &dyn std::fmt::Debug) {}
}

/// A file of a little less or a little more than so many bytes.
fn sized(bytes: usize) -> Vec<u8> {
    let mut file = JobsFile { rev: 1, ..JobsFile::default() };
    let long = Job { details: "x".repeat(20_000), idempotency: None, ..job(0) };
    let each = serde_json::to_vec(&Filed { rev: 1, job: long.clone() }).unwrap().len();
    for number in 0..u32::try_from(bytes / each).unwrap() {
        let job = Job { id: id(number), link: job(number).link, ..long.clone() };
        file.jobs.push(Filed { rev: 1, job });
    }
    to_bytes(&file)
}

#[tokio::test]
async fn a_large_file_is_warned_of() {
    let log = Log::of_all();
    for (bytes, warnings) in [(LARGE - 60_000, &[][..]), (LARGE + 60_000, &[tracing::Level::WARN])] {
        let place = Place::folder();
        let (store, documents) = place.both();
        documents.write("jobs.json", sized(bytes), &When::Missing).await.unwrap();
        store.change(id(1), None, &ready("r1")).await.unwrap();
        assert_eq!(log.at(&documents.place("jobs.json")), warnings);
    }
}

#[tokio::test]
async fn a_file_that_is_too_large_stops_growing_and_jobs_still_move() {
    for place in [Place::folder(), Place::s3().await] {
        let (store, documents) = place.both();
        documents.write("jobs.json", sized(TOO_LARGE + 60_000), &When::Missing).await.unwrap();
        let error = store.create(&new(90_000)).await.unwrap_err();
        let CreateError::Store(StoreError::Full(why)) = &error else { panic!("{error:?}") };
        assert!(why.contains("qdn jobs tidy") && why.contains("DynamoDB") && why.contains(&documents.place("jobs.json")), "{why}");
        store.change(id(1), None, &ready("r1")).await.unwrap();
    }
}
