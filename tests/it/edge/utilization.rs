//! The estimate beside what AWS measured: the outputs of TestFunction that stand in the READMEs of AWS's samples.

use qdn::edge::{self, Event, KeyValues, Runtime};

/// What the sample `url-rewrite-single-page-apps` does.
const PATHS: &str = "function handler(event) { var r = event.request; if (r.uri.endsWith('/')) { r.uri += 'index.html'; } \
     else if (!r.uri.includes('.')) { r.uri += '/index.html'; } return r; }";

/// What a sample of AWS's does, an event of its kind, and the utilization that AWS printed for it: one of them twice.
const RECORDED: &[(&str, &str, &[u8])] = &[
    (include_str!("../../../src/edge/check/tests/samples/cache-control.v1.js"), "response", &[16, 20]),
    (PATHS, "request", &[14]),
    (include_str!("../../../src/edge/check/tests/samples/jwt.v1.js"), "token", &[19]),
];

#[test]
fn the_estimate_is_of_the_functions_own_work() {
    let mut said = Vec::new();
    for (code, kind, recorded) in RECORDED {
        let token = "jwt=eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIn0.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
        let query = (*kind == "token").then_some(token);
        let request = Event::viewer_request("GET", "/blog/", query, &[("Host".to_owned(), "a.example".to_owned())], "198.51.100.1");
        let event = match *kind {
            "response" => request.viewer_response(200, "OK", &[("Server".to_owned(), "CustomOriginServer".to_owned())]),
            _ => request,
        };
        let outcome = edge::run(code, Runtime::V1, KeyValues::default(), &event);
        assert_eq!(outcome.error, None, "{code}");
        let least = recorded.iter().min().copied().unwrap_or_default();
        assert!(outcome.utilization < least, "{} is not below {least}: AWS counts what is around a run, too", outcome.utilization);
        said.push(outcome.utilization);
    }
    // The token costs a digest and two JSON texts, and has to cost the most; the other two do next to nothing.
    assert!(said[2] > said[0] && said[2] > said[1], "{said:?}");
    assert!(said[0] <= 3 && said[1] <= 3, "{said:?}");
}
