//! What buildah is told of registries, in files of its own: what the machine's own configuration says does not count.
//!
//! Sources: containers-auth.json(5), containers-certs.d(5), containers-registries.conf(5), containers-policy.json(5).

use super::place::Place;
use crate::build::{builder::Order, registry::Registry};
use std::{fs, io};
use weir_images::{Authfile, Images, PullSpec, Registries, certificates::write_folder};
use weir_rules::build::containerfile::images;

/// The registries configuration, in the place of a build.
pub(super) const REGISTRIES: &str = "settings/registries.conf";
const POLICY: &str = "settings/policy.json";
/// Every image is taken when nobody says which signatures they need, as without a policy.
const ANY: &str = r#"{"default":[{"type":"insecureAcceptAnything"}]}"#;
/// In whose name images are pulled, and the result pushed.
const PULL: &str = "settings/pull";
const PUSH: &str = "settings/push";

/// What it is told.
#[derive(Debug)]
pub(super) struct Settings {
    pull: Images,
    push: Images,
    /// Hosts that images come from, and the one that the result goes to.
    hosts: (Vec<String>, Vec<String>),
    registries: String,
    policy: Vec<u8>,
}

impl Settings {
    /// What an order needs.
    ///
    /// # Errors
    /// When a login or the registries configuration cannot be used.
    pub(super) async fn of(registry: &Registry, order: &Order) -> Result<Self, String> {
        let pull = registry.base(order.pull_secret.as_ref()).await;
        let pull = trusting(pull.map_err(|error| format!("pulling the base image: {error}"))?, order)?;
        let push = registry.with(&order.push_secret).await;
        let push = trusting(push.map_err(|error| format!("pushing to {}: {error}", order.push_spec))?, order)?;
        let from = images(&order.containerfile).into_iter().chain([order.base.clone()]);
        let (registries, known) = registries(&pull, order)?;
        let hosts = (hosts(&known, from), hosts(&known, [order.push_spec.clone()]));
        let policy = order.inputs.policy.clone().unwrap_or_else(|| ANY.into());
        Ok(Self { pull, push, hosts, registries, policy })
    }

    /// Writes it down.
    pub(super) fn write(&self, place: &Place) -> io::Result<()> {
        place.write(REGISTRIES, &self.registries)?;
        place.write(POLICY, &self.policy)?;
        for (folder, images, hosts) in [(PULL, &self.pull, &self.hosts.0), (PUSH, &self.push, &self.hosts.1)] {
            place.write(&format!("{folder}/config.json"), images.source().authfile.to_json())?;
            let certificates = place.at(&format!("{folder}/certificates"));
            fs::create_dir_all(&certificates)?;
            let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
            write_folder(&images.source().trust, &certificates, &hosts)?;
        }
        Ok(())
    }

    /// Arguments for pulling.
    pub(super) fn pulling(&self, place: &Place) -> Vec<String> {
        arguments(place, PULL)
    }

    /// Arguments for pushing.
    pub(super) fn pushing(&self, place: &Place) -> Vec<String> {
        arguments(place, PUSH)
    }

    /// The proxy, for buildah and for steps.
    pub(super) fn variables(&self) -> Vec<(&'static str, &str)> {
        self.pull.source().proxy.variables()
    }

    /// Passwords and tokens.
    pub(super) fn secrets(&self) -> Vec<String> {
        let authfiles: [&Authfile; 2] = [&self.pull.source().authfile, &self.push.source().authfile];
        authfiles.into_iter().flat_map(Authfile::secrets).chain(self.pull.source().proxy.secrets()).collect()
    }
}

fn arguments(place: &Place, folder: &str) -> Vec<String> {
    let path = |below: &str| place.at(below).to_string_lossy().into_owned();
    vec![
        "--signature-policy".to_owned(),
        path(POLICY),
        "--authfile".to_owned(),
        path(&format!("{folder}/config.json")),
        "--cert-dir".to_owned(),
        path(&format!("{folder}/certificates")),
        // Who ordered the build tries again.
        "--retry".to_owned(),
        "0".to_owned(),
    ]
}

/// With the administrator's certificates.
fn trusting(images: Images, order: &Order) -> Result<Images, String> {
    let Some(bundle) = order.inputs.trust_bundle.as_deref().filter(|bundle| !bundle.is_empty()) else {
        return Ok(images);
    };
    let mut source = images.source().clone();
    let added = source.trust.add_bundle("the additional trust bundle", bundle);
    added.map_err(|error| format!("the administrator's certificates cannot be used: {error}"))?;
    Ok(Images::new(source))
}

/// The registries configuration as text and as it is understood: the order's, and what is known beside it.
fn registries(images: &Images, order: &Order) -> Result<(String, Registries), String> {
    let bad = |error: &dyn std::fmt::Display| format!("registries.conf of MachineConfig cannot be used: {error}");
    let text = String::from_utf8(order.inputs.registries.clone().unwrap_or_default()).map_err(|error| bad(&error))?;
    let mut all = Registries::parse(&text).map_err(|error| bad(&error))?;
    let own = all.clone();
    all.add(images.source().registries.clone());
    let more = all.entries.iter().filter(|entry| !own.entries.iter().any(|known| known.prefix == entry.prefix));
    let more = Registries { entries: more.cloned().collect() };
    let more = if more.entries.is_empty() { String::new() } else { more.to_toml().map_err(|error| bad(&error))? };
    Ok((format!("{text}\n{more}"), all))
}

/// Every host that is asked for one of these images.
fn hosts(registries: &Registries, images: impl IntoIterator<Item = String>) -> Vec<String> {
    let specs = images.into_iter().filter_map(|image| image.parse::<PullSpec>().ok());
    let places = specs.flat_map(|spec| registries.places(&spec)).flatten();
    let mut hosts: Vec<String> = places.map(|place| place.spec.registry.clone()).collect();
    hosts.sort();
    hosts.dedup();
    hosts
}
