//! What went wrong with an image, whether a retry can help, and what to do.

use crate::authfile::BadEntry;
use crate::digest::Digest;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;
use weir_api::Class;

/// What went wrong with one image. The text is complete: image, location, problem, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// The image, as it was requested.
    pub image: String,
    /// What went wrong at each location that was asked, in order; the last is the source itself. Never empty.
    pub attempts: Vec<Attempt>,
}

/// What went wrong at one location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Registry, mirror or folder; empty when none was asked.
    pub place: String,
    /// What went wrong.
    pub fault: Fault,
}

/// What can go wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The pull spec is invalid.
    #[error("{0}")]
    PullSpec(#[from] crate::pull_spec::BadPullSpec),
    /// The registries configuration forbids the registry.
    #[error("registry {prefix} is blocked by the registries configuration")]
    Blocked {
        /// The entry that says so.
        prefix: String,
    },
    /// No connection, or one that broke.
    #[error("{} cannot be reached: {why}; check its address, the network and the proxy", named(.host))]
    Unreachable {
        /// `host[:port]`; empty for the registry.
        host: String,
        /// The transport's message.
        why: String,
    },
    /// The certificate is not trusted, or TLS failed otherwise.
    #[error("no trusted TLS connection to {host}: {why}{}", cause.advice(.host))]
    Tls {
        /// `host[:port]`.
        host: String,
        /// The transport's message.
        why: String,
        /// What kind of failure it is.
        cause: TlsCause,
    },
    /// An insecure registry was asked with TLS and then without, and both failed.
    #[error("asked with TLS: {}; asked without: {plain}", tls.cause_alone())]
    Twice {
        /// The failure with TLS.
        tls: Box<Fault>,
        /// The failure without.
        plain: Box<Fault>,
    },
    /// A client-side setting cannot be used.
    #[error("{what}: {why}")]
    Setting {
        /// Which setting.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// 401, or no token.
    #[error("{}", if *.given {
        "the registry refuses the credentials given for it; log in again and update the authfile or pull secret"
    } else {
        "the registry asks for credentials and there are none for it; log in, and add that to the authfile or pull secret"
    })]
    Unauthorized {
        /// Whether credentials were sent.
        given: bool,
    },
    /// A login is required, and the entry for it is invalid.
    #[error(
        "the registry asks for a login, and the entry for {entry} in the authfile or pull secret cannot be used: {why}; mend it"
    )]
    Login {
        /// The entry.
        entry: String,
        /// Why.
        why: BadEntry,
    },
    /// The token server is a host to which no credentials may be sent.
    #[error(
        "the registry sends its users to {host} to log in, which has no TLS, and no credentials are sent there; give it \
         TLS, or name {host} insecure in the registries configuration"
    )]
    Realm {
        /// `host[:port]` of the token server.
        host: String,
    },
    /// 403.
    #[error("the registry denies access{said}; the account needs permission for this repository")]
    Denied {
        /// The registry's message, with a space before it.
        said: String,
    },
    /// 404.
    #[error("the registry has no such {what}{said}")]
    NotFound {
        /// Manifest, blob, ….
        what: &'static str,
        /// The registry's message, with a space before it.
        said: String,
    },
    /// Any other response that is not a success.
    #[error("{} answers {status}{said}", named(.by))]
    Status {
        /// Which host; empty for the registry.
        by: String,
        /// HTTP status.
        status: u16,
        /// Whether the error codes in the response say that a retry is useless.
        settled: bool,
        /// The registry's message, with a space before it.
        said: String,
        /// The registry's Retry-After.
        retry_after: Option<Duration>,
    },
    /// The bytes do not match the digest of the pull spec or the manifest.
    #[error(
        "digest mismatch: asked for {wanted} and got {actual}; the registry or something before it changed the content"
    )]
    Digest {
        /// The digest asked for.
        wanted: Digest,
        /// The digest of the response.
        actual: Digest,
    },
    /// Something exceeds its limit.
    #[error("{what} is larger than {limit} bytes, the most that is accepted")]
    TooLarge {
        /// What.
        what: String,
        /// In bytes.
        limit: u64,
    },
    /// The content of an image, whose digest was right, is invalid.
    #[error("{what} is broken: {why}")]
    Content {
        /// What.
        what: String,
        /// Why.
        why: String,
    },
    /// A response or a setting is invalid.
    #[error("{what} is broken: {why}")]
    Malformed {
        /// Which.
        what: String,
        /// Why.
        why: String,
    },
    /// A manifest list without an image for the platform.
    #[error("no image for {wanted} in the image index, which has {}", list(.available))]
    Platform {
        /// `os/architecture`.
        wanted: String,
        /// The available platforms.
        available: Vec<String>,
    },
    /// Not a release payload.
    #[error("it is no release payload: {why}; give the pull spec of a release image")]
    NotRelease {
        /// What is missing.
        why: String,
    },
    /// The given layouts do not contain the image, and registries may not be asked.
    #[error("no layout that was given holds it, and registries are not asked")]
    NotInLayout,
    /// A folder or file that cannot be read or written.
    #[error("{path}: {why}")]
    File {
        /// Which.
        path: String,
        /// The operating system's message.
        why: String,
    },
    /// The deadline has passed.
    #[error("not done after {} s; {last}", .after.as_secs())]
    Deadline {
        /// The allowed time.
        after: Duration,
        /// The last error or activity.
        last: String,
    },
}

/// Why TLS failed, as far as something can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsCause {
    /// The other side's certificate is not trusted.
    Certificate,
    /// The other side does not speak TLS.
    NotSpoken,
    /// The other side requires a client certificate.
    ClientCertificate,
    /// Anything else, or certificates are not verified.
    Other,
}

impl TlsCause {
    fn advice(self, host: &str) -> String {
        let insecure = format!("name {host} insecure in the registries configuration");
        match self {
            Self::Certificate => format!("; add its CA to the trust bundle, or {insecure}"),
            Self::NotSpoken => format!("; it seems to have no TLS: {insecure} to do without"),
            Self::ClientCertificate => "; it wants a client certificate that it knows".to_owned(),
            Self::Other => String::new(),
        }
    }
}

fn named(host: &str) -> &str {
    if host.is_empty() { "the registry" } else { host }
}

impl Fault {
    /// What went wrong with a connection, without what to do about it.
    fn cause_alone(&self) -> String {
        match self {
            Self::Unreachable { why, .. } | Self::Tls { why, .. } => why.clone(),
            other => other.to_string(),
        }
    }

    /// Whether a retry can help.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Unreachable { .. } | Self::Deadline { .. } => Class::Transient,
            // Either may succeed later, and is then worth another attempt.
            Self::Twice { tls, plain } => {
                if tls.class() == Class::Transient {
                    Class::Transient
                } else {
                    plain.class()
                }
            }
            Self::Status { status, settled, .. } => {
                let busy = *status == 408 || *status == 425 || *status == 429 || *status >= 500;
                if !settled && (busy || *status == 400) { Class::Transient } else { Class::Permanent }
            }
            Self::PullSpec(_) | Self::Content { .. } | Self::Platform { .. } | Self::NotRelease { .. } => Class::Final,
            _ => Class::Permanent,
        }
    }

    /// The Retry-After of the other side.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::Twice { plain, .. } => plain.retry_after(),
            _ => None,
        }
    }

    /// The error for this image when one location, or none, was asked.
    #[must_use]
    pub fn about(self, image: &str, place: &str) -> Error {
        Error { image: image.to_owned(), attempts: vec![Attempt { place: place.to_owned(), fault: self }] }
    }

    /// For a path that cannot be read or written.
    #[must_use]
    pub fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::File { path: path.display().to_string(), why: error.to_string() }
    }

    /// The same for content that no digest identifies.
    pub(crate) fn unproved(self) -> Self {
        match self {
            Self::Content { what, why } => Self::Malformed { what, why },
            other => other,
        }
    }

    pub(crate) fn content(what: impl Into<String>, why: impl fmt::Display) -> Self {
        Self::Content { what: what.into(), why: why.to_string() }
    }

    pub(crate) fn malformed(what: impl Into<String>, why: impl fmt::Display) -> Self {
        Self::Malformed { what: what.into(), why: why.to_string() }
    }
}

impl Error {
    /// The architectures that the image is there for, if all that is wrong is that it is not for the one that was asked for.
    pub(crate) fn available(&self) -> Option<BTreeSet<String>> {
        let Some(Attempt { fault: Fault::Platform { available, .. }, .. }) = self.attempts.last() else { return None };
        let architecture = |name: &String| name.split('/').nth(1).map(str::to_owned);
        Some(available.iter().filter_map(architecture).collect())
    }

    /// Permanent when the content at one of the locations is proved wrong: it is the same at all of them. Otherwise
    /// transient when a retry can help at any of the locations.
    #[must_use]
    pub fn class(&self) -> Class {
        let is = |class| self.attempts.iter().any(|attempt| attempt.fault.class() == class);
        if is(Class::Final) {
            Class::Final
        } else if is(Class::Transient) {
            Class::Transient
        } else {
            Class::Permanent
        }
    }

    /// The longest Retry-After of any location.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.attempts.iter().filter_map(|attempt| attempt.fault.retry_after()).max()
    }

    /// The fault at the source itself.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        self.attempts.last().map(|attempt| &attempt.fault)
    }
}

impl Attempt {
    /// The fault, with its location unless the image's name says it.
    fn text(&self, image: &str) -> String {
        let rest = image.strip_prefix(self.place.as_str());
        let said = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '@']));
        if said || self.place.is_empty() { self.fault.to_string() } else { format!("{}: {}", self.place, self.fault) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "image {}: ", self.image)?;
        let Some((last, mirrors)) = self.attempts.split_last() else { return f.write_str("not asked for anywhere") };
        f.write_str(&last.text(&self.image))?;
        if mirrors.is_empty() {
            // With mirrors, that is what was done.
            let blocked = matches!(last.fault, Fault::Blocked { .. });
            f.write_str(if blocked { "; use a mirror or unblock it there" } else { "" })?;
        } else {
            let mirrors: Vec<String> = mirrors.iter().map(|mirror| mirror.text(&self.image)).collect();
            write!(f, " (mirrors also failed: {})", mirrors.join("; "))?;
        }
        Ok(())
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, settled: bool) -> Fault {
        let retry_after = Some(Duration::from_secs(3));
        Fault::Status { by: String::new(), status, settled, said: String::new(), retry_after }
    }

    #[test]
    fn what_may_be_tried_again() {
        for (fault, class) in [
            (Fault::Unreachable { host: String::new(), why: String::new() }, Class::Transient),
            (Fault::Tls { host: String::new(), why: String::new(), cause: TlsCause::Other }, Class::Permanent),
            (Fault::Unauthorized { given: true }, Class::Permanent),
            (Fault::NotFound { what: "image", said: String::new() }, Class::Permanent),
            (Fault::malformed("the registry's redirect", "no"), Class::Permanent),
            (Fault::content("the manifest", "no"), Class::Final),
            (Fault::Digest { wanted: Digest::of(b""), actual: Digest::of(b"a") }, Class::Permanent),
            (status(429, false), Class::Transient),
            (status(500, false), Class::Transient),
            (status(503, false), Class::Transient),
            (status(400, false), Class::Transient),
            (status(400, true), Class::Permanent),
            (status(405, false), Class::Permanent),
        ] {
            assert_eq!(fault.class(), class, "{fault}");
        }
    }

    #[test]
    fn one_transient_mirror_makes_the_whole_transient() {
        let attempt = |place: &str, fault| Attempt { place: place.to_owned(), fault };
        let error = Error {
            image: "quay.io/a/b:1".to_owned(),
            attempts: vec![
                attempt("m.example.com/b", status(503, false)),
                attempt("quay.io/a/b", Fault::Blocked { prefix: "quay.io".to_owned() }),
            ],
        };
        assert_eq!((error.class(), error.retry_after()), (Class::Transient, Some(Duration::from_secs(3))));
        assert_eq!(
            error.to_string(),
            "image quay.io/a/b:1: registry quay.io is blocked by the registries configuration (mirrors also failed: \
             m.example.com/b: the registry answers 503)"
        );
        let alone = Fault::Blocked { prefix: "quay.io".to_owned() }.about("quay.io/a/b:1", "quay.io/a/b");
        assert!(alone.to_string().ends_with("; use a mirror or unblock it there"), "{alone}");
    }
}
