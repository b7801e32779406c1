//! How long rendering takes: many pools at once, and one.

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};
use std::hint::black_box;
use weir_api::{ControllerConfig, MachineConfig, MachineConfigPool};
use weir_rules::render::{RenderInput, render};

const POOLS: usize = 50;
const CONFIGS_PER_POOL: usize = 20;
const FILES_PER_CONFIG: usize = 20;
/// Bytes of a file, about what templates write.
const FILE_SIZE: usize = 1024;

/// A MachineConfig with files of its own, and some that others have too.
fn config(role: &str, number: usize) -> MachineConfig {
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
            "storage": { "files": (0..FILES_PER_CONFIG).map(file).collect::<Vec<Value>>() },
            "systemd": { "units": [unit] },
        },
        "kernelArguments": [format!("a={number}")],
    });
    let mut config =
        MachineConfig::named(&format!("{number:02}-{role}"), serde_json::from_value(spec).unwrap_or_default());
    config.metadata.labels = Some([("machineconfiguration.openshift.io/role".to_owned(), role.to_owned())].into());
    config
}

fn render_all(pools: &[(MachineConfigPool, Vec<&MachineConfig>)], controller: &ControllerConfig) {
    for (pool, configs) in pools {
        // What fails here is fast and would look good.
        assert!(black_box(render(&RenderInput::new(pool, configs, controller))).is_ok());
    }
}

fn benchmark(criterion: &mut Criterion) {
    let mut controller = ControllerConfig::default();
    controller.spec.base_os_container_image = "registry.example.com/os@sha256:1".to_owned();
    let names: Vec<String> = (0..POOLS).map(|index| format!("pool-{index}")).collect();
    let of = |role: &str| (0..CONFIGS_PER_POOL).map(|number| config(role, number)).collect::<Vec<_>>();
    let own: Vec<Vec<MachineConfig>> = names.iter().map(|name| of(name)).collect();
    let shared = of("worker");
    let pools = |inherit: bool| -> Vec<(MachineConfigPool, Vec<&MachineConfig>)> {
        let pool = |name: &String| MachineConfigPool::named(name, Default::default());
        names
            .iter()
            .zip(&own)
            .map(|(name, own)| (pool(name), shared.iter().filter(|_| inherit).chain(own).collect()))
            .collect()
    };
    let (apart, inheriting) = (pools(false), pools(true));
    let mut group = criterion.benchmark_group("render");
    group.sample_size(10);
    group.bench_function("1000 configs of 20 files, 50 pools", |b| b.iter(|| render_all(&apart, &controller)));
    group.bench_function("20 more in each of the pools", |b| b.iter(|| render_all(&inheriting, &controller)));
    group.bench_function("one pool of 20 configs", |b| b.iter(|| render_all(&apart[..1], &controller)));
    group.finish();
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
