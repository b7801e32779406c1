//! What a hostile registry can send to the real client: each time one error that names the image and the rule, and never a
//! credential, in the error or in the log.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use weir_api::Class;
use weir_images::{Authfile, Digest, Error, Fault, Images, Patience, Registries, Source};
use weir_testkit::http::{Answer, Request, Server};

const SECRET: &str = "hunter2";
const LIST: &str = "/release-manifests/image-references";

/// What the registry holds.
#[derive(Clone, Default)]
struct Held {
    manifest: Vec<u8>,
    blobs: Vec<(Digest, Vec<u8>)>,
}

impl Held {
    /// A release image with this list of images, to be spoiled.
    fn release(list: &[u8]) -> Self {
        Self::with(br#"{"config":{"Labels":{"io.openshift.release":"5.0.0"}}}"#, &layer(&[(LIST, list)]))
    }

    fn with(config: &[u8], layer: &[u8]) -> Self {
        let manifest = json!({"schemaVersion": 2, "config": described(config), "layers": [described(layer)]});
        let blobs = [config, layer].map(|bytes| (Digest::of(bytes), bytes.to_vec()));
        Self { manifest: manifest.to_string().into_bytes(), blobs: blobs.into() }
    }

    fn changed(mut self, change: impl FnOnce(&mut Value)) -> Self {
        let mut manifest: Value = serde_json::from_slice(&self.manifest).unwrap();
        change(&mut manifest);
        self.manifest = manifest.to_string().into_bytes();
        self
    }

    fn answer(&self, request: &Request) -> Answer {
        let ok = |bytes: &[u8]| Answer::Text(200, vec![], Bytes::copy_from_slice(bytes));
        let Some((_, name)) = request.path.split_once("/blobs/") else { return ok(&self.manifest) };
        let blob = self.blobs.iter().find(|(digest, _)| digest.as_str() == name);
        blob.map_or_else(|| Answer::Text(404, vec![], Bytes::new()), |(_, bytes)| ok(bytes))
    }
}

fn described(bytes: &[u8]) -> Value {
    json!({"mediaType": "", "digest": Digest::of(bytes).as_str(), "size": bytes.len()})
}

/// A layer whose names are written as they are, also those that leave the root.
fn layer(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        archive.append(&header, *content).unwrap();
    }
    archive.into_inner().unwrap()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn list(tags: usize) -> Vec<u8> {
    let tags: Vec<Value> = (0..tags).map(|tag| json!({"name": tag.to_string()})).collect();
    let list = json!({"kind": "ImageStream", "apiVersion": "image.openshift.io/v1", "spec": {"tags": tags}});
    list.to_string().into_bytes()
}

/// Everything that is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Reads the release and the log of it, with credentials for the server; checks what holds for every error.
async fn refused(name: &str, server: &Server) -> Error {
    let log = Log::default();
    let writer = log.clone();
    let logging = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone());
    let _guard = tracing::subscriber::set_default(logging.finish());
    let authfile =
        format!("{{\"auths\":{{\"{}\":{{\"username\":\"weir\",\"password\":\"{SECRET}\"}}}}}}", server.host());
    let registries = format!("[[registry]]\nlocation = \"{}\"\ninsecure = true\n", server.host());
    let images = Images::new(Source {
        authfile: Authfile::parse(authfile.as_bytes()).unwrap(),
        registries: Registries::parse(&registries).unwrap(),
        patience: Patience { pause: Duration::ZERO, retry: Duration::ZERO, total: Duration::from_secs(60) },
        ..Source::default()
    });
    let image = format!("{}/a/b:1", server.host());
    let error = images.release(&image).await.map(|_| name).unwrap_err();
    let said = format!("{error} {error:?} {}", String::from_utf8_lossy(&log.0.lock().unwrap()));
    // Base64 of weir:hunter2, as it is sent.
    for secret in [SECRET, "d2VpcjpodW50ZXIy"] {
        assert!(!said.contains(secret), "{name}: {said}");
    }
    assert!(error.to_string().starts_with(&format!("image {image}: ")), "{name}: {error}");
    assert!(error.to_string().len() < 2000, "{name}: {error}");
    error
}

#[tokio::test]
async fn content_that_is_not_what_it_should_be() {
    let good = list(3);
    let other = Digest::of(b"something else");
    let many = vec![json!({"digest": other.as_str(), "size": 1}); 501];
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let bomb = gzipped(&layer(&[(LIST, &vec![b' '; 17 << 20])]));
    let huge_label = format!(r#"{{"config":{{"Labels":{{"a":"{}"}}}}}}"#, "x".repeat(5 << 20));
    let lying_size = |size: Value| Held::release(&good).changed(|m| m["layers"][0]["size"] = size);
    let swapped = |at: usize| {
        let mut held = Held::release(&good);
        held.blobs[at].1[0] ^= 1;
        held
    };
    for (name, held, rule) in [
        ("config with another digest", swapped(0), "digest mismatch"),
        ("layer with another digest", swapped(1), "digest mismatch"),
        ("100,000 tags", Held::release(&list(100_000)), "it has 100000 tags, at most 10000 are accepted"),
        ("a file that unpacks to too much", Held::with(b"{}", &bomb), "is larger than 16777216 bytes"),
        ("names that leave the root", Held::with(b"{}", &layer(&[(&format!("..{LIST}"), &good)])), "it has no file"),
        (
            "huge labels",
            Held::with(huge_label.as_bytes(), &layer(&[(LIST, &good)])),
            "the image config is broken: it is larger than",
        ),
        (
            "labels that are no UTF-8",
            Held::with(b"{\"config\":{\"Labels\":{\"a\":\"\xff\"}}}", &layer(&[(LIST, &good)])),
            "image config",
        ),
        (
            "labels that are no text",
            Held::with(br#"{"config":{"Labels":{"a":1}}}"#, &layer(&[(LIST, &good)])),
            "image config",
        ),
        ("a list that is no UTF-8", Held::release(b"{\"kind\":\"\xff\"}"), "image-references is broken"),
        ("a list without end of brackets", Held::release(deep.as_bytes()), "image-references is broken"),
        ("no list at all", Held::release(b""), "it has no file"),
        ("501 layers", Held::release(&good).changed(|m| m["layers"] = json!(many)), "more than 500 layers"),
        ("a layer of negative size", lying_size(json!(-1)), "the manifest is broken"),
        ("a layer longer than it says", lying_size(json!(10)), "longer than the 10 bytes"),
        ("a digest that is none", Held::release(&good).changed(|m| m["config"]["digest"] = json!("md5:x")), "manifest"),
        (
            "brackets for a manifest",
            Held { manifest: deep.clone().into_bytes(), blobs: vec![] },
            "the manifest is broken",
        ),
        ("bytes for a manifest", Held { manifest: vec![0xff; 1000], blobs: vec![] }, "the manifest is broken"),
        ("nothing for a manifest", Held::default(), "the manifest is broken"),
    ] {
        let server = Server::start(move |request| held.answer(request)).await.unwrap();
        let error = refused(name, &server).await;
        assert!(error.to_string().contains(rule), "{name}: {error}");
        assert_ne!(error.class(), Class::Transient, "{name}: trying again cannot help: {error}");
    }
}

#[tokio::test]
async fn redirects_do_not_carry_credentials_away_nor_quote_theirs() {
    let thief = Server::start(|_| Answer::Text(404, vec![], Bytes::new())).await.unwrap();
    for target in ["http://THIEF/stolen", "http://user:hunter2@THIEF/x?token=hunter2", "//THIEF/x"] {
        let target = target.replace("THIEF", &thief.host());
        let server = Server::start(move |request: &Request| match request.header("authorization") {
            None => Answer::Text(401, vec![("www-authenticate", "Basic realm=\"x\"".to_owned())], Bytes::new()),
            Some(_) => Answer::Text(307, vec![("location", target.clone())], Bytes::new()),
        });
        refused("redirect", &server.await.unwrap()).await;
    }
    let stolen = thief.requests();
    // What a URL carries itself is its server's own; ours is never among it.
    let ours =
        |request: &Request| request.header("authorization").is_some_and(|value| value.contains("d2VpcjpodW50ZXIy"));
    assert!(!stolen.iter().any(ours), "{stolen:?}");
    for target in ["file:///etc/passwd", "ftp://a.io/x", "http://", "\u{1}"] {
        let location = target.to_owned();
        let answer = move |_: &Request| Answer::Text(302, vec![("location", location.clone())], Bytes::new());
        let server = Server::start(answer).await.unwrap();
        let error = refused(target, &server).await;
        assert!(
            matches!(error.fault(), Some(Fault::Malformed { .. } | Fault::Unreachable { .. })),
            "{target}: {error:?}"
        );
    }
}

#[tokio::test]
async fn whatever_stands_in_headers_and_errors() {
    let long = "x".repeat(60_000);
    for (name, status, headers, body) in [
        ("a long challenge", 401, vec![("www-authenticate", format!("Bearer realm=\"{long}\""))], String::new()),
        (
            "a realm of another scheme",
            401,
            vec![("www-authenticate", "Bearer realm=\"file:///etc\"".into())],
            String::new(),
        ),
        ("an error that quotes", 403, vec![], format!(r#"{{"errors":[{{"code":"DENIED","message":"{long}"}}]}}"#)),
        ("an error without end", 500, vec![], "[".repeat(100_000)),
        ("control characters", 404, vec![], r#"{"errors":[{"code":"A","message":"\u001b[31m\u0007"}]}"#.to_owned()),
        ("a pause of years", 429, vec![("retry-after", u64::MAX.to_string())], String::new()),
        ("a status of its own", 799, vec![], String::new()),
    ] {
        let body = Bytes::from(body);
        let server = Server::start(move |_| Answer::Text(status, headers.clone(), body.clone())).await.unwrap();
        let error = refused(name, &server).await.to_string();
        assert!(!error.contains(|c: char| c.is_control()), "{name}: {error:?}");
    }
}
