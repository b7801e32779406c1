//! Responses.
//!
//! | module | subject |
//! |---|---|
//! | `blobs` | stored blobs |
//! | `uploads` | blobs being uploaded |
//! | `manifests` | manifests |
//! | `lists` | tags and referrers |

mod blobs;
mod lists;
mod manifests;
mod uploads;

use crate::{
    Registry,
    address::Address,
    refusal::{Code, Refusal},
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE},
};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use percent_encoding::percent_decode_str;
use serde_json::json;
use std::{fmt::Display, io, time::Duration};

/// What is sent to a client.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

type Answer = Result<Response<Body>, Refusal>;

/// A client that is silent for this long in the middle of a body is gone.
const SILENCE: Duration = Duration::from_secs(60);
const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// Old clients use it to distinguish a registry from a web server.
const API_VERSION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("docker-distribution-api-version"), HeaderValue::from_static("registry/2.0"));

/// A request without its body.
struct Ask {
    method: Method,
    headers: HeaderMap,
    query: Vec<(String, String)>,
}

impl Registry {
    /// Answers a request, which has to carry the login.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin,
        B::Error: Display,
    {
        let is_head = request.method() == Method::HEAD;
        let mut response = self.respond(request).await.unwrap_or_else(|refusal| refused(&refusal));
        if is_head {
            *response.body_mut() = empty();
        }
        response.headers_mut().insert(API_VERSION.0, API_VERSION.1);
        response
    }

    async fn respond<B>(&self, request: Request<B>) -> Answer
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin,
        B::Error: Display,
    {
        let (parts, body) = request.into_parts();
        let shown = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        if !self.credentials.allow(shown) {
            return Err(Refusal::new(Code::Unauthorized, "log in with the user and password of this registry"));
        }
        let path = percent_decode_str(parts.uri.path()).decode_utf8_lossy();
        let address = Address::parse(&path)?;
        let ask = Ask { method: parts.method, headers: parts.headers, query: query(parts.uri.query()) };
        match (address, &ask.method) {
            (Address::Root, &Method::GET | &Method::HEAD) => Ok(json_answer(b"{}".to_vec())),
            (Address::Blob(_, digest), &Method::GET | &Method::HEAD) => self.blob(&ask, &digest).await,
            (Address::Blob(_, digest), &Method::DELETE) => {
                self.store.remove_blob(&digest).map(|()| bare(StatusCode::ACCEPTED))
            }
            (Address::Uploads(name), &Method::POST) => self.begin(&ask, &name, body).await,
            (Address::Upload(name, id), method) => match *method {
                Method::GET | Method::HEAD => self.progress(&name, &id).await,
                Method::PATCH => self.go_on(&ask, &name, &id, body).await,
                Method::PUT => self.finish(&ask, &name, &id, body).await,
                Method::DELETE => self.store.uploads().take(&name, &id).map(|_| bare(StatusCode::NO_CONTENT)),
                _ => Err(unsupported()),
            },
            (Address::Manifest(name, reference), method) => match *method {
                Method::GET | Method::HEAD => self.manifest(&name, &reference).await,
                Method::PUT => self.put_manifest(&ask, &name, &reference, body).await,
                Method::DELETE => self.store.remove(&name, &reference).map(|()| bare(StatusCode::ACCEPTED)),
                _ => Err(unsupported()),
            },
            (Address::Tags(name), &Method::GET | &Method::HEAD) => self.tags(&ask, &name),
            (Address::Referrers(name, digest), &Method::GET | &Method::HEAD) => {
                self.referrers(&ask, &name, &digest).await
            }
            _ => Err(unsupported()),
        }
    }
}

impl Ask {
    fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

fn query(text: Option<&str>) -> Vec<(String, String)> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pairs = text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decoded(key), decoded(value)))
        .collect()
}

fn unsupported() -> Refusal {
    Refusal::new(Code::Unsupported, "this cannot be done here")
}

/// The next part of a body; nothing at its end.
async fn next<B>(body: &mut B) -> Result<Option<Bytes>, Refusal>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    loop {
        let cut = |message: String| Refusal::with(StatusCode::BAD_REQUEST, Code::BlobUploadInvalid, message);
        let frame = tokio::time::timeout(SILENCE, body.frame()).await.map_err(|_| {
            let message = format!("nothing came for {} s", SILENCE.as_secs());
            Refusal::with(StatusCode::REQUEST_TIMEOUT, Code::BlobUploadInvalid, message)
        })?;
        match frame {
            None => return Ok(None),
            Some(Err(error)) => return Err(cut(format!("the body broke off: {error}"))),
            // Trailers are ignored.
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

fn empty() -> Body {
    full(Bytes::new())
}

fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

fn bare(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(empty());
    *response.status_mut() = status;
    set(&mut response, CONTENT_LENGTH, "0");
    response
}

fn json_answer(bytes: Vec<u8>) -> Response<Body> {
    let length = bytes.len().to_string();
    let mut response = Response::new(full(bytes));
    set(&mut response, CONTENT_TYPE, "application/json");
    set(&mut response, CONTENT_LENGTH, &length);
    response
}

/// Sets a header. Values consist of names, digests and numbers, which headers can contain; anything else is left out.
fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn refused(refusal: &Refusal) -> Response<Body> {
    let error = json!({ "errors": [{ "code": refusal.code.as_str(), "message": refusal.message }] });
    let mut response = json_answer(error.to_string().into_bytes());
    *response.status_mut() = refusal.status;
    if refusal.code == Code::Unauthorized {
        set(&mut response, WWW_AUTHENTICATE, "Basic realm=\"weir\"");
    }
    response
}
