//! Figures of the page, as one printed table: how fast and large it is with 1,000 nodes, and what open pages cost while they roll.
//!
//! Run with `cargo xtask bench page`, which names the program built for release; without a name this profile's own is taken. Times are of
//! this machine; quote the median of several runs. Without Chromium the time until the page can be used is left out, and said so.

use anyhow::{Context as _, Result, bail, ensure};
use flate2::read::GzDecoder;
use kube::{Api, Client, api::Patch};
use serde_json::{Value, json};
use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;
use weir_api::MachineConfigPool;
use weir_testkit::{Browser, Look, Program, client, measured};

const RUNS: usize = 5;
/// Views that are asked for and stay open.
const VIEWS: [&str; 5] = ["/", "/nodes", "/streams", "/pools/worker", "/history"];
/// Pages that are open during a rollout, and the most that one of them may be silent before it counts as broken.
const OPEN: usize = 50;
const SILENCE: Duration = Duration::from_secs(60);
/// How long a cluster is watched in which nothing happens.
const REST: Duration = Duration::from_secs(10);
const MEBIBYTE: u64 = 1 << 20;

fn main() -> Result<()> {
    let Some(binary) = measured(env!("CARGO_BIN_EXE_weir")) else { return Ok(()) };
    let binary = binary.as_path();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let cluster = Cluster::start(binary, &runtime, &["--step-time", "10ms", "--nodes", "master=3,worker=1000"])?;
    // Who has just joined writes for a while.
    drain(&mut cluster.follow("/nodes")?)?;
    thread::sleep(REST);
    for view in VIEWS {
        let (mut first, mut size) = (Vec::new(), 0);
        for run in 0..RUNS {
            // Something that nobody acts on, so that everything is looked at anew.
            cluster.patch(&runtime, &json!({"metadata": {"annotations": {"bench": format!("{view} {run}")}}}))?;
            let loaded = cluster.load(view)?;
            first.push(loaded.first);
            size = loaded.compressed;
        }
        row(&format!("{view}: first byte after a change"), &milliseconds(&mut first), "≤ 20 ms");
        row("… compressed", &format!("{:.1} KB", thousands(size)), "≤ 250 KB");
    }
    interactive(&cluster)?;
    row("a change until an open page has it", &milliseconds(&mut cluster.changes(&runtime)?), "≤ 300 ms");
    row(&format!("{OPEN} pages, nothing happens: bytes a page"), &cluster.rest()?, "0");
    drop(cluster);
    let without = rollout(binary, &runtime, 0)?;
    let with = rollout(binary, &runtime, OPEN)?;
    row("rollout of 1,000 nodes, 10% at once, no page", &without.text(), "");
    row(&format!("… with {OPEN} pages open"), &with.text(), "");
    let more = with.cores() - without.cores();
    row("… cores more", &format!("{more:.2}"), "≤ 0.3");
    let more = with.memory.saturating_sub(without.memory) / MEBIBYTE;
    row("… memory more", &format!("{more} MiB"), "≤ 40 MiB");
    row("… updates a page", &format!("{:.1}", with.updates), "");
    Ok(())
}

fn row(what: &str, figure: &str, wanted: &str) {
    println!("{what:<50} {figure:>26}   {wanted}");
}

/// Median, least and most.
fn milliseconds(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |place: usize| times.get(place).map_or(0.0, |time| time.as_secs_f64() * 1000.0);
    format!("{:.1} ms ({:.1} to {:.1})", at(times.len() / 2), at(0), at(times.len().saturating_sub(1)))
}

#[allow(clippy::cast_precision_loss, reason = "a figure for people")]
fn thousands(bytes: usize) -> f64 {
    bytes as f64 / 1000.0
}

/// A running `weir up`, all of whose nodes are updated, and its page.
struct Cluster {
    program: Program,
    client: Client,
    host: String,
    token: String,
}

/// What came of a request.
struct Loaded {
    first: Duration,
    compressed: usize,
    text: String,
}

impl Cluster {
    fn start(binary: &Path, runtime: &Runtime, arguments: &[&str]) -> Result<Self> {
        let mut program = Program::start(Command::new(binary).arg("up").args(arguments))?;
        let kubeconfig = program.line()?;
        program.until("every pool is updated")?;
        let said = program.rest();
        let page = said.lines().find_map(|line| line.strip_prefix("the page: http://"));
        let (host, token) = page.and_then(|page| page.split_once("/?token=")).context("the address of the page")?;
        let client = runtime.block_on(client(Path::new(&kubeconfig)))?;
        Ok(Self { client, host: host.to_owned(), token: token.to_owned(), program })
    }

    /// A request, on a connection of its own.
    fn asked(&self, path: &str) -> Result<TcpStream> {
        let Self { host, token, .. } = self;
        let mut stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(SILENCE))?;
        let mut head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
        write!(head, "Authorization: Bearer {token}\r\nAccept-Encoding: gzip\r\n\r\n")?;
        stream.write_all(head.as_bytes())?;
        Ok(stream)
    }

    fn load(&self, path: &str) -> Result<Loaded> {
        let start = Instant::now();
        let mut stream = self.asked(path)?;
        let mut answer = vec![0; 1];
        stream.read_exact(&mut answer)?;
        let first = start.elapsed();
        stream.read_to_end(&mut answer)?;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").context("no end of the headers")?;
        let (head, body) = answer.split_at(end + 4);
        let head = String::from_utf8_lossy(head).to_lowercase();
        ensure!(head.starts_with("http/1.1 200") && head.contains("content-encoding: gzip"), "{path}: {head}");
        let body = if head.contains("transfer-encoding: chunked") { unchunked(body)? } else { body.to_vec() };
        let mut text = String::new();
        GzDecoder::new(body.as_slice()).read_to_string(&mut text).context("unpacking the page")?;
        Ok(Loaded { first, compressed: body.len(), text })
    }

    /// An open page, from the picture that it was loaded with.
    fn follow(&self, view: &str) -> Result<BufReader<TcpStream>> {
        let text = self.load(view)?.text;
        let value = |name: &str| {
            let (_, rest) = text.split_once(&format!("{name}=\""))?;
            Some(rest.split_once('"')?.0.to_owned())
        };
        let (page, picture) = value("data-live").zip(value("data-picture")).context("a page that is not live")?;
        let stream = self.asked(&format!("/live?page={}&picture={picture}", page.replace('/', "%2F")))?;
        let mut lines = BufReader::new(stream);
        let mut line = String::new();
        // The head, and what greets.
        while !line.starts_with("retry:") {
            line.clear();
            ensure!(lines.read_line(&mut line)? > 0, "{view} is not followed");
        }
        Ok(lines)
    }

    fn patch(&self, runtime: &Runtime, patch: &Value) -> Result<()> {
        let pools: Api<MachineConfigPool> = Api::all(self.client.clone());
        runtime.block_on(pools.patch("worker", &Default::default(), &Patch::Merge(patch)))?;
        Ok(())
    }

    /// How long after the API server's answer an open page has what changed.
    fn changes(&self, runtime: &Runtime) -> Result<Vec<Duration>> {
        let mut open = self.follow("/pools/worker")?;
        let mut times = Vec::new();
        for number in 0..2 * RUNS {
            self.patch(runtime, &json!({"spec": {"paused": number % 2 == 0}}))?;
            let start = Instant::now();
            let mut line = String::new();
            while !line.starts_with("data:") {
                line.clear();
                ensure!(open.read_line(&mut line)? > 0, "the updates ended");
            }
            times.push(start.elapsed());
            // What the controllers write of it is on its way, and is no answer to the next change.
            drain(&mut open)?;
        }
        Ok(times)
    }

    /// What open pages are sent while nothing happens.
    fn rest(&self) -> Result<String> {
        let mut open: Vec<_> =
            (0..OPEN).zip(VIEWS.iter().cycle()).map(|(_, view)| self.follow(view)).collect::<Result<_>>()?;
        for page in &mut open {
            drain(page)?;
        }
        let before = self.program.processor_time()?;
        let end = Instant::now() + REST;
        let mut bytes = 0;
        for page in &mut open {
            page.get_ref()
                .set_read_timeout(Some(end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))))?;
            let mut line = String::new();
            while let Ok(read) = page.read_line(&mut line) {
                ensure!(read > 0, "the updates ended");
                // A line that begins with a colon says that the page is still there.
                bytes += if line.starts_with(':') { 0 } else { line.trim().len() };
                line.clear();
            }
        }
        let took = self.program.processor_time()?.saturating_sub(before);
        Ok(format!("{} ({:.3} cores)", bytes / OPEN, took.as_secs_f64() / REST.as_secs_f64()))
    }
}

/// Reads until nothing comes for a second.
fn drain(page: &mut BufReader<TcpStream>) -> Result<()> {
    page.get_ref().set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut line = String::new();
    while page.read_line(&mut line).is_ok_and(|read| read > 0) {
        line.clear();
    }
    page.get_ref().set_read_timeout(Some(SILENCE))?;
    Ok(())
}

/// The body of an answer that came in chunks (RFC 9112, 7.1).
fn unchunked(mut body: &[u8]) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n").context("a chunk without a length")?;
        let length = std::str::from_utf8(&body[..end])?.split(';').next().unwrap_or_default();
        let length = usize::from_str_radix(length.trim(), 16)?;
        if length == 0 {
            return Ok(all);
        }
        all.extend(body.get(end + 2..end + 2 + length).context("a chunk that is cut off")?);
        body = body.get(end + 4 + length..).context("a chunk that is cut off")?;
    }
}

/// From the address to a page that is loaded, and follows.
fn interactive(cluster: &Cluster) -> Result<()> {
    let Some(browser) = Browser::start()? else {
        row("until the page can be used in Chromium", "not measured: no Chromium", "≤ 500 ms");
        return Ok(());
    };
    browser.look(Look { width: 1280, height: 900, dark: false })?;
    browser.open(&format!("http://{}/?token={}", cluster.host, cluster.token))?;
    for view in ["/", "/nodes"] {
        let mut times = Vec::new();
        for _ in 0..RUNS {
            browser.open(&format!("http://{}{view}", cluster.host))?;
            browser.until("document.querySelector('#state').textContent === 'live'")?;
            let timing =
                browser.run("const [page] = performance.getEntriesByType('navigation'); return page.loadEventEnd")?;
            times.push(Duration::from_secs_f64(timing.as_f64().context("when the page was loaded")? / 1000.0));
        }
        row(&format!("{view}: until the page can be used in Chromium"), &milliseconds(&mut times), "≤ 500 ms");
    }
    Ok(())
}

/// What a rollout took.
struct Rollout {
    lasted: Duration,
    processor: Duration,
    memory: u64,
    updates: f64,
}

impl Rollout {
    fn cores(&self) -> f64 {
        self.processor.as_secs_f64() / self.lasted.as_secs_f64()
    }

    fn text(&self) -> String {
        format!("{:.1} s, {:.2} cores, {} MiB", self.lasted.as_secs_f64(), self.cores(), self.memory / MEBIBYTE)
    }
}

/// The workers of a cluster of their own get another stream, while so many pages are open.
fn rollout(binary: &Path, runtime: &Runtime, pages: usize) -> Result<Rollout> {
    let cluster = Cluster::start(binary, runtime, &["--step-time", "500ms", "--nodes", "master=3,worker=1000"])?;
    let open: Vec<_> =
        (0..pages).zip(VIEWS.iter().cycle()).map(|(_, view)| cluster.follow(view)).collect::<Result<_>>()?;
    let followers: Vec<_> = open.into_iter().map(|page| thread::spawn(move || count(page))).collect();
    let (start, before) = (Instant::now(), cluster.program.processor_time()?);
    cluster.patch(runtime, &json!({"spec": {"maxUnavailable": "10%", "osImageStream": {"name": "rhel-9"}}}))?;
    let pools: Api<MachineConfigPool> = Api::all(cluster.client.clone());
    let switched = |pool: &MachineConfigPool| {
        let running = pool.status.as_ref().and_then(|status| status.os_image_stream.as_ref());
        running.is_some_and(|stream| stream.name == "rhel-9")
    };
    runtime.block_on(weir_kubeio::wait::until(&pools, "worker", switched))?;
    let (lasted, processor) = (start.elapsed(), cluster.program.processor_time()?.saturating_sub(before));
    let memory = cluster.program.peak_memory()?;
    // With it its pages end.
    drop(cluster);
    let mut updates = 0_u32;
    for follower in followers {
        let Ok(seen) = follower.join() else { bail!("a page that follows broke") };
        updates += seen;
    }
    let each = f64::from(updates) / f64::from(u32::try_from(pages.max(1))?);
    Ok(Rollout { lasted, processor, memory, updates: each })
}

/// How many updates an open page is sent until its server ends.
fn count(mut page: BufReader<TcpStream>) -> u32 {
    let (mut line, mut updates) = (String::new(), 0);
    while page.read_line(&mut line).is_ok_and(|read| read > 0) {
        updates += u32::from(line.starts_with("data:"));
        line.clear();
    }
    updates
}
