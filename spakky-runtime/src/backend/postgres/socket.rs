//! The line to a server: a socket, encrypted or not.

use std::fmt;
use std::io;
use std::net::IpAddr;
#[cfg(unix)]
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::error::{config_error, connection_error};
use super::tls;
use crate::config::SslMode;
use crate::error::DatabaseError;

/// The request for TLS: its length and the code 80877103.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Where a server listens.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// `address` once the name was looked up.
    Tcp { host: String, address: Option<IpAddr>, port: u16 },
    #[cfg(unix)]
    Unix(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Tcp { host, port, .. } => write!(f, "{host}:{port}"),
            #[cfg(unix)]
            Place::Unix(path) => path.display().fmt(f),
        }
    }
}

/// How a socket is opened.
#[derive(Clone)]
pub(super) struct Opening {
    pub(super) mode: SslMode,
    /// `None` where nothing is encrypted.
    pub(super) tls: Option<Arc<ClientConfig>>,
    /// Whether TLS begins without asking for it first.
    pub(super) is_direct: bool,
    pub(super) keepalive: Option<TcpKeepalive>,
    /// How long sent data may stay unconfirmed.
    pub(super) user_timeout: Option<Duration>,
}

/// A socket as the operating system has it.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// The line, encrypted or not.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

impl Opening {
    /// Opens the line.
    pub(super) async fn open(&self, place: &Place) -> Result<Stream, DatabaseError> {
        match place {
            Place::Tcp { host, address, port } => {
                let unreachable = |error: &dyn fmt::Display| {
                    connection_error(format!("the server at `{place}` cannot be reached: {error}"))
                };
                let Some(address) = address else { return Err(unreachable(&"the name has no address")) };
                let socket = self.open_tcp((*address, *port).into()).await.map_err(|error| unreachable(&error))?;
                self.negotiate(Socket::Tcp(socket), host).await
            }
            #[cfg(unix)]
            Place::Unix(path) => {
                let socket = UnixStream::connect(path).await.map_err(|error| {
                    connection_error(format!("the socket `{}` cannot be opened: {error}", path.display()))
                })?;
                Ok(Stream::Plain(Socket::Unix(socket)))
            }
        }
    }

    async fn open_tcp(&self, address: std::net::SocketAddr) -> io::Result<TcpStream> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let raw = SockRef::from(&socket);
        if let Some(keepalive) = &self.keepalive {
            raw.set_tcp_keepalive(keepalive)?;
        }
        #[cfg(target_os = "linux")]
        if let Some(timeout) = self.user_timeout {
            raw.set_tcp_user_timeout(Some(timeout))?;
        }
        Ok(socket)
    }

    async fn negotiate(&self, mut socket: Socket, host: &str) -> Result<Stream, DatabaseError> {
        let Some(tls) = &self.tls else { return Ok(Stream::Plain(socket)) };
        let broke = |error: io::Error| connection_error(format!("the line broke while TLS was asked for: {error}"));
        let answer = if self.is_direct {
            b'S'
        } else {
            socket.write_all(&SSL_REQUEST).await.map_err(broke)?;
            socket.read_u8().await.map_err(broke)?
        };
        match answer {
            b'S' => {
                let name = ServerName::try_from(host.to_owned()).map_err(|_| {
                    config_error(format!("use TLS with the host `{host}`, which is no name or address"))
                })?;
                match TlsConnector::from(tls.clone()).connect(name, socket).await {
                    Ok(stream) => Ok(Stream::Tls(Box::new(stream))),
                    Err(error) => Err(tls::refused(error)),
                }
            }
            _ if self.mode == SslMode::Prefer => Ok(Stream::Plain(socket)),
            _ => {
                let mut error =
                    connection_error("the server does not offer TLS, which `sslmode` asks for; turn it on there");
                error.retryable = false;
                Err(error)
            }
        }
    }
}

impl Stream {
    /// What binds a password exchange to this very line; `None` where it is not encrypted or has no such mark.
    pub(super) fn binding(&self) -> Option<Vec<u8>> {
        match self {
            Stream::Plain(_) => None,
            Stream::Tls(stream) => tls::end_point(stream.get_ref().1.peer_certificates()?.first()?),
        }
    }

    pub(super) fn is_encrypted(&self) -> bool {
        matches!(self, Stream::Tls(_))
    }

    /// Whether nobody on the way can listen: it is encrypted, or does not leave the machine's kernel.
    pub(super) fn is_private(&self) -> bool {
        !matches!(self, Stream::Plain(Socket::Tcp(_)))
    }
}

macro_rules! delegate {
    ($self:expr, $enum:ident { $($(#[$meta:meta])? $variant:ident)+ }, $inner:ident => $call:expr) => {
        match &mut *$self {
            $($(#[$meta])? $enum::$variant($inner) => { let $inner = Pin::new($inner); $call })+
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        delegate!(self, Socket { Tcp #[cfg(unix)] Unix }, inner => inner.poll_read(cx, buf))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        delegate!(self, Socket { Tcp #[cfg(unix)] Unix }, inner => inner.poll_write(cx, buf))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, Socket { Tcp #[cfg(unix)] Unix }, inner => inner.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, Socket { Tcp #[cfg(unix)] Unix }, inner => inner.poll_shutdown(cx))
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        delegate!(self, Stream { Plain Tls }, inner => inner.poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        delegate!(self, Stream { Plain Tls }, inner => inner.poll_write(cx, buf))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, Stream { Plain Tls }, inner => inner.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, Stream { Plain Tls }, inner => inner.poll_shutdown(cx))
    }
}
