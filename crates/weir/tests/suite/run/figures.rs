//! Health, figures and log lines.

use super::{Machines, server};
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::{
    io::{Read as _, Write as _},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Answer of a plain HTTP server: status and body.
fn http(address: &str, path: &str) -> Result<(u16, String)> {
    asked(address, path, "*/*")
}

/// As [`http`], in a format of the caller's choice.
fn asked(address: &str, path: &str, accept: &str) -> Result<(u16, String)> {
    let mut stream = std::net::TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    Ok((status, body.to_owned()))
}

/// Reads metrics in the text format with Prometheus's own program. It also has opinions on names; they are the reference's.
fn parsed(text: &str) -> Result<()> {
    const OPINIONS: i32 = 3;
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut checking) = command.spawn() else {
        weir_recorded::skip("the format of metrics", &weir_recorded::Absent::Program("promtool"));
        return Ok(());
    };
    checking.stdin.take().context("no stdin")?.write_all(text.as_bytes())?;
    let output = checking.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | OPINIONS)), "{said}{text}");
    Ok(())
}

#[test]
fn health_and_figures_are_served_and_decisions_are_logged_as_json() -> Result<()> {
    let Some(server) = server()? else { return Ok(()) };
    let release = server.payload("p", &["--distribution", "ocp"])?;
    let arguments = ["--release", &release, "--metrics-bind", "127.0.0.1:0", "--log-format", "json"];
    let mut program = server.run("all", &arguments)?;
    let said = program.rest();
    let address = said.split("serving http://").nth(1).and_then(|rest| rest.split('/').next()).context("no address")?;
    let machines = Machines::start(&server.kubeconfig(), &[("master", 1), ("worker", 2)])?;
    server.wait("mcp/worker", ".status.updatedMachineCount", "2")?;
    assert_eq!(http(address, "/healthz")?, (200, "ok\n".to_owned()));
    assert_eq!(http(address, "/readyz")?, (200, "ok\n".to_owned()));
    // The process learns of what it wrote a moment after everybody else could.
    let deadline = Instant::now() + Duration::from_secs(10);
    let text = loop {
        let (status, text) = http(address, "/metrics")?;
        assert_eq!(status, 200);
        if text.contains("mco_updated_machine_count{pool=\"worker\"} 2") || Instant::now() > deadline {
            break text;
        }
    };
    for line in [
        "mco_machine_count{pool=\"worker\"} 2",
        "mco_updated_machine_count{pool=\"worker\"} 2",
        "os_image_url_override{pool=\"worker\"} 0",
        "weir_pool_nodes{pool=\"worker\",reason=\"\",state=\"done\"} 2",
        "weir_pool_stream_info{pool=\"master\",stream=\"rhel-10\"} 1",
        "weir_build_info{version=\"0.",
        "weir_leader{lease=\"machine-config\"} 1",
        "weir_slow_nodes{pool=\"worker\"} 0",
        "weir_reboots_again_total{pool=\"worker\"} 0",
        "weir_reconcile_duration_seconds_count{controller=\"rollout\"}",
    ] {
        assert!(text.contains(line), "{line}:\n{text}");
    }
    parsed(&text)?;
    let (_, open) = asked(address, "/metrics", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")?;
    assert!(open.ends_with("# EOF\n"), "{open}");
    assert!(!text.contains("weir_reconcile_errors_total{"), "a healthy start has no errors:\n{text}");
    server.stream("worker", "rhel-9")?;
    server.wait("mcp/worker", ".status.osImageStream.name", "rhel-9")?;
    server.wait("mcp/worker", ".status.updatedMachineCount", "2")?;
    server.wait("mcp/worker", ".status.conditions[?(@.type==\"Updated\")].status", "True")?;
    assert!(program.interrupt()?.success());
    let said = program.rest();
    let logged: Vec<Value> = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    for decision in ["rendered", "told", "done"] {
        assert!(
            logged.iter().any(|line| line["message"] == decision && line["pool"] == "worker"),
            "{decision}: {said}"
        );
    }
    // Nothing that is made for programmers is among it.
    assert!(!said.contains(" { ") && !said.contains("Some("), "{said}");
    assert!(logged.iter().any(|line| line["message"] == "leading" && line["lease"] == "machine-config"), "{said}");
    machines.end();
    Ok(())
}

#[test]
fn who_sends_half_a_request_to_the_port_for_figures_keeps_nobody_from_it() -> Result<()> {
    let Some(server) = server()? else { return Ok(()) };
    let release = server.payload("p", &["--distribution", "ocp"])?;
    let mut program = server.run("all", &["--release", &release, "--metrics-bind", "127.0.0.1:0"])?;
    let said = program.rest();
    let address = said.split("serving http://").nth(1).and_then(|rest| rest.split('/').next()).context("no address")?;
    // More than one address may have: those above are closed at once, those below when their headers do not come.
    let mut halves = Vec::new();
    for _ in 0..40 {
        let mut half = std::net::TcpStream::connect(address)?;
        // Whoever is closed at once may learn it while writing.
        _ = half.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\nX: ");
        half.set_read_timeout(Some(Duration::from_secs(60)))?;
        halves.push(half);
    }
    for mut half in halves {
        let mut answer = Vec::new();
        // Closed, with or without an answer, or reset; not open for ever.
        let ended = half.read_to_end(&mut answer);
        assert!(!ended.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock));
    }
    assert_eq!(http(address, "/healthz")?, (200, "ok\n".to_owned()));
    assert!(program.interrupt()?.success());
    Ok(())
}
