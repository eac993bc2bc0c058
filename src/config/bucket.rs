//! Buckets and prefixes, as people write them.

use crate::deploy::options::Place;

/// As a sentence has it.
pub(super) fn shown(place: &Place) -> String {
    match place.prefix.as_str() {
        "" => format!("the bucket `{}`", place.bucket),
        prefix => format!("`{}/{}`", place.bucket, prefix.trim_end_matches('/')),
    }
}

/// Reads `bucket`, `bucket/prefix`, or either behind `s3://`. What a bucket may be called is in
/// [S3's user guide, "General purpose bucket naming rules"].
///
/// [S3's user guide, "General purpose bucket naming rules"]: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
pub(super) fn place(text: &str) -> Result<Place, String> {
    let rest = text.strip_prefix("s3://").unwrap_or(text);
    if let Some((scheme, _)) = rest.split_once("://") {
        return Err(format!("`{text}` is not a bucket: there is no `{scheme}://` here"));
    }
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let is_good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    let is_end = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let is_address = bucket.split('.').count() == 4 && bucket.split('.').all(|part| part.parse::<u8>().is_ok());
    let is_reserved =
        bucket.starts_with("xn--") || bucket.starts_with("sthree-") || bucket.ends_with("-s3alias") || bucket.ends_with("--ol-s3");
    if !(3..=63).contains(&bucket.len())
        || !bucket.bytes().all(is_good)
        || !is_end(bucket.bytes().next())
        || !is_end(bucket.bytes().next_back())
        || bucket.contains("..")
        || is_address
        || is_reserved
    {
        return Err(format!("`{bucket}` is no name for a bucket: 3 to 63 of a–z, 0–9, `.` and `-`, a letter or digit at each end"));
    }
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    if prefix.is_empty() {
        return Ok(Place { bucket: bucket.to_owned(), prefix: String::new() });
    }
    let is_part = |part: &str| {
        let is_good = |c: char| c.is_ascii_graphic() && !"\\?#%*\"<>{}|^`[]~".contains(c);
        !matches!(part, "" | "." | "..") && part.chars().all(is_good)
    };
    match prefix.split('/').find(|part| !is_part(part)) {
        Some(part) => Err(format!("`{part}` cannot be a part of the prefix in `{text}`")),
        None => Ok(Place { bucket: bucket.to_owned(), prefix: format!("{prefix}/") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_called_as_s3_allows() {
        for good in ["abc", "a.b-c", "s3://abc/x", "abc/x/y/"] {
            assert!(place(good).is_ok(), "{good}");
        }
        let long = "a".repeat(64);
        for bad in [
            "ab",
            &long,
            "Abc",
            "-abc",
            "abc-",
            "a..b",
            "1.2.3.4",
            "xn--abc",
            "abc-s3alias",
            "gs://abc",
            "abc/../x",
            "abc//x",
            "abc/a b",
            "/abc",
        ] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }
}
