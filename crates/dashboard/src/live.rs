//! Updates of open pages: server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! R-LIVE-1 An open page is sent the parts that changed, or that it has to be loaded again if more than parts did.
//! R-LIVE-2 Nothing is made and nothing is sent while nothing changes, except a comment every [`STILL_THERE`] for proxies.
//! R-LIVE-3 What changes together is sent together: [`TOGETHER`] after the first change. A page that has just looked, whether it found a
//! change that it shows or not, looks again when all such pages do: every [`PACE`].
//! R-LIVE-4 Pages that look together see the same picture. Of pages that show the same, each update is made once.

use crate::{
    form,
    html::Rendered,
    pages::View,
    picture::{Camera, Picture},
    serve::Site,
};
use axum::{
    body::{Body, Bytes},
    extract::State,
    response::{IntoResponse as _, Response},
};
use futures::{Stream, stream::unfold};
use http::{HeaderValue, StatusCode, Uri, header};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep_until, timeout},
};

/// Open pages that are kept up to date; a browser closes its connection while the page is hidden.
pub(crate) const MOST: usize = 200;
/// Least time between two looks of a page: faster nobody reads.
const PACE: Duration = Duration::from_millis(200);
/// Time for the other changes of what changed.
const TOGETHER: Duration = Duration::from_millis(15);
/// Proxies close what is silent for long; those of OpenShift after 30 s.
const STILL_THERE: Duration = Duration::from_secs(15);
/// After this long a browser whose connection broke tries again.
const AGAIN: &str = "retry: 1000\n\n";

/// An open page.
struct Open {
    camera: Arc<Camera>,
    view: View,
    /// What it shows.
    shown: Option<(Arc<Picture>, Arc<Rendered>)>,
    /// The picture that it was loaded with, until that is compared.
    loaded: Option<u64>,
    /// When it last saw another picture.
    last: Instant,
    /// When it last heard that something changed.
    changed: Instant,
    /// When the page of the cluster began: all open pages look in step.
    began: Instant,
    greeted: bool,
    /// What it shows no longer exists.
    ended: bool,
    _place: OwnedSemaphorePermit,
}

/// Follows the page that the query names.
pub(crate) async fn follow(State(site): State<Site>, uri: Uri) -> Response {
    let query = form::pairs(uri.query().unwrap_or_default());
    let page = form::value(&query, "page").unwrap_or_default();
    let (path, rest) = page.split_once('?').map_or((page, None), |(path, rest)| (path, Some(rest)));
    let Some(view) = View::parse(path, rest) else { return StatusCode::NOT_FOUND.into_response() };
    let Ok(place) = site.live.clone().try_acquire_owned() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let loaded = form::value(&query, "picture").and_then(|number| number.parse().ok());
    let now = Instant::now();
    let open = Open {
        camera: site.camera.clone(),
        view,
        shown: None,
        loaded,
        last: now,
        changed: now,
        began: site.began,
        greeted: false,
        ended: false,
        _place: place,
    };
    let kind = HeaderValue::from_static("text/event-stream");
    ([(header::CONTENT_TYPE, kind)], Body::from_stream(updates(open))).into_response()
}

fn updates(open: Open) -> impl Stream<Item = Result<Bytes, Infallible>> {
    unfold(open, |mut open| async move {
        let next = open.next().await?;
        Some((Ok(next), open))
    })
}

impl Open {
    /// The next thing to send; nothing more when what it shows is gone.
    async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        if !self.greeted {
            self.greeted = true;
            return Some(Bytes::from_static(AGAIN.as_bytes()));
        }
        loop {
            if let Some(update) = self.update() {
                return Some(update);
            }
            let Some((picture, _)) = &self.shown else {
                self.ended = true;
                return Some(gone());
            };
            if timeout(STILL_THERE, self.camera.changed(picture)).await.is_err() {
                return Some(Bytes::from_static(b":\n\n"));
            }
            self.changed = Instant::now();
            let soon = self.changed + TOGETHER;
            sleep_until(if soon >= self.last + PACE { soon } else { tick(self.began, soon) }).await;
        }
    }

    /// What to send now, if anything.
    fn update(&mut self) -> Option<Bytes> {
        let picture = self.camera.look_back(self.changed);
        let Some(page) = picture.page(&self.view) else {
            self.shown = None;
            return None;
        };
        if self.shown.as_ref().is_none_or(|(was, _)| was.number != picture.number) {
            self.last = Instant::now();
        }
        let before = self.shown.replace((picture.clone(), page.clone()));
        let Some((was, shown)) = before else {
            // It may have been loaded with an earlier picture.
            let loaded = self.loaded.take();
            return (loaded != Some(picture.number)).then(again);
        };
        if was.number == picture.number || shown.text == page.text {
            return None;
        }
        Some(picture.update(&self.view, was.number, || between(&shown, &page)))
    }
}

/// The first time at which all look, from then on (R-LIVE-3).
fn tick(began: Instant, from: Instant) -> Instant {
    let passed = from.saturating_duration_since(began).as_nanos();
    let missing = (PACE.as_nanos() - passed % PACE.as_nanos()) % PACE.as_nanos();
    from + Duration::from_nanos(u64::try_from(missing).unwrap_or_default())
}

/// What turns one page into the other (R-LIVE-1).
fn between(before: &Rendered, now: &Rendered) -> Bytes {
    let Some(parts) = now.changed(before) else { return again() };
    let parts = serde_json::json!({ "parts": parts });
    Bytes::from(format!("data: {parts}\n\n"))
}

fn again() -> Bytes {
    Bytes::from_static(b"data: {\"again\":true}\n\n")
}

/// What is shown no longer exists: the page says so when it is loaded again.
fn gone() -> Bytes {
    Bytes::from_static(b"data: {\"gone\":true}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_have_just_looked_look_again_together() {
        let began = Instant::now();
        let after = |milliseconds| began + Duration::from_millis(milliseconds);
        for (from, next) in [(0, 0), (1, 200), (199, 200), (200, 200), (201, 400), (1_399, 1_400)] {
            assert_eq!(tick(began, after(from)), after(next), "{from}");
        }
    }
}
