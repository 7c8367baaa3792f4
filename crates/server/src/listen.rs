//! Listeners: sockets, handshakes, connections.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::config::{Address, Listener};
use crate::http::{App, Peer};
use crate::log;
use crate::tls::{self, Reloadable};

/// How long a client may take for a handshake or the head of a request.
const PATIENCE: Duration = Duration::from_secs(30);

/// A socket that is bound and not served yet.
#[derive(Debug)]
pub(crate) struct Bound {
    socket: Socket,
    settings: Arc<Listener>,
    acceptor: Option<Acceptor>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

#[derive(Clone)]
struct Acceptor {
    acceptor: TlsAcceptor,
    certificate: Arc<Reloadable>,
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Acceptor")
    }
}

impl Bound {
    /// Binds an address and reads its certificates.
    pub(crate) async fn new(settings: &Listener) -> Result<Self> {
        let acceptor = match &settings.tls {
            None => None,
            Some(tls) => {
                let certificate = Arc::new(Reloadable::new(tls)?);
                let config = tls::server_config(tls, &certificate)?;
                Some(Acceptor { acceptor: TlsAcceptor::from(Arc::new(config)), certificate })
            }
        };
        let socket = match &settings.address {
            Address::Tcp(address) => {
                let listener = TcpListener::bind(address).await;
                Socket::Tcp(listener.with_context(|| format!("listen on {address}"))?)
            }
            Address::Unix { path, mode } => {
                // A socket that a killed server left behind would be in the way.
                let _ = std::fs::remove_file(path);
                let listener = UnixListener::bind(path)
                    .with_context(|| format!("listen on {}", path.display()))?;
                if let Some(mode) = mode {
                    std::fs::set_permissions(path, std::fs::Permissions::from_mode(*mode))
                        .with_context(|| format!("set the mode of {}", path.display()))?;
                }
                Socket::Unix(listener)
            }
        };
        Ok(Self { socket, settings: Arc::new(settings.clone()), acceptor })
    }

    /// The address that clients can use, as a URL.
    pub(crate) fn url(&self) -> String {
        match &self.socket {
            Socket::Tcp(listener) => {
                let scheme = if self.acceptor.is_some() { "https" } else { "http" };
                let address = listener.local_addr().map(|a| a.to_string()).unwrap_or_default();
                format!("{scheme}://{address}")
            }
            Socket::Unix(_) => match &self.settings.address {
                Address::Unix { path, .. } => format!("unix://{}", path.display()),
                Address::Tcp(address) => address.clone(),
            },
        }
    }

    /// What reads this listener's certificates again, if it has any.
    pub(crate) fn certificate(&self) -> Option<Arc<Reloadable>> {
        self.acceptor.as_ref().map(|acceptor| Arc::clone(&acceptor.certificate))
    }

    /// Serves until told to stop, then lets connections finish what they have begun.
    pub(crate) async fn serve(self, app: Arc<App>, mut stop: watch::Receiver<bool>) {
        let graceful = Arc::new(GracefulShutdown::new());
        loop {
            tokio::select! {
                _ = stop.changed() => break,
                accepted = self.accept() => match accepted {
                    Ok((Accepted::Tcp(stream), address)) => {
                        let _ = stream.set_nodelay(true);
                        self.spawn(stream, address, &app, &graceful);
                    }
                    Ok((Accepted::Unix(stream), _)) => self.spawn(stream, None, &app, &graceful),
                    Err(error) => {
                        // Out of file descriptors, mostly: others will be closed.
                        log::warn("http", "a connection could not be accepted", &[("error", &error.to_string())]);
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
            }
        }
        if let Address::Unix { path, .. } = &self.settings.address {
            let _ = std::fs::remove_file(path);
        }
        if let Some(graceful) = Arc::into_inner(graceful) {
            let _ = tokio::time::timeout(Duration::from_secs(10), graceful.shutdown()).await;
        }
    }

    async fn accept(&self) -> std::io::Result<(Accepted, Option<std::net::SocketAddr>)> {
        match &self.socket {
            Socket::Tcp(listener) => listener
                .accept()
                .await
                .map(|(stream, address)| (Accepted::Tcp(stream), Some(address))),
            Socket::Unix(listener) => {
                listener.accept().await.map(|(stream, _)| (Accepted::Unix(stream), None))
            }
        }
    }

    fn spawn<S>(
        &self,
        stream: S,
        address: Option<std::net::SocketAddr>,
        app: &Arc<App>,
        graceful: &Arc<GracefulShutdown>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let peer = Peer {
            address,
            certificates: Arc::default(),
            tls: self.acceptor.is_some(),
            listener: Arc::clone(&self.settings),
        };
        let (app, watcher) = (Arc::clone(app), graceful.watcher());
        let acceptor = self.acceptor.as_ref().map(|acceptor| acceptor.acceptor.clone());
        tokio::spawn(async move {
            let Some(acceptor) = acceptor else {
                return connection(stream, peer, app, watcher).await;
            };
            match tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let presented = stream.get_ref().1.peer_certificates().unwrap_or_default();
                    let certificates = presented.iter().map(|der| der.to_vec()).collect();
                    let peer = Peer { certificates: Arc::new(certificates), ..peer };
                    connection(stream, peer, app, watcher).await;
                }
                Ok(Err(error)) => {
                    let remote = address.map(|address| address.to_string()).unwrap_or_default();
                    let error = error.to_string();
                    log::line(
                        log::Level::Debug,
                        "http",
                        "TLS handshake error",
                        &[("from", &remote), ("error", &error)],
                    );
                }
                Err(_) => {}
            }
        });
    }
}

enum Accepted {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

async fn connection<S>(
    stream: S,
    peer: Peer,
    app: Arc<App>,
    watcher: hyper_util::server::graceful::Watcher,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(64 << 10);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(250)
        .max_header_list_size(64 << 10);
    let service = service_fn(move |request| Arc::clone(&app).serve(peer.clone(), request));
    let served = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    // A client that goes away in the middle is no event.
    let _ = watcher.watch(served).await;
}
