//! Connections of the page.

use crate::{
    door::Door,
    planning::{PlanUpdate, Updates},
    serve::router,
    source::Source,
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::sleep,
};

/// Connections at once: those of the open pages, and as many again.
const CONNECTIONS: usize = 2 * crate::live::MOST;
/// Deadline for the headers of a request, the first or the next on a connection.
const HEADERS: Duration = Duration::from_secs(30);
/// Bytes of headers; a cookie with a token has about 1,200.
const LARGEST_HEADERS: usize = 32 << 10;
/// Pause after the system could not accept a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// The page, listening and not answering yet.
#[derive(Debug)]
pub struct Page {
    listener: TcpListener,
    address: SocketAddr,
    updates: Updates,
}

impl Page {
    /// Listens; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, updates: Updates::default() })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has updates planned this way; without it, a page plans none.
    #[must_use]
    pub fn with_updates(self, plan: Arc<PlanUpdate>) -> Self {
        Self { updates: Updates(Some(plan)), ..self }
    }

    /// Answers until the future is dropped; nothing is made before the first request.
    pub async fn serve(self, source: Arc<dyn Source>, door: Door) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let door = Arc::new(door);
        let mut pages = None;
        let mut connections = JoinSet::new();
        loop {
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::debug!(%error, "accepting a connection for the page");
                    sleep(PAUSE).await;
                    continue;
                }
            };
            while connections.try_join_next().is_some() {}
            // Without a place it is closed at once.
            let Ok(place) = places.clone().try_acquire_owned() else { continue };
            let pages = pages.get_or_insert_with(|| router(source.clone(), door.clone(), self.updates.clone())).clone();
            connections.spawn(async move {
                connection(stream, pages).await;
                drop(place);
            });
        }
    }
}

async fn connection(stream: TcpStream, pages: axum::Router) {
    // Updates are small and should not wait for more.
    _ = stream.set_nodelay(true);
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADERS).max_buf_size(LARGEST_HEADERS);
    let served = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(pages));
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection of the page ended");
    }
}
