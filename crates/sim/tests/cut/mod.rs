//! Plays a story once for each of its writes, with the controllers cut off after that write: it has to come to the same.

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

pub fn wherever_it_is_cut_off(story: &str) -> Result<()> {
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
