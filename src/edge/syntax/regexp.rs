//! Regular expressions as the edge reads them: with PCRE, not as JavaScript says.
//!
//! A bad literal is a syntax error of the whole file. What JavaScript allows and PCRE refuses was found by
//! asking both runtimes' njs about each construct.

use crate::edge::runtime::Runtime;
use crate::source::Severity;

/// Something about an expression.
pub(super) struct Problem {
    /// Bytes into the pattern; past its end for the flags.
    pub(super) at: usize,
    pub(super) length: usize,
    pub(super) severity: Severity,
    pub(super) message: String,
    pub(super) hint: String,
    pub(super) engine: String,
    pub(super) rule: &'static str,
}

/// What PCRE gives another meaning than JavaScript, where such an escape is the letter itself.
const OTHER_MEANING: &str = "AaCEeGHhKNQRUVXzZ";

/// Goes through a literal.
pub(super) fn problems(pattern: &str, flags: &str, runtime: Runtime) -> Vec<Problem> {
    let mut problems = Vec::new();
    let known = if runtime == Runtime::V1 { "gim" } else { "gimy" };
    for (at, flag) in flags.char_indices() {
        let repeated = flags[..at].contains(flag);
        if known.contains(flag) && !repeated {
            continue;
        }
        let newer = flag == 'y' && !repeated;
        problems.push(Problem {
            at: pattern.len() + 1 + at,
            length: flag.len_utf8(),
            severity: Severity::Error,
            message: match repeated {
                true => format!("the flag `{flag}` stands twice"),
                false => format!("the edge has no flag `{flag}` for regular expressions"),
            },
            hint: match flag {
                's' => "write `[\\s\\S]` for any character".to_owned(),
                'y' => "use runtime 2.0, or begin the expression with `^`".to_owned(),
                'u' | 'v' => "leave it out: a character is a whole code point at the edge anyway".to_owned(),
                _ => {
                    format!("the flags are `{}`", known.split("").filter(|flag| !flag.is_empty()).collect::<Vec<_>>().join("`, `"))
                }
            },
            engine: format!("Invalid RegExp flags \"{flags}\""),
            rule: if newer { "CFF010" } else { "CFF020" },
        });
    }
    let names = names(pattern);
    let mut reader = Reader { pattern, at: 0, runtime, names: &names, groups: groups(pattern), problems: Vec::new(), depth: 0 };
    reader.alternatives(true);
    problems.append(&mut reader.problems);
    problems
}

/// The names of the groups, wherever they stand.
fn names(pattern: &str) -> Vec<&str> {
    let starts = pattern.match_indices("(?<").filter_map(|(at, _)| pattern.get(at + 3..));
    starts.filter(|rest| !rest.starts_with(['=', '!'])).filter_map(|rest| rest.split('>').next()).collect()
}

/// How many groups capture.
fn groups(pattern: &str) -> usize {
    let (mut count, mut class, mut bytes) = (0, false, pattern.bytes().enumerate());
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'[' => class = true,
            b']' => class = false,
            b'(' if !class => {
                let rest = &pattern.as_bytes()[at + 1..];
                let named = rest.starts_with(b"?<") && !matches!(rest.get(2), Some(b'=' | b'!'));
                count += usize::from(!rest.starts_with(b"?") || named);
            }
            _ => {}
        }
    }
    count
}

/// Walks a pattern and measures it: a lookbehind has to have one length.
struct Reader<'a> {
    pattern: &'a str,
    at: usize,
    runtime: Runtime,
    names: &'a [&'a str],
    groups: usize,
    problems: Vec<Problem>,
    depth: usize,
}

/// How deep groups may nest before we stop looking.
const MAX_DEPTH: usize = 100;

/// How many characters match, where that is one number.
type Length = Option<usize>;

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.pattern[self.at..].chars().next()
    }

    fn rest(&self) -> &str {
        &self.pattern[self.at..]
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += letter.len_utf8();
        Some(letter)
    }

    fn say(&mut self, at: usize, severity: Severity, message: impl Into<String>, hint: impl Into<String>, reason: &str) {
        // The two libraries name themselves, and end their sentences, in their own ways.
        let engine = match self.runtime {
            Runtime::V1 => format!("pcre_compile(\"{}\") failed: {reason} at \"{}\"", self.pattern, self.rest()),
            Runtime::V2 => format!("pcre_compile2(\"{}\") failed: {reason} at \"{}\"", self.pattern, self.rest()),
        };
        let length = self.at.saturating_sub(at);
        self.problems.push(Problem { at, length, severity, message: message.into(), hint: hint.into(), engine, rule: "CFF020" });
    }

    /// Up to the end of the group: the lengths of its alternatives, `None` for one that varies.
    fn alternatives(&mut self, outermost: bool) -> Vec<Length> {
        let mut lengths = Vec::new();
        let mut length: Length = Some(0);
        loop {
            match self.peek() {
                None => break,
                Some(')') if !outermost => break,
                Some(')') => {
                    let at = self.at;
                    self.next();
                    self.say(at, Severity::Error, "this `)` closes nothing", "write `\\)`", "unmatched closing parenthesis");
                }
                Some('|') => {
                    self.next();
                    lengths.push(length);
                    length = Some(0);
                }
                Some(_) => {
                    let item = self.item();
                    length = length.zip(item).and_then(|(length, item)| length.checked_add(item));
                }
            }
        }
        lengths.push(length);
        lengths
    }

    fn item(&mut self) -> Length {
        let start = self.at;
        let (length, repeatable) = match self.next() {
            Some('\\') => self.escape(start),
            Some('[') => {
                self.class(start);
                (Some(1), true)
            }
            Some('(') => (self.group(start), true),
            Some('^' | '$') => (Some(0), false),
            Some('*' | '+' | '?') => {
                self.say(
                    start,
                    Severity::Error,
                    "there is nothing to repeat",
                    "escape it with `\\`",
                    "quantifier does not follow a repeatable item",
                );
                (None, true)
            }
            _ => (Some(1), true),
        };
        self.repeated(length, repeatable)
    }

    fn repeated(&mut self, length: Length, repeatable: bool) -> Length {
        let start = self.at;
        let counted = match self.peek() {
            Some('*' | '+' | '?') => {
                self.next();
                None
            }
            Some('{') => match self.count() {
                Some(count) => count,
                None => return length,
            },
            _ => return length,
        };
        if !repeatable {
            return None;
        }
        // Lazy; `+` after a quantifier is PCRE's own, and no JavaScript.
        if self.peek() == Some('?') {
            self.next();
        } else if matches!(self.peek(), Some('*' | '+')) || (self.peek() == Some('{') && self.peek_count()) {
            self.next();
            self.say(
                start,
                Severity::Error,
                "there is nothing to repeat",
                "put what is repeated into a group: `(?:…)`",
                "quantifier does not follow a repeatable item",
            );
        }
        length.zip(counted).and_then(|(length, count)| length.checked_mul(count))
    }

    fn peek_count(&mut self) -> bool {
        let at = self.at;
        let found = self.count().is_some();
        self.at = at;
        found
    }

    /// `{2}` is one number, `{2,}` and `{2,3}` are none; anything else in braces is itself.
    fn count(&mut self) -> Option<Option<usize>> {
        let (body, _) = self.rest().strip_prefix('{')?.split_once('}')?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let found = match body.split_once(',') {
            None if digits(body) => body.parse().ok(),
            Some((low, high)) if digits(low) && (high.is_empty() || digits(high)) => {
                (low == high).then(|| low.parse().ok()).flatten()
            }
            _ => return None,
        };
        self.at += body.len() + 2;
        Some(found)
    }

    fn escape(&mut self, start: usize) -> (Length, bool) {
        let Some(letter) = self.next() else {
            self.say(start, Severity::Error, "a `\\` stands at the end", "write `\\\\`", "\\ at end of pattern");
            return (None, true);
        };
        match letter {
            'b' | 'B' => return (Some(0), false),
            'k' if self.rest().starts_with('<') => {
                let name = self.rest()[1..].split('>').next().unwrap_or_default().to_owned();
                self.at = (self.at + name.len() + 2).min(self.pattern.len());
                if !self.names.contains(&name.as_str()) {
                    self.say(
                        start,
                        Severity::Error,
                        format!("no group has the name `{name}`"),
                        "name a group with `(?<name>…)`",
                        "reference to non-existent subpattern",
                    );
                }
                return (None, true);
            }
            '1'..='9' => {
                while self.peek().is_some_and(|digit| digit.is_ascii_digit()) {
                    self.next();
                }
                let number: usize = self.pattern[start + 1..self.at].parse().unwrap_or(usize::MAX);
                // From 10 on PCRE takes what is no group for an octal number.
                if number < 10 && number > self.groups {
                    self.say(
                        start,
                        Severity::Error,
                        format!("there is no group {number}"),
                        "groups are counted from 1",
                        "reference to non-existent subpattern",
                    );
                }
                return (None, true);
            }
            'x' | 'u' => {
                let digits = if letter == 'x' { 2 } else { 4 };
                let hex = self.rest().chars().take(digits).take_while(char::is_ascii_hexdigit).count();
                if hex == digits {
                    self.at += digits;
                }
            }
            'p' | 'P' => {
                if let Some((body, _)) = self.rest().strip_prefix('{').and_then(|rest| rest.split_once('}')) {
                    self.at += body.len() + 2;
                    self.say(
                        start,
                        Severity::Error,
                        "the edge has no Unicode property escapes",
                        "list the letters: `[A-Za-z]`",
                        "unknown property name after \\P or \\p",
                    );
                }
            }
            'c' if self.peek().is_some_and(|letter| letter.is_ascii_alphabetic()) => {
                self.next();
            }
            'c' | 'g' | 'l' | 'L' | 'o' => self.unknown_escape(start, letter),
            'i' | 'j' | 'y' if self.runtime == Runtime::V2 => self.unknown_escape(start, letter),
            letter if OTHER_MEANING.contains(letter) => {
                self.say(
                    start,
                    Severity::Warning,
                    format!("`\\{letter}` is the letter in JavaScript and something else at the edge"),
                    format!("write `{letter}`"),
                    "",
                );
            }
            _ => {}
        }
        (Some(1), true)
    }

    fn unknown_escape(&mut self, start: usize, letter: char) {
        self.say(
            start,
            Severity::Error,
            format!("the edge does not know `\\{letter}`"),
            format!("write `{letter}`"),
            "unrecognized character follows \\",
        );
    }

    fn class(&mut self, start: usize) {
        if self.peek() == Some('^') {
            self.next();
        }
        // Whether the item before a `-` was a set such as `\d`, which cannot begin a range.
        let mut before_set: Option<bool> = None;
        let mut range = false;
        loop {
            let at = self.at;
            let set = match self.next() {
                None => {
                    self.say(
                        start,
                        Severity::Error,
                        "this `[` is never closed",
                        "write `\\[`",
                        "missing terminating ] for character class",
                    );
                    return;
                }
                Some(']') => return,
                Some('-') if before_set.is_some() && !range && self.peek() != Some(']') => {
                    range = true;
                    continue;
                }
                Some('\\') => match self.next() {
                    Some('d' | 'D' | 'w' | 'W' | 's' | 'S') => true,
                    Some('p' | 'P') if self.rest().starts_with('{') => {
                        self.say(
                            at,
                            Severity::Error,
                            "the edge has no Unicode property escapes",
                            "list the letters: `[A-Za-z]`",
                            "unknown property name after \\P or \\p",
                        );
                        false
                    }
                    _ => false,
                },
                Some(_) => false,
            };
            // Runtime 1.0 takes `[\d-x]` and refuses `[a-\d]`.
            let refused = set || (before_set == Some(true) && self.runtime == Runtime::V2);
            if range && refused {
                self.say(
                    at,
                    Severity::Error,
                    "a range cannot begin or end with a set",
                    "put the `-` last: `[\\w.-]`",
                    "invalid range in character class",
                );
            }
            before_set = if range { None } else { Some(set) };
            range = false;
        }
    }

    fn group(&mut self, start: usize) -> Length {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            self.at = self.pattern.len();
            return None;
        }
        let prefixes = ["?<=", "?<!", "?=", "?!", "?:"];
        let prefix = prefixes.into_iter().find(|prefix| self.rest().starts_with(prefix));
        match prefix {
            Some(prefix) => self.at += prefix.len(),
            None if self.rest().starts_with("?<") => {
                let name = self.rest()[2..].split('>').next().unwrap_or_default().to_owned();
                self.at = (self.at + name.len() + 3).min(self.pattern.len());
                if self.names.iter().filter(|known| **known == name).count() > 1
                    && self.pattern.find(&format!("(?<{name}>")) != Some(start)
                {
                    self.say(
                        start,
                        Severity::Error,
                        format!("two groups have the name `{name}`"),
                        "give each its own",
                        "two named subpatterns have the same name",
                    );
                }
            }
            None => {}
        }
        let lengths = self.alternatives(false);
        if self.next().is_none() {
            self.say(start, Severity::Error, "this `(` is never closed", "write `\\(`", "missing closing parenthesis");
        }
        self.depth -= 1;
        let looks = matches!(prefix, Some("?<=" | "?<!" | "?=" | "?!"));
        if matches!(prefix, Some("?<=" | "?<!")) && lengths.iter().any(Option::is_none) {
            self.say(
                start,
                Severity::Error,
                "the edge wants a lookbehind of fixed length",
                "match what stands before, too, and keep the rest in a group",
                "lookbehind assertion is not fixed length",
            );
        }
        if looks {
            return Some(0);
        }
        // A group with alternatives of different lengths has none; at the top of a lookbehind it may have.
        let first = lengths.first().copied().flatten();
        lengths.iter().all(|length| *length == first).then_some(first).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(literal: &str, runtime: Runtime) -> Option<Severity> {
        let (pattern, flags) = literal[1..].rsplit_once('/').expect("a literal has two slashes");
        problems(pattern, flags, runtime).iter().map(|problem| problem.severity).min()
    }

    #[test]
    fn the_edge_takes_what_it_took() {
        let fine = [
            "/a{,5}/",
            "/(?<!a|bc)d/",
            "/(?<=a{2})d/",
            r"/\cA/",
            r"/\u0041/",
            "/]/",
            "/}/",
            "/a{2/",
            r"/\1(a)/",
            r"/[\w.-]/",
            "/[]/",
            "/[^]/",
            r"/\x4/",
            r"/(?<n>a)\k<n>/",
            r"/^\/(?:track|book)(?:\/[^/]*)?\/?$/",
            "/(?=a)b/",
            r"/[\]\\-]/",
            "/[-a]/",
            "/a+?b*?/",
        ];
        for literal in fine {
            for runtime in [Runtime::V1, Runtime::V2] {
                assert_eq!(verdict(literal, runtime), None, "{literal} in {runtime:?}");
            }
        }
    }

    #[test]
    fn the_edge_refuses_what_it_refused() {
        let bad = [
            "/a.b/s",
            "/a/u",
            "/a/d",
            "/a/v",
            "/a/gg",
            "/(?<=a+)b/",
            "/(?<=a?)d/",
            "/(?<=(a|bc))d/",
            "/(/",
            "/)/",
            "/a**/",
            "/a|*/",
            r"/\d{1,2}{3}/",
            r"/\2(a)/",
            r"/\k<x>/",
            "/(?<n>a)(?<n>b)/",
            r"/\g/",
            r"/\l/",
            r"/[a-\d]/",
            r"/\p{L}/",
            r"/\c/",
        ];
        for literal in bad {
            for runtime in [Runtime::V1, Runtime::V2] {
                assert_eq!(verdict(literal, runtime), Some(Severity::Error), "{literal} in {runtime:?}");
            }
        }
        for literal in [r"/\i/", r"/[\d-x]/"] {
            assert_eq!(verdict(literal, Runtime::V1), None, "{literal}");
            assert_eq!(verdict(literal, Runtime::V2), Some(Severity::Error), "{literal}");
        }
        assert_eq!(verdict("/a/y", Runtime::V1), Some(Severity::Error));
        assert_eq!(verdict("/a/y", Runtime::V2), None);
        assert_eq!(verdict(r"/\h/", Runtime::V2), Some(Severity::Warning));
    }

    #[test]
    fn no_pattern_is_too_odd() {
        let nested = "(".repeat(10_000);
        for pattern in ["\\", "[", "[\\", "(?<", "(?<n", "a{", "(?", "é(?<=é)", "\\k<", "\\u", nested.as_str()] {
            problems(pattern, "", Runtime::V2);
        }
    }
}
