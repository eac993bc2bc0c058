//! Documents in the jobs' table, so that staff need no bucket of their own.

use super::item::{Item, string, text};
use super::table::Table;
use crate::jobs::store::documents::{Documents, Read, Tag, When, WriteError};
use crate::jobs::token::sha256_hex;
use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

/// Documents of up to 400 KB, which is the most that an item holds.
#[derive(Clone, Debug)]
pub struct DynamoDocuments {
    table: Table,
}

impl DynamoDocuments {
    /// Documents in a table.
    pub fn new(config: &SdkConfig, table: &str) -> Self {
        Self { table: Table::new(config, table) }
    }
}

fn key(name: &str) -> String {
    format!("document:{name}")
}

#[async_trait]
impl Documents for DynamoDocuments {
    async fn read(&self, name: &str, known: Option<&Tag>) -> Result<Read, String> {
        let Some(item) = self.table.get(&key(name)).await.map_err(|error| error.to_string())? else { return Ok(Read::Missing) };
        let bytes = item.get("bytes").and_then(|value| value.as_b().ok());
        match (bytes, string(&item, "sha256")) {
            (Some(_), Some(tag)) if known.is_some_and(|known| known.0 == tag) => Ok(Read::Unchanged),
            (Some(bytes), Some(tag)) => Ok(Read::Found(bytes.as_ref().to_vec(), Tag(tag.to_owned()))),
            _ => Err(format!("{} is not what `qdn` writes", self.place(name))),
        }
    }

    async fn write(&self, name: &str, bytes: Vec<u8>, when: &When) -> Result<Tag, WriteError> {
        let tag = sha256_hex(&bytes);
        let fields = [("id", text(key(name))), ("sha256", text(&*tag)), ("bytes", AttributeValue::B(Blob::new(bytes)))];
        let item: Item = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        match when {
            When::Missing => self.table.put(item, "attribute_not_exists(id)", None).await?,
            When::Unchanged(known) => self.table.put(item, "sha256 = :value", Some(&known.0)).await?,
        }
        Ok(Tag(tag))
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>, String> {
        let items = self.table.scan(&key(folder)).await.map_err(|error| error.to_string())?;
        let mut names: Vec<String> =
            items.iter().filter_map(|item| string(item, "id")?.strip_prefix("document:")).map(str::to_owned).collect();
        names.sort();
        Ok(names)
    }

    fn place(&self, name: &str) -> String {
        self.table.place(&key(name))
    }
}
