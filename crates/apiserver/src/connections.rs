//! Which clients are connected, and which connections make room for others.
//!
//! 1. A connection is unknown until a request with valid credentials has come over it.
//! 2. Only a few unknown connections are open, in total and per address. One more is still accepted and closes the oldest one (of
//!    the address, or of all): a client that holds many unauthenticated connections hurts only itself, and one with credentials
//!    becomes known long before its connection is the oldest.
//! 3. Known connections are limited, in total and per user. Requests over one more are refused (429), and it stays unknown.

use crate::{
    quota::{Quota, Share},
    status::Failure,
};
use parking_lot::Mutex;
use std::{collections::BTreeMap, net::IpAddr, sync::Arc};
use tokio::sync::Notify;

/// Maximum number of unknown connections; one costs up to half a MiB while its first request is read.
const MOST_UNKNOWN: usize = 256;
/// Maximum number of unknown connections from one address: enough for a page or a script that opens many at once.
const MOST_UNKNOWN_OF_A_PEER: usize = 128;
/// Maximum number of known connections, in total and per user: an HTTP/2 client needs one for 250 concurrent requests, an HTTP/1.1
/// client one for each.
const MOST_KNOWN: usize = 2_000;
const MOST_KNOWN_OF_A_USER: usize = 500;

/// All open connections of a listener.
#[derive(Debug)]
pub(crate) struct Connections {
    unknown: Mutex<Unknown>,
    known: Arc<Quota>,
}

#[derive(Debug, Default)]
struct Unknown {
    arrived: u64,
    /// By the order in which they arrived.
    open: BTreeMap<u64, (IpAddr, Arc<Notify>)>,
}

/// The place of one open connection. Dropping it makes room.
#[derive(Debug)]
pub(crate) struct Place {
    connections: Arc<Connections>,
    number: u64,
    leave: Arc<Notify>,
    known: Mutex<Option<Share>>,
}

impl Connections {
    pub(crate) fn new() -> Arc<Self> {
        let known = Quota::new("open connections", MOST_KNOWN, MOST_KNOWN_OF_A_USER);
        Arc::new(Self { unknown: Mutex::default(), known })
    }

    /// Registers a new connection, possibly in place of an older one.
    pub(crate) fn arrive(self: &Arc<Self>, peer: IpAddr) -> Place {
        // An IPv6 client usually controls a whole network (RFC 6177: a site gets at least a /64).
        let peer = match peer.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6((u128::from(address) & (!0 << 64)).into()),
            address => address,
        };
        let mut unknown = self.unknown.lock();
        let mut own = unknown.open.iter().filter(|(_, (other, _))| *other == peer).map(|(number, _)| *number);
        let oldest_own = own.next();
        let leaves = match oldest_own {
            Some(oldest) if 1 + own.count() >= MOST_UNKNOWN_OF_A_PEER => Some(oldest),
            _ if unknown.open.len() >= MOST_UNKNOWN => unknown.open.keys().next().copied(),
            _ => None,
        };
        if let Some((_, leave)) = leaves.and_then(|number| unknown.open.remove(&number)) {
            leave.notify_one();
        }
        let (number, leave) = (unknown.arrived, Arc::new(Notify::new()));
        unknown.arrived += 1;
        unknown.open.insert(number, (peer, leave.clone()));
        Place { connections: self.clone(), number, leave, known: Mutex::default() }
    }
}

impl Place {
    /// Resolves when the connection has to make room.
    pub(crate) async fn taken(&self) {
        self.leave.notified().await;
    }

    /// A request has authenticated the client.
    ///
    /// # Errors
    /// When this user has too many connections, or all have.
    pub(crate) fn known_as(&self, user: &str) -> Result<(), Failure> {
        let mut known = self.known.lock();
        if known.is_none() {
            *known = Some(self.connections.known.take(user, 1)?);
            self.connections.unknown.lock().open.remove(&self.number);
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.unknown.lock().open.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    fn is_taken(place: &Place) -> bool {
        place.taken().now_or_never().is_some()
    }

    #[test]
    fn unknown_connections_make_room_for_newer_ones() {
        let connections = Connections::new();
        let peer = |n: u8| IpAddr::from([10, 0, 0, n]);
        let known = connections.arrive(peer(1));
        known.known_as("me").unwrap();
        let mine: Vec<Place> = (0..MOST_UNKNOWN_OF_A_PEER).map(|_| connections.arrive(peer(1))).collect();
        assert!(!mine.iter().any(is_taken));
        let next = connections.arrive(peer(1));
        assert!(is_taken(&mine[0]) && !mine[1..].iter().any(is_taken) && !is_taken(&next) && !is_taken(&known));
        // The limit of one address does not affect others; when the total is too high, the oldest ends.
        let others: Vec<Place> = (2..200)
            .flat_map(|n| [n; 1])
            .take(MOST_UNKNOWN - MOST_UNKNOWN_OF_A_PEER)
            .map(|n| connections.arrive(peer(n)))
            .collect();
        assert!(!mine[1..].iter().any(is_taken) && !others.iter().any(is_taken));
        let last = connections.arrive(peer(250));
        assert!(is_taken(&mine[1]) && !is_taken(&mine[2]) && !is_taken(&last));
        drop((mine, next, others, last));
        assert!(connections.unknown.lock().open.is_empty());
    }

    #[test]
    fn the_connections_of_a_user_are_bounded() {
        let connections = Connections::new();
        let arrive = |user: &str| {
            let place = connections.arrive(IpAddr::from([127, 0, 0, 1]));
            place.known_as(user).map(|()| place)
        };
        let mine: Vec<Place> = (0..MOST_KNOWN_OF_A_USER).map(|_| arrive("me").unwrap()).collect();
        assert!(arrive("me").unwrap_err().message.contains("me has too many open connections"));
        assert!(arrive("her").is_ok());
        drop(mine);
        assert!(arrive("me").is_ok());
    }

    #[test]
    fn an_ipv6_network_is_one_peer() {
        let connections = Connections::new();
        let places: Vec<Place> = (0..=MOST_UNKNOWN_OF_A_PEER)
            .map(|n| connections.arrive(format!("2001:db8::{n:x}").parse().unwrap()))
            .collect();
        assert!(is_taken(&places[0]) && !is_taken(&places[1]));
    }
}
