//! Functions of the kinds that people publish. Nothing is wrong with any of them.

use super::*;
use crate::edge::{Emulator, KeyValues};

macro_rules! samples {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("samples/", $name, ".js")))),*]
    };
}

const SAMPLES: &[(&str, &str)] = samples![
    "ab.v2",
    "auth.v2",
    "cache-control.v1",
    "client-ip.v1",
    "cors.v1",
    "country.v1",
    "images.v2",
    "index.v2",
    "jwt.v1",
    "jwt.v2",
    "maintenance.v2",
    "origin-header.v1",
    "origin.v2",
    "query.v1",
    "redirects.v2",
    "security-headers.v1",
    "spa.v1",
    "www.v2",
];

#[test]
fn nothing_is_wrong_with_what_people_publish() {
    let mut wrong = Vec::new();
    for (name, text) in SAMPLES {
        let runtime = if name.ends_with(".v1") { Runtime::V1 } else { Runtime::V2 };
        let file = format!("{name}.js");
        let (sources, checked) = checked(&[(&file, text)], runtime);
        wrong.push(render(checked.diagnostics(), &sources, false));
        let Ok(bundle) = checked.bundle() else { continue };
        assert!(bundle.code.len() < text.len(), "{name}");
        // What was shortened still runs.
        if let Err(error) = Emulator::load(&bundle.code, runtime, KeyValues::default()) {
            wrong.push(format!("{name}: {error:?}\n{}", bundle.code));
        }
    }
    assert!(wrong.iter().all(String::is_empty), "{}", wrong.join(""));
}

/// What is written for runtime 1.0 and needs none of its bytes runs in 2.0 as well.
#[test]
fn older_functions_may_move_on() {
    for (name, text) in SAMPLES.iter().filter(|(name, _)| name.ends_with(".v1")) {
        let rules: Vec<_> = said(text, Runtime::V2).into_iter().map(|(rule, _, _)| rule).collect();
        let expected: &[&str] = if *name == "jwt.v1" { &["CFF023"] } else { &[] };
        assert_eq!(rules, expected, "{name}");
    }
}
