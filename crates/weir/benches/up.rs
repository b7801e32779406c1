//! Figures of `weir up`, as one printed table: start to updated fleet, memory, size, and the switch of a large fleet.
//!
//! Run with `cargo xtask bench up`, which names the program built for release; without a name this profile's own is taken. Times are of this machine; quote the median of several runs.

use anyhow::{Context as _, Result};
use serde_json::json;
use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};
use weir_testkit::{Program, client, measured};

const RUNS: usize = 5;
const LARGE: u32 = 2_000;
/// Nodes of the cluster from which names are completed.
const COMPLETED: u32 = 1_000;

fn main() -> Result<()> {
    let Some(binary) = measured(env!("CARGO_BIN_EXE_weir")) else { return Ok(()) };
    let binary = binary.as_path();
    let size = std::fs::metadata(binary).context("looking at the binary")?.len();
    row("binary, stripped", &format!("{:.1} MiB", mebibytes(size)), "≤ 40 MiB");
    row("weir --help", &span(&helps(binary)?), "≤ 0.02 s");
    let [pool, node] = completions(binary)?;
    row("completion of a pool with 1,000 nodes", &span(&pool), "≤ 0.10 s");
    row("completion of a node with 1,000 nodes", &span(&node), "≤ 0.10 s");
    let mut starts = Vec::new();
    for _ in 0..RUNS {
        starts.push(start_to_updated(binary)?);
    }
    starts.sort();
    row("start to 6 nodes updated, 50 ms steps", &span(&starts), "≤ 2 s");
    row("memory with 6 nodes updated", &format!("{:.1} MiB", mebibytes(resident(binary)?)), "≤ 40 MiB");
    let (switch, memory) = switch(binary)?;
    row("switch of 2,000 nodes, 10% at once, 10 ms steps", &format!("{:.1} s", switch.as_secs_f64()), "≤ 30 s");
    row("peak memory with 2,000 nodes", &format!("{:.1} MiB", mebibytes(memory)), "");
    Ok(())
}

fn row(what: &str, figure: &str, wanted: &str) {
    println!("{what:<50} {figure:>24}   {wanted}");
}

fn span(sorted: &[Duration]) -> String {
    let second = |at: usize| sorted.get(at).map_or(0.0, Duration::as_secs_f64);
    format!("{:.3} s ({:.3} to {:.3})", second(sorted.len() / 2), second(0), second(sorted.len().saturating_sub(1)))
}

/// How long each run takes, in order.
fn timed(mut run: impl FnMut() -> Result<()>) -> Result<Vec<Duration>> {
    let mut all = Vec::new();
    for _ in 0..RUNS {
        let start = Instant::now();
        run()?;
        all.push(start.elapsed());
    }
    all.sort();
    Ok(all)
}

fn helps(binary: &Path) -> Result<Vec<Duration>> {
    timed(|| {
        let done = Command::new(binary).arg("--help").output().context("asking for help")?;
        anyhow::ensure!(done.status.success(), "weir --help ended with {}", done.status);
        Ok(())
    })
}

/// What bash asks for while somebody types `weir switch wor`, and `weir why node/worker-99`.
fn completions(binary: &Path) -> Result<[Vec<Duration>; 2]> {
    let nodes = format!("master=3,worker={COMPLETED}");
    let mut command = Command::new(binary);
    let mut program = Program::start(command.args(["up", "--step-time", "10ms", "--nodes", &nodes]))?;
    let kubeconfig = program.line()?;
    program.until("every pool is updated")?;
    let asked = |verb: &str, typed: &str, wanted: &str| {
        timed(|| {
            let mut asks = Command::new(binary);
            asks.env("WEIR_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", "2").env("KUBECONFIG", &kubeconfig);
            let done = asks.args(["--", "weir", verb, typed]).output().context("asking for names")?;
            let named = String::from_utf8_lossy(&done.stdout);
            anyhow::ensure!(named.lines().any(|name| name == wanted), "completed to {done:?}");
            Ok(())
        })
    };
    Ok([asked("switch", "wor", "worker")?, asked("why", "node/worker-99", "node/worker-999")?])
}

fn start_to_updated(binary: &Path) -> Result<Duration> {
    let start = Instant::now();
    let mut command = Command::new(binary);
    command.args(["up", "--step-time", "50ms", "--until", "updated", "--timeout", "60s"]);
    let status = Program::start(&mut command)?.wait()?;
    anyhow::ensure!(status.success(), "weir up ended with {status}");
    Ok(start.elapsed())
}

fn resident(binary: &Path) -> Result<u64> {
    let mut command = Command::new(binary);
    let mut program = Program::start(command.args(["up", "--step-time", "50ms"]))?;
    program.until("every pool is updated")?;
    program.memory()
}

/// Patch to the last node's report, of the whole worker pool.
fn switch(binary: &Path) -> Result<(Duration, u64)> {
    let nodes = format!("master=3,worker={LARGE}");
    let mut command = Command::new(binary);
    let mut program = Program::start(command.args(["up", "--step-time", "10ms", "--nodes", &nodes]))?;
    let kubeconfig = program.line()?;
    program.until("every pool is updated")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let took = runtime.block_on(async {
        let client = client(Path::new(&kubeconfig)).await?;
        let pools: kube::Api<weir_api::MachineConfigPool> = kube::Api::all(client);
        let patch = json!({"spec": {"maxUnavailable": "10%", "osImageStream": {"name": "rhel-9"}}});
        let start = Instant::now();
        pools.patch("worker", &Default::default(), &kube::api::Patch::Merge(&patch)).await?;
        let switched = |pool: &weir_api::MachineConfigPool| {
            let running = pool.status.as_ref().and_then(|status| status.os_image_stream.as_ref());
            running.is_some_and(|stream| stream.name == "rhel-9")
        };
        weir_kubeio::wait::until(&pools, "worker", switched).await?;
        anyhow::Ok(start.elapsed())
    })?;
    Ok((took, program.peak_memory()?))
}

#[allow(clippy::cast_precision_loss, reason = "a figure for people")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
