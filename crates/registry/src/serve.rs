//! The registry on a socket: TLS, HTTP/2 and HTTP/1.1, only on loopback.

use crate::{Error, Registry, credentials};
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use std::{convert::Infallible, future::Future, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use weir_images::{
    Authfile, Layout, Registries, Source,
    registries::{Entry, Mirror},
};

/// Maximum number of open connections: clients open some for each image. Further clients wait.
const CONNECTIONS: usize = 256;
/// Timeout of a TLS handshake.
const HANDSHAKE_PERIOD: Duration = Duration::from_secs(10);
/// Timeout for the headers of a request, from when the connection waits for them.
const HEADER_PERIOD: Duration = Duration::from_secs(30);
/// Maximum size of all headers of a request.
const LARGEST_HEADERS: u32 = 32 << 10;
/// Maximum number of concurrent requests on one HTTP/2 connection.
const STREAMS: u32 = 100;
/// An idle connection is checked this often, and closed if it does not respond.
const PING_PERIOD: Duration = Duration::from_secs(30);
/// How long requests may go on after shutdown was requested.
const GRACE_PERIOD: Duration = Duration::from_secs(5);
/// Pause after a connection could not be accepted, e.g. because no file descriptor was left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often unneeded files are removed.
const COLLECT_PERIOD: Duration = Duration::from_mins(10);

/// A registry with a bound address. Clients can connect from now on; [`Listener::serve`] serves them.
pub struct Listener {
    registry: Registry,
    listener: std::net::TcpListener,
    address: SocketAddr,
    acceptor: TlsAcceptor,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Listener {
    /// Binds the previous address, or at first a free one; it is stored with the login for it.
    ///
    /// # Errors
    /// If it cannot be bound, or the certificate cannot be used.
    pub fn bind(registry: Registry) -> Result<Self, Error> {
        let credentials = &registry.credentials;
        let wanted = credentials.address()?;
        let failed = |cause| credentials.listen_error(wanted, cause);
        let listener = std::net::TcpListener::bind(wanted).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let acceptor = TlsAcceptor::from(Arc::new(credentials.server_config()?));
        credentials.keep(address)?;
        Ok(Self { registry, listener, address, acceptor })
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The login, in a file as `podman login` writes it.
    #[must_use]
    pub fn authfile(&self) -> PathBuf {
        self.registry.credentials.folder.join(credentials::AUTHFILE)
    }

    /// The certificate to trust, PEM.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.registry.credentials.folder.join(credentials::CERTIFICATE)
    }

    /// Adds to how images are read what it takes to get in here: the login and the certificate.
    ///
    /// # Errors
    /// When what is kept of them cannot be used.
    pub fn admit(&self, source: &mut Source) -> Result<(), Error> {
        let path = self.authfile();
        let text = std::fs::read(&path).map_err(Error::data("reading", &path))?;
        let bad = |path: &PathBuf, why: String| Error::Credentials { path: path.clone(), why };
        source.authfile.add(Authfile::parse(&text).map_err(|error| bad(&path, error.to_string()))?);
        let path = self.certificate();
        let text = std::fs::read(&path).map_err(Error::data("reading", &path))?;
        let trusted = source.trust.add_host_bundle(&self.address.to_string(), &text);
        trusted.map(drop).map_err(|error| bad(&path, error.to_string()))
    }

    /// Leads other programs from the names that the images of these layouts were made for to here, where they are served under the
    /// same names with this host.
    #[must_use]
    pub fn mirrors(&self, layouts: &[Layout]) -> Registries {
        let mut all = Registries::default();
        for name in layouts.iter().flat_map(|layout| layout.images().iter().map(|image| layout.name(image))) {
            let location = format!("{}/{}", self.address, name.repository);
            let mirrors = vec![Mirror { location, ..Mirror::default() }];
            all.add(Registries { entries: vec![Entry { prefix: name.name(), mirrors, ..Entry::default() }] });
        }
        all
    }

    /// Serves until `shutdown` completes; requests then get a moment to finish.
    ///
    /// # Errors
    /// If the socket cannot be used.
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), Error> {
        let Self { registry, listener, address, acceptor } = self;
        let listener =
            TcpListener::from_std(listener).map_err(|cause| registry.credentials.listen_error(address, cause))?;
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let mut connections = JoinSet::new();
        let mut collect = tokio::time::interval(COLLECT_PERIOD);
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                Ok((place, accepted)) = accept(&listener, &places) => match accepted {
                    Ok((stream, _)) => {
                        let connection = connection(registry.clone(), acceptor.clone(), stream, stopped.clone());
                        connections.spawn(async move {
                            connection.await;
                            drop(place);
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection to the registry could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                _ = collect.tick() => {
                    if let Err(error) = registry.collect((registry.store.now)()) {
                        tracing::warn!("{error}");
                    }
                }
                Some(_) = connections.join_next() => {}
            }
        }
        stop.send_replace(true);
        // What is still in flight after that is cut off with the set.
        let _ = tokio::time::timeout(GRACE_PERIOD, async { while connections.join_next().await.is_some() {} }).await;
        Ok(())
    }
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Result<(tokio::sync::OwnedSemaphorePermit, std::io::Result<(TcpStream, SocketAddr)>), tokio::sync::AcquireError> {
    let place = places.clone().acquire_owned().await?;
    Ok((place, listener.accept().await))
}

async fn connection(
    registry: Registry,
    acceptor: TlsAcceptor,
    stream: TcpStream,
    mut stopped: tokio::sync::watch::Receiver<bool>,
) {
    // Small responses must not wait for the next one.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "setting TCP_NODELAY");
    }
    let stream = match tokio::time::timeout(HANDSHAKE_PERIOD, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "TLS handshake"),
        Err(_) => return tracing::debug!("TLS handshake took too long"),
    };
    let builder = protocol(stream.get_ref().1.alpn_protocol() == Some(b"h2"));
    let service = service_fn(move |request| {
        let registry = registry.clone();
        async move { Ok::<_, Infallible>(registry.answer(request).await) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = async { _ = stopped.wait_for(|stop| *stop).await } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "connection");
    }
}

/// The negotiated protocol, with its limits.
fn protocol(is_http2: bool) -> auto::Builder<TokioExecutor> {
    let builder = auto::Builder::new(TokioExecutor::new());
    let mut builder = if is_http2 { builder.http2_only() } else { builder.http1_only() };
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_PERIOD).max_buf_size(LARGEST_HEADERS as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_PERIOD)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(LARGEST_HEADERS);
    builder
}
