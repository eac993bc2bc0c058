//! One table of DynamoDB: reads, transactions, its index, and what its errors mean.

use super::item::{Item, number, string, text};
use crate::jobs::store::StoreError;
use crate::jobs::store::documents::WriteError;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, Delete, GlobalSecondaryIndex, KeySchemaElement, KeyType, KeysAndAttributes, Projection,
    ProjectionType, Put, ScalarAttributeType, Select, TableStatus, TransactWriteItem,
};
use std::error::Error;
use std::time::Duration;

/// For one read or write, its retries included.
const OPERATION: Duration = Duration::from_secs(4);
/// For one try of it.
const ATTEMPT: Duration = Duration::from_millis(1_500);
/// The index of jobs by where they stand and when they changed.
const BOARD: &str = "board";
/// The most items in one read, which is DynamoDB's limit.
const BATCH: usize = 100;
/// How long a new table may take to be there.
const CREATION: Duration = Duration::from_secs(120);

/// A table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    client: Client,
    name: String,
}

/// A part of a transaction.
#[derive(Debug)]
pub(super) enum Step {
    /// Writes an item, whatever is there.
    Put(Item),
    /// Writes an item that must not be there.
    Add(Item),
    /// Writes over a live job of this version.
    Replace(Item, u64),
    /// Writes over an archived job of this version.
    ReplaceArchived(Item, u64),
    /// Removes an item, if it is there.
    Delete(String),
}

/// Which jobs of a part of the index are meant.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which {
    All,
    /// That came to stand there at this moment or after, in milliseconds since 1970.
    Since(i64),
    /// That came to stand there before.
    Before(i64),
    /// That ended before.
    EndedBefore(i64),
}

impl Table {
    pub(super) fn new(config: &SdkConfig, name: &str) -> Self {
        let timeouts = TimeoutConfig::builder().operation_timeout(OPERATION).operation_attempt_timeout(ATTEMPT).build();
        let config = Builder::from(config)
            .timeout_config(timeouts)
            // Transactions are retried too: each carries a token by which DynamoDB tells a repetition.
            .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(50)))
            .build();
        Self { client: Client::from_conf(config), name: name.to_owned() }
    }

    /// The table and, where given, an item, for people.
    pub(super) fn place(&self, key: &str) -> String {
        if key.is_empty() { format!("dynamodb://{}", self.name) } else { format!("dynamodb://{}/{key}", self.name) }
    }

    /// An item as it is now.
    pub(super) async fn get(&self, key: &str) -> Result<Option<Item>, StoreError> {
        let request = self.client.get_item().table_name(&self.name).key("id", text(key)).consistent_read(true);
        let output = request.send().await.map_err(|error| self.unreachable(&error))?;
        Ok(output.item)
    }

    /// Items as they are now, those that there are, in no order.
    pub(super) async fn get_all(&self, keys: &[String]) -> Result<Vec<Item>, StoreError> {
        let mut batches = tokio::task::JoinSet::new();
        for keys in keys.chunks(BATCH) {
            let (table, keys) = (self.clone(), keys.to_vec());
            batches.spawn(async move { table.get_batch(keys).await });
        }
        let mut items = Vec::with_capacity(keys.len());
        while let Some(batch) = batches.join_next().await {
            items.extend(batch.map_err(|error| StoreError::Unreachable(error.to_string()))??);
        }
        Ok(items)
    }

    async fn get_batch(&self, keys: Vec<String>) -> Result<Vec<Item>, StoreError> {
        let keys = keys.into_iter().map(|key| [("id".to_owned(), text(key))].into_iter().collect()).collect();
        let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
        let mut wanted = Some(wanted.build().map_err(|error| StoreError::Unreachable(error.to_string()))?);
        let mut items = Vec::new();
        let mut pause = Duration::from_millis(20);
        while let Some(request) = wanted {
            let output = self.client.batch_get_item().request_items(&self.name, request).send().await;
            let output = output.map_err(|error| self.unreachable(&error))?;
            items.extend(output.responses.into_iter().flatten().flat_map(|(_, items)| items));
            // DynamoDB leaves out what it has no room or no capacity for.
            wanted = output.unprocessed_keys.into_iter().flatten().map(|(_, rest)| rest).next();
            if wanted.is_some() {
                if pause > OPERATION {
                    return Err(StoreError::Busy);
                }
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        }
        Ok(items)
    }

    /// The keys in a part of the index. It is behind the table by a moment, now and then by a second.
    pub(super) async fn standing(&self, partition: &str, which: Which) -> Result<Vec<String>, StoreError> {
        let request = self.client.query().table_name(&self.name).index_name(BOARD);
        let request = request.expression_attribute_values(":board", text(partition));
        let request = match which {
            Which::All => request.key_condition_expression("board = :board"),
            Which::Since(at) => request
                .key_condition_expression("board = :board AND board_at >= :at")
                .expression_attribute_values(":at", number(at)),
            Which::Before(at) => {
                request.key_condition_expression("board = :board AND board_at < :at").expression_attribute_values(":at", number(at))
            }
            Which::EndedBefore(at) => request
                .key_condition_expression("board = :board")
                .filter_expression("ended_at < :at")
                .expression_attribute_values(":at", number(at)),
        };
        let mut keys = Vec::new();
        let mut items = request.into_paginator().items().send();
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| self.unreachable(&error))?;
            keys.extend(string(&item, "id").map(str::to_owned));
        }
        Ok(keys)
    }

    /// How many stand in a part of the index, counted up to a number.
    pub(super) async fn count(&self, partition: &str, most: usize) -> Result<usize, StoreError> {
        let request = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(BOARD)
            .key_condition_expression("board = :board")
            .expression_attribute_values(":board", text(partition))
            .select(Select::Count)
            .limit(i32::try_from(most.max(1)).unwrap_or(i32::MAX));
        let output = request.send().await.map_err(|error| self.unreachable(&error))?;
        Ok(usize::try_from(output.count).unwrap_or_default())
    }

    /// Every item whose key begins so. It reads the whole table.
    pub(super) async fn scan(&self, beginning: &str) -> Result<Vec<Item>, StoreError> {
        let request = self
            .client
            .scan()
            .table_name(&self.name)
            .consistent_read(true)
            .filter_expression("begins_with(id, :beginning)")
            .expression_attribute_values(":beginning", text(beginning));
        let mut found = Vec::new();
        let mut items = request.into_paginator().items().send();
        while let Some(item) = items.next().await {
            found.push(item.map_err(|error| self.unreachable(&error))?);
        }
        Ok(found)
    }

    /// All steps, or none.
    pub(super) async fn transact(&self, steps: Vec<Step>) -> Result<(), WriteError> {
        let steps: Result<Vec<_>, _> = steps.into_iter().map(|step| self.step(step)).collect();
        let steps = steps.map_err(|error| WriteError::Failed(error.to_string()))?;
        match self.client.transact_write_items().set_transact_items(Some(steps)).send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.why_not(&error)),
        }
    }

    fn step(&self, step: Step) -> Result<TransactWriteItem, aws_sdk_dynamodb::error::BuildError> {
        let put = |item| Put::builder().table_name(&self.name).set_item(Some(item));
        let of_version = |item, condition: &str, version| {
            put(item).condition_expression(condition).expression_attribute_values(":version", number(version))
        };
        let put = match step {
            Step::Put(item) => put(item),
            Step::Add(item) => put(item).condition_expression("attribute_not_exists(id)"),
            Step::Replace(item, version) => of_version(item, "version = :version AND attribute_not_exists(archived)", version),
            Step::ReplaceArchived(item, version) => of_version(item, "version = :version AND attribute_exists(archived)", version),
            Step::Delete(key) => {
                let delete = Delete::builder().table_name(&self.name).key("id", text(key)).build()?;
                return Ok(TransactWriteItem::builder().delete(delete).build());
            }
        };
        Ok(TransactWriteItem::builder().put(put.build()?).build())
    }

    /// Writes one item where a condition on what is there holds. It is sent once: of a repetition DynamoDB
    /// could not tell that the first had succeeded.
    pub(super) async fn put(&self, item: Item, condition: &str, value: Option<&str>) -> Result<(), WriteError> {
        let request = self.client.put_item().table_name(&self.name).set_item(Some(item)).condition_expression(condition);
        let request = match value {
            Some(value) => request.expression_attribute_values(":value", text(value)),
            None => request,
        };
        let once = Builder::new().retry_config(RetryConfig::disabled());
        match request.customize().config_override(once).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Err(WriteError::Conflict),
            Err(error) => Err(self.trouble(&error)),
        }
    }

    /// Moves an item of the index to another part of it, where it still stands in the first.
    pub(super) async fn move_to(&self, key: &str, from: &str, to: &str) -> Result<(), StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.name)
            .key("id", text(key))
            .update_expression("SET board = :to, board_at = ended_at")
            .condition_expression("board = :from")
            .expression_attribute_values(":to", text(to))
            .expression_attribute_values(":from", text(from));
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(()),
            Err(error) => Err(self.unreachable(&error)),
        }
    }

    fn why_not(&self, error: &SdkError<TransactWriteItemsError, HttpResponse>) -> WriteError {
        let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error.as_service_error() else {
            return self.trouble(error);
        };
        let reasons = canceled.cancellation_reasons.iter().flatten();
        let serious = reasons.clone().find(|reason| reason.code.as_deref() == Some("ValidationError"));
        match serious {
            Some(reason) => {
                let message = reason.message.as_deref().unwrap_or("no message");
                WriteError::Failed(format!("{} refuses the write: {message}", self.place("")))
            }
            // A condition did not hold, another transaction was under way, or capacity ran out: in each case
            // nothing was written, and reading again tells what to do.
            None => WriteError::Conflict,
        }
    }

    fn trouble<E: ProvideErrorMetadata + Error + 'static>(&self, error: &SdkError<E, HttpResponse>) -> WriteError {
        let words = self.words(error);
        let status = error.raw_response().map(|response| response.status().as_u16());
        match (error, error.code()) {
            (SdkError::ConstructionFailure(_), _) => WriteError::Failed(words),
            (_, Some("ThrottlingException" | "RequestLimitExceeded" | "ProvisionedThroughputExceededException")) => {
                WriteError::Conflict
            }
            (_, Some("TransactionInProgressException")) => WriteError::Unknown(words),
            _ if status.is_some_and(|status| (400..500).contains(&status)) => WriteError::Failed(words),
            _ => WriteError::Unknown(words),
        }
    }

    fn unreachable<E: ProvideErrorMetadata + Error + 'static>(&self, error: &SdkError<E, HttpResponse>) -> StoreError {
        StoreError::Unreachable(self.words(error))
    }

    fn words<E: ProvideErrorMetadata + Error + 'static>(&self, error: &SdkError<E, HttpResponse>) -> String {
        let place = self.place("");
        let Some(service) = error.as_service_error() else {
            return format!("{place} cannot be reached: {}", DisplayErrorContext(error));
        };
        let code = service.code().unwrap_or("no reason");
        let said = format!("DynamoDB answered {code} for {place}: {}", service.message().unwrap_or("no message"));
        match code {
            "ResourceNotFoundException" => format!("{said}. Create the table, or correct its name and region"),
            "AccessDeniedException" => format!("{said}. docs/jobs-stores.md lists what the role needs"),
            _ => said,
        }
    }

    /// Makes the table and waits until it is there.
    pub(super) async fn create(&self) -> Result<(), String> {
        let attribute = |name: &str, kind| AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build();
        let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
        let words = |error: aws_sdk_dynamodb::error::BuildError| error.to_string();
        let index = GlobalSecondaryIndex::builder()
            .index_name(BOARD)
            .key_schema(key("board", KeyType::Hash).map_err(words)?)
            .key_schema(key("board_at", KeyType::Range).map_err(words)?)
            .projection(Projection::builder().projection_type(ProjectionType::Include).non_key_attributes("ended_at").build())
            .build()
            .map_err(words)?;
        let request = self
            .client
            .create_table()
            .table_name(&self.name)
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(attribute("id", ScalarAttributeType::S).map_err(words)?)
            .attribute_definitions(attribute("board", ScalarAttributeType::S).map_err(words)?)
            .attribute_definitions(attribute("board_at", ScalarAttributeType::N).map_err(words)?)
            .key_schema(key("id", KeyType::Hash).map_err(words)?)
            .global_secondary_indexes(index);
        match request.send().await {
            Ok(_) => {}
            Err(error) if error.code() == Some("ResourceInUseException") => {}
            Err(error) => return Err(self.words(&error)),
        }
        let wait = async {
            loop {
                let output = self.client.describe_table().table_name(&self.name).send().await;
                let output = output.map_err(|error| self.words(&error))?;
                if output.table().and_then(|table| table.table_status()) == Some(&TableStatus::Active) {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        };
        let late = || format!("{} is not ready after {} s", self.place(""), CREATION.as_secs());
        tokio::time::timeout(CREATION, wait).await.unwrap_or_else(|_| Err(late()))
    }
}
