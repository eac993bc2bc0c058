use super::*;
use crate::jobs::job::{Customer, JobId};
use crate::jobs::token::TokenHash;

pub(crate) fn at(minutes: i64) -> Timestamp {
    "2026-11-24T17:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minutes)
}

pub(crate) fn booked() -> Job {
    let entry = Entry {
        at: at(0),
        who: None,
        kind: EntryKind::Book,
        from: None,
        to: Some(Status::Submitted),
        note: None,
        review: false,
        request: "r0".to_owned(),
    };
    Job {
        id: JobId::from_random([7; 16]),
        version: 1,
        status: Status::Submitted,
        closure: None,
        customer: Customer { name: "Mark".to_owned(), phone: "+16195550142".to_owned(), email: Some("mark@x.test".to_owned()) },
        address: Address { street: "12 Elm St".into(), city: "San Diego".into(), state: "CA".into(), zip: "92101".into() },
        service: "half_truck".to_owned(),
        details: "two sofas".to_owned(),
        access: Some("gate 4711".to_owned()),
        window: Window { date: "2026-11-25".parse().unwrap(), part: "any".to_owned() },
        price_cents: Some(33000),
        submitted_at: at(0),
        pickup_at: None,
        completed_at: None,
        updated_at: at(0),
        link: Link { epoch: 0, track_sha256: TokenHash::of("x") },
        needs_review: false,
        idempotency: None,
        history: vec![entry],
    }
}

fn change(event: Event, minutes: i64) -> Change {
    Change { event, who: Some("sam".to_owned()), at: at(minutes), request: format!("r{minutes}") }
}

fn to(status: Status) -> Event {
    Event::Move { to: status, note: None }
}

fn undo() -> Event {
    Event::Undo { note: None }
}

fn cancel() -> Event {
    Event::Cancel { reason: "no show".to_owned() }
}

/// A job in each of the states that there are: four statuses, open or cancelled. One cannot be: done and cancelled.
fn states() -> Vec<Job> {
    let mut open = vec![booked()];
    for status in &Status::ALL[1..] {
        open.push(open.last().unwrap().after(&change(to(*status), 1)).unwrap());
    }
    let cancelled: Vec<Job> = open[..3].iter().map(|job| job.after(&change(cancel(), 2)).unwrap()).collect();
    [open, cancelled].concat()
}

#[test]
fn every_state_meets_every_event() {
    use Status::{Completed, InProgress, ReadyForPickup, Submitted};
    let edit = || Event::Edit(Box::new(Edit { name: Some("Ann".to_owned()), ..Edit::default() }));
    let link = || Event::RenewLink(Link { epoch: 1, track_sha256: TokenHash::of("y") });
    let events = [to(Submitted), to(ReadyForPickup), to(InProgress), to(Completed), undo(), cancel(), edit(), link(), Event::Purge];
    let mut table = String::new();
    for job in states() {
        let name = |job: &Job| format!("{}{}", job.status.id(), if job.closure.is_some() { " canceled" } else { "" });
        for event in &events {
            let result = match job.after(&change(event.clone(), 3)) {
                Ok(after) if after == job => "–".to_owned(),
                Ok(after) => {
                    assert_eq!((after.version, after.history.len()), (job.version + 1, job.history.len() + 1));
                    assert_eq!(replay(&after.history), Ok((after.status, after.closure.is_some())), "{event:?}");
                    assert_eq!(after.pickup_at.is_some(), after.status >= InProgress);
                    assert_eq!(after.completed_at.is_some(), after.status == Completed);
                    name(&after)
                }
                Err(refusal) => format!("{refusal:?}"),
            };
            let event = match event {
                Event::Move { to, .. } => format!("to {}", to.id()),
                Event::Edit(_) => "edit".to_owned(),
                Event::RenewLink(_) => "link".to_owned(),
                event => format!("{event:?}").split(' ').next().unwrap().to_lowercase(),
            };
            table.push_str(&format!("{:26} {event:19} {result}\n", name(&job)));
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn an_undo_takes_back_one_step_after_the_other() {
    let mut job = booked();
    for event in [to(Status::ReadyForPickup), to(Status::InProgress), undo(), undo()] {
        job = job.after(&change(event, 5)).unwrap();
    }
    assert_eq!((job.status, job.pickup_at, job.history.len()), (Status::Submitted, None, 5));
    assert_eq!(job.after(&change(undo(), 5)), Err(Refusal::NothingToUndo));
}

#[test]
fn an_old_step_is_taken_back_only_with_a_reason() {
    let job = booked().after(&change(to(Status::ReadyForPickup), 0)).unwrap();
    assert!(job.after(&change(undo(), 15)).is_ok());
    assert_eq!(job.after(&change(undo(), 16)), Err(Refusal::NoteNeeded));
    let note = Event::Undo { note: Some("customer called".to_owned()) };
    assert_eq!(job.after(&change(note, 16)).unwrap().status, Status::Submitted);
}

#[test]
fn an_undone_cancellation_opens_the_job_where_it_stood() {
    let job = booked().after(&change(to(Status::ReadyForPickup), 0)).unwrap().after(&change(cancel(), 1)).unwrap();
    assert_eq!(job.ended_at(), Some(at(1)));
    let open = job.after(&change(undo(), 2)).unwrap();
    assert_eq!((open.status, open.closure, open.completed_at), (Status::ReadyForPickup, None, None));
}

#[test]
fn an_undone_step_puts_the_mark_back() {
    let marked = Job { needs_review: true, ..booked() };
    let ready = marked.after(&change(to(Status::ReadyForPickup), 1)).unwrap();
    assert!(!ready.needs_review && ready.history[1].review);
    // Only the step that took it away.
    let on_site = ready.after(&change(to(Status::InProgress), 2)).unwrap().after(&change(undo(), 3)).unwrap();
    assert!(!on_site.needs_review);
    assert!(on_site.after(&change(undo(), 4)).unwrap().needs_review);
    let canceled = ready.after(&change(cancel(), 5)).unwrap().after(&change(undo(), 6)).unwrap();
    assert!(!canceled.needs_review);
    // What was stored before there was such a field is read.
    let stored = serde_json::to_string(&booked().history[0]).unwrap();
    assert!(!stored.contains("review"), "{stored}");
    assert_eq!(serde_json::from_str::<Entry>(&stored).unwrap(), booked().history[0]);
}

#[test]
fn a_step_that_lies_about_where_it_came_from_is_found_and_goes_back_to_where_the_job_was() {
    let mut job = booked();
    let (from, to) = (Some(Status::Completed), Some(Status::ReadyForPickup));
    job.history.push(Entry { kind: EntryKind::Move, from, to, ..job.history[0].clone() });
    (job.status, job.version) = (Status::ReadyForPickup, 2);
    assert!(job.is_sound().unwrap_err().contains("entry 2 of its history cannot have happened"));
    let back = job.after(&change(undo(), 1)).unwrap();
    assert_eq!((back.status, back.completed_at, back.history[2].to), (Status::Submitted, None, Some(Status::Submitted)));
    let mut undone = states()[1].after(&change(undo(), 2)).unwrap();
    undone.is_sound().unwrap();
    undone.history[2].to = Some(Status::InProgress);
    assert_eq!(replay(&undone.history), Err(2));
}

#[test]
fn times_that_do_not_fit_the_history_are_found() {
    let [submitted, ready, on_site, done] = <[Job; 4]>::try_from(states()[..4].to_vec()).unwrap();
    for job in states() {
        job.is_sound().unwrap();
    }
    for wrong in [
        Job { pickup_at: Some(at(1)), ..submitted },
        Job { completed_at: Some(at(1)), ..ready },
        Job { pickup_at: None, ..on_site },
        Job { completed_at: None, ..done },
    ] {
        assert_eq!(wrong.is_sound(), Err("the times of its steps do not fit its history".to_owned()), "{wrong:?}");
    }
}

#[test]
fn an_edit_names_the_fields_and_not_what_was_in_them() {
    let edit =
        Edit { phone: Some("+15550001111".to_owned()), name: Some("Mark".to_owned()), access: Some(None), ..Edit::default() };
    let job = booked().after(&change(Event::Edit(Box::new(edit)), 1)).unwrap();
    assert_eq!(job.history[1].note.as_deref(), Some("phone, access"));
    assert_eq!((job.customer.phone.as_str(), job.access), ("+15550001111", None));
}

#[test]
fn a_purged_job_keeps_its_times_and_nothing_personal() {
    let job = states()[3].after(&change(Event::Purge, 9)).unwrap();
    let text = serde_json::to_string(&job).unwrap();
    for gone in ["Mark", "619", "mark@x", "Elm", "sofas", "4711"] {
        assert!(!text.contains(gone), "{gone} in {text}");
    }
    assert!(text.contains("92101") && job.completed_at.is_some());
    assert_eq!(job.after(&change(undo(), 9)), Err(Refusal::Purged));
}

/// Random walks: whatever is tried in whatever order, the history tells the status and skips no step.
#[test]
fn any_history_replays_to_the_stored_status() {
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;
    let mut dice = |sides: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % sides
    };
    for _ in 0..2_000 {
        let mut job = booked();
        for minute in 0..dice(24) as i64 {
            let event = match dice(8) {
                0..=3 => to(Status::ALL[dice(4) as usize]),
                4 | 5 => Event::Undo { note: (dice(2) == 0).then(|| "why".to_owned()) },
                6 => cancel(),
                _ => Event::Edit(Box::new(Edit { name: Some(minute.to_string()), ..Edit::default() })),
            };
            if let Ok(after) = job.after(&change(event, minute * 7)) {
                job = after;
            }
        }
        assert_eq!(replay(&job.history), Ok((job.status, job.closure.is_some())), "{:#?}", job.history);
        let mut reached = Status::Submitted;
        for entry in job.history.iter().filter(|entry| entry.kind == EntryKind::Move) {
            assert_eq!(entry.from.and_then(Status::next), entry.to, "no step is skipped");
            reached = reached.max(entry.to.unwrap());
        }
        assert!(job.status <= reached);
    }
}

#[test]
fn a_history_that_cannot_be_is_found() {
    let mut job = booked();
    job.history.push(Entry {
        kind: EntryKind::Move,
        from: Some(Status::Submitted),
        to: Some(Status::Completed),
        ..job.history[0].clone()
    });
    assert_eq!(replay(&job.history), Err(1));
    assert_eq!(replay(&[]), Err(0));
}
