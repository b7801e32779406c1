//! A scripted HTTP server on loopback: responds as scripted, forwards, breaks off, and records requests.

use anyhow::{Context as _, Result};
use bytes::Bytes;
use futures::StreamExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Body as _, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};

/// A chunk of an endless response.
const CHUNK: Bytes = Bytes::from_static(&[b' '; 64 << 10]);

/// A received request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The number of requests before it.
    pub number: usize,
    /// Method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Bytes,
}

impl Request {
    /// The first value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The server's response.
#[derive(Clone, Debug)]
pub enum Answer {
    /// This status, headers and body.
    Text(u16, Vec<(&'static str, String)>, Bytes),
    /// Status 200 and a body without end.
    Endless,
    /// The connection is closed without a response.
    Dropped,
    /// The response of the server at this address.
    Forward(String),
    /// The same, after this time.
    Delayed(String, Duration),
    /// The same, but the connection is closed after so many bytes of the body.
    Truncated(String, usize),
}

/// A running server; stopped when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    log: Log,
    task: tokio::task::JoinHandle<()>,
}

type Log = Arc<Mutex<Vec<Asked>>>;
type Body = UnsyncBoxBody<Bytes, io::Error>;
type Script = Arc<dyn Fn(&Request) -> Answer + Send + Sync>;

#[derive(Clone, Debug)]
struct Asked {
    request: Request,
    from: Instant,
    to: Option<Instant>,
    /// Length of the response's body, if it has one.
    length: u64,
}

impl Server {
    /// Starts a server on a free port.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start(script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("a port for the scripted server")?;
        let address = listener.local_addr()?;
        let log = Log::default();
        let task = tokio::spawn(accept(listener, Arc::new(script), log.clone()));
        Ok(Self { address, log, task })
    }

    /// `127.0.0.1:port`.
    #[must_use]
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// The requests, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        locked(&self.log).iter().map(|asked| asked.request.clone()).collect()
    }

    /// Bytes of the response bodies.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        locked(&self.log).iter().map(|asked| asked.length).sum()
    }

    /// The longest chain of requests in which each began after the response to the one before.
    #[must_use]
    pub fn round_trips(&self) -> usize {
        let mut times: Vec<(Instant, Instant)> =
            locked(&self.log).iter().filter_map(|asked| Some((asked.from, asked.to?))).collect();
        times.sort_by_key(|(_, to)| *to);
        let mut last: Option<Instant> = None;
        let mut count = 0;
        for (from, to) in times {
            if last.is_none_or(|last| from >= last) {
                count += 1;
                last = Some(to);
            }
        }
        count
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn locked(log: &Log) -> parking_lot::MutexGuard<'_, Vec<Asked>> {
    log.lock()
}

async fn accept(listener: TcpListener, script: Script, log: Log) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (script, log) = (script.clone(), log.clone());
        let service = service_fn(move |request| respond(request, script.clone(), log.clone()));
        // Broken connections are the subject of some tests.
        connections.spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        while connections.try_join_next().is_some() {}
    }
}

async fn respond(incoming: hyper::Request<Incoming>, script: Script, log: Log) -> io::Result<hyper::Response<Body>> {
    let (head, body) = incoming.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let header = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let (number, request) = {
        let mut log = locked(&log);
        let request = Request {
            number: log.len(),
            method: head.method.to_string(),
            path: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            headers: head.headers.iter().map(header).collect(),
            body,
        };
        log.push(Asked { request: request.clone(), from: Instant::now(), to: None, length: 0 });
        (log.len() - 1, request)
    };
    let answer = carried_out(script(&request), head, request.body).await;
    let mut log = locked(&log);
    log[number].to = Some(Instant::now());
    log[number].length = answer.as_ref().ok().and_then(|answer| answer.body().size_hint().exact()).unwrap_or(0);
    drop(log);
    answer
}

async fn carried_out(
    answer: Answer,
    head: hyper::http::request::Parts,
    body: Bytes,
) -> io::Result<hyper::Response<Body>> {
    match answer {
        Answer::Text(status, headers, body) => {
            let mut response = hyper::Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(whole(body)).map_err(io::Error::other)
        }
        Answer::Endless => {
            let chunks = futures::stream::repeat_with(|| Ok(Frame::data(CHUNK)));
            Ok(hyper::Response::new(StreamBody::new(chunks).boxed_unsync()))
        }
        Answer::Dropped => Err(io::Error::other("as told")),
        Answer::Forward(to) => forward(&to, head, body).await.map(|answer| answer.map(whole)),
        Answer::Delayed(to, time) => {
            tokio::time::sleep(time).await;
            forward(&to, head, body).await.map(|answer| answer.map(whole))
        }
        Answer::Truncated(to, length) => forward(&to, head, body).await.map(|answer| {
            answer.map(|body| {
                let sent = body.slice(..length.min(body.len()));
                let parts = [Ok(Frame::data(sent)), Err(io::Error::other("as told"))];
                // Everything must be sent before the connection is closed.
                let paced = futures::stream::iter(parts).then(async |part| {
                    tokio::task::yield_now().await;
                    part
                });
                StreamBody::new(Box::pin(paced)).boxed_unsync()
            })
        }),
    }
}

fn whole(body: Bytes) -> Body {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}

async fn forward(to: &str, head: hyper::http::request::Parts, body: Bytes) -> io::Result<hyper::Response<Bytes>> {
    let stream = TcpStream::connect(to).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let connection = tokio::spawn(connection);
    let answer =
        sender.send_request(hyper::Request::from_parts(head, Full::new(body))).await.map_err(io::Error::other)?;
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    drop(sender);
    // The response is complete; how the connection ends does not matter.
    let _ = connection.await;
    Ok(hyper::Response::from_parts(head, body))
}
