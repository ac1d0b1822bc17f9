//! How a socket becomes the stream that the driver speaks on: plain or TLS by the mode, with a [`Tap`] on top.
//!
//! The driver is told that TLS is negotiated directly, which makes it hand over the bare socket first thing; the request
//! for TLS is sent here. That is the one place where a plain connection can get its tap too.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::tap::{Tap, WireState};
use crate::config::SslMode;

type Rustls<S> = <MakeRustlsConnect as MakeTlsConnect<S>>::Stream;
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The request for TLS: its length and the code 80877103.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// What TLS can run on.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + Sync + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + Sync + 'static> Socket for S {}

/// What the stream is opened for.
#[derive(Debug, Clone)]
pub(super) enum Purpose {
    /// A connection, watched.
    Connection(Arc<WireState>),
    /// A request to cancel: done when the server has closed the stream, which it does after the signal was given. What is
    /// sent on the connection afterwards is safe from it.
    Cancel,
}

/// Opens streams in one TLS mode.
#[derive(Clone)]
pub(super) struct Negotiator {
    pub(super) mode: SslMode,
    pub(super) tls: Option<MakeRustlsConnect>,
    pub(super) purpose: Purpose,
}

impl<S: Socket> MakeTlsConnect<S> for Negotiator {
    type Stream = Negotiated<S>;
    type TlsConnect = NegotiatorFor;
    type Error = BoxError;

    fn make_tls_connect(&mut self, domain: &str) -> Result<NegotiatorFor, BoxError> {
        Ok(self.on(domain))
    }
}

pub(super) struct NegotiatorFor {
    negotiator: Negotiator,
    domain: String,
}

impl<S: Socket> TlsConnect<S> for NegotiatorFor {
    type Stream = Negotiated<S>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Negotiated<S>, BoxError>> + Send>>;

    fn connect(self, socket: S) -> Self::Future {
        Box::pin(async move {
            let line = self.negotiator.negotiate(&self.domain, socket).await?;
            Ok(match self.negotiator.purpose {
                Purpose::Connection(state) => Negotiated::Connection(Tap::new(line, state)),
                Purpose::Cancel => Negotiated::Cancel(line),
            })
        })
    }
}

impl Negotiator {
    /// For one stream, to the host of this name.
    pub(super) fn on(&self, domain: &str) -> NegotiatorFor {
        NegotiatorFor { negotiator: self.clone(), domain: domain.to_owned() }
    }

    async fn negotiate<S: Socket>(&self, domain: &str, mut socket: S) -> Result<Line<S>, BoxError> {
        let Some(mut tls) = self.tls.clone() else { return Ok(Line::Plain(socket)) };
        socket.write_all(&SSL_REQUEST).await?;
        match socket.read_u8().await? {
            b'S' => {
                let connect = MakeTlsConnect::<S>::make_tls_connect(&mut tls, domain)?;
                Ok(Line::Tls(Box::new(connect.connect(socket).await?)))
            }
            _ if self.mode == SslMode::Prefer => Ok(Line::Plain(socket)),
            _ => Err(Box::new(NoTls)),
        }
    }
}

/// The server answered that it does not encrypt.
#[derive(Debug)]
pub(super) struct NoTls;

impl std::fmt::Display for NoTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the server does not offer TLS; turn it on there, or set sslmode to `prefer` or `disable`")
    }
}

impl std::error::Error for NoTls {}

/// The bare line, encrypted or not.
pub(super) enum Line<S: Socket> {
    Plain(S),
    Tls(Box<Rustls<S>>),
}

/// The stream the driver gets.
pub(super) enum Negotiated<S: Socket> {
    Connection(Tap<Line<S>>),
    Cancel(Line<S>),
}

macro_rules! delegate {
    ($self:expr, $enum:ident { $($variant:ident)+ }, $inner:ident => $call:expr) => {
        match &mut *$self {
            $($enum::$variant($inner) => { let $inner = Pin::new($inner); $call })+
        }
    };
}

impl<S: Socket> AsyncRead for Line<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        delegate!(self, Line { Plain Tls }, inner => inner.poll_read(cx, buf))
    }
}

impl<S: Socket> AsyncWrite for Line<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        delegate!(self, Line { Plain Tls }, inner => inner.poll_write(cx, buf))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, Line { Plain Tls }, inner => inner.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, Line { Plain Tls }, inner => inner.poll_shutdown(cx))
    }
}

impl<S: Socket> AsyncRead for Negotiated<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        delegate!(self, Negotiated { Connection Cancel }, inner => inner.poll_read(cx, buf))
    }
}

impl<S: Socket> AsyncWrite for Negotiated<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        delegate!(self, Negotiated { Connection Cancel }, inner => inner.poll_write(cx, buf))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, Negotiated { Connection Cancel }, inner => inner.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Negotiated::Connection(tap) => Pin::new(tap).poll_shutdown(cx),
            Negotiated::Cancel(line) => {
                let mut scratch = [0; 64];
                loop {
                    let mut buf = ReadBuf::new(&mut scratch);
                    // A server that resets the stream instead of closing it is done with the request all the same.
                    match ready!(Pin::new(&mut *line).poll_read(cx, &mut buf)) {
                        Ok(()) if !buf.filled().is_empty() => {}
                        Ok(()) | Err(_) => return Poll::Ready(Ok(())),
                    }
                }
            }
        }
    }
}

impl<S: Socket> TlsStream for Negotiated<S> {
    fn channel_binding(&self) -> ChannelBinding {
        match self {
            Negotiated::Connection(tap) => tap.get_ref().channel_binding(),
            Negotiated::Cancel(line) => line.channel_binding(),
        }
    }
}

impl<S: Socket> Line<S> {
    fn channel_binding(&self) -> ChannelBinding {
        match self {
            Line::Tls(stream) => stream.channel_binding(),
            Line::Plain(_) => ChannelBinding::none(),
        }
    }
}
