//! Regular expressions: what PCRE reads, written so that the engine means the same by it.
//!
//! The edge matches with PCRE2. `$` matches before a last line break there, `.` everything but a line feed, `\s` six
//! characters of ASCII, and some escapes mean what JavaScript does not know (pcre2pattern(3)). What has no counterpart
//! stays as it was written: atomic groups, the conditions of Perl, and that a group which did not take part makes a
//! reference to it fail.

use std::fmt::Write as _;

/// ASCII's own blanks, for within a class.
const BLANK: &str = r" \t-\r";
/// Everything else.
const NOT_BLANK: &str = r"\0-\x08\x0e-\x1f!-\uffff";
const HORIZONTAL: &str = r"\t \xa0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000";
const VERTICAL: &str = r"\n-\r\x85\u2028\u2029";

/// Names between `[:` and `:]`, as ASCII has them.
const POSIX: &[(&str, &str)] = &[
    ("alnum", "0-9A-Za-z"),
    ("alpha", "A-Za-z"),
    ("blank", r"\t "),
    ("cntrl", r"\0-\x1f\x7f"),
    ("digit", "0-9"),
    ("graph", "!-~"),
    ("lower", "a-z"),
    ("print", " -~"),
    ("punct", r"!-\/:-@\[-`{-~"),
    ("space", BLANK),
    ("upper", "A-Z"),
    ("word", r"\w"),
    ("xdigit", "0-9A-Fa-f"),
];

/// The pattern for the engine. `flags` are those of the expression.
pub(super) fn translate(pattern: &str, flags: &str) -> String {
    let lines = flags.contains('m');
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    let mut class = false;
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        match letter {
            '\\' => {
                let Some(escaped) = rest.chars().next() else {
                    out.push('\\');
                    break;
                };
                rest = &rest[escaped.len_utf8()..];
                if escaped == 'Q' {
                    let (literal, behind) = rest.split_once("\\E").unwrap_or((rest, ""));
                    literal.chars().for_each(|letter| quote(letter, &mut out));
                    rest = behind;
                } else {
                    escape(escaped, class, &mut out);
                }
            }
            '[' if class => match posix(rest) {
                Some((members, length)) => {
                    out.push_str(&members);
                    rest = &rest[length..];
                }
                None => out.push('['),
            },
            '[' => {
                class = true;
                out.push('[');
            }
            ']' => {
                class = false;
                out.push(']');
            }
            '.' if !class => out.push_str(r"[^\n]"),
            '$' if !class => out.push_str(if lines { r"(?=\n|(?![^]))" } else { r"(?=\n?$)" }),
            // Not behind a line break that ends the text.
            '^' if !class && lines => out.push_str(r"(?:(?<![^])|(?<=\n)(?=[^]))"),
            other => out.push(other),
        }
    }
    out
}

fn escape(letter: char, class: bool, out: &mut String) {
    let set = |members: &str, negative: bool| match (class, negative) {
        (true, false) => members.to_owned(),
        (false, true) => format!("[^{members}]"),
        _ => format!("[{members}]"),
    };
    let text = match letter {
        's' => set(BLANK, false),
        'S' if class => NOT_BLANK.to_owned(),
        'S' => set(BLANK, true),
        'h' => set(HORIZONTAL, false),
        'H' if !class => set(HORIZONTAL, true),
        'v' => set(VERTICAL, false),
        'V' if !class => set(VERTICAL, true),
        'N' if !class => r"[^\n]".to_owned(),
        'R' if !class => format!(r"(?:\r\n|[{VERTICAL}])"),
        'A' if !class => r"(?<![^])".to_owned(),
        'z' if !class => r"(?![^])".to_owned(),
        'Z' if !class => r"(?=\n?(?![^]))".to_owned(),
        'e' => r"\x1b".to_owned(),
        'a' => r"\x07".to_owned(),
        'E' => String::new(),
        other => {
            out.push('\\');
            out.push(other);
            return;
        }
    };
    out.push_str(&text);
}

fn quote(letter: char, out: &mut String) {
    if letter.is_ascii_punctuation() {
        let _ = write!(out, "\\x{:02x}", u32::from(letter));
    } else {
        out.push(letter);
    }
}

/// What stands behind the `[` of `[:alpha:]`: its members, and how many bytes are read.
fn posix(rest: &str) -> Option<(String, usize)> {
    let (name, _) = rest.strip_prefix(':')?.split_once(":]")?;
    let (_, members) = POSIX.iter().find(|(known, _)| *known == name)?;
    Some(((*members).to_owned(), name.len() + 3))
}

#[cfg(test)]
mod tests {
    use super::translate;

    #[test]
    fn what_both_read_alike_is_left_alone() {
        for pattern in [r"^\/track\/([\w-]+)\/?x", r"[^/?#]+", r"(?<y>\d{4})|\bab\1", r"[.$^]", r"a\.b\$", r"\u00e9[\x20-\x7e]"] {
            assert_eq!(translate(pattern, "gi"), pattern);
        }
    }

    #[test]
    fn what_pcre_means_is_spelled_out() {
        assert_eq!(translate("^a.$", ""), r"^a[^\n](?=\n?$)");
        assert_eq!(translate(r"\s[\s,]", ""), r"[ \t-\r][ \t-\r,]");
        assert_eq!(translate(r"\Qa.b\E+", ""), r"a\x2eb+");
        assert_eq!(translate(r"[[:digit:]x]", ""), "[0-9x]");
        assert_eq!(translate(r"\h\z", ""), r"[\t \xa0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000](?![^])");
    }

    #[test]
    fn no_pattern_is_too_odd() {
        for pattern in ["\\", "[", "[[:", "[[:x:]", "\\Q", "(", "[\\", "é\\é"] {
            translate(pattern, "m");
        }
    }
}
