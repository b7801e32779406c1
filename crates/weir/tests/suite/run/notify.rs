//! `weir run --notify-url`: a receiver that refuses at first, and what it gets.

use super::{Machines, server};
use anyhow::{Context as _, Result};
use bytes::Bytes;
use serde_json::Value;
use std::time::{Duration, Instant};
use weir_testkit::http::{Answer, Request, Server};

/// The longest that a notification is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

fn events(receiver: &Server) -> Vec<(Request, Value)> {
    let all = receiver.requests().into_iter();
    all.filter_map(|request| Some((request.clone(), serde_json::from_slice(&request.body).ok()?))).collect()
}

#[test]
fn rollouts_are_told_with_the_headers_of_cloud_events_and_no_token_is_shown() -> Result<()> {
    let Some(server) = server()? else { return Ok(()) };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (told, mut seen) = tokio::sync::watch::channel(());
    // The first attempt is refused.
    let receiver = runtime.block_on(Server::start(move |request| {
        told.send_replace(());
        Answer::Text(if request.number == 0 { 503 } else { 204 }, Vec::new(), Bytes::new())
    }))?;
    let release = server.payload("p", &["--distribution", "ocp"])?;
    let url = format!("http://{}/hook/the-secret?token=the-secret", receiver.host());
    let mut program = server.run("all", &["--release", &release, "--notify-url", &url, "--settle", "100ms"])?;
    let machines = Machines::start(&server.kubeconfig(), &[("master", 1), ("worker", 2)])?;
    server.wait("mcp/worker", ".status.updatedMachineCount", "2")?;
    server.wait("mcp/worker", ".status.osImageStream.name", "rhel-10")?;
    server.stream("worker", "rhel-9")?;
    let is = |word: &str| {
        events(&receiver).into_iter().find(|(_, event)| event["event"] == word && event["pool"] == "worker")
    };
    let deadline = Instant::now() + PATIENCE;
    while is("done").is_none() {
        let left = deadline.saturating_duration_since(Instant::now());
        runtime
            .block_on(async { tokio::time::timeout(left, seen.changed()).await })
            .with_context(|| program.rest())??;
    }
    let (request, event) = is("done").context("done")?;
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hook/the-secret?token=the-secret"));
    for (name, value) in [
        ("ce-specversion", "1.0"),
        ("ce-type", "io.weir.rollout.done"),
        ("ce-subject", "mcp/worker"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(request.header(name), Some(value), "{:?}", request.headers);
    }
    assert!(request.header("ce-source").is_some_and(|source| source.starts_with("https://127.0.0.1")));
    assert_eq!(
        (&event["rollout"]["toStream"], &event["nodes"]["all"]),
        (&Value::from("rhel-9"), &Value::from(2)),
        "{event}"
    );
    let (begun, _) = is("begun").context("begun")?;
    assert!(begun.number < request.number);
    // What was refused came again, with the same id.
    let first = &receiver.requests()[0];
    let id = first.header("ce-id").context("an id")?;
    assert!(receiver.requests()[1..].iter().any(|again| again.header("ce-id") == Some(id)), "{id}");
    assert!(program.interrupt()?.success());
    let said = program.rest();
    assert!(said.contains("notifying http://127.0.0.1") && said.contains("answers with status 503"), "{said}");
    assert!(!said.contains("the-secret"), "{said}");
    machines.end();
    Ok(())
}

#[test]
fn an_address_that_cannot_be_used_is_refused_without_being_shown() -> Result<()> {
    let Some(server) = server()? else { return Ok(()) };
    for (url, says) in [
        ("hooks.example.com/the-secret", "it is no URL that begins with https:// or http://"),
        ("https://user:the-secret@hooks.example.com/", "a user and password in it are not sent"),
    ] {
        let said = server.refused(&["--distribution", "ocp", "--notify-url", url])?;
        assert!(
            said.starts_with("error: --notify-url: ") && said.contains(says) && !said.contains("the-secret"),
            "{said}"
        );
    }
    Ok(())
}
