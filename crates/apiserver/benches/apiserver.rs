//! How fast the server is: over loopback TLS from another process (a table), and in process (criterion).

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use futures::{StreamExt as _, TryStreamExt as _};
use http_body_util::{BodyExt as _, Full};
use k8s_openapi::api::core::v1::{ConfigMap, Node};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use std::{
    hint::black_box,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tower::ServiceExt as _;
use weir_apiserver::{ApiServer, Listener, Settings};

/// That of the program.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// In this folder the process serves instead of measuring.
const SERVE: &str = "WEIR_BENCH_SERVE";
/// It keeps its objects there too.
const KEEP: &str = "WEIR_BENCH_KEEP";
const OBJECTS: usize = 10_000;
/// Bytes of an object.
const SIZE: usize = 2048;
const CLIENTS: usize = 4;
/// Requests a client has under way.
const IN_FLIGHT: usize = 16;
const WATCHERS: usize = 100;
const WRITES: usize = 1_000;
const LISTS: usize = 20;

fn server(data_dir: Option<PathBuf>) -> ApiServer {
    ApiServer::new(Settings { data_dir, ..Settings::default() }).unwrap_or_else(|error| fail(&error))
}

fn fail(error: &dyn std::fmt::Display) -> ! {
    eprintln!("{error}");
    std::process::exit(1)
}

fn map(name: &str) -> ConfigMap {
    let payload = "x".repeat(SIZE - 300);
    serde_json::from_value(
        json!({"metadata": {"name": name, "labels": {"app": "bench"}}, "data": {"payload": payload}}),
    )
    .unwrap_or_default()
}

fn serve(folder: &Path) {
    let runtime = tokio::runtime::Runtime::new().unwrap_or_else(|error| fail(&error));
    runtime.block_on(async {
        let address = "127.0.0.1:0".parse().unwrap_or_else(|error| fail(&error));
        let data_dir = std::env::var_os(KEEP).map(|_| folder.join("data"));
        let listener = Listener::bind(&server(data_dir), address).unwrap_or_else(|error| fail(&error));
        listener.write_kubeconfig(&folder.join("kubeconfig")).unwrap_or_else(|error| fail(&error));
        println!("ready");
        listener.serve(std::future::pending()).await.unwrap_or_else(|error| fail(&error));
    });
}

/// A server in a process of its own.
struct Process {
    child: Child,
    folder: tempfile::TempDir,
    ready: Duration,
}

impl Process {
    fn start(keeps: bool) -> std::io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let started = Instant::now();
        let mut command = Command::new(std::env::current_exe()?);
        if keeps {
            command.env(KEEP, "1");
        }
        let mut child = command.env(SERVE, folder.path()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        Ok(Self { child, folder, ready: started.elapsed() })
    }

    /// Resident memory in KiB.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
        line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
    }

    async fn client(&self) -> Result<Client, Box<dyn std::error::Error>> {
        let file = kube::config::Kubeconfig::read_from(self.folder.path().join("kubeconfig"))?;
        let config = kube::Config::from_custom_kubeconfig(file, &Default::default()).await?;
        Ok(Client::try_from(config)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has nothing to save.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn create_all(process: &Process) -> Result<Duration, Box<dyn std::error::Error>> {
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(Api::<ConfigMap>::default_namespaced(process.client().await?));
    }
    let started = Instant::now();
    let each = clients.iter().enumerate().map(|(client, api)| {
        let names = (0..OBJECTS / CLIENTS).map(move |n| format!("m-{client}-{n}"));
        futures::stream::iter(names)
            .map(move |name| async move { api.create(&PostParams::default(), &map(&name)).await })
            .buffer_unordered(IN_FLIGHT)
            .try_collect::<Vec<_>>()
    });
    futures::future::try_join_all(each).await?;
    Ok(started.elapsed())
}

async fn list_median(process: &Process) -> Result<Duration, Box<dyn std::error::Error>> {
    let client = process.client().await?;
    let mut times = Vec::new();
    for _ in 0..LISTS {
        let started = Instant::now();
        let text =
            client.request_text(http::Request::get("/api/v1/namespaces/default/configmaps").body(Vec::new())?).await?;
        times.push(started.elapsed());
        assert!(text.len() > OBJECTS * SIZE, "the whole list was read");
    }
    times.sort();
    Ok(times[LISTS / 2])
}

async fn watch_all(process: &Process) -> Result<Duration, Box<dyn std::error::Error>> {
    let writer = Api::<Node>::all(process.client().await?);
    let from = writer.list(&ListParams::default()).await?.metadata.resource_version.unwrap_or_default();
    let mut watchers = Vec::new();
    for _ in 0..WATCHERS / 10 {
        let client = process.client().await?;
        for _ in 0..10 {
            let (client, from) = (client.clone(), from.clone());
            watchers.push(tokio::spawn(async move {
                let path = format!("/api/v1/nodes?watch=true&resourceVersion={from}");
                let request =
                    http::Request::get(path).body(kube::client::Body::empty()).map_err(kube::Error::HttpError)?;
                let mut body = client.send(request).await?.into_body();
                // Lines are counted, not parsed: this measures the server.
                let mut events = 0;
                while events < WRITES
                    && let Some(Ok(frame)) = body.frame().await
                {
                    events += frame.data_ref().map_or(0, |data| data.iter().filter(|b| **b == b'\n').count());
                }
                Ok::<_, kube::Error>(events)
            }));
        }
    }
    let node: Node = serde_json::from_value(json!({"metadata": {"name": "n"}}))?;
    let started = Instant::now();
    writer.create(&PostParams::default(), &node).await?;
    for n in 1..WRITES {
        let patch =
            Patch::Merge(json!({"metadata": {"annotations": {"n": n.to_string(), "payload": "x".repeat(SIZE)}}}));
        writer.patch("n", &PatchParams::default(), &patch).await?;
    }
    for watcher in watchers {
        assert_eq!(watcher.await??, WRITES, "every event was delivered");
    }
    Ok(started.elapsed())
}

async fn measure() -> Result<(), Box<dyn std::error::Error>> {
    let kept = create_all(&Process::start(true)?).await?;
    let process = Process::start(false)?;
    let idle = process.memory();
    let created = create_all(&process).await?;
    let full = process.memory();
    let listed = list_median(&process).await?;
    let watched = watch_all(&process).await?;
    let rate = |time: Duration| OBJECTS as f64 / time.as_secs_f64();
    let per_object = (full - idle) as f64 / OBJECTS as f64;
    let rows = [
        ("ready after start", format!("{:.0} ms", process.ready.as_secs_f64() * 1e3), "150 ms"),
        ("resident when idle", format!("{:.1} MiB", idle as f64 / 1024.0), "15 MiB"),
        ("create 2 KiB objects, 4 clients", format!("{:.0}/s", rate(created)), "5500/s at least"),
        ("the same with a data directory", format!("{:.0}/s", rate(kept)), "4000/s at least"),
        ("memory per object", format!("{per_object:.1} KiB"), "6 KiB"),
        ("list 10,000 objects, median", format!("{:.0} ms", listed.as_secs_f64() * 1e3), "60 ms"),
        ("100 watchers, 1,000 writes", format!("{:.2} s", watched.as_secs_f64()), "3 s"),
    ];
    println!("{:<34} {:>12}  target", "over loopback TLS", "measured");
    for (what, value, target) in rows {
        println!("{what:<34} {value:>12}  {target}");
    }
    Ok(())
}

fn over_tls(_: &mut Criterion) {
    if let Some(folder) = std::env::var_os(SERVE) {
        return serve(Path::new(&folder));
    }
    // Fails only when one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().unwrap_or_else(|error| fail(&error));
    runtime.block_on(measure()).unwrap_or_else(|error| fail(&error));
}

fn in_process(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap_or_else(|error| fail(&error));
    let server = server(None);
    let ask = |method: &str, path: &str, media_type: &str, body: String| {
        let request = http::Request::builder().method(method).uri(path).header("content-type", media_type);
        let request = request.body(Full::new(Bytes::from(body))).unwrap_or_default();
        let service = server.service();
        runtime.block_on(async move {
            let response = service.oneshot(request).await.unwrap_or_else(|never| match never {});
            let status = response.status();
            (status, response.into_body().collect().await.map(|b| b.to_bytes()).unwrap_or_default())
        })
    };
    let node = json!({"metadata": {"name": "n", "annotations": {"payload": "x".repeat(SIZE)}},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
    assert!(ask("POST", "/api/v1/nodes", "application/json", node.to_string()).0.is_success());
    let mut beat = 0u64;
    criterion.bench_function("patch the status of a node", |bench| {
        bench.iter(|| {
            beat += 1;
            let patch = json!({"status": {"conditions": [{"type": "Ready", "reason": format!("r{beat}")}]}});
            let media_type = "application/strategic-merge-patch+json";
            assert!(ask("PATCH", "/api/v1/nodes/n/status", media_type, patch.to_string()).0.is_success());
        });
    });
    criterion.bench_function("get a node", |bench| {
        bench.iter(|| black_box(ask("GET", "/api/v1/nodes/n", "", String::new())));
    });
}

criterion_group!(benches, over_tls, in_process);
criterion_main!(benches);
