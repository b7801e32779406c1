//! Bodies and headers of responses.

use crate::{protobuf::encode, status::Failure};
use bytes::Bytes;
use futures::Stream;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt as _, Empty, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use serde_json::Value;
use std::convert::Infallible;

/// Body of a response: whole, or the stream of a watch.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache, private");

fn response(code: StatusCode, media_type: HeaderValue, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response.headers_mut().insert(header::CACHE_CONTROL, NO_CACHE);
    response
}

/// Bytes that are JSON already.
pub(crate) fn bytes(code: StatusCode, json: Bytes) -> Response<Body> {
    response(code, JSON, Full::new(json).boxed_unsync())
}

pub(crate) fn json(code: StatusCode, value: &Value) -> Response<Body> {
    // Serialising a JSON value does not fail.
    bytes(code, serde_json::to_vec(value).unwrap_or_default().into())
}

/// Bytes of a given media type.
pub(crate) fn typed_bytes(bytes: Bytes, media_type: &'static str) -> Response<Body> {
    response(StatusCode::OK, HeaderValue::from_static(media_type), Full::new(bytes).boxed_unsync())
}

/// JSON of a media type with parameters.
pub(crate) fn typed_json(value: &Value, media_type: &'static str) -> Response<Body> {
    let mut response = json(StatusCode::OK, value);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

pub(crate) fn text(code: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response(code, plain, Full::new(text.into()).boxed_unsync())
}

/// The lines of a watch.
pub(crate) fn stream(lines: impl Stream<Item = Bytes> + Send + 'static) -> Response<Body> {
    use futures::StreamExt as _;
    let frames = lines.map(|line| Ok::<_, Infallible>(Frame::data(line)));
    response(StatusCode::OK, JSON, StreamBody::new(frames).boxed_unsync())
}

pub(crate) fn failure(failure: &Failure) -> Response<Body> {
    let mut response = json(failure.code, &failure.to_value());
    let seconds = failure.details.as_ref().and_then(|d| d.get("retryAfterSeconds")).and_then(Value::as_u64);
    if let Some(seconds) = seconds {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// Largest list that is written in protobuf, in bytes of its JSON: unlike one in JSON, it is in memory as a whole.
const LARGEST_LIST: usize = 64 << 20;

/// A JSON response in protobuf, if it is of a kind that can be written so; others are unchanged.
pub(crate) async fn in_protobuf(response: Response<Body>) -> Response<Body> {
    if response.headers().get(header::CONTENT_TYPE) != Some(&JSON) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let Ok(body) = Limited::new(body, LARGEST_LIST).collect().await else {
        let most = LARGEST_LIST >> 20;
        return failure(&Failure::too_large_entity(format!(
            "more than {most} MiB in protobuf: ask for pages, or for JSON"
        )));
    };
    let json = body.to_bytes();
    match serde_json::from_slice(&json).ok().and_then(|value| encode::encode(&value)) {
        None => Response::from_parts(head, Full::new(json).boxed_unsync()),
        Some(bytes) => {
            head.headers.remove(header::CONTENT_LENGTH);
            head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(encode::PROTOBUF));
            Response::from_parts(head, Full::new(bytes.into()).boxed_unsync())
        }
    }
}

/// A JSON response converted to YAML; others are unchanged.
pub(crate) async fn in_yaml(response: Response<Body>) -> Response<Body> {
    if response.headers().get(header::CONTENT_TYPE) != Some(&JSON) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let Ok(collected) = body.collect().await;
    let bytes = collected.to_bytes();
    // What the server wrote parses, and a JSON value can be written.
    let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let whole_lines = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    let text = serde_saphyr::to_string_with_options(&value, whole_lines).unwrap_or_default();
    head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/yaml"));
    Response::from_parts(head, Full::new(Bytes::from(text)).boxed_unsync())
}

/// The response to a HEAD: that to the GET, with the length of the body but without the body (RFC 9110, 9.3.2).
pub(crate) fn of_head(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact() {
        head.headers.insert(header::CONTENT_LENGTH, length.into());
    }
    Response::from_parts(head, Empty::new().boxed_unsync())
}

/// Maximum number of characters of one warning, and of all warnings of a response
/// (`k8s.io/apiserver/pkg/endpoints/filters`): clients give up on headers that are longer.
const LONGEST_WARNING: usize = 256;
const LONGEST_WARNINGS: usize = 4 << 10;

/// Adds warnings that kubectl prints (RFC 7234, code 299).
pub(crate) fn warn(response: &mut Response<Body>, warnings: &[String]) {
    let mut left = LONGEST_WARNINGS;
    for warning in warnings {
        let shown: String = warning.chars().take(LONGEST_WARNING).collect();
        left = left.saturating_sub(shown.len());
        if left == 0 {
            return;
        }
        let quoted = shown.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
}
