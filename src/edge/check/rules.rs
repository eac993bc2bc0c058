//! The one table of the checker's rules, and how severe each is in a project.
//!
//! An identifier is never given to another rule. Each rule has a page, `docs/rules/<ID>.md`, of which a test runs
//! every example.

use crate::source::{Diagnostic, Severity, near};
use std::collections::BTreeMap;

/// How severe a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What breaks it stops the build.
    Error,
    /// What breaks it is said, and no more.
    Warning,
    /// Nothing is said.
    Off,
}

impl Level {
    /// All of them, the most severe first.
    pub const ALL: [Self; 3] = [Self::Error, Self::Warning, Self::Off];

    /// As it is written in `qdn.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Off => "off",
        }
    }
}

/// One rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Such as `CFF011`.
    pub id: &'static str,
    /// Such as `destructuring`.
    pub name: &'static str,
    /// How severe it is where nobody says otherwise. A rule that is an error may have mild cases, which are warnings.
    pub level: Level,
    /// Whether the edge itself refuses what breaks it, so that nobody can allow it.
    pub enforced: bool,
    /// What it complains of, in one line.
    pub summary: &'static str,
    /// Its page, as Markdown.
    pub page: &'static str,
}

impl Rule {
    /// The rule of that identifier, in any case, or of that name.
    pub fn find(wanted: &str) -> Option<&'static Self> {
        RULES.iter().find(|rule| rule.id.eq_ignore_ascii_case(wanted) || rule.name == wanted)
    }

    /// The identifier that was probably meant.
    pub fn near(wanted: &str) -> Option<&'static Self> {
        let upper = wanted.to_uppercase();
        near(&upper, RULES.iter().map(|rule| rule.id))
            .or_else(|| near(wanted, RULES.iter().map(|rule| rule.name)))
            .and_then(Self::find)
    }

    /// CloudFront's own page on the subject.
    pub fn reference(&self) -> &'static str {
        let number: u32 = self.id.trim_start_matches("CFF").parse().unwrap_or_default();
        match number {
            32..=37 => AWS_MODULES,
            40..=42 => AWS_QUOTAS,
            50..=69 | 86 | 94 => AWS_EVENT,
            80 | 90 | 92 => AWS_RESTRICTIONS,
            93 => AWS_TESTS,
            _ => AWS_RUNTIME,
        }
    }
}

const AWS_RUNTIME: &str = "https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-javascript-runtime-20.html";
const AWS_MODULES: &str = "https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-custom-methods.html";
const AWS_QUOTAS: &str = "https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html";
const AWS_EVENT: &str = "https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-event-structure.html";
const AWS_RESTRICTIONS: &str =
    "https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/edge-function-restrictions-all.html";
const AWS_TESTS: &str = "https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/test-function.html";

macro_rules! rules {
    ($($id:literal $name:literal $level:ident $enforced:literal $summary:literal;)*) => {
        /// Every rule, in the order of the identifiers.
        pub static RULES: &[Rule] = &[$(Rule {
            id: $id,
            name: $name,
            level: Level::$level,
            enforced: $enforced,
            summary: $summary,
            page: include_str!(concat!("../../../docs/rules/", $id, ".md")),
        }),*];
    };
}

// The last column but one says whether the edge enforces it.
rules! {
    "CFF001" "handler-missing" Error true "the function declares no `handler`";
    "CFF002" "handler-binding" Warning false "`handler` is a constant, which is no member of the global object";
    "CFF003" "handler-duplicate" Error true "`handler` is declared twice";
    "CFF004" "export" Error true "a script exports something";
    "CFF005" "import-form" Error true "an `import` that is not the default of a module of the edge";
    "CFF006" "require-unknown" Error false "`require` of a module that the edge lacks";
    "CFF010" "newer-syntax" Error true "syntax that runtime 1.0 does not parse";
    "CFF011" "destructuring" Error true "destructuring";
    "CFF012" "spread" Error true "spread syntax";
    "CFF013" "default-parameter" Error true "default parameters";
    "CFF014" "class" Error true "classes";
    "CFF015" "for-of" Error true "`for … of`";
    "CFF016" "generator" Error true "generators";
    "CFF017" "optional-chaining" Error true "`?.` and logical assignment";
    "CFF018" "catch-binding" Error true "`catch` without a name";
    "CFF019" "literal" Error true "big integers, `new.target`, names that are not ASCII, a stray `await`";
    "CFF020" "regexp-syntax" Error true "regular expressions that the edge does not compile, or reads otherwise";
    "CFF021" "missing-global" Error false "a global that the edge lacks";
    "CFF022" "missing-method" Error false "a method that the runtime lacks";
    "CFF023" "removed-method" Error false "a method that runtime 2.0 no longer has";
    "CFF024" "forbidden" Error false "`eval`, `Function`, timers, `process`";
    "CFF025" "crypto-subset" Error false "hashes and functions that `crypto` lacks at the edge";
    "CFF026" "encoding" Error false "encodings of texts that the edge lacks";
    "CFF030" "await-in-arguments" Error true "`await` between the parentheses of a call";
    "CFF031" "await-in-template" Error true "`await` in a tagged template";
    "CFF032" "promise-alone" Warning false "a promise that nobody waits for";
    "CFF033" "store-at-once" Warning false "several reads of the key-value store at once";
    "CFF034" "store-unguarded" Warning false "a read of the key-value store that throws where there is no such key";
    "CFF035" "cloudfront-module" Error true "the module `cloudfront` in runtime 1.0";
    "CFF036" "origin-too-late" Error false "an origin is changed when it has answered";
    "CFF037" "origin-parameters" Error false "parameters of an origin that CloudFront refuses";
    "CFF038" "await-forgets" Warning false "a variable that a closure shares with an `async` function is written, and the engine forgets it";
    "CFF040" "size" Error true "the function is larger than CloudFront takes, or nearly";
    "CFF042" "name" Error true "a name that CloudFront refuses";
    "CFF043" "older-runtime" Off false "the function is for runtime 1.0";
    "CFF050" "return" Error false "a way through `handler` that returns nothing, or nothing that it may return";
    "CFF051" "returns-event" Error false "`handler` returns the event";
    "CFF052" "header-case" Error false "a header name that is not in lower case";
    "CFF053" "header-shape" Error false "an entry that is not an object with a `value`";
    "CFF054" "header-disallowed" Error false "a header that no function may set";
    "CFF055" "header-read-only" Error false "a header that this kind of function may not change";
    "CFF056" "status" Error false "a status that is none";
    "CFF057" "body" Error false "a body that cannot be sent";
    "CFF058" "uri-slash" Error false "a path that does not begin with `/`";
    "CFF059" "uri-letters" Error false "a path or query with letters that it cannot have";
    "CFF060" "method" Error false "the method of a request is changed";
    "CFF061" "entry-unguarded" Error false "the `value` of an entry that may be missing";
    "CFF062" "decode-unguarded" Error false "`decodeURIComponent` that nobody catches";
    "CFF063" "json-unguarded" Warning false "`JSON.parse` that nobody catches";
    "CFF064" "double-encoding" Warning false "what comes encoded is encoded again";
    "CFF065" "multi-value" Warning false "the misspelling `multivalue`";
    "CFF066" "query-lost" Off false "a redirect keeps the path and drops the query";
    "CFF067" "raw-path" Warning false "a path is compared as it was typed";
    "CFF068" "open-redirect" Warning false "a redirect leads where the viewer says";
    "CFF069" "redirect-loop" Warning false "a redirect leads to where it came from";
    "CFF070" "slow-regexp" Warning false "a regular expression that takes forever on some texts";
    "CFF071" "viewers-regexp" Warning false "the viewer chooses a regular expression";
    "CFF072" "weak-entropy" Warning false "a secret that is made of the time or of `Math.random`";
    "CFF073" "time-elapsed" Warning false "time is measured with a clock that stands still";
    "CFF074" "written-secret" Warning false "a key is written in the function";
    "CFF075" "compared-secret" Off false "signatures are compared with `===`";
    "CFF080" "log-always" Off false "every request is logged";
    "CFF081" "console" Error false "members of `console` that the edge lacks; several values in one `console.log`";
    "CFF082" "kept-state" Warning false "something is kept from one request to the next";
    "CFF083" "top-level-throw" Error false "code outside of functions that always throws";
    "CFF084" "code-points" Off false "letters of a decoded text are counted";
    "CFF085" "key-order" Off false "the order of names that viewers choose";
    "CFF086" "empty-value" Off false "a `value` is tested that may be the empty text";
    "CFF087" "result-unread" Warning false "the result of a call that does nothing else is dropped";
    "CFF090" "headers-on-errors" Off false "headers for safety that answers with an error will lack";
    "CFF091" "folder" Warning false "a path that leads to a folder, which a bucket does not have";
    "CFF092" "not-found-unseen" Off false "a viewer-response function waits for a status it never sees";
    "CFF093" "no-cases" Off false "the function has no cases";
    "CFF094" "event" Error true "an event or a case that CloudFront would not take";
    "CFF098" "allow" Warning false "a `qdn-allow` that allows nothing";
}

/// How severe each rule is, where that is not as in the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    own: BTreeMap<&'static str, Level>,
    /// Whether what is off in the table is said, too.
    advice: bool,
}

impl Levels {
    /// Every rule that is off in the table, as a warning.
    pub fn with_advice() -> Self {
        Self { advice: true, ..Self::default() }
    }

    /// Says how severe a rule is.
    pub fn set(&mut self, rule: &'static Rule, level: Level) {
        self.own.insert(rule.id, level);
    }

    /// These, and for what they do not mention the others.
    #[must_use]
    pub fn over(&self, others: &Self) -> Self {
        let mut own = others.own.clone();
        own.extend(&self.own);
        Self { own, advice: self.advice || others.advice }
    }

    /// The complaint as severe as it is here; nothing where its rule is off.
    pub fn judge(&self, problem: Diagnostic) -> Option<Diagnostic> {
        let Some(rule) = RULES.iter().find(|rule| rule.id == problem.rule) else { return Some(problem) };
        // What the edge refuses stays refused, whoever was told otherwise.
        if rule.enforced && problem.is_error() {
            return Some(problem);
        }
        match self.own.get(rule.id) {
            Some(Level::Error) => Some(Diagnostic { severity: Severity::Error, ..problem }),
            Some(Level::Warning) => Some(Diagnostic { severity: Severity::Warning, ..problem }),
            Some(Level::Off) => None,
            None if rule.level == Level::Off && !self.advice => None,
            None => Some(problem),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_found_by_identifier_and_by_name() {
        assert_eq!(Rule::find("cff067").map(|rule| rule.name), Some("raw-path"));
        assert_eq!(Rule::find("open-redirect").map(|rule| rule.id), Some("CFF068"));
        assert_eq!(Rule::find("CFF999"), None);
        assert_eq!(Rule::near("open-redirct").map(|rule| rule.id), Some("CFF068"));
        let mut ids: Vec<_> = RULES.iter().map(|rule| rule.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert!(ids.len() == RULES.len() && RULES.iter().map(|rule| rule.id).eq(ids));
    }

    #[test]
    fn a_level_is_obeyed_but_for_what_the_edge_enforces() {
        let mut levels = Levels::default();
        for (id, level) in [("CFF067", Level::Error), ("CFF061", Level::Warning), ("CFF063", Level::Off), ("CFF011", Level::Off)] {
            levels.set(Rule::find(id).expect("a rule"), level);
        }
        let judged = |problem: Diagnostic| levels.judge(problem).map(|problem| problem.severity);
        assert_eq!(judged(Diagnostic::warning("CFF067", "a")), Some(Severity::Error));
        assert_eq!(judged(Diagnostic::error("CFF061", "a")), Some(Severity::Warning));
        assert_eq!(judged(Diagnostic::warning("CFF063", "a")), None);
        assert_eq!(judged(Diagnostic::error("CFF011", "a")), Some(Severity::Error), "the edge does not parse it");
        assert_eq!(judged(Diagnostic::warning("CFF080", "a")), None, "advice is not asked for");
        assert_eq!(
            Levels::with_advice().judge(Diagnostic::warning("CFF080", "a")).map(|problem| problem.severity),
            Some(Severity::Warning)
        );
        assert_eq!(judged(Diagnostic::error("json", "a")), Some(Severity::Error), "a rule of somebody else's");
    }
}
