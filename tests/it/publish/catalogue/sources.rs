//! What is published changes under the publisher's hands, is too little, too old, or has odd names.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_changes_after_it_was_built_is_refused_by_its_name() {
    let rehearsal = Rehearsal::new().await;
    for version in ["v1", "v2"] {
        rehearsal.built(version).await;
    }
    rehearsal.publish("staging", "v1").await.ended(0);
    let file = rehearsal.project.path().join("v2/site/about/index.html");
    let whole = std::fs::read(&file).unwrap();
    // Before its body is sent; and after that, before the page is.
    for place in ["qdn/probe", "qdn/stages/staging/head.json"] {
        let (path, changed) = (file.clone(), String::from_utf8(whole.clone()).unwrap().replace("version v2", "version v9"));
        let edit = Hook::new(move |_| std::fs::write(&path, &changed).unwrap());
        let place = rehearsal.at("control", place);
        let edited = rehearsal.proxy.rule(Rule::new(Fault::Before(edit)).method("PUT").path(place).times(1));
        let run = rehearsal.publish("staging", "v2").await.ended(3);
        assert_eq!(edited.done(), 1);
        assert!(run.stderr.contains("about/index.html") && run.stderr.contains("changed"), "{}", run.stderr);
        assert_eq!(rehearsal.page("staging", "/about/").await, "v1");
        assert_eq!(rehearsal.page("staging", "/").await, "v1", "no later phase began");
        rehearsal.proxy.relent();
        std::fs::write(&file, &whole).unwrap();
    }
    rehearsal.publish("staging", "v2").await.ended(0);
    rehearsal.is_whole("staging", "v2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_that_is_not_whole_is_refused_before_anything_is_sent() {
    let rehearsal = Rehearsal::new().await;
    rehearsal.built("v1").await;
    for (path, text) in [
        ("v1/site/about/index.html", None),
        ("v1/site/about/index.html", Some("short")),
        ("v1/functions/route.js", Some("function handler(event) { return event.request; }")),
        ("v1/functions/route.js", None),
    ] {
        let whole = rehearsal.project.read(path);
        match text {
            Some(text) => rehearsal.project.write(path, text),
            None => rehearsal.project.remove(path),
        }
        let run = rehearsal.publish("staging", "v1").await.ended(1);
        assert!(run.stderr.contains(path.trim_start_matches("v1/")), "{}", run.stderr);
        rehearsal.project.write(path, whole);
    }
    for text in ["", "{", "{\"version\": 9}"] {
        let whole = rehearsal.project.read("v1/manifest.json");
        rehearsal.project.write("v1/manifest.json", text);
        let run = rehearsal.publish("staging", "v1").await.ended(2);
        assert!(run.stderr.contains("manifest.json"), "{}", run.stderr);
        rehearsal.project.write("v1/manifest.json", whole);
    }
    assert_eq!(rehearsal.proxy.seen().len(), 0);
    rehearsal.publish("staging", "v1").await.ended(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_names_are_published_and_served_or_refused() {
    let rehearsal = Rehearsal::new().await;
    let long = format!("static/{}.txt", "long".repeat(55));
    let names = [
        ("static/a b.txt", "/a%20b.txt"),
        ("static/cafe\u{301}.txt", "/caf%C3%A9.txt"),
        ("static/a..b.txt", "/a..b.txt"),
        ("static/end.", "/end."),
        ("static/a+b@(1).txt", "/a+b@(1).txt"),
        ("static/x&y='z'.txt", "/x&y='z'.txt"),
        ("static/日本.txt", "/%E6%97%A5%E6%9C%AC.txt"),
        (&long, long.strip_prefix("static").unwrap()),
    ];
    let url = rehearsal.cloud.edge_url("ESTAGING");
    for text in ["one", "two"] {
        for (name, _) in names {
            rehearsal.project.write(&format!("site/{name}"), text);
        }
        let receipt = rehearsal.qdn(&["publish", "staging", "--json"]).await.ended(0).json();
        assert_eq!((&receipt["verified"]["purged_again"], &receipt["verified"]["unknown"]), (&json!([]), &json!([])));
        for (name, path) in names {
            assert_eq!(get(&format!("{url}{path}")).await, (200, text.to_owned()), "{name}");
        }
    }
    rehearsal.qdn(&["audit", "staging"]).await.ended(0);
    let seen = rehearsal.proxy.seen().len();
    for name in ["a#b.txt", "a?b.txt", "100%.txt"] {
        rehearsal.project.write(&format!("site/static/{name}"), "x");
        let run = rehearsal.qdn(&["publish", "staging"]).await.ended(1);
        assert!(run.stderr.contains(name), "{}", run.stderr);
        rehearsal.project.remove(&format!("site/static/{name}"));
    }
    assert_eq!(rehearsal.proxy.seen().len(), seen);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_that_lost_its_pages_is_refused() {
    let rehearsal = Rehearsal::new().await;
    rehearsal.built("v1").await;
    for page in 0..40 {
        rehearsal.project.write(&format!("site/many/{page}.md"), "---\ntitle: many\n---\nversion 1\n");
    }
    rehearsal.qdn(&["publish", "staging"]).await.ended(0);
    let seen = rehearsal.proxy.seen().len();
    for command in ["plan", "publish"] {
        let run = rehearsal.qdn(&[command, "staging", "--dist", "v1"]).await.ended(1);
        assert!(run.stderr.contains("would be removed") && run.stderr.contains("--allow-removals"), "{}", run.stderr);
    }
    assert_eq!(rehearsal.asked_of("staging", "DELETE", seen), [""; 0]);
    assert_eq!(rehearsal.asked_of("staging", "PUT", seen), [""; 0]);
    rehearsal.qdn(&["publish", "staging", "--dist", "v1", "--allow-removals"]).await.ended(0);
    rehearsal.is_whole("staging", "v1").await;
    assert!(!rehearsal.keys("staging").await.iter().any(|key| key.starts_with("many/")));
    // Nothing at all is left.
    let many = (0..40).map(|page| format!("many/{page}"));
    for page in ["index", "about", "blog/index", "blog/a"].map(str::to_owned).into_iter().chain(many) {
        rehearsal.project.remove(&format!("site/{page}.md"));
    }
    let run = rehearsal.qdn(&["publish", "staging"]).await.ended(1);
    assert!(!run.stderr.is_empty());
    rehearsal.is_whole("staging", "v1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_commit_does_not_replace_a_newer_unasked() {
    let rehearsal = Rehearsal::new().await;
    let git = |arguments: &[&str], time: &str| {
        let who = [
            ("GIT_AUTHOR_NAME", "a"),
            ("GIT_AUTHOR_EMAIL", "a@a.test"),
            ("GIT_COMMITTER_NAME", "a"),
            ("GIT_COMMITTER_EMAIL", "a@a.test"),
        ];
        let mut command = Command::new("git");
        command.arg("-C").arg(rehearsal.project.path()).args(arguments).envs(who).env("GIT_COMMITTER_DATE", time);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let path = std::env::var("PATH").unwrap();
    let publish = async |more: &[&str]| {
        let mut command = rehearsal.command(&[&["publish", "staging"], more].concat());
        command.env("PATH", &path);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        Run::of(&output)
    };
    git(&["init", "-q", "-b", "main"], "");
    for (version, time) in [("v1", "2026-11-01T10:00:00Z"), ("v2", "2026-11-02T10:00:00Z")] {
        rehearsal.version(version);
        git(&["add", "-A"], time);
        git(&["commit", "-q", "-m", version], time);
    }
    publish(&[]).await.ended(0);
    git(&["checkout", "-q", "HEAD~1"], "");
    let run = publish(&[]).await.ended(1);
    assert!(run.stderr.contains("newer") && run.stderr.contains("--allow-older"), "{}", run.stderr);
    rehearsal.is_whole("staging", "v2").await;
    publish(&["--allow-older"]).await.ended(0);
    rehearsal.is_whole("staging", "v1").await;
    git(&["checkout", "-q", "main"], "");
    publish(&[]).await.ended(0);
    rehearsal.is_whole("staging", "v2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saved_plan_is_carried_out_as_it_was_or_not_at_all() {
    let rehearsal = Rehearsal::new().await;
    for version in ["v1", "v2", "v3"] {
        rehearsal.built(version).await;
    }
    rehearsal.publish("staging", "v1").await.ended(0);
    let plan =
        async |version: &str| drop(rehearsal.qdn(&["plan", "staging", "--dist", version, "--out", "plan.json"]).await.ended(0));
    let carried = async |version: &str| rehearsal.qdn(&["publish", "staging", "--dist", version, "--plan", "plan.json"]).await;
    let seen = rehearsal.proxy.seen().len();
    plan("v2").await;
    assert!(rehearsal.proxy.seen().split_off(seen).iter().all(|request| request.method == "GET"), "a plan changes nothing");
    // Other sources; then another state.
    let run = carried("v3").await.ended(3);
    assert!(run.stderr.contains("the sources make"), "{}", run.stderr);
    rehearsal.is_whole("staging", "v1").await;
    carried("v2").await.ended(0);
    rehearsal.is_whole("staging", "v2").await;
    plan("v3").await;
    rehearsal.publish("staging", "v1").await.ended(0);
    let run = carried("v3").await.ended(3);
    assert!(run.stderr.contains("moved on"), "{}", run.stderr);
    rehearsal.is_whole("staging", "v1").await;
    // While it is carried out somebody is faster.
    plan("v3").await;
    let config = rehearsal.project.path().to_path_buf();
    let (mut other, once) = (rehearsal.command(&["publish", "staging", "--dist", "v2"]), OnceLock::new());
    other.current_dir(config);
    let other = std::sync::Mutex::new(other);
    let faster = Hook::new(move |_| {
        once.get_or_init(|| assert!(other.lock().unwrap().output().unwrap().status.success()));
    });
    let place = rehearsal.at("control", "qdn/probe");
    rehearsal.proxy.rule(Rule::new(Fault::Before(faster)).method("PUT").path(place).times(1));
    let run = carried("v3").await.ended(3);
    assert!(run.stderr.contains("changed the stage `staging` meanwhile"), "{}", run.stderr);
    rehearsal.is_whole("staging", "v2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_steps_after_it_are_told_what_was_done() {
    let rehearsal = Rehearsal::new().await;
    let release = rehearsal.built("v1").await;
    let mut command = rehearsal.command(&["publish", "staging", "--dist", "v1"]);
    let (output, summary) = (rehearsal.project.path().join("output"), rehearsal.project.path().join("summary"));
    std::fs::write(&output, "before=1\n").unwrap();
    command.env("GITHUB_OUTPUT", &output).env("GITHUB_STEP_SUMMARY", &summary);
    let run = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    Run::of(&run).ended(0);
    let url = rehearsal.cloud.edge_url("ESTAGING");
    let written = std::fs::read_to_string(output).unwrap();
    for line in [
        "before=1",
        "stage=staging",
        &format!("release={release}"),
        "previous=",
        "deleted=0",
        "invalidation-status=completed",
        &format!("url={url}"),
    ] {
        assert!(written.lines().any(|other| other == line), "{line}: {written}");
    }
    assert!(written.lines().any(|line| line.starts_with("paths=/") && line.contains("/index.html")), "{written}");
    let written = std::fs::read_to_string(summary).unwrap();
    assert!(written.contains(&release) && written.contains(&url) && written.contains("- `/index.html`"), "{written}");
}
