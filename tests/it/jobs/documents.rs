//! What every place for documents does.

use super::*;
use crate::project::Project;
use qdn::jobs::store::documents::{Read, Tag, When, WriteError};
use std::process::Stdio;
use tokio::task::JoinSet;

#[tokio::test]
async fn a_document_is_written_only_over_what_was_read() {
    for place in [Place::folder(), Place::s3().await, Place::dynamo().await] {
        let (one, other) = (place.documents(), place.documents());
        let name = "staff.json";
        assert_eq!(one.read(name, None).await, Ok(Read::Missing));
        assert_eq!(one.read(name, Some(&Tag("old".to_owned()))).await, Ok(Read::Missing));
        let gone = one.write(name, b"0".to_vec(), &When::Unchanged(Tag("\"0123\"".to_owned()))).await;
        assert_eq!(gone, Err(WriteError::Conflict), "{}: there is nothing to replace", one.place(name));
        let first = one.write(name, b"1".to_vec(), &When::Missing).await.unwrap();
        assert_eq!(other.write(name, b"2".to_vec(), &When::Missing).await, Err(WriteError::Conflict));
        assert_eq!(other.read(name, None).await, Ok(Read::Found(b"1".to_vec(), first.clone())));
        assert_eq!(other.read(name, Some(&first)).await, Ok(Read::Unchanged));
        let second = other.write(name, b"2".to_vec(), &When::Unchanged(first.clone())).await.unwrap();
        assert_ne!(first, second);
        assert_eq!(one.write(name, b"3".to_vec(), &When::Unchanged(first.clone())).await, Err(WriteError::Conflict));
        assert_eq!(one.read(name, Some(&first)).await, Ok(Read::Found(b"2".to_vec(), second)));
    }
}

#[tokio::test]
async fn documents_are_listed_by_folder_in_order() {
    for place in [Place::folder(), Place::s3().await, Place::dynamo().await] {
        let documents = place.documents();
        assert_eq!(documents.list("archive/").await, Ok(vec![]));
        for name in ["archive/2026-11.json", "staff.json", "archive/2026-02.json"] {
            documents.write(name, b"{}".to_vec(), &When::Missing).await.unwrap();
        }
        assert_eq!(documents.list("archive/").await.unwrap(), ["archive/2026-02.json", "archive/2026-11.json"]);
    }
}

#[tokio::test]
async fn of_twenty_who_create_a_document_one_does() {
    for place in [Place::folder(), Place::s3().await, Place::dynamo().await] {
        let mut tasks = JoinSet::new();
        for number in 0..20 {
            let documents = place.documents();
            tasks.spawn(async move { documents.write("staff.json", vec![number], &When::Missing).await });
        }
        let results = tasks.join_all().await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        assert!(results.iter().all(|result| result.is_ok() || *result == Err(WriteError::Conflict)), "{results:?}");
    }
}

/// The mode of a file, as `ls` has it.
#[cfg(unix)]
fn mode(path: &std::path::Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_is_for_its_user_alone() {
    let place = Place::folder();
    let Kind::Folder(folder) = &place.kind else { unreachable!() };
    let root = folder.path().join("local");
    let documents = place.documents();
    // What a writer left behind that was killed is no hindrance, whatever its mode.
    std::fs::create_dir_all(root.join("archive")).unwrap();
    std::fs::write(root.join(".jobs.json.new"), "half").unwrap();
    documents.write("jobs.json", b"{}".to_vec(), &When::Missing).await.unwrap();
    assert_eq!(mode(&root.join("jobs.json")), 0o600);
    assert!(!root.join(".jobs.json.new").exists());
    let fresh = Place::folder();
    fresh.documents().write("archive/2026-11.json", b"{}".to_vec(), &When::Missing).await.unwrap();
    let Kind::Folder(folder) = &fresh.kind else { unreachable!() };
    assert_eq!(mode(&folder.path().join("local")), 0o700);
    assert_eq!(mode(&folder.path().join("local/archive")), 0o700);
    assert_eq!(mode(&folder.path().join("local/archive/2026-11.json")), 0o600);
}

/// Several programs at once, as two previews of one project are.
#[tokio::test]
async fn several_processes_on_one_folder_lose_nothing() {
    let project = Project::new();
    let store = JsonStore::new(Folder::new(project.path().join(".qdn/jobs")));
    let jobs: Vec<Job> = (0..60).map(job).collect();
    store.import(&jobs, "import").await.unwrap();
    for some in jobs.chunks(12) {
        let start = |job: &Job| project.command(&["jobs", "move", &job.id.to_string(), "-q"]).stdout(Stdio::null()).spawn();
        let processes: Vec<_> = some.iter().map(|job| start(job).expect("it starts")).collect();
        for mut process in processes {
            assert!(process.wait().expect("it ends").success());
        }
    }
    let jobs = store.export().await.unwrap();
    assert_eq!(jobs.len(), 60);
    assert!(jobs.iter().all(|job| job.history.len() == 2), "each was changed once");
}
