//! Secrets in files of a data directory: made once, and looked at in every start. One that is too short proves nothing.

use crate::{Error, kubeconfig::write_private, private};
use std::{fs, path::Path};

/// Characters that a secret needs: 128 bits of hexadecimal digits. The ones made here have twice as many.
const SHORTEST: usize = 32;

/// A new secret: 244 random bits, as text.
pub(crate) fn generate() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}

/// The secret of a file, which is made on first use.
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
    let text = String::from_utf8(bytes).map_err(|_| bad("it is no text".into()))?;
    let secret = text.trim();
    if secret.len() < SHORTEST {
        return Err(bad(format!("it holds {} characters, and a secret has {SHORTEST} at least", secret.len())));
    }
    if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(bad("it holds characters that cannot be in a secret".into()));
    }
    Ok(secret.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_secret_is_refused_with_the_way_out() {
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
