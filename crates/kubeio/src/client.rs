//! A client for an API server over the network: every request has a user agent and a deadline.

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response, Uri, header::USER_AGENT};
use http_body::{Body, Frame, SizeHint};
use kube::{
    Config,
    client::{self, ClientBuilder, DynBody},
};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tower::{BoxError, Layer, Service, util::BoxService};

/// Deadline for a connection, including TLS.
const CONNECT: Duration = Duration::from_secs(10);
/// Deadline for the beginning of a response. A server's own limit for a request is 60 s (`--request-timeout` of kube-apiserver),
/// but one that takes that long is in trouble, and retrying is better than waiting.
pub const ANSWER: Duration = Duration::from_secs(30);
/// Deadline for a complete response: the largest page of a list over a slow line. Watches end by themselves.
const WHOLE: Duration = Duration::from_mins(2);
/// Maximum size of a response: a page of 500 objects of 1.5 MiB each, with some room.
const LARGEST: u64 = 1 << 30;

/// A client's service whose requests have deadlines.
pub type InTime = Deadlines<BoxService<Request<client::Body>, Response<Box<DynBody>>, BoxError>>;

/// The service for a component's client: its requests carry `weir/VERSION (component)` and have deadlines.
///
/// # Errors
/// If the configuration is unusable: an invalid certificate, a proxy of an unknown kind.
pub fn builder(mut config: Config, component: &str) -> kube::Result<ClientBuilder<InTime>> {
    config.connect_timeout = Some(CONNECT);
    let agent = format!("weir/{} ({component})", env!("CARGO_PKG_VERSION"));
    let agent = HeaderValue::from_str(&agent).map_err(|error| kube::Error::HttpError(error.into()))?;
    config.headers.push((USER_AGENT, agent));
    Ok(ClientBuilder::try_from(config)?.with_layer(&InTimeLayer))
}

/// A response that does not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Silent {
    /// Not at all.
    #[error("no answer within {0:?}")]
    Headers(Duration),
    /// It began but did not end.
    #[error("the answer was not complete within {0:?}")]
    Body(Duration),
    /// It exceeds the maximum size.
    #[error("the answer is larger than {0} bytes")]
    Size(u64),
}

/// Adds [`Deadlines`] to a client.
#[derive(Clone, Copy, Debug)]
pub struct InTimeLayer;

impl<S> Layer<S> for InTimeLayer {
    type Service = Deadlines<S>;

    fn layer(&self, inner: S) -> Deadlines<S> {
        Deadlines { inner }
    }
}

/// A client's service whose requests have deadlines.
#[derive(Clone, Debug)]
pub struct Deadlines<S> {
    inner: S,
}

impl<S, Q, B> Service<Request<Q>> for Deadlines<S>
where
    S: Service<Request<Q>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
{
    type Response = Response<Limited<B>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let whole = (!is_watch(request.uri())).then(|| Instant::now() + WHOLE);
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = timeout(ANSWER, answer).await.map_err(|_| Silent::Headers(ANSWER))?.map_err(Into::into)?;
            let until = whole.map(|whole| Box::pin(sleep_until(whole)));
            Ok(answer.map(|inner| Limited { inner, until, left: LARGEST }))
        })
    }
}

fn is_watch(uri: &Uri) -> bool {
    let on = |pair: &str| ["watch=true", "watch=1"].contains(&pair);
    uri.query().is_some_and(|query| query.split('&').any(on))
}

/// A body with a deadline and a maximum size. The body of a watch has neither.
#[derive(Debug)]
pub struct Limited<B> {
    inner: B,
    until: Option<Pin<Box<Sleep>>>,
    left: u64,
}

impl<B> Body for Limited<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Some(until) = &mut this.until
            && until.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Some(Err(Silent::Body(WHOLE).into())));
        }
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(context));
        if this.until.is_some()
            && let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            match this.left.checked_sub(u64::try_from(data.len()).unwrap_or(u64::MAX)) {
                Some(left) => this.left = left,
                None => return Poll::Ready(Some(Err(Silent::Size(LARGEST).into()))),
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;
    use http_body_util::{BodyExt as _, StreamBody};
    use tower::{ServiceExt as _, service_fn};

    fn request(uri: &str) -> Request<()> {
        Request::get(uri).body(()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_without_a_response_fails_in_time() {
        let silent = service_fn(|_: Request<()>| std::future::pending::<Result<Response<client::Body>, BoxError>>());
        for uri in ["/version", "/api/v1/pods?watch=true"] {
            let start = Instant::now();
            let error = InTimeLayer.layer(silent).oneshot(request(uri)).await.err().unwrap();
            assert_eq!(error.downcast_ref(), Some(&Silent::Headers(ANSWER)), "{uri}");
            assert_eq!(start.elapsed().as_secs(), ANSWER.as_secs());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_endless_response_fails_in_time_and_a_watch_goes_on() {
        // A byte every 10 s.
        let trickling = service_fn(|_: Request<()>| async {
            let bytes = stream::unfold((), |()| async {
                tokio::time::sleep(Duration::from_secs(10)).await;
                Some((Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"x"))), ()))
            });
            Ok::<_, BoxError>(Response::new(StreamBody::new(Box::pin(bytes))))
        });
        let ask = |uri| InTimeLayer.layer(trickling).oneshot(request(uri));
        let start = Instant::now();
        let error = ask("/api/v1/pods").await.unwrap().into_body().collect().await.unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Silent::Body(WHOLE)));
        assert_eq!(start.elapsed().as_secs(), WHOLE.as_secs());
        let mut watch = ask("/api/v1/pods?watch=1&timeoutSeconds=290").await.unwrap().into_body();
        for _ in 0..60 {
            watch.frame().await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn a_response_has_a_maximum_size() {
        for (more, fits) in [(0_u64, true), (1, false)] {
            let part = Bytes::from(vec![b'x'; 1 << 20]);
            let whole = (0..LARGEST >> 20).map(move |_| part.clone());
            let parts = whole
                .chain((more > 0).then(|| Bytes::from_static(b"x")))
                .map(|part| Ok::<_, BoxError>(Frame::data(part)));
            let mut body = Limited {
                inner: StreamBody::new(stream::iter(parts)),
                until: Some(Box::pin(sleep_until(Instant::now() + WHOLE))),
                left: LARGEST,
            };
            let mut last = Ok(());
            while let Some(frame) = body.frame().await {
                last = frame.map(drop);
                if last.is_err() {
                    break;
                }
            }
            assert_eq!(last.is_ok(), fits, "{more}");
        }
    }
}
