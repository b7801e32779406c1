//! What the configuration of a real cluster is made of. Only where there is one is it watched.

use futures::future::join_all;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, ServiceAccount};
use kube::Client;
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::watch;
use weir_api::{
    ControllerConfig, DNS, Image, Infrastructure, Network, Provisioning, Proxy,
    keys::{
        config::MANAGED_CA_BUNDLE,
        names::{CLUSTER, OPERATOR_NAMESPACE, OS_PULLER, PROVISIONING},
        namespaces, secrets,
    },
};
use weir_kubeio::{Cache, cache::Cached};
use weir_rules::operator::controller_config::{
    READ, RenderConfig, RenderConfigError, RenderConfigView, is_kept, render_config,
};

/// Selects the secrets of accounts that hold logins.
const LOGINS: &str = "type=kubernetes.io/dockercfg";

/// Caches of what the ControllerConfig is made of.
#[derive(Debug)]
pub(super) struct Sources {
    infrastructures: Cache<Infrastructure>,
    networks: Cache<Network>,
    proxies: Cache<Proxy>,
    dnses: Cache<DNS>,
    images: Cache<Image>,
    maps: BTreeMap<(&'static str, &'static str), Cache<ConfigMap>>,
    /// Those of the administrator, whose names other objects say.
    of_administrator: Cache<ConfigMap>,
    pullers: Cache<ServiceAccount>,
    puller_secrets: Cache<Secret>,
    pull_secret: Cache<Secret>,
    /// Only on bare metal.
    provisionings: Cache<Provisioning>,
    /// Where machines are, if there are any.
    machine_api: Cache<Namespace>,
    /// What machines boot with.
    pub(super) user_data: Cache<Secret>,
}

impl Sources {
    pub(super) fn new() -> Self {
        Self {
            infrastructures: Cache::new(),
            networks: Cache::new(),
            proxies: Cache::new(),
            dnses: Cache::new(),
            images: Cache::new(),
            maps: READ.into_iter().map(|key| (key, Cache::new())).collect(),
            of_administrator: Cache::new(),
            pullers: Cache::new(),
            puller_secrets: Cache::new(),
            pull_secret: Cache::new(),
            provisionings: Cache::new(),
            machine_api: Cache::new(),
            user_data: Cache::new(),
        }
    }

    /// Watches whether this is an OpenShift, and once it is what belongs to it, until the future is dropped.
    pub(super) async fn fill(&self, client: Client) {
        tokio::join!(self.infrastructures.clone().fill_optional(client.clone()), async {
            let mut changes = self.infrastructures.changes();
            while !self.is_kept(None) && changes.changed().await.is_ok() {}
            let maps = self.maps.iter().map(|((namespace, name), cache)| {
                let (cache, client) = (cache.clone(), client.clone());
                async move { cache.fill_one(client, namespace, name).await }
            });
            let machine_api = format!("metadata.name={}", namespaces::MACHINE_API);
            tokio::join!(
                Box::pin(join_all(maps)),
                self.networks.clone().fill_optional(client.clone()),
                self.proxies.clone().fill_optional(client.clone()),
                self.dnses.clone().fill_optional(client.clone()),
                self.images.clone().fill_optional(client.clone()),
                self.of_administrator.clone().fill_namespace(client.clone(), namespaces::CONFIG, ""),
                self.pullers.clone().fill_one(client.clone(), OPERATOR_NAMESPACE, OS_PULLER),
                self.puller_secrets.clone().fill_namespace(client.clone(), OPERATOR_NAMESPACE, LOGINS),
                self.pull_secret.clone().fill_one(client.clone(), namespaces::CONFIG, secrets::PULL),
                self.machine_api.clone().fill_selected(client.clone(), &machine_api),
                self.user_data.clone().fill_namespace_labelled(
                    client.clone(),
                    namespaces::MACHINE_API,
                    MANAGED_CA_BUNDLE
                ),
                async {
                    if self.is_bare_metal() {
                        self.provisionings.clone().fill_optional(client.clone()).await;
                    }
                },
            );
        });
    }

    pub(super) fn changes(&self) -> Vec<watch::Receiver<u64>> {
        let mut all: Vec<_> = self.maps.values().map(Cache::changes).collect();
        all.extend([
            self.infrastructures.changes(),
            self.networks.changes(),
            self.proxies.changes(),
            self.dnses.changes(),
            self.images.changes(),
            self.of_administrator.changes(),
            self.pullers.changes(),
            self.puller_secrets.changes(),
            self.pull_secret.changes(),
            self.provisionings.changes(),
            self.machine_api.changes(),
            self.user_data.changes(),
        ]);
        all
    }

    /// Whether the ControllerConfig is ours to keep.
    pub(super) fn is_kept(&self, config: Option<&ControllerConfig>) -> bool {
        is_kept(self.infrastructure().as_deref(), config)
    }

    /// What has not been seen yet: what it is, and why when that is known. What is known to fail comes first.
    pub(super) fn unseen(&self) -> Option<(String, Option<String>)> {
        fn of<K: Cached>(what: impl ToString, cache: &Cache<K>) -> Option<(String, Option<String>)> {
            (!cache.is_synced()).then(|| (what.to_string(), cache.failing()))
        }
        let first = of("Infrastructure cluster", &self.infrastructures);
        if first.is_some() || !self.is_kept(None) {
            return first;
        }
        let maps =
            self.maps.iter().map(|((namespace, name), cache)| of(format!("ConfigMap {namespace}/{name}"), cache));
        let others = [
            of("Network cluster", &self.networks),
            of("Proxy cluster", &self.proxies),
            of("DNS cluster", &self.dnses),
            of("Image cluster", &self.images),
            of("ConfigMaps of openshift-config", &self.of_administrator),
            of("ServiceAccount machine-os-puller", &self.pullers),
            of("Secrets of machine-os-puller", &self.puller_secrets),
            of("Secret openshift-config/pull-secret", &self.pull_secret),
            of("Namespace openshift-machine-api", &self.machine_api),
            of("Secrets of openshift-machine-api", &self.user_data),
            of("Provisioning", &self.provisionings).filter(|(_, why)| self.is_bare_metal() && why.is_none()),
        ];
        maps.chain(others).flatten().min_by_key(|(_, why)| why.is_none())
    }

    /// An object that cannot be decoded: what it is, and what is wrong with it.
    pub(super) fn broken(&self) -> Option<(&'static str, String)> {
        fn of<K: Cached>(what: &'static str, cache: &Cache<K>) -> Option<(&'static str, String)> {
            cache.broken().into_iter().find(|broken| broken.name == CLUSTER).map(|broken| (what, broken.why))
        }
        of("Infrastructure cluster", &self.infrastructures)
            .or_else(|| of("Network cluster", &self.networks))
            .or_else(|| of("Proxy cluster", &self.proxies))
            .or_else(|| of("DNS cluster", &self.dnses))
            .or_else(|| of("Image cluster", &self.images))
    }

    /// What the cluster runs on.
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

    /// Whether there is a place for machines.
    pub(super) fn has_machine_api(&self) -> bool {
        self.machine_api.get(namespaces::MACHINE_API).is_some()
    }

    /// Whether bare metal boots from images that somebody put somewhere; also while nobody knows.
    pub(super) fn is_legacy_provisioning(&self) -> bool {
        let found = self.provisionings.get(PROVISIONING);
        !self.provisionings.is_synced() || found.is_some_and(|object| !object.spec.os_download_url.is_empty())
    }

    /// One of the ConfigMaps that are read, and where a write to it is noted.
    pub(super) fn map(&self, namespace: &str, name: &str) -> (Option<Arc<ConfigMap>>, Cache<ConfigMap>) {
        let cache = self.maps.get(&(namespace, name)).cloned().unwrap_or_default();
        (cache.get_in(namespace, name), cache)
    }

    /// What it all comes to.
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
