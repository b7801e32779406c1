//! Reaching an API server: what every command says when it cannot, how long it waits, and who it says it is.

use super::{said, server, weir};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};
use weir_testkit::{
    Program,
    http::{Answer, Server as Scripted},
};

/// The kubeconfig with another value on the line of a key.
fn changed(kubeconfig: &Path, key: &str, value: &str, to: &Path) -> Result<String> {
    let text = std::fs::read_to_string(kubeconfig)?;
    let lines = text.lines().map(|line| match line.split_once(&format!("{key}:")) {
        Some((before, _)) => format!("{before}{key}: {value}"),
        None => line.to_owned(),
    });
    std::fs::write(to, lines.collect::<Vec<_>>().join("\n"))?;
    Ok(to.display().to_string())
}

/// What every command that asks a cluster says about it, once; each must fail.
fn each_says(kubeconfig: &str, parts: &[&str]) -> Result<()> {
    for arguments in [
        &["run", "all"][..],
        &["run", "controller", "--wait", "20s"],
        &["fleet", "--nodes", "worker=1"],
        &["status"],
        &["explain", "rollout"],
        &["explain", "stream"],
        &["switch", "worker", "rhel-9"],
    ] {
        let begun = Instant::now();
        let output = weir().args(arguments).args(["--kubeconfig", kubeconfig]).output()?;
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        for part in parts {
            assert_eq!(text.matches(part).count(), 1, "{part:?} of {arguments:?}: {text}");
        }
        for noise in ["Status {", "Some(", "ServiceError", "ApiError", "hyper"] {
            assert!(!text.contains(noise), "{arguments:?}: {text}");
        }
        assert!(begun.elapsed() < Duration::from_secs(15), "{arguments:?} took {:?}", begun.elapsed());
    }
    Ok(())
}

#[test]
fn who_is_not_trusted_or_not_let_in_is_told_at_once_by_every_command() -> Result<()> {
    let (Some(server), Some(other)) = (server()?, server()?) else { return Ok(()) };
    let folder = server.folder.path();
    let address = server.kubectl.run(&["config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"])?;
    let bad = changed(&server.kubeconfig(), "token", "s3cret", &folder.join("bad"))?;
    each_says(&bad, &[address.trim(), "Unauthorized", "log in again"])?;
    let others: Value = serde_saphyr::from_str(&std::fs::read_to_string(other.kubeconfig())?)?;
    let ca = others["clusters"][0]["cluster"]["certificate-authority-data"].as_str().context("no CA")?;
    let untrusted = changed(&server.kubeconfig(), "certificate-authority-data", ca, &folder.join("untrusted"))?;
    each_says(&untrusted, &[address.trim(), "certificate is not trusted", "get a new one"])
}

#[test]
fn a_server_that_accepts_and_never_answers_is_waited_for_as_long_as_was_said() -> Result<()> {
    let silent = std::net::TcpListener::bind("127.0.0.1:0")?;
    let folder = tempfile::tempdir()?;
    for scheme in ["https", "http"] {
        let kubeconfig = folder.path().join(scheme);
        let at = format!("{scheme}://{}", silent.local_addr()?);
        std::fs::write(&kubeconfig, of_server(&at).to_string())?;
        let begun = Instant::now();
        let start = |arguments: &[&str]| {
            Program::start(weir().args(arguments).args(["--wait", "2s", "--kubeconfig"]).arg(&kubeconfig))
        };
        for mut program in [start(&["run", "all"])?, start(&["fleet", "--nodes", "worker=1"])?] {
            assert_eq!(program.wait()?.code(), Some(1));
            let text = program.rest();
            assert!(text.contains(&at) && text.contains("did not answer within 2s: no answer"), "{text}");
        }
        // Generous: the machine may be busy. It used to be 330 s.
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }
    Ok(())
}

/// A kubeconfig of a server without TLS.
fn of_server(at: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "a",
        "clusters": [{"name": "a", "cluster": {"server": at, "insecure-skip-tls-verify": true}}],
        "users": [{"name": "a", "user": {"token": "t"}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
    })
}

#[test]
fn every_request_says_who_asks() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    // A server that answers this much lets each command go on to its first question about objects.
    let server = runtime.block_on(Scripted::start(|request| match request.path.as_str() {
        "/version" => {
            let fields =
                ["major", "minor", "gitVersion", "gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler"];
            let mut version: Value = fields.into_iter().map(|field| (field.to_owned(), json!("1"))).collect();
            version["platform"] = json!("a");
            Answer::Text(200, Vec::new(), version.to_string().into_bytes().into())
        }
        _ => Answer::Text(403, Vec::new(), "no".into()),
    }))?;
    let folder = tempfile::tempdir()?;
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, of_server(&format!("http://{}", server.host())).to_string())?;
    for arguments in [&["run", "operator"][..], &["fleet"], &["status"], &["explain", "rollout"], &["switch", "w", "s"]]
    {
        let output = weir().args(arguments).arg("--kubeconfig").arg(&kubeconfig).output()?;
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    }
    let agents: BTreeSet<String> =
        server.requests().iter().map(|request| request.header("user-agent").unwrap_or_default().to_owned()).collect();
    let version = env!("CARGO_PKG_VERSION");
    let expected =
        ["explain", "fleet", "run operator", "status", "switch"].map(|who| format!("weir/{version} ({who})"));
    assert_eq!(agents.into_iter().collect::<Vec<_>>(), expected);
    Ok(())
}

#[test]
fn several_that_begin_at_once_on_a_fresh_server_all_run_and_a_pool_that_is_not_there_is_named() -> Result<()> {
    let Some(server) = server()? else { return Ok(()) };
    let release = server.payload("p", &["--distribution", "ocp"])?;
    let start = || Program::start(&mut server.command("all", &["--release", &release]));
    let mut all = [start()?, start()?, start()?];
    for program in &mut all {
        program.until("running against https://")?;
    }
    let mut command = weir();
    command.args(["fleet", "--nodes", "worker=1,gpu=2", "--kubeconfig"]).arg(server.kubeconfig());
    let mut fleet = Program::start(&mut command)?;
    fleet.until("there is no MachineConfigPool gpu: its 2 nodes wait for it; there are: master, worker")?;
    assert!(fleet.interrupt()?.success());
    for mut program in all {
        assert!(program.interrupt()?.success(), "{}", program.rest());
    }
    Ok(())
}
