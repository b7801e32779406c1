//! What went wrong with an image, whether trying again can help, and what to do.

use crate::authfile::BadEntry;
use crate::digest::Digest;
use std::fmt;
use std::time::Duration;
use weir_api::Class;

/// What went wrong with one image. The text is whole: image, place, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// The image, as it was asked for.
    pub image: String,
    /// What went wrong at each place that was asked, in order; the last is the source itself. Never empty.
    pub attempts: Vec<Attempt>,
}

/// What went wrong at one place.
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
    /// The pull spec is none.
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
        /// What the transport says.
        why: String,
    },
    /// The certificate is not trusted, or TLS failed otherwise.
    #[error("no trusted TLS connection to {host}: {why}{}", cause.advice(.host))]
    Tls {
        /// `host[:port]`.
        host: String,
        /// What the transport says.
        why: String,
        /// What kind of failure it is.
        cause: TlsCause,
    },
    /// An insecure registry was asked with TLS, then without, and neither did.
    #[error("asked with TLS: {}; asked without: {plain}", tls.cause_alone())]
    Twice {
        /// What went wrong with TLS.
        tls: Box<Fault>,
        /// And without.
        plain: Box<Fault>,
    },
    /// A setting of the client side cannot be used.
    #[error("{what}: {why}")]
    Setting {
        /// Which.
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
    /// A login is asked for, and the entry for it makes no sense.
    #[error(
        "the registry asks for a login, and the entry for {entry} in the authfile or pull secret cannot be used: {why}; mend it"
    )]
    Login {
        /// The entry.
        entry: String,
        /// Why.
        why: BadEntry,
    },
    /// Tokens come from a host to which no credentials may be sent.
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
        /// What the registry says, with a space before it.
        said: String,
    },
    /// 404.
    #[error("the registry has no such {what}{said}")]
    NotFound {
        /// Manifest, blob, ….
        what: &'static str,
        /// What the registry says, with a space before it.
        said: String,
    },
    /// Any other answer that is no success.
    #[error("{} answers {status}{said}", named(.by))]
    Status {
        /// Who; empty for the registry.
        by: String,
        /// HTTP status.
        status: u16,
        /// Whether the error codes in the answer say that trying again is useless.
        settled: bool,
        /// What the registry says, with a space before it.
        said: String,
        /// How long the registry wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// The bytes are not what the pull spec or the manifest promises.
    #[error(
        "digest mismatch: asked for {wanted} and got {actual}; the registry or something before it changed the content"
    )]
    Digest {
        /// The digest asked for.
        wanted: Digest,
        /// The digest of what came.
        actual: Digest,
    },
    /// Something is larger than it may be.
    #[error("{what} is larger than {limit} bytes, the most that is accepted")]
    TooLarge {
        /// What.
        what: String,
        /// In bytes.
        limit: u64,
    },
    /// The content of an image, whose digest was right, is not what it should be.
    #[error("{what} is broken: {why}")]
    Content {
        /// What.
        what: String,
        /// Why.
        why: String,
    },
    /// An answer, or a setting, is not what it should be.
    #[error("{what} is broken: {why}")]
    Malformed {
        /// What.
        what: String,
        /// Why.
        why: String,
    },
    /// A manifest list without an image for the platform.
    #[error("no image for {wanted} in the image index, which has {}", list(.available))]
    Platform {
        /// `os/architecture`.
        wanted: String,
        /// The platforms there are.
        available: Vec<String>,
    },
    /// Not a release payload.
    #[error("it is no release payload: {why}; give the pull spec of a release image")]
    NotRelease {
        /// What is missing.
        why: String,
    },
    /// The layouts that were given do not have the image, and registries may not be asked.
    #[error("no layout that was given holds it, and registries are not asked")]
    NotInLayout,
    /// A folder or file that cannot be read or written.
    #[error("{path}: {why}")]
    File {
        /// Which.
        path: String,
        /// What the operating system says.
        why: String,
    },
    /// The time allowed is over.
    #[error("not done after {} s; {last}", .after.as_secs())]
    Deadline {
        /// The time that was allowed.
        after: Duration,
        /// What was last wrong or going on.
        last: String,
    },
}

/// Why there is no TLS, as far as something can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsCause {
    /// The other side's certificate is not trusted.
    Certificate,
    /// The other side does not answer in TLS.
    NotSpoken,
    /// The other side wants to know who is there.
    ClientCertificate,
    /// Anything else, or certificates are not looked at.
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

    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Unreachable { .. } | Self::Deadline { .. } => Class::Transient,
            // Either may pass, and is then worth another attempt.
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

    /// How long the other side wants to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::Twice { plain, .. } => plain.retry_after(),
            _ => None,
        }
    }

    /// The error about this image when one place, or none, was asked.
    #[must_use]
    pub fn about(self, image: &str, place: &str) -> Error {
        Error { image: image.to_owned(), attempts: vec![Attempt { place: place.to_owned(), fault: self }] }
    }

    /// For a path that cannot be read or written.
    #[must_use]
    pub fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::File { path: path.display().to_string(), why: error.to_string() }
    }

    /// The same of content that no digest stands for.
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
    /// Final when the content that one of the places has is proved to be wrong: it is the same at all of them. Else
    /// transient when trying again can help at any of the places.
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

    /// The longest time that a place wants to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.attempts.iter().filter_map(|attempt| attempt.fault.retry_after()).max()
    }

    /// What was wrong at the source itself.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        self.attempts.last().map(|attempt| &attempt.fault)
    }
}

impl Attempt {
    /// The fault, with its place unless the image's name says it.
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
