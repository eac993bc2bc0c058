//! What stands before every endpoint.

use super::site::{ORIGIN, everywhere};
use serde_json::json;

#[test]
fn a_write_needs_the_hash_of_its_body() {
    everywhere(async |site| {
        let booking = site.booking().await;
        site.book(&booking).unhashed().send().await.problem(403, "/problems/forbidden");
        let wrong = site.book(&booking).unhashed().header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
        wrong.send().await.problem(403, "/problems/forbidden");
        // Of an empty body, in upper case: the hash is compared as CloudFront signs it.
        let upper = site.ask("DELETE", "/api/v1/session").unhashed();
        let hash = qdn::jobs::token::sha256_hex(b"");
        upper.header("x-amz-content-sha256", &hash.to_uppercase()).send().await.problem(403, "/problems/forbidden");
        site.ask("DELETE", "/api/v1/session").send().await.is(204);
    });
}

#[test]
fn pages_of_other_sites_write_nothing() {
    everywhere(async |site| {
        site.sign_in("sam").await;
        let job = site.taken().await;
        let path = format!("/api/v1/jobs/{}/transitions", job["id"].as_str().unwrap());
        let step = || {
            site.ask("POST", &path).json(&json!({ "to": "ready_for_pickup" })).version(&job["version"]).without("sec-fetch-site")
        };
        for from in ["cross-site", "same-site", "none"] {
            step().header("sec-fetch-site", from).send().await.problem(403, "/problems/forbidden");
        }
        for origin in ["https://evil.test", "null", "http://quickdumpnow.test", "https://quickdumpnow.test.evil.test"] {
            step().header("origin", origin).send().await.problem(403, "/problems/forbidden");
        }
        assert_eq!(site.ask("GET", &format!("/api/v1/jobs/{}", job["id"].as_str().unwrap())).send().await.json()["version"], 1);
        step().header("origin", ORIGIN).send().await.is(200);
    });
}

#[test]
fn every_answer_has_the_headers_of_an_api() {
    everywhere(async |site| {
        for (method, path) in [
            ("GET", "/api/v1/health"),
            ("GET", "/api/v1/jobs"),
            ("GET", "/api/nothing"),
            ("POST", "/api/v1/jobs"),
            ("GET", "/api/v1/form"),
        ] {
            let answer = site.ask(method, path).send().await;
            for (name, value) in [
                ("cache-control", "private, no-store"),
                ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
                ("x-content-type-options", "nosniff"),
                ("x-robots-tag", "noindex, nofollow"),
                ("referrer-policy", "no-referrer"),
                ("cross-origin-opener-policy", "same-origin"),
                ("cross-origin-resource-policy", "same-origin"),
                ("strict-transport-security", "max-age=63072000; includeSubDomains"),
            ] {
                assert_eq!(answer.header(name), Some(value), "{path}");
            }
            assert!(answer.header("x-request-id").is_some_and(|id| id.len() == 32));
            assert!(!answer.headers.iter().any(|(name, _)| name.to_lowercase().starts_with("access-control")), "no CORS at all");
        }
    });
}

/// The API hands out its headers itself, as a Lambda's answers pass through no table of ours; so they are held to it here.
#[test]
fn the_api_has_every_header_of_the_table_or_a_stricter_one() {
    let table = qdn::release::headers::Policy::new(&Default::default(), &Default::default(), Vec::new());
    everywhere(async |site| {
        let answer = site.ask("GET", "/api/v1/health").send().await;
        for (name, value) in table.for_path("/api/v1/health") {
            let stricter = ["content-security-policy", "referrer-policy"].contains(&name);
            let given = answer.header(name).unwrap_or_else(|| panic!("no {name}"));
            assert!(stricter || given == value, "{name}: {given}, and {value} in the table");
        }
    });
}

#[test]
fn an_unknown_address_and_a_wrong_method_are_problems_too() {
    everywhere(async |site| {
        site.ask("GET", "/api/v2/jobs").send().await.problem(404, "about:blank");
        let wrong = site.ask("PUT", "/api/v1/jobs").send().await.problem(405, "about:blank");
        let allow = wrong.header("allow").unwrap();
        assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    });
}
