//! The server on a socket: TLS with certificates of its own, HTTP/2 and HTTP/1.1, a bearer token.

use crate::{
    Error, authentication, certificate,
    connections::{Connections, Place},
    kubeconfig, response,
    server::ApiServer,
    service,
    status::Failure,
    tls::{ClientCertificate, Credentials, HTTP_2},
};
use http::Request;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use std::{convert::Infallible, fmt::Debug, future::Future, net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_rustls::TlsAcceptor;
use weir_apischema::policy::User;

/// Deadline for the TLS handshake.
const HANDSHAKE_PERIOD: Duration = Duration::from_secs(10);
/// Deadline for the headers of a request, from the moment when the connection waits for them.
const HEADER_PERIOD: Duration = Duration::from_secs(30);
/// Maximum size of all headers of a request together.
const LARGEST_HEADERS: u32 = 64 << 10;
/// Maximum number of headers of a request: `kubectl --as-group` sends one for each group.
const MOST_HEADERS: usize = 100;
/// Maximum number of concurrent requests on one HTTP/2 connection; kube-apiserver allows as many.
const STREAMS: u32 = 250;
/// How much a client may send on a stream and on a connection before it is read: the memory that an unread body can
/// take.
const STREAM_WINDOW: u32 = 128 << 10;
const CONNECTION_WINDOW: u32 = 512 << 10;
/// How much of a response is buffered if a client does not read it: a client has a stream for each of its watches.
const SEND_BUFFER: usize = 64 << 10;
/// How often a silent connection is pinged; kube-apiserver does the same.
const PING_PERIOD: Duration = Duration::from_secs(30);
/// How long the response to a ping may take.
const PING_PATIENCE: Duration = Duration::from_secs(15);
/// How long requests may go on after shutdown was requested.
const GRACE_PERIOD: Duration = Duration::from_secs(5);
/// Pause after a connection could not be accepted, e.g. because no file descriptor was left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound address, and the credentials for it.
pub struct Listener {
    server: ApiServer,
    listener: std::net::TcpListener,
    address: SocketAddr,
    credentials: Credentials,
    acceptor: TlsAcceptor,
}

impl Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").field("address", &self.address).finish_non_exhaustive()
    }
}

/// A bound address that is not served yet: whether it is available is known before anything is written.
#[derive(Debug)]
pub struct Socket {
    listener: std::net::TcpListener,
    address: SocketAddr,
}

impl Socket {
    /// Binds the address; port 0 picks a free one.
    ///
    /// # Errors
    /// When it cannot be bound.
    pub fn bind(address: SocketAddr) -> Result<Self, Error> {
        let failed = |cause| Error::Listen { address, cause };
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Hands it to a server. Clients can connect from now on; [`Listener::serve`] serves them.
    ///
    /// # Errors
    /// When the server's credentials cannot be read or made.
    pub fn of(self, server: &ApiServer) -> Result<Listener, Error> {
        let credentials = match &server.data_dir {
            Some(data_dir) => Credentials::of_data_dir(data_dir)?,
            None => Credentials::generate()?,
        };
        let Self { listener, address } = self;
        let acceptor = TlsAcceptor::from(Arc::new(credentials.server_config(address.ip())?));
        server.state.set_authority(&credentials.ca);
        server.state.set_administrator(&credentials.token);
        server.state.flush()?;
        Ok(Listener { server: server.clone(), listener, address, credentials, acceptor })
    }
}

impl Listener {
    /// Binds the address and hands it to a server at once: see [`Socket::bind`] and [`Socket::of`].
    ///
    /// # Errors
    /// When the address cannot be bound or the credentials cannot be read or made.
    pub fn bind(server: &ApiServer, address: SocketAddr) -> Result<Self, Error> {
        Socket::bind(address)?.of(server)
    }

    /// The address on which it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Writes the administrator's kubeconfig: mode 0600, all of it or nothing.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_kubeconfig(&self, path: &Path) -> Result<(), Error> {
        kubeconfig::write(path, &kubeconfig::text(self.address, &self.credentials.ca, &self.credentials.token))
    }

    /// A certificate that authenticates a client as this user in this group.
    ///
    /// # Errors
    /// When the stored authority is damaged.
    pub fn client_certificate(&self, user: &str, group: &str) -> Result<ClientCertificate, Error> {
        self.credentials.client_certificate(user, group)
    }

    /// Serves until `shutdown` is ready; watches then end, and other requests are given a moment.
    ///
    /// # Errors
    /// When the socket cannot be used.
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), Error> {
        let Self { server, listener, address, credentials, acceptor } = self;
        let listener = TcpListener::from_std(listener).map_err(|cause| Error::Listen { address, cause })?;
        let context = Arc::new(Context { server, token: credentials.token, acceptor });
        let places = Connections::new();
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let mut connections = JoinSet::new();
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let place = Arc::new(places.arrive(peer.ip()));
                        connections.spawn(connection(context.clone(), stream, place, stopped.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
        context.server.end_watches();
        stop.send_replace(true);
        // Requests still in flight after that are cut off when the set is dropped.
        let _ = tokio::time::timeout(GRACE_PERIOD, async { while connections.join_next().await.is_some() {} }).await;
        Ok(())
    }
}

struct Context {
    server: ApiServer,
    token: String,
    acceptor: TlsAcceptor,
}

async fn connection(
    context: Arc<Context>,
    stream: tokio::net::TcpStream,
    place: Arc<Place>,
    stopped: tokio::sync::watch::Receiver<bool>,
) {
    // Small responses must not wait to be combined with the next one.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "setting TCP_NODELAY");
    }
    tokio::select! {
        () = handled(context, stream, place.clone(), stopped) => {}
        () = place.taken() => tracing::debug!("an unknown connection made room for another"),
    }
}

async fn handled(
    context: Arc<Context>,
    stream: tokio::net::TcpStream,
    place: Arc<Place>,
    mut stopped: tokio::sync::watch::Receiver<bool>,
) {
    let stream = match tokio::time::timeout(HANDSHAKE_PERIOD, context.acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "TLS handshake"),
        Err(_) => return tracing::debug!("TLS handshake took too long"),
    };
    let session = stream.get_ref().1;
    let shown = session.peer_certificates().and_then(<[_]>::first);
    let user = Arc::new(shown.and_then(|der| certificate::user(der)));
    let builder = protocol(session.alpn_protocol() == Some(HTTP_2));
    let service = service_fn(move |request| {
        let (context, user, place) = (context.clone(), user.clone(), place.clone());
        async move { Ok::<_, Infallible>(respond(&context, user.as_ref().as_ref(), &place, request).await) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = wait_for(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "connection");
    }
}

/// The protocol that was agreed on, with its limits. It is not guessed from the first bytes, which may never come.
fn protocol(is_http2: bool) -> auto::Builder<TokioExecutor> {
    let builder = auto::Builder::new(TokioExecutor::new());
    let mut builder = if is_http2 { builder.http2_only() } else { builder.http1_only() };
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_PERIOD)
        .max_buf_size(LARGEST_HEADERS as usize)
        .max_headers(MOST_HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_PERIOD)
        .keep_alive_timeout(PING_PATIENCE)
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(LARGEST_HEADERS);
    builder
}

/// Resolves when the flag is raised, or when nothing is left that could raise it.
async fn wait_for(stopped: &mut tokio::sync::watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}

async fn respond(
    context: &Context,
    certificate: Option<&User>,
    place: &Place,
    request: Request<Incoming>,
) -> http::Response<response::Body> {
    let state = &context.server.state;
    let is_head = request.method() == http::Method::HEAD;
    if request.headers().len() > MOST_HEADERS {
        return response::failure(&Failure::too_many_headers(MOST_HEADERS));
    }
    let user = authentication::authenticate(state, request.headers(), certificate, &context.token).and_then(|user| {
        if !authentication::is_anonymous(&user) {
            place.known_as(&user.username)?;
        }
        Ok(user)
    });
    let answer = match user {
        Ok(user) => service::answer(state, user, request).await,
        Err(failure) => response::failure(&failure),
    };
    if is_head { response::of_head(answer) } else { answer }
}
