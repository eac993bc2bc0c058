//! What every store does, whatever it keeps jobs in.

use super::*;
use qdn::jobs::Terms;
use qdn::jobs::event::Refusal;
use qdn::jobs::store::{ChangeError, CreateError, Created, Imported, StoreError, Tidied};
use std::collections::BTreeSet;
use tokio::task::JoinSet;

macro_rules! on_every_store {
    ($($case:ident,)*) => {
        mod folder { $(#[tokio::test] async fn $case() { super::$case(&super::Place::folder()).await; })* }
        mod s3 { $(#[tokio::test] async fn $case() { super::$case(&super::Place::s3().await).await; })* }
        mod dynamo { $(#[tokio::test] async fn $case() { super::$case(&super::Place::dynamo().await).await; })* }
    };
}

on_every_store![
    a_new_store_is_empty,
    a_job_is_there_once_it_was_created,
    a_booking_sent_again_makes_nothing,
    ten_of_the_same_booking_at_once_make_one_job,
    booking_closes_when_too_many_wait,
    a_job_changes_where_it_has_the_expected_version,
    what_cannot_happen_is_refused_with_the_job_as_it_stands,
    a_renewed_link_opens_and_the_old_one_is_dead,
    a_board_hears_what_changed,
    fifty_writers_lose_nothing,
    of_two_writers_on_one_job_one_wins,
    what_is_exported_can_be_imported,
    an_import_that_differs_adds_nothing,
    what_ended_long_ago_is_archived_and_then_purged,
    a_job_that_came_back_is_not_archived,
];

async fn a_new_store_is_empty(place: &Place) {
    let store = place.open();
    assert_eq!(store.get(id(1)).await, Ok(None));
    assert_eq!(store.by_token(&token("token 1")).await, Ok(None));
    assert_eq!(store.export().await, Ok(vec![]));
    let all = store.since(0).await.unwrap();
    assert!(all.reset && all.jobs.is_empty() && all.gone.is_empty());
    assert_eq!(store.change(id(1), Some(1), &ready("r")).await, Err(ChangeError::NotFound));
    assert_eq!(store.tidy(&Terms::default(), at(0), "t").await, Ok(Tidied::default()));
    assert_eq!(store.import(&[], "i").await, Ok(Imported::default()));
}

async fn a_job_is_there_once_it_was_created(place: &Place) {
    let (one, other) = (place.open(), place.open());
    assert_eq!(one.create(&new(1)).await, Ok(Created { job: job(1), replayed: false }));
    assert_eq!(
        one.create(&NewJob { job: Job { idempotency: None, ..job(2) }, most_waiting: Some(9) }).await.unwrap().job.id,
        id(2)
    );
    for store in [&one, &other] {
        assert_eq!(store.get(id(1)).await, Ok(Some(job(1))), "as it was, to the letter");
        assert_eq!(store.by_token(&token("token 1")).await, Ok(Some(job(1))));
        assert_eq!(store.by_token(&token("token 2")).await.unwrap().unwrap().id, id(2));
        assert_eq!(store.by_token(&token("token 3")).await, Ok(None));
        assert_eq!(store.since(0).await.unwrap().jobs.len(), 2);
        assert_eq!(store.export().await.unwrap().len(), 2);
    }
}

async fn a_booking_sent_again_makes_nothing(place: &Place) {
    let store = place.open();
    store.create(&new(1)).await.unwrap();
    let again = Job { id: id(2), link: job(2).link, ..job(1) };
    let created = store.create(&NewJob { job: again.clone(), most_waiting: Some(1) }).await;
    assert_eq!(created, Ok(Created { job: job(1), replayed: true }), "although booking is closed by now");
    let mut other = again;
    other.idempotency.as_mut().unwrap().body_sha256 = sha256_hex(b"another body");
    assert_eq!(store.create(&NewJob { job: other, most_waiting: None }).await, Err(CreateError::KeyReused));
    assert_eq!(store.export().await.unwrap().len(), 1);
    assert_eq!(store.by_token(&token("token 2")).await, Ok(None));
}

async fn ten_of_the_same_booking_at_once_make_one_job(place: &Place) {
    let mut tasks = JoinSet::new();
    for number in 1..=10 {
        let (store, again) =
            (place.open(), Job { id: id(number), link: job(number).link, idempotency: job(1).idempotency, ..job(number) });
        tasks.spawn(async move { store.create(&NewJob { job: again, most_waiting: Some(5) }).await });
    }
    let created: Vec<Created> = tasks.join_all().await.into_iter().map(|created| created.expect("each is answered")).collect();
    assert_eq!(created.iter().filter(|created| !created.replayed).count(), 1);
    assert_eq!(created.iter().map(|created| created.job.id).collect::<BTreeSet<_>>().len(), 1, "all are told of the same job");
    assert_eq!(place.open().export().await.unwrap(), vec![created[0].job.clone()]);
}

async fn booking_closes_when_too_many_wait(place: &Place) {
    let store = place.open();
    let public = |number| NewJob { job: job(number), most_waiting: Some(2) };
    store.create(&public(1)).await.unwrap();
    store.create(&public(2)).await.unwrap();
    assert_eq!(store.create(&public(3)).await, Err(CreateError::Closed));
    store.create(&new(3)).await.expect("staff are not refused");
    store.change(id(1), Some(1), &ready("r1")).await.unwrap();
    assert_eq!(store.create(&public(4)).await, Err(CreateError::Closed), "two still wait");
    let cancel = change(Event::Cancel { reason: "no show".to_owned() }, 6, "r2");
    store.change(id(2), Some(1), &cancel).await.unwrap();
    store.create(&public(4)).await.expect("one waits");
}

async fn a_job_changes_where_it_has_the_expected_version(place: &Place) {
    let (one, other) = (place.open(), place.open());
    one.create(&new(1)).await.unwrap();
    let changed = one.change(id(1), Some(1), &ready("r1")).await.unwrap();
    assert_eq!((changed.version, changed.status, changed.updated_at), (2, Status::ReadyForPickup, at(5)));
    assert_eq!(changed.history[1].request, "r1");
    assert_eq!(other.get(id(1)).await, Ok(Some(changed.clone())));
    let late = change(to(Status::InProgress), 6, "r2");
    assert_eq!(other.change(id(1), Some(1), &late).await, Err(ChangeError::Stale(Box::new(changed.clone()))));
    let same = other.change(id(1), Some(2), &change(to(Status::ReadyForPickup), 7, "r3")).await;
    assert_eq!(same, Ok(changed), "it stands there already, so nothing happens");
    assert_eq!(other.change(id(1), None, &late).await.unwrap().version, 3, "whatever its version");
    assert_eq!(one.change(id(2), Some(1), &late).await, Err(ChangeError::NotFound));
}

async fn what_cannot_happen_is_refused_with_the_job_as_it_stands(place: &Place) {
    let store = place.open();
    store.create(&new(1)).await.unwrap();
    let refused = store.change(id(1), Some(1), &change(to(Status::Completed), 5, "r1")).await;
    let refusal = Refusal::NoSuchStep { from: Status::Submitted, to: Status::Completed };
    assert_eq!(refused, Err(ChangeError::Refused(Box::new(job(1)), refusal)));
    assert_eq!(store.get(id(1)).await, Ok(Some(job(1))));
}

async fn a_renewed_link_opens_and_the_old_one_is_dead(place: &Place) {
    let (one, other) = (place.open(), place.open());
    one.create(&new(1)).await.unwrap();
    other.by_token(&token("token 1")).await.unwrap().expect("it opens");
    let link = Link { epoch: 1, track_sha256: token("another") };
    let renewed = one.change(id(1), Some(1), &change(Event::RenewLink(link), 5, "r1")).await.unwrap();
    assert_eq!(other.by_token(&token("token 1")).await, Ok(None));
    assert_eq!(other.by_token(&token("another")).await, Ok(Some(renewed)));
}

async fn a_board_hears_what_changed(place: &Place) {
    let (board, other) = (place.open(), place.open());
    other.create(&new(1)).await.unwrap();
    other.create(&new(2)).await.unwrap();
    let first = board.since(0).await.unwrap();
    assert!(first.reset && first.rev > 0);
    assert_eq!(first.jobs.iter().map(|job| job.id).collect::<BTreeSet<_>>(), BTreeSet::from([id(1), id(2)]));
    let changed = other.change(id(2), Some(1), &ready("r1")).await.unwrap();
    let next = board.since(first.rev).await.unwrap();
    assert!(!next.reset && next.gone.is_empty() && next.rev >= first.rev);
    assert!(next.jobs.contains(&changed), "what changed is told as it is now");
    let again = board.since(next.rev).await.unwrap();
    assert!(!again.reset && again.rev >= next.rev);
    let lost = board.since(u64::MAX).await.unwrap();
    assert!(lost.reset && lost.jobs.len() == 2, "a revision of another store asks for everything");
}

async fn fifty_writers_lose_nothing(place: &Place) {
    let jobs: Vec<Job> = (0..50).map(job).collect();
    place.open().import(&jobs, "import").await.unwrap();
    let mut tasks = JoinSet::new();
    for number in 0..50 {
        let store = place.open();
        tasks.spawn(async move {
            let change = ready(&format!("r{number}"));
            // However busy the machine is with all else: what counts is that nothing is lost. A browser asks again, too.
            for _ in 0..40 {
                match store.change(id(number), Some(1), &change).await {
                    Err(ChangeError::Store(StoreError::Busy)) => {}
                    result => return result,
                }
            }
            store.change(id(number), Some(1), &change).await
        });
    }
    for result in tasks.join_all().await {
        assert_eq!(result.expect("everyone gets through").version, 2);
    }
    let jobs = place.open().export().await.unwrap();
    assert_eq!(jobs.len(), 50);
    for (number, job) in jobs.iter().enumerate() {
        assert_eq!((job.status, job.history.len()), (Status::ReadyForPickup, 2));
        assert_eq!(job.history[1].request, format!("r{number}"));
    }
}

async fn of_two_writers_on_one_job_one_wins(place: &Place) {
    let (one, other) = (place.open(), place.open());
    for number in 1..=5 {
        one.create(&new(number)).await.unwrap();
        let cancel = change(Event::Cancel { reason: "no show".to_owned() }, 6, "cancel");
        let first = ready("ready");
        let results = tokio::join!(one.change(id(number), Some(1), &first), other.change(id(number), Some(1), &cancel));
        let now = one.get(id(number)).await.unwrap().unwrap();
        assert_eq!((now.version, now.history.len()), (2, 2));
        match results {
            (Ok(won), Err(ChangeError::Stale(seen))) | (Err(ChangeError::Stale(seen)), Ok(won)) => {
                assert_eq!((&won, &*seen), (&now, &now), "the loser is shown what won");
            }
            other => panic!("{other:?}"),
        }
    }
}

async fn what_is_exported_can_be_imported(place: &Place) {
    let store = place.open();
    for number in 0..70 {
        let mut job = job(number);
        if number % 2 == 0 {
            job.idempotency = None;
        }
        store.import(&[job], &format!("one {number}")).await.unwrap();
    }
    complete(&*store, 3, 60).await;
    let exported = store.export().await.unwrap();
    assert_eq!(exported.len(), 70);
    assert!(exported.is_sorted_by_key(|job| job.id));
    for other in [Place::folder(), Place::s3().await, Place::dynamo().await] {
        let other = other.open();
        assert_eq!(other.import(&exported, "import").await, Ok(Imported { added: 70, unchanged: 0 }));
        assert_eq!(other.export().await.unwrap(), exported);
        assert_eq!(other.import(&exported, "import again").await, Ok(Imported { added: 0, unchanged: 70 }));
        assert_eq!(other.by_token(&token("token 5")).await, Ok(Some(job(5))), "links open");
        let again = Job { id: id(99), ..job(5) };
        assert!(other.create(&NewJob { job: again, most_waiting: None }).await.unwrap().replayed, "keys are known");
    }
}

async fn an_import_that_differs_adds_nothing(place: &Place) {
    let store = place.open();
    store.create(&new(2)).await.unwrap();
    let other = Job { details: "something else".to_owned(), ..job(2) };
    let error = store.import(&[job(1), other, job(3)], "import").await.unwrap_err();
    assert!(matches!(&error, StoreError::Broken(why) if why.contains("nothing was imported")), "{error}");
    assert_eq!(store.export().await, Ok(vec![job(2)]));
}

async fn what_ended_long_ago_is_archived_and_then_purged(place: &Place) {
    let day = 24 * 60;
    let terms = Terms { link_days: 20, archive_days: 30, purge_days: 365, ..Terms::default() };
    let (store, board) = (place.open(), place.open());
    for number in 1..=4 {
        store.create(&new(number)).await.unwrap();
    }
    let done = complete(&*store, 1, 60).await;
    complete(&*store, 2, 40 * day).await;
    let cancel = change(Event::Cancel { reason: "moved away".to_owned() }, 90, "cancel");
    store.change(id(3), None, &cancel).await.unwrap();
    let seen = board.since(0).await.unwrap();
    assert_eq!(store.tidy(&terms, at(29 * day), "t1").await, Ok(Tidied::default()));
    assert_eq!(store.tidy(&terms, at(45 * day), "t2").await, Ok(Tidied { archived: 2, purged: 0 }));
    assert_eq!(store.tidy(&terms, at(45 * day), "t3").await, Ok(Tidied::default()), "once");
    // They are out of the way, and not lost.
    let next = board.since(seen.rev).await.unwrap();
    assert!(!next.reset);
    assert_eq!(next.gone.iter().copied().collect::<BTreeSet<_>>(), BTreeSet::from([id(1), id(3)]));
    assert_eq!(board.since(0).await.unwrap().jobs.len(), 2);
    assert_eq!(store.get(id(1)).await, Ok(None));
    assert_eq!(store.by_token(&token("token 1")).await, Ok(None));
    assert_eq!(
        store.change(id(1), None, &change(Event::Undo { note: Some("x".to_owned()) }, 99, "u")).await,
        Err(ChangeError::NotFound)
    );
    let exported = place.open().export().await.unwrap();
    assert_eq!(exported.len(), 4);
    assert_eq!(exported[0], done);
    // The key of an archived booking is free again.
    let again = Job { id: id(9), link: job(9).link, ..job(1) };
    assert!(!store.create(&NewJob { job: again, most_waiting: None }).await.unwrap().replayed);
    // A year later the archive has no names left, nor has the job that ended later and was archived with it.
    place.let_a_day_pass().await;
    assert_eq!(store.tidy(&terms, at(450 * day), "t4").await, Ok(Tidied { archived: 1, purged: 3 }));
    place.let_a_day_pass().await;
    assert_eq!(store.tidy(&terms, at(450 * day), "t5").await, Ok(Tidied::default()));
    let exported = store.export().await.unwrap();
    let ended: Vec<&Job> = exported.iter().filter(|job| job.ended_at().is_some()).collect();
    assert_eq!(ended.len(), 3);
    for job in ended {
        assert!(job.is_purged() && job.customer.name.is_empty() && job.customer.phone.is_empty());
        assert!(job.history.iter().all(|entry| entry.note.is_none()));
        assert_eq!(job.address.zip, "92101", "for statistics");
    }
    assert_eq!(store.get(id(4)).await, Ok(Some(job(4))), "what never ended stays");
}

async fn a_job_that_came_back_is_not_archived(place: &Place) {
    let store = place.open();
    store.create(&new(1)).await.unwrap();
    complete(&*store, 1, 60).await;
    let undo = change(Event::Undo { note: Some("it was not".to_owned()) }, 70, "undo");
    let back = store.change(id(1), None, &undo).await.unwrap();
    let terms = Terms { link_days: 1, archive_days: 1, ..Terms::default() };
    assert_eq!(store.tidy(&terms, at(60 * 24 * 60), "t").await, Ok(Tidied::default()));
    assert_eq!(store.get(id(1)).await, Ok(Some(back)));
}
