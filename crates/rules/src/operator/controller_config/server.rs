//! Where booting machines find the machine config server (R-CONTROLLER-CONFIG-10).

use super::RenderConfigError;
use weir_api::Infrastructure;

/// Port of the machine config server for machines.
const PORT: u16 = 22623;

/// Host and port.
pub(super) fn address(infrastructure: &Infrastructure) -> Result<String, RenderConfigError> {
    let virtual_address = |field: &str| {
        let platform = infrastructure.status.as_ref()?.platform_status.as_ref()?;
        platform.other.get(field)?.pointer("/apiServerInternalIPs/0")?.as_str()
    };
    let joined = |address: &str| {
        // Joined as in the reference: only an address with colons gets brackets.
        if address.contains(':') { format!("[{address}]:{PORT}") } else { format!("{address}:{PORT}") }
    };
    let needed = match infrastructure.platform() {
        "BareMetal" => virtual_address("baremetal"),
        "OpenStack" => virtual_address("openstack"),
        "oVirt" => virtual_address("ovirt"),
        "VSphere" => match virtual_address("vsphere") {
            Some(address) => Some(address),
            None => return by_name(infrastructure),
        },
        _ => return by_name(infrastructure),
    };
    needed.map(joined).ok_or(RenderConfigError::NoServer("no apiServerInternalIPs"))
}

fn by_name(infrastructure: &Infrastructure) -> Result<String, RenderConfigError> {
    let uri = infrastructure.status.as_ref().and_then(|status| status.api_server_internal_uri.as_deref());
    let authority = uri.and_then(|uri| uri.split_once("://")).map(|(_, rest)| rest);
    let authority = authority.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    };
    match host {
        "" => Err(RenderConfigError::NoServer("no apiServerInternalURI")),
        host => Ok(format!("{host}:{PORT}")),
    }
}
