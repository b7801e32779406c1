//! All objects of a kind, and all changes of them: list, then watch, forever.
//!
//! Responses are split by [`crate::read`]: an object that cannot be read affects no other.
//! Source: "Efficient detection of changes" of the Kubernetes API concepts.

use crate::{
    Error,
    cache::Cached,
    read::{self, Identity, Read, malformed},
};
use futures::{AsyncBufRead, AsyncBufReadExt as _};
use http::StatusCode;
use kube::{
    Client,
    api::{ListParams, WatchParams},
    core::{Request, Status},
};
use std::{pin::Pin, time::Duration};
use tokio::time::{Instant, sleep, timeout};

/// First pause after a failure.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause after failures: it delays noticing that an API server is back.
const LAST_PAUSE: Duration = Duration::from_secs(10);
/// A watch that lasted this long worked: pauses start over after it.
const WORKED: Duration = Duration::from_secs(10);
/// A server marks a quiet watch about once a minute. One that is silent for longer may be cut off, and is restarted.
const SILENT: Duration = Duration::from_secs(100);
/// Maximum size of an event: an object with its envelope. A longer one ends the watch.
const LONGEST_EVENT: usize = 32 << 20;

/// A change of the objects of a kind.
#[derive(Debug)]
pub(crate) enum Event<K> {
    /// These are all objects.
    Listed(Vec<Read<K>>),
    /// From now on, changes are reported.
    Watching,
    /// One was added or changed.
    Applied(Read<K>),
    /// One was deleted.
    Deleted(Identity),
}

/// Which objects to follow, and on which server.
pub(crate) struct Source {
    pub(crate) client: Client,
    pub(crate) url: String,
    pub(crate) parameters: ListParams,
}

impl Source {
    /// Follows them until the future is dropped. Failures are passed to `tell` too, and retried. An object that is already in the
    /// cache is not reported.
    pub(crate) async fn follow<K: Cached>(
        &self,
        is_held: impl Fn(&Identity) -> bool,
        mut tell: impl FnMut(Result<Event<K>, Error>),
    ) {
        let (mut from, mut pause) = (None, FIRST_PAUSE);
        loop {
            let begun = Instant::now();
            let outcome = self.until_it_ends(&mut from, &is_held, &mut tell).await;
            if begun.elapsed() >= WORKED {
                pause = FIRST_PAUSE;
            }
            let asked = match outcome {
                // The server ends watches now and then.
                Ok(()) if begun.elapsed() >= FIRST_PAUSE => continue,
                Ok(()) => None,
                Err(error) => {
                    // Resuming from there would return the same error, or the version is no longer known.
                    if error.code().is_some() || matches!(*error.cause, kube::Error::SerdeError(_)) {
                        from = None;
                    }
                    let asked = error.retry_after();
                    // After a gap it is normal that the server no longer knows the version.
                    if error.code() != Some(StatusCode::GONE.as_u16()) {
                        tell(Err(error));
                    }
                    asked
                }
            };
            sleep(asked.map_or(pause, |asked| asked.max(pause))).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    async fn until_it_ends<K: Cached>(
        &self,
        from: &mut Option<String>,
        is_held: &impl Fn(&Identity) -> bool,
        tell: &mut impl FnMut(Result<Event<K>, Error>),
    ) -> Result<(), Error> {
        let version = match from.take() {
            Some(version) => version,
            None => {
                let mut all = Vec::new();
                let listed = read::pages::<K>(&self.client, &self.url, &self.parameters, |read| all.push(read)).await;
                let version = listed.map_err(|source| Error::new::<K>("listing", "*", source))?;
                tell(Ok(Event::Listed(all)));
                version
            }
        };
        self.watch(from.insert(version), is_held, tell).await.map_err(|source| Error::new::<K>("watching", "*", source))
    }

    async fn watch<K: Cached>(
        &self,
        version: &mut String,
        is_held: &impl Fn(&Identity) -> bool,
        tell: &mut impl FnMut(Result<Event<K>, Error>),
    ) -> kube::Result<()> {
        let parameters = WatchParams {
            label_selector: self.parameters.label_selector.clone(),
            field_selector: self.parameters.field_selector.clone(),
            ..WatchParams::default()
        };
        let request = Request::new(self.url.clone()).watch(&parameters, version).map_err(kube::Error::BuildRequest)?;
        let mut lines = Lines { source: Box::pin(self.client.request_stream(request).await?), line: Vec::new() };
        tell(Ok(Event::Watching));
        loop {
            let line = match timeout(SILENT, lines.next()).await {
                Ok(line) => line?,
                Err(_) => None,
            };
            let Some(line) = line else { return Ok(()) };
            let (next, event) = event(line, is_held)?;
            *version = next;
            if let Some(event) = event {
                tell(Ok(event));
            }
        }
    }
}

/// An event and the version to continue from; `None` for a bookmark, or for an object that is in the cache.
fn event<K: Cached>(line: &str, is_held: &impl Fn(&Identity) -> bool) -> kube::Result<(String, Option<Event<K>>)> {
    let members = read::members(line).ok_or_else(|| malformed("this is not a watch event"))?;
    let value = |wanted: &str| members.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
    let (Some(what), Some(text)) = (value(r#""type""#), value(r#""object""#)) else {
        return Err(malformed("this watch event has no type or no object"));
    };
    if what == r#""ERROR""# {
        let status: Status = serde_json::from_str(text).map_err(kube::Error::SerdeError)?;
        return Err(kube::Error::Api(Box::new(status)));
    }
    let identity = Identity::of(text).ok_or_else(|| malformed("the object of this watch event has no metadata"))?;
    let version = identity.resource_version.clone();
    if version.is_empty() {
        return Err(malformed("the object of this watch event has no resourceVersion"));
    }
    let event = match what {
        r#""BOOKMARK""# => None,
        r#""DELETED""# => Some(Event::Deleted(identity)),
        _ if is_held(&identity) => None,
        _ => Some(Event::Applied(read::object(text))),
    };
    Ok((version, event))
}

/// The lines of a response, each no longer than an event may be.
struct Lines<R> {
    source: Pin<Box<R>>,
    line: Vec<u8>,
}

impl<R: AsyncBufRead> Lines<R> {
    /// The next complete line. `None` if the response is cut short.
    async fn next(&mut self) -> kube::Result<Option<&str>> {
        self.line.clear();
        loop {
            let read = self.source.fill_buf().await;
            let part = match read {
                Ok(part) => part,
                Err(error) if is_cut(&error) => return Ok(None),
                Err(error) => return Err(kube::Error::ReadEvents(error)),
            };
            if part.is_empty() {
                return Ok(None);
            }
            let end = part.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(part.len(), |end| end + 1);
            if self.line.len() + taken > LONGEST_EVENT {
                return Err(malformed("this watch event is larger than 32 MiB"));
            }
            self.line.extend_from_slice(&part[..taken]);
            self.source.as_mut().consume_unpin(taken);
            if end.is_some() {
                return std::str::from_utf8(&self.line)
                    .map(Some)
                    .map_err(|_| malformed("this watch event is not UTF-8"));
            }
        }
    }
}

/// Whether the connection ended in the middle of a response, as it does when a server stops.
fn is_cut(error: &std::io::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = error.get_ref().map(|inner| inner as _);
    while let Some(error) = cause {
        if error.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::UnexpectedEof) {
            return true;
        }
        cause = error.source();
    }
    error.kind() == std::io::ErrorKind::UnexpectedEof
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;

    #[tokio::test]
    async fn lines_are_complete_and_bounded_however_they_arrive() {
        let text = b"one\ntwo\ncut sho".as_slice();
        let source = futures::io::BufReader::with_capacity(2, text);
        let mut lines = Lines { source: Box::pin(source), line: Vec::new() };
        assert_eq!(lines.next().await.unwrap(), Some("one\n"));
        assert_eq!(lines.next().await.unwrap(), Some("two\n"));
        assert_eq!(lines.next().await.unwrap(), None);

        for (length, fits) in [(LONGEST_EVENT - 1, true), (LONGEST_EVENT, false)] {
            let mut text = vec![b'x'; length];
            text.push(b'\n');
            let source = futures::io::BufReader::new(text.as_slice());
            let mut lines = Lines { source: Box::pin(source), line: Vec::new() };
            assert_eq!(lines.next().await.is_ok(), fits, "{length}");
        }
    }

    #[test]
    fn an_event_is_understood_whatever_its_object_is() {
        let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
        let of = |what: &str, more: &str| {
            let meta = r#"{"name":"a","namespace":"n","uid":"u","resourceVersion":"7","labels":{"b":"c"}}"#;
            event::<ConfigMap>(&format!(r#"{{"object":{{"metadata":{meta},{more}}},"type":"{what}"}}"#), &|_| false)
        };
        assert!(matches!(of("ADDED", r#""data":{}"#).unwrap(), (v, Some(Event::Applied(Read::Object(_)))) if v == "7"));
        assert!(matches!(of("BOOKMARK", r#""data":7"#).unwrap(), (_, None)));
        let (_, deleted) = of("DELETED", &format!(r#""data":{deep}"#)).unwrap();
        assert!(matches!(deleted, Some(Event::Deleted(identity)) if identity.uid.as_deref() == Some("u")));
        let (_, odd) = of("MODIFIED", r#""data":{"password":[1]}"#).unwrap();
        let Some(Event::Applied(Read::Not(odd))) = odd else { panic!("{odd:?}") };
        let odd = odd.1;
        assert_eq!((odd.namespace.as_str(), odd.name.as_str(), odd.labels["b"].as_str()), ("n", "a", "c"));
        assert_eq!(
            odd.to_string(),
            "ConfigMap n/a cannot be read: data.password: invalid type: sequence, expected a string"
        );

        let gone = event::<ConfigMap>(
            r#"{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}}"#,
            &|_| false,
        );
        assert!(matches!(gone, Err(kube::Error::Api(status)) if status.code == 410));
        for line in ["", "{", "[]", r#"{"type":"ADDED"}"#, r#"{"type":"ADDED","object":{"metadata":{}}}"#] {
            assert!(event::<ConfigMap>(line, &|_| false).is_err(), "{line}");
        }
    }
}
