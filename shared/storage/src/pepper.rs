//! Keyed hashes: what is kept of API keys and of erased persons, so that a leaked table names neither.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The key of all keyed hashes. Prints as nothing.
#[derive(Clone)]
pub struct Pepper(Hmac<Sha256>);

impl Pepper {
    /// A pepper of this secret; 16 bytes or more.
    #[must_use]
    pub fn new(secret: &str) -> Option<Self> {
        const LEAST_BYTES: usize = 16;
        if secret.len() < LEAST_BYTES {
            return None;
        }
        // HMAC takes a key of any length.
        Hmac::new_from_slice(secret.as_bytes()).ok().map(Self)
    }

    /// HMAC-SHA256 of the parts. Each part stands with its length before it, so that no two lists of parts are
    /// hashed alike.
    #[must_use]
    pub fn hash(&self, parts: &[&str]) -> [u8; 32] {
        let mut hash = self.0.clone();
        for part in parts {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        hash.finalize().into_bytes().into()
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pepper(…)")
    }
}
