//! IP addresses and networks.

use super::value_type::value_type;
use cel::{
    DeclarationError, Env, ExecutionError, add_member_overload, add_overload,
    common::types::{CelBool, CelInt, CelString},
};
use std::net::IpAddr;

/// An address without a zone; IPv4-mapped IPv6 addresses are not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ip(IpAddr);
value_type!(Ip, "net.IP");

/// An address with its prefix length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cidr {
    address: IpAddr,
    bits: u8,
}
value_type!(Cidr, "net.CIDR");

type Eval<T> = Result<T, ExecutionError>;

pub(super) fn install(env: &mut Env) -> Result<(), DeclarationError> {
    add_overload!(env, fn is_ip: (CelString) -> CelBool, name = "isIP")?;
    add_overload!(env, fn ip: (CelString) -> Result<Ip>)?;
    add_overload!(env, fn is_canonical: (CelString) -> Result<CelBool>, name = "ip.isCanonical")?;
    add_overload!(env, fn ip_text: (Ip) -> CelString, name = "string", id = "ip_to_string")?;
    add_member_overload!(env, fn family: (Ip) -> CelInt)?;
    add_member_overload!(env, fn is_unspecified: (Ip) -> CelBool)?;
    add_member_overload!(env, fn is_loopback: (Ip) -> CelBool)?;
    add_member_overload!(env, fn is_link_local_multicast: (Ip) -> CelBool)?;
    add_member_overload!(env, fn is_link_local_unicast: (Ip) -> CelBool)?;
    add_member_overload!(env, fn is_global_unicast: (Ip) -> CelBool)?;

    add_overload!(env, fn is_cidr: (CelString) -> CelBool, name = "isCIDR")?;
    add_overload!(env, fn cidr: (CelString) -> Result<Cidr>)?;
    add_overload!(env, fn cidr_text: (Cidr) -> CelString, name = "string", id = "cidr_to_string")?;
    add_member_overload!(env, fn contains_ip: (Cidr, Ip) -> CelBool, name = "containsIP")?;
    add_member_overload!(env, fn contains_ip_text: (Cidr, CelString) -> Result<CelBool>, name = "containsIP")?;
    add_member_overload!(env, fn contains_cidr: (Cidr, Cidr) -> CelBool, name = "containsCIDR")?;
    add_member_overload!(env, fn contains_cidr_text: (Cidr, CelString) -> Result<CelBool>, name = "containsCIDR")?;
    add_member_overload!(env, fn cidr_ip: (Cidr) -> Ip, name = "ip", id = "cidr_ip")?;
    add_member_overload!(env, fn prefix_length: (Cidr) -> CelInt)?;
    add_member_overload!(env, fn masked: (Cidr) -> Cidr)
}

fn parse_ip(text: &str) -> Option<IpAddr> {
    let address: IpAddr = text.parse().ok()?;
    let mapped = matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
    (!mapped).then_some(address)
}

fn parse_cidr(text: &str) -> Option<Cidr> {
    let (address, bits) = text.split_once('/')?;
    let address = parse_ip(address)?;
    let plain = bits == "0" || (!bits.starts_with('0') && bits.bytes().all(|b| b.is_ascii_digit()));
    let bits: u8 = bits.parse().ok().filter(|_| plain)?;
    (bits <= width(address)).then_some(Cidr { address, bits })
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address as a number, left-aligned to 128 bits.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn mask(bits: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)
}

impl Cidr {
    fn holds(self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && (number(self.address) ^ number(address)) & mask(self.bits) == 0
    }
}

fn is_ip(text: &CelString<'_>) -> CelBool {
    CelBool::from(parse_ip(text.inner()).is_some())
}

fn ip(text: &CelString<'_>) -> Eval<Ip> {
    let error = || {
        ExecutionError::function_error(
            "ip",
            format!("IP Address \"{}\" parse error during conversion from string", text.inner()),
        )
    };
    parse_ip(text.inner()).map(Ip).ok_or_else(error)
}

fn is_canonical(text: &CelString<'_>) -> Eval<CelBool> {
    Ok(CelBool::from(ip(text)?.0.to_string() == text.inner()))
}

fn ip_text<'a>(ip: &Ip) -> CelString<'a> {
    CelString::from(ip.0.to_string())
}

fn family(ip: &Ip) -> CelInt {
    CelInt::from(if ip.0.is_ipv4() { 4 } else { 6 })
}

fn is_unspecified(ip: &Ip) -> CelBool {
    CelBool::from(ip.0.is_unspecified())
}

fn is_loopback(ip: &Ip) -> CelBool {
    CelBool::from(ip.0.is_loopback())
}

fn is_link_local_multicast(ip: &Ip) -> CelBool {
    CelBool::from(match ip.0 {
        IpAddr::V4(v4) => v4.octets()[..3] == [224, 0, 0],
        IpAddr::V6(v6) => v6.segments()[0] & 0xff0f == 0xff02,
    })
}

fn link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.segments()[0] & 0xffc0 == 0xfe80,
    }
}

fn is_link_local_unicast(ip: &Ip) -> CelBool {
    CelBool::from(link_local(ip.0))
}

fn is_global_unicast(ip: &Ip) -> CelBool {
    let broadcast = matches!(ip.0, IpAddr::V4(v4) if v4.is_broadcast());
    let special = ip.0.is_unspecified() || ip.0.is_loopback() || ip.0.is_multicast() || link_local(ip.0);
    CelBool::from(!broadcast && !special)
}

fn is_cidr(text: &CelString<'_>) -> CelBool {
    CelBool::from(parse_cidr(text.inner()).is_some())
}

fn cidr(text: &CelString<'_>) -> Eval<Cidr> {
    let error = || ExecutionError::function_error("cidr", "network address parse error during conversion from string");
    parse_cidr(text.inner()).ok_or_else(error)
}

fn cidr_text<'a>(cidr: &Cidr) -> CelString<'a> {
    CelString::from(format!("{}/{}", cidr.address, cidr.bits))
}

fn contains_ip(cidr: &Cidr, ip: &Ip) -> CelBool {
    CelBool::from(cidr.holds(ip.0))
}

fn contains_ip_text(cidr: &Cidr, text: &CelString<'_>) -> Eval<CelBool> {
    Ok(contains_ip(cidr, &ip(text)?))
}

fn contains_cidr(outer: &Cidr, inner: &Cidr) -> CelBool {
    CelBool::from(outer.bits <= inner.bits && outer.holds(inner.address))
}

fn contains_cidr_text(outer: &Cidr, text: &CelString<'_>) -> Eval<CelBool> {
    Ok(contains_cidr(outer, &cidr(text)?))
}

fn cidr_ip(cidr: &Cidr) -> Ip {
    Ip(cidr.address)
}

fn prefix_length(cidr: &Cidr) -> CelInt {
    CelInt::from(i64::from(cidr.bits))
}

fn masked(cidr: &Cidr) -> Cidr {
    let kept = number(cidr.address) & mask(cidr.bits);
    #[allow(clippy::cast_possible_truncation, reason = "an IPv4 address is the upper 32 bits")]
    let address = if cidr.address.is_ipv4() {
        IpAddr::from(((kept >> 96) as u32).to_be_bytes())
    } else {
        IpAddr::from(kept.to_be_bytes())
    };
    Cidr { address, bits: cidr.bits }
}

#[cfg(test)]
mod tests {
    use crate::cel::library::probe::{all_fail, all_true};

    #[test]
    fn addresses() {
        all_true(&[
            "isIP('10.0.0.1') && isIP('::1') && !isIP('10.0.0.256') && !isIP('01.2.3.4') && !isIP('fe80::1%eth0') && !isIP('::ffff:1.2.3.4')",
            "ip('::1').family() == 6 && ip('127.0.0.1').family() == 4",
            "ip('::1') == ip('0:0:0:0:0:0:0:1') && ip('::1') != ip('::2')",
            "ip.isCanonical('2001:db8::abcd') && !ip.isCanonical('2001:DB8::ABCD')",
            "ip('127.0.0.1').isLoopback() && ip('::').isUnspecified() && ip('224.0.0.1').isLinkLocalMulticast()",
            "ip('169.254.1.1').isLinkLocalUnicast() && ip('fe80::1').isLinkLocalUnicast() && ip('8.8.8.8').isGlobalUnicast()",
            "!ip('255.255.255.255').isGlobalUnicast() && !ip('ff02::1').isGlobalUnicast()",
            "string(ip('::0:1')) == '::1'",
        ]);
        all_fail(&["ip('x')", "ip.isCanonical('x')", "'x'.family()"]);
    }

    #[test]
    fn networks() {
        all_true(&[
            "isCIDR('10.0.0.0/8') && isCIDR('::/0') && !isCIDR('10.0.0.0') && !isCIDR('10.0.0.0/33') && !isCIDR('10.0.0.0/08')",
            "cidr('10.0.0.0/8').containsIP('10.1.2.3') && !cidr('10.0.0.0/8').containsIP(ip('11.0.0.1'))",
            "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && !cidr('10.1.0.0/16').containsCIDR(cidr('10.0.0.0/8'))",
            "cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8') && cidr('10.1.2.3/8').ip() == ip('10.1.2.3')",
            "cidr('::1/64').prefixLength() == 64 && string(cidr('10.0.0.0/8')) == '10.0.0.0/8'",
            "cidr('::/0').containsIP('fe80::1') && !cidr('::/0').containsIP('10.0.0.1')",
        ]);
        all_fail(&["cidr('10.0.0.0')", "cidr('10.0.0.0/8').containsIP('x')"]);
    }
}
