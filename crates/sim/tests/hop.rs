//! The hop with the controllers cut off at every write.
//!
//! A program of its own: it keeps all processors busy for a minute, in virtual time, so that nothing in it is late when it runs beside
//! others with the lowest priority.
#![allow(clippy::unwrap_used, reason = "a test")]

mod cut;

use anyhow::Result;
use cut::wherever_it_is_cut_off;

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

#[test]
fn the_hop_comes_to_the_same_wherever_the_controllers_are_cut_off() -> Result<()> {
    wherever_it_is_cut_off(HOP)
}
