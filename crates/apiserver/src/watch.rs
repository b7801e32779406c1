//! Watches: the existing objects, then their changes.

use crate::{
    list::{parse_version, rendered, row_object},
    object,
    quota::Share,
    registry::Resource,
    request::{Query, View, wants_yaml},
    response::{self, Body},
    selectors::Selector,
    state::State,
    status::Failure,
    store::{Event, EventKind, Object, Table},
    table,
    versions::in_version,
};
use bytes::{Bytes, BytesMut};
use http::Response;
use serde_json::{Value, json};
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use weir_apischema::schema::FieldError;

/// How often a quiet watch sends a bookmark.
const BOOKMARK_PERIOD: Duration = Duration::from_secs(60);
/// A watch without `timeoutSeconds` ends after this time; kube-apiserver ends it after 30 to 60 minutes.
const LONGEST: Duration = Duration::from_secs(45 * 60);
/// Events are batched up to this size before they are sent.
const BATCH: usize = 64 << 10;

/// A watch that is under way.
struct Watch {
    state: State,
    resource: Arc<Resource>,
    namespace: String,
    selector: Selector,
    view: View,
    query: Query,
    bookmarks: bool,
    /// Initial objects that have not been sent yet, in the order of lists.
    initial: VecDeque<Arc<Object>>,
    /// Whether a bookmark marks the end of the initial events.
    announces_end: bool,
    /// Everything up to this version has been sent, or does not concern this watch.
    seen: u64,
    wake: watch::Receiver<u64>,
    ends: Instant,
    next_bookmark: Instant,
    sent_columns: bool,
    over: bool,
    _share: Share,
}

fn check_options(query: &Query) -> Result<(), Failure> {
    let how = query.get("resourceVersionMatch");
    let why = match (query.get("sendInitialEvents"), how) {
        ("", "") | ("true" | "false" | "1" | "0", "NotOlderThan") => return Ok(()),
        ("", _) => "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        (_, _) => "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
    };
    let error = FieldError::forbidden("resourceVersionMatch", why);
    Err(Failure::invalid_kind("ListOptions.meta.k8s.io", "meta.k8s.io", "ListOptions", "", &[error]))
}

/// Starts a watch.
pub(crate) fn watch(
    state: &State,
    resource: &Arc<Resource>,
    namespace: &str,
    query: Query,
    accept: &str,
    user: &str,
) -> Result<Response<Body>, Failure> {
    check_options(&query)?;
    if wants_yaml(accept) {
        // A stream of YAML has no frames.
        return Err(Failure::not_acceptable());
    }
    let view = View::negotiate(accept, false)?;
    let selector = Selector::parse(query.get("labelSelector"), query.get("fieldSelector"), resource)?;
    let from = parse_version(query.get("resourceVersion"))?;
    let share = state.watches.take(user, 1)?;
    let announces_end = query.is_on("sendInitialEvents");
    // Subscribed before the state is read: a change in between wakes the watch once too often, never too rarely.
    let wake = state.store.subscribe(&resource.storage);
    let now = Instant::now();
    let limit = query.number("timeoutSeconds").map_or(LONGEST, Duration::from_secs).min(LONGEST);
    let mut watch = Watch {
        state: state.clone(),
        resource: resource.clone(),
        namespace: namespace.to_owned(),
        selector,
        view,
        bookmarks: query.is_on("allowWatchBookmarks") && !query.get("allowWatchBookmarks").is_empty(),
        query,
        initial: VecDeque::new(),
        announces_end,
        seen: from,
        wake,
        ends: now + limit,
        next_bookmark: now + BOOKMARK_PERIOD,
        sent_columns: false,
        over: false,
        _share: share,
    };
    if from == 0 || announces_end {
        watch.take_snapshot();
    }
    Ok(response::stream(futures::stream::unfold(watch, |mut watch| async move {
        let lines = watch.next().await?;
        Some((lines, watch))
    })))
}

impl Watch {
    fn take_snapshot(&mut self) {
        let tables = self.state.store.read();
        self.seen = tables.version;
        if let Some(table) = tables.table(&self.resource.storage) {
            let selected = table
                .range(&self.namespace, None)
                .filter(|(k, o)| self.selector.is_empty() || self.selector.matches(k, o));
            self.initial = selected.map(|(_, object)| object.clone()).collect();
        }
    }

    /// The next lines; `None` when the watch is over.
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        if let Some(lines) = self.initial_lines() {
            return Some(lines);
        }
        loop {
            self.wake.borrow_and_update();
            let before = self.seen;
            let lines = self.pending();
            if !lines.is_empty() {
                return Some(lines);
            }
            if self.seen != before {
                // Nothing in the batch concerned this watch; there may be more.
                continue;
            }
            let mut shutdown = self.state.shutdown.clone();
            tokio::select! {
                biased;
                changed = self.wake.changed() => if changed.is_err() { return None },
                () = sleep_until(self.ends) => return None,
                _ = shutdown.wait_for(|down| *down) => return None,
                () = sleep_until(self.next_bookmark), if self.bookmarks => {
                    self.next_bookmark += BOOKMARK_PERIOD;
                    if let Some(line) = self.bookmark_if_quiet() {
                        return Some(line);
                    }
                }
            }
        }
    }

    fn initial_lines(&mut self) -> Option<Bytes> {
        if self.initial.is_empty() && !self.announces_end {
            return None;
        }
        let mut out = BytesMut::new();
        while out.len() < BATCH
            && let Some(object) = self.initial.pop_front()
        {
            self.write_event(&mut out, "ADDED", &object);
        }
        if self.initial.is_empty() && self.announces_end {
            self.announces_end = false;
            let bookmark = self.bookmark(self.seen, true);
            write_line(&mut out, "BOOKMARK", bookmark.to_string().as_bytes());
        }
        Some(out.freeze())
    }

    /// Events that have not been sent.
    fn pending(&mut self) -> Bytes {
        let mut out = BytesMut::new();
        let events = {
            let tables = self.state.store.read();
            let found = tables.table(&self.resource.storage).map(|t| take(t, self.seen));
            match found {
                None => Ok(Vec::new()),
                Some(Some(events)) => Ok(events),
                Some(None) => Err(()),
            }
        };
        let Ok(events) = events else {
            self.over = true;
            let gone = Failure::expired(format!("too old resource version: {}", self.seen));
            write_line(&mut out, "ERROR", gone.to_value().to_string().as_bytes());
            return out.freeze();
        };
        for event in events {
            self.seen = event.object.version;
            match (self.shown_as(&event), event.kind, &event.previous) {
                (None, ..) => {}
                // It no longer matches the selector: its last matching state, under the current version.
                (Some("DELETED"), EventKind::Modified, Some(previous)) => {
                    let last = previous.at_version(event.object.version);
                    self.write_event(&mut out, "DELETED", &last);
                }
                (Some(kind), ..) => self.write_event(&mut out, kind, &event.object),
            }
        }
        out.freeze()
    }

    /// How this watch sees a change: an object that begins to match the selector is added, one that ceases to match is
    /// deleted.
    fn shown_as(&self, event: &Event) -> Option<&'static str> {
        if !self.namespace.is_empty() && *event.key.namespace != *self.namespace {
            return None;
        }
        let matches = |object: &Object| self.selector.is_empty() || self.selector.matches(&event.key, object);
        let before = event.previous.as_ref().is_some_and(|p| matches(p));
        let after = event.kind != EventKind::Deleted && matches(&event.object);
        match (before, after) {
            (false, true) => Some("ADDED"),
            (true, true) => Some("MODIFIED"),
            (true, false) => Some("DELETED"),
            (false, false) => None,
        }
    }

    fn write_event(&mut self, out: &mut BytesMut, kind: &str, object: &Object) {
        match self.view {
            View::Object => write_line(out, kind, &rendered(&self.resource, object)),
            View::Metadata => {
                let shown = table::partial(&in_version(&self.resource, object));
                write_line(out, kind, shown.to_string().as_bytes());
            }
            View::Table => {
                let value = in_version(&self.resource, object);
                let row = table::row(&self.resource, &value, row_object(&self.query), self.state.clock.now());
                let metadata = json!({"resourceVersion": object.version.to_string()});
                // Clients keep the columns of the first event.
                let shown = table::table(&self.resource, metadata, vec![row], !self.sent_columns);
                self.sent_columns = true;
                write_line(out, kind, shown.to_string().as_bytes());
            }
        }
    }

    /// A bookmark at the store's version, if nothing is pending up to there.
    fn bookmark_if_quiet(&mut self) -> Option<Bytes> {
        let version = {
            let tables = self.state.store.read();
            let table = tables.table(&self.resource.storage);
            let quiet = table.is_none_or(|t| t.since(self.seen).is_some_and(|mut events| events.next().is_none()));
            quiet.then_some(tables.version)?
        };
        self.seen = self.seen.max(version);
        let mut out = BytesMut::new();
        write_line(&mut out, "BOOKMARK", self.bookmark(self.seen, false).to_string().as_bytes());
        Some(out.freeze())
    }

    fn bookmark(&self, version: u64, end_of_initial: bool) -> Value {
        let mut metadata = json!({"resourceVersion": version.to_string()});
        if end_of_initial {
            object::set(&mut metadata, "annotations", json!({"k8s.io/initial-events-end": "true"}));
        }
        let (kind, api_version) = (&self.resource.kind, self.resource.api_version());
        let object = json!({"kind": kind, "apiVersion": api_version, "metadata": metadata});
        match self.view {
            View::Object => object,
            View::Metadata => table::partial(&object),
            View::Table => {
                let row = json!({"cells": [], "object": table::partial(&object)});
                table::table(&self.resource, json!({"resourceVersion": version.to_string()}), vec![row], false)
            }
        }
    }
}

/// The next events after a version, at most a batch; `None` when the log does not reach back.
fn take(table: &Table, seen: u64) -> Option<Vec<Arc<Event>>> {
    let mut size = 0;
    let events = table.since(seen)?.take_while(|event| {
        let fits = size < BATCH;
        size += event.object.raw.len();
        fits
    });
    Some(events.cloned().collect())
}

fn write_line(out: &mut BytesMut, kind: &str, object: &[u8]) {
    out.reserve(object.len() + kind.len() + 24);
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"object\":");
    out.extend_from_slice(object);
    out.extend_from_slice(b"}\n");
}
