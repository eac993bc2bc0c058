//! `qdn jobs` and `qdn staff`: the office without a browser.

use crate::project::{Project, Run};
use serde_json::{Value, json};

fn office() -> Project {
    Project::new().file(
        "qdn.toml",
        "[site]\nregion = 'CA'\ntime_zone = 'America/Los_Angeles'\n[[site.services]]\nid = 'half_truck'\nlabel = 'Half truck'\nprice = 330\n\
         [jobs.stores]\nshed = 'shed'\n",
    )
}

fn day() -> String {
    let today = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
    today.saturating_add(jiff::Span::new().days(2)).to_string()
}

fn create(project: &Project, more: &[&str]) -> Run {
    let day = day();
    let fields = [
        "jobs",
        "create",
        "--name",
        "Mark",
        "--phone",
        "(619) 555-0142",
        "--street",
        "12 Elm St",
        "--city",
        "San Diego",
        "--zip",
        "92101",
        "--service",
        "half_truck",
        "--details",
        "two sofas",
        "--date",
        &day,
        "--who",
        "sam",
    ];
    project.qdn(&[&fields, more].concat())
}

fn created(project: &Project) -> Value {
    create(project, &["--json"]).ended(0).json()["job"].clone()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}"))
}

#[test]
fn a_job_from_the_first_call_to_the_last_truck() {
    let project = office();
    let run = create(&project, &[]).ended(0);
    for part in ["stands   booked (version 1)", "Half truck: two sofas", "+16195550142", "$330.00", "sam booked it", "/track/"] {
        assert!(run.stdout.contains(part), "{part} in {}", run.stdout);
    }
    let job = created(&project);
    let id = text(&job, "id");
    for (to, label) in [("ready_for_pickup", "ready"), ("in_progress", "in progress"), ("completed", "done")] {
        let run = project.qdn(&["jobs", "move", &id[..8], "--note", "on time"]).ended(0);
        assert!(run.stdout.contains(&format!("stands   {label}")) && run.stdout.contains(": on time"), "{to}: {}", run.stdout);
    }
    assert!(project.qdn(&["jobs", "move", id]).ended(1).stderr.contains("no next step"));
    assert!(project.qdn(&["jobs", "cancel", id, "--reason", "x"]).ended(1).stderr.contains("nothing to cancel"));
    let undone = project.qdn(&["jobs", "undo", id, "--json"]).ended(0).json();
    assert_eq!((text(&undone["job"], "status"), &undone["job"]["completed_at"]), ("in_progress", &Value::Null));
    let closed = project.qdn(&["jobs", "cancel", id, "--reason", "gate was locked", "--json"]).ended(0).json();
    assert_eq!(text(&closed["job"], "cancel_reason"), "gate was locked");
    assert!(project.qdn(&["jobs", "cancel", id, "--reason", " "]).ended(2).stderr.contains("--reason"));
    // Open ones, unless told otherwise.
    assert_eq!(project.qdn(&["jobs", "list", "--json"]).ended(0).json()["jobs"].as_array().unwrap().len(), 1);
    let all = project.qdn(&["jobs", "list", "--all", "ELM", "mark"]).ended(0);
    assert_eq!(all.stdout.lines().count(), 2);
    assert!(all.stdout.contains("canceled") && all.stderr.contains("2 jobs in the stage `local`"), "{}", all.stdout);
}

#[test]
fn everything_wrong_with_a_job_is_said_at_once() {
    let project = office();
    let run = project.qdn(&["jobs", "create", "--zip", "9210", "--price", "1.5"]).ended(2);
    for part in [
        "--service: ",
        "--details: ",
        "--street: ",
        "--city: ",
        "--zip: Enter a ZIP code of five digits",
        "--date: ",
        "--name: ",
        "--phone: ",
        "--price: `1.5` is no amount in dollars",
    ] {
        assert!(run.stderr.contains(part), "{part} in {}", run.stderr);
    }
    assert!(create(&project, &["--price", "1.5"]).ended(2).stderr.contains("no amount in dollars"));
    assert!(project.qdn(&["jobs", "move", "abcd", "ready"]).ended(1).stderr.contains("no such job"));
    let id = text(&created(&project), "id").to_owned();
    assert!(project.qdn(&["jobs", "move", &id, "ready"]).ended(2).stderr.contains("ready_for_pickup"));
    let step = project.qdn(&["jobs", "move", &id, "completed", "--json"]).ended(1);
    assert!(step.json()["error"]["message"].as_str().unwrap().contains("The next step is Ready."));
}

#[test]
fn the_same_key_makes_one_job() {
    let project = office();
    let first = create(&project, &["--key", "call 7", "--json"]).ended(0).json();
    let again = create(&project, &["--key", "call 7", "--json"]).ended(0);
    assert!(again.stderr.contains("there already"));
    assert_eq!(again.json(), first);
    let other = create(&project, &["--key", "call 7", "--access", "gate"]).ended(1);
    assert!(other.stderr.contains("belongs to another job"));
}

#[test]
fn a_token_that_opens_nothing_is_told_why() {
    let project = office();
    let job = created(&project);
    let (id, link) = (text(&job, "id"), text(&job, "tracking_url"));
    let token = link.rsplit('/').next().unwrap();
    let show = |typed: &str| project.qdn(&["jobs", "show", typed]);
    for typed in [link, token, id, &id[..8], &format!("https://x.test/track/?t={token}")] {
        assert!(show(typed).ended(0).stdout.contains(id), "{typed}");
    }
    assert!(show("AAAAAAAAAAAAAAAAAAAAAA").ended(1).stderr.contains("no such job: no link of the stage `local` has this token"));
    assert!(show("fcdc1c82cb284dbe").ended(1).stderr.contains("a tracking token has 22 characters and this has 16"));
    assert!(show("what is this").ended(1).stderr.contains("a token of another shape"));
    assert!(show("00000000-0000-4000-8000-000000000000").ended(1).stderr.contains("no such job"));

    let renewed = project.qdn(&["jobs", "link", id, "--renew"]).ended(0).stdout;
    assert_ne!(renewed.trim(), link);
    assert_eq!(project.qdn(&["jobs", "link", renewed.trim()]).ended(0).stdout, renewed);
    let revoked = show(token).ended(1).stderr;
    assert!(revoked.contains(&format!("revoked: job {id} was given another link on ")), "{revoked}");

    let elsewhere = project.qdn(&["jobs", "--stage", "shed", "show", renewed.trim()]).ended(1).stderr;
    assert!(elsewhere.contains("wrong stage") && elsewhere.contains("`local`: add `--stage local`"), "{elsewhere}");

    // A stage that cannot be asked is said, and is no reason to call it the wrong one.
    let config = project.read("qdn.toml");
    project.write("qdn.toml", format!("{config}far = 's3://nowhere-bucket/x'\n"));
    let unknown = show("-Zo9NuMmJsgHLltZ4MSKJD").ended(1).stderr;
    assert!(unknown.contains("no such job: no link") && unknown.contains("`far` could not be asked"), "{unknown}");
    project.write("qdn.toml", config);

    // As if it had all been long ago.
    for _ in 0..3 {
        project.qdn(&["jobs", "move", id]).ended(0);
    }
    let aged =
        project.read(".qdn/jobs/jobs.json").replace(&format!("\"completed_at\":\"{}", &day()[..3]), "\"completed_at\":\"201");
    project.write(".qdn/jobs/jobs.json", aged);
    let expired = show(renewed.trim()).ended(1).stderr;
    assert!(expired.contains("expired: job ") && expired.contains("links end 30 days after"), "{expired}");
    let before = project.read(".qdn/jobs/jobs.json");
    let plain: &[&str] = &[];
    for renew in [plain, &["--renew"]] {
        let link = project.qdn(&[&["jobs", "link", id][..], renew].concat()).ended(1);
        assert!(link.stdout.is_empty() && link.stderr.contains("links end 30 days after"), "{}{}", link.stdout, link.stderr);
    }
    assert_eq!(project.read(".qdn/jobs/jobs.json"), before, "no link was made that opens nothing");
    let tidied = project.qdn(&["jobs", "tidy", "--json"]).ended(0).json();
    assert_eq!(tidied, json!({ "version": 1, "archived": 1, "purged": 1 }));
    assert!(show(renewed.trim()).ended(1).stderr.contains("expired"));
    assert!(show(id).ended(0).stdout.contains("the system removed personal data"));
    // What was archived stays archived wherever it goes.
    project.qdn(&["jobs", "migrate", "--to", "shed"]).ended(0);
    assert_eq!(project.qdn(&["jobs", "--stage", "shed", "list"]).ended(0).stdout, "");
    assert!(project.qdn(&["jobs", "--stage", "shed", "undo", id, "--note", "x"]).ended(1).stderr.contains("archived"));
    assert!(!project.tree("shed/archive").is_empty());
}

#[test]
fn jobs_travel_whole_between_files_and_stages() {
    let project = office();
    for _ in 0..3 {
        created(&project);
    }
    project.qdn(&["jobs", "export", "--out", "all.json"]).ended(0);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(project.path().join("all.json")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "it is about customers");
    let csv = project.qdn(&["jobs", "export", "--csv"]).ended(0).stdout;
    assert_eq!(csv.lines().count(), 4, "{csv}");
    assert!(csv.contains("\"'+16195550142\""));
    let again = project.qdn(&["jobs", "import", "all.json", "--json"]).ended(0).json();
    assert_eq!(again, json!({ "version": 1, "added": 0, "unchanged": 3 }));
    let moved = project.qdn(&["jobs", "migrate", "--to", "shed"]);
    let moved = moved.ended(0);
    assert!(moved.stderr.contains("copied 3 jobs from `local` to `shed`, counted and compared"), "{}", moved.stderr);
    assert!(project.exists("shed/jobs.json"));
    assert_eq!(project.qdn(&["jobs", "--stage", "shed", "list", "--json"]).ended(0).json()["jobs"].as_array().unwrap().len(), 3);
    // The other stage's secrets are not this one's: jobs are shown without their links.
    assert!(project.qdn(&["jobs", "--stage", "shed", "list", "--json"]).ended(0).json()["jobs"][0]["tracking_url"].is_null());

    let broken = project.read("all.json").replacen("\"status\":\"submitted\"", "\"status\":\"completed\"", 1);
    project.write("broken.json", broken);
    let run = project.qdn(&["jobs", "import", "broken.json"]).ended(2);
    assert!(
        run.stderr.contains("nothing was imported") && run.stderr.contains("its history ends with submitted"),
        "{}",
        run.stderr
    );
    for (what, with) in [("\"version\":1", "\"version\":18446744073709551615"), ("\"epoch\":0", "\"epoch\":4294967295")] {
        project.write("broken.json", project.read("all.json").replacen(what, with, 1));
        assert!(project.qdn(&["jobs", "import", "broken.json"]).ended(2).stderr.contains("does not fit its history"));
    }
    // A step from where the job never was.
    let step = r#"{"at":"2026-11-24T17:00:00Z","who":"x","kind":"move","from":"completed","to":"ready_for_pickup","request":"q"}"#;
    let forged = project
        .read("all.json")
        .replacen("\"version\":1,\"status\":\"submitted\"", "\"version\":2,\"status\":\"ready_for_pickup\"", 1)
        .replacen("}]}}", &format!("}},{step}]}}}}"), 1);
    project.write("broken.json", forged);
    let run = project.qdn(&["jobs", "import", "broken.json"]).ended(2);
    assert!(run.stderr.contains("entry 2 of its history cannot have happened"), "{}", run.stderr);
    // The link of another job, in the file and in the store.
    let all: Value = serde_json::from_str(&project.read("all.json")).unwrap();
    let mut twice = all.clone();
    twice["jobs"][0]["job"]["link"] = all["jobs"][1]["job"]["link"].clone();
    let mut stranger = all.clone();
    stranger["jobs"][0]["job"]["id"] = json!("00000000-0000-4000-8000-000000000000");
    for file in [twice, stranger] {
        project.write("broken.json", file.to_string());
        let run = project.qdn(&["jobs", "import", "broken.json"]).ended(2);
        assert!(run.stderr.contains("its link is that of job "), "{}", run.stderr);
    }
    assert_eq!(project.qdn(&["jobs", "export"]).ended(0).stdout.trim(), project.read("all.json").trim(), "nothing was imported");
    project.write("broken.json", "{ \"format\": 1, ");
    assert!(project.qdn(&["jobs", "import", "broken.json"]).ended(2).stderr.contains("line 1"));
    assert!(project.qdn(&["jobs", "import", "nowhere.json"]).ended(2).stderr.contains("cannot be read"));
    assert!(project.qdn(&["jobs", "--stage", "nowhere", "list"]).ended(2).stderr.contains("[jobs.stores]"));
}

#[test]
fn staff_are_added_renewed_and_removed() {
    let project = office();
    let passphrase = project.qdn(&["staff", "add", "maria", "--name", "Maria O"]).ended(0);
    assert_eq!(passphrase.stdout.trim().split('-').count(), 6, "{}", passphrase.stdout);
    assert!(passphrase.stderr.contains("shown this once"));
    assert!(project.qdn(&["staff", "add", "maria"]).ended(1).stderr.contains("--renew"));
    // Whoever opens a preview's link is let in by this name, with no passphrase that could be taken away.
    assert!(project.qdn(&["staff", "add", "you"]).ended(2).stderr.contains("a preview"));
    project.qdn(&["staff", "--stage", "shed", "add", "you"]).ended(0);
    assert!(project.qdn(&["staff", "add", "Maria O"]).ended(2).stderr.contains("a–z"));
    let renewed = project.qdn(&["staff", "add", "maria", "--renew", "--json"]).ended(0).json();
    assert_ne!(renewed["passphrase"], passphrase.stdout.trim());
    let list = project.qdn(&["staff", "list"]).ended(0);
    assert!(list.stdout.starts_with("maria  20") && list.stdout.contains("Maria O"), "{}", list.stdout);
    assert!(!project.read(".qdn/jobs/staff.json").contains(passphrase.stdout.trim()));
    project.qdn(&["staff", "remove", "maria"]).ended(0);
    assert!(project.qdn(&["staff", "remove", "maria"]).ended(1).stderr.contains("nobody"));
}

#[test]
fn secrets_are_made_and_changed_without_killing_a_link() {
    let project = office();
    let job = created(&project);
    let before = project.qdn(&["jobs", "keys"]).ended(0).json();
    for which in ["link", "session"] {
        let after = project.qdn(&["jobs", "keys", "--rotate", which]).ended(0).json();
        assert_eq!((after[which].as_array().unwrap().len(), &after[which][1]), (2, &before[which][0]));
    }
    assert_eq!(project.qdn(&["jobs", "link", text(&job, "id")]).ended(0).stdout.trim(), text(&job, "tracking_url"));
    let new = project.qdn(&["jobs", "keys", "--new"]).ended(0).json();
    assert_ne!(new["link"], before["link"]);
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(project.path().join(".qdn/jobs/keys.json")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    let terms = project.qdn(&["jobs", "terms"]).ended(0).json();
    assert_eq!((text(&terms, "time_zone"), &terms["services"][0]["price_cents"]), ("America/Los_Angeles", &json!(33000)));
    assert_eq!(project.qdn(&["jobs", "openapi"]).ended(0).json()["info"]["title"], "qdn job API");
}

#[test]
fn mistakes_about_jobs_in_the_configuration_are_found() {
    let project = Project::new().file(
        "qdn.toml",
        "[site]\ntime_zone = 'Mars/Olympus'\n[jobs]\nlink_days = 0\nlinkdays = 3\n[jobs.stores]\nlocal = 'x'\nprod = 'gs://bucket'\nnumber = 1\n",
    );
    let run = project.qdn(&["check"]).ended(1);
    for part in [
        "`Mars/Olympus` is not a time zone",
        "`link_days` must be from 1 to 3650",
        "`link_days`",
        "jobs cannot be kept at `gs://bucket`",
        "stage `local`",
    ] {
        assert!(run.stderr.contains(part), "{part} in {}", run.stderr);
    }
}
