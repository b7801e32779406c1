//! A cluster like those of the installer, and what it comes to. The certificates were made with `openssl req -x509`: the
//! kubelet's signer, another one, and a leaf that the signer issued.

use super::*;
use crate::objects::pem;
use serde_json::{Value, json};
use weir_api::keys::config::{GENERATED_BY_VERSION, RELEASE_IMAGE_VERSION, SERVICE_CA_ROTATE};

const SIGNER: &str = include_str!("tests/signer.pem");
const OTHER: &str = include_str!("tests/other.pem");
const ISSUED: &str = include_str!("tests/issued.pem");
const VERSION: &str = "5.1.0";

/// Something that happens to a cluster.
type Change = fn(&mut Cluster);

/// A cluster that tests change before they look at it.
struct Cluster {
    infrastructure: Value,
    network: Value,
    proxy: Value,
    dns: Value,
    image: Value,
    maps: BTreeMap<(&'static str, &'static str), Value>,
    puller: Option<Value>,
    puller_secrets: BTreeMap<&'static str, Value>,
    pull_secret: Value,
    has_registry: bool,
    streams: bool,
}

fn of<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

fn bundle(text: &str) -> Value {
    json!({"data": {BUNDLE: text}})
}

fn images(version: &str) -> Value {
    let images = json!({
        "releaseVersion": version, "machineConfigOperator": "q/mco", "infraImage": "q/pod", "keepalivedImage": "q/keep",
        "corednsImage": "q/dns", "haproxyImage": "q/proxy", "baremetalRuntimeCfgImage": "q/cfg", "oauthProxy": "q/oauth",
        "kubeRbacProxy": "q/rbac", "dockerRegistryImage": "q/registry",
    });
    json!({"data": {"images.json": images.to_string()}})
}

fn logins(key: &str, file: &Value) -> Value {
    json!({"type": "kubernetes.io/dockerconfigjson", "data": {key: STANDARD.encode(file.to_string())}})
}

fn login(of: &str) -> Value {
    json!({"auth": STANDARD.encode(of)})
}

impl Cluster {
    fn new() -> Self {
        let maps = [
            ((OPERATOR_NAMESPACE, config_maps::IMAGES), images(VERSION)),
            ((OPERATOR_NAMESPACE, config_maps::SERVER_CA), bundle(OTHER)),
            ((namespaces::KUBE_SYSTEM, config_maps::ROOT_CA), json!({"data": {"ca.crt": SIGNER}})),
            ((namespaces::KUBE_SYSTEM, config_maps::BOOTSTRAP), json!({"data": {"status": "complete"}})),
            ((namespaces::CONFIG_MANAGED, config_maps::CLIENT_CA), bundle(SIGNER)),
            ((namespaces::CONFIG, config_maps::INITIAL_SERVER_CA), bundle(&format!("{SIGNER}{OTHER}"))),
        ];
        Self {
            infrastructure: json!({
                "apiVersion": "config.openshift.io/v1", "kind": "Infrastructure",
                "metadata": {"name": "cluster", "uid": "1", "resourceVersion": "550", "generation": 1},
                "spec": {"cloudConfig": {"name": ""}, "platformSpec": {"aws": {}, "type": "AWS"}},
                "status": {
                    "apiServerInternalURI": "https://api-int.c.example.com:6443",
                    "apiServerURL": "https://api.c.example.com:6443",
                    "controlPlaneTopology": "HighlyAvailable", "cpuPartitioning": "None", "etcdDiscoveryDomain": "",
                    "infrastructureName": "c-x7", "infrastructureTopology": "HighlyAvailable", "platform": "AWS",
                    "platformStatus": {"type": "AWS", "aws": {"region": "us-east-1"}},
                },
            }),
            network: json!({
                "spec": {"serviceNetwork": ["172.30.0.0/16"], "networkType": "OVNKubernetes"},
                "status": {"networkType": "OVNKubernetes", "serviceNetwork": ["172.30.0.0/16"]},
            }),
            proxy: json!({"spec": {"trustedCA": {"name": ""}}, "status": {}}),
            dns: json!({
                "metadata": {"name": "cluster", "uid": "2", "resourceVersion": "551"},
                "spec": {"baseDomain": "c.example.com", "platform": {"type": ""}}, "status": {},
            }),
            image: json!({"spec": {"additionalTrustedCA": {"name": ""}}, "status": {}}),
            maps: maps.into(),
            puller: None,
            puller_secrets: BTreeMap::new(),
            pull_secret: logins(".dockerconfigjson", &json!({"auths": {"quay.io": login("global")}})),
            has_registry: true,
            streams: true,
        }
    }

    fn map(mut self, namespace: &'static str, name: &'static str, map: Value) -> Self {
        self.maps.insert((namespace, name), map);
        self
    }

    fn without(mut self, namespace: &'static str, name: &'static str) -> Self {
        self.maps.remove(&(namespace, name)).unwrap();
        self
    }

    fn come_to(&self) -> Result<RenderConfig, RenderConfigError> {
        let maps: BTreeMap<_, ConfigMap> = self.maps.iter().map(|(key, map)| (*key, of(map))).collect();
        let secrets: BTreeMap<_, Secret> = self.puller_secrets.iter().map(|(key, map)| (*key, of(map))).collect();
        let puller: Option<ServiceAccount> = self.puller.as_ref().map(of);
        render_config(&RenderConfigView {
            infrastructure: &of(&self.infrastructure),
            network: Some(&of(&self.network)),
            proxy: Some(&of(&self.proxy)),
            dns: Some(&of(&self.dns)),
            image: Some(&of(&self.image)),
            maps: maps.iter().map(|(key, map)| (*key, map)).collect(),
            has_registry: self.has_registry,
            puller: puller.as_ref(),
            puller_secrets: secrets.iter().map(|(key, secret)| (*key, secret)).collect(),
            pull_secret: Some(&of(&self.pull_secret)),
            streams: self.streams,
            version: VERSION,
        })
    }

    fn spec(&self) -> ControllerConfigSpec {
        self.come_to().unwrap().spec
    }

    fn error(&self) -> String {
        self.come_to().unwrap_err().to_string()
    }
}

fn text(bytes: &str) -> String {
    String::from_utf8(STANDARD.decode(bytes).unwrap()).unwrap()
}

/// As the reference's operator left it, with the nulls and empty texts of its types.
fn left_by_reference(build: &str) -> ControllerConfig {
    let cluster = Cluster::new();
    let mut infra = cluster.infrastructure.clone();
    infra["metadata"]["resourceVersion"] = json!("549");
    infra["metadata"]["managedFields"] = json!([{"manager": "cluster-bootstrap"}]);
    infra["status"]["platformStatus"]["aws"]["resourceTags"] = json!([]);
    let mut dns = cluster.dns;
    dns["apiVersion"] = json!("config.openshift.io/v1");
    dns["kind"] = json!("DNS");
    dns["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
    let images = json!({
        "machineConfigOperator": "q/mco", "apiServerWatcherKey": "q/mco", "infraImageKey": "q/pod",
        "keepalivedImage": "q/keep", "corednsImage": "q/dns", "haproxyImage": "q/proxy",
        "baremetalRuntimeCfgImage": "q/cfg", "kubeRbacProxyImage": "q/rbac", "dockerRegistryImage": "q/registry",
        "oldImage": "q/old",
    });
    let annotations =
        json!({GENERATED_BY_VERSION: build, RELEASE_IMAGE_VERSION: VERSION, SERVICE_CA_ROTATE: "false", "mine": "x"});
    of(&json!({
        "metadata": {"name": "machine-config-controller", "resourceVersion": "9000", "annotations": annotations},
        "spec": {
            "additionalTrustBundle": null, "baseOSContainerImage": "q/stale", "cloudProviderCAData": null,
            "cloudProviderConfig": "", "clusterDNSIP": "172.30.0.10", "dns": dns, "images": images,
            "imageRegistryBundleData": [], "imageRegistryBundleUserData": [], "infra": infra, "ipFamilies": "IPv4",
            "internalRegistryPullSecret": null, "kubeAPIServerServingCAData": STANDARD.encode(SIGNER),
            "network": {"mtuMigration": null}, "networkType": "OVNKubernetes", "osImageURL": "", "platform": "aws",
            "proxy": null, "pullSecret": {"name": "pull-secret", "namespace": "openshift-config"},
            "releaseImage": "q/release@sha256:1", "rootCAData": STANDARD.encode(OTHER), "ofTomorrow": {"a": 1},
        },
    }))
}

fn marks(build: &str) -> Marks<'_> {
    Marks { build, release: VERSION, rotated: false, told: None }
}

fn fields(change: Option<ConfigChange>) -> BTreeMap<String, Value> {
    let Some(ConfigChange::Edit(Value::Array(patch))) = change else { panic!("{change:?}") };
    assert_eq!(patch[0], json!({"op": "add", "path": "/metadata/resourceVersion", "value": "9000"}));
    let field = |op: &Value| (op["path"].as_str().unwrap().to_owned(), op["value"].clone());
    patch[1..].iter().map(field).collect()
}

#[test]
fn taking_over_a_cluster_changes_nothing_but_the_mark() {
    let wanted = Cluster::new().spec();
    assert_eq!(change(Some(&left_by_reference("ours")), &wanted, marks("ours")), None);
    let changed = fields(change(Some(&left_by_reference("theirs")), &wanted, marks("ours")));
    let kept = json!({
        GENERATED_BY_VERSION: "ours", RELEASE_IMAGE_VERSION: VERSION, SERVICE_CA_ROTATE: "false", "mine": "x",
    });
    assert_eq!(changed, BTreeMap::from([("/metadata/annotations".to_owned(), kept)]));
}

#[test]
fn what_differs_is_written_and_nothing_else() {
    let live = left_by_reference("ours");
    let cases: [(&str, Change, Value); 6] = [
        ("clusterDNSIP", |c| c.network["spec"]["serviceNetwork"] = json!(["10.0.0.0/24"]), json!("10.0.0.10")),
        ("networkType", |c| c.network["status"]["networkType"] = json!("Other"), json!("Other")),
        ("proxy", |c| c.proxy["status"] = json!({"httpProxy": "http://p"}), json!({"httpProxy": "http://p"})),
        ("baseOSContainerImage", |c| *c = without_streams("q/os"), json!("q/os")),
        (
            "additionalTrustBundle",
            |c| _ = c.maps.insert((namespaces::CONFIG, config_maps::USER_CA), bundle(OTHER)),
            json!(STANDARD.encode(OTHER)),
        ),
        (
            "imageRegistryBundleData",
            |c| {
                let registry = json!({"data": {"r": "PEM"}});
                c.maps.insert((namespaces::CONFIG_MANAGED, config_maps::REGISTRY_CA), registry);
            },
            json!([{"file": "r", "data": STANDARD.encode("PEM")}]),
        ),
    ];
    for (field, apply, value) in cases {
        let mut cluster = Cluster::new();
        apply(&mut cluster);
        let changed = fields(change(Some(&live), &cluster.spec(), marks("ours")));
        assert_eq!(changed, BTreeMap::from([(format!("/spec/{field}"), value)]));
    }
    let mut cluster = Cluster::new();
    cluster.infrastructure["status"]["controlPlaneTopology"] = json!("SingleReplica");
    let changed = fields(change(Some(&live), &cluster.spec(), marks("ours")));
    assert_eq!(changed["/spec/infra"]["status"]["controlPlaneTopology"], "SingleReplica");
    assert_eq!(changed["/spec/infra"]["metadata"]["uid"], "1");
    assert_eq!(changed.len(), 1);
}

#[test]
fn what_is_no_longer_there_is_cleared_or_kept() {
    let mut live = left_by_reference("ours");
    live.spec.additional_trust_bundle = Some(STANDARD.encode(OTHER));
    live.spec.proxy = Some(of(&json!({"httpProxy": "http://p"})));
    live.spec.internal_registry_pull_secret = Some(STANDARD.encode("{}x"));
    live.spec.etcd_discovery_domain = "old.example.com".to_owned();
    live.spec.cloud_provider_config = "old".to_owned();
    let changed = fields(change(Some(&live), &Cluster::new().spec(), marks("ours")));
    let nothing = ["additionalTrustBundle", "internalRegistryPullSecret", "proxy"];
    assert_eq!(changed, nothing.map(|field| (format!("/spec/{field}"), Value::Null)).into());
}

#[test]
fn a_new_one_has_all_of_it() {
    let Some(ConfigChange::Create(made)) = change(None, &Cluster::new().spec(), marks("ours")) else { panic!() };
    assert_eq!(made.metadata.name.as_deref(), Some("machine-config-controller"));
    let annotations = json!({GENERATED_BY_VERSION: "ours", RELEASE_IMAGE_VERSION: VERSION, SERVICE_CA_ROTATE: "false"});
    assert_eq!(json!(made.metadata.annotations), annotations);
    assert_eq!(made.spec.infra.as_ref().unwrap()["kind"], "Infrastructure");
    assert_eq!(made.spec.dns.as_ref().unwrap()["apiVersion"], "config.openshift.io/v1");
    assert_eq!((made.spec.base_os_container_image.as_str(), made.spec.release_image.as_str()), ("", ""));
    assert_eq!(text(&made.spec.root_ca_data), OTHER);
    assert_eq!(made.spec.images["dockerRegistryImage"], "q/registry");
}

#[test]
fn only_on_openshift_and_never_what_weir_made() {
    use weir_api::keys::config::SEEDED;
    let seeded = json!({"metadata": {"annotations": {SEEDED: "v1"}}, "spec": {}});
    let other = json!({"metadata": {}, "spec": {}});
    let kept = |infrastructure: Option<&Value>, config: Option<&Value>| {
        let (infrastructure, config) = (infrastructure.map(of::<Infrastructure>), config.map(of::<ControllerConfig>));
        is_kept(infrastructure.as_ref(), config.as_ref())
    };
    assert!(!kept(None, None) && !kept(None, Some(&other)));
    assert!(!kept(Some(&seeded), None) && !kept(Some(&other), Some(&seeded)));
    assert!(kept(Some(&other), None) && kept(Some(&other), Some(&other)));
}

#[test]
fn service_networks() {
    let table = [
        (json!(["172.30.0.0/16"]), "172.30.0.10", "IPv4"),
        (json!(["172.30.7.9/16"]), "172.30.0.10", "IPv4"),
        (json!(["fd02::/112"]), "fd02::a", "IPv6"),
        (json!(["172.30.0.0/16", "fd02::/112"]), "172.30.0.10", "DualStack"),
        (json!(["fd02::/112", "172.30.0.0/16"]), "fd02::a", "DualStackIPv6Primary"),
        (json!(["10.0.0.0/28"]), "10.0.0.10", "IPv4"),
        (json!(["0.0.0.0/0"]), "0.0.0.10", "IPv4"),
    ];
    for (networks, address, families) in table {
        let mut cluster = Cluster::new();
        cluster.network["spec"]["serviceNetwork"] = networks;
        let spec = cluster.spec();
        assert_eq!((spec.cluster_dns_ip.as_str(), spec.ip_families.as_str()), (address, families));
    }
    let refused = [
        (json!([]), "service cidr is empty in Network"),
        (json!(["10.0.0.0/29"]), "prefix of 29 does not accommodate a host numbered 10"),
        (json!(["10.0.0.0/32"]), "prefix of 32 does not accommodate a host numbered 10"),
        (json!(["10.0.0.0/33"]), "invalid CIDR address: 10.0.0.0/33"),
        (json!(["10.0.0.0/24", "x"]), "invalid CIDR address: x"),
    ];
    for (networks, why) in refused {
        let mut cluster = Cluster::new();
        cluster.network["spec"]["serviceNetwork"] = networks;
        assert_eq!(cluster.error(), why);
    }
}

#[test]
fn every_prefix_has_an_answer() {
    for (network, longest, last) in [("10.0.0.0", 32, 28), ("fd02::", 128, 124)] {
        for prefix in 0..=longest {
            let mut cluster = Cluster::new();
            cluster.network["spec"]["serviceNetwork"] = json!([format!("{network}/{prefix}")]);
            assert_eq!(cluster.come_to().is_ok(), prefix <= last, "{network}/{prefix}");
        }
    }
}

proptest::proptest! {
    /// Whatever a ConfigMap holds in place of certificates: it is read to its end, and only certificates come of it.
    #[test]
    fn any_bytes_in_place_of_a_certificate(at in 0_usize..400, byte: u8, cut in 0_usize..800) {
        let mut der = pem::certificates(SIGNER.as_bytes()).remove(0);
        let at = at.min(der.len() - 1);
        der[at] = byte;
        let mut text = pem::text(&der);
        text.truncate(cut.min(text.len()));
        let found = bundles::with_signers(format!("{text}\n{OTHER}").as_bytes(), b"new\n");
        proptest::prop_assert!(found.len() <= text.len() + OTHER.len() + 64);
        proptest::prop_assert!(String::from_utf8(found).unwrap().ends_with(OTHER));
    }
}

#[test]
fn networks_in_force_wanted_and_on_the_way() {
    let mtu = json!({"network": {"from": 1400, "to": 8900}});
    let migration = json!({"networkType": "New", "mtu": mtu});
    let table = [
        (json!({}), "Wanted", Value::Null),
        (json!({"networkType": "", "migration": migration}), "Wanted", Value::Null),
        (json!({"networkType": "Old"}), "Old", Value::Null),
        (json!({"networkType": "Old", "migration": migration}), "New", json!({ "mtuMigration": mtu })),
        (json!({"networkType": "Old", "migration": {"networkType": "New"}}), "New", Value::Null),
    ];
    for (status, named, network) in table {
        let mut cluster = Cluster::new();
        cluster.network["spec"]["networkType"] = json!("Wanted");
        cluster.network["status"] = status;
        let spec = cluster.spec();
        assert_eq!((spec.network_type.as_str(), json!(spec.network)), (named, network));
    }
}

#[test]
fn platforms_of_old_and_of_none() {
    for (status, platform) in [
        (json!({"apiServerInternalURI": "https://a:6443", "platform": "GCP"}), "GCP"),
        (json!({"apiServerInternalURI": "https://a:6443"}), "None"),
        (json!({"apiServerInternalURI": "https://a:6443", "platformStatus": {"type": ""}}), "None"),
    ] {
        let cloud = json!({"data": {"cloud.conf": "x"}});
        let mut cluster = Cluster::new().map(namespaces::CONFIG_MANAGED, config_maps::CLOUD_CONFIG, cloud);
        cluster.infrastructure["status"] = status;
        let spec = cluster.spec();
        assert_eq!(spec.platform, platform.to_lowercase());
        assert_eq!(spec.infra.unwrap()["status"]["platformStatus"], json!({ "type": platform }));
    }
}

#[test]
fn cloud_configuration_where_it_is_needed() {
    let on = |platform: &str| {
        let mut cluster = Cluster::new();
        cluster.infrastructure["status"]["platformStatus"] = json!({ "type": platform });
        cluster
    };
    let prefix = "openshift-config-managed/kube-cloud-config configmap";
    assert!(on("Azure").error().starts_with(&format!("{prefix} is required on platform Azure but not found: ")));
    let mut named = on("AWS");
    named.infrastructure["spec"]["cloudConfig"]["name"] = json!("cloud");
    assert!(named.error().starts_with(&format!("{prefix} is required on platform AWS but not found: ")));
    let with = |cluster: Cluster, map| cluster.map(namespaces::CONFIG_MANAGED, config_maps::CLOUD_CONFIG, map);
    let ca = json!({"data": {"ca-bundle.pem": "CA"}});
    let why = format!("{prefix} must have the cloud.conf key on platform GCP but not found");
    assert_eq!(with(on("GCP"), ca.clone()).error(), why);
    let spec = with(on("AWS"), ca).spec();
    assert_eq!((spec.cloud_provider_config.as_str(), text(&spec.cloud_provider_ca_data.unwrap())), ("", "CA".into()));
    let spec = with(on("VSphere"), json!({"data": {"cloud.conf": "[x]\n"}})).spec();
    assert_eq!((spec.cloud_provider_config.as_str(), spec.cloud_provider_ca_data), ("[x]\n", None));
}

#[test]
fn registries_by_key_text_before_bytes_decoded_where_encoded() {
    let mut cluster = Cluster::new().map(
        namespaces::CONFIG_MANAGED,
        config_maps::REGISTRY_CA,
        json!({"data": {"b": "PEM b", "a": "UEVN\nIGE="}, "binaryData": {"0": STANDARD.encode("bytes")}}),
    );
    cluster.image["spec"]["additionalTrustedCA"]["name"] = json!("mine");
    // A ConfigMap that is named and not there is as good as empty.
    assert_eq!(cluster.spec().image_registry_bundle_user_data, Some(Vec::new()));
    assert_eq!(cluster.come_to().unwrap().missing_ca.as_deref(), Some("mine"));
    cluster = cluster.map(namespaces::CONFIG, "mine", json!({"data": {"b": "my own", "c": "C"}}));
    let config = cluster.come_to().unwrap();
    assert_eq!(config.missing_ca, None);
    let listed = |bundles: Option<Vec<weir_api::controller_config::ImageRegistryBundle>>| {
        bundles.unwrap().iter().map(|b| format!("{}={}", b.file, text(&b.data))).collect::<Vec<_>>()
    };
    assert_eq!(listed(config.spec.image_registry_bundle_data), ["a=PEM a", "b=PEM b", "0=bytes"]);
    assert_eq!(listed(config.spec.image_registry_bundle_user_data), ["b=my own", "c=C"]);
    let merged = json!({"0": "bytes", "a": "PEM a", "b": "my own", "c": "C"});
    assert_eq!(json!(config.registry_ca), merged);
}

#[test]
fn root_ca_of_the_server_or_of_the_cluster() {
    let cluster = Cluster::new().without(OPERATOR_NAMESPACE, config_maps::SERVER_CA);
    assert_eq!(text(&cluster.spec().root_ca_data), SIGNER);
    let prefix = "could not get MCSC CA bundle: ";
    let none = cluster.without(namespaces::KUBE_SYSTEM, config_maps::ROOT_CA);
    assert_eq!(none.error(), format!("{prefix}configmap kube-system/root-ca not found"));
    let empty = Cluster::new().map(OPERATOR_NAMESPACE, config_maps::SERVER_CA, json!({}));
    let name = "openshift-machine-config-operator/machine-config-server-ca";
    assert_eq!(empty.error(), format!("{prefix}ca-bundle.crt not found in {name}"));
}

#[test]
fn kubelets_trust_the_installers_bundle_with_the_signer_of_now_until_the_bootstrap_is_complete() {
    let mut cluster = Cluster::new().without(namespaces::KUBE_SYSTEM, config_maps::BOOTSTRAP);
    cluster.puller = Some(json!({"metadata": {}}));
    let trusted = |cluster: &Cluster| text(&cluster.spec().kube_api_server_serving_ca_data);
    assert_eq!(trusted(&cluster), format!("{SIGNER}{OTHER}"));
    assert_eq!(cluster.spec().internal_registry_pull_secret, None);
    // Broken blocks, other blocks and words between them are left out, and what the signer issued stays.
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let initial = format!("words\n{broken}{SIGNER}{key}{OTHER}{ISSUED}-----BEGIN CERTIFICATE-----\nMII");
    let cluster = cluster.map(namespaces::CONFIG, config_maps::INITIAL_SERVER_CA, bundle(&initial)).map(
        namespaces::API_SERVER_OPERATOR,
        config_maps::TO_KUBELET_CLIENT_CA,
        bundle("both signers\n"),
    );
    assert_eq!(trusted(&cluster), format!("both signers\n{OTHER}{ISSUED}"));
    let none = cluster.without(namespaces::CONFIG, config_maps::INITIAL_SERVER_CA);
    assert_eq!(none.error(), "configmap openshift-config/initial-kube-apiserver-server-ca not found");
    let none = Cluster::new().without(namespaces::CONFIG_MANAGED, config_maps::CLIENT_CA);
    assert_eq!(none.error(), "configmap openshift-config-managed/kube-apiserver-client-ca not found");
}

#[test]
fn trust_of_the_administrator_and_then_of_the_proxy() {
    let with_proxy = |name: &str| {
        let mut cluster = Cluster::new().map(namespaces::CONFIG, config_maps::USER_CA, bundle(OTHER));
        cluster.proxy["spec"]["trustedCA"]["name"] = json!(name);
        cluster
    };
    let trusted = |cluster: &Cluster| text(&cluster.spec().additional_trust_bundle.unwrap());
    assert_eq!(trusted(&with_proxy("user-ca-bundle")), OTHER);
    let of_proxy = with_proxy("of-proxy").map(namespaces::CONFIG, "of-proxy", bundle(SIGNER));
    assert_eq!(trusted(&of_proxy), format!("{OTHER}{SIGNER}"));
    assert_eq!(with_proxy("gone").error(), "configmap openshift-config/gone not found");
    for (name, bad) in [("user-ca-bundle", "user-ca-bundle"), ("of-proxy", "of-proxy")] {
        let cluster = with_proxy(name).map(namespaces::CONFIG, bad, bundle("no certificate"));
        assert_eq!(cluster.error(), format!("configmap openshift-config/{bad} doesn't have a valid PEM bundle"));
    }
    let empty = Cluster::new().map(namespaces::CONFIG, config_maps::USER_CA, bundle(""));
    assert_eq!(empty.spec().additional_trust_bundle, None);
}

#[test]
fn logins_for_the_registry_inside() {
    let registry = "image-registry.openshift-image-registry.svc:5000";
    let mut cluster = Cluster::new();
    assert_eq!(cluster.spec().internal_registry_pull_secret, None, "there is no account yet");
    cluster.puller = Some(json!({"imagePullSecrets": [{"name": "puller"}]}));
    assert_eq!(cluster.error(), "failed to retrieve image pull secret puller: secret not found");
    let inside = json!({registry: login("inside"), "quay.io": login("inside")});
    let secret =
        json!({"type": "kubernetes.io/dockercfg", "data": {".dockercfg": STANDARD.encode(inside.to_string())}});
    cluster.puller_secrets.insert("puller", secret);
    let held = |cluster: &Cluster| -> Value {
        serde_json::from_str(&text(&cluster.spec().internal_registry_pull_secret.unwrap())).unwrap()
    };
    let expected = json!({"auths": {
        registry: login("inside"), "quay.io": login("global"),
        "default-route-openshift-image-registry.apps.c.example.com": login("inside"),
    }});
    assert_eq!(held(&cluster), expected);
    // The same logins in another order and with empty fields are no change.
    let mut live = left_by_reference("ours");
    let mut theirs = expected.clone();
    theirs["auths"]["quay.io"]["email"] = json!("");
    live.spec.internal_registry_pull_secret = Some(STANDARD.encode(format!(" {theirs}\n")));
    assert_eq!(change(Some(&live), &cluster.spec(), marks("ours")), None);
    cluster.pull_secret = json!({"type": "Opaque"});
    assert_eq!(cluster.error(), "expected secret type kubernetes.io/dockerconfigjson found Opaque");
    for nothing in ["", " {} \n", "{\"auths\":null}"] {
        let data = json!({".dockerconfigjson": STANDARD.encode(nothing)});
        cluster.pull_secret = json!({"type": "kubernetes.io/dockerconfigjson", "data": data});
        assert_eq!(held(&cluster)["auths"]["quay.io"], login("inside"));
    }
    cluster.pull_secret = logins(".dockerconfigjson", &json!("secret words"));
    assert!(!cluster.error().contains("words"), "{}", cluster.error());
    cluster.has_registry = false;
    assert_eq!(cluster.spec().internal_registry_pull_secret, None);
}

fn without_streams(image: &str) -> Cluster {
    let data = json!({
        "baseOSContainerImage": image, "baseOSExtensionsContainerImage": "", "osImageURL": "", "releaseVersion": VERSION,
    });
    let mut cluster = Cluster::new().map(OPERATOR_NAMESPACE, "machine-config-osimageurl", json!({ "data": data }));
    cluster.streams = false;
    cluster
}

#[test]
fn os_images_only_without_streams_and_only_of_this_release() {
    assert_eq!(without_streams("q/os").spec().base_os_container_image, "q/os");
    let prefix = "could not get OS images: ";
    let mut cluster = without_streams("q/os");
    cluster.maps.get_mut(&(OPERATOR_NAMESPACE, "machine-config-osimageurl")).unwrap()["data"]["releaseVersion"] =
        json!("5.0.0");
    let why = format!("{prefix}refusing to read osImageURL version \"5.0.0\", operator version \"5.1.0\"");
    assert_eq!(cluster.error(), why);
    let cluster = cluster.map(OPERATOR_NAMESPACE, "machine-config-osimageurl", json!({}));
    let why = "expected missing data key \"baseOSContainerImage\" to be present in ConfigMap machine-config-osimageurl";
    assert_eq!(cluster.error(), format!("{prefix}{why}"));
}

#[test]
fn images_of_this_release_only() {
    let cluster = Cluster::new().map(OPERATOR_NAMESPACE, config_maps::IMAGES, images("5.0.0"));
    let why = "refusing to read images.json version \"5.0.0\", operator version \"5.1.0\"";
    assert_eq!(cluster.error(), format!("during operator version check: {why}"));
    let broken = json!({"data": {"images.json": "{"}});
    let cluster = cluster.map(OPERATOR_NAMESPACE, config_maps::IMAGES, broken);
    assert!(cluster.error().starts_with("could not parse images.json bytes: "), "{}", cluster.error());
}

#[test]
fn where_machines_boot_from() {
    let virtual_address = |platform: &str, field: &str, address: &str| json!({"type": platform, field: {"apiServerInternalIPs": [address, "192.0.2.9"]}});
    let table = [
        (json!({"type": "AWS"}), "https://api-int.c.example.com:6443", "api-int.c.example.com:22623"),
        (json!({"type": "AWS"}), "https://api-int.c.example.com", "api-int.c.example.com:22623"),
        (json!({"type": "AWS"}), "https://[fd00::1]:6443", "fd00::1:22623"),
        (virtual_address("BareMetal", "baremetal", "192.0.2.1"), "", "192.0.2.1:22623"),
        (virtual_address("BareMetal", "baremetal", "fd00::5"), "", "[fd00::5]:22623"),
        (json!({"type": "VSphere", "vsphere": {}}), "https://a:6443", "a:22623"),
    ];
    for (platform, uri, server) in table {
        let cloud = json!({"data": {"cloud.conf": "x"}});
        let mut cluster = Cluster::new().map(namespaces::CONFIG_MANAGED, config_maps::CLOUD_CONFIG, cloud);
        cluster.infrastructure["status"]["platformStatus"] = platform;
        cluster.infrastructure["status"]["apiServerInternalURI"] = json!(uri);
        assert_eq!(cluster.come_to().unwrap().server, server);
    }
    let mut cluster = Cluster::new();
    cluster.infrastructure["status"]["apiServerInternalURI"] = json!("");
    assert!(cluster.error().contains("no apiServerInternalURI"));
    cluster.infrastructure["status"]["platformStatus"] = json!({"type": "BareMetal", "baremetal": {}});
    assert!(cluster.error().contains("no apiServerInternalIPs"));
}
