//! Staff sign in and out.

use super::site::{Site, everywhere};
use jiff::SignedDuration;
use qdn::jobs::auth::session::{Purpose, Session, seal};
use qdn::jobs::world::System;
use serde_json::json;

async fn is_in(site: &Site) -> bool {
    let answer = site.ask("GET", "/api/v1/session").send().await;
    assert!(matches!(answer.status, 200 | 401), "{}", answer.text());
    answer.status == 200
}

#[test]
fn a_name_and_a_passphrase_for_a_cookie() {
    everywhere(async |site| {
        assert!(!is_in(&site).await);
        let passphrase = site.sign_in("maria").await;
        assert_eq!(site.ask("GET", "/api/v1/session").send().await.is(200).json()["user"], "maria");
        let again = json!({ "user": " Maria ", "passphrase": passphrase.replace('-', " ") });
        let answer = site.ask("POST", "/api/v1/session").json(&again).send().await.is(204);
        let cookie = answer.header("set-cookie").unwrap();
        assert!(cookie.starts_with("__Host-qdn=v1."), "{cookie}");
        assert!(cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=43200"), "{cookie}");
        let out = site.ask("DELETE", "/api/v1/session").send().await.is(204);
        assert!(
            out.header("set-cookie").unwrap().starts_with("__Host-qdn=; ")
                && out.header("set-cookie").unwrap().ends_with("Max-Age=0")
        );
        let stored = std::fs::read_to_string(site.folder.path().join("staff.json")).unwrap();
        assert!(stored.contains("$argon2id$") && !stored.contains(&passphrase));
    });
}

#[test]
fn nobody_and_somebody_with_a_wrong_passphrase_look_alike() {
    everywhere(async |site| {
        site.sign_in("maria").await;
        site.use_cookie(None);
        let mut answers = Vec::new();
        for (user, passphrase) in [("maria", "wrong"), ("nobody", "wrong"), ("", "")] {
            let ask = site.ask("POST", "/api/v1/session").json(&json!({ "user": user, "passphrase": passphrase }));
            let answer = ask.send().await.problem(401, "/problems/wrong-passphrase");
            assert!(answer.header("set-cookie").is_none());
            answers.push(answer.body);
        }
        answers.dedup();
        assert_eq!(answers.len(), 1);
    });
}

#[test]
fn sessions_end() {
    everywhere(async |site| {
        let passphrase = site.sign_in("maria").await;
        site.pass(SignedDuration::from_hours(7));
        let renewed = site.ask("GET", "/api/v1/jobs").send().await.is(200);
        let cookie = renewed.header("set-cookie").expect("half over, so it is renewed").split(';').next().unwrap().to_owned();
        site.pass(SignedDuration::from_hours(6));
        assert!(!is_in(&site).await, "twelve hours are over");
        site.use_cookie(Some(&cookie));
        assert!(is_in(&site).await, "the renewed one goes on");

        let renewed = site.api.staff.renew("maria", &System).await.unwrap();
        assert!(!is_in(&site).await, "another passphrase ends every session");
        site.use_cookie(None);
        let sign_in = |passphrase: String| {
            site.ask("POST", "/api/v1/session").json(&json!({ "user": "maria", "passphrase": passphrase })).send()
        };
        sign_in(passphrase).await.problem(401, "/problems/wrong-passphrase");
        sign_in(renewed.reveal().to_owned()).await.is(204);
        site.sign_in("sam").await;
        site.api.staff.remove("sam").await.unwrap();
        assert!(!is_in(&site).await);
    });
}

#[test]
fn a_cookie_that_was_made_elsewhere_opens_nothing() {
    everywhere(async |site| {
        let now = site.api.world.now();
        let session = Session::new("maria", 0, now);
        for cookie in [
            "__Host-qdn=".to_owned(),
            "__Host-qdn=v1.e30.AAAA".to_owned(),
            format!("qdn={}", seal(&site.api.keys, Purpose::Session, &session)),
            format!("__Host-qdn={}", seal(&site.api.keys, Purpose::Session, &session)),
            format!("__Host-qdn={}", seal(&site.api.keys, Purpose::SignInLink, &session)),
        ] {
            site.use_cookie(Some(&cookie));
            assert!(!is_in(&site).await, "{cookie}");
        }
    });
}

#[test]
fn a_sign_in_link_is_of_use_to_a_guest_of_this_stage_only() {
    everywhere(async |site| {
        let link = seal(&site.api.keys, Purpose::SignInLink, &Session::new("dispatcher", 0, site.api.world.now()));
        let answer = site.ask("POST", "/api/v1/session").json(&json!({ "link": link })).send().await;
        // Signed by this stage, but nobody of that name is staff here, as it would be in a preview.
        let cookie = answer.is(204).header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        site.use_cookie(Some(&cookie));
        assert!(!is_in(&site).await);
        let forged = site.ask("POST", "/api/v1/session").json(&json!({ "link": "v1.e30.AAAA" })).send().await;
        forged.problem(401, "/problems/wrong-passphrase");
    });
}
