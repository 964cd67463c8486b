//! Passwords as PostgreSQL keeps them: SCRAM-SHA-256 (RFC 5803, RFC 7677). Computed here, so that a
//! password never stands in a statement, which a server may log.

use std::num::NonZeroU32;

use aws_lc_rs::{digest, error::Unspecified, hmac, pbkdf2, rand};
use base64::{Engine, engine::general_purpose::STANDARD};

/// What PostgreSQL takes by itself.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(4_096).unwrap();
const SALT_BYTES: usize = 16;

/// What `PASSWORD '…'` takes in place of `password`, which must be plain ASCII: nothing is normalized.
///
/// # Errors
/// When the system has no randomness to give.
pub(super) fn verifier(password: &str) -> Result<String, Unspecified> {
    let mut salt = [0; SALT_BYTES];
    rand::fill(&mut salt)?;
    Ok(salted(password, &salt))
}

fn salted(password: &str, salt: &[u8]) -> String {
    let mut key = [0; digest::SHA256_OUTPUT_LEN];
    let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
    pbkdf2::derive(algorithm, ITERATIONS, salt, password.as_bytes(), &mut key);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let client = hmac::sign(&key, b"Client Key");
    let stored = digest::digest(&digest::SHA256, client.as_ref());
    let server = hmac::sign(&key, b"Server Key");
    format!(
        "SCRAM-SHA-256${ITERATIONS}:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(stored),
        STANDARD.encode(server)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    // The password and the salt are those of the example in RFC 7677; the keys follow from it.
    #[test]
    fn a_verifier_is_what_the_standard_says() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        assert_eq!(
            salted("pencil", &salt),
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
             WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
             wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        );
    }

    #[test]
    fn no_two_verifiers_are_alike() {
        assert_ne!(verifier("pencil").unwrap(), verifier("pencil").unwrap());
    }
}
