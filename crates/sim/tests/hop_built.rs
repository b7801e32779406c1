//! Hops and switches of pools in image mode, with the controllers cut off at every write.
//!
//! A program of its own: it keeps all processors busy, and what has little time, such as a story, would miss it beside this.
#![allow(clippy::unwrap_used, reason = "a test")]

mod cut;

use anyhow::Result;
use cut::wherever_it_is_cut_off;

/// What a MachineOSConfig says here.
const OS_CONFIG: &str = "{machineConfigPool: {name: worker}, imageBuilder: {imageBuilderType: Job}, \
    renderedImagePushSecret: {name: registry}, renderedImagePushSpec: '${registry}/os/worker:latest'}";

fn with_os_config(story: &str) -> String {
    story.replace("${os-config}", OS_CONFIG)
}

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
      spec: ${os-config}
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
      spec: ${os-config}
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
    spec: ${os-config}
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
fn a_pool_in_image_mode_comes_to_the_same_wherever_the_controllers_are_cut_off() -> Result<()> {
    wherever_it_is_cut_off(&with_os_config(IMAGE_MODE))
}

#[test]
fn a_switch_in_image_mode_comes_to_the_same_wherever_the_controllers_are_cut_off() -> Result<()> {
    wherever_it_is_cut_off(&with_os_config(SWITCH))
}

#[test]
fn a_pool_that_is_freed_of_its_image_comes_to_the_same_wherever_the_controllers_are_cut_off() -> Result<()> {
    wherever_it_is_cut_off(&with_os_config(FREED))
}
