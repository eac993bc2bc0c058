//! A session is a signed sentence in a cookie: who, since which change of their rights, until when. The
//! server keeps nothing, so any copy of the Lambda can check it.

use crate::jobs::token::{Key, Keys};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use hmac::Mac as _;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How long a session lasts: a long working day.
pub const SESSION: SignedDuration = SignedDuration::from_hours(12);

/// Who is signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// The user name.
    #[serde(rename = "sub")]
    pub user: String,
    /// The member's epoch when this was made: raised by one, all sessions are over.
    pub epoch: u32,
    /// Until when, in seconds since 1970.
    pub exp: i64,
}

impl Session {
    /// A session that begins now.
    pub fn new(user: &str, epoch: u32, now: Timestamp) -> Self {
        Self { user: user.to_owned(), epoch, exp: now.as_second() + SESSION.as_secs() }
    }

    /// Whether more than half of it is over, and an active user should get a new one.
    pub fn is_ageing(&self, now: Timestamp) -> bool {
        self.exp - now.as_second() < SESSION.as_secs() / 2
    }
}

/// The uses of a signature, kept apart: none can be taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The cookie of a signed-in member of staff.
    Session,
    /// The link that signs a developer in to their own preview.
    SignInLink,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Session => "qdn session v1",
            Self::SignInLink => "qdn sign-in link v1",
        }
    }
}

/// Signs with the first key.
pub fn seal(keys: &Keys, purpose: Purpose, session: &Session) -> String {
    let payload = BASE64URL.encode(serde_json::to_vec(session).expect("a session is JSON"));
    let code = keys.session[0].mac(purpose.name(), payload.as_bytes()).finalize().into_bytes();
    format!("v1.{payload}.{}", BASE64URL.encode(code))
}

/// What was signed with any of the keys, where it is not over. The signature is compared in constant time,
/// and nothing of an unsigned text is read.
pub fn open(keys: &Keys, purpose: Purpose, text: &str, now: Timestamp) -> Option<Session> {
    let (payload, code) = text.strip_prefix("v1.")?.split_once('.')?;
    let code = BASE64URL.decode(code).ok()?;
    let is_signed = |key: &Key| key.mac(purpose.name(), payload.as_bytes()).verify_slice(&code).is_ok();
    if !keys.session.iter().any(is_signed) {
        return None;
    }
    let session: Session = serde_json::from_slice(&BASE64URL.decode(payload).ok()?).ok()?;
    (now.as_second() < session.exp).then_some(session)
}

/// The stamp of a booking form: when it was read.
pub fn stamp(keys: &Keys, now: Timestamp) -> String {
    let seconds = now.as_second().to_string();
    let code = keys.session[0].mac(STAMP, seconds.as_bytes()).finalize().into_bytes();
    format!("{seconds}.{}", BASE64URL.encode(&code[..16]))
}

/// When a form with this stamp was read; `None` where the stamp is not ours.
pub fn stamped(keys: &Keys, stamp: &str) -> Option<Timestamp> {
    let (seconds, code) = stamp.split_once('.')?;
    let code = BASE64URL.decode(code).ok().filter(|code| code.len() == 16)?;
    let is_signed = |key: &Key| key.mac(STAMP, seconds.as_bytes()).verify_truncated_left(&code).is_ok();
    keys.session.iter().any(is_signed).then_some(())?;
    Timestamp::from_second(seconds.parse().ok()?).ok()
}

const STAMP: &str = "qdn form stamp v1";

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(seed: u8) -> Keys {
        Keys::from_random([seed; 64])
    }

    fn now() -> Timestamp {
        "2026-11-24T17:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_session_holds_until_it_is_over_and_for_its_purpose_only() {
        let session = Session::new("maria", 3, now());
        let text = seal(&keys(1), Purpose::Session, &session);
        assert_eq!(open(&keys(1), Purpose::Session, &text, now()), Some(session.clone()));
        assert_eq!(open(&keys(1), Purpose::SignInLink, &text, now()), None);
        assert_eq!(open(&keys(2), Purpose::Session, &text, now()), None);
        assert_eq!(open(&keys(1), Purpose::Session, &text, now() + SESSION), None);
        assert!(!session.is_ageing(now()) && session.is_ageing(now() + SignedDuration::from_hours(7)));
    }

    #[test]
    fn keys_are_changed_without_signing_anyone_out() {
        let session = Session::new("maria", 0, now());
        let text = seal(&keys(1), Purpose::Session, &session);
        let both = Keys { session: [keys(2).session, keys(1).session].concat(), ..keys(2) };
        assert_eq!(open(&both, Purpose::Session, &text, now()), Some(session));
    }

    #[test]
    fn no_changed_character_is_believed() {
        let text = seal(&keys(1), Purpose::Session, &Session::new("maria", 0, now()));
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            // The last character of base64 has bits that mean nothing; the decoder refuses them.
            assert_eq!(open(&keys(1), Purpose::Session, &changed, now()), None, "{at}: {changed}");
        }
        for wrong in ["", "v1.", "v1..", "v2.a.b", "v1.a", "v1.é.é"] {
            assert_eq!(open(&keys(1), Purpose::Session, wrong, now()), None, "{wrong}");
        }
    }

    #[test]
    fn a_stamp_tells_when_the_form_was_read() {
        let text = stamp(&keys(1), now());
        assert_eq!(stamped(&keys(1), &text), Some(now()));
        assert_eq!(stamped(&keys(2), &text), None);
        for wrong in ["", "1.", "1795539600.", "1795539601.AAAAAAAAAAAAAAAAAAAAAA", "x.y"] {
            assert_eq!(stamped(&keys(1), wrong), None, "{wrong}");
        }
    }
}
