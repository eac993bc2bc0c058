//! The job API as a Lambda behind a function URL.
//!
//! | variable | holds |
//! |---|---|
//! | `QDN_STORE` | where the jobs are: `s3://bucket/prefix` or `dynamodb://table` |
//! | `QDN_KEYS` | the stage's secrets, as `qdn jobs keys` prints them |
//! | `QDN_TERMS` | what the firm offers, as `qdn jobs terms` prints it |

#![expect(clippy::disallowed_methods, reason = "a Lambda is configured by its environment")]

use qdn::jobs::Terms;
use qdn::jobs::api::{Api, Cookie, router};
use qdn::jobs::auth::Staff;
use qdn::jobs::store::place::{Place, connect};
use qdn::jobs::token::Keys;
use qdn::jobs::world::System;
use std::sync::Arc;

// One request at a time is all that a Lambda gets, so one thread is enough.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    lambda_http::tracing::init_default_subscriber();
    lambda_http::run(router(Arc::new(api().await?))).await
}

async fn api() -> Result<Api, String> {
    let Place::Remote(place) = variable("QDN_STORE")?.parse()? else {
        return Err("QDN_STORE must be `s3://bucket/prefix` or `dynamodb://table`: a Lambda keeps no files".to_owned());
    };
    let terms: Terms = serde_json::from_str(&variable("QDN_TERMS")?)
        .map_err(|error| format!("QDN_TERMS is not what `qdn jobs terms` prints: {error}"))?;
    let keys = Keys::parse(&variable("QDN_KEYS")?)?;
    let (store, documents) = connect(&place).await?;
    let origins = vec![terms.origin.clone()];
    let staff = Staff::new(documents, None);
    // The edge counts by address; a Lambda of which there are many cannot.
    Ok(Api { store, staff, keys, terms, world: Arc::new(System), cookie: Cookie::Https, origins, limits: None })
}

fn variable(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("the environment variable {name} is not set"))
}
