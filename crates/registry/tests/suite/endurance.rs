//! What is held through restarts, sudden ends, full disks and clients that stop in the middle.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::place::{Place, chunks, image, open, push_blob, send};
use bytes::Bytes;
use futures::StreamExt as _;
use http::Method;
use http_body_util::Full;
use jiff::{SignedDuration, Timestamp};
use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};
use weir_images::Digest;
use weir_registry::{Error, Limits, Registry};

#[tokio::test]
async fn what_was_pushed_is_there_after_a_restart() {
    let place = Place::new();
    let (pushed, manifest) = place.image("a/b", "v1", b"layer").await;
    let digest = pushed.header("docker-content-digest").to_owned();
    place.ask((Method::POST, "/v2/a/blobs/uploads/", &[]), "").await.is(202);
    let place = place.restart();
    assert_eq!(place.unfinished(), 0);
    for reference in ["v1", &digest] {
        assert_eq!(place.get(&format!("/v2/a/b/manifests/{reference}")).await.text(), manifest.to_string());
    }
    assert_eq!(place.get(&format!("/v2/x/blobs/{}", Digest::of(b"layer"))).await.text(), "layer");
    let error = Registry::open(place.folder.path(), Limits::default(), Timestamp::now).unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
}

#[tokio::test]
async fn a_damaged_manifest_is_not_served() {
    let place = Place::new();
    let digest = place.image("a", "v1", b"layer").await.0.header("docker-content-digest").to_owned();
    let path = place.folder.path().join("repositories/a/manifests").join(digest.trim_start_matches("sha256:"));
    let mut text = std::fs::read(&path).unwrap();
    text.pop();
    std::fs::write(&path, text).unwrap();
    let place = place.restart();
    for reference in ["v1", &digest] {
        place.get(&format!("/v2/a/manifests/{reference}")).await.refused(404, "MANIFEST_UNKNOWN");
    }
    place.image("a", "v1", b"layer").await.0.is(201);
    place.get("/v2/a/manifests/v1").await.is(200);
}

#[tokio::test]
async fn what_nobody_refers_to_goes_after_a_while() {
    let place = Place::new();
    place.image("a", "v1", b"kept").await.0.is(201);
    let digest = place.image("a", "v2", b"gone").await.0.header("docker-content-digest").to_owned();
    place.blob(b"never referred to").await;
    place.ask((Method::DELETE, &format!("/v2/a/manifests/{digest}"), &[]), "").await.is(202);
    assert_eq!(place.registry.collect(Timestamp::now()).unwrap(), 0, "a push may be under way");
    assert_eq!(place.registry.collect(Timestamp::now() + SignedDuration::from_hours(1)).unwrap(), 2);
    place.get(&format!("/v2/a/blobs/{}", Digest::of(b"kept"))).await.is(200);
    place.get(&format!("/v2/a/blobs/{}", Digest::of(b"gone"))).await.refused(404, "BLOB_UNKNOWN");
    assert_eq!(std::fs::read_dir(place.folder.path().join("blobs")).unwrap().count(), 2);
}

#[tokio::test]
async fn sizes_are_bounded() {
    let place = Place::limited(Limits { blob: 1000, all: 2500 });
    let put = |bytes: usize| {
        let content = vec![u8::try_from(bytes % 251).unwrap(); bytes];
        let path = format!("/v2/a/blobs/uploads/?digest={}", Digest::of(&content));
        let place = &place;
        async move { place.ask((Method::POST, &path, &[]), content).await }
    };
    put(1001).await.refused(413, "SIZE_INVALID");
    put(1000).await.is(201);
    put(999).await.is(201);
    let full = put(502).await;
    full.refused(507, "UNKNOWN");
    assert!(full.text().contains("make room"), "{}", full.text());
    put(501).await.is(201);
    assert_eq!(place.unfinished(), 0);
    // What is deleted makes room.
    let path = format!("/v2/a/blobs/{}", Digest::of(&[u8::try_from(999 % 251).unwrap(); 999]));
    place.ask((Method::DELETE, &path, &[]), "").await.is(202);
    put(502).await.is(201);
    let large = vec![b' '; (4 << 20) + 1];
    place.ask((Method::PUT, "/v2/a/manifests/x", &[]), large).await.refused(413, "MANIFEST_INVALID");
}

#[tokio::test(start_paused = true)]
async fn uploads_in_progress_are_bounded_in_number_and_time() {
    let place = Place::new();
    let begin = || place.ask((Method::POST, "/v2/a/blobs/uploads/", &[]), "");
    let first = begin().await.header("location").to_owned();
    for _ in 1..64 {
        begin().await.is(202);
    }
    begin().await.refused(429, "TOOMANYREQUESTS");
    assert_eq!(place.unfinished(), 64);
    tokio::time::advance(Duration::from_mins(14)).await;
    place.ask((Method::PATCH, &first, &[]), "x").await.is(202);
    tokio::time::advance(Duration::from_mins(1)).await;
    // The others are ended when their places are needed; who went on stays.
    begin().await.is(202);
    assert_eq!(place.unfinished(), 2);
    place.get(&first).await.is(204);
    tokio::time::advance(Duration::from_mins(15)).await;
    place.registry.collect(Timestamp::now()).unwrap();
    assert_eq!(place.unfinished(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_falls_silent_or_goes_ends_its_upload() {
    let place = Place::new();
    let path = format!("/v2/a/blobs/uploads/?digest={}", Digest::of(b"ab"));
    let silent = chunks(futures::stream::iter([Bytes::from("a")]).chain(futures::stream::pending()));
    send(&place.registry, (Method::POST, &path, &[]), silent).await.refused(408, "BLOB_UPLOAD_INVALID");
    assert_eq!(place.unfinished(), 0);
    // One that sends slowly is served.
    let slow = futures::stream::iter(["a", "b"]).then(|chunk| async move {
        tokio::time::sleep(Duration::from_secs(59)).await;
        Bytes::from(chunk)
    });
    send(&place.registry, (Method::POST, &path, &[]), chunks(slow)).await.is(201);
    let broken = futures::stream::iter([Ok(http_body::Frame::data(Bytes::from("a"))), Err("gone")]);
    let broken = http_body_util::StreamBody::new(broken);
    send(&place.registry, (Method::POST, &path, &[]), broken).await.refused(400, "BLOB_UPLOAD_INVALID");
    // A connection that ends drops the request.
    let location = place.ask((Method::POST, "/v2/a/blobs/uploads/", &[]), "").await.header("location").to_owned();
    let silent = chunks(futures::stream::iter([Bytes::from("a")]).chain(futures::stream::pending()));
    let request = send(&place.registry, (Method::PATCH, &location, &[]), silent);
    assert!(tokio::time::timeout(Duration::from_secs(1), request).await.is_err());
    place.get(&location).await.refused(404, "BLOB_UPLOAD_UNKNOWN");
    assert_eq!(place.unfinished(), 0);
}

/// Names the folder of a registry to a test that was started in a process of its own, and then is that process.
const FOLDER: &str = "WEIR_REGISTRY_TEST_FOLDER";

fn own_process(test: &str, folder: &Path) -> Command {
    let program = std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into());
    let mut command = Command::new(program);
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(FOLDER, folder);
    command
}

async fn push_until_ended(folder: &Path) {
    let registry = open(folder, Limits::default());
    let config = push_blob(&registry, b"{}").await;
    for round in 0u32.. {
        let layer = round.to_le_bytes().repeat(50_000);
        let manifest = image(&config, &push_blob(&registry, &layer).await).to_string();
        let path = format!("/v2/a/manifests/v{}", round % 3);
        send(&registry, (Method::PUT, &path, &[]), Full::new(Bytes::from(manifest))).await.is(201);
        if round % 4 == 3 {
            send(&registry, (Method::DELETE, &path, &[]), Full::default()).await.is(202);
        }
        println!("round {round}");
    }
}

#[tokio::test]
async fn a_process_that_is_killed_leaves_nothing_half() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return push_until_ended(Path::new(&folder)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut images = 0;
    for run in 0..8u32 {
        let own = "endurance::a_process_that_is_killed_leaves_nothing_half";
        let mut child = own_process(own, folder.path()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let rounds = lines.by_ref().filter(|line| line.as_ref().is_ok_and(|line| line.contains("round ")));
        assert!(rounds.take(1 + run as usize).count() > 0);
        // Somewhere in the next round.
        std::thread::sleep(Duration::from_micros(u64::from(run) * 700));
        child.kill().unwrap();
        child.wait().unwrap();
        let registry = open(folder.path(), Limits::default());
        assert_eq!(folder.path().join("unfinished").read_dir().unwrap().count(), 0);
        for file in folder.path().join("blobs").read_dir().unwrap() {
            let file = file.unwrap();
            let content = std::fs::read(file.path()).unwrap();
            assert_eq!(Digest::of(&content).hex(), file.file_name().to_str().unwrap(), "a half blob");
        }
        for tag in ["v0", "v1", "v2"] {
            let path = format!("/v2/a/manifests/{tag}");
            let answer = send(&registry, (Method::GET, &path, &[]), Full::default()).await;
            if answer.status == 200 {
                images += 1;
                let layer = answer.json()["layers"][0]["digest"].as_str().unwrap().to_owned();
                let path = format!("/v2/a/blobs/{layer}");
                send(&registry, (Method::HEAD, &path, &[]), Full::default()).await.is(200);
            }
        }
    }
    assert!(images > 0);
}

async fn meet_a_full_disk(folder: &Path) {
    let registry = open(folder, Limits::default());
    let large = Bytes::from(vec![7; 4 << 20]);
    let path = format!("/v2/a/blobs/uploads/?digest={}", Digest::of(&large));
    let answer = send(&registry, (Method::POST, &path, &[]), Full::new(large)).await;
    answer.refused(507, "UNKNOWN");
    assert_eq!(folder.join("unfinished").read_dir().unwrap().count(), 0);
    push_blob(&registry, b"small").await;
    println!("refused and cleaned up");
}

#[tokio::test]
async fn a_full_disk_is_said_and_cleaned_up() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return meet_a_full_disk(Path::new(&folder)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let own = own_process("endurance::a_full_disk_is_said_and_cleaned_up", folder.path());
    // The kernel refuses to let files grow beyond 1 MiB, without ending who tries.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$@\"", "sh"]).arg(own.get_program()).args(own.get_args());
    let output = command.env(FOLDER, folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("refused and cleaned up"), "{said}");
}
