//! Who is staff, and how a browser proves it: a name and a generated passphrase, for a signed cookie.

pub mod passphrase;
pub mod session;
pub mod staff;

pub use session::Session;
pub use staff::{Member, Staff, StaffFile};
