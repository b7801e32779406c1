//! Injects faults between a client and the API server, as a layer in front of it.

use crate::Chance;

use bytes::Bytes;
use futures::{StreamExt as _, future::BoxFuture};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Body, Frame};
use parking_lot::{Mutex, MutexGuard};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    future::pending,
    io,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep},
};
use tower::Service;

/// Body of an answer.
pub type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// The current faults, shared by every client behind it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Trouble {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    now: Mutex<Now>,
    /// Changes whenever current watches should break off.
    breaks: watch::Sender<u64>,
    /// Whether watches say nothing although they last.
    stalled: watch::Sender<bool>,
    stopped: Notify,
}

#[derive(Debug, Default)]
struct Now {
    down: bool,
    conflicts: bool,
    met: BTreeSet<String>,
    refused: u32,
    last_write: Option<u64>,
    writes: u64,
    requests: BTreeMap<String, u64>,
    pace: Option<Pace>,
    /// Whether watches say nothing although they last.
    stalled: bool,
    /// The version at which the replica that answers stands still.
    lag: Option<u64>,
    /// How many times each request was made.
    made: BTreeMap<String, u64>,
    /// Who has the lease, where there is one.
    holder: Option<String>,
    /// Writes by others, when they arrived.
    strays: Vec<(Instant, String)>,
}

/// How slow the way to the server and back is, and how many requests are lost on it.
#[derive(Clone, Debug)]
pub struct Pace {
    /// What decides. Each request has numbers of its own, so that those of others do not depend on which of them came first.
    pub seed: u64,
    /// Longest time of a request on its way, and of its answer.
    pub request: Duration,
    /// Longest time that an event of a watch takes to arrive.
    pub event: Duration,
    /// One of so many requests is lost: half of these on their way to the server, the others with their answer. 0 for none.
    pub lost: u64,
}

/// How one request fares on its way.
#[derive(Clone, Copy, Debug, Default)]
struct Way {
    there: Duration,
    back: Duration,
    /// Whether it is lost before the server has it, or its answer is.
    lost: Option<bool>,
}

impl Trouble {
    /// From now on requests and events travel like this.
    pub fn pace(&self, pace: Pace) {
        self.now().pace = Some(pace);
    }

    /// Changes how slow events are, and how many requests are lost, where requests travel at all.
    pub fn worsen(&self, event: Duration, lost: u64) {
        if let Some(pace) = &mut self.now().pace {
            (pace.event, pace.lost) = (event, lost);
        }
    }

    /// How a request fares, and what decides about the events of its answer.
    fn way<B>(&self, request: &Request<B>) -> (Way, Chance) {
        let mut now = self.now();
        let Some(Pace { seed, request: longest, lost, .. }) = now.pace.clone() else {
            return (Way::default(), Chance::new(0));
        };
        let what = format!("{} {}", request.method(), request.uri().path());
        let made = now.made.entry(what.clone()).or_default();
        *made += 1;
        let mut chance = Chance::for_purpose(seed, &format!("{what} {made}"));
        let lost = (lost > 0 && chance.one_in(lost)).then(|| chance.one_in(2));
        (Way { there: chance.up_to(longest), back: chance.up_to(longest), lost }, chance)
    }

    /// Longest time of an event on its way.
    fn latest(&self) -> Duration {
        self.now().pace.as_ref().map_or(Duration::ZERO, |pace| pace.event)
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.shared.now.lock()
    }

    /// The server becomes unreachable, or comes back. Its watches break off when it goes.
    pub fn down(&self, down: bool) {
        self.now().down = down;
        self.break_watches();
    }

    /// Every watch breaks off, in the middle of whatever it is doing.
    pub fn break_watches(&self) {
        self.shared.breaks.send_modify(|count| *count += 1);
    }

    /// Watches say nothing although they last, as behind a server that lags, or say what they held back.
    pub fn stall(&self, stalled: bool) {
        self.now().stalled = stalled;
        self.hold();
    }

    /// Clients come to a replica of the API server that stands still at this version, or moves on again: watches from there on say
    /// nothing, those from later versions are refused, and lists that may be old are. Reads that may not be old, and writes, are as ever.
    pub fn lag(&self, version: Option<u64>) {
        self.now().lag = version;
        self.hold();
        if version.is_some() {
            self.break_watches();
        }
    }

    fn hold(&self) {
        let now = self.now();
        let holds = now.stalled || now.lag.is_some();
        drop(now);
        self.shared.stalled.send_replace(holds);
    }

    /// Changes how long requests take at most, where they travel at all.
    pub fn slow(&self, request: Duration) {
        if let Some(pace) = &mut self.now().pace {
            pace.request = request;
        }
    }

    /// Resolves once watches are not stalled.
    async fn flowing(&self) {
        let mut stalled = self.shared.stalled.subscribe();
        // The sender lives as long as this.
        _ = stalled.wait_for(|stalled| !stalled).await;
    }

    /// The first of every two writes of the same object fails with a conflict.
    pub fn conflicts(&self, on: bool) {
        let mut now = self.now();
        now.conflicts = on;
        now.met.clear();
    }

    /// The next requests are refused: too many, retry after a second.
    pub fn refuse(&self, requests: u32) {
        self.now().refused = requests;
    }

    /// From now on this many writes are made; the last of them gets no response, nor does anything after it. `None` for no
    /// limit.
    pub fn stop_after(&self, writes: Option<u64>) {
        let mut now = self.now();
        now.writes = 0;
        now.last_write = writes;
    }

    /// Resolves after the last write.
    pub async fn stopped(&self) {
        self.shared.stopped.notified().await;
    }

    /// Who wrote the lease last; nobody where there is none.
    #[must_use]
    pub fn holder(&self) -> Option<String> {
        self.now().holder.clone()
    }

    /// Writes that arrived from somebody after another had written the lease, with the time.
    #[must_use]
    pub fn strays(&self) -> Vec<(Instant, String)> {
        self.now().strays.clone()
    }

    /// A write arrives at the server.
    fn arrives(&self, who: &str, what: &str) {
        let mut now = self.now();
        if now.holder.as_deref().is_some_and(|holder| holder != who) && !is_of_lease(what) {
            now.strays.push((Instant::now(), format!("{what} by {who}")));
        }
    }

    /// A write was made.
    fn made(&self, who: &str, what: &str) {
        if is_of_lease(what) {
            self.now().holder = Some(who.to_owned());
        }
    }

    /// Requests by verb and resource since the last call, e.g. `patch nodes`.
    #[must_use]
    pub fn take_requests(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut self.now().requests)
    }
}

/// The API server behind the faults.
#[derive(Clone, Debug)]
pub struct Troubled<S> {
    inner: S,
    trouble: Trouble,
    who: Arc<str>,
}

impl<S> Troubled<S> {
    /// Puts the faults in front of a server.
    pub fn new(inner: S, trouble: Trouble) -> Self {
        Self { inner, trouble, who: "".into() }
    }

    /// The same, for requests of whoever has this name.
    #[must_use]
    pub fn of(self, who: &str) -> Self {
        Self { who: who.into(), ..self }
    }
}

/// What happens to a request.
enum Fate {
    Pass,
    PassLast,
    Gone,
    Silent,
    Refused(StatusCode),
    /// The replica does not know so late a version yet.
    Behind,
    /// It answers as of this one.
    Old(u64),
}

impl Trouble {
    fn fate<B>(&self, request: &Request<B>) -> Fate {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let mut now = self.now();
        *now.requests.entry(described(request)).or_default() += 1;
        if now.down {
            return Fate::Gone;
        }
        if now.last_write.is_some_and(|last| now.writes >= last) {
            return Fate::Silent;
        }
        if now.refused > 0 {
            now.refused -= 1;
            return Fate::Refused(StatusCode::TOO_MANY_REQUESTS);
        }
        if let Some(version) = now.lag.filter(|_| reads) {
            match asked(request) {
                Some(asked) if asked > version => return Fate::Behind,
                Some(0) if !watches(request) => return Fate::Old(version),
                _ => {}
            }
        }
        // Renewals of a lease are no writes that anybody waits for.
        if reads || is_of_lease(request.uri().path()) {
            return Fate::Pass;
        }
        let key = format!("{} {}", request.method(), request.uri().path());
        if now.conflicts && !now.met.remove(&key) {
            now.met.insert(key);
            return Fate::Refused(StatusCode::CONFLICT);
        }
        now.writes += 1;
        if now.last_write == Some(now.writes) { Fate::PassLast } else { Fate::Pass }
    }
}

fn watches<B>(request: &Request<B>) -> bool {
    request.uri().query().is_some_and(|query| query.contains("watch=true"))
}

/// The version that a read asks for, if it does.
fn asked<B>(request: &Request<B>) -> Option<u64> {
    let mut parameters = request.uri().query()?.split('&');
    parameters.find_map(|one| one.strip_prefix("resourceVersion=")).and_then(|version| version.parse().ok())
}

/// The same list, as of a version.
fn as_of<B>(mut request: Request<B>, version: u64) -> Request<B> {
    let exact = format!("resourceVersion={version}&resourceVersionMatch=Exact");
    let uri = request.uri().to_string().replace("resourceVersion=0", &exact);
    if let Ok(uri) = uri.parse() {
        *request.uri_mut() = uri;
    }
    request
}

fn is_of_lease(what: &str) -> bool {
    what.contains("/apis/coordination.k8s.io/")
}

/// Verb and resource, as RBAC names them.
fn described<B>(request: &Request<B>) -> String {
    let mut parts = request.uri().path().split('/').filter(|part| !part.is_empty()).peekable();
    let core = parts.next() == Some("api");
    let mut parts: Vec<&str> = parts.skip(if core { 1 } else { 2 }).collect();
    if parts.first() == Some(&"namespaces") && parts.len() > 2 {
        parts.drain(..2);
    }
    let resource = match parts.as_slice() {
        [resource, _, sub, ..] => format!("{resource}/{sub}"),
        [resource, ..] => (*resource).to_owned(),
        [] => String::new(),
    };
    let watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
    let verb = match *request.method() {
        Method::GET if watch => "watch",
        Method::GET if parts.len() > 1 => "get",
        Method::GET => "list",
        Method::POST => "create",
        Method::PATCH => "patch",
        Method::PUT => "update",
        Method::DELETE => "delete",
        _ => "other",
    };
    format!("{verb} {resource}")
}

impl<S, Q, B> Service<Request<Q>> for Troubled<S>
where
    S: Service<Request<Q>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Send + 'static,
    Q: Send + 'static,
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    type Response = Answer;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = BoxFuture<'static, Result<Answer, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let fate = self.trouble.fate(&request);
        let watches = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        let breaks = self.trouble.shared.breaks.subscribe();
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let (who, what) = (self.who.clone(), format!("{} {}", request.method(), request.uri().path()));
        match fate {
            Fate::Gone => {
                let gone = io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused");
                Box::pin(async move { Err(gone.into()) })
            }
            Fate::Silent => Box::pin(pending()),
            Fate::Refused(code) => Box::pin(async move { refusal(code) }),
            Fate::Behind => Box::pin(async move { refusal(StatusCode::GATEWAY_TIMEOUT) }),
            Fate::PassLast => {
                let (answer, trouble) = (self.inner.call(request), self.trouble.clone());
                Box::pin(async move {
                    trouble.arrives(&who, &what);
                    // It is made, but there is no response.
                    drop(answer.await);
                    trouble.shared.stopped.notify_one();
                    pending().await
                })
            }
            Fate::Pass | Fate::Old(_) => {
                let request = match fate {
                    Fate::Old(version) => as_of(request, version),
                    _ => request,
                };
                let ((way, chance), trouble) = (self.trouble.way(&request), self.trouble.clone());
                // The one that said that it is ready is called, the copy next time.
                let next = self.inner.clone();
                let mut inner = std::mem::replace(&mut self.inner, next);
                Box::pin(async move {
                    pause(way.there).await;
                    if way.lost == Some(true) {
                        return Err(lost());
                    }
                    if !reads {
                        trouble.arrives(&who, &what);
                    }
                    let answer = inner.call(request).await.map_err(Into::into)?;
                    if !reads && answer.status().is_success() {
                        trouble.made(&who, &what);
                    }
                    pause(way.back).await;
                    if way.lost == Some(false) {
                        return Err(lost());
                    }
                    Ok(answer.map(
                        |body| if watches { breaking(body, breaks, trouble, chance) } else { body.boxed_unsync() },
                    ))
                })
            }
        }
    }
}

/// Nobody waits for no time: a timer would round it up.
async fn pause(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}

fn lost() -> Box<dyn std::error::Error + Send + Sync> {
    io::Error::new(io::ErrorKind::ConnectionReset, "connection reset").into()
}

fn refusal(code: StatusCode) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    let reason = match code {
        StatusCode::CONFLICT => "Conflict",
        StatusCode::GATEWAY_TIMEOUT => "Timeout",
        _ => "TooManyRequests",
    };
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code.as_u16(), "reason": reason,
        "message": "trouble of the test", "details": {"retryAfterSeconds": 1},
    });
    let answer = Response::builder().status(code).header(header::CONTENT_TYPE, "application/json");
    Ok(answer.header(header::RETRY_AFTER, 1).body(Full::from(body.to_string()).boxed_unsync())?)
}

/// A body that ends when the watches should break off, and whose events are under way for a while.
fn breaking<B>(
    body: B,
    mut breaks: watch::Receiver<u64>,
    trouble: Trouble,
    mut chance: Chance,
) -> UnsyncBoxBody<Bytes, Infallible>
where
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let end = async move {
        // Without a sender nothing breaks off any more.
        if breaks.changed().await.is_err() {
            pending::<()>().await;
        }
    };
    let events = body.into_data_stream().then(move |data| {
        let (time, trouble) = (chance.up_to(trouble.latest()), trouble.clone());
        async move {
            pause(time).await;
            trouble.flowing().await;
            data.map(Frame::data)
        }
    });
    let frames = events.take_until(Box::pin(end));
    StreamBody::new(frames).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_that_lags_refuses_later_versions_and_lists_what_it_has_where_that_may_be_old() {
        let trouble = Trouble::default();
        let fate = |uri: &str| {
            let request = Request::builder().uri(format!("/api/v1/nodes{uri}")).body(()).unwrap();
            match trouble.fate(&request) {
                Fate::Behind => "behind".to_owned(),
                Fate::Old(version) => as_of(request, version).uri().query().unwrap().to_owned(),
                _ => "passes".to_owned(),
            }
        };
        assert_eq!(fate("?watch=true&resourceVersion=8"), "passes");
        trouble.lag(Some(7));
        assert_eq!(fate("?watch=true&resourceVersion=8"), "behind");
        assert_eq!(fate("?watch=true&resourceVersion=7"), "passes");
        assert_eq!(fate(""), "passes");
        assert_eq!(fate("?limit=5&resourceVersion=0"), "limit=5&resourceVersion=7&resourceVersionMatch=Exact");
        trouble.lag(None);
        assert_eq!(fate("?resourceVersion=0"), "passes");
    }

    #[test]
    fn requests_are_described_as_rbac_does() {
        for (method, uri, wanted) in [
            ("GET", "/api/v1/nodes?watch=true&x=1", "watch nodes"),
            ("GET", "/api/v1/nodes", "list nodes"),
            ("PATCH", "/api/v1/nodes/n1?fieldManager=x", "patch nodes"),
            ("POST", "/api/v1/namespaces/a/pods/p/eviction", "create pods/eviction"),
            ("POST", "/api/v1/namespaces", "create namespaces"),
            (
                "PATCH",
                "/apis/machineconfiguration.openshift.io/v1/machineconfigpools/w/status",
                "patch machineconfigpools/status",
            ),
        ] {
            let request = Request::builder().method(method).uri(uri).body(()).unwrap();
            assert_eq!(described(&request), wanted);
        }
    }
}
