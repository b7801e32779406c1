//! The conformance cases of the OCI distribution specification, in its order: pull, push, content discovery, content
//! management; then what goes wrong.
//!
//! Source: the folder `conformance` of <https://github.com/opencontainers/distribution-spec>.

use crate::place::{MANIFEST, Place, image};
use http::{Method, Request, StatusCode};
use serde_json::json;
use weir_images::Digest;

const NOTHING: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

#[tokio::test]
async fn nobody_gets_in_without_the_login() {
    let place = Place::new();
    for path in ["/v2/", "/v2/a/tags/list", "/nothing"] {
        let request = Request::get(path).body(http_body_util::Empty::new()).unwrap();
        let answer = place.registry.answer(request).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert!(answer.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic "));
    }
    let root = place.get("/v2/").await;
    assert_eq!(root.is(200).header("docker-distribution-api-version"), "registry/2.0");
}

#[tokio::test]
async fn pull_blobs() {
    let place = Place::new();
    let content = (0..200_000u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>();
    let digest = place.blob(&content).await;
    let path = format!("/v2/a/blobs/{digest}");
    for missing in [format!("/v2/a/blobs/{NOTHING}"), format!("/v2/a/manifests/{NOTHING}"), "/v2/a/manifests/x".into()]
    {
        let code = if missing.contains("blobs") { "BLOB_UNKNOWN" } else { "MANIFEST_UNKNOWN" };
        place.get(&missing).await.refused(404, code);
        let head = place.ask((Method::HEAD, &missing, &[]), "").await;
        assert!(head.is(404).body.is_empty());
    }
    let head = place.ask((Method::HEAD, &path, &[]), "").await;
    assert_eq!((head.is(200).header("content-length"), head.body.len()), ("800000", 0));
    let all = place.get(&path).await;
    assert_eq!((all.is(200).body.as_ref(), all.header("docker-content-digest")), (content.as_slice(), digest.as_str()));
    for (range, part, said) in [
        ("bytes=0-9", 0..10, "bytes 0-9/800000"),
        ("bytes=5-99999", 5..100_000, "bytes 5-99999/800000"),
        ("bytes=799990-", 799_990..800_000, "bytes 799990-799999/800000"),
        ("bytes=-3", 799_997..800_000, "bytes 799997-799999/800000"),
    ] {
        let got = place.ask((Method::GET, &path, &[("range", range)]), "").await;
        assert_eq!((got.is(206).body.as_ref(), got.header("content-range")), (&content[part], said), "{range}");
    }
    place.ask((Method::GET, &path, &[("range", "bytes=800000-")]), "").await.refused(416, "SIZE_INVALID");
}

#[tokio::test]
async fn pull_manifests() {
    let place = Place::new();
    let (pushed, manifest) = place.image("a/b", "v1", b"layer").await;
    let digest = pushed.is(201).header("docker-content-digest").to_owned();
    for reference in ["v1", &digest] {
        let path = format!("/v2/a/b/manifests/{reference}");
        let got = place.get(&path).await;
        assert_eq!(got.is(200).text(), manifest.to_string());
        assert_eq!((got.header("content-type"), got.header("docker-content-digest")), (MANIFEST, digest.as_str()));
        let head = place.ask((Method::HEAD, &path, &[]), "").await;
        assert_eq!((head.is(200).body.len(), head.header("content-length")), (0, got.body.len().to_string().as_str()));
    }
    // Another repository has it not.
    place.get(&format!("/v2/other/manifests/{digest}")).await.refused(404, "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn push_a_blob_at_once() {
    let place = Place::new();
    let digest = Digest::of(b"whole");
    // POST, then PUT with all of it.
    let begun = place.ask((Method::POST, "/v2/a/blobs/uploads/", &[]), "").await;
    let location = begun.is(202).header("location").to_owned();
    let put = place.ask((Method::PUT, &format!("{location}?digest={digest}"), &[]), "whole").await;
    assert_eq!(put.is(201).header("location"), format!("/v2/a/blobs/{digest}"));
    assert_eq!(place.get(put.header("location")).await.text(), "whole");
    // POST with all of it; a second time it is there already.
    for _ in 0..2 {
        let path = format!("/v2/a/blobs/uploads/?digest={}", Digest::of(b"single").as_str().replace(':', "%3A"));
        place.ask((Method::POST, &path, &[]), "single").await.is(201);
    }
    let empty = place.blob(b"").await;
    assert_eq!(place.get(&format!("/v2/a/blobs/{empty}")).await.is(200).body.len(), 0);
    assert_eq!(place.unfinished(), 0);
}

#[tokio::test]
async fn push_a_blob_in_chunks() {
    let place = Place::new();
    let digest = Digest::of(b"onetwothree");
    let location = place.ask((Method::POST, "/v2/a/blobs/uploads/", &[]), "").await.header("location").to_owned();
    let patch = |range: &'static str, chunk: &'static str| {
        let (place, location) = (&place, location.clone());
        async move { place.ask((Method::PATCH, &location, &[("content-range", range)]), chunk).await }
    };
    let first = patch("0-2", "one").await;
    assert_eq!((first.is(202).header("range"), first.header("location")), ("0-2", location.as_str()));
    // Out of order, and again what came already: the upload stays where it is.
    for range in ["6-10", "0-2", "nonsense"] {
        assert_eq!(patch(range, "three").await.is(416).header("range"), "0-2", "{range}");
    }
    let state = place.get(&location).await;
    assert_eq!((state.is(204).header("range"), state.header("location")), ("0-2", location.as_str()));
    patch("3-5", "two").await.is(202);
    let last = format!("{location}?digest={digest}");
    place.ask((Method::PUT, &last, &[("content-range", "9-10")]), "ee").await.is(416);
    place.ask((Method::PUT, &last, &[("content-range", "6-10")]), "three").await.is(201);
    assert_eq!(place.get(&format!("/v2/a/blobs/{digest}")).await.text(), "onetwothree");
    place.get(&location).await.refused(404, "BLOB_UPLOAD_UNKNOWN");
    // As one stream without ranges, which docker does.
    let location = place.ask((Method::POST, "/v2/a/blobs/uploads/", &[]), "").await.header("location").to_owned();
    place.ask((Method::PATCH, &location, &[]), "stream").await.is(202);
    let path = format!("{location}?digest={}", Digest::of(b"stream"));
    place.ask((Method::PUT, &path, &[]), "").await.is(201);
    assert_eq!(place.unfinished(), 0);
}

#[tokio::test]
async fn uploads_that_are_cancelled_or_wrong_leave_nothing() {
    let place = Place::new();
    let begin = || async {
        let begun = place.ask((Method::POST, "/v2/a/blobs/uploads/", &[]), "").await;
        begun.is(202).header("location").to_owned()
    };
    let location = begin().await;
    assert_eq!(place.unfinished(), 1);
    // In another repository there is no such upload.
    place.get(&location.replace("/v2/a/", "/v2/b/")).await.refused(404, "BLOB_UPLOAD_UNKNOWN");
    place.ask((Method::PUT, &location, &[]), "").await.refused(400, "DIGEST_INVALID");
    place.ask((Method::DELETE, &location, &[]), "").await.is(204);
    place.ask((Method::DELETE, &location, &[]), "").await.refused(404, "BLOB_UPLOAD_UNKNOWN");
    let wrong = format!("{}?digest={NOTHING}", begin().await);
    place.ask((Method::PUT, &wrong, &[]), "something").await.refused(400, "DIGEST_INVALID");
    let short = begin().await;
    place.ask((Method::PATCH, &short, &[("content-range", "0-9")]), "one").await.refused(400, "SIZE_INVALID");
    let path = format!("/v2/a/blobs/uploads/?digest={NOTHING}");
    place.ask((Method::POST, &path, &[]), "something").await.refused(400, "DIGEST_INVALID");
    assert_eq!(place.unfinished(), 0);
    place.get(&format!("/v2/a/blobs/{NOTHING}")).await.refused(404, "BLOB_UNKNOWN");
}

#[tokio::test]
async fn mount_a_blob() {
    let place = Place::new();
    let digest = place.blob(b"shared").await;
    for from in ["&from=a", ""] {
        let path = format!("/v2/b/blobs/uploads/?mount={digest}{from}");
        let mounted = place.ask((Method::POST, &path, &[]), "").await;
        assert_eq!(mounted.is(201).header("location"), format!("/v2/b/blobs/{digest}"));
        assert_eq!(place.get(mounted.header("location")).await.text(), "shared");
    }
    // What is not here is to be uploaded.
    let path = format!("/v2/b/blobs/uploads/?mount={NOTHING}&from=a");
    let begun = place.ask((Method::POST, &path, &[]), "").await;
    assert!(begun.is(202).header("location").starts_with("/v2/b/blobs/uploads/"));
    place.ask((Method::POST, "/v2/b/blobs/uploads/?mount=x", &[]), "").await.refused(400, "DIGEST_INVALID");
}

#[tokio::test]
async fn push_manifests() {
    let place = Place::new();
    let (config, layer) = (place.blob(b"{}").await, place.blob(b"l").await);
    let manifest = image(&config, &layer);
    let digest = Digest::of(manifest.to_string().as_bytes());
    for reference in [digest.as_str(), "v1", "v1", "v2"] {
        let put = place.manifest("a", reference, &manifest).await;
        assert_eq!(put.is(201).header("location"), format!("/v2/a/manifests/{digest}"));
    }
    place.manifest("a", NOTHING, &manifest).await.refused(400, "DIGEST_INVALID");
    let lacks = image(&config, &NOTHING.parse().unwrap());
    place.manifest("a", "v3", &lacks).await.refused(400, "MANIFEST_BLOB_UNKNOWN");
    place.get("/v2/a/manifests/v3").await.refused(404, "MANIFEST_UNKNOWN");
    let index = |child: &str| {
        let child = json!({"mediaType": MANIFEST, "digest": child, "size": 1});
        json!({"schemaVersion": 2, "manifests": [child]}).to_string()
    };
    let kind = "application/vnd.oci.image.index.v1+json";
    let put = |child: String| {
        let place = &place;
        async move { place.ask((Method::PUT, "/v2/a/manifests/all", &[("content-type", kind)]), index(&child)).await }
    };
    put(NOTHING.to_owned()).await.refused(400, "MANIFEST_BLOB_UNKNOWN");
    put(digest.to_string()).await.is(201);
    assert_eq!(place.get("/v2/a/manifests/all").await.is(200).header("content-type"), kind);
    for (kind, text) in [(kind, manifest.to_string()), ("", "{".into()), ("", r#"{"schemaVersion": 1}"#.into())] {
        let headers = [("content-type", kind)];
        let answer = place.ask((Method::PUT, "/v2/a/manifests/bad", &headers), text).await;
        answer.refused(400, "MANIFEST_INVALID");
    }
    assert_eq!(place.unfinished(), 0);
}

#[tokio::test]
async fn discover_tags() {
    let place = Place::new();
    place.get("/v2/a/tags/list").await.refused(404, "NAME_UNKNOWN");
    for tag in ["c", "a", "b", "d"] {
        place.image("a", tag, b"layer").await.0.is(201);
    }
    let tags = |path: &'static str| {
        let place = &place;
        async move {
            let answer = place.get(path).await;
            let tags: Vec<String> = serde_json::from_value(answer.is(200).json()["tags"].clone()).unwrap();
            (tags.join(" "), answer.header("link").to_owned())
        }
    };
    assert_eq!(tags("/v2/a/tags/list").await, ("a b c d".into(), String::new()));
    let next = "</v2/a/tags/list?n=2&last=b>; rel=\"next\"";
    assert_eq!(tags("/v2/a/tags/list?n=2").await, ("a b".into(), next.into()));
    assert_eq!(tags("/v2/a/tags/list?n=2&last=b").await, ("c d".into(), String::new()));
    assert_eq!(tags("/v2/a/tags/list?last=c").await, ("d".into(), String::new()));
    assert_eq!(tags("/v2/a/tags/list?n=0").await, (String::new(), String::new()));
    place.get("/v2/a/tags/list?n=many").await.refused(405, "UNSUPPORTED");
}

#[tokio::test]
async fn discover_referrers() {
    let place = Place::new();
    let (pushed, image) = place.image("a", "v1", b"layer").await;
    let subject = pushed.header("docker-content-digest").to_owned();
    let path = format!("/v2/a/referrers/{subject}");
    let none = place.get(&path).await;
    assert_eq!(
        (none.is(200).json()["manifests"].clone(), none.header("content-type")),
        (json!([]), "application/vnd.oci.image.index.v1+json")
    );
    let about = |kind: &str, size: usize| {
        let mut artifact = image.clone();
        artifact["artifactType"] = json!(kind);
        artifact["subject"] = json!({"mediaType": MANIFEST, "digest": subject, "size": 1});
        artifact["annotations"] = json!({"note": "x".repeat(size)});
        artifact
    };
    for kind in ["signature/x", "sbom/x"] {
        let text = about(kind, 1);
        let put = place.manifest("a", Digest::of(text.to_string().as_bytes()).as_str(), &text).await;
        assert_eq!(put.is(201).header("oci-subject"), subject);
    }
    let all = place.get(&path).await.json();
    assert_eq!(all["manifests"].as_array().unwrap().len(), 2);
    let filtered = place.get(&format!("{path}?artifactType=sbom%2Fx")).await;
    assert_eq!(filtered.header("oci-filters-applied"), "artifactType");
    let found = filtered.json()["manifests"].clone();
    assert_eq!((found[0]["artifactType"].as_str(), found[1].is_null()), (Some("sbom/x"), true));
    assert_eq!(found[0]["annotations"]["note"], "x");
    // What is not here may have referrers too, and a list that is too long for one answer goes on in the next.
    place.get(&format!("/v2/a/referrers/{NOTHING}")).await.is(200);
    for kind in ["big/a", "big/b", "big/c"] {
        place.manifest("a", kind.trim_start_matches("big/"), &about(kind, 1 << 20)).await.is(201);
    }
    let (mut next, mut seen, mut pages) = (path.clone(), 0, 0);
    loop {
        let page = place.get(&next).await;
        assert!(page.is(200).body.len() < 4 << 20);
        seen += page.json()["manifests"].as_array().unwrap().len();
        pages += 1;
        match page.header("link").split_once('>') {
            Some((link, _)) => next = link[1..].to_owned(),
            None => break,
        }
    }
    assert!(seen == 5 && pages > 1, "{seen} on {pages} pages");
}

#[tokio::test]
async fn delete_tags_manifests_and_blobs() {
    let place = Place::new();
    let (pushed, _) = place.image("a", "v1", b"layer").await;
    place.image("a", "v2", b"layer").await.0.is(201);
    let digest = pushed.header("docker-content-digest").to_owned();
    let (tag, manifest) = ("/v2/a/manifests/v1".to_owned(), format!("/v2/a/manifests/{digest}"));
    let blob = format!("/v2/a/blobs/{}", Digest::of(b"layer"));
    let delete = |path: String| {
        let place = &place;
        async move { place.ask((Method::DELETE, &path, &[]), "").await }
    };
    // A blob that an image needs stays.
    delete(blob.clone()).await.refused(405, "UNSUPPORTED");
    delete(tag.clone()).await.is(202);
    delete(tag).await.refused(404, "MANIFEST_UNKNOWN");
    place.get("/v2/a/manifests/v2").await.is(200);
    delete(manifest.clone()).await.is(202);
    for gone in [manifest.as_str(), "/v2/a/manifests/v2"] {
        place.get(gone).await.refused(404, "MANIFEST_UNKNOWN");
    }
    delete(manifest).await.refused(404, "MANIFEST_UNKNOWN");
    place.get(&blob).await.is(200);
    delete(blob.clone()).await.is(202);
    delete(blob.clone()).await.refused(404, "BLOB_UNKNOWN");
    place.get(&blob).await.refused(404, "BLOB_UNKNOWN");
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_with_its_code() {
    let place = Place::new();
    for (method, path, status, code) in [
        (Method::GET, "/v2/A/tags/list", 400, "NAME_INVALID"),
        (Method::GET, "/v2/../../etc/tags/list", 400, "NAME_INVALID"),
        (Method::GET, "/v2/a/blobs/sha256:12", 400, "DIGEST_INVALID"),
        (Method::GET, "/v2/a/manifests/-", 400, "MANIFEST_INVALID"),
        (Method::GET, "/v2/a/blobs/uploads/0", 404, "BLOB_UPLOAD_UNKNOWN"),
        (Method::GET, "/v1/", 404, "NAME_UNKNOWN"),
        (Method::POST, "/v2/", 405, "UNSUPPORTED"),
        (Method::POST, "/v2/a/manifests/x", 405, "UNSUPPORTED"),
        (Method::PUT, "/v2/a/tags/list", 405, "UNSUPPORTED"),
        (Method::POST, "/v2/a/blobs/uploads/x", 405, "UNSUPPORTED"),
    ] {
        place.ask((method.clone(), path, &[]), "").await.refused(status, code);
    }
}
