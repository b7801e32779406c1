//! The server on a socket: TLS with certificates of its own, HTTP/2 and HTTP/1.1, a bearer token.

use crate::{
    Error, certificate, kubeconfig,
    policy::User,
    response,
    server::ApiServer,
    service,
    tls::{ClientCertificate, Credentials},
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

/// A client that has not finished its TLS handshake by then is not a client.
const HANDSHAKE_PERIOD: Duration = Duration::from_secs(10);
/// Headers of a request have to be complete by then.
const HEADER_PERIOD: Duration = Duration::from_secs(30);
/// Bound of all headers of a request together.
const LARGEST_HEADERS: u32 = 64 << 10;
/// Requests that one HTTP/2 connection may have under way; kube-apiserver allows as many.
const STREAMS: u32 = 250;
/// How long requests may go on after the end was asked for.
const GRACE_PERIOD: Duration = Duration::from_secs(5);
/// Pause after a connection could not be accepted, e.g. for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An address that is bound, and the credentials of those who may connect.
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

/// An address that is bound and that nobody serves yet: what cannot be had is found out before anything is written.
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

    /// Gives it to a server. Clients can connect from now on; they are served by [`Listener::serve`].
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
        Ok(Listener { server: server.clone(), listener, address, credentials, acceptor })
    }
}

impl Listener {
    /// Binds the address and gives it to a server at once: see [`Socket::bind`] and [`Socket::of`].
    ///
    /// # Errors
    /// When the address cannot be bound or the credentials cannot be read or made.
    pub fn bind(server: &ApiServer, address: SocketAddr) -> Result<Self, Error> {
        Socket::bind(address)?.of(server)
    }

    /// Where it listens.
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

    /// A certificate with which a client is this user of this group.
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
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let mut connections = JoinSet::new();
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(connection(context.clone(), stream, stopped.clone()));
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
        // What is still under way after the period is cut off with the set.
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
    mut stopped: tokio::sync::watch::Receiver<bool>,
) {
    // Small answers must not wait for the next one.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "setting TCP_NODELAY");
    }
    let stream = match tokio::time::timeout(HANDSHAKE_PERIOD, context.acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "TLS handshake"),
        Err(_) => return tracing::debug!("TLS handshake took too long"),
    };
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let user = Arc::new(shown.and_then(|der| certificate::user(der)));
    let service = service_fn(move |request| {
        let (context, user) = (context.clone(), user.clone());
        async move { Ok::<_, Infallible>(respond(&context, user.as_ref().as_ref(), request).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_PERIOD).max_buf_size(LARGEST_HEADERS as usize);
    builder.http2().max_concurrent_streams(STREAMS).max_header_list_size(LARGEST_HEADERS);
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

/// Ends when the flag is raised, or nobody is left to raise it.
async fn wait_for(stopped: &mut tokio::sync::watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}

async fn respond(
    context: &Context,
    certificate: Option<&User>,
    request: Request<Incoming>,
) -> http::Response<response::Body> {
    let state = &context.server.state;
    let is_head = request.method() == http::Method::HEAD;
    let answer = match state.authenticate(request.headers(), certificate, &context.token) {
        Ok(user) => service::answer(state, user, request).await,
        Err(failure) => response::failure(&failure),
    };
    if is_head { response::of_head(answer) } else { answer }
}
