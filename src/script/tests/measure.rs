//! Figures, by hand: `cargo test --lib script::tests::measure -- --ignored --nocapture`.

use super::*;
use std::time::Instant;

pub(super) const ROUTER: Files<'static> = &[
    ("functions/qdn-track-rewrite.js", include_str!("samples/router.js")),
    ("functions/lib/path.js", include_str!("samples/path.js")),
    ("functions/lib/respond.js", include_str!("samples/respond.js")),
];
pub(super) const STORE: Files<'static> = &[
    ("functions/store.js", include_str!("samples/store.js")),
    ("functions/lib/path.js", include_str!("samples/path.js")),
    ("functions/lib/respond.js", include_str!("samples/respond.js")),
];

#[test]
#[ignore = "it measures and asserts nothing"]
fn how_long_and_how_large() {
    for (name, files) in [("router", ROUTER), ("store", STORE)] {
        let mut times = Vec::new();
        let mut code = String::new();
        for _ in 0..21 {
            let start = Instant::now();
            code = minified(files);
            times.push(start.elapsed());
        }
        times.sort();
        let written: usize = files.iter().map(|(_, text)| text.len()).sum();
        println!("{name}: {written} bytes become {} in {:?} (worst {:?})\n{code}\n", code.len(), times[10], times[20]);
    }
}
