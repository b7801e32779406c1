//! Connections of the metrics port: few, short-lived, and none that keeps another out.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use parking_lot::Mutex;
use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

/// Connections at once. A client of metrics or health needs one.
const CONNECTIONS: usize = 64;
/// Connections at once per address.
const OF_ONE: usize = 16;
/// Deadline for the headers of a request, the first or the next on a connection.
const HEADERS: Duration = Duration::from_secs(10);
/// A connection is closed after this long, whatever it is doing; the client opens another.
const LIFE: Duration = Duration::from_mins(5);
/// Bytes of headers. No request here has a body, and none is read.
const LARGEST_HEADERS: usize = 16 << 10;
/// Pause after the system could not accept a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until the future is dropped.
pub(super) async fn serve(listener: TcpListener, router: Router) {
    let places = Places::default();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Without a slot it is closed at once.
                if let Some(place) = places.take(peer.ip()) {
                    tokio::spawn(connection(stream, router.clone(), place));
                }
            }
            Err(error) => {
                tracing::debug!(%error, "accepting a connection for figures");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, router: Router, place: Place) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADERS).max_buf_size(LARGEST_HEADERS);
    let served = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    match timeout(LIFE, served).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection for figures ended"),
        Err(_) => tracing::debug!("a connection for figures was closed: it is old"),
    }
    drop(place);
}

/// How many connections each address has.
#[derive(Clone, Debug, Default)]
struct Places(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

impl Places {
    fn take(&self, peer: IpAddr) -> Option<Place> {
        let mut taken = self.0.lock();
        let all: usize = taken.values().sum();
        let own = taken.get(&peer).copied().unwrap_or_default();
        if all >= CONNECTIONS || own >= OF_ONE {
            return None;
        }
        taken.insert(peer, own + 1);
        Some(Place { places: self.clone(), peer })
    }
}

/// A connection's slot; returned when dropped.
#[derive(Debug)]
struct Place {
    places: Places,
    peer: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock();
        match taken.get_mut(&self.peer) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(taken.remove(&self.peer)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_all_places_and_they_come_back() {
        let places = Places::default();
        let take = |last: u8, count: usize| -> Vec<Place> {
            (0..count).filter_map(|_| places.take(IpAddr::from([10, 0, 0, last]))).collect()
        };
        let greedy = take(1, 1000);
        assert_eq!(greedy.len(), OF_ONE);
        let others: Vec<Vec<Place>> = (2..10).map(|last| take(last, 1000)).collect();
        assert_eq!(greedy.len() + others.iter().map(Vec::len).sum::<usize>(), CONNECTIONS);
        drop((greedy, others));
        assert!(places.0.lock().is_empty());
        assert_eq!(take(1, 1).len(), 1);
    }
}
