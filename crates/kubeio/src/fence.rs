//! Holds back writes that must not be made any more.
//!
//! A layer of a client. Reads always pass. Writes pass until a moment that the holder of a lease keeps extending. A write that has
//! passed is carried through even if its caller is dropped, so that it is known when none is in flight. One that might be answered
//! when another process may hold the lease is given up.

use futures::future::BoxFuture;
use http::{Method, Request};
use parking_lot::{Mutex, MutexGuard};
use std::{
    error::Error as StdError,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tower::{Layer, Service};

type BoxError = Box<dyn StdError + Send + Sync>;

/// A fence, initially closed. Cheap to clone: clones share it.
#[derive(Clone, Debug)]
pub struct Fence {
    times: Arc<Mutex<Times>>,
    under_way: Arc<watch::Sender<usize>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Times {
    /// The moment up to which writes pass.
    until: Option<Instant>,
    /// The moment up to which responses to writes that passed may arrive.
    late: Option<Instant>,
}

impl Default for Fence {
    fn default() -> Self {
        Self { times: Arc::default(), under_way: Arc::new(watch::channel(0).0) }
    }
}

/// A write arrived while the fence was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not written: this process does not hold the lease now")]
pub struct Closed;

/// A write got no response for so long that another process may hold the lease by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no answer while this process held the lease; it is not known whether it was written")]
pub struct Late;

impl Fence {
    /// Lets writes pass until a moment, and waits for their responses for a while longer.
    pub fn open(&self, until: Instant, grace: Duration) {
        *self.times() = Times { until: Some(until), late: Some(until + grace) };
    }

    /// Lets no write pass.
    pub fn close(&self) {
        self.times().until = None;
    }

    /// Whether a write would pass now.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.closes().is_some_and(|until| Instant::now() < until)
    }

    /// The moment up to which writes pass, or passed.
    pub(crate) fn closes(&self) -> Option<Instant> {
        self.times().until
    }

    /// Waits until no write is in flight.
    pub async fn idle(&self) {
        // The sender lives as long as the fence.
        _ = self.under_way.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Waits until no write can be in flight any more.
    async fn late(&self) {
        loop {
            let late = self.times().late;
            match late {
                Some(late) if Instant::now() < late => sleep_until(late).await,
                _ => return,
            }
        }
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock()
    }

    fn pass(&self) -> Result<UnderWay, Closed> {
        let times = self.times();
        if times.until.is_none_or(|until| Instant::now() >= until) {
            return Err(Closed);
        }
        self.under_way.send_modify(|count| *count += 1);
        Ok(UnderWay(self.under_way.clone()))
    }
}

/// Counts a write until it is dropped.
struct UnderWay(Arc<watch::Sender<usize>>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl<S> Layer<S> for Fence {
    type Service = Fenced<S>;

    fn layer(&self, inner: S) -> Fenced<S> {
        Fenced { inner, fence: self.clone() }
    }
}

/// A client's service behind a fence.
#[derive(Clone, Debug)]
pub struct Fenced<S> {
    inner: S,
    fence: Fence,
}

impl<S, B> Service<Request<B>> for Fenced<S>
where
    S: Service<Request<B>>,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
    S::Error: Into<BoxError> + Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method()) {
            let answer = self.inner.call(request);
            return Box::pin(async move { answer.await.map_err(Into::into) });
        }
        let under_way = match self.fence.pass() {
            Ok(under_way) => under_way,
            Err(closed) => return Box::pin(async move { Err(closed.into()) }),
        };
        let (answer, fence) = (self.inner.call(request), self.fence.clone());
        let carried = tokio::spawn(async move {
            let answer = tokio::select! {
                biased;
                answer = answer => answer.map_err(Into::into),
                () = fence.late() => Err(Late.into()),
            };
            drop(under_way);
            answer
        });
        Box::pin(async move { carried.await.map_err(BoxError::from)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;
    use tower::{ServiceExt as _, service_fn};

    fn request(method: Method) -> Request<()> {
        let mut request = Request::new(());
        *request.method_mut() = method;
        request
    }

    #[tokio::test(start_paused = true)]
    async fn writes_pass_until_the_moment_and_reads_always() {
        let fence = Fence::default();
        let service = fence.layer(service_fn(|_: Request<()>| async { Ok::<_, BoxError>(()) }));
        let ask = |method| service.clone().oneshot(request(method));
        assert!(ask(Method::POST).await.unwrap_err().is::<Closed>());
        fence.open(Instant::now() + Duration::from_secs(10), Duration::from_secs(5));
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::GET] {
            ask(method).await.unwrap();
        }
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(ask(Method::PATCH).await.unwrap_err().is::<Closed>());
        ask(Method::GET).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_passed_is_carried_out_even_if_its_caller_is_gone() {
        let fence = Fence::default();
        fence.open(Instant::now() + Duration::from_secs(10), Duration::from_secs(5));
        let (answer, answered) = oneshot::channel::<()>();
        let mut answered = Some(answered);
        let service = service_fn(move |_: Request<()>| {
            let answered = answered.take();
            async move {
                answered.ok_or("asked twice")?.await?;
                Ok::<_, BoxError>(())
            }
        });
        let asking = tokio::spawn(fence.layer(service).oneshot(request(Method::PUT)));
        tokio::task::yield_now().await;
        asking.abort();
        fence.close();
        let second = Duration::from_secs(1);
        assert!(tokio::time::timeout(second, fence.idle()).await.is_err());
        answer.send(()).unwrap();
        tokio::time::timeout(second, fence.idle()).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_is_given_up_once_others_may_write_but_not_while_the_lease_is_renewed() {
        let fence = Fence::default();
        let second = Duration::from_secs(1);
        let start = Instant::now();
        fence.open(start + 10 * second, 5 * second);
        let service = service_fn(|_: Request<()>| std::future::pending::<Result<(), BoxError>>());
        let asking = tokio::spawn(fence.layer(service).oneshot(request(Method::PUT)));
        tokio::time::sleep(9 * second).await;
        fence.open(start + 19 * second, 5 * second);
        let error = asking.await.unwrap().unwrap_err();
        assert!(error.is::<Late>(), "{error}");
        assert_eq!(start.elapsed().as_secs(), 24);
        tokio::time::timeout(second, fence.idle()).await.unwrap();
    }
}
