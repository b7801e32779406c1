//! The objects that the configuration of an OpenShift is made from. They are watched only if there is one.

use crate::cluster::Watcher;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, ServiceAccount};
use kube::Client;
use std::{collections::BTreeMap, sync::Arc};
use weir_api::{
    ControllerConfig, DNS, Image, Infrastructure, Network, Provisioning, Proxy,
    keys::{
        config::MANAGED_CA_BUNDLE,
        names::{CLUSTER, OPERATOR_NAMESPACE, OS_PULLER, PROVISIONING},
        namespaces, secrets,
    },
};
use weir_kubeio::{
    Cache,
    Missing::{Empty, Wait},
    Selection, Unreadable, Watches,
    watches::Unseen,
};
use weir_rules::operator::controller_config::{
    READ, RenderConfig, RenderConfigError, RenderConfigView, is_kept, render_config,
};

/// Selects the secrets of service accounts that contain logins.
const LOGINS: &str = "type=kubernetes.io/dockercfg";

/// Caches of the objects that the ControllerConfig is made from.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    infrastructures: Cache<Infrastructure>,
    networks: Cache<Network>,
    proxies: Cache<Proxy>,
    dnses: Cache<DNS>,
    images: Cache<Image>,
    maps: BTreeMap<(&'static str, &'static str), Cache<ConfigMap>>,
    /// Those of administrators, whose names are given in other objects.
    of_administrator: Cache<ConfigMap>,
    pullers: Cache<ServiceAccount>,
    puller_secrets: Cache<Secret>,
    pull_secret: Cache<Secret>,
    /// Only on bare metal.
    provisionings: Cache<Provisioning>,
    /// For machines, if there are any.
    machine_api: Cache<Namespace>,
    /// User data of machines.
    pub(super) user_data: Cache<Secret>,
}

impl Sources {
    /// Their rows.
    pub(crate) fn new(of: &mut Watches<Watcher>) -> Self {
        let (who, all, named) = (Watcher::OpenShift, Selection::default, Selection::named);
        Self {
            infrastructures: of.row(Watcher::Infrastructure, Empty, all()),
            maps: READ.map(|(place, name)| ((place, name), of.row(who, Wait, named(name).within(place)))).into(),
            networks: of.row(who, Empty, all()),
            proxies: of.row(who, Empty, all()),
            dnses: of.row(who, Empty, all()),
            images: of.row(who, Empty, all()),
            of_administrator: of.row(who, Wait, all().within(namespaces::CONFIG)),
            pullers: of.row(who, Wait, named(OS_PULLER).within(OPERATOR_NAMESPACE)),
            puller_secrets: of.row(who, Wait, Selection::with_fields(LOGINS).within(OPERATOR_NAMESPACE)),
            pull_secret: of.row(who, Wait, named(secrets::PULL).within(namespaces::CONFIG)),
            machine_api: of.row(who, Wait, named(namespaces::MACHINE_API)),
            user_data: of.row(who, Wait, Selection::labelled(MANAGED_CA_BUNDLE).within(namespaces::MACHINE_API)),
            provisionings: of.row(Watcher::BareMetal, Empty, all()),
        }
    }

    /// Watches what belongs to an OpenShift, if there is one, until the future is dropped.
    pub(super) async fn fill(&self, of: &Watches<Watcher>, client: &Client) {
        let mut changes = self.infrastructures.changes();
        while !self.is_kept(None) && changes.changed().await.is_ok() {}
        let watchers = [Watcher::OpenShift, Watcher::BareMetal];
        of.fill(client, if self.is_bare_metal() { &watchers } else { &watchers[..1] }).await;
    }

    /// Whether weir manages the ControllerConfig.
    pub(super) fn is_kept(&self, config: Option<&ControllerConfig>) -> bool {
        is_kept(self.infrastructure().as_deref(), config)
    }

    /// What has not been seen yet. Known failures come first.
    pub(super) fn unseen(&self, of: &Watches<Watcher>) -> Option<Unseen> {
        let first = |watcher| of.unseen(&[watcher]).into_iter().next();
        let infrastructure = first(Watcher::Infrastructure);
        if infrastructure.is_some() || !self.is_kept(None) {
            return infrastructure;
        }
        let of_metal = || first(Watcher::BareMetal).filter(|unseen| self.is_bare_metal() && unseen.why.is_none());
        first(Watcher::OpenShift).or_else(of_metal)
    }

    /// A cluster-wide object that cannot be decoded.
    pub(super) fn broken(of: &Watches<Watcher>) -> Option<Unreadable> {
        let broken = of.broken(&[Watcher::Infrastructure, Watcher::OpenShift]);
        broken.into_iter().find(|broken| broken.namespace.is_empty() && broken.name == CLUSTER)
    }

    /// The platform that the cluster runs on.
    pub(super) fn infrastructure(&self) -> Option<Arc<Infrastructure>> {
        self.infrastructures.get(CLUSTER)
    }

    /// The policy for image registries.
    pub(super) fn image(&self) -> Option<Arc<Image>> {
        self.images.get(CLUSTER)
    }

    fn is_bare_metal(&self) -> bool {
        self.infrastructure().is_some_and(|object| object.platform() == "BareMetal")
    }

    /// Whether the namespace for machines exists.
    pub(super) fn has_machine_api(&self) -> bool {
        self.machine_api.get(namespaces::MACHINE_API).is_some()
    }

    /// Whether bare metal boots from images that somebody provided; also while that is unknown.
    pub(super) fn is_legacy_provisioning(&self) -> bool {
        let found = self.provisionings.get(PROVISIONING);
        !self.provisionings.is_synced() || found.is_some_and(|object| !object.spec.os_download_url.is_empty())
    }

    /// The cache for one of the ConfigMaps that are read, which also takes in our writes to it.
    pub(super) fn map(&self, namespace: &str, name: &str) -> Cache<ConfigMap> {
        self.maps.get(&(namespace, name)).cloned().unwrap_or_default()
    }

    /// What follows from all of them.
    pub(super) fn render(
        &self,
        has_registry: bool,
        streams: bool,
        version: &str,
    ) -> Result<RenderConfig, RenderConfigError> {
        let missing =
            || RenderConfigError::Missing { kind: "infrastructures.config.openshift.io", name: CLUSTER.to_owned() };
        let infrastructure = self.infrastructure().ok_or_else(missing)?;
        let (network, proxy, dns, image) =
            (self.networks.get(CLUSTER), self.proxies.get(CLUSTER), self.dnses.get(CLUSTER), self.images.get(CLUSTER));
        let maps: Vec<_> = self.maps.values().chain([&self.of_administrator]).flat_map(Cache::all).collect();
        let puller = self.pullers.get_in(OPERATOR_NAMESPACE, OS_PULLER);
        let puller_secrets = self.puller_secrets.all();
        let pull_secret = self.pull_secret.get_in(namespaces::CONFIG, secrets::PULL);
        render_config(&RenderConfigView {
            infrastructure: &infrastructure,
            network: network.as_deref(),
            proxy: proxy.as_deref(),
            dns: dns.as_deref(),
            image: image.as_deref(),
            maps: maps.iter().filter_map(|map| Some((key(map)?, &**map))).collect(),
            has_registry,
            puller: puller.as_deref(),
            puller_secrets: puller_secrets.iter().filter_map(|s| Some((s.metadata.name.as_deref()?, &**s))).collect(),
            pull_secret: pull_secret.as_deref(),
            streams,
            version,
        })
    }
}

fn key(map: &ConfigMap) -> Option<(&str, &str)> {
    Some((map.metadata.namespace.as_deref()?, map.metadata.name.as_deref()?))
}
