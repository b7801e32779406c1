//! Stream discovery against Debian's `docker-registry`: requests, round trips, bytes, time and memory.
//!
//! The discovery runs in a process of its own, so that neither the registry nor the making of the payload is measured.

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use jiff::Timestamp;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use weir_distro::Profile;
use weir_images::payload::{Recipe, build, make, push};
use weir_images::release::{OPERATOR, TEMPLATES};
use weir_images::{Cache, Images, Layout, Registries, Source, Trust};
use weir_testkit::http::{Answer, Request, Server};
use weir_testkit::{Options, Registry};

/// Given to the process that discovers: an image, a CA, a registries configuration, a cache folder and [`WITH_TEMPLATES`] follow; the last
/// two may be empty.
const CHILD: &str = "--discover";
/// Whether it reads the templates of the release as well.
const WITH_TEMPLATES: &str = "templates";
/// A release has about this many templates, of this size.
const TEMPLATES_PER_RELEASE: usize = 200;
const TEMPLATE_SIZE: usize = 4 << 10;
/// Maximum size of a release's templates.
const MOST: u64 = 16 << 20;
const RUNS: usize = 11;
/// Half of what the reference implementation takes, on the machine where it was measured: 0.36 s.
const WALL: &str = "180 ms";
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

/// Prints how long discovery took, in microseconds, the peak of resident memory, in KiB, how many tags there are and how many images were
/// looked at; then by how much the templates raise the peak, and how many there are.
async fn discover(arguments: &[String]) -> Result<()> {
    let [image, ca, registries, cache, more] = arguments else { bail!("{CHILD} IMAGE CA REGISTRIES CACHE MORE") };
    let profile = Profile::all().first().context("a profile")?;
    let start = Instant::now();
    let mut source = Source { registries: Registries::parse(registries)?, ..Source::default() };
    if !cache.is_empty() {
        source.cache = Some(Arc::new(Cache::open(Path::new(cache), Timestamp::now)));
    }
    source.trust.add_bundle("registry", ca.as_bytes())?;
    let images = Images::new(source);
    let release = images.release(image).await?;
    let os = release.tags.iter().filter(|tag| profile.payload.may_be_os(&tag.name, None));
    let os: Vec<String> = os.filter_map(|tag| tag.image.clone()).collect();
    for labels in images.labels_of(&os).await {
        labels?;
    }
    let (micros, before) = (start.elapsed().as_micros(), peak()?);
    let mut templates = 0;
    if more == WITH_TEMPLATES {
        let operator = release.image_of(OPERATOR).context("the image with the templates")?;
        templates = images.folder(operator, TEMPLATES, MOST).await?.context("a folder of templates")?.files.len();
    }
    println!("{micros} {before} {} {} {} {templates}", release.tags.len(), os.len(), peak()? - before);
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
    /// What the templates add to the peak, in KiB.
    more: u64,
    templates: u64,
}

async fn child(image: &str, ca: &str, registries: &str, cache: &str, more: &str) -> Result<Run> {
    let own = std::env::current_exe()?;
    let mut command = tokio::process::Command::from(Command::new(own));
    let output = command.args([CHILD, image, ca, registries, cache, more]).output().await?;
    let text = String::from_utf8(output.stdout)?;
    let numbers: Vec<u64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [micros, kib, tags, images, more, templates] = numbers[..] else {
        bail!("{}", String::from_utf8_lossy(&output.stderr))
    };
    Ok(Run { micros, kib, tags, images, more, templates })
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
        runs.push(child(&image, tls.ca(), "", "", "").await?);
    }
    runs.sort_by_key(|run| run.micros);
    let median = &runs[RUNS / 2];
    println!("{:<52} {:>12}   asked", "discovery", "measured");
    row(&format!("{} tags, {} images inspected, TLS", median.tags, median.images), &millis(median.micros), WALL);
    let most = runs.iter().map(|run| run.kib).max().unwrap_or_default();
    row("memory at most", &format!("{:.1} MiB", kib_as_mib(most)), "15 MiB");
    let ca = tls.ca();
    let alone = distant(&plain, ca).await?;
    templates(&tls, &plain, alone).await?;
    with_tokens(&plain, ca).await
}

fn row(what: &str, measured: &str, asked: &str) {
    println!("{what:<52} {measured:>12}   {asked}");
}

fn insecure(location: &str) -> String {
    format!("[[registry]]\nlocation = \"{location}\"\ninsecure = true\n")
}

/// Names of the registry are those of the server before it.
fn through(registry: &Registry, server: &Server) -> String {
    format!(
        "{}[[registry]]\nprefix = \"{}\"\nlocation = \"{}\"\ninsecure = true\n",
        insecure(&server.host()),
        registry.host(),
        server.host()
    )
}

/// Returns the round trips.
async fn distant(registry: &Registry, ca: &str) -> Result<usize> {
    let upstream = registry.host().to_owned();
    let slow = Server::start(move |_| Answer::Delayed(upstream.clone(), DELAY)).await?;
    let image = pushed(registry, &insecure(registry.host())).await?;
    let run = child(&image, ca, &through(registry, &slow), "", "").await?;
    row(&format!("{} ms added to each request", DELAY.as_millis()), &millis(run.micros), "");
    row("  round trips, one after the other", &slow.round_trips().to_string(), "4");
    row("  requests", &slow.requests().len().to_string(), "");
    row("  bytes", &slow.bytes().to_string(), "");
    Ok(slow.round_trips())
}

/// The templates of a release of the usual size, read after its discovery, which alone takes so many round trips.
async fn templates(tls: &Registry, plain: &Registry, alone: usize) -> Result<()> {
    let template = |number: usize| {
        (format!("ROLE/00-ROLE/_base/files/{number}.yaml"), "path: /a # 45678901\n".repeat(TEMPLATE_SIZE / 20))
    };
    let profile = Profile::all().first().context("a profile")?;
    // There are two roles.
    let templates = (0..TEMPLATES_PER_RELEASE / 2).map(template).collect();
    let streams = profile.sample.streams.clone();
    let layout = make(&Recipe { profile, version: None, streams, labelled: true, templates })?;
    let image = pushed_as(tls, "", &layout).await?;
    let mut most = 0;
    for _ in 0..RUNS {
        let run = child(&image, tls.ca(), "", "", WITH_TEMPLATES).await?;
        anyhow::ensure!(run.templates >= TEMPLATES_PER_RELEASE as u64, "{} templates", run.templates);
        most = most.max(run.more);
    }
    row("templates of the release, more memory at most", &format!("{:.1} MiB", kib_as_mib(most)), "10 MiB");
    let upstream = plain.host().to_owned();
    let slow = Server::start(move |_| Answer::Delayed(upstream.clone(), DELAY)).await?;
    let image = pushed_as(plain, &insecure(plain.host()), &layout).await?;
    let folder = tempfile::tempdir()?;
    let cache = folder.path().display().to_string();
    child(&image, plain.ca(), &through(plain, &slow), &cache, WITH_TEMPLATES).await?;
    let first = slow.round_trips();
    row("  round trips beyond those of discovery", &first.saturating_sub(alone).to_string(), "3");
    child(&image, plain.ca(), &through(plain, &slow), &cache, WITH_TEMPLATES).await?;
    row("  round trips of everything from the cache", &(slow.round_trips() - first).to_string(), "0");
    Ok(())
}

/// The registry asks for tokens, which it gives to everybody. The second time its token server is known, and nothing else.
async fn with_tokens(registry: &Registry, ca: &str) -> Result<()> {
    let upstream = registry.host().to_owned();
    let guarded = Server::start(move |request: &Request| match request.header("authorization") {
        _ if request.path.starts_with("/token") => {
            Answer::Text(200, vec![], Bytes::from_static(b"{\"token\":\"t\",\"expires_in\":300}"))
        }
        Some(_) => Answer::Delayed(upstream.clone(), DELAY),
        None => {
            let realm = format!("Bearer realm=\"http://{}/token\"", request.header("host").unwrap_or_default());
            Answer::Text(401, vec![("www-authenticate", realm)], Bytes::new())
        }
    });
    let guarded = guarded.await?;
    let image = pushed(registry, &insecure(registry.host())).await?;
    let folder = tempfile::tempdir()?;
    let mut before = 0;
    for what in ["round trips with token login, first contact", "round trips with token login, registry known"] {
        // What is known of images is forgotten; where tokens come from is not.
        let _ = std::fs::remove_file(folder.path().join(weir_images::cache::FILE_NAME));
        child(&image, ca, &through(registry, &guarded), &folder.path().display().to_string(), "").await?;
        let all = guarded.round_trips();
        row(what, &(all - before).to_string(), "5");
        before = all;
    }
    Ok(())
}

async fn pushed(registry: &Registry, registries: &str) -> Result<String> {
    let profile = Profile::all().first().context("a profile")?;
    pushed_as(registry, registries, &build(profile, None, &[])?).await
}

async fn pushed_as(registry: &Registry, registries: &str, layout: &Layout) -> Result<String> {
    let mut trust = Trust::default();
    trust.add_bundle("registry", registry.ca().as_bytes())?;
    let source = Source { registries: Registries::parse(registries)?, trust, ..Source::default() };
    let to = format!("{}/bench/release", registry.host()).parse()?;
    Ok(push(&Images::new(source), layout, &to).await?.release)
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn millis(micros: u64) -> String {
    format!("{:.1} ms", micros as f64 / 1000.0)
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn kib_as_mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
