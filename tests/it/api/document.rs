//! The OpenAPI document says what the router does.

use super::site::everywhere;
use serde_json::{Value, json};

const METHODS: [(&str, &str); 4] = [("get", "GET"), ("post", "POST"), ("patch", "PATCH"), ("delete", "DELETE")];

#[test]
fn the_document_in_the_docs_is_the_one_that_is_served() {
    let document = serde_json::to_string_pretty(&qdn::jobs::api::openapi()).unwrap() + "\n";
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &document).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == document, "docs/openapi.json is old: run the tests with UPDATE_DOCS=1");
}

#[test]
fn staff_endpoints_let_nobody_in_and_public_ones_do() {
    everywhere(async |site| {
        let document = site.ask("GET", "/api/v1/openapi.json").send().await.is(200).json();
        let mut seen = (0, 0);
        for (path, item) in document["paths"].as_object().unwrap() {
            let path = path.replace("{id}", "00000000-0000-4000-8000-000000000000").replace("{token}", "AAAAAAAAAAAAAAAAAAAAAA");
            for (key, method) in METHODS {
                let Some(operation) = item.get(key) else { continue };
                let answer = site.ask(method, &path).send().await;
                let is_staff = operation["tags"][0] == "staff";
                assert_eq!(is_staff, operation["security"] != Value::Null, "{method} {path}: what staff do needs the session");
                if is_staff {
                    answer.problem(401, "/problems/sign-in");
                    seen.0 += 1;
                } else {
                    assert!(!matches!(answer.status, 401 | 405) && answer.status < 500, "{method} {path}: {}", answer.status);
                    seen.1 += 1;
                }
                let described = operation["responses"].as_object().unwrap();
                assert!(described.values().all(|response| response["description"].as_str().is_some_and(|text| !text.is_empty())));
                assert!(operation["summary"].is_string(), "{method} {path}");
            }
        }
        assert_eq!(seen, (10, 7), "staff and public endpoints");
    });
}

#[test]
fn every_mistake_is_documented_as_the_problem_that_is_sent() {
    let document = serde_json::to_value(qdn::jobs::api::openapi()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (key, method) in METHODS {
            let Some(operation) = item.get(key) else { continue };
            for (status, response) in operation["responses"].as_object().unwrap() {
                let kinds: Vec<&String> = response["content"].as_object().into_iter().flatten().map(|(kind, _)| kind).collect();
                if status.starts_with(['4', '5']) {
                    assert_eq!(kinds, ["application/problem+json"], "{method} {path}: {status}");
                }
            }
        }
    }
}

#[test]
fn what_may_be_null_or_left_out_is_documented_so() {
    let document = serde_json::to_value(qdn::jobs::api::openapi()).unwrap();
    let schemas = &document["components"]["schemas"];
    for (schema, field, kind) in [
        ("Patch", "name", json!("string")),
        ("Patch", "needs_review", json!("boolean")),
        ("Patch", "email", json!(["string", "null"])),
        ("PatchAddress", "street", json!("string")),
        ("PatchWindow", "date", json!("string")),
    ] {
        let property = &schemas[schema]["properties"][field];
        assert_eq!((&property["type"], &property["default"]), (&kind, &Value::Null), "{schema}.{field}");
        assert_eq!(schemas[schema]["required"], Value::Null, "{schema}: each may be left out");
    }
    assert_eq!(schemas["Patch"]["properties"]["address"]["$ref"], "#/components/schemas/PatchAddress");
    assert_eq!(document["paths"]["/api/v1/jobs/{id}/undo"]["post"]["requestBody"]["required"], false);
}

#[test]
fn every_path_of_the_reference_is_there() {
    let document = serde_json::to_value(qdn::jobs::api::openapi()).unwrap();
    let mut operations: Vec<String> = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (key, method) in METHODS {
            operations.extend(item.get(key).map(|_| format!("{method} {path}")));
        }
    }
    operations.sort();
    insta::assert_snapshot!(operations.join("\n"));
}
