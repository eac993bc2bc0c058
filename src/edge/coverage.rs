//! Which branches of a function's sources its cases reach.
//!
//! The modules are made to count before they are bundled, so what is counted is what was written. The counted script is run here and
//! nowhere else: it is larger than what is uploaded, and legible.

use super::cases::{Case, Trial};
use super::check::{self, Options};
use super::emulator::Emulator;
use super::outcome::{Outcome, RunError};
use super::runtime::Runtime;
use crate::script::{self, Branch, FunctionOptions, Way};
use crate::source::{Diagnostic, SourcePath, Sources, line_column};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A function that counts.
#[derive(Clone, Debug)]
pub struct Counted {
    code: String,
    runtime: Runtime,
    branches: Vec<Branch>,
    /// How many events took each branch; those that are not in the script at all are not here.
    taken: BTreeMap<usize, u64>,
}

/// A function made to count.
///
/// # Errors
/// Where it cannot be read or bundled; it should have been checked before.
pub fn counted(sources: &Sources, entry: &SourcePath, options: &Options<'_>) -> Result<Counted, Vec<Diagnostic>> {
    let mut graph = check::graph(sources, entry, options)?;
    // Nobody wrote a generated module, so nobody could write a case for it.
    let branches = script::count(&mut graph, |path| options.virtual_modules.contains_key(path.as_str()));
    let runtime = match options.runtime {
        Runtime::V1 => script::Runtime::Njs1,
        Runtime::V2 => script::Runtime::Njs2,
    };
    let script = script::function(&graph, &FunctionOptions { runtime, lower: true, minify: false })?;
    let taken = script::counted(&script.code).map(|branch| (branch, 0)).collect();
    Ok(Counted { code: script.code, runtime: options.runtime, branches, taken })
}

impl Counted {
    /// Runs a case's events, all that a property tries among them, and counts. Answers the outcome of its first event, which has to be
    /// the one that the function itself has.
    ///
    /// # Errors
    /// Where the counted script cannot be loaded.
    pub fn add(&mut self, case: &Case, trial: Trial) -> Result<Outcome, RunError> {
        let mut emulator = Emulator::load_counted(&self.code, self.runtime, case.pairs.clone())?;
        let mut first = None;
        for event in case.all_events(trial) {
            let mut outcome = emulator.decide(&event);
            for branch in std::mem::take(&mut outcome.reached) {
                if let Some(times) = self.taken.get_mut(&branch) {
                    *times += 1;
                }
            }
            first.get_or_insert(outcome);
        }
        Ok(first.unwrap_or_default())
    }

    /// Every branch with how many events took it, in the order of the files.
    pub fn branches(&self) -> Vec<(&Branch, u64)> {
        let mut all: Vec<(&Branch, u64)> =
            self.taken.iter().filter_map(|(number, times)| Some((self.branches.get(*number)?, *times))).collect();
        all.sort_by_key(|(branch, _)| (&branch.path, branch.span.start, branch.span.end, branch.way));
        all
    }

    /// How many branches there are, and how many were taken.
    pub fn sum(&self) -> (usize, usize) {
        (self.taken.len(), self.taken.values().filter(|times| **times > 0).count())
    }

    /// How many of a hundred branches were taken. All of none are 100.
    pub fn percent(&self) -> f64 {
        match self.sum() {
            (0, _) => 100.0,
            (all, taken) => taken as f64 * 100.0 / all as f64,
        }
    }

    /// A warning for each branch that no case takes, at its place.
    pub fn untaken(&self) -> Vec<Diagnostic> {
        let missing = self.branches().into_iter().filter(|(_, times)| *times == 0);
        let missing = missing.map(|(branch, _)| {
            Diagnostic::warning("coverage", format!("no case comes here: {}", branch.way.untaken()))
                .at(&branch.path, branch.span)
                .label(branch.way.untaken())
        });
        missing.collect()
    }

    /// The same in the form that editors and services read: functions, branches, and the lines on which they begin.
    pub fn lcov(&self, sources: &Sources) -> String {
        let mut by_file: BTreeMap<&SourcePath, Vec<(&Branch, u64)>> = BTreeMap::new();
        for (branch, times) in self.branches() {
            by_file.entry(&branch.path).or_default().push((branch, times));
        }
        let mut text = String::new();
        for (path, branches) in by_file {
            let source = sources.text(path.as_str()).unwrap_or_default();
            let line = |branch: &Branch| line_column(source, branch.span.start).0;
            let (functions, forks): (Vec<_>, Vec<_>) = branches.iter().partition(|(branch, _)| branch.way == Way::Called);
            let mut lines: BTreeMap<usize, u64> = BTreeMap::new();
            for (branch, times) in &branches {
                let known = lines.entry(line(branch)).or_default();
                *known = (*known).max(*times);
            }
            // Writing to a text does not fail.
            let _ = writeln!(text, "TN:\nSF:{path}");
            for (branch, times) in &functions {
                let (line, column) = line_column(source, branch.span.start);
                let _ = writeln!(text, "FN:{line},function@{line}:{column}\nFNDA:{times},function@{line}:{column}");
            }
            let hit = |of: &[(&Branch, u64)]| of.iter().filter(|(_, times)| *times > 0).count();
            let _ = writeln!(text, "FNF:{}\nFNH:{}", functions.len(), hit(&functions));
            let mut ways: BTreeMap<usize, usize> = BTreeMap::new();
            for (branch, times) in &forks {
                let way = ways.entry(branch.fork).or_default();
                let _ = writeln!(text, "BRDA:{},{},{way},{times}", line(branch), branch.fork);
                *way += 1;
            }
            let _ = writeln!(text, "BRF:{}\nBRH:{}", forks.len(), hit(&forks));
            for (line, times) in &lines {
                let _ = writeln!(text, "DA:{line},{times}");
            }
            let _ = writeln!(text, "LF:{}\nLH:{}\nend_of_record", lines.len(), lines.values().filter(|times| **times > 0).count());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::cases;
    use super::*;

    /// What is said of a function after these paths were asked for: `line:column what`.
    fn untaken(code: &str, uris: &[&str]) -> Vec<String> {
        let sources: Sources = [("f.js", code.as_bytes().to_vec())].into_iter().collect();
        let none = BTreeMap::new();
        let options = Options { runtime: Runtime::V2, virtual_modules: &none };
        let bundle = check::check(&sources, &"f.js".into(), &options).bundle().expect("it bundles");
        let mut counted = counted(&sources, &"f.js".into(), &options).expect("it counts");
        for uri in uris {
            let text = format!(
                r#"{{"event": {{"version": "1.0", "context": {{"eventType": "viewer-request"}}, "request": {{"method": "GET", "uri": "{uri}"}}}}, "expect": {{"request": {{}}}}}}"#
            );
            let case = cases::parse(&"f.cases/a.json".into(), &text).0.expect("a case");
            let outcome = counted.add(&case, Trial::default()).expect("it loads");
            let real = super::super::run(&bundle.code, Runtime::V2, Default::default(), &case.event);
            assert_eq!(
                (&outcome.result, &outcome.error),
                (&real.result, &real.error),
                "counting changes nothing: {uri}\n{}",
                counted.code
            );
        }
        let said = counted.untaken();
        let (all, taken) = counted.sum();
        assert_eq!(said.len(), all - taken);
        said.iter()
            .map(|problem| {
                let (line, column) = line_column(code, problem.place.as_ref().unwrap().1.start);
                format!("{line}:{column} {}", problem.label)
            })
            .collect()
    }

    #[test]
    fn each_kind_of_branch_is_counted() {
        let code = "export function handler(event) {
  const uri = event.request.uri;
  if (uri === '/a') event.request.uri = '/b';
  const x = uri === '/c' ? 1 : 2;
  const y = uri === '/d' && x || uri;
  const z = event.request.nothing ?? y;
  switch (uri) { case '/e': x; break; case '/f': z; }
  outer: for (const part of uri.split('/')) { if (part === 'g') continue outer; }
  while (event.request.uri === '/h') { event.request.uri = '/i'; }
  const unused = () => 1;
  return event.request;
}
function dead() { return 1; }
";
        let all = untaken(code, &["/x"]);
        assert_eq!(
            all,
            [
                "3:7 never true",
                "4:13 never true",
                "5:13 never decides",
                "5:29 never looked at",
                "6:13 never decides",
                "7:23 never chosen",
                "7:44 never chosen",
                "8:10 never without a turn",
                "8:51 never true",
                "9:3 never makes a turn",
                "10:18 never called"
            ],
            "what is not in the function is not counted"
        );
        let most = untaken(code, &["/x", "/a", "/c", "/d", "/e", "/f", "/g", "/h"]);
        // A text that is split has one part at least.
        assert_eq!(most, ["6:13 never decides", "8:10 never without a turn", "10:18 never called"]);
        let all = "export function handler(event) { switch (event.request.method) { case 'GET': return event.request; } return event.request; }";
        assert_eq!(untaken(all, &["/"]), ["1:34 always one of its cases"]);
    }

    #[test]
    fn what_waits_and_what_throws_counts_too() {
        let code = "export async function handler(event) {
  const found = (await look(event)) || 'none';
  try { if (found === 'bad') throw new Error('x'); } catch { return { statusCode: 500 }; }
  const f = async (n) => (await look(event)) ? n : 0;
  event.request.uri = '/' + found + await f(3);
  return event.request;
}
async function look(event) { return event.request.uri.slice(1); }
";
        assert_eq!(untaken(code, &["/", "/bad", "/x"]), Vec::<String>::new());
    }
}
