//! The hop with the controllers cut off at every write.
//!
//! A program of its own: it keeps all processors busy for a minute, and what has little time, such as a story, would miss it
//! beside this.
#![allow(clippy::unwrap_used, reason = "a test")]

use anyhow::{Result, ensure};
use serde_json::Value;
use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};
use tokio::runtime::Builder;
use weir_sim::story::{Report, replay};

/// Plays that go on at the same time; half of one with a registry is waiting for simulated machines.
const AT_ONCE: usize = 4;

/// With a registry there are sockets, for which virtual time would not wait.
fn play(text: &str, cut_after: u64) -> Result<Report> {
    let mut runtime = Builder::new_current_thread();
    let runtime = if text.contains("registry: true") {
        runtime.enable_all().build()
    } else {
        runtime.enable_time().start_paused(true).build()
    };
    runtime?.block_on(replay(text, cut_after))
}

/// The hop with a pool of each kind, small enough to be played once for each of its writes.
const HOP: &str = "
about: the hop, for being interrupted
distribution: okd
payloads:
  ten: {version: 5.0.0-okd-scos.0, streams: [centos-10]}
  eleven: {version: 5.1.0-okd-scos.0, streams: [centos-11]}
start: {payload: ten, nodes: 'master=1,worker=1,infra=1,edge=1'}
steps:
- title: it comes up
  do: [{stream: {pool: worker, name: centos-9}}, {stream: {pool: edge, name: centos-10}}, {pause: {pool: edge, paused: true}}]
  expect:
  - pool: {name: edge, runs: centos-10}
  - pool: {name: worker, at-rest: true, runs: centos-10}
- title: it hops
  do: [{update: {to: eleven}}]
  within: 20s
  expect:
  - streams: {available: [centos-11], default: centos-11}
  - pool: {name: master, at-rest: true, runs: centos-11}
  - pool: {name: worker, at-rest: true, runs: centos-11, names: centos-9}
  - pool: {name: infra, at-rest: true, runs: centos-11}
  - pool: {name: edge, condition: {type: Updating, status: 'False', says: Pool is paused}}
  - os: {pool: edge, name: centos-10}
  - told: {master: 1, worker: 1, infra: 1, edge: 0}
- title: the paused pool follows
  do: [{pause: {pool: edge, paused: false}}]
  expect:
  - pool: {name: edge, at-rest: true, runs: centos-11, names: centos-10}
  - told: {master: 0, worker: 0, infra: 0, edge: 1}
";

/// The hop of a pool in image mode: its image is built on the new stream before its node moves.
const IMAGE_MODE: &str = "
about: the hop of a pool in image mode, for being interrupted
distribution: okd
payloads:
  ten: {version: 5.0.0-okd-scos.0, streams: [centos-10]}
  eleven: {version: 5.1.0-okd-scos.0, streams: [centos-11]}
start: {registry: true, payload: ten, nodes: 'master=1,worker=1'}
steps:
- title: the worker runs an image
  do:
  - apply:
      apiVersion: machineconfiguration.openshift.io/v1
      kind: MachineOSConfig
      metadata: {name: worker}
      spec:
        machineConfigPool: {name: worker}
        imageBuilder: {imageBuilderType: Job}
        renderedImagePushSecret: {name: registry}
        renderedImagePushSpec: '${registry}/os/worker:latest'
  expect:
  - pool: {name: worker, at-rest: true, runs: centos-10}
  - image: {pool: worker, built: true}
- title: it hops
  do: [{update: {to: eleven}}]
  within: 20s
  expect:
  - pool: {name: master, at-rest: true, runs: centos-11}
  - pool: {name: worker, at-rest: true, runs: centos-11}
  - image: {pool: worker, built: true}
  - told: {master: 1, worker: 1}
";

/// A pool in image mode switches its stream: built on the other one, rolled out, and back without a build.
const SWITCH: &str = "
about: a pool in image mode switches its stream, for being interrupted
distribution: ocp
payloads:
  five: {version: 5.0.0, streams: [rhel-9, rhel-10]}
start: {registry: true, payload: five, nodes: 'master=1,worker=1'}
steps:
- title: the worker runs an image on the newer stream
  do:
  - apply:
      apiVersion: machineconfiguration.openshift.io/v1
      kind: MachineOSConfig
      metadata: {name: worker}
      spec:
        machineConfigPool: {name: worker}
        imageBuilder: {imageBuilderType: Job}
        renderedImagePushSecret: {name: registry}
        renderedImagePushSpec: '${registry}/os/worker:latest'
  expect:
  - pool: {name: worker, at-rest: true, runs: rhel-10}
  - image: {pool: worker, built: true}
- title: its pool names the older one
  counted: true
  do: [{stream: {pool: worker, name: rhel-9}}]
  within: 20s
  expect:
  - pool: {name: worker, at-rest: true, runs: rhel-9, names: rhel-9}
  - image: {pool: worker, built: true}
  - os: {pool: worker, name: rhel-9}
  - told: {master: 0, worker: 1}
";

/// A pool that was installed with an image gets one that is built on the stream which its user names.
const FREED: &str = "
about: an image that was brought along is replaced, for being interrupted
distribution: ocp
payloads:
  five: {version: 5.0.0, streams: [rhel-9, rhel-10]}
start:
  registry: true
  payload: five
  nodes: 'master=1,worker=1'
  objects:
  - apiVersion: machineconfiguration.openshift.io/v1
    kind: MachineConfig
    metadata:
      name: 10-prebuiltimage-osimageurl-worker
      labels: {machineconfiguration.openshift.io/role: worker}
      annotations: {machineconfiguration.openshift.io/pre-built-image: '${installed}'}
    spec: {osImageURL: '${installed}'}
  - apiVersion: machineconfiguration.openshift.io/v1
    kind: MachineOSConfig
    metadata:
      name: worker
      annotations: {machineconfiguration.openshift.io/pre-built-image: '${installed}'}
    spec:
      machineConfigPool: {name: worker}
      imageBuilder: {imageBuilderType: Job}
      renderedImagePushSecret: {name: registry}
      renderedImagePushSpec: '${registry}/os/worker:latest'
steps:
- title: the worker runs what was brought along
  expect:
  - pool: {name: worker, at-rest: true, condition: {type: OSImagePinned, status: 'True', reason: PreBuiltImage}}
  - os: {pool: worker, name: 127.0.0.1}
- title: its pool names a stream
  counted: true
  do: [{stream: {pool: worker, name: rhel-9}}]
  within: 20s
  expect:
  - pool: {name: worker, at-rest: true, runs: rhel-9, names: rhel-9}
  - image: {pool: worker, built: true}
  - os: {pool: worker, name: rhel-9}
  - told: {master: 0, worker: 1}
";

#[test]
fn the_hop_comes_to_the_same_wherever_the_controllers_are_cut_off() -> Result<()> {
    wherever_it_is_cut_off(HOP)
}

#[test]
fn a_pool_in_image_mode_comes_to_the_same_wherever_the_controllers_are_cut_off() -> Result<()> {
    wherever_it_is_cut_off(IMAGE_MODE)
}

#[test]
fn a_switch_in_image_mode_comes_to_the_same_wherever_the_controllers_are_cut_off() -> Result<()> {
    wherever_it_is_cut_off(SWITCH)
}

#[test]
fn a_pool_that_is_freed_of_its_image_comes_to_the_same_wherever_the_controllers_are_cut_off() -> Result<()> {
    wherever_it_is_cut_off(FREED)
}

fn wherever_it_is_cut_off(story: &str) -> Result<()> {
    let whole = play(story, 0)?;
    ensure!(whole.failures.is_empty(), "{}", whole.failures.join("\n"));
    ensure!(whole.writes > 10, "{} writes are not the whole hop", whole.writes);
    let (next, wrong) = (AtomicU64::new(1), Mutex::new(Vec::new()));
    let plays = || {
        loop {
            let cut = next.fetch_add(1, Ordering::Relaxed);
            if cut > whole.writes {
                return;
            }
            if let Err(error) = comes_to_the_same(story, cut, &whole) {
                wrong.lock().unwrap().push(format!("cut off after write {cut}: {error:#}"));
            }
        }
    };
    thread::scope(|scope| (0..AT_ONCE).for_each(|_| _ = scope.spawn(plays)));
    let wrong = wrong.into_inner()?;
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn comes_to_the_same(story: &str, cut: u64, whole: &Report) -> Result<()> {
    let report = play(story, cut)?;
    ensure!(report.failures.is_empty(), "{}", report.failures.join("\n"));
    let differences = differences("", &whole.state, &report.state);
    ensure!(differences.is_empty(), "\n{}", differences.join("\n"));
    Ok(())
}

fn differences(path: &str, one: &Value, other: &Value) -> Vec<String> {
    match (one, other) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            let each = |key: &&String| differences(&format!("{path}.{key}"), &one[key.as_str()], &other[key.as_str()]);
            keys.iter().flat_map(each).collect()
        }
        _ if one == other => Vec::new(),
        _ => vec![format!("{path}: {one} and {other}")],
    }
}
