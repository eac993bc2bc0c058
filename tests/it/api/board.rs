//! Staff move jobs.

use super::site::{Answer, Site, everywhere};
use jiff::SignedDuration;
use serde_json::{Value, json};

const STATUSES: [&str; 4] = ["submitted", "ready_for_pickup", "in_progress", "completed"];

async fn post(site: &Site, job: &Value, what: &str, body: Value) -> Answer {
    let path = format!("/api/v1/jobs/{}/{what}", job["id"].as_str().expect("an id"));
    site.ask("POST", &path).json(&body).version(&job["version"]).send().await
}

async fn moved(site: &Site, job: &Value, to: &str) -> Value {
    post(site, job, "transitions", json!({ "to": to })).await.is(200).json()
}

/// A job that stands somewhere.
async fn standing(site: &Site, status: &str) -> Value {
    let mut job = site.taken().await;
    for to in &STATUSES[1..] {
        if job["status"] == status {
            break;
        }
        job = moved(site, &job, to).await;
    }
    job
}

#[test]
fn a_job_takes_one_step_at_a_time() {
    everywhere(async |site| {
        site.sign_in("sam").await;
        let mut counts = (0, 0, 0);
        for (at, from) in STATUSES.iter().enumerate() {
            for (to_at, to) in STATUSES.iter().enumerate() {
                let job = standing(&site, from).await;
                let answer = post(&site, &job, "transitions", json!({ "to": to })).await;
                if to_at == at + 1 {
                    let after = answer.is(200).json();
                    assert_eq!((after["status"].as_str(), after["version"].as_u64()), (Some(*to), Some(at as u64 + 2)));
                    counts.0 += 1;
                } else if to_at == at {
                    let after = answer.is(200).json();
                    assert_eq!(
                        (&after["version"], after["history"].as_array().unwrap().len()),
                        (&job["version"], at + 1),
                        "no event"
                    );
                    counts.1 += 1;
                } else {
                    let problem = answer.problem(409, "/problems/invalid-transition").json();
                    let allowed: Vec<&str> = STATUSES[at + 1..].iter().take(1).copied().collect();
                    assert_eq!(problem["allowed"], json!(allowed));
                    counts.2 += 1;
                }
            }
        }
        assert_eq!(counts, (3, 4, 9));
    });
}

#[test]
fn times_are_set_on_the_way_in_and_taken_back_with_the_step() {
    everywhere(async |site| {
        site.sign_in("sam").await;
        let mut job = standing(&site, "ready_for_pickup").await;
        site.pass(SignedDuration::from_mins(5));
        job = moved(&site, &job, "in_progress").await;
        let began = job["pickup_at"].clone();
        assert!(began.is_string() && job["completed_at"].is_null());
        site.pass(SignedDuration::from_mins(30));
        job = moved(&site, &job, "completed").await;
        assert!(job["completed_at"].as_str() > began.as_str() && job["pickup_at"] == began);
        job = post(&site, &job, "undo", json!({})).await.is(200).json();
        assert_eq!((job["status"].as_str(), &job["completed_at"], &job["pickup_at"]), (Some("in_progress"), &Value::Null, &began));
        let kinds: Vec<&str> = job["history"].as_array().unwrap().iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["book", "move", "move", "move", "undo"]);
        assert!(job["history"].as_array().unwrap().iter().all(|entry| entry["who"] == "sam" && entry["request"].is_null()));
    });
}

#[test]
fn an_old_step_is_undone_with_a_note() {
    everywhere(async |site| {
        site.sign_in("sam").await;
        let fresh = site.taken().await;
        post(&site, &fresh, "undo", json!({})).await.problem(409, "/problems/nothing-to-undo");
        let job = standing(&site, "ready_for_pickup").await;
        site.pass(SignedDuration::from_mins(16));
        post(&site, &job, "undo", json!({ "note": "  " })).await.problem(409, "/problems/note-needed");
        let back = post(&site, &job, "undo", json!({ "note": "customer called" })).await.is(200).json();
        assert_eq!((back["status"].as_str(), back["history"][2]["note"].as_str()), (Some("submitted"), Some("customer called")));
        let job = standing(&site, "ready_for_pickup").await;
        let path = format!("/api/v1/jobs/{}/undo", job["id"].as_str().expect("an id"));
        let typeless = site.ask("POST", &path).version(&job["version"]).bytes(b"{\"note\":\"x\"}");
        typeless.send().await.problem(415, "/problems/not-json");
        // As the board's button sends it: without a body.
        let job = standing(&site, "ready_for_pickup").await;
        let path = format!("/api/v1/jobs/{}/undo", job["id"].as_str().expect("an id"));
        site.ask("POST", &path).version(&job["version"]).send().await.is(200);
    });
}

#[test]
fn cancelling_needs_a_reason_and_can_be_undone() {
    everywhere(async |site| {
        site.sign_in("sam").await;
        let job = standing(&site, "ready_for_pickup").await;
        let empty = post(&site, &job, "cancel", json!({ "reason": " " })).await.problem(422, "/problems/invalid-fields").json();
        assert_eq!(empty["errors"][0]["pointer"], "/reason");
        let closed = post(&site, &job, "cancel", json!({ "reason": "moved away" })).await.is(200).json();
        assert_eq!((closed["cancel_reason"].as_str(), closed["status"].as_str()), (Some("moved away"), Some("ready_for_pickup")));
        let shown = site.track(&closed["tracking_url"]).await.is(200);
        assert!(shown.json()["canceled_at"].is_string() && !shown.text().contains("moved away"));
        post(&site, &closed, "transitions", json!({ "to": "in_progress" })).await.problem(409, "/problems/invalid-transition");
        let open = post(&site, &closed, "undo", json!({})).await.is(200).json();
        assert_eq!((&open["canceled_at"], open["status"].as_str()), (&Value::Null, Some("ready_for_pickup")));
        let done = standing(&site, "completed").await;
        post(&site, &done, "cancel", json!({ "reason": "too late" })).await.problem(409, "/problems/invalid-transition");
    });
}

#[test]
fn two_dispatchers_on_one_job_one_wins_and_the_other_sees_how_it_stands() {
    everywhere(async |site| {
        site.sign_in("sam").await;
        let job = site.taken().await;
        let (one, other) = tokio::join!(
            post(&site, &job, "transitions", json!({ "to": "ready_for_pickup" })),
            post(&site, &job, "cancel", json!({ "reason": "no show" })),
        );
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412]);
        let (won, lost) = if one.status == 200 { (one, other) } else { (other, one) };
        assert_eq!(lost.problem(412, "/problems/stale").json()["current"], won.json());
    });
}

#[test]
fn a_version_is_needed_and_may_be_weak() {
    everywhere(async |site| {
        site.sign_in("sam").await;
        let job = site.taken().await;
        let path = format!("/api/v1/jobs/{}/transitions", job["id"].as_str().expect("an id"));
        let to = json!({ "to": "ready_for_pickup" });
        site.ask("POST", &path).json(&to).send().await.problem(428, "/problems/version-needed");
        site.ask("POST", &path).json(&to).header("if-match", "\"x\"").send().await.problem(428, "/problems/version-needed");
        for wrong in ["1", "\"+1\"", "W/W/\"1\"", "\"\"1\"\""] {
            site.ask("POST", &path).json(&to).header("if-match", wrong).send().await.problem(428, "/problems/version-needed");
        }
        site.ask("POST", &path).json(&to).header("if-match", "W/\"1\"").send().await.is(200);
    });
}

#[test]
fn fields_are_changed_by_the_rules_of_a_booking() {
    everywhere(async |site| {
        site.sign_in("sam").await;
        let job = site.taken().await;
        let path = format!("/api/v1/jobs/{}", job["id"].as_str().expect("an id"));
        let patch = json!({ "window": { "part": "any" }, "phone": "619 555 0199", "access": "gate", "price_cents": 40000, "address": { "zip": "92102" } });
        let ask = site.ask("PATCH", &path).bytes(patch.to_string().as_bytes());
        let after = ask.header("content-type", "application/merge-patch+json").version(&job["version"]).send().await.is(200).json();
        assert_eq!((after["window"]["part"].as_str(), after["window"]["date"].as_str()), (Some("any"), Some("2026-11-26")));
        assert_eq!((after["phone"].as_str(), after["address"]["street"].as_str()), (Some("+16195550199"), Some("12 Elm St")));
        assert_eq!(after["history"][1]["note"], "phone, address, access, window, price");
        let empty = site.ask("PATCH", &path).json(&json!({ "access": null, "price_cents": null })).version(&after["version"]);
        let empty = empty.send().await.is(200).json();
        assert!(empty["access"].is_null() && empty["price_cents"].is_null());
        let wrong = site
            .ask("PATCH", &path)
            .json(&json!({ "phone": "x", "window": { "date": "soon" }, "name": "" }))
            .version(&empty["version"]);
        let wrong = wrong.send().await.problem(422, "/problems/invalid-fields").json();
        let pointers: Vec<&str> =
            wrong["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        assert_eq!(pointers, ["/name", "/phone", "/window/date"]);
        for unknown in [
            json!({ "name": null }),
            json!({ "window": null }),
            json!(["Ann"]),
            json!({ "status": "completed" }),
            json!({ "history": [] }),
            json!({ "id": "x" }),
            json!({ "address": { "street": null } }),
            json!({ "window": { "date": null } }),
            json!({ "window": { "date": "-009999-01-01" } }),
            json!({ "window": ["2026-12-02", "morning"] }),
            json!({ "address": ["1 Oak St"] }),
        ] {
            site.ask("PATCH", &path)
                .json(&unknown)
                .version(&empty["version"])
                .send()
                .await
                .problem(422, "/problems/invalid-fields");
        }
        assert_eq!(site.ask("GET", &path).send().await.is(200).json(), empty, "what was refused changed nothing");
    });
}

#[test]
fn a_step_is_a_name_and_nothing_else() {
    everywhere(async |site| {
        site.sign_in("sam").await;
        let job = site.taken().await;
        for to in [json!({ "ready_for_pickup": null }), json!(["ready_for_pickup"]), json!("ready"), Value::Null] {
            post(&site, &job, "transitions", json!({ "to": to })).await.problem(422, "/problems/invalid-fields");
        }
        assert_eq!(moved(&site, &job, "ready_for_pickup").await["version"], 2);
    });
}

#[test]
fn an_undo_brings_back_the_mark_and_reaches_the_customer() {
    everywhere(async |site| {
        let mut far = site.booking().await;
        far["address"]["zip"] = json!("10001");
        site.book(&far).send().await.is(201);
        site.sign_in("sam").await;
        let marked = site.ask("GET", "/api/v1/jobs").send().await.is(200).json()["jobs"][0].clone();
        let ready = moved(&site, &marked, "ready_for_pickup").await;
        assert_eq!((&marked["needs_review"], &ready["needs_review"]), (&json!(true), &json!(false)));
        let back = post(&site, &ready, "undo", json!({})).await.is(200).json();
        assert_eq!(back["needs_review"], true);

        let done = standing(&site, "completed").await;
        let shown = site.track(&done["tracking_url"]).await.is(200).json();
        assert_eq!((&shown["status"], &shown["poll_after"]), (&json!("completed"), &json!(120)), "the page asks on");
        post(&site, &done, "undo", json!({})).await.is(200);
        let shown = site.track(&done["tracking_url"]).await.is(200).json();
        assert_eq!((&shown["status"], &shown["poll_after"]), (&json!("in_progress"), &json!(15)));
    });
}

#[test]
fn two_edits_of_one_address_at_once_lose_nothing() {
    everywhere(async |site| {
        site.sign_in("sam").await;
        let job = site.taken().await;
        let path = format!("/api/v1/jobs/{}", job["id"].as_str().unwrap());
        let patch = |patch: Value| site.ask("PATCH", &path).json(&patch).header("if-match", "*").send();
        let (one, other) =
            tokio::join!(patch(json!({ "address": { "street": "1 Oak St" } })), patch(json!({ "address": { "zip": "92102" } })));
        let now = site.ask("GET", &path).send().await.is(200).json();
        for (answer, field, value) in [(one, "street", "1 Oak St"), (other, "zip", "92102")] {
            assert_eq!(answer.status == 200, now["address"][field] == value, "what was answered with 200 is there: {now}");
        }
    });
}

#[test]
fn what_cannot_be_seen_is_not_kept() {
    everywhere(async |site| {
        site.sign_in("sam").await;
        let job = site.taken().await;
        let noted = post(&site, &job, "transitions", json!({ "to": "ready_for_pickup", "note": "\u{0}\u{1b}[2Jx\u{202e}y" }))
            .await
            .is(200)
            .json();
        assert_eq!(noted["history"][1]["note"], "[2Jxy");
        let mut booking = site.booking().await;
        booking["name"] = json!("\u{200b}\u{2060}");
        let missing = site.book(&booking).send().await.problem(422, "/problems/invalid-fields").json();
        assert_eq!(missing["errors"][0]["pointer"], "/name");
    });
}

#[test]
fn a_head_has_the_head_of_a_get() {
    everywhere(async |site| {
        let get = site.ask("GET", "/api/v1/health").send().await.is(200);
        let head = site.ask("HEAD", "/api/v1/health").send().await.is(200);
        assert!(head.body.is_empty());
        assert_eq!(head.header("content-type"), get.header("content-type"));
        if let Some(length) = head.header("content-length") {
            assert_eq!(length, get.body.len().to_string());
        }
    });
}

#[test]
fn a_board_asks_for_what_changed() {
    everywhere(async |site| {
        site.sign_in("sam").await;
        let job = site.taken().await;
        site.booked().await;
        let all = site.ask("GET", "/api/v1/jobs").send().await.is(200).json();
        assert_eq!((all["jobs"].as_array().unwrap().len(), all["reset"].as_bool()), (2, Some(true)));
        let since = format!("/api/v1/jobs?since={}", all["rev"]);
        site.ask("GET", &since).send().await.is(204);
        moved(&site, &job, "ready_for_pickup").await;
        let delta = site.ask("GET", &since).send().await.is(200).json();
        assert_eq!(
            (delta["jobs"].as_array().unwrap().len(), &delta["jobs"][0]["id"], &delta["reset"]),
            (1, &job["id"], &json!(false))
        );
        let ready = site.ask("GET", "/api/v1/jobs?status=ready_for_pickup").send().await.is(200).json();
        assert_eq!(ready["jobs"].as_array().unwrap().len(), 1);
        let left = site.ask("GET", &format!("{since}&status=submitted")).send().await.is(200).json();
        assert_eq!(
            (left["jobs"].as_array().unwrap().len(), &left["gone"][0]),
            (0, &job["id"]),
            "it is no longer what was asked for"
        );
        let phone = site.ask("GET", "/api/v1/jobs?q=(619)%20555-0142").send().await.is(200).json();
        assert_eq!(phone["jobs"].as_array().unwrap().len(), 2);
        let found = site.ask("GET", "/api/v1/jobs?q=MARK%20elm").send().await.is(200).json();
        assert_eq!(found["jobs"].as_array().unwrap().len(), 2);
        site.ask("GET", "/api/v1/jobs?stats=1").send().await.problem(400, "/problems/query");
        site.ask("GET", "/api/v1/jobs?since=x").send().await.problem(400, "/problems/query");
    });
}

#[test]
fn no_job_is_404_whatever_the_id_looks_like() {
    everywhere(async |site| {
        site.sign_in("sam").await;
        for id in ["00000000-0000-4000-8000-000000000000", "x", "%20", "%00"] {
            site.ask("GET", &format!("/api/v1/jobs/{id}")).send().await.problem(404, "/problems/job-not-found");
        }
        let path = "/api/v1/jobs/00000000-0000-4000-8000-000000000000/transitions";
        let ask = site.ask("POST", path).json(&json!({ "to": "in_progress" })).header("if-match", "\"1\"");
        ask.send().await.problem(404, "/problems/job-not-found");
    });
}

#[test]
fn hostile_text_stays_text() {
    everywhere(async |site| {
        let hostile = "\"><img src=x onerror=alert(1)>";
        let mut booking = site.booking().await;
        for field in ["name", "details", "access"] {
            booking[field] = json!(format!("=HYPERLINK(1){hostile}"));
        }
        booking["address"]["street"] = json!(format!("@SUM(A1) {hostile}"));
        site.book(&booking).send().await.is(201);
        site.sign_in("sam").await;
        let board = site.ask("GET", "/api/v1/jobs").send().await.is(200);
        assert_eq!(board.header("content-type"), Some("application/json"));
        assert_eq!(board.json()["jobs"][0]["name"], format!("=HYPERLINK(1){hostile}"));
        let csv = site.ask("GET", "/api/v1/jobs.csv?month=2026-11").send().await.is(200);
        assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
        assert_eq!(csv.header("content-disposition"), Some("attachment; filename=\"jobs-2026-11.csv\""));
        let text = csv.text();
        for cell in ["\"'=HYPERLINK(1)", "\"'@SUM(A1)", "\"'+16195550142\""] {
            assert!(text.contains(cell), "{cell} in {text}");
        }
        assert_eq!(site.ask("GET", "/api/v1/jobs.csv?month=2026-12").send().await.text().lines().count(), 1);
        site.ask("GET", "/api/v1/jobs.csv?month=2026-11-24T10:00").send().await.problem(400, "/problems/query");
        site.ask("GET", "/api/v1/jobs.csv?month=soon").send().await.problem(400, "/problems/query");
    });
}

#[test]
fn a_store_that_cannot_be_read_is_an_answer_and_no_accident() {
    everywhere(async |site| {
        site.sign_in("sam").await;
        let path = site.folder.path().join("jobs.json");
        std::fs::write(&path, "{ broken").unwrap();
        let answer = site.ask("GET", "/api/v1/jobs").send().await.problem(503, "/problems/unavailable");
        assert!(!answer.text().contains("jobs.json") && answer.header("retry-after").is_some());
        let booking = site.booking().await;
        site.book(&booking).send().await.problem(503, "/problems/unavailable");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{ broken", "nothing is written over what cannot be read");
    });
}
