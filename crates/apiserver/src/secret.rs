//! Secrets in files of a data directory: generated once, and checked at every start. One that is too short is not
//! secure.

use crate::{Error, kubeconfig::write_private, private};
use std::{fs, path::Path};

/// Minimum length of a secret: 128 bits in hexadecimal digits. Those generated here have twice as many.
const SHORTEST: usize = 32;

/// A new secret: 244 random bits, as text.
pub(crate) fn generate() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}

/// The secret in a file, which is created on first use.
///
/// # Errors
/// When the file cannot be read or written, or does not hold a secret.
pub(crate) fn of_file(path: &Path) -> Result<String, Error> {
    if !path.exists() {
        let secret = generate();
        write_private(path, &secret).map_err(|cause| Error::Data { doing: "writing", path: path.to_owned(), cause })?;
        return Ok(secret);
    }
    private::file(path)?;
    let bytes = fs::read(path).map_err(|cause| Error::Data { doing: "reading", path: path.to_owned(), cause })?;
    let bad = |why: String| Error::Secret { path: path.to_owned(), why };
    let text = String::from_utf8(bytes).map_err(|_| bad("it is not text".into()))?;
    let secret = text.trim();
    if secret.len() < SHORTEST {
        return Err(bad(format!("it has {} characters, but a secret needs at least {SHORTEST}", secret.len())));
    }
    if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(bad("it contains characters that a secret cannot have".into()));
    }
    Ok(secret.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_secret_is_refused_with_a_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let made = of_file(&path).unwrap();
        assert!(made.len() == 64 && of_file(&path).unwrap() == made);
        fs::write(&path, format!("{made}\n")).unwrap();
        assert_eq!(of_file(&path).unwrap(), made);
        let spaced = format!("{made} {made}");
        for bad in [b"".as_slice(), b"\n", b"short", &[0xff; 64], &[0; 64], spaced.as_bytes()] {
            fs::write(&path, bad).unwrap();
            let message = of_file(&path).unwrap_err().to_string();
            assert!(message.contains(path.to_str().unwrap()) && message.contains("remove"), "{message}");
        }
        fs::remove_file(&path).unwrap();
        assert_ne!(of_file(&path).unwrap(), made);
    }
}
