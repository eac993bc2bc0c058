//! Two functions of several modules, as people write them.

use super::Files;

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
