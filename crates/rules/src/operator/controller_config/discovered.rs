//! The cluster's own configuration: platform, networks, proxy (R-CONTROLLER-CONFIG-5).

use super::RenderConfigError;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use weir_api::{
    Infrastructure, Network, Proxy,
    controller_config::{ControllerConfigSpec, NetworkInfo, ProxyStatus},
    kind::CONFIG_GROUP,
};

/// Index of the DNS service's address in the first service network, by convention of the installer.
const DNS_HOST: u8 = 10;

/// Fills in the values from the objects.
pub(super) fn discover(
    spec: &mut ControllerConfigSpec,
    infrastructure: &Infrastructure,
    network: &Network,
    proxy: Option<&Proxy>,
) -> Result<(), RenderConfigError> {
    let services = network.spec.service_network.as_deref().unwrap_or_default();
    let services = services.iter().map(|text| parse(text)).collect::<Result<Vec<_>, _>>()?;
    let (first, prefix) = *services.first().ok_or(RenderConfigError::NoServiceNetwork)?;
    spec.cluster_dns_ip = dns_address(first, prefix)?.to_string();
    let mut others = services.iter().map(|(address, _)| address.is_ipv4() != first.is_ipv4());
    let families = match (first.is_ipv4(), others.any(|differs| differs)) {
        (true, false) => "IPv4",
        (false, false) => "IPv6",
        (true, true) => "DualStack",
        (false, true) => "DualStackIPv6Primary",
    };
    families.clone_into(&mut spec.ip_families);
    spec.platform = infrastructure.platform().to_lowercase();
    let domain = infrastructure.status.as_ref().and_then(|status| status.etcd_discovery_domain.clone());
    spec.etcd_discovery_domain = domain.unwrap_or_default();
    networks(spec, network);
    spec.proxy = proxy.and_then(in_force);
    spec.infra = Some(embedded_infrastructure(infrastructure));
    Ok(())
}

fn networks(spec: &mut ControllerConfigSpec, network: &Network) {
    let status = network.status.clone().unwrap_or_default();
    let in_force = status.network_type.filter(|name| !name.is_empty());
    let wanted = match (in_force, status.migration) {
        (None, _) => network.spec.network_type.clone(),
        (Some(_), Some(migration)) => {
            let with = |mtu| NetworkInfo { mtu_migration: Some(mtu), ..NetworkInfo::default() };
            spec.network = migration.mtu.map(with);
            migration.network_type
        }
        (in_force, None) => in_force,
    };
    spec.network_type = wanted.unwrap_or_default();
}

/// The proxy in force, if there is one.
fn in_force(proxy: &Proxy) -> Option<ProxyStatus> {
    let status = proxy.status.clone()?;
    let proxy = ProxyStatus {
        http_proxy: status.http_proxy.unwrap_or_default(),
        https_proxy: status.https_proxy.unwrap_or_default(),
        no_proxy: status.no_proxy.unwrap_or_default(),
        other: status.other,
    };
    (proxy != ProxyStatus::default()).then_some(proxy)
}

/// The object with its platform where newer releases look for it.
fn embedded_infrastructure(infrastructure: &Infrastructure) -> Value {
    let mut object = embedded(infrastructure, "Infrastructure");
    if !object["status"].is_object() {
        object["status"] = json!({});
    }
    let named = |value: &Value| value.as_str().is_some_and(|name| !name.is_empty());
    let status = &mut object["status"];
    if status["platformStatus"].is_null() || !named(&status["platformStatus"]["type"]) {
        // Only the type is replaced: everything else there stays.
        status["platformStatus"]["type"] = json!(infrastructure.platform());
    }
    object
}

/// An object of the cluster's configuration, as embedded in another one.
pub(super) fn embedded(object: &impl serde::Serialize, kind: &str) -> Value {
    // Our own types always serialize to JSON.
    let mut value = serde_json::to_value(object).unwrap_or_default();
    value["apiVersion"] = json!(format!("{CONFIG_GROUP}/v1"));
    value["kind"] = json!(kind);
    value
}

fn parse(text: &str) -> Result<(IpAddr, u8), RenderConfigError> {
    let invalid = || RenderConfigError::ServiceNetwork(text.to_owned());
    let (address, prefix) = text.split_once('/').ok_or_else(invalid)?;
    let (address, prefix): (IpAddr, u8) =
        (address.parse().map_err(|_| invalid())?, prefix.parse().map_err(|_| invalid())?);
    let longest = if address.is_ipv4() { 32 } else { 128 };
    if prefix > longest { Err(invalid()) } else { Ok((address, prefix)) }
}

fn dns_address(address: IpAddr, prefix: u8) -> Result<IpAddr, RenderConfigError> {
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let host_bits = u32::from(bits - prefix);
    // The network's host bits; a shift by all bits would overflow.
    let rest = u128::MAX.checked_shr(128 - host_bits).unwrap_or_default();
    if rest < u128::from(DNS_HOST) {
        return Err(RenderConfigError::SmallServiceNetwork { prefix, host: DNS_HOST });
    }
    Ok(match address {
        IpAddr::V4(address) => {
            let rest = u32::try_from(rest).unwrap_or(u32::MAX);
            IpAddr::V4(Ipv4Addr::from(u32::from(address) & !rest | u32::from(DNS_HOST)))
        }
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) & !rest | u128::from(DNS_HOST))),
    })
}
