//! `cf.cwt`: tokens as RFC 8392 has them.

use super::{get, run};
use qdn::edge::{self, ErrorKind, KeyValues, Runtime};
use serde_json::{Value, json};

/// RFC 8392, appendix A.4, with HMAC 256/64; its key is of appendix A.2.2.
const MACED: &str = "d83dd18443a10104a1044c53796d6d65747269633235365850a70175636f61703a2f2f61732e6578616d706c652e636f6d02656572696b\
     77037818636f61703a2f2f6c696768742e6578616d706c652e636f6d041a5612aeb0051a5610d9f0061a5610d9f007420b7148093101ef6d789200";
const MACED_KEY: &str = "403697de87af64611c1d32a05dab0fe1fcb715a86ab435f1ec99192d79569388";

/// `{1: "iss", 4: 1740000000}` under the key `secret`, with HMAC 256/256: made with Python's `hmac`.
const FULL: &str =
    "d83dd18443a10105a04ca20163697373041a67b64b00582054e73c47b3264196d08f19c38165c72a72c6274f0b6dfb0cda626f56548bb9da";

fn answer(body: &str) -> Result<Value, String> {
    let code = format!("import cf from 'cloudfront';\nfunction handler(event) {{ {body} }}");
    let outcome = edge::run(&code, Runtime::V2, KeyValues::default(), &get("/"));
    match outcome.error {
        Some(error) => Err(error.message),
        None => {
            let body = outcome.response().map(|response| response["body"].clone()).unwrap_or_default();
            Ok(serde_json::from_str(body.as_str().unwrap_or_default()).unwrap_or(body))
        }
    }
}

fn validated(token: &str, key: &str) -> Result<Value, String> {
    answer(&format!(
        "var token = cf.cwt.validateToken(Buffer.from('{token}', 'hex'), {{ key: {key} }});\n\
         return {{ statusCode: 200, body: JSON.stringify(token) }};"
    ))
}

#[test]
fn the_token_of_the_standard_is_read() {
    let token = validated(MACED, &format!("Buffer.from('{MACED_KEY}', 'hex')")).expect("it is genuine");
    assert_eq!(token["protectedHeaders"], json!({ "1": 4 }));
    assert_eq!(token["unprotectedHeaders"]["4"]["data"], json!(b"Symmetric256".to_vec()));
    let payload = &token["payload"];
    assert_eq!(payload["1"], "coap://as.example.com");
    assert_eq!(payload["2"], "erikw");
    assert_eq!((&payload["4"], &payload["5"]), (&json!(1_444_064_944), &json!(1_443_944_944)));
    assert_eq!(payload["7"]["data"], json!([0x0b, 0x71]));
}

#[test]
fn a_token_is_made_as_another_program_makes_it() {
    // AWS's page gives the arguments in one order and its examples in the other, and writes the algorithm as a text.
    let token = "{ protected: { 1: '5' }, unprotected: {}, payload: { 1: 'iss', 4: 1740000000 } }";
    let context = "{ cwtTag: true, coseTag: 'MAC0', key: 'secret' }";
    for arguments in [format!("{token}, {context}"), format!("{context}, {token}")] {
        let made = answer(&format!("return {{ statusCode: 200, body: cf.cwt.generateToken({arguments}).toString('hex') }};"));
        assert_eq!(made, Ok(json!(FULL)));
    }
    assert_eq!(validated(FULL, "'secret'").map(|token| token["payload"].clone()), Ok(json!({ "1": "iss", "4": 1_740_000_000 })));
}

#[test]
fn what_goes_in_comes_out() {
    let claims = "{ '1': 'é😀', '4': -1, '401': { '1': { '2': '.net' } }, '402': [1.5, true, null, 4294967296, -70000], 'x-y': { '-3': 'z' } }";
    let back = answer(&format!(
        "var key = Buffer.from('k'); var made = cf.cwt.generateToken({{ payload: {claims} }}, {{ coseTag: 'MAC0', key: key }});\n\
         var read = cf.cwt.validateToken(made, {{ key: 'k' }});\n\
         return {{ statusCode: 200, body: JSON.stringify(read.payload) === JSON.stringify({claims}) ? 'same' : JSON.stringify(read.payload) }};"
    ));
    assert_eq!(back, Ok(json!("same")));
}

#[test]
fn nothing_else_is_a_token() {
    for (token, key, part) in [
        (FULL, "'other'", "does not belong to this key"),
        (FULL, "5", "the key is"),
        (&FULL[4..], "'secret'", ""),
        (&FULL[6..], "'secret'", "COSE_Mac0 is missing"),
        (&FULL[..FULL.len() - 2], "'secret'", "cut short"),
        (&format!("{FULL}00"), "'secret'", "no COSE_Mac0"),
        (&FULL.replace("a10105", "a10106"), "'secret'", "HS256"),
        ("", "'secret'", "missing"),
        ("d1", "'secret'", "cut short"),
        ("d19bffffffffffffffff", "'secret'", "cut short"),
        (&format!("d1{}", "81".repeat(600)), "'secret'", "too deep"),
        (&"81".repeat(1_025), "'secret'", "1024 bytes"),
    ] {
        let said = validated(token, key);
        match part {
            "" => assert!(said.is_ok(), "the outer tag may be missing: {said:?}"),
            part => assert!(said.as_ref().is_err_and(|said| said.contains(part)), "{token}: {said:?}"),
        }
    }
    let outcome = run("import cf from 'cloudfront';\nfunction handler(e) { cf.cwt.validateToken('text', { key: 'k' }); }");
    assert_eq!(outcome.error.map(|error| error.kind), Some(ErrorKind::Execution));
    let large = answer("cf.cwt.generateToken({ payload: { 1: 'x'.repeat(1100) } }, { coseTag: 'MAC0', key: 'k' });");
    assert!(large.is_err_and(|said| said.contains("1024 bytes")));
    for context in ["{ key: 'k' }", "{ coseTag: 'SIGN1', key: 'k' }", "undefined"] {
        let said = answer(&format!("cf.cwt.generateToken({{ payload: {{}} }}, {context});"));
        assert!(said.is_err(), "{context}: {said:?}");
    }
}
