//! A customer books and follows.

use super::site::{MOST_WAITING, Site, everywhere};
use jiff::SignedDuration;
use qdn::jobs::api::Limits;
use serde_json::{Value, json};
use std::num::NonZeroU32;

#[test]
fn a_booking_gives_a_link_and_the_link_shows_the_job() {
    everywhere(async |site| {
        let booking = site.booking().await;
        let answer = site.book(&booking).send().await.is(201);
        let booked = answer.json();
        assert_eq!(answer.header("location"), booked["tracking_url"].as_str());
        let shown = site.track(&booked["tracking_url"]).await.is(200);
        assert_eq!(shown.json(), booked["job"]);
        assert_eq!(shown.header("cache-control"), Some("private, no-store"));
        let keys: Vec<String> = booked["job"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(
            keys,
            [
                "address",
                "canceled_at",
                "completed_at",
                "pickup_at",
                "poll_after",
                "service_label",
                "status",
                "submitted_at",
                "updated_at",
                "version",
                "window"
            ]
        );
        // Unchanged, for whoever asks with the version they have.
        let token = booked["tracking_url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        let again = site.ask("GET", &format!("/api/v1/track/{token}")).header("if-none-match", shown.header("etag").unwrap());
        assert!(again.send().await.is(304).body.is_empty());
    });
}

#[test]
fn every_link_that_shows_nothing_shows_the_same_nothing() {
    everywhere(async |site| {
        site.sign_in("sam").await;
        let expired = site.taken().await;
        for to in ["ready_for_pickup", "in_progress", "completed"] {
            let now = site.ask("GET", &format!("/api/v1/jobs/{}", expired["id"].as_str().unwrap())).send().await.is(200).json();
            let path = format!("/api/v1/jobs/{}/transitions", expired["id"].as_str().unwrap());
            site.ask("POST", &path).json(&json!({ "to": to })).version(&now["version"]).send().await.is(200);
        }
        site.track(&expired["tracking_url"]).await.is(200);
        let revoked = site.taken().await;
        let path = format!("/api/v1/jobs/{}/tracking-link", revoked["id"].as_str().unwrap());
        let renewed = site.ask("POST", &path).version(&revoked["version"]).send().await.is(200).json();
        site.track(&renewed["tracking_url"]).await.is(200);
        site.pass(SignedDuration::from_hours(31 * 24));

        let nothing = site.track(&expired["tracking_url"]).await.problem(404, "/problems/job-not-found");
        let mut answers = vec![site.track(&revoked["tracking_url"]).await];
        for token in ["AAAAAAAAAAAAAAAAAAAAAA", "fcdc1c82cb284dbe", "x", "%00", "%ff", "..%2f", &"a".repeat(400)] {
            answers.push(site.ask("GET", &format!("/api/v1/track/{token}")).send().await);
        }
        for answer in answers {
            let headers = |answer: &super::site::Answer| {
                let mut headers = answer.headers.clone();
                headers.retain(|(name, _)| name != "x-request-id" && name != "date");
                headers.sort();
                headers
            };
            assert_eq!(answer.body, nothing.body, "identical bytes");
            assert_eq!((answer.status, headers(&answer)), (404, headers(&nothing)));
        }
    });
}

#[test]
fn the_same_booking_sent_ten_times_at_once_is_one_job() {
    everywhere(async |site| {
        let booking = site.booking().await;
        let local = tokio::task::LocalSet::new();
        let sending = (0..10).map(|_| {
            let (site, booking) = (std::sync::Arc::clone(&site), booking.clone());
            local.spawn_local(async move {
                site.ask("POST", "/api/v1/jobs").json(&booking).header("idempotency-key", "one").send().await
            })
        });
        let sending: Vec<_> = sending.collect();
        local.await;
        let mut answers = Vec::new();
        for sent in sending {
            answers.push(sent.await.unwrap());
        }
        let links: std::collections::BTreeSet<String> =
            answers.iter().map(|answer| answer.clone().is(201).json()["tracking_url"].to_string()).collect();
        assert_eq!(links.len(), 1, "one link");
        let fresh = answers.iter().filter(|answer| answer.header("idempotent-replayed").is_none()).count();
        assert_eq!(fresh, 1, "nine were told that it is a replay");
        site.sign_in("sam").await;
        assert_eq!(site.ask("GET", "/api/v1/jobs").send().await.json()["jobs"].as_array().unwrap().len(), 1);

        let mut other = booking.clone();
        other["name"] = json!("Ann");
        let reused = site.ask("POST", "/api/v1/jobs").json(&other).header("idempotency-key", "one").send().await;
        reused.problem(422, "/problems/idempotency-key-reused");
        // However late it is sent once more, it is answered and not judged again.
        site.pass(SignedDuration::from_hours(9 * 24));
        let late = site.ask("POST", "/api/v1/jobs").json(&booking).header("idempotency-key", "one").send().await.is(201);
        assert_eq!(late.header("idempotent-replayed"), Some("true"));
        // A fresh stamp on the same booking changes nothing about it.
        let mut again = booking.clone();
        again["form_stamp"] = site.booking().await["form_stamp"].clone();
        site.ask("POST", "/api/v1/jobs").json(&again).header("idempotency-key", "one").send().await.is(201);
    });
}

#[test]
fn everything_wrong_with_a_booking_is_said_by_field() {
    everywhere(async |site| {
        let answer = site.book(&json!({})).send().await.problem(422, "/problems/invalid-fields").json();
        let pointers: Vec<&str> =
            answer["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        assert_eq!(
            pointers,
            ["/service", "/details", "/address/street", "/address/city", "/address/zip", "/window/date", "/name", "/phone"]
        );
        let mut unknown = site.booking().await;
        unknown["status"] = json!("completed");
        let answer = site.book(&unknown).send().await.problem(422, "/problems/invalid-fields").json();
        assert!(answer["detail"].as_str().unwrap().contains("unknown field `status`"), "{answer}");
        let mut priced = site.booking().await;
        priced["price_cents"] = json!(1);
        let answer = site.book(&priced).send().await.problem(422, "/problems/invalid-fields").json();
        assert_eq!(answer["errors"][0]["pointer"], "/price_cents");
    });
}

#[test]
fn a_body_that_is_none_is_refused_in_its_own_way() {
    everywhere(async |site| {
        let booking = site.booking().await;
        site.book(&json!("{")).bytes(b"{").send().await.problem(400, "/problems/not-json");
        site.book(&booking).bytes(&[b'a'; 20_000]).send().await.problem(413, "/problems/too-large");
        let form = site.book(&booking).without("content-type").header("content-type", "application/x-www-form-urlencoded");
        form.bytes(b"name=Mark").send().await.problem(415, "/problems/not-json");
        site.book(&booking).without("idempotency-key").send().await.problem(400, "/problems/idempotency-key-needed");
        site.book(&booking).bytes(b"{\"name\":\"\xff\"}").send().await.problem(400, "/problems/not-json");
        site.book(&Value::Array(vec![])).send().await.problem(422, "/problems/invalid-fields");
        site.book(&json!(["half_truck", "Two sofas"])).send().await.problem(422, "/problems/invalid-fields");
        let mut listed = site.booking().await;
        listed["address"] = json!(["12 Elm St", "San Diego", "92101"]);
        let answer = site.book(&listed).send().await.problem(422, "/problems/invalid-fields").json();
        assert_eq!(answer["detail"], "`/address` must be an object.");
    });
}

#[test]
fn a_program_that_fills_in_everything_is_told_what_it_wants_to_hear() {
    everywhere(async |site| {
        let mut booking = site.booking().await;
        booking["company_url"] = json!("https://spam.test");
        let answer = site.book(&booking).send().await.is(201).json();
        site.track(&answer["tracking_url"]).await.is(404);
        let mut stamped = site.booking().await;
        for (stamp, code) in [(Value::Null, "no-stamp"), (json!("1.x"), "no-stamp")] {
            stamped["form_stamp"] = stamp;
            let answer = site.book(&stamped).send().await.problem(422, "/problems/invalid-fields").json();
            assert_eq!(
                (answer["errors"][0]["pointer"].as_str(), answer["errors"][0]["code"].as_str()),
                (Some("/form_stamp"), Some(code))
            );
        }
        stamped["form_stamp"] = site.ask("GET", "/api/v1/form").send().await.json()["stamp"].clone();
        let answer = site.book(&stamped).send().await.problem(422, "/problems/invalid-fields").json();
        assert_eq!(answer["errors"][0]["code"], "too-fast");
        site.pass(SignedDuration::from_secs(3));
        site.book(&stamped).send().await.is(201);
    });
}

#[test]
fn booking_closes_when_too_many_wait_and_staff_may_go_on() {
    everywhere(async |site| {
        for _ in 0..MOST_WAITING {
            site.booked().await;
        }
        let booking = site.booking().await;
        let answer = site.book(&booking).send().await.problem(503, "/problems/booking-closed");
        assert!(answer.header("retry-after").is_some() && answer.json()["detail"].as_str().unwrap().contains("call"));
        site.sign_in("sam").await;
        site.taken().await;
    });
}

#[test]
fn odd_bookings_are_held_for_a_person() {
    everywhere(async |site| {
        let mut far = site.booking().await;
        far["address"]["zip"] = json!("10001");
        site.book(&far).send().await.is(201);
        site.sign_in("sam").await;
        let board = site.ask("GET", "/api/v1/jobs").send().await.json();
        assert_eq!(board["jobs"][0]["needs_review"], true);
    });
}

#[tokio::test]
async fn too_many_at_once_are_told_to_wait() {
    let few = NonZeroU32::new(2).unwrap();
    let site = Site::limited(Limits::new(few, few)).await;
    for _ in 0..2 {
        site.booked().await;
    }
    let booking = site.booking().await;
    let answer = site.book(&booking).send().await.problem(429, "/problems/too-many-requests");
    assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() > 1);
    for _ in 0..2 {
        let wrong = site.ask("POST", "/api/v1/session").json(&json!({ "user": "x", "passphrase": "y" }));
        wrong.send().await.problem(401, "/problems/wrong-passphrase");
    }
    let wrong = site.ask("POST", "/api/v1/session").json(&json!({ "user": "x", "passphrase": "y" }));
    wrong.send().await.problem(429, "/problems/too-many-requests");
}
