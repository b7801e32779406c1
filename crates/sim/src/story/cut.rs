//! A client that is cut off mid-work: what a process sees of the API server after its last write got through.

use http::{Method, Request, Response};
use kube::client::Body;
use std::{
    convert::Infallible,
    future::{Future, pending},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
};
use tokio::sync::Notify;
use tower::Service;

/// Counts the writes that the controllers make, and when to cut them off.
#[derive(Debug, Default)]
pub(super) struct Writes {
    counting: AtomicBool,
    made: AtomicU64,
    /// After this many there is no response any more; 0 for never.
    last: AtomicU64,
    cut: Notify,
}

impl Writes {
    /// Starts counting; with `last` 0 it never cuts off.
    pub(super) fn count(&self, last: u64) {
        self.last.store(last, Ordering::SeqCst);
        self.counting.store(true, Ordering::SeqCst);
    }

    /// Writes counted so far.
    pub(super) fn made(&self) -> u64 {
        self.made.load(Ordering::SeqCst)
    }

    /// Resolves after the last write.
    pub(super) async fn cut(&self) {
        self.cut.notified().await;
    }

    fn is_cut(&self) -> bool {
        let last = self.last.load(Ordering::SeqCst);
        last > 0 && self.made() >= last
    }
}

/// The API server as seen by controllers that may be cut off.
#[derive(Clone, Debug)]
pub(super) struct Cut<S> {
    inner: S,
    writes: Arc<Writes>,
}

impl<S> Cut<S> {
    pub(super) fn new(inner: S, writes: Arc<Writes>) -> Self {
        Self { inner, writes }
    }
}

type Answer<B> = Pin<Box<dyn Future<Output = Result<Response<B>, Infallible>> + Send>>;

impl<S, B> Service<Request<Body>> for Cut<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
    B: Send + 'static,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Answer<B>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Answer<B> {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        if reads || !self.writes.counting.load(Ordering::SeqCst) {
            return Box::pin(self.inner.call(request));
        }
        if self.writes.is_cut() {
            return Box::pin(pending());
        }
        self.writes.made.fetch_add(1, Ordering::SeqCst);
        let (answer, writes) = (self.inner.call(request), self.writes.clone());
        Box::pin(async move {
            let answer = answer.await;
            if writes.is_cut() {
                writes.cut.notify_one();
                return pending().await;
            }
            answer
        })
    }
}
