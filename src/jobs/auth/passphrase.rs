//! Passphrases are made, not chosen, so that guessing is hopeless and nobody's other password is stored.

use crate::jobs::world::{World, random};
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use std::fmt;

/// Words in a passphrase: six of 2,048 are 66 bits.
const WORDS: usize = 6;

/// What a member of staff types. Shown once, stored never.
pub struct Passphrase(String);

impl Passphrase {
    /// A new one.
    pub fn new(world: &dyn World) -> Self {
        let list = bip39::Language::English.word_list();
        let bits = random::<{ 2 * WORDS }>(world);
        // 65,536 is a multiple of 2,048, so every word is as likely as every other.
        let words = bits.chunks_exact(2).map(|pair| list[usize::from(u16::from_le_bytes([pair[0], pair[1]])) % list.len()]);
        Self(words.collect::<Vec<_>>().join("-"))
    }

    /// To be shown to the one it belongs to.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(***)")
    }
}

/// OWASP's first choice for Argon2id: 19 MiB, two passes, one lane. About 60 ms here, five times that in a
/// Lambda of 256 MB.
fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(19 * 1024, 2, 1, None).expect("parameters within their bounds"))
}

/// What is stored of a passphrase: a PHC string. Takes tens of milliseconds of one core.
pub fn hash(passphrase: &str, world: &dyn World) -> String {
    let salt = random::<16>(world);
    argon2().hash_password_with_salt(passphrase.as_bytes(), &salt).expect("a salt of 16 bytes").to_string()
}

/// Whether a passphrase is the one of which `phc` is stored. Takes tens of milliseconds of one core, also
/// where nothing is stored: then something is hashed all the same, so that no clock tells names apart.
pub fn matches(typed: &str, phc: Option<&str>) -> bool {
    // Of nothing: no passphrase has this hash.
    const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    // Spaces, capitals and the like: people retype passphrases from paper.
    let typed = typed
        .trim()
        .to_lowercase()
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("-");
    let Ok(stored) = PasswordHash::new(phc.unwrap_or(NOBODY)) else {
        return false;
    };
    argon2().verify_password(typed.as_bytes(), &stored).is_ok() && phc.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::world::System;

    #[test]
    fn a_passphrase_opens_as_it_is_shown_and_as_people_type_it() {
        let passphrase = Passphrase::new(&System);
        assert_eq!(passphrase.reveal().split('-').count(), WORDS);
        let phc = hash(passphrase.reveal(), &System);
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && !phc.contains(passphrase.reveal()));
        assert!(matches(passphrase.reveal(), Some(&phc)));
        assert!(matches(&format!(" {} ", passphrase.reveal().to_uppercase().replace('-', "  ")), Some(&phc)));
        assert!(!matches("correct-horse-battery-staple-six-words", Some(&phc)));
        assert!(!matches("", Some(&phc)) && !matches("", Some("not a PHC string")));
    }

    #[test]
    fn nobody_costs_as_much_as_somebody_and_matches_nothing() {
        for typed in ["", "a", "abandon-abandon-abandon-abandon-abandon-abandon"] {
            assert!(!matches(typed, None));
        }
    }
}
