use super::*;
use crate::jobs::event::tests::{at, booked};
use crate::jobs::job::Idempotency;

fn numbered(number: u8) -> NewJob {
    let mut job = booked();
    job.id = JobId::from_random([number; 16]);
    job.link.track_sha256 = TokenHash::of(&number.to_string());
    let digest = |text: &str| crate::jobs::token::sha256_hex(text.as_bytes());
    job.idempotency = Some(Idempotency { key_sha256: digest(&format!("key {number}")), body_sha256: digest("body") });
    NewJob { job, most_waiting: Some(3) }
}

fn add(file: &mut JobsFile, new: &NewJob) -> Result<Created, CreateError> {
    let created = file.create(new)?;
    file.rev += 1;
    Ok(created)
}

fn ready(minutes: i64) -> Change {
    let event = Event::Move { to: Status::ReadyForPickup, note: None };
    Change { event, who: None, at: at(minutes), request: format!("r{minutes}") }
}

#[test]
fn the_file_is_read_back_as_it_was_written() {
    let mut file = JobsFile::default();
    assert_eq!(parse::<JobsFile>(&to_bytes(&file)), Ok(file.clone()));
    for number in 1..=3 {
        add(&mut file, &numbered(number)).unwrap();
    }
    file.remove(|job| job.id == numbered(1).job.id);
    assert_eq!(parse::<JobsFile>(&to_bytes(&file)), Ok(file.clone()));
    let lines = String::from_utf8(to_bytes(&file)).unwrap();
    assert_eq!(lines.lines().filter(|line| line.contains("\"customer\"")).count(), 2, "one job a line:\n{lines}");
}

#[test]
fn a_file_of_a_later_format_is_not_touched() {
    let error = parse::<JobsFile>(b"{\"format\": 2, \"rev\": 1, \"jobs\": []}").unwrap_err();
    assert_eq!(error, "it has format 2, and this `qdn` knows formats up to 1; use a newer one");
    assert_eq!(parse::<JobsFile>(b"{\n oops").unwrap_err(), "it is not what `qdn` writes (line 2, column 2)");
}

#[test]
fn the_same_request_makes_one_job() {
    let mut file = JobsFile::default();
    assert!(!add(&mut file, &numbered(1)).unwrap().replayed);
    let again = NewJob { job: Job { id: JobId::from_random([9; 16]), ..numbered(1).job }, most_waiting: None };
    assert_eq!(add(&mut file, &again).unwrap(), Created { job: numbered(1).job, replayed: true });
    let mut other = again;
    other.job.idempotency.as_mut().unwrap().body_sha256 = "another".to_owned();
    assert_eq!(add(&mut file, &other), Err(CreateError::KeyReused));
    assert_eq!(file.jobs.len(), 1);
}

#[test]
fn booking_closes_when_too_many_wait() {
    let mut file = JobsFile::default();
    for number in 1..=3 {
        add(&mut file, &numbered(number)).unwrap();
    }
    assert_eq!(add(&mut file, &numbered(4)), Err(CreateError::Closed));
    assert!(add(&mut file, &NewJob { most_waiting: None, ..numbered(4) }).is_ok(), "staff may");
}

#[test]
fn a_board_hears_of_what_changed_and_of_what_is_gone() {
    let mut file = JobsFile::default();
    for number in 1..=3 {
        add(&mut file, &numbered(number)).unwrap();
    }
    let all = file.since(0);
    assert_eq!((all.rev, all.jobs.len(), all.reset), (3, 3, true));
    assert_eq!(file.since(3), Delta { rev: 3, jobs: Vec::new(), gone: Vec::new(), reset: false });
    file.change(numbered(2).job.id, Some(1), &ready(1)).unwrap();
    file.rev += 1;
    file.remove(|job| job.id == numbered(1).job.id);
    file.rev += 1;
    let delta = file.since(3);
    assert_eq!((delta.rev, delta.jobs.len(), delta.jobs[0].version), (5, 1, 2));
    assert_eq!(delta.gone, [numbered(1).job.id]);
    assert!(file.since(99).reset, "a revision of another file");
}

#[test]
fn a_change_of_another_version_gets_the_job_as_it_stands() {
    let mut file = JobsFile::default();
    add(&mut file, &numbered(1)).unwrap();
    let id = numbered(1).job.id;
    let after = file.change(id, Some(1), &ready(1)).unwrap();
    assert_eq!(file.change(id, Some(1), &ready(2)), Err(ChangeError::Stale(Box::new(after.clone()))));
    assert_eq!(file.change(id, None, &ready(2)), Ok(after), "already there: nothing happens");
    assert_eq!(file.change(numbered(8).job.id, None, &ready(1)), Err(ChangeError::NotFound));
}

#[test]
fn a_board_is_told_everything_where_more_left_than_is_remembered() {
    let mut file = JobsFile::default();
    for _ in 0..REMEMBERED + 500 {
        let mut new = numbered(1);
        new.job.id = JobId(uuid::Uuid::from_u128(file.rev.into()));
        new.job.idempotency = None;
        add(&mut file, &NewJob { most_waiting: None, ..new }).unwrap();
    }
    let seen = file.rev;
    file.remove(|_| true);
    file.rev += 1;
    assert!(file.since(seen).reset);
}

#[test]
fn counters_beyond_all_measure_are_found() {
    let file = JobsFile { rev: u64::MAX, ..JobsFile::default() };
    assert!(file.is_sound().is_err() && JobsFile::default().is_sound().is_ok());
}
