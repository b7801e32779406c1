//! The server as a tower service.

use crate::{
    authentication::impersonated,
    body,
    identity::User,
    protobuf::encode,
    quota::Share,
    request::{self, Request},
    response::{self, Body},
    route,
    state::State,
    status::Failure,
};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Method, request::Parts};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::sync::Semaphore;

/// Handles requests on behalf of one user. Failures are responses too: the service itself never fails.
#[derive(Clone, Debug)]
pub struct Service {
    state: State,
    user: Arc<User>,
}

impl Service {
    pub(crate) fn new(state: State, user: User) -> Self {
        Self { state, user: Arc::new(user) }
    }
}

impl<B> tower::Service<http::Request<B>> for Service
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let (state, user) = (self.state.clone(), self.user.clone());
        let is_head = request.method() == http::Method::HEAD;
        Box::pin(async move {
            let answer = answer(&state, User::clone(&user), request).await;
            Ok(if is_head { response::of_head(answer) } else { answer })
        })
    }
}

/// Maximum number of bytes of a body that is processed so quickly that other requests may wait for it.
const QUICK: usize = 16 << 10;

/// Answers a request that may take long, on a thread where no other request waits behind it.
async fn aside(state: &State, turns: &Semaphore, request: Request) -> http::Response<Body> {
    let _turn = turns.acquire().await;
    let state = state.clone();
    let answer = tokio::task::spawn_blocking(move || route::answer(&state, &request)).await;
    answer.unwrap_or_else(|_| response::failure(&Failure::internal("the request could not be processed")))
}

/// Deadline for receiving a body: the largest one at 100 kB/s.
const BODY_PERIOD: Duration = Duration::from_secs(30);

/// Handles a request of an authenticated user. Its body is read only if the user may make the request.
pub(crate) async fn answer<B>(state: &State, user: User, request: http::Request<B>) -> http::Response<Body>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (head, body) = request.into_parts();
    let accept = head.headers.get(http::header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let (in_yaml, in_protobuf) = (request::wants_yaml(accept), encode::is_wanted(accept));
    let reads = matches!(head.method, Method::GET | Method::HEAD);
    let state = &state.for_request();
    let answer = match whole(state, user, &head, body).await {
        Ok((request, _share)) => match &state.aside {
            Some(turns) if request.body.len() > QUICK => aside(state, turns, request).await,
            _ => route::answer(state, &request),
        },
        Err(failure) => return response::failure(&failure),
    };
    if !reads && let Err(failure) = state.settled().await {
        return response::failure(&failure);
    }
    match (in_yaml, in_protobuf) {
        (true, _) => response::in_yaml(answer).await,
        (_, true) => response::in_protobuf(answer).await,
        _ => answer,
    }
}

/// A permitted request with its body, and the share of the memory for bodies that it takes.
async fn whole<B>(state: &State, user: User, head: &Parts, body: B) -> Result<(Request, Option<Share>), Failure>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // Bodies are never decompressed, so a small one cannot become large.
    if let Some(encoding) = head.headers.get(http::header::CONTENT_ENCODING).filter(|e| *e != "identity") {
        return Err(Failure::compressed(&String::from_utf8_lossy(encoding.as_bytes())));
    }
    let user = impersonated(state, user, &head.headers)?;
    let mut request = Request::new(head, Bytes::new(), user);
    route::may_ask(state, &request)?;
    if request.method == Method::GET || body.is_end_stream() {
        return Ok((request, None));
    }
    let most = body.size_hint().upper().map_or(body::LARGEST, |n| usize::try_from(n).unwrap_or(usize::MAX));
    if most > body::LARGEST {
        return Err(Failure::too_large(body::LARGEST));
    }
    let share = state.bodies.take(&request.user.username, most)?;
    let collected = tokio::time::timeout(BODY_PERIOD, Limited::new(body, body::LARGEST).collect());
    request.body = match collected.await {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => {
            return Err(Failure::too_large(body::LARGEST));
        }
        Ok(Err(error)) => return Err(Failure::bad_request(format!("unable to read the body: {error}"))),
        Err(_) => return Err(Failure::too_slow(BODY_PERIOD.as_secs())),
    };
    Ok((request, Some(share)))
}
