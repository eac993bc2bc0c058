//! Texts with gaps in them: what a property's paths, queries and headers are drawn from.
//!
//! ```text
//! /track/{token}      a word for each gap, see [`Class`]
//! /{track|book}/x     one of several, each a pattern itself; an empty one is nothing
//! /{~track}/x         some of it percent-encoded, in either case, once or twice
//! ```
//!
//! Each draw takes *choices*, small numbers of which 0 is the simplest. To find a smaller failure, choices are left out
//! or lowered and drawn from again, so no class has to know how it is made smaller.

use crate::source::near;

/// The numbers that a draw is made from: random, or those of an earlier draw.
pub(super) struct Choices<'a> {
    given: &'a [u32],
    /// Where no more are given: the state of the generator, or nothing but zeros.
    random: Option<u64>,
    taken: Vec<u32>,
}

impl<'a> Choices<'a> {
    pub(super) fn random(seed: u64) -> Self {
        Self { given: &[], random: Some(seed), taken: Vec::new() }
    }

    pub(super) fn again(given: &'a [u32]) -> Self {
        Self { given, random: None, taken: Vec::new() }
    }

    /// What was chosen.
    pub(super) fn into_taken(self) -> Vec<u32> {
        self.taken
    }

    /// One of `count` numbers.
    pub(super) fn below(&mut self, count: usize) -> usize {
        let most = u32::try_from(count.saturating_sub(1)).unwrap_or(u32::MAX);
        let chosen = match (self.given.get(self.taken.len()), &mut self.random) {
            (Some(given), _) => (*given).min(most),
            (None, None) => 0,
            (None, Some(state)) => u32::try_from(next(state) % (u64::from(most) + 1)).unwrap_or(0),
        };
        self.taken.push(chosen);
        chosen as usize
    }

    fn one<'b, T: ?Sized>(&mut self, of: &[&'b T]) -> &'b T {
        of[self.below(of.len())]
    }
}

/// SplitMix64: one addition and three mixtures, the same on every machine.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// What may stand for a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// 1 to 24 letters, digits, `-` and `_`.
    Token,
    /// 1 to 9 digits.
    Number,
    /// One part of a path, any text that a browser may send as one: letters of any script, escapes in either case, marks. Not a
    /// dot segment, and nothing in disguise that would divide it.
    Segment,
    /// 1 to 4 segments.
    Path,
    /// What divides a path, in any spelling: `/`, `//`, `\`, `%2f`, `%5C`, `%252F`.
    Slash,
    /// A dot segment, in any spelling: `.`, `..`, `%2e`, `.%2E`, `%252e%252e`.
    Dots,
    /// 0 to 3 parameters.
    Query,
    /// Anything at all, also nothing: broken escapes, controls, dots and slashes, other people's names.
    Any,
}

const CLASSES: [(&str, Class); 8] = [
    ("token", Class::Token),
    ("number", Class::Number),
    ("segment", Class::Segment),
    ("path", Class::Path),
    ("slash", Class::Slash),
    ("dots", Class::Dots),
    ("query", Class::Query),
    ("any", Class::Any),
];

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Class(Class),
    OneOf(Vec<Pattern>),
    Encoded(Pattern),
}

/// As deep may gaps lie within each other: each is read within the one around it.
const DEEPEST: usize = 32;

/// A text with gaps.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pattern(Vec<Piece>);

impl Pattern {
    /// A text without gaps.
    pub(super) fn plain(text: &str) -> Self {
        Self(vec![Piece::Text(text.to_owned())])
    }

    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it, and what helps.
    pub(super) fn parse(text: &str) -> Result<Self, (String, String)> {
        let depths = text.chars().scan(0_usize, |depth, letter| {
            *depth = match letter {
                '{' => *depth + 1,
                '}' => depth.saturating_sub(1),
                _ => *depth,
            };
            Some(*depth)
        });
        if depths.max().is_some_and(|depth| depth > DEEPEST) {
            return Err((format!("gaps lie within each other more than {DEEPEST} deep"), HINT.to_owned()));
        }
        let mut rest = text;
        let pattern = Self::part(&mut rest, false)?;
        match rest {
            "" => Ok(pattern),
            _ => Err((format!("a `}}` in `{text}` closes nothing"), HINT.to_owned())),
        }
    }

    /// Up to the end, or within braces up to a `|` or `}`.
    fn part(rest: &mut &str, inside: bool) -> Result<Self, (String, String)> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        while let Some(letter) = rest.chars().next() {
            if letter == '}' || (inside && letter == '|') {
                break;
            }
            *rest = &rest[letter.len_utf8()..];
            if letter != '{' {
                text.push(letter);
                continue;
            }
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
            }
            pieces.push(Self::gap(rest)?);
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Ok(Self(pieces))
    }

    /// What stands between braces, the first of which is read.
    fn gap(rest: &mut &str) -> Result<Piece, (String, String)> {
        let is_encoded = rest.starts_with('~');
        if is_encoded {
            *rest = &rest[1..];
        }
        let mut several = vec![Self::part(rest, true)?];
        while let Some(more) = rest.strip_prefix('|') {
            *rest = more;
            several.push(Self::part(rest, true)?);
        }
        *rest = rest.strip_prefix('}').ok_or_else(|| ("a `{` is not closed".to_owned(), HINT.to_owned()))?;
        let only = match several.len() {
            1 => several.remove(0),
            _ => Self(vec![Piece::OneOf(several)]),
        };
        if is_encoded {
            return Ok(Piece::Encoded(only));
        }
        match only.0.as_slice() {
            [Piece::Text(name)] => match CLASSES.iter().find(|(known, _)| known == name) {
                Some((_, class)) => Ok(Piece::Class(*class)),
                None => {
                    let known = CLASSES.iter().map(|(name, _)| *name);
                    let hint = match near(name, known) {
                        Some(near) => format!("one with a similar name exists: `{{{near}}}`"),
                        None => HINT.to_owned(),
                    };
                    Err((format!("`{{{name}}}` stands for nothing"), hint))
                }
            },
            [Piece::OneOf(_)] => Ok(only.0.into_iter().next().unwrap_or(Piece::Text(String::new()))),
            _ => Err(("braces hold a name, or several texts with `|` between them".to_owned(), HINT.to_owned())),
        }
    }

    /// One text of those that it stands for.
    pub(super) fn draw(&self, choices: &mut Choices<'_>) -> String {
        self.0.iter().map(|piece| piece.draw(choices)).collect()
    }
}

const HINT: &str = "there are `{token}`, `{number}`, `{segment}`, `{path}`, `{slash}`, `{dots}`, `{query}` and `{any}`, one of several as \
                    `{a|b}`, and `{~text}` for a text some of which is percent-encoded";

impl Piece {
    fn draw(&self, choices: &mut Choices<'_>) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::OneOf(several) => several[choices.below(several.len())].draw(choices),
            Self::Encoded(inner) => {
                let plain = inner.draw(choices);
                plain.chars().map(|letter| encoded(letter, choices)).collect()
            }
            Self::Class(class) => class.draw(choices),
        }
    }
}

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
/// What a browser leaves as it is within a part of a path, besides letters and digits.
const MARKS: &[u8] = b".~!$&'()*+,;=:@";
/// Letters of two, three and four bytes, and one that combines with what is before it.
const FOREIGN: [&str; 5] = ["é", "家", "ß", "😀", "\u{301}"];
/// What no browser sends, and other programs do.
const ODD: [&str; 16] = ["\\", " ", "\"", "<", ">", "^", "`", "{", "}", "|", "#", "\t", "\n", "\u{0}", "\u{7f}", "\u{a0}"];
const NASTY: [&str; 12] =
    ["..", "//", "/./", "/../", "%2e%2e", "%2F", "%5c", "%00", "index.html", "__proto__", "constructor", "%c0%af"];

fn letter(choices: &mut Choices<'_>) -> char {
    char::from(LETTERS[choices.below(LETTERS.len())])
}

/// As many as 1 in `often` says, on average; `least` to `most`.
fn many(choices: &mut Choices<'_>, least: usize, most: usize, often: usize, mut add: impl FnMut(&mut Choices<'_>)) {
    for count in 0..most {
        if count >= least && choices.below(often) == 0 {
            break;
        }
        add(choices);
    }
}

fn escape(byte: u8, choices: &mut Choices<'_>) -> String {
    match choices.below(2) {
        0 => format!("%{byte:02X}"),
        _ => format!("%{byte:02x}"),
    }
}

fn encoded(letter: char, choices: &mut Choices<'_>) -> String {
    let how = choices.below(8);
    if how < 5 {
        return letter.to_string();
    }
    let mut buffer = [0; 4];
    let bytes = letter.encode_utf8(&mut buffer).bytes();
    bytes
        .map(|byte| match how {
            5 => format!("%{byte:02X}"),
            6 => format!("%{byte:02x}"),
            _ => format!("%25{byte:02x}"),
        })
        .collect()
}

impl Class {
    fn draw(self, choices: &mut Choices<'_>) -> String {
        let mut text = String::new();
        match self {
            Self::Token => many(choices, 1, 24, 10, |choices| text.push(letter(choices))),
            Self::Number => {
                many(choices, 1, 9, 4, |choices| text.push(char::from(b'0' + u8::try_from(choices.below(10)).unwrap_or(0))));
            }
            Self::Segment => {
                many(choices, 1, 24, 8, |choices| text.push_str(&segment(choices)));
                if text.bytes().all(|byte| byte == b'.') {
                    text.insert(0, 'a');
                }
            }
            Self::Path => many(choices, 1, 4, 2, |choices| {
                if !text.is_empty() {
                    text.push('/');
                }
                text.push_str(&Self::Segment.draw(choices));
            }),
            Self::Slash => text.push_str(choices.one(&["/", "//", "\\", "%2f", "%2F", "%5c", "%5C", "%252f", "%255C", "/\\"])),
            Self::Dots => {
                let dot = |choices: &mut Choices<'_>| choices.one(&[".", "%2e", "%2E", "%252e"]);
                text.push_str(dot(choices));
                if choices.below(3) > 0 {
                    text.push_str(dot(choices));
                }
            }
            Self::Query => many(choices, 0, 3, 3, |choices| {
                if !text.is_empty() {
                    text.push('&');
                }
                text.push_str(&Self::Token.draw(choices));
                if choices.below(4) > 0 {
                    text.push('=');
                    many(choices, 0, 12, 5, |choices| text.push_str(&segment(choices)));
                }
            }),
            Self::Any => {
                many(choices, 0, 40, 12, |choices| text.push_str(&anything(choices)));
                // Some programs send paths as long as they may be.
                if choices.below(50) == 49 && !text.is_empty() {
                    let times = LONG / text.len().max(1);
                    text = text.repeat(times.max(1));
                }
            }
        }
        text
    }
}

/// A path and its query have 8,192 characters at most.
const LONG: usize = 6_000;

fn segment(choices: &mut Choices<'_>) -> String {
    match choices.below(10) {
        0..6 => letter(choices).to_string(),
        6 => char::from(MARKS[choices.below(MARKS.len())]).to_string(),
        7 => choices.one(&FOREIGN).to_owned(),
        8 => choices.one(&FOREIGN).bytes().map(|byte| format!("%{byte:02X}")).collect(),
        _ => {
            // No control character, and nothing that divides: those are `{any}`, `{slash}` and `{dots}`.
            let byte = u8::try_from(0x20 + choices.below(0xe0)).unwrap_or(b' ');
            let byte = if matches!(byte, b'.' | b'/' | b'\\' | 0x7f) { b' ' } else { byte };
            escape(byte, choices)
        }
    }
}

fn anything(choices: &mut Choices<'_>) -> String {
    match choices.below(12) {
        0..3 => letter(choices).to_string(),
        3 => "/".to_owned(),
        4 => ".".to_owned(),
        5 => "%".to_owned(),
        6 => escape(u8::try_from(choices.below(256)).unwrap_or(0), choices),
        7 => format!("%25{:02x}", choices.below(256)),
        8 => choices.one(&ODD).to_owned(),
        9 => choices.one(&FOREIGN).to_owned(),
        10 => choices.one(&NASTY).to_owned(),
        _ => segment(choices),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(pattern: &str) -> Vec<String> {
        let pattern = Pattern::parse(pattern).expect("a pattern");
        (0..500).map(|seed| pattern.draw(&mut Choices::random(seed))).collect()
    }

    #[test]
    fn each_class_is_what_it_says() {
        let token = |text: &str| (1..=24).contains(&text.len()) && text.bytes().all(|byte| LETTERS.contains(&byte));
        assert!(drawn("{token}").iter().all(|text| token(text)));
        assert!(
            drawn("{number}").iter().all(|text| (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()))
        );
        for text in drawn("{segment}") {
            let lower = text.to_ascii_lowercase();
            assert!(!text.is_empty() && !text.contains(['/', '\\', '?', '#', ' ']), "{text}");
            assert!(!["%2f", "%5c", "%2e", "%00"].iter().any(|part| lower.contains(part)) && text != "." && text != "..", "{text}");
        }
        let all = drawn("{any}");
        for part in ["/", "%", "..", "\\", "\n", "家", "%25"] {
            assert!(all.iter().any(|text| text.contains(part)), "{part:?} comes");
        }
        assert!(all.iter().any(String::is_empty) && all.iter().any(|text| text.len() > 3_000));
        assert!(drawn("{query}").iter().any(|text| text.contains('&')));
    }

    #[test]
    fn gaps_are_alternatives_and_encodings() {
        let all = drawn("/{a|b{number}|}/x");
        assert!(all.iter().any(|text| text == "//x") && all.iter().any(|text| text.starts_with("/b")));
        let all = drawn("/{~track}");
        for part in ["/track", "%74", "%6B", "%6b", "%25"] {
            assert!(all.iter().any(|text| text.contains(part)), "{part}");
        }
        assert_eq!(Pattern::parse("{~a|b}").map(|pattern| pattern.draw(&mut Choices::again(&[]))), Ok("a".to_owned()));
    }

    #[test]
    fn the_simplest_draw_is_all_zeros_and_the_same_choices_are_the_same_text() {
        let pattern = Pattern::parse("/{token}/{any}/{segment}{slash}").unwrap();
        assert_eq!(pattern.draw(&mut Choices::again(&[])), "/a//a/");
        for seed in 0..100 {
            let mut choices = Choices::random(seed);
            let text = pattern.draw(&mut choices);
            assert_eq!(pattern.draw(&mut Choices::again(&choices.into_taken())), text);
        }
    }

    #[test]
    fn a_mistake_is_told() {
        let message = |text: &str| Pattern::parse(text).unwrap_err();
        assert_eq!(message("/{tokn}").0, "`{tokn}` stands for nothing");
        assert_eq!(message("/{tokn}").1, "one with a similar name exists: `{token}`");
        assert_eq!(message("/{token").0, "a `{` is not closed");
        assert_eq!(message("/token}").0, "a `}` in `/token}` closes nothing");
        assert_eq!(message("/{}").0, "braces hold a name, or several texts with `|` between them");
        assert_eq!(message("/{a{token}}").0, "braces hold a name, or several texts with `|` between them");
    }
}
