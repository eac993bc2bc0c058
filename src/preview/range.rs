//! A part of an answer, for who asks for one: players of films, and downloads that go on where they broke off.
//!
//! One range is answered, as CloudFront and S3 do [doc: RangeGETs]; several at once are answered with everything,
//! which HTTP allows (RFC 9110 §14.2).

use std::ops::Range;

/// What of a body is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Everything, with 200.
    Whole,
    /// These bytes, with 206.
    Some(Range<usize>),
    /// Nothing, with 416: it begins after the end.
    Beyond,
}

/// What is sent of a body of `length` bytes. `range` and `if_range` are the request's headers, `tag` is the answer's.
///
/// Only a strong tag holds for a part (RFC 9110 §13.1.5); by date nothing is compared, as no answer has one.
pub(super) fn part(range: Option<&str>, if_range: Option<&str>, tag: Option<&str>, length: usize) -> Part {
    let Some(range) = range.and_then(|range| range.trim().strip_prefix("bytes=")) else { return Part::Whole };
    if if_range.is_some_and(|known| known.starts_with("W/") || Some(known) != tag) {
        return Part::Whole;
    }
    let Some((first, last)) = range.split_once('-').filter(|_| !range.contains(',')) else { return Part::Whole };
    let number = |text: &str| match text.trim() {
        "" => Some(None),
        text if text.bytes().all(|byte| byte.is_ascii_digit()) => Some(Some(text.parse().unwrap_or(usize::MAX))),
        _ => None,
    };
    match (number(first), number(last)) {
        (Some(None), Some(Some(count))) if count == 0 || length == 0 => Part::Beyond,
        (Some(None), Some(Some(count))) => Part::Some(length - count.min(length)..length),
        (Some(Some(first)), Some(last)) if last.is_none_or(|last| first <= last) => match first < length {
            true => Part::Some(first..last.map_or(length, |last| last.saturating_add(1).min(length))),
            false => Part::Beyond,
        },
        // What is no range is no wish.
        _ => Part::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_a_part() {
        for (range, expected) in [
            ("bytes=0-0", Part::Some(0..1)),
            ("bytes=2-4", Part::Some(2..5)),
            ("bytes=2-", Part::Some(2..10)),
            ("bytes=-3", Part::Some(7..10)),
            ("bytes=-99", Part::Some(0..10)),
            ("bytes=9-99999999999999999999999", Part::Some(9..10)),
            ("bytes=10-", Part::Beyond),
            ("bytes=99999999999999999999999-", Part::Beyond),
            ("bytes=-0", Part::Beyond),
            ("bytes=4-2", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("lines=0-1", Part::Whole),
        ] {
            assert_eq!(part(Some(range), None, None, 10), expected, "{range}");
        }
        assert_eq!(part(None, None, None, 10), Part::Whole);
        assert_eq!(part(Some("bytes=0-"), None, None, 0), Part::Beyond);
    }

    #[test]
    fn a_part_of_another_version_is_everything() {
        let wanted = |if_range, tag| part(Some("bytes=0-1"), Some(if_range), tag, 10);
        assert_eq!(wanted("\"a\"", Some("\"a\"")), Part::Some(0..2));
        assert_eq!(wanted("\"b\"", Some("\"a\"")), Part::Whole);
        assert_eq!(wanted("W/\"a\"", Some("W/\"a\"")), Part::Whole);
        assert_eq!(wanted("Tue, 15 Nov 1994 12:45:26 GMT", Some("\"a\"")), Part::Whole);
        assert_eq!(wanted("\"a\"", None), Part::Whole);
    }
}
