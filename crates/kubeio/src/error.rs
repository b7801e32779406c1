//! What went wrong with a request to the API server, and whether trying again can help.

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
    /// What was asked for, e.g. `patching`.
    pub verb: &'static str,
    /// Kind of the object.
    pub kind: String,
    /// Name of the object, or `*` for all.
    pub name: String,
    /// What the server or the transport said.
    pub cause: Box<kube::Error>,
}

impl Error {
    /// Names the request that failed.
    pub fn new<K: kube::Resource<DynamicType = ()>>(verb: &'static str, name: &str, cause: kube::Error) -> Self {
        Self { verb, kind: K::kind(&()).into_owned(), name: name.to_owned(), cause: Box::new(cause) }
    }

    /// HTTP status of the server's answer; `None` when there was no answer.
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

    /// Somebody else was faster: the object exists already, or changed since it was read.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.code() == Some(StatusCode::CONFLICT.as_u16())
    }

    /// The server has too much to do: nothing is to be asked of it for a while.
    #[must_use]
    pub fn is_too_many(&self) -> bool {
        self.code() == Some(StatusCode::TOO_MANY_REQUESTS.as_u16())
    }

    /// The server gave no answer: it cannot be reached, or is silent.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        matches!(
            &*self.cause,
            kube::Error::Service(cause) if !cause.is::<crate::fence::Closed>()
        ) || matches!(&*self.cause, kube::Error::HyperError(_) | kube::Error::ReadEvents(_))
    }

    /// How long the server asks to be left alone (`Retry-After`, `details.retryAfterSeconds` of its Status).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let kube::Error::Api(status) = &*self.cause else { return None };
        let seconds = status.details.as_ref()?.retry_after_seconds;
        (seconds > 0).then(|| Duration::from_secs(seconds.into()))
    }

    /// Whether trying again can help. A refusal (4xx) cannot be undone by repeating it, except a conflict, a time-out
    /// and "too many requests"; everything else can.
    #[must_use]
    pub fn class(&self) -> Class {
        let retried = [StatusCode::CONFLICT, StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
        match self.code().and_then(|code| StatusCode::from_u16(code).ok()) {
            Some(code) if code.is_client_error() && !retried.contains(&code) => Class::Permanent,
            _ => Class::Transient,
        }
    }
}

/// Nothing in place of the 404 that says there is no such object, or that its kind is not served: the latter comes without
/// a reason that a client could read.
///
/// # Errors
/// Every other error.
pub fn optional<T>(answer: kube::Result<T>) -> kube::Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(kube::Error::Api(status)) if status.code == StatusCode::NOT_FOUND.as_u16() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Longest message of a server that is passed on: some repeat whole objects.
const LONGEST: usize = 1000;

/// What went wrong, in one line: the server's message, or else what the transport says with its causes. What a decoder quotes
/// of an object is not in it.
#[must_use]
pub fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => cut(&status.message, LONGEST),
        kube::Error::Api(status) => format!("the API server answered {} {}", status.code, status.reason),
        kube::Error::SerdeError(error) => format!("the answer cannot be read: {}", harmless(error)),
        kube::Error::Service(cause) => cut(&chain(&**cause), LONGEST),
        kube::Error::HyperError(cause) => cut(&chain(cause), LONGEST),
        kube::Error::ReadEvents(cause) => cut(&chain(cause), LONGEST),
        // Its text holds what its source says.
        error => cut(&error.to_string(), LONGEST),
    }
}

/// What the client said, if that is what this is.
#[must_use]
pub fn of_client<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a kube::Error> {
    error.downcast_ref::<kube::Error>().or_else(|| error.downcast_ref::<Box<kube::Error>>().map(|boxed| &**boxed))
}
