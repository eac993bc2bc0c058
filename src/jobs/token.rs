//! Tracking tokens: what a customer's link carries, and the keys that make them.
//!
//! A token is derived, not stored: it can be shown to staff again, taken back by raising the job's
//! epoch, and a leaked `jobs.json` opens no link. 128 bits are out of reach of guessing: a thousand
//! tries a second for a year against a million live tokens find one with a chance below 10⁻¹⁹.

use super::job::JobId;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// Characters in a token: 128 bits in base64url.
pub const TOKEN_LENGTH: usize = 22;

/// A secret of 32 bytes. Its `Debug` says nothing, so that no log can.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl Key {
    /// A key of these bytes, which must be random.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The message's authentication code. `purpose` keeps one key's uses apart: a stamp of the booking
    /// form can never be taken for a session.
    pub(super) fn mac(&self, purpose: &str, message: &[u8]) -> Hmac<Sha256> {
        let mut mac = <Hmac<Sha256>>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(message);
        mac
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}

impl Serialize for Key {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64URL.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64URL.decode(text).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        bytes.map(Self).ok_or_else(|| serde::de::Error::custom("a key is 32 bytes in base64url"))
    }
}

/// The secrets of one stage. The first key of each list makes, all of them are believed: to change a
/// key, put the new one in front and drop the old one later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// For tracking tokens.
    pub link: Vec<Key>,
    /// For staff sessions and the stamps of the booking form.
    pub session: Vec<Key>,
}

impl Keys {
    /// New keys from 64 random bytes.
    pub fn from_random(bytes: [u8; 64]) -> Self {
        let mut halves = bytes.chunks_exact(32).map(|half| Key(half.try_into().expect("32 bytes")));
        Self { link: halves.by_ref().take(1).collect(), session: halves.collect() }
    }

    /// Reads keys from JSON, and refuses an empty list: a stage without a key would accept anything or nothing.
    ///
    /// # Errors
    /// A sentence, without a character of the keys.
    pub fn parse(text: &str) -> Result<Self, String> {
        let keys: Self = serde_json::from_str(text)
            .map_err(|error| format!("the keys are not what `qdn` writes (line {}, column {})", error.line(), error.column()))?;
        if keys.link.is_empty() || keys.session.is_empty() {
            return Err("the keys need at least one `link` and one `session` key".to_owned());
        }
        Ok(keys)
    }

    /// The token of a job that was just booked, or whose link was renewed.
    pub fn token(&self, id: JobId, epoch: u32) -> Token {
        Token::derive(&self.link[0], id, epoch)
    }

    /// The token that a stored digest stands for, whichever key made it. `None` where that key is gone:
    /// then the link still works, but cannot be shown again, only renewed.
    pub fn token_of(&self, id: JobId, epoch: u32, hash: &TokenHash) -> Option<Token> {
        self.link.iter().map(|key| Token::derive(key, id, epoch)).find(|token| token.hash() == *hash)
    }
}

/// What stands in a customer's link. Whoever has it sees the job's public view.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    fn derive(key: &Key, id: JobId, epoch: u32) -> Self {
        let mut message = id.0.as_bytes().to_vec();
        message.extend(epoch.to_be_bytes());
        let code = key.mac("qdn tracking token v1", &message).finalize().into_bytes();
        Self(BASE64URL.encode(&code[..16]))
    }

    /// The characters of the link.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is stored and looked up.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

/// SHA-256 of a token, in hex.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenHash(String);

impl TokenHash {
    /// The digest of whatever a visitor typed: a token of the wrong shape costs as much as a wrong one.
    pub fn of(typed: &str) -> Self {
        Self(sha256_hex(typed.as_bytes()))
    }

    /// In hex.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// SHA-256 in lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> JobId {
        "fcdc1c82-cb28-4dbe-8000-000000000000".parse().unwrap()
    }

    fn keys(seed: u8) -> Keys {
        Keys::from_random(std::array::from_fn(|at| seed.wrapping_add(at as u8)))
    }

    #[test]
    fn a_token_is_128_bits_and_no_part_of_the_id() {
        let token = keys(1).token(id(), 0);
        assert_eq!(token.as_str().len(), TOKEN_LENGTH);
        assert!(token.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        assert_ne!(token, keys(1).token(id(), 1), "another epoch, another token");
        assert_ne!(token, keys(2).token(id(), 0), "another key, another token");
        assert!(!id().to_string().replace('-', "").contains(token.as_str()));
    }

    #[test]
    fn a_link_can_be_shown_again_after_the_key_has_changed() {
        let old = keys(1);
        let hash = old.token(id(), 3).hash();
        let both = Keys { link: [keys(2).link, old.link.clone()].concat(), ..keys(2) };
        assert_eq!(both.token_of(id(), 3, &hash), Some(old.token(id(), 3)));
        assert_eq!(keys(2).token_of(id(), 3, &hash), None);
    }

    #[test]
    fn secrets_do_not_print() {
        let keys = keys(1);
        let shown = format!("{keys:?} {:?}", keys.token(id(), 0));
        assert_eq!(shown, "Keys { link: [Key(***)], session: [Key(***)] } Token(***)");
        let text = serde_json::to_string(&keys).unwrap();
        assert_eq!(Keys::parse(&text).unwrap(), keys);
        for wrong in ["", "{}", "{\"link\":[],\"session\":[]}", "{\"link\":[\"c2VjcmV0\"],\"session\":[]}"] {
            let error = Keys::parse(wrong).unwrap_err();
            assert!(!error.contains("c2VjcmV0"), "{error}");
        }
    }
}
