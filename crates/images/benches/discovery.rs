//! Stream discovery against Debian's `docker-registry`: requests, round trips, bytes, time and memory.
//!
//! The discovery runs in a process of its own, so that neither the registry nor the making of the payload is measured.

use anyhow::{Context as _, Result, bail};
use std::process::Command;
use std::time::{Duration, Instant};
use weir_distro::Profile;
use weir_images::payload::{build, push};
use weir_images::{Images, Registries, Source, Trust};
use weir_testkit::http::{Answer, Server};
use weir_testkit::{Options, Registry};

/// Given to the process that discovers: an image, a CA and a registries configuration follow.
const CHILD: &str = "--discover";
const RUNS: usize = 11;
/// What a distant registry adds to each request.
const DELAY: Duration = Duration::from_millis(50);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match arguments.iter().position(|argument| argument == CHILD) {
        Some(at) => runtime.block_on(discover(&arguments[at + 1..])),
        None => runtime.block_on(measure()),
    }
}

/// Prints how long it took, in microseconds, and the peak of resident memory, in KiB.
async fn discover(arguments: &[String]) -> Result<()> {
    let [image, ca, registries] = arguments else { bail!("{CHILD} IMAGE CA REGISTRIES") };
    let profile = Profile::all().first().context("a profile")?;
    let start = Instant::now();
    let mut source = Source { registries: Registries::parse(registries)?, ..Source::default() };
    source.trust = Trust::default();
    source.trust.add_bundle("registry", ca.as_bytes())?;
    let images = Images::new(source);
    let release = images.release(image).await?;
    let os = release.tags.iter().filter(|tag| profile.payload.may_be_os(&tag.name, None));
    let os: Vec<String> = os.filter_map(|tag| tag.image.clone()).collect();
    for labels in images.labels_of(&os).await {
        labels?;
    }
    println!("{} {} {} {}", start.elapsed().as_micros(), peak()?, release.tags.len(), os.len());
    Ok(())
}

fn peak() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

struct Run {
    micros: u64,
    kib: u64,
    tags: u64,
    images: u64,
}

async fn child(image: &str, ca: &str, registries: &str) -> Result<Run> {
    let own = std::env::current_exe()?;
    let mut command = tokio::process::Command::from(Command::new(own));
    let output = command.args([CHILD, image, ca, registries]).output().await?;
    let text = String::from_utf8(output.stdout)?;
    let numbers: Vec<u64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [micros, kib, tags, images] = numbers[..] else { bail!("{}", String::from_utf8_lossy(&output.stderr)) };
    Ok(Run { micros, kib, tags, images })
}

async fn measure() -> Result<()> {
    let (Some(tls), Some(plain)) =
        (Registry::start(&Options { tls: true, ..Options::default() })?, Registry::start(&Options::default())?)
    else {
        return Ok(());
    };
    let image = pushed(&tls, "").await?;
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        runs.push(child(&image, tls.ca(), "").await?);
    }
    runs.sort_by_key(|run| run.micros);
    let median = &runs[RUNS / 2];
    println!("payload:     {} tags, {} images inspected", median.tags, median.images);
    println!("TLS:         {:.1} ms (median of {RUNS})", millis(median.micros));
    println!("memory:      {:.1} MiB at most", kib_as_mib(runs.iter().map(|run| run.kib).max().unwrap_or_default()));

    let upstream = plain.host().to_owned();
    let slow = Server::start(move |_| Answer::Delayed(upstream.clone(), DELAY)).await?;
    let insecure = |location: &str| format!("[[registry]]\nlocation = \"{location}\"\ninsecure = true\n");
    let image = pushed(&plain, &insecure(plain.host())).await?;
    let through = format!(
        "{}[[registry]]\nprefix = \"{}\"\nlocation = \"{}\"\ninsecure = true\n",
        insecure(&slow.host()),
        plain.host(),
        slow.host()
    );
    let run = child(&image, tls.ca(), &through).await?;
    println!("+{} ms each: {:.1} ms", DELAY.as_millis(), millis(run.micros));
    println!("requests:    {}", slow.requests().len());
    println!("round trips: {}", slow.round_trips());
    println!("bytes:       {}", slow.bytes());
    Ok(())
}

async fn pushed(registry: &Registry, registries: &str) -> Result<String> {
    let profile = Profile::all().first().context("a profile")?;
    let mut trust = Trust::default();
    trust.add_bundle("registry", registry.ca().as_bytes())?;
    let source = Source { registries: Registries::parse(registries)?, trust, ..Source::default() };
    let to = format!("{}/bench/release", registry.host()).parse()?;
    Ok(push(&Images::new(source), &build(profile, None, &[])?, &to).await?.release)
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn kib_as_mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
