//! Several publish at once, fall asleep, or have had enough.

use super::*;
use std::io::{BufRead as _, BufReader, Read as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_programs_each_has_a_turn_and_pages_are_never_mixed() {
    let rehearsal = Arc::new(Rehearsal::new().await);
    let versions = ["v1", "v2", "v3", "v4"];
    let mut releases = Vec::new();
    for version in versions {
        releases.push(rehearsal.built(version).await);
    }
    rehearsal.publish("staging", "v1").await.ended(0);
    // Whoever reads meanwhile gets whole pages, with their styles.
    let stop = Arc::new(AtomicBool::new(false));
    let (url, stopped) = (rehearsal.cloud.edge_url("ESTAGING"), Arc::clone(&stop));
    let reader = tokio::spawn(super::super::program::crawl(url, stopped));
    for round in 0..4 {
        let crowd = 2 + round % 3;
        let runs = (0..crowd).map(|one| rehearsal.publish("staging", versions[(round + one) % 4]));
        for run in futures_util::future::join_all(runs).await {
            run.ended(0);
        }
        let head = rehearsal.head("staging").await;
        let served = releases.iter().position(|release| head["release"] == json!(release)).expect("one of them");
        rehearsal.is_whole("staging", versions[served]).await;
    }
    stop.store(true, Ordering::Relaxed);
    assert!(reader.await.expect("no page was broken") > 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_wakes_up_after_another_took_over_touches_nothing() {
    let rehearsal = Rehearsal::new().await;
    // More pages than are on the way together.
    let many = |version: &str| {
        for page in 0..60 {
            rehearsal.project.write(&format!("site/many/{page}.md"), format!("---\ntitle: many\n---\nversion {version}\n"));
        }
    };
    for version in ["v1", "v2", "v3"] {
        many(version);
        rehearsal.built(version).await;
    }
    rehearsal.publish("staging", "v1").await.ended(0);
    let sleeper = Victim::default();
    let place = rehearsal.at("staging", "many/");
    let asleep = rehearsal.proxy.rule(Rule::new(Fault::Before(sleeper.hook("STOP"))).method("PUT").path(&place).skip(20).times(1));
    let run = rehearsal.start(&["publish", "staging", "--dist", "v2"], &sleeper);
    while asleep.done() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // It lives, so its lease has to run out.
    let other = rehearsal.publish("staging", "v3").await.ended(0);
    assert!(other.stderr.contains("waiting: process"), "{}", other.stderr);
    let public = rehearsal.bucket("staging").await;
    let (head, keys) = (rehearsal.head("staging").await, public.list("").await.unwrap());
    sleeper.signal("CONT");
    let run = run.await.unwrap().ended(3);
    assert!(run.stderr.contains("superseded by state"), "{}", run.stderr);
    assert_eq!(rehearsal.head("staging").await, head);
    assert!(public.list("").await.unwrap() == keys, "no page was touched");
    rehearsal.is_whole("staging", "v3").await;
    rehearsal.publish("staging", "v2").await.ended(0);
    rehearsal.is_whole("staging", "v2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupt_ends_it_in_order_and_the_next_goes_on_at_once() {
    let rehearsal = Rehearsal::new().await;
    rehearsal.built("v1").await;
    rehearsal.built("v2").await;
    rehearsal.publish("staging", "v1").await.ended(0);
    let mut here = "v1";
    // At the head, before anything public has changed; among the pages, as a person and as a machine would.
    let head = rehearsal.at("control", "qdn/stages/staging/head.json");
    let pages = rehearsal.at("staging", "about/index.html");
    for (place, signal, begun) in [(head, "INT", false), (pages.clone(), "INT", true), (pages, "TERM", true)] {
        let there = if here == "v1" { "v2" } else { "v1" };
        let victim = Victim::default();
        let rule = rehearsal.proxy.rule(Rule::new(Fault::Before(victim.hook(signal))).method("PUT").path(&place).times(1));
        let run = rehearsal.start(&["publish", "staging", "--dist", there], &victim).await.unwrap().ended(130);
        assert_eq!(rule.done(), 1);
        assert!(run.stderr.contains("interrupted"), "{}", run.stderr);
        let head = rehearsal.head("staging").await;
        assert_eq!(head["applying"].is_object(), begun, "{head}");
        assert!(head["applying"]["holder"].is_null(), "{head}");
        assert_eq!(rehearsal.page("staging", "/").await, here, "no later phase began");
        rehearsal.proxy.relent();
        let began = Instant::now();
        rehearsal.publish("staging", there).await.ended(0);
        assert!(began.elapsed() < Duration::from_secs(15), "nobody waits for a lease");
        rehearsal.is_whole("staging", there).await;
        here = there;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_interrupt_ends_it_at_once() {
    let rehearsal = Rehearsal::new().await;
    rehearsal.built("v1").await;
    rehearsal.publish("staging", "v1").await.ended(0);
    rehearsal.built("v2").await;
    for (arguments, method, place) in [
        (&["publish", "staging", "--dist", "v2"][..], "PUT", rehearsal.at("staging", "about/index.html")),
        (&["status", "staging"], "GET", rehearsal.at("control", "")),
        (&["gc", "staging"], "GET", rehearsal.at("control", "")),
    ] {
        let stalled = rehearsal.proxy.rule(Rule::new(Fault::Stall).method(method).path(place));
        let mut command = rehearsal.command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        while stalled.done() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let victim = Victim::default();
        victim.0.set(child.id()).unwrap();
        let (told, hears) = mpsc::channel();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let listener = std::thread::spawn(move || {
            let mut line = String::new();
            while said.read_line(&mut line).is_ok_and(|read| read > 0) && !line.contains("once more ends at once") {}
            told.send(()).unwrap();
            drop(said.read_to_string(&mut line));
            line
        });
        victim.signal("INT");
        hears.recv_timeout(Duration::from_secs(20)).expect("it says that it heard");
        victim.signal("INT");
        let began = Instant::now();
        let status = tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap();
        let said = listener.join().unwrap();
        assert!(began.elapsed() < Duration::from_secs(10), "{arguments:?} took {:?}", began.elapsed());
        assert_eq!(status.code(), Some(130), "{arguments:?}: {said}");
        rehearsal.proxy.relent();
    }
    rehearsal.publish("staging", "v2").await.ended(0);
    rehearsal.is_whole("staging", "v2").await;
}
