//! Stream discovery from this registry and from Debian's `docker-registry`, both over TLS: the ratio of their times.

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use std::time::{Duration, Instant};
use weir_distro::Profile;
use weir_images::{Authfile, Images, Source, Trust, payload};
use weir_registry::{Limits, Listener, Registry};
use weir_testkit::Options;

const RUNS: usize = 41;

/// A release in a registry, and how to read it.
struct Place {
    release: String,
    ca: String,
    authfile: String,
}

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure())
}

async fn measure() -> Result<()> {
    let user = Some(("weir".to_owned(), "a password of a benchmark".to_owned()));
    let Some(other) = weir_testkit::Registry::start(&Options { tls: true, user, ..Options::default() })? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let listener = Listener::bind(Registry::open(folder.path(), Limits::default(), Timestamp::now)?)?;
    let own = (listener.address().to_string(), listener.certificate(), listener.authfile());
    tokio::spawn(listener.serve(std::future::pending()));
    let own = pushed(&own.0, std::fs::read_to_string(own.1)?, std::fs::read_to_string(own.2)?).await?;
    let other = pushed(other.host(), other.ca().to_owned(), other.authfile(None)).await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    // In turns: whatever else the machine does concerns both.
    for _ in 0..RUNS {
        ours.push(discovered(&own).await?);
        theirs.push(discovered(&other).await?);
    }
    let (ours, theirs) = (median(ours), median(theirs));
    let millis = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
    println!("{:<52} {:>12}   asked", "discovery, by registry", "measured");
    println!("{:<52} {:>12}", "docker-registry, TLS and login", millis(theirs));
    println!("{:<52} {:>12}", "the embedded registry, TLS and login", millis(ours));
    let ratio = format!("{:.2}", theirs.as_secs_f64() / ours.as_secs_f64());
    println!("{:<52} {ratio:>12}   ≥ 1", "ratio");
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn source(place: &Place) -> Result<Source> {
    let mut trust = Trust::default();
    trust.add_bundle("registry", place.ca.as_bytes())?;
    Ok(Source { trust, authfile: Authfile::parse(place.authfile.as_bytes())?, ..Source::default() })
}

async fn pushed(host: &str, ca: String, authfile: String) -> Result<Place> {
    let mut place = Place { release: String::new(), ca, authfile };
    let layout = payload::build(profile()?, None, &[])?;
    let to = format!("{host}/bench/release").parse()?;
    place.release = payload::push(&Images::new(source(&place)?), &layout, &to).await?.release;
    Ok(place)
}

fn profile() -> Result<&'static Profile> {
    Profile::all().first().context("a profile")
}

async fn discovered(place: &Place) -> Result<Duration> {
    let source = source(place)?;
    let start = Instant::now();
    let images = Images::new(source);
    let release = images.release(&place.release).await?;
    let os =
        release.tags.iter().filter(|tag| profile().is_ok_and(|profile| profile.payload.may_be_os(&tag.name, None)));
    let os: Vec<String> = os.filter_map(|tag| tag.image.clone()).collect();
    for labels in images.labels_of(&os).await {
        labels?;
    }
    Ok(start.elapsed())
}
