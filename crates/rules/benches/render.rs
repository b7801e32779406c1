//! How long rendering takes: many pools at once, one, and the whole program, beside what was asked for.

use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    hint::black_box,
    io::Read as _,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use weir_api::{ControllerConfig, MachineConfig, MachineConfigPool};
use weir_rules::{
    render::{RenderInput, render},
    template::{TemplateInput, TlsSettings, Tree, generate},
};

const POOLS: usize = 50;
const CONFIGS_PER_POOL: usize = 20;
const FILES_PER_CONFIG: usize = 20;
/// Bytes of a file, about what templates write.
const FILE_SIZE: usize = 1024;

/// Of the whole program: what a cluster has.
const SMALL_CONFIGS: usize = 30;
const SMALL_FILES: usize = 5;
/// Odd, so that one is in the middle.
const RUNS: usize = 11;
/// A pipe holds this much on Linux.
const PIPE: usize = 64 << 10;

const VERSION: &str = "machineconfiguration.openshift.io/v1";
const ROLE: &str = "machineconfiguration.openshift.io/role";

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A MachineConfig with files of its own, and some that others have too.
fn config(role: &str, number: usize, files: usize) -> MachineConfig {
    let file = |index: usize| {
        let path = match index % 4 {
            0 => format!("/etc/shared/{index}"),
            _ => format!("/etc/{role}/{number}/{index}"),
        };
        let contents: String = (0..FILE_SIZE / 8).map(|word| format!("w{:05}%0A", word * number)).collect();
        json!({ "path": path, "mode": 420, "contents": { "source": format!("data:,{contents}") } })
    };
    let unit = json!({ "name": format!("{number}.service"), "contents": "[Unit]\nDescription=x\n[Service]\nExecStart=/bin/x\n" });
    let spec = json!({
        "config": {
            "ignition": { "version": "3.4.0" },
            "storage": { "files": (0..files).map(file).collect::<Vec<Value>>() },
            "systemd": { "units": [unit] },
        },
        "kernelArguments": [format!("a={number}")],
    });
    let mut config =
        MachineConfig::named(&format!("{number:02}-{role}"), serde_json::from_value(spec).unwrap_or_default());
    config.metadata.labels = Some([(ROLE.to_owned(), role.to_owned())].into());
    config
}

fn render_all(pools: &[(MachineConfigPool, Vec<&MachineConfig>)], controller: &ControllerConfig) {
    for (pool, configs) in pools {
        // What fails here is fast and would look good.
        assert!(black_box(render(&RenderInput::new(pool, configs, controller))).is_ok());
    }
}

/// Given a binary of the program, what a user sees of it.
fn main() -> Result<()> {
    // Cargo adds `--bench`.
    let binary = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    println!("{:<58} {:>22}   asked", "rendering (in brackets: on a processor)", "measured");
    pools_at_once();
    templates()?;
    match binary {
        Some(binary) => program(Path::new(&binary)),
        None => Ok(()),
    }
}

fn row(what: &str, measured: &str, asked: &str) {
    println!("{what:<58} {measured:>22}   {asked}");
}

fn pools_at_once() {
    let mut controller = ControllerConfig::default();
    controller.spec.base_os_container_image = "registry.example.com/os@sha256:1".to_owned();
    let names: Vec<String> = (0..POOLS).map(|index| format!("pool-{index}")).collect();
    let of =
        |role: &str| (0..CONFIGS_PER_POOL).map(|number| config(role, number, FILES_PER_CONFIG)).collect::<Vec<_>>();
    let own: Vec<Vec<MachineConfig>> = names.iter().map(|name| of(name)).collect();
    let shared = of("worker");
    let pools = |inherit: bool| -> Vec<(MachineConfigPool, Vec<&MachineConfig>)> {
        let pool = |name: &String| MachineConfigPool::named(name, Default::default());
        let with = |own| shared.iter().filter(|_| inherit).chain(own).collect();
        names.iter().zip(&own).map(|(name, own)| (pool(name), with(own))).collect()
    };
    let (apart, inheriting) = (pools(false), pools(true));
    let median = |pools: &[(MachineConfigPool, Vec<&MachineConfig>)]| {
        let mut worked = Duration::ZERO;
        let wall = median_of(|| {
            let (start, before) = (Instant::now(), on_processor());
            render_all(pools, &controller);
            worked = on_processor().saturating_sub(before);
            start.elapsed()
        });
        format!("{} ({})", millis(wall), millis(worked))
    };
    row("1,000 MachineConfigs of 20 files, 50 pools, one thread", &median(&apart), "1,000 ms on 2 cores");
    row("the same and 20 shared ones in each of the pools", &median(&inheriting), "");
    row("one pool of 20", &median(&apart[..1]), "");
}

/// What the recorded tree makes of a ControllerConfig with three roles.
fn templates() -> Result<()> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/generated");
    let files: BTreeMap<String, String> = serde_json::from_slice(&std::fs::read(golden.join("tree-main.json"))?)?;
    let mut tree = Tree::default();
    files.iter().try_for_each(|(path, text)| tree.add_file(path, text.as_bytes()))?;
    let cases = std::fs::read_to_string(golden.join("template-controller.jsonl"))?;
    let with_arbiter = cases.lines().find(|line| line.contains("HighlyAvailableArbiter")).ok_or("no such case")?;
    let case: Value = serde_json::from_str(with_arbiter)?;
    let controller_config: ControllerConfig = serde_json::from_value(case["controllerConfig"].clone())?;
    let tls = TlsSettings::of(None);
    let input = TemplateInput {
        controller_config: &controller_config,
        pull_secret: case["pullSecret"].as_str(),
        tls: &tls,
        build: "b",
        release: None,
    };
    let mut worked = Duration::ZERO;
    let wall = median_of(|| {
        let (start, before) = (Instant::now(), on_processor());
        assert!(black_box(generate(&tree, &input)).is_ok_and(|made| made.len() == 9));
        worked = on_processor().saturating_sub(before);
        start.elapsed()
    });
    row("templates of one ControllerConfig, 3 roles", &format!("{} ({})", millis(wall), millis(worked)), "20 ms");
    Ok(())
}

/// `weir render` of three pools with 30 MachineConfigs each.
fn program(binary: &Path) -> Result<()> {
    let mut items = vec![json!({
        "apiVersion": VERSION, "kind": "ControllerConfig", "metadata": {"name": "machine-config-controller"},
        "spec": {"baseOSContainerImage": "registry.example.com/os@sha256:1"},
    })];
    for role in ["master", "worker", "infra"] {
        let selector = json!({"matchLabels": {ROLE: role}});
        let spec = json!({ "machineConfigSelector": selector });
        items.push(
            json!({"apiVersion": VERSION, "kind": "MachineConfigPool", "metadata": {"name": role}, "spec": spec}),
        );
        for number in 0..SMALL_CONFIGS {
            items.push(serde_json::to_value(config(role, number, SMALL_FILES))?);
        }
    }
    let file = tempfile::NamedTempFile::new()?;
    serde_json::to_writer(&file, &json!({"apiVersion": "v1", "kind": "List", "items": items}))?;
    let mut peak = 0;
    let mut failed = None;
    let printed = Command::new(binary).args(["render", "-f"]).arg(file.path()).output()?.stdout.len();
    let wall = median_of(|| match run(binary, file.path(), printed) {
        Ok((wall, kib)) => {
            peak = peak.max(kib);
            wall
        }
        Err(error) => {
            failed = Some(error);
            Duration::ZERO
        }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    let size = file.as_file().metadata()?.len() >> 10;
    row(&format!("weir render, 3 pools of 30 MachineConfigs of 5 files ({size} KiB)"), &millis(wall), "30 ms");
    row("its memory at most", &format!("{:.1} MiB", f64::from(peak) / 1024.0), "20 MiB");
    Ok(())
}

/// How long it takes, and its peak of resident memory in KiB. The end of what it prints is more than a pipe holds: it waits
/// to be read when it has made everything, and is looked at then.
fn run(binary: &Path, manifests: &Path, printed: usize) -> Result<(Duration, u32)> {
    let start = Instant::now();
    let mut child = Command::new(binary).args(["render", "-f"]).arg(manifests).stdout(Stdio::piped()).spawn()?;
    let mut stdout = child.stdout.take().ok_or("stdout is piped")?;
    let mut most = vec![0; printed.saturating_sub(2 * PIPE)];
    stdout.read_exact(&mut most)?;
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    let peak = line.trim().trim_end_matches(" kB").parse()?;
    let mut rest = Vec::new();
    stdout.read_to_end(&mut rest)?;
    if !child.wait()?.success() || rest.len() < PIPE {
        return Err(format!("it printed {} bytes", rest.len()).into());
    }
    Ok((start.elapsed(), peak))
}

/// How long this process has been on a processor: what is left of a figure when others want the processors as well.
fn on_processor() -> Duration {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default())
}

fn median_of(mut once: impl FnMut() -> Duration) -> Duration {
    let mut all: Vec<Duration> = (0..RUNS).map(|_| once()).collect();
    all.sort();
    all[RUNS / 2]
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
