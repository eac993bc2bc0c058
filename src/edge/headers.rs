//! The headers a function may not touch: one table for the checker and for the emulator.

use super::event::Kind;

/// Names that a function never sees; adding one is an error for the viewer. A `*` at the end stands for any rest.
const DISALLOWED: &[&str] = &[
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "trailer",
    "upgrade",
    "x-accel-buffering",
    "x-accel-charset",
    "x-accel-limit-rate",
    "x-accel-redirect",
    "x-amz-cf-*",
    "x-amzn-auth",
    "x-amzn-cf-billing",
    "x-amzn-cf-id",
    "x-amzn-cf-xff",
    "x-amzn-errortype",
    "x-amzn-fle-profile",
    "x-amzn-header-count",
    "x-amzn-header-order",
    "x-amzn-lambda-integration-tag",
    "x-amzn-requestid",
    "x-cache",
    "x-edge-*",
    "x-forwarded-proto",
    "x-real-ip",
];

/// Names that a viewer-request function sees and may not add, change or delete.
const READ_ONLY_REQUEST: &[&str] = &["cdn-loop", "content-length", "host", "transfer-encoding", "via"];

/// The same for a viewer-response function. `content-length` is not among them: that is a rule of Lambda@Edge.
const READ_ONLY_RESPONSE: &[&str] = &["via", "warning"];

/// Whether a function may never add this header. The name is in lower case.
pub(super) fn disallowed(name: &str) -> bool {
    DISALLOWED.iter().any(|rule| match rule.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => *rule == name,
    })
}

/// The headers that a function of this kind must leave as they are.
pub(super) fn read_only(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::ViewerRequest => READ_ONLY_REQUEST,
        Kind::ViewerResponse => READ_ONLY_RESPONSE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_read_as_meant() {
        assert!(disallowed("x-forwarded-proto") && disallowed("x-edge-location") && disallowed("x-amz-cf-id"));
        assert!(!disallowed("x-amz-cfoo") && !disallowed("x-edge") && !disallowed("x-forwarded-for"));
        assert!(read_only(Kind::ViewerRequest).contains(&"host"));
        assert!(!read_only(Kind::ViewerResponse).contains(&"content-length"));
    }
}
