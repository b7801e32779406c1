//! Requests: pages, data, updates, style and script, over plain HTTP.

use crate::{
    data,
    door::{Door, Refused},
    form,
    html::Rendered,
    live,
    pages::{self, View, refused},
    picture::{Camera, Picture},
    planning::{self, Answer, LARGEST, Updates},
    source::Source,
};
use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, request::Parts};
use std::{io::Write as _, sync::Arc};
use tokio::{sync::Semaphore, time::Instant};

const STYLE: &str = include_str!("assets/page.css");
const SCRIPT: &str = include_str!("assets/page.js");
const ICON: &str = include_str!("assets/icon.svg");

/// Nothing is loaded from elsewhere, nothing in the text of a page runs, and no other page may frame it (Content Security Policy Level 3).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const ALWAYS: [(HeaderName, HeaderValue); 5] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    // With "no-referrer", browsers send no origin with forms either.
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// Plans that are made at once: one takes a processor for a moment.
const PLANS: usize = 2;
/// Smaller answers are not compressed: that would save no packet.
const WORTH: usize = 1400;
/// Paths that are answered without a token: they are the same for everybody.
const OPEN: [&str; 3] = ["/page.css", "/page.js", "/icon.svg"];

/// What every request needs.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) camera: Arc<Camera>,
    pub(crate) live: Arc<Semaphore>,
    door: Arc<Door>,
    plans: Arc<Semaphore>,
    pub(crate) updates: Updates,
    pub(crate) began: Instant,
}

/// The page of a source.
pub(crate) fn router(source: Arc<dyn Source>, door: Arc<Door>, updates: Updates) -> Router {
    let camera = Arc::new(Camera::new(source));
    let (live, plans) = (Arc::new(Semaphore::new(live::MOST)), Arc::new(Semaphore::new(PLANS)));
    let site = Site { camera, live, door, plans, updates, began: Instant::now() };
    Router::new()
        .route("/live", get(live::follow))
        .route("/plan", get(plan).post(planned))
        .route("/data/v1/plan", post(planned_data))
        .route("/data/v1/{*what}", get(data_of))
        .route("/login", post(login))
        .route("/page.css", get(async || asset("text/css; charset=utf-8", STYLE)))
        .route("/page.js", get(async || asset("text/javascript; charset=utf-8", SCRIPT)))
        .route("/icon.svg", get(async || asset("image/svg+xml", ICON)))
        .fallback(get(page))
        .layer(from_fn_with_state(site.clone(), guarded))
        .with_state(site)
}

/// Lets through who may look; gives every answer its headers.
async fn guarded(State(site): State<Site>, request: Request, next: Next) -> Response {
    let zips = accepts_gzip(request.headers());
    let (head, body) = request.into_parts();
    let mut response = match admitted(&site, &head).await {
        Ok(None) => next.run(Request::from_parts(head, body)).await,
        Ok(Some(response)) => response,
        Err(why) => turned_away(&why),
    };
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, value);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if zips { zipped(response).await } else { response }
}

/// Whether a request may go on, or what answers it already.
async fn admitted(site: &Site, head: &Parts) -> Result<Option<Response>, Refused> {
    site.door.admit(&head.method, &head.headers)?;
    let path = head.uri.path();
    if OPEN.contains(&path) || path == "/login" {
        return Ok(None);
    }
    let query = form::pairs(head.uri.query().unwrap_or_default());
    if let Some(token) = form::value(&query, "token").filter(|_| head.method == Method::GET) {
        site.door.check(token).await?;
        let rest = query.iter().filter(|(name, _)| name != "token");
        let view = View::parse(path, Some(&form::text(rest)));
        let to = view.map_or_else(|| "/".to_owned(), |view| view.link().as_str().to_owned());
        return Ok(Some(kept(site, &head.headers, token, &to)));
    }
    site.door.open(&head.headers).await.map(|()| None)
}

/// Has the browser keep the token and go on.
fn kept(site: &Site, headers: &HeaderMap, token: &str, to: &str) -> Response {
    let cookie = site.door.keep(headers, token).and_then(|cookie| HeaderValue::from_str(&cookie).ok());
    match (cookie, HeaderValue::from_str(to)) {
        (Some(cookie), Ok(to)) => {
            (StatusCode::SEE_OTHER, [(header::SET_COOKIE, cookie), (header::LOCATION, to)]).into_response()
        }
        _ => turned_away(&Refused::WrongToken),
    }
}

fn turned_away(why: &Refused) -> Response {
    let (status, title, asks) = match why {
        Refused::Host(_) => (StatusCode::MISDIRECTED_REQUEST, "Another name", false),
        Refused::Origin => (StatusCode::FORBIDDEN, "Another page", false),
        Refused::NoToken => (StatusCode::UNAUTHORIZED, "Who is there?", true),
        Refused::WrongToken | Refused::NobodysToken => (StatusCode::UNAUTHORIZED, "Not this token", true),
        Refused::NotAllowed { .. } => (StatusCode::FORBIDDEN, "Not allowed", true),
        Refused::NotAnswered(_) => (StatusCode::SERVICE_UNAVAILABLE, "Try again", false),
    };
    let mut response = html(status, refused::page(title, &why.to_string(), asks));
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

async fn login(State(site): State<Site>, headers: HeaderMap, body: Body) -> Response {
    let Ok(body) = to_bytes(body, SMALL).await else { return turned_away(&Refused::NoToken) };
    let fields = form::pairs(&String::from_utf8_lossy(&body));
    let token = form::value(&fields, "token").unwrap_or_default().trim();
    match site.door.check(token).await {
        Ok(()) => kept(&site, &headers, token, "/"),
        Err(why) => turned_away(&why),
    }
}

/// Bytes of a form with a token.
const SMALL: usize = 32 << 10;

async fn page(State(site): State<Site>, uri: Uri) -> Response {
    let picture = site.camera.look();
    let view = View::parse(uri.path(), uri.query());
    match view.and_then(|view| picture.page(&view)) {
        Some(page) => {
            let number = format!("data-picture=\"{}\"", picture.number);
            text("text/html; charset=utf-8", page.text.replacen("data-picture=\"\"", &number, 1))
        }
        None => html(StatusCode::NOT_FOUND, refused::page("Not here", &format!("There is no {}.", uri.path()), false)),
    }
}

async fn plan(State(site): State<Site>) -> Response {
    html(StatusCode::OK, pages::plan::page(&site.camera.look(), site.updates.0.is_some(), None))
}

/// What came of a plan that was asked for, and the picture at that time.
async fn asked(site: &Site, body: Body) -> Result<(Arc<Picture>, Answer), Response> {
    let say = |status, why: &str| html(status, refused::page("No plan", why, false));
    let too_long = "More than 4 MiB were sent. A cluster takes no object of that size.";
    let body = to_bytes(body, LARGEST).await.map_err(|_| say(StatusCode::PAYLOAD_TOO_LARGE, too_long))?;
    let busy = "Other plans are being made. Try again in a moment.";
    let place = site.plans.clone().try_acquire_owned().map_err(|_| say(StatusCode::SERVICE_UNAVAILABLE, busy))?;
    let source = site.camera.source();
    let everything = source.everything().await.map_err(|why| say(StatusCode::SERVICE_UNAVAILABLE, &why))?;
    let (form, now) = (String::from_utf8_lossy(&body).into_owned(), source.now());
    let updates = site.updates.clone();
    let answer = tokio::task::spawn_blocking(move || {
        let _place = place;
        planning::answer(&form, everything, &updates, now)
    });
    let answer = answer.await.map_err(|error| say(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()))?;
    Ok((site.camera.look(), answer))
}

async fn planned(State(site): State<Site>, body: Body) -> Response {
    match asked(&site, body).await {
        Ok((picture, answer)) => {
            html(StatusCode::OK, pages::plan::page(&picture, site.updates.0.is_some(), Some(&answer)))
        }
        Err(response) => response,
    }
}

async fn planned_data(State(site): State<Site>, body: Body) -> Response {
    match asked(&site, body).await.map(|(_, answer)| answer.plan) {
        Ok(Ok(plan)) => json(&weir_rules::plan::data(&plan)),
        Ok(Err(why)) => (StatusCode::UNPROCESSABLE_ENTITY, json(&serde_json::json!({ "error": why }))).into_response(),
        Err(response) => response,
    }
}

async fn data_of(State(site): State<Site>, uri: Uri) -> Response {
    let what = uri.path().strip_prefix("/data/v1/").unwrap_or_default();
    match data::data(&site.camera.look(), what, uri.query()) {
        Some(value) => json(&value),
        None => {
            (StatusCode::NOT_FOUND, json(&serde_json::json!({"error": format!("there is no {what}")}))).into_response()
        }
    }
}

fn json(value: &serde_json::Value) -> Response {
    text("application/json", value.to_string())
}

fn html(status: StatusCode, page: Rendered) -> Response {
    (status, text("text/html; charset=utf-8", page.text)).into_response()
}

fn text(type_: &'static str, text: String) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(type_))], text).into_response()
}

/// What changes only with the program.
fn asset(type_: &'static str, text: &'static str) -> Response {
    let keep = HeaderValue::from_static("no-cache");
    ([(header::CONTENT_TYPE, HeaderValue::from_static(type_)), (header::CACHE_CONTROL, keep)], text).into_response()
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|coding| coding.trim().split(';').next() == Some("gzip"))
}

/// Compresses an answer that is complete; updates are sent as they come.
async fn zipped(response: Response) -> Response {
    use http_body_util::BodyExt as _;
    use hyper::body::Body as _;
    let (mut head, body) = response.into_parts();
    let Some(length) = body.size_hint().exact().filter(|length| *length >= WORTH as u64) else {
        return Response::from_parts(head, body);
    };
    let Ok(whole) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut encoder =
        GzEncoder::new(Vec::with_capacity(usize::try_from(length / 4).unwrap_or_default()), Compression::fast());
    // Writing into a Vec cannot fail.
    let packed = encoder.write_all(&whole).and_then(|()| encoder.finish());
    let Ok(packed) = packed else { return Response::from_parts(head, Body::from(whole)) };
    head.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    head.headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, Body::from(Bytes::from(packed)))
}
