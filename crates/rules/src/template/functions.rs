//! The functions that templates can call.
//!
//! R-FUNCTIONS-1 Functions about the cluster take the data that the template was given, and nothing else.
//! R-FUNCTIONS-2 Addresses of load balancers are those of the platform named in the call; on another platform, the call fails.
//! R-FUNCTIONS-3 Load balancers that run on the machines are managed by the cluster unless the platform says otherwise.
//!
//! Source: `pkg/controller/template/render.go` and the function map of `pkg/controller/common/helpers.go` of
//! github.com/openshift/machine-config-operator.

use crate::template::data::RENDER_CONFIG;
use serde_json::Value as Json;
use std::sync::Arc;
use weir_gotemplate::{Functions, Parameter, Signature, Value, value::List};

/// Maximum number of bytes that one call may return: the limit for the whole output of a template.
const MAX_TEXT: usize = 8 << 20;
/// Go's message when it follows a nil pointer.
const NIL_POINTER: &str = "runtime error: invalid memory address or nil pointer dereference";

/// The platform of a cluster.
#[derive(Clone, Copy, Debug)]
pub struct Platform<'a> {
    status: Option<&'a Json>,
}

impl<'a> Platform<'a> {
    /// The platform that an Infrastructure names.
    #[must_use]
    pub fn of(infrastructure: Option<&'a Json>) -> Self {
        let status = infrastructure.and_then(|infra| infra.pointer("/status/platformStatus"));
        Self { status: status.filter(|status| status.is_object()) }
    }

    /// Its name; empty if there is none.
    #[must_use]
    pub fn name(self) -> &'a str {
        self.status.and_then(|status| status.get("type")?.as_str()).unwrap_or_default()
    }

    fn field(self, name: &str) -> Option<&'a Json> {
        self.status?.get(name).filter(|field| !field.is_null())
    }

    /// Settings of a platform whose load balancers run on the machines.
    fn on_prem(self) -> Option<&'a Json> {
        self.field(on_prem_field(self.name())?)
    }

    /// Who serves the names of the cluster, on a cloud where the cluster can do that itself.
    fn cloud_load_balancer(self) -> Option<&'a Json> {
        self.field(cloud(self.name())?.0)?.get("cloudLoadBalancerConfig").filter(|config| !config.is_null())
    }

    /// Whether the cluster serves its own names and knows the addresses of its load balancers.
    #[must_use]
    pub fn serves_names(self) -> bool {
        self.cloud_load_balancer().is_some_and(|config| is_cluster_hosted(config) && addresses(config).is_some())
    }
}

fn is_cluster_hosted(config: &Json) -> bool {
    config["dnsType"] == "ClusterHosted"
}

fn addresses(config: &Json) -> Option<&Json> {
    config.get("clusterHosted").filter(|addresses| !addresses.is_null())
}

/// The field of the status with the settings of a platform whose load balancers run on the machines.
pub(crate) fn on_prem_field(platform: &str) -> Option<&'static str> {
    Some(match platform {
        "BareMetal" => "baremetal",
        "Nutanix" => "nutanix",
        "OpenStack" => "openstack",
        "VSphere" => "vsphere",
        "oVirt" => "ovirt",
        _ => return None,
    })
}

/// For a cloud where the cluster can serve its own names: the field of the status with its settings, and what messages call it.
fn cloud(platform: &str) -> Option<(&'static str, &'static str)> {
    Some(match platform {
        "AWS" => ("aws", "AWS"),
        "Azure" => ("azure", "azure"),
        "GCP" => ("gcp", "GCP"),
        _ => return None,
    })
}

/// The functions, for one cluster.
#[derive(Clone, Copy, Debug)]
pub struct OfCluster<'a> {
    platform: Platform<'a>,
}

impl<'a> OfCluster<'a> {
    /// For the cluster with this Infrastructure.
    #[must_use]
    pub fn new(infrastructure: Option<&'a Json>) -> Self {
        Self { platform: Platform::of(infrastructure) }
    }

    fn of_cluster(self, name: &str) -> Result<Value, String> {
        const SERVER: (&str, &str) = ("apiServerInternalIPs", "API Server Internal IP");
        const INGRESS: (&str, &str) = ("ingressIPs", "Ingress IP");
        let platform = self.platform;
        Ok(match name {
            "cloudProvider" => Value::text(cloud_provider(platform)),
            "credentialProviderConfigFlag" => Value::text(&credential_provider(platform.name())),
            "platformType" => Value::text(platform.name()),
            "onPremPlatformShortName" => Value::text(short_name(platform.name())),
            "onPremPlatformAPIServerInternalIPs" => on_prem_addresses(platform, SERVER)?,
            "onPremPlatformIngressIPs" => on_prem_addresses(platform, INGRESS)?,
            "onPremPlatformAPIServerInternalIP" => first(platform, on_prem_addresses(platform, SERVER)?)?,
            "onPremPlatformIngressIP" => first(platform, on_prem_addresses(platform, INGRESS)?)?,
            "isOpenShiftManagedDefaultLB" => Value::Bool(has_default_load_balancer(platform)),
            "dnsRecordsType" => Value::text(records_type(platform)),
            "cloudPlatformAPIIntLoadBalancerIPs" => {
                cloud_addresses(platform, "apiIntLoadBalancerIPs", "Internal API Server")?
            }
            "cloudPlatformAPILoadBalancerIPs" => cloud_addresses(platform, "apiLoadBalancerIPs", "API Server")?,
            "cloudPlatformIngressLoadBalancerIPs" => cloud_addresses(platform, "ingressLoadBalancerIPs", "Ingress")?,
            _ => return Err("no such function".to_owned()),
        })
    }
}

impl Functions for OfCluster<'_> {
    fn signature(&self, name: &str) -> Option<Signature> {
        use Parameter::{Any, Int, Struct, Text, Texts};
        Some(match name {
            "toString" => Signature::of([Any]),
            "indent" => Signature::of([Int, Text]),
            "join" => Signature::of([Texts, Text]),
            "skip" | "urlHost" | "urlPort" => Signature::of([Text]),
            "cloudPlatformAPIIntLoadBalancerIPs"
            | "cloudPlatformAPILoadBalancerIPs"
            | "cloudPlatformIngressLoadBalancerIPs"
            | "cloudProvider"
            | "credentialProviderConfigFlag"
            | "dnsRecordsType"
            | "isOpenShiftManagedDefaultLB"
            | "onPremPlatformAPIServerInternalIP"
            | "onPremPlatformAPIServerInternalIPs"
            | "onPremPlatformIngressIP"
            | "onPremPlatformIngressIPs"
            | "onPremPlatformShortName"
            | "platformType" => Signature::of([Struct(RENDER_CONFIG)]),
            _ => return None,
        })
    }

    fn call(&self, name: &str, arguments: &[Value]) -> Result<Value, String> {
        let text = match (name, arguments) {
            ("toString", [Value::Text(text, _)]) => text.to_string(),
            ("toString", [Value::Bytes(bytes)]) => {
                String::from_utf8(bytes.to_vec()).map_err(|_| "not UTF-8".to_owned())?
            }
            ("toString", [other]) => other.plain()?,
            ("indent", [Value::Int(width, _), Value::Text(text, _)]) => indent(*width, text)?,
            ("join", [Value::List(list), Value::Text(separator, _)]) => join(list, separator)?,
            ("skip", [Value::Text(key, _)]) => skip(key)?,
            ("urlHost", [Value::Text(url, _)]) => address(url)?.host,
            ("urlPort", [Value::Text(url, _)]) => port(url)?,
            _ => return self.of_cluster(name),
        };
        Ok(Value::text(&text))
    }
}

fn bounded(bytes: usize) -> Result<(), String> {
    if bytes > MAX_TEXT { Err(format!("more than {MAX_TEXT} bytes")) } else { Ok(()) }
}

/// The text with this many spaces before each line.
fn indent(width: i64, text: &str) -> Result<String, String> {
    let width = usize::try_from(width).map_err(|_| "strings: negative Repeat count".to_owned())?;
    let lines = text.matches('\n').count() + 1;
    bounded(width.saturating_mul(lines).saturating_add(text.len()))?;
    let pad = " ".repeat(width);
    Ok(format!("{pad}{}", text.replace('\n', &format!("\n{pad}"))))
}

fn join(list: &List, separator: &str) -> Result<String, String> {
    let texts = list.items().iter().map(Value::plain).collect::<Result<Vec<_>, _>>()?;
    bounded(texts.iter().map(String::len).sum::<usize>() + separator.len() * texts.len())?;
    Ok(texts.join(separator))
}

/// An action for a later reader of the file.
fn skip(key: &str) -> Result<String, String> {
    let begins = key.starts_with(|c: char| c == '_' || c.is_ascii_lowercase());
    if begins && key.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()) {
        Ok(format!("{{{{.{key}}}}}"))
    } else {
        Err("invalid key for skipKey".to_owned())
    }
}

fn address(url: &str) -> Result<weir_ignition::Address, String> {
    weir_ignition::address(url).map_err(|why| format!("invalid url: {url:?}: {why}"))
}

fn port(url: &str) -> Result<String, String> {
    let address = address(url)?;
    match (address.port.as_str(), address.scheme.as_str()) {
        ("", "https") => Ok("443".to_owned()),
        ("", "http") => Ok("80".to_owned()),
        ("", _) => Err(format!("unknown scheme in {url}")),
        (port, _) => Ok(port.to_owned()),
    }
}

/// What the kubelet is told about its cloud: nothing, or that another component talks to it.
fn cloud_provider(platform: Platform<'_>) -> &'static str {
    const EXTERNAL: &str = "external";
    match platform.name() {
        "AlibabaCloud" | "AWS" | "Azure" | "GCP" | "IBMCloud" | "KubeVirt" | "Nutanix" | "OpenStack" | "PowerVS"
        | "VSphere" => EXTERNAL,
        "External" => {
            let manager = platform.field("external").and_then(|field| field.pointer("/cloudControllerManager/state"));
            if manager.and_then(Json::as_str) == Some("External") { EXTERNAL } else { "" }
        }
        _ => "",
    }
}

fn credential_provider(platform: &str) -> String {
    let registry = match platform {
        "AWS" => "ecr",
        "Azure" => "acr",
        "GCP" => "gcr",
        _ => return String::new(),
    };
    format!(
        "--image-credential-provider-bin-dir=/usr/libexec/kubelet-image-credential-provider-plugins \
         --image-credential-provider-config=/etc/kubernetes/credential-providers/{registry}-credential-provider.yaml"
    )
}

fn short_name(platform: &str) -> &'static str {
    match platform {
        "BareMetal" => "kni",
        other => on_prem_field(other).unwrap_or_default(),
    }
}

fn on_prem_addresses(platform: Platform<'_>, (field, what): (&str, &str)) -> Result<Value, String> {
    match (platform.on_prem(), platform.name()) {
        (Some(status), _) => Ok(texts("string", status.get(field))),
        (None, "VSphere") => Ok(Value::texts([])),
        (None, name) if on_prem_field(name).is_some() => Err(NIL_POINTER.to_owned()),
        (None, _) => Err(format!("invalid platform for {what}")),
    }
}

fn first(platform: Platform<'_>, addresses: Value) -> Result<Value, String> {
    let first = match &addresses {
        Value::List(list) => list.items().first().cloned(),
        _ => None,
    };
    match first {
        Some(address) => Ok(address),
        None if platform.name() == "VSphere" => Ok(Value::Nil),
        None => Err("runtime error: index out of range [0] with length 0".to_owned()),
    }
}

fn has_default_load_balancer(platform: Platform<'_>) -> bool {
    if on_prem_field(platform.name()).is_none() {
        return true;
    }
    let Some(status) = platform.on_prem() else { return false };
    let has_addresses = status["apiServerInternalIPs"].as_array().is_some_and(|addresses| !addresses.is_empty());
    let type_ = status.get("loadBalancer").filter(|balancer| !balancer.is_null()).map(|balancer| &balancer["type"]);
    (platform.name() != "VSphere" || has_addresses) && type_.is_none_or(|type_| type_ == "OpenShiftManagedDefault")
}

fn records_type(platform: Platform<'_>) -> &str {
    match platform.on_prem().filter(|_| platform.name() != "oVirt") {
        Some(status) => status["dnsRecordsType"].as_str().unwrap_or_default(),
        None => "Internal",
    }
}

fn cloud_addresses(platform: Platform<'_>, field: &str, what: &str) -> Result<Value, String> {
    let Some((_, called)) = cloud(platform.name()) else {
        return Err("invalid cloud platform for API Server Internal IPs".to_owned());
    };
    match platform.cloud_load_balancer().filter(|config| is_cluster_hosted(config)) {
        Some(config) => match addresses(config) {
            Some(addresses) => Ok(texts("v1.IP", addresses.get(field))),
            None => Err(format!("{called} {what} Load Balancer IPs unavailable when the DNSType is ClusterHosted")),
        },
        None => Err(String::new()),
    }
}

/// A list of strings, with its type; nil if there is none.
fn texts(element: &'static str, list: Option<&Json>) -> Value {
    let named = (element != "string").then(|| Arc::from(element));
    let text = |item: &Json| Value::Text(item.as_str().unwrap_or_default().into(), named.clone());
    let items = list.and_then(Json::as_array).map(|items| items.iter().map(text).collect());
    Value::List(List { element: element.into(), items })
}
