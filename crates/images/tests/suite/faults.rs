//! Against a scripted server in front of a real registry: what is survived, what is refused, and what is never sent.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use weir_api::Class;
use weir_distro::Profile;
use weir_images::authfile::BadEntry;
use weir_images::payload::{build, push};
use weir_images::release::{OPERATOR, TEMPLATES};
use weir_images::{Authfile, Cache, Error, Fault, Images, Patience, Registries, Release, Source};
use weir_testkit::http::{Answer, Request, Server};
use weir_testkit::{Options, Registry};

/// Impatient in pauses, patient in all: a test shall not fail because the machine is busy.
const PATIENCE: Patience =
    Patience { pause: Duration::from_millis(1), retry: Duration::from_secs(30), total: Duration::from_secs(60) };

fn insecure(host: &str) -> Source {
    let text = format!("[[registry]]\nlocation = \"{host}\"\ninsecure = true\n");
    Source { registries: Registries::parse(&text).unwrap(), patience: PATIENCE, ..Source::default() }
}

/// The release and the labels of its operating systems.
type Found = (Release, Vec<BTreeMap<String, String>>);

async fn discover(images: &Images, image: &str) -> Result<Found, Error> {
    let profile = Profile::by_name("ocp").unwrap();
    let release = images.release(image).await?;
    let os = release.tags.iter().filter(|tag| profile.payload.may_be_os(&tag.name, None));
    let os: Vec<String> = os.filter_map(|tag| tag.image.clone()).collect();
    let labels = images.labels_of(&os).await.into_iter().map(|read| read.map(|(labels, _)| labels));
    Ok((release, labels.collect::<Result<_, _>>()?))
}

/// Pushes the sample through a server without faults, under whose name it is then known.
async fn pushed(registry: &Registry, front: &str) -> String {
    let to = format!("{}/ocp/release", registry.host()).parse().unwrap();
    let layout = build(Profile::by_name("ocp").unwrap(), None, &[]).unwrap();
    let pushed = push(&Images::new(insecure(registry.host())), &layout, &to).await.unwrap();
    pushed.release.replace(registry.host(), front)
}

/// Names in the payload are those of the registry; they are read through the front as well.
fn through(registry: &Registry, front: &str) -> Source {
    let text = format!(
        "[[registry]]\nprefix = \"{}\"\nlocation = \"{front}\"\ninsecure = true\n[[registry]]\nlocation = \"{front}\"\n\
         insecure = true\n",
        registry.host()
    );
    Source { registries: Registries::parse(&text).unwrap(), patience: PATIENCE, ..Source::default() }
}

#[tokio::test]
async fn every_passing_fault_at_every_request_is_survived() {
    let Some(registry) = Registry::start(&Options::default()).unwrap() else { return };
    let upstream = registry.host().to_owned();
    let clean = Server::start(move |_| Answer::Forward(upstream.clone())).await.unwrap();
    let image = pushed(&registry, &clean.host()).await;
    let expected = discover(&Images::new(through(&registry, &clean.host())), &image).await.unwrap();
    let requests = clean.requests().len();
    // Manifest and list of the release; manifest and config of each image.
    assert_eq!(requests, 2 + 2 * expected.1.len(), "{:?}", clean.requests());

    type Make = fn(String) -> Answer;
    let status = |status: u16| Answer::Text(status, vec![("retry-after", "0".to_owned())], Bytes::new());
    let faults: [(&str, Make); 6] = [
        ("429", |_| Answer::Text(429, vec![("retry-after", "0".to_owned())], Bytes::new())),
        ("500", |_| Answer::Text(500, vec![], Bytes::from_static(b"<html>"))),
        ("503", |_| Answer::Text(503, vec![], Bytes::from_static(b"{\"errors\":[{\"code\":\"UNAVAILABLE\"}]}"))),
        ("dropped", |_| Answer::Dropped),
        ("truncated at once", |to| Answer::Truncated(to, 0)),
        ("truncated", |to| Answer::Truncated(to, 100)),
    ];
    for (name, fault) in faults {
        for at in 0..requests {
            let upstream = registry.host().to_owned();
            let script = move |request: &Request| {
                if request.number == at { fault(upstream.clone()) } else { Answer::Forward(upstream.clone()) }
            };
            let server = Server::start(script).await.unwrap();
            let image = image.replace(&clean.host(), &server.host());
            let found = discover(&Images::new(through(&registry, &server.host())), &image).await;
            let found = found.unwrap_or_else(|error| panic!("{name} at request {at}: {error}"));
            assert_eq!(found.1, expected.1, "{name} at request {at}");
            assert_eq!(found.0.tags, expected.0.tags);
        }
    }
    // And when it does not pass, the error says that it may.
    let server = Server::start(move |_| status(503)).await.unwrap();
    let hasty = Patience { retry: Duration::from_millis(20), ..PATIENCE };
    let source = Source { patience: hasty, ..through(&registry, &server.host()) };
    let error = discover(&Images::new(source), &image.replace(&clean.host(), &server.host())).await.unwrap_err();
    assert_eq!(error.class(), Class::Transient);
    assert!(server.requests().len() > 1 && error.to_string().contains("503"), "{error}");
}

#[tokio::test]
async fn four_round_trips_and_none_once_it_is_known() {
    let Some(registry) = Registry::start(&Options::default()).unwrap() else { return };
    let upstream = registry.host().to_owned();
    let slow = move |_: &Request| Answer::Delayed(upstream.clone(), Duration::from_millis(150));
    let server = Server::start(slow).await.unwrap();
    let image = pushed(&registry, &server.host()).await;
    let folder = tempfile::tempdir().unwrap();
    let cached = || Some(Arc::new(Cache::open(folder.path(), jiff::Timestamp::now)));
    let source = Source { cache: cached(), ..through(&registry, &server.host()) };
    let found = discover(&Images::new(source), &image).await.unwrap();
    assert!(server.round_trips() <= 4, "{} round trips", server.round_trips());
    let asked = server.requests().len();
    // Another process, later.
    let source = Source { cache: cached(), ..through(&registry, &server.host()) };
    assert_eq!(discover(&Images::new(source), &image).await.unwrap(), found);
    assert_eq!(server.requests().len(), asked);
}

#[tokio::test]
async fn templates_take_two_round_trips_and_none_once_they_are_known() {
    let Some(registry) = Registry::start(&Options::default()).unwrap() else { return };
    let upstream = registry.host().to_owned();
    let slow = move |_: &Request| Answer::Delayed(upstream.clone(), Duration::from_millis(150));
    let server = Server::start(slow).await.unwrap();
    let image = pushed(&registry, &server.host()).await;
    let folder = tempfile::tempdir().unwrap();
    let cached = || Some(Arc::new(Cache::open(folder.path(), jiff::Timestamp::now)));
    let source = || Source { cache: cached(), ..through(&registry, &server.host()) };
    let images = Images::new(source());
    let release = images.release(&image).await.unwrap();
    let operator = release.image_of(OPERATOR).unwrap();
    let before = server.round_trips();
    let found = images.folder(operator, TEMPLATES, 1 << 20).await.unwrap().unwrap();
    assert!(found.files.len() > 20, "{:?}", found.files.keys());
    // Its manifest, then all layers at once.
    assert!(server.round_trips() - before <= 2, "{} round trips", server.round_trips() - before);
    let asked = server.requests().len();
    // Another process, later; with less room it is told again that there is too much.
    let images = Images::new(source());
    assert_eq!(images.folder(operator, TEMPLATES, 1 << 20).await.unwrap(), Some(found));
    assert_eq!(server.requests().len(), asked);
    assert!(images.folder(operator, TEMPLATES, 100).await.unwrap_err().to_string().contains("larger than 100 bytes"));
    assert_eq!(images.folder(operator, "/etc/none", 100).await.unwrap(), None);
}

#[tokio::test]
async fn five_round_trips_with_tokens_once_the_token_server_is_known() {
    let Some(registry) = Registry::start(&Options::default()).unwrap() else { return };
    let upstream = registry.host().to_owned();
    let slow = move |request: &Request| match request.header("authorization") {
        _ if request.path.starts_with("/token") => json(200, GOOD),
        Some("Bearer good") => Answer::Delayed(upstream.clone(), Duration::from_millis(150)),
        _ => {
            let realm = format!("Bearer realm=\"http://{}/token\"", request.header("host").unwrap_or_default());
            Answer::Text(401, vec![("www-authenticate", realm)], Bytes::new())
        }
    };
    let server = Server::start(slow).await.unwrap();
    let image = pushed(&registry, &server.host()).await;
    let folder = tempfile::tempdir().unwrap();
    let mut before = 0;
    for expected in [6, 5] {
        // Nothing is known of the image, nor has anybody a token.
        let _ = std::fs::remove_file(folder.path().join(weir_images::cache::FILE_NAME));
        let cache = Some(Arc::new(Cache::open(folder.path(), jiff::Timestamp::now)));
        let source = Source { cache, ..through(&registry, &server.host()) };
        discover(&Images::new(source), &image).await.unwrap();
        let all = server.round_trips();
        assert!(all - before <= expected, "{} round trips of at most {expected}", all - before);
        before = all;
    }
    let kept = std::fs::read_to_string(folder.path().join(weir_images::logins::FILE_NAME)).unwrap();
    assert!(kept.contains("/token") && !kept.contains("good"), "{kept}");
}

#[tokio::test]
async fn a_token_server_that_moved_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(with_tokens(REALM.to_owned(), |request| {
        json(if request.path.starts_with("/token?") { 200 } else { 404 }, GOOD)
    }));
    let server = server.await.unwrap();
    let cache = Cache::open(folder.path(), jiff::Timestamp::now);
    cache.logins().put(&server.host(), &format!("http://{}/token/old", server.host()), None, "a/b").unwrap();
    let source = Source { cache: Some(Arc::new(cache)), ..insecure(&server.host()) };
    let found = Images::new(source).labels(&format!("{}/a/b:1", server.host())).await.unwrap();
    assert_eq!(found, BTreeMap::from([("a".to_owned(), "b".to_owned())]));
}

#[tokio::test]
async fn tokens_for_what_was_read_before_are_asked_for_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(with_tokens(REALM.to_owned(), |_| json(200, GOOD))).await.unwrap();
    let tokens = || server.requests().iter().filter(|request| request.path.starts_with("/token")).count();
    for (ahead, after) in [(1, 2), (4, 4)] {
        let cache = Some(Arc::new(Cache::open(folder.path(), jiff::Timestamp::now)));
        let images = Images::new(Source { cache, ..insecure(&server.host()) });
        images.labels(&format!("{}/a/b:1", server.host())).await.unwrap();
        // Nobody has asked for the other repository yet.
        let seen = async {
            while tokens() < ahead {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE.total, seen).await.unwrap();
        images.labels(&format!("{}/c/d:1", server.host())).await.unwrap();
        assert_eq!(tokens(), after, "{:?}", server.requests());
    }
}

fn json(status: u16, body: &str) -> Answer {
    Answer::Text(status, vec![], Bytes::copy_from_slice(body.as_bytes()))
}

async fn labels(server: &Server, authfile: &str) -> Result<BTreeMap<String, String>, Error> {
    let authfile = Authfile::parse(authfile.replace("HOST", &server.host()).as_bytes()).unwrap();
    Images::new(Source { authfile, ..insecure(&server.host()) }).labels(&format!("{}/a/b:1", server.host())).await
}

#[tokio::test]
async fn what_is_settled_is_asked_once() {
    for (status, body) in [
        (401, ""),
        (403, r#"{"errors":[{"code":"DENIED","message":"no"}]}"#),
        (404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#),
        (400, r#"{"errors":[{"code":"NAME_INVALID"}]}"#),
        (400, ""),
        (405, ""),
        (200, "no JSON"),
        (200, r#"{"schemaVersion":1}"#),
    ] {
        let server = Server::start(move |_| json(status, body)).await.unwrap();
        let error = labels(&server, "{}").await.unwrap_err();
        assert_eq!(error.class(), Class::Permanent, "{status} {body}: {error}");
        assert_eq!(server.requests().len(), 1, "{status} {body}");
    }
}

#[tokio::test]
async fn what_has_no_end_is_cut_off() {
    let server = Server::start(|_| Answer::Endless).await.unwrap();
    let error = labels(&server, "{}").await.unwrap_err();
    assert!(matches!(error.fault(), Some(Fault::TooLarge { .. })), "{error:?}");

    let config = format!("{{\"mediaType\":\"\",\"digest\":\"sha256:{}\",\"size\":10}}", "0".repeat(64));
    let manifest = format!("{{\"schemaVersion\":2,\"config\":{config},\"layers\":[]}}");
    let script =
        move |request: &Request| if request.path.contains("blobs") { Answer::Endless } else { json(200, &manifest) };
    let server = Server::start(script).await.unwrap();
    let error = labels(&server, "{}").await.unwrap_err();
    assert!(error.to_string().contains("longer than the 10 bytes"), "{error}");

    let forever = Server::start(|request: &Request| {
        Answer::Text(307, vec![("location", format!("{}x", request.path))], Bytes::new())
    });
    let error = labels(&forever.await.unwrap(), "{}").await.unwrap_err();
    assert!(error.to_string().contains("redirect"), "{error}");
}

#[tokio::test]
async fn an_index_of_indexes_is_refused() {
    let entry = format!("{{\"digest\":\"sha256:{}\",\"size\":10}}", "0".repeat(64));
    let index = format!("{{\"schemaVersion\":2,\"manifests\":[{entry}]}}");
    let digest = weir_images::Digest::of(index.as_bytes());
    let top = index.replace(&"0".repeat(64), digest.hex());
    let script = move |request: &Request| json(200, if request.path.ends_with("/1") { &top } else { &index });
    let server = Server::start(script).await.unwrap();
    let error = labels(&server, "{}").await.unwrap_err();
    assert!(error.to_string().contains("another index"), "{error}");
}

#[tokio::test]
async fn a_proxy_is_used_unless_it_is_told_not_to() {
    let Some(registry) = Registry::start(&Options::default()).unwrap() else { return };
    let upstream = registry.host().to_owned();
    let proxy = Server::start(move |request: &Request| match request.method.as_str() {
        // The registry has no TLS, so there is nothing to tunnel to.
        "CONNECT" => json(502, ""),
        _ => Answer::Forward(upstream.clone()),
    });
    let proxy = proxy.await.unwrap();
    let image = pushed(&registry, "registry.example.com").await;
    let with = |except: &str| {
        let proxy = weir_images::Proxy::new(&proxy.host(), "", except).unwrap();
        let hasty = Patience { retry: Duration::ZERO, ..PATIENCE };
        Images::new(Source { proxy, patience: hasty, ..insecure("registry.example.com") })
    };
    with("other.example.com").release(&image).await.unwrap();
    let asked = proxy.requests().len();
    assert!(asked > 0);
    with(".example.com").release(&image).await.unwrap_err();
    assert_eq!(proxy.requests().len(), asked);
}

#[tokio::test]
async fn what_an_insecure_registry_says_in_the_clear_is_shown() {
    for (body, said) in [
        ("<html>", "the registry answers 400"),
        (r#"{"errors":[{"code":"NAME_INVALID","message":"no"}]}"#, "the registry answers 400 (NAME_INVALID no)"),
    ] {
        let server = Server::start(move |_| json(400, body)).await.unwrap();
        let error = labels(&server, "{}").await.unwrap_err();
        let text = error.to_string();
        // It is named insecure already, and of a lack of TLS nobody complained.
        assert!(text.ends_with(said) && !text.contains("TLS"), "{text}");
        assert_eq!(error.class(), Class::Permanent, "{text}");
    }
    // One cause is said once.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let hasty = Patience { retry: Duration::ZERO, ..PATIENCE };
    let images = Images::new(Source { patience: hasty, ..insecure(&nobody.to_string()) });
    let text = images.labels(&format!("{nobody}/a/b:1")).await.unwrap_err().to_string();
    assert_eq!(text.matches("refused").count(), 1, "{text}");
}

#[tokio::test]
async fn a_login_that_makes_no_sense_matters_to_its_registry_alone() {
    let elsewhere = r#"{"auths":{"foo.example.com":{"auth":"<token>"}}}"#;
    let here = r#"{"auths":{"HOST/a":{"auth":"<token>"},"HOST":{"username":"u","password":"p"}}}"#;
    let open = with_tokens(REALM.to_owned(), |_| json(200, GOOD));
    let server = Server::start(open).await.unwrap();
    labels(&server, elsewhere).await.unwrap();
    let error = labels(&server, here).await.unwrap_err();
    let entry = format!("{}/a", server.host());
    assert_eq!(error.fault(), Some(&Fault::Login { entry: entry.clone(), why: BadEntry::Base64 }));
    assert!(error.to_string().contains(&entry) && !error.to_string().contains("<token>"), "{error}");
    // Nobody asks for a login here.
    let (config, manifest) = image();
    let server =
        Server::start(move |request| json(200, if request.path.contains("blobs") { config } else { &manifest }));
    labels(&server.await.unwrap(), here).await.unwrap();
}

const BASIC: &str = r#"{"auths":{"HOST":{"username":"weir","password":"hunter2"}}}"#;

#[tokio::test]
async fn credentials_stay_with_their_registry() {
    let thief = Server::start(|_| json(404, "")).await.unwrap();
    let target = format!("http://{}/stolen", thief.host());
    let script = move |request: &Request| match request.header("authorization") {
        None => Answer::Text(401, vec![("www-authenticate", "Basic realm=\"x\"".to_owned())], Bytes::new()),
        Some(_) => Answer::Text(307, vec![("location", target.clone())], Bytes::new()),
    };
    let server = Server::start(script).await.unwrap();
    let error = labels(&server, BASIC).await.unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
    let seen = thief.requests();
    assert!(seen.is_empty() || seen.iter().all(|request| request.header("authorization").is_none()), "{seen:?}");
    assert_eq!(server.requests().len(), 2);
}

/// Config and manifest of an image with one label.
fn image() -> (&'static str, String) {
    let config = r#"{"config":{"Labels":{"a":"b"}}}"#;
    let digest = weir_images::Digest::of(config.as_bytes());
    let size = config.len();
    let described = format!("{{\"digest\":\"{digest}\",\"size\":{size}}}");
    (config, format!("{{\"schemaVersion\":2,\"config\":{described},\"layers\":[]}}"))
}

/// A registry with token login in front of an image with one label; tokens are `good` while they last.
fn with_tokens(
    realm: String,
    token: impl Fn(&Request) -> Answer + Send + Sync + 'static,
) -> impl Fn(&Request) -> Answer {
    let (config, manifest) = image();
    move |request| {
        if request.path.starts_with("/token") {
            return token(request);
        }
        if request.header("authorization") != Some("Bearer good") {
            // The registry's own address is not known before it runs; it is in the Host header.
            let host = request.header("host").unwrap_or_default();
            let realm = realm.replace("HOST", host);
            let challenge = format!("Bearer realm=\"{realm}\",service=\"reg\",scope=\"repository:a/b:pull\"");
            return Answer::Text(401, vec![("www-authenticate", challenge)], Bytes::new());
        }
        json(200, if request.path.contains("blobs") { config } else { &manifest })
    }
}

const REALM: &str = "http://HOST/token";
const GOOD: &str = r#"{"token":"good","expires_in":300}"#;

#[tokio::test]
async fn tokens_for_everybody_for_users_and_for_identity_tokens() {
    let identity = r#"{"auths":{"HOST":{"identitytoken":"refresh me"}}}"#;
    let registry_token = r#"{"auths":{"HOST":{"registrytoken":"good"}}}"#;
    for (authfile, method, asked) in
        [("{}", "GET", 1), (BASIC, "GET", 1), (identity, "POST", 1), (registry_token, "", 0)]
    {
        let server = Server::start(with_tokens(REALM.to_owned(), |request| {
            let body = std::str::from_utf8(&request.body).unwrap();
            let scope = format!("{}&{body}", request.path);
            assert!(scope.contains("scope=repository%3Aa%2Fb%3Apull") && scope.contains("service=reg"), "{scope}");
            match request.method.as_str() {
                "POST" => assert!(body.contains("refresh_token=refresh+me") && !request.path.contains("refresh")),
                _ => assert!(request.header("authorization").is_none_or(|value| value.starts_with("Basic "))),
            }
            json(200, GOOD)
        }));
        let server = server.await.unwrap();
        assert_eq!(labels(&server, authfile).await.unwrap(), BTreeMap::from([("a".to_owned(), "b".to_owned())]));
        let tokens: Vec<Request> = server.requests().into_iter().filter(|r| r.path.starts_with("/token")).collect();
        assert_eq!(tokens.len(), asked, "{authfile}");
        assert!(tokens.iter().all(|request| request.method == method));
        assert_eq!(tokens.iter().any(|r| r.header("authorization").is_some()), authfile == BASIC);
        assert_eq!(server.requests().len(), if asked == 1 { 4 } else { 3 });
    }
}

/// The credentials of [`BASIC`], as they are sent.
fn is_shown_credentials(request: &Request) -> bool {
    request.header("authorization") == Some("Basic d2VpcjpodW50ZXIy")
}

#[tokio::test]
async fn credentials_go_to_another_host_only_with_tls_or_when_it_is_named() {
    let others = Server::start(|_| json(200, GOOD)).await.unwrap();
    let elsewhere = format!("http://{}/token", others.host());
    let server = Server::start(with_tokens(elsewhere, |_| json(404, ""))).await.unwrap();
    let error = labels(&server, BASIC).await.unwrap_err();
    assert_eq!(error.fault(), Some(&Fault::Realm { host: others.host() }));
    assert!(error.to_string().contains(&others.host()), "{error}");
    let identity = r#"{"auths":{"HOST":{"identitytoken":"refresh me"}}}"#;
    assert!(matches!(labels(&server, identity).await.unwrap_err().fault(), Some(Fault::Realm { .. })));
    assert!(others.requests().is_empty(), "{:?}", others.requests());
    // What an earlier run remembers is no way around it.
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path(), jiff::Timestamp::now);
    cache.logins().put(&server.host(), &format!("http://{}/token", others.host()), None, "a/b").unwrap();
    let authfile = Authfile::parse(BASIC.replace("HOST", &server.host()).as_bytes()).unwrap();
    let image = format!("{}/a/b:1", server.host());
    let source = Source { authfile: authfile.clone(), cache: Some(Arc::new(cache)), ..insecure(&server.host()) };
    Images::new(source).labels(&image).await.unwrap_err();
    assert!(others.requests().is_empty(), "{:?}", others.requests());
    // Whoever has nothing to lose may ask there, and the host may be named.
    labels(&server, "{}").await.unwrap();
    assert!(!others.requests().iter().any(is_shown_credentials));
    let mut source = Source { authfile, ..insecure(&server.host()) };
    source.registries.add(insecure(&others.host()).registries);
    Images::new(source).labels(&image).await.unwrap();
    assert!(others.requests().iter().any(is_shown_credentials));
}

#[tokio::test]
async fn a_redirect_of_the_token_server_is_followed_without_credentials() {
    let others = Server::start(|_| json(200, GOOD)).await.unwrap();
    for (target, shown) in [("/token/new".to_owned(), true), (format!("http://{}/token", others.host()), false)] {
        let location = target.clone();
        let server = Server::start(with_tokens(REALM.to_owned(), move |request| {
            let moved = || Answer::Text(307, vec![("location", location.clone())], Bytes::new());
            if request.path == "/token/new" { json(200, GOOD) } else { moved() }
        }));
        let server = server.await.unwrap();
        labels(&server, BASIC).await.unwrap();
        let new = |request: &Request| request.path == "/token/new";
        assert_eq!(server.requests().iter().any(|request| new(request) && is_shown_credentials(request)), shown);
        assert!(!others.requests().iter().any(is_shown_credentials), "{target}");
        assert_eq!(others.requests().is_empty(), shown, "{target}");
        // A refresh token is in the body, and is sent nowhere else.
        let error = labels(&server, r#"{"auths":{"HOST":{"identitytoken":"refresh me"}}}"#).await.unwrap_err();
        assert!(error.to_string().contains("the token server") && error.to_string().contains("answers 307"), "{error}");
        assert!(others.requests().iter().all(|request| request.body.is_empty()));
    }
}

#[tokio::test]
async fn who_failed_is_named() {
    let others = Server::start(|_| json(403, "")).await.unwrap();
    let target = format!("http://{}/blob", others.host());
    let (_, manifest) = image();
    let server = Server::start(move |request| match request.path.contains("blobs") {
        true => Answer::Text(307, vec![("location", target.clone())], Bytes::new()),
        false => json(200, &manifest),
    });
    let text = labels(&server.await.unwrap(), "{}").await.unwrap_err().to_string();
    assert!(text.contains(&format!("{}, which the registry refers to, answers 403", others.host())), "{text}");
    let server = Server::start(with_tokens(REALM.to_owned(), |_| json(404, ""))).await.unwrap();
    let text = labels(&server, "{}").await.unwrap_err().to_string();
    assert!(text.contains(&format!("the token server {} answers 404", server.host())), "{text}");
}

#[tokio::test]
async fn a_token_is_kept_and_replaced_when_it_is_refused() {
    let server = Server::start(with_tokens(REALM.to_owned(), |request| {
        json(200, if request.number < 3 { r#"{"access_token":"stale","expires_in":300}"# } else { GOOD })
    }));
    let server = server.await.unwrap();
    let images = Images::new(insecure(&server.host()));
    let image = format!("{}/a/b:1", server.host());
    let error = images.labels(&image).await.unwrap_err();
    assert_eq!(error.fault(), Some(&Fault::Unauthorized { given: false }), "a stale token is no reason to go on");
    for _ in 0..3 {
        images.labels(&image).await.unwrap();
    }
    let tokens = server.requests().iter().filter(|request| request.path.starts_with("/token")).count();
    assert_eq!(tokens, 2, "{:?}", server.requests());
}

#[tokio::test]
async fn what_a_token_server_can_do_wrong() {
    let refused = Fault::Unauthorized { given: true };
    for (realm, answer, part) in [
        (REALM, json(401, ""), "refuses the credentials"),
        (REALM, json(403, ""), "refuses the credentials"),
        (REALM, json(200, "hunter2"), "its answer is no token"),
        (REALM, json(200, "{}"), "holds no token"),
        (REALM, json(200, r#"{"token":"bad"}"#), "refuses the credentials"),
        (REALM, json(200, r#"{"token":"\n"}"#), "characters"),
        (REALM, Answer::Endless, "larger than"),
        ("no URL", json(200, GOOD), "token server"),
    ] {
        let server = Server::start(with_tokens(realm.to_owned(), move |_| answer.clone())).await.unwrap();
        let error = labels(&server, BASIC).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(part) && !text.contains("hunter2"), "{text}");
        assert_eq!(error.class(), Class::Permanent, "{text}");
        assert_eq!(error.fault() == Some(&refused), part.contains("refuses"), "{text}");
    }
}
