//! What the page needs of this program: its address with a token, a browser, and where its objects come from.

use crate::{
    cli::{ImageSource, plan::images as release_images},
    rollout_objects,
};
use anyhow::{Context as _, Result};
use futures::future::BoxFuture;
use jiff::Timestamp;
use kube::Client;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::{Command, Stdio},
    sync::Arc,
};
use tokio::sync::watch;
use weir_controllers::Context;
use weir_dashboard::{Everything, Page, PlanUpdate, Source, watching::ReadAll};
use weir_images::Images;
use weir_rules::{
    plan::{Change, Facts, Plan},
    world::World,
};

/// What opens addresses: freedesktop.org's program, and that of macOS.
const OPENERS: [&str; 2] = ["xdg-open", "open"];

/// Listens.
///
/// # Errors
/// When the address cannot be had.
pub async fn bind(address: SocketAddr) -> Result<Page> {
    Page::bind(address).await.with_context(|| format!("the page cannot listen on {address}"))
}

/// A token that nobody guesses: 122 random bits.
#[must_use]
pub fn token() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// The address to open, with the token if there is one.
#[must_use]
pub fn address(page: &Page, token: Option<&str>) -> String {
    let mut at = page.address();
    // "Any address" is none to open.
    match at.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => at.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => at.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    token.map_or_else(|| format!("http://{at}/"), |token| format!("http://{at}/?token={token}"))
}

/// Opens an address in a browser; says so if there is none.
pub fn open(address: &str) {
    let start = |program: &str| {
        let started = Command::new(program).arg(address).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        started.is_ok()
    };
    if !OPENERS.iter().any(|program| start(program)) {
        tell!("note: no browser was opened: there is no {}", OPENERS.join(" and no "));
    }
}

/// Reads everything that a plan depends on.
async fn everything(client: Client) -> Result<Everything, String> {
    let read = rollout_objects::everything_of_cluster(&client).await;
    read.map(|(world, unknown)| Everything { world, unknown }).map_err(|error| format!("{error:#}"))
}

/// The same, for a page that watches a cluster itself.
#[must_use]
pub fn read_all() -> ReadAll {
    Arc::new(|client| Box::pin(everything(client)))
}

/// Plans updates as `weir plan --release` does, with these images, or else as the cluster reads them.
#[must_use]
pub fn updates(images: Option<Images>) -> Arc<PlanUpdate> {
    Arc::new(move |everything, changes, release, now| {
        let images = images.clone();
        Box::pin(async move {
            let planned = plan_update(images, everything, changes, &release, now).await;
            planned.map_err(|error| format!("{error:#}"))
        })
    })
}

async fn plan_update(
    images: Option<Images>,
    everything: Everything,
    mut changes: Vec<Change>,
    release: &str,
    now: Timestamp,
) -> Result<Plan> {
    let Everything { mut world, unknown } = everything;
    let mut facts = Facts { unknown: unknown.into_iter().collect(), ..Facts::default() };
    let images = match images {
        Some(images) => images,
        None => release_images::of_cluster(&world, &ImageSource::default(), Some(release))?,
    };
    release_images::update(&images, release, &mut world, &mut changes, &mut facts).await?;
    release_images::planned(&images, &world, &changes, facts, false, now).await
}

/// The caches of the controllers in this process.
#[derive(Debug)]
pub struct OfControllers(pub Context);

impl Source for OfControllers {
    fn world(&self) -> World {
        self.0.told()
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    fn changes(&self) -> Vec<watch::Receiver<u64>> {
        self.0.cluster.told_changes()
    }

    fn trouble(&self) -> Option<String> {
        None
    }

    fn everything(&self) -> BoxFuture<'static, Result<Everything, String>> {
        Box::pin(everything(self.0.client.clone()))
    }
}
