//! A proxy in front of PostgreSQL that counts round trips exactly and breaks the line at an exact place.
//!
//! It runs inside the test's process, on a free port of 127.0.0.1, and reads the protocol: it knows which message ends a
//! unit of work (`Sync`, `Query`) and which answer ends it (`ReadyForQuery`).
//!
//! ```no_run
//! # async fn doc() -> std::io::Result<()> {
//! use spakky_runtime::testing::proxy::{CountingProxy, Cut, Message};
//!
//! let proxy = CountingProxy::start("postgres://postgres@127.0.0.1:5432/app").await?;
//! // … connect to `proxy.url()` and run a use case …
//! let before = proxy.counts();
//! // … run it again, warm …
//! assert_eq!(proxy.counts().since(before).round_trips, 2);
//!
//! // The next COMMIT reaches the server; its answer reaches nobody.
//! proxy.cut(Cut::after(|message: &Message| message.is_sql("COMMIT")));
//! # Ok(())
//! # }
//! ```
//!
//! # What a round trip is
//!
//! One starts when the client sends after it was given an answer. What it sends before it sees an answer to that belongs
//! to it, be it one statement or five hundred, and so do answers that it does not wait for. Since a burst is cut into
//! packets at random, the first answer is held back until the client was silent for a moment
//! ([`CountingProxy::set_settle`]): what it still sends then, it sends without having seen the answer. Signing in,
//! requests to cancel and the farewell (`Terminate`) are not counted.
//!
//! # TLS
//!
//! The proxy declines it, so the client's sslmode must be `prefer` or `disable`.

mod fault;
mod line;
mod message;

pub use fault::{Break, Cut, Direction};
pub use message::{Message, MessageKind};

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use self::fault::Armed;

/// What went over the line since the proxy was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counts {
    /// How often the client sent something after having seen an answer.
    pub round_trips: u64,
    /// Statements the client had run: `Query` and `Execute` messages.
    pub statements: u64,
    /// Connections that were signed in.
    pub connections: u64,
    /// Requests to cancel a running statement.
    pub cancel_requests: u64,
    /// Bytes the client sent, without those of signing in.
    pub bytes_to_server: u64,
    /// Bytes the server sent, without those of signing in.
    pub bytes_to_client: u64,
}

impl Counts {
    /// What was counted between `earlier` and this.
    #[must_use]
    pub fn since(self, earlier: Counts) -> Counts {
        Counts {
            round_trips: self.round_trips - earlier.round_trips,
            statements: self.statements - earlier.statements,
            connections: self.connections - earlier.connections,
            cancel_requests: self.cancel_requests - earlier.cancel_requests,
            bytes_to_server: self.bytes_to_server - earlier.bytes_to_server,
            bytes_to_client: self.bytes_to_client - earlier.bytes_to_client,
        }
    }
}

/// A proxy in front of PostgreSQL; see the [module](self). It ends when it is dropped, and its connections with it.
#[derive(Debug)]
pub struct CountingProxy {
    url: String,
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

/// What the proxy and its connections share.
#[derive(Debug)]
struct Shared {
    upstream: String,
    counts: SharedCounts,
    settings: watch::Sender<Settings>,
    armed: Mutex<Option<Armed>>,
    recorded: Mutex<Option<Recording>>,
    /// Grows with each [`CountingProxy::cut_now`]; connections opened before end.
    generation: watch::Sender<u64>,
    next_connection: AtomicU64,
}

/// What went over the line since somebody asked for it.
#[derive(Debug, Default)]
struct Recording {
    messages: Vec<Message>,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    /// A line was cut at a byte.
    is_cut: bool,
}

impl Recording {
    fn bytes(&mut self, direction: Direction) -> &mut Vec<u8> {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }
}

#[derive(Debug, Default)]
struct SharedCounts {
    round_trips: AtomicU64,
    statements: AtomicU64,
    connections: AtomicU64,
    cancel_requests: AtomicU64,
    bytes_to_server: AtomicU64,
    bytes_to_client: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
struct Settings {
    delay_to_server: Duration,
    delay_to_client: Duration,
    settle: Duration,
    black_hole: bool,
    refuse: bool,
}

impl CountingProxy {
    /// Starts a proxy in front of the server that `url` names, on the current runtime.
    ///
    /// # Errors
    /// When the URL names no host, or no port is free.
    pub async fn start(url: &str) -> io::Result<Self> {
        let (before, authority, after) = split_url(url).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "the URL has no `//host` to stand in front of")
        })?;
        let upstream = if has_port(authority) { authority.to_owned() } else { format!("{authority}:5432") };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let settings = Settings {
            delay_to_server: Duration::ZERO,
            delay_to_client: Duration::ZERO,
            settle: Duration::from_millis(5),
            black_hole: false,
            refuse: false,
        };
        let shared = Arc::new(Shared {
            upstream,
            counts: SharedCounts::default(),
            settings: watch::Sender::new(settings),
            armed: Mutex::default(),
            recorded: Mutex::default(),
            generation: watch::Sender::new(0),
            next_connection: AtomicU64::new(0),
        });
        let accepting = tokio::spawn(accept(listener, shared.clone())).abort_handle();
        Ok(CountingProxy { url: format!("{before}{address}{after}"), address, shared, accepting })
    }

    /// The server's URL, by way of the proxy.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where the proxy listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was counted up to now.
    pub fn counts(&self) -> Counts {
        let counts = &self.shared.counts;
        let read = |count: &AtomicU64| count.load(Ordering::SeqCst);
        Counts {
            round_trips: read(&counts.round_trips),
            statements: read(&counts.statements),
            connections: read(&counts.connections),
            cancel_requests: read(&counts.cancel_requests),
            bytes_to_server: read(&counts.bytes_to_server),
            bytes_to_client: read(&counts.bytes_to_client),
        }
    }

    /// Shorthand for `counts().round_trips`.
    pub fn round_trips(&self) -> u64 {
        self.counts().round_trips
    }

    /// Starts to record what clients send; what was recorded before is forgotten.
    pub fn record(&self) {
        *lock(&self.shared.recorded) = Some(Recording::default());
    }

    /// What was recorded since [`CountingProxy::record`], in the order of arrival. Goes on recording, from nothing.
    pub fn recorded(&self) -> Vec<Message> {
        lock(&self.shared.recorded)
            .as_mut()
            .map(|recording| std::mem::take(&mut recording.messages))
            .unwrap_or_default()
    }

    /// The bytes that were recorded of one direction since [`CountingProxy::record`], without those of signing in: of all
    /// connections, up to where one is cut at a byte. Goes on recording, from nothing.
    pub fn recorded_bytes(&self, direction: Direction) -> Vec<u8> {
        let mut recorded = lock(&self.shared.recorded);
        recorded.as_mut().map(|recording| std::mem::take(recording.bytes(direction))).unwrap_or_default()
    }

    /// Holds each direction up by this much, as a network would. Half of a round trip's time each makes a whole one.
    pub fn set_delay(&self, to_server: Duration, to_client: Duration) {
        self.shared.settings.send_modify(|settings| {
            settings.delay_to_server = to_server;
            settings.delay_to_client = to_client;
        });
    }

    /// How long the client must be silent before it is given the first answer to what it sent; 5 ms at first. Zero where
    /// time is measured: then a burst of many packets may be counted as several round trips.
    pub fn set_settle(&self, settle: Duration) {
        self.shared.settings.send_modify(|settings| settings.settle = settle);
    }

    /// Lets nothing through any more, in either direction, and closes nothing: as a firewall that lost its state.
    /// What was held goes on its way when this is turned off.
    pub fn set_black_hole(&self, black_hole: bool) {
        self.shared.settings.send_modify(|settings| settings.black_hole = black_hole);
    }

    /// Closes new connections at once, as a server that is down.
    pub fn set_refuse(&self, refuse: bool) {
        self.shared.settings.send_modify(|settings| settings.refuse = refuse);
    }

    /// Cuts all open connections, now.
    pub fn cut_now(&self) {
        self.shared.generation.send_modify(|generation| *generation += 1);
    }

    /// Arms a cut: the first connection that gets to that place is cut there. One is armed at a time.
    pub fn cut(&self, cut: Cut) {
        *lock(&self.shared.armed) = Some(Armed::new(cut));
    }

    /// Takes back the cut that is armed; answers whether it was still waiting for its place.
    pub fn disarm(&self) -> bool {
        lock(&self.shared.armed).take().is_some()
    }

    /// Whether the armed cut is still waiting for its place.
    pub fn is_armed(&self) -> bool {
        lock(&self.shared.armed).is_some()
    }
}

impl Drop for CountingProxy {
    fn drop(&mut self) {
        // Its set of connections goes with it.
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                if !shared.settings.borrow().refuse {
                    connections.spawn(serve(client, shared.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection, until either side closes it or it is cut.
async fn serve(client: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    let mut generation = shared.generation.subscribe();
    let server = TcpStream::connect(&shared.upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    tokio::select! {
        ended = line::run(client, server, shared.clone()) => ended,
        _ = generation.changed() => Ok(()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Splits a URL into what stands before host and port, these, and what stands behind.
fn split_url(url: &str) -> Option<(&str, &str, &str)> {
    let scheme = url.find("://")? + 3;
    let end = url[scheme..].find(['/', '?']).map_or(url.len(), |at| scheme + at);
    let host = url[scheme..end].rfind('@').map_or(scheme, |at| scheme + at + 1);
    (host < end).then(|| (&url[..host], &url[host..end], &url[end..]))
}

fn has_port(authority: &str) -> bool {
    authority.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
}
