//! Notifications: what other programs send by `NOTIFY` to whoever listens.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::time::Duration;

use postgres_protocol::message::frontend;
use tokio::time::Instant;

use super::connect::end_of;
use super::error::{connection_error, from_server};
use super::line::Line;
use super::server_error::ServerError;
use super::startup::{SignedIn, sign_in};
use super::target::PostgresTarget;
use crate::config::{DatabaseConfig, Pooler};
use crate::error::{DatabaseError, Error, ErrorKind};
use crate::statement::quote_identifier;

/// How long nothing may be heard before the server is asked for a sign of life, unless set.
const QUIET: Duration = Duration::from_secs(30);
/// The longest name that the server keeps.
const NAME_LIMIT: usize = 63;

/// What a [`Listener`] hears.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Heard {
    /// A notification, once its transaction was committed.
    Notification(Notification),
    /// The line was lost, and there is a new one. Notifications in between were not heard: whoever must miss nothing looks
    /// now at what they would have told of.
    Resumed,
}

/// What another program, or this one, sent by `NOTIFY`.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notification {
    /// The channel it was sent to.
    pub channel: String,
    /// What was sent, which is often empty.
    pub payload: String,
    /// The server's process that sent it.
    pub process: i32,
}

/// Without what was sent, which may be anything.
impl fmt::Debug for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notification")
            .field("channel", &self.channel)
            .field("process", &self.process)
            .finish_non_exhaustive()
    }
}

/// A connection of its own, beside the pool, on which PostgreSQL tells of what is sent to some channels by `NOTIFY`.
///
/// ```no_run
/// # async fn example(sessions: spakky_runtime::session::SessionManager) -> Result<(), spakky_runtime::Error> {
/// use spakky_runtime::postgres::Heard;
///
/// let mut listener = sessions.listen(["orders"]).await?;
/// loop {
///     match listener.recv().await? {
///         Heard::Notification(notification) => println!("order {}", notification.payload),
///         Heard::Resumed => println!("some may have been missed"),
///         _ => {}
///     }
/// }
/// # }
/// ```
///
/// A notification arrives after the COMMIT of the transaction that sent it, in the order of commits, and at most once: the
/// server keeps none for who is not there. So it is a hint that something is there to be read, and no message queue.
pub struct Listener {
    target: PostgresTarget,
    config: DatabaseConfig,
    channels: Vec<String>,
    /// `None` where nobody asks for a sign of life.
    quiet: Option<Duration>,
    open: Option<Open>,
}

/// The line, while it is there.
struct Open {
    line: Line,
    heard_at: Instant,
    /// The server was asked for a sign of life since.
    is_asked: bool,
    /// What was told among other answers.
    heard: VecDeque<Notification>,
}

impl Listener {
    /// Listens to channels.
    pub(crate) async fn open(
        target: PostgresTarget,
        config: &DatabaseConfig,
        channels: Vec<String>,
    ) -> Result<Self, Error> {
        if channels.is_empty() {
            return Err(refused("name a channel at least"));
        }
        for channel in &channels {
            if channel.is_empty() || channel.len() > NAME_LIMIT || channel.contains('\0') {
                let wanted = format!("a name has between 1 and {NAME_LIMIT} bytes, and no NUL character");
                return Err(refused(&format!("{wanted}; found `{}`", channel.escape_default())));
            }
        }
        if config.pooler != Pooler::None {
            return Err(refused(BEHIND_POOLER));
        }
        let mut listener = Listener { target, config: config.clone(), channels, quiet: Some(QUIET), open: None };
        listener.open = Some(listener.connect().await?);
        Ok(listener)
    }

    /// Sets how long nothing may be heard before the server is asked for a sign of life; 30 seconds unless set. A line on which
    /// none comes for as long again is lost. Zero is no limit, and the server is never asked.
    #[must_use]
    pub fn quiet_limit(mut self, limit: Duration) -> Self {
        self.quiet = Some(limit).filter(|limit| !limit.is_zero());
        self
    }

    /// Waits for the next notification. Where the line is lost, it opens another one and tells so.
    ///
    /// # Errors
    /// When no line can be opened, as for any connection; the next call tries again, so that a caller should wait a little
    /// before it where [`is_retryable`](Error::is_retryable), and give up where not.
    ///
    /// # Cancellation
    /// Dropping the future loses nothing: what arrived is told by the next call.
    pub async fn recv(&mut self) -> Result<Heard, Error> {
        loop {
            let Some(open) = &mut self.open else {
                self.open = Some(self.connect().await?);
                return Ok(Heard::Resumed);
            };
            match open.next(self.quiet).await {
                Ok(notification) => return Ok(Heard::Notification(notification)),
                Err(lost) => {
                    tracing::debug!(reason = %lost, "the line of a listener was lost");
                    self.open = None;
                }
            }
        }
    }

    async fn connect(&self) -> Result<Open, Error> {
        let limit = self.config.connect_timeout;
        let end = end_of(limit);
        match tokio::time::timeout_at(end, self.connect_until(end)).await {
            Ok(opened) => opened,
            Err(_) => Err(crate::connect::connect_timeout(limit)),
        }
    }

    async fn connect_until(&self, end: Instant) -> Result<Open, Error> {
        let options = self.target.options_now(&self.config).await?;
        let opening = options.opening().map_err(super::target::refused)?;
        let SignedIn { line, key, .. } = sign_in(&options, &opening, end).await.map_err(super::target::refused)?;
        let mut open = Open { line, heard_at: Instant::now(), is_asked: false, heard: VecDeque::new() };
        let mut text = "SELECT pg_catalog.pg_backend_pid()".to_owned();
        for channel in &self.channels {
            text.push_str("; LISTEN ");
            quote_identifier(&mut text, channel);
        }
        let process = open.ask(&text).await.map_err(Error::from_database)?;
        // Something in between gives the line to others, and what is told on it with it.
        if process != key.process.to_string() {
            return Err(refused(BEHIND_POOLER));
        }
        Ok(open)
    }
}

impl Open {
    /// The next notification; why there will be none.
    async fn next(&mut self, quiet: Option<Duration>) -> io::Result<Notification> {
        loop {
            if let Some(notification) = self.heard.pop_front() {
                return Ok(notification);
            }
            while let Some(frame) = self.line.next()? {
                let body = self.line.body(&frame);
                match frame.tag {
                    b'A' => return read(body).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData)),
                    b'E' => {
                        let error = ServerError::read(body);
                        if error.is_fatal() {
                            return Err(io::Error::other(error.to_string()));
                        }
                    }
                    _ => {}
                }
            }
            let turn = poll_fn(|cx| self.line.poll_turn(cx));
            // An end that no clock can tell never comes.
            let end = quiet.and_then(|quiet| self.heard_at.checked_add(quiet));
            let turned = match end {
                Some(end) => tokio::time::timeout_at(end, turn).await,
                None => Ok(turn.await),
            };
            match turned {
                Ok(turned) => {
                    turned?;
                    (self.heard_at, self.is_asked) = (Instant::now(), false);
                }
                Err(_) if self.is_asked => return Err(io::ErrorKind::TimedOut.into()),
                Err(_) => {
                    frontend::query("", &mut self.line.output)?;
                    (self.heard_at, self.is_asked) = (Instant::now(), true);
                }
            }
        }
    }

    /// Runs a text; the one value that it answers with.
    async fn ask(&mut self, text: &str) -> Result<String, DatabaseError> {
        let broke = |error: io::Error| connection_error(format!("the line broke while channels were named: {error}"));
        frontend::query(text, &mut self.line.output).map_err(broke)?;
        let (mut value, mut failure) = (String::new(), None);
        loop {
            while let Some(frame) = self.line.next().map_err(broke)? {
                let body = self.line.body(&frame);
                match frame.tag {
                    // A count of columns and the length of the first.
                    b'D' => value = String::from_utf8_lossy(body.get(6..).unwrap_or_default()).into_owned(),
                    b'A' => self.heard.extend(read(body)),
                    b'E' => failure = Some(from_server(ServerError::read(body))),
                    b'Z' => return failure.map_or(Ok(value), Err),
                    _ => {}
                }
            }
            poll_fn(|cx| self.line.poll_turn(cx))
                .await
                .map_err(|error| failure.take().unwrap_or_else(|| broke(error)))?;
        }
    }
}

const BEHIND_POOLER: &str = "a pooler that gives its connections to one program after another tells nothing of notifications; give the \
                             listener a `SessionManager` of its own, whose `url` leads to the server itself";

fn refused(message: &str) -> Error {
    Error::new(ErrorKind::Config, format!("listen for notifications: {message}"))
}

/// A `NotificationResponse`: a process and two texts with a zero behind each.
pub(super) fn read(body: &[u8]) -> Option<Notification> {
    let (process, texts) = body.split_first_chunk::<4>()?;
    let mut texts = texts.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
    Some(Notification { process: i32::from_be_bytes(*process), channel: texts.next()?, payload: texts.next()? })
}
