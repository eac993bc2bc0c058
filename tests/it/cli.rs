//! What is typed, what is printed where, and how it ends.

use crate::project::Project;

#[test]
fn stdout_is_data_and_stderr_is_talk() {
    let project = Project::new();
    let run = project.qdn(&["build"]).ended(0);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.contains("built 1 page, 0 assets, 0 functions as release "), "{}", run.stderr);
    assert_eq!(project.qdn(&["build", "-q"]).ended(0).stderr, "");
    assert_eq!(project.qdn(&["build", "--json"]).ended(0).json()["written"], 0);
    assert!(!project.qdn(&["build"]).stderr.contains('\u{1b}'));
    assert!(project.qdn(&["build", "--color", "always"]).stderr.contains('\u{1b}'));
}

#[test]
fn wrong_usage_ends_with_two() {
    let project = Project::new();
    assert!(project.qdn(&["biuld"]).ended(2).stderr.contains("build"));
    assert!(project.qdn(&["build", "--outt", "x"]).ended(2).stderr.contains("--out"));
    assert!(project.qdn(&["--root", "nowhere", "build"]).ended(2).stderr.contains("there is no folder `nowhere`"));
    let empty = Project::empty();
    assert!(empty.qdn(&["build"]).ended(2).stderr.contains("there is no project"));
}

#[test]
fn help_says_what_each_command_is_for() {
    let project = Project::empty();
    let help = project.qdn(&["--help"]).ended(0).stdout;
    for command in ["build", "check", "preview", "function", "jobs", "staff", "completions", "man"] {
        assert!(help.contains(command), "{command} in {help}");
        let own = project.qdn(&[command, "--help"]).ended(0).stdout;
        assert!(own.contains("Usage: qdn"), "{own}");
    }
    assert!(project.qdn(&["completions", "bash"]).ended(0).stdout.contains("_qdn"));
    assert!(project.qdn(&["man"]).ended(0).stdout.contains(".TH"));
    assert!(project.qdn(&["--version"]).ended(0).stdout.starts_with("qdn "));
}
