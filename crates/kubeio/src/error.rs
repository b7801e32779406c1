//! What went wrong with a request to the API server, and whether a retry can help.

use crate::{
    drive::chain,
    read::{cut, harmless},
};
use http::StatusCode;
use std::time::Duration;
use weir_api::Class;

/// A request that failed.
#[derive(Debug, thiserror::Error)]
#[error("{verb} {kind} {name}: {}", said(cause))]
pub struct Error {
    /// What was being done, e.g. `patching`.
    pub verb: &'static str,
    /// Kind of the object.
    pub kind: String,
    /// Name of the object, or `*` for all.
    pub name: String,
    /// The message of the server or the transport.
    pub cause: Box<kube::Error>,
}

impl Error {
    /// Names the request that failed.
    pub fn new<K: kube::Resource<DynamicType = ()>>(verb: &'static str, name: &str, cause: kube::Error) -> Self {
        Self { verb, kind: K::kind(&()).into_owned(), name: name.to_owned(), cause: Box::new(cause) }
    }

    /// HTTP status of the response; `None` if there was none.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match &*self.cause {
            kube::Error::Api(status) => Some(status.code),
            _ => None,
        }
    }

    /// The object does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(StatusCode::NOT_FOUND.as_u16())
    }

    /// Somebody else was faster: the object exists already, or changed after it was read.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.code() == Some(StatusCode::CONFLICT.as_u16())
    }

    /// The object exists already. Another conflict on creating it, such as that of a quota that changed meanwhile, says nothing about
    /// the object.
    #[must_use]
    pub fn is_already_exists(&self) -> bool {
        matches!(&*self.cause, kube::Error::Api(status) if status.is_already_exists())
    }

    /// The server has too much to do: it should not be called for a while.
    #[must_use]
    pub fn is_too_many(&self) -> bool {
        self.code() == Some(StatusCode::TOO_MANY_REQUESTS.as_u16())
    }

    /// The server did not respond: it is unreachable or silent.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        matches!(
            &*self.cause,
            kube::Error::Service(cause) if !cause.is::<crate::fence::Closed>()
        ) || matches!(&*self.cause, kube::Error::HyperError(_) | kube::Error::ReadEvents(_))
    }

    /// How long the server asks not to be called (`Retry-After`, `details.retryAfterSeconds` of its Status).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let kube::Error::Api(status) = &*self.cause else { return None };
        let seconds = status.details.as_ref()?.retry_after_seconds;
        (seconds > 0).then(|| Duration::from_secs(seconds.into()))
    }

    /// Whether a retry can help. Repeating a refused request (4xx) does not help, except after a conflict, a timeout or "too many
    /// requests"; for everything else, a retry can help.
    #[must_use]
    pub fn class(&self) -> Class {
        let retried = [StatusCode::CONFLICT, StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
        match self.code().and_then(|code| StatusCode::from_u16(code).ok()) {
            Some(code) if code.is_client_error() && !retried.contains(&code) => Class::Permanent,
            _ => Class::Transient,
        }
    }
}

/// Turns a 404 into `None`, whether the object is missing or the kind is unknown: a client cannot tell the two apart by the reason.
///
/// # Errors
/// All other errors.
pub fn optional<T>(answer: kube::Result<T>) -> kube::Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(kube::Error::Api(status)) if status.code == StatusCode::NOT_FOUND.as_u16() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Maximum length of a server's message that is passed on: some repeat whole objects.
const LONGEST: usize = 1000;

/// What went wrong, on one line: the server's message, or else that of the transport with its causes. It leaves out whatever a
/// decoder quotes from an object.
#[must_use]
pub fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => cut(&status.message, LONGEST),
        kube::Error::Api(status) => format!("the API server answered {} {}", status.code, status.reason),
        kube::Error::SerdeError(error) => format!("the answer cannot be read: {}", harmless(error)),
        kube::Error::Service(cause) => cut(&chain(&**cause), LONGEST),
        kube::Error::HyperError(cause) => cut(&chain(cause), LONGEST),
        kube::Error::ReadEvents(cause) => cut(&chain(cause), LONGEST),
        // Its text repeats that of its source.
        error => cut(&error.to_string(), LONGEST),
    }
}

/// The client's error, if it is one.
#[must_use]
pub fn of_client<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a kube::Error> {
    error.downcast_ref::<kube::Error>().or_else(|| error.downcast_ref::<Box<kube::Error>>().map(|boxed| &**boxed))
}
