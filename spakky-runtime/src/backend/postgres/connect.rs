//! Opening a connection.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::cancel::{CancelRequests, Canceller};
use super::control;
use super::core::Core;
use super::error::connection_error;
use super::exchange::Exchange;
use super::options::PostgresOptions;
use super::startup::{SignedIn, sign_in};
use crate::config::Pooler;
use crate::error::DatabaseError;

/// A connection that was opened.
pub(super) struct Opened {
    pub(super) core: Arc<Core>,
    /// Whether the server says that it is of a version that speaks the newer protocol.
    pub(super) says_newer: bool,
}

/// Opens a connection within the limit of the options.
pub(super) async fn open(options: &PostgresOptions) -> Result<Opened, DatabaseError> {
    let end = end_of(options.connect_timeout);
    match tokio::time::timeout_at(end, open_until(options, end)).await {
        Ok(opened) => opened,
        Err(_) => Err(connection_error(format!("the server did not answer within {:?}", options.connect_timeout))),
    }
}

/// When a span of time that begins now is over; a span that no clock can tell lasts for a year.
pub(super) fn end_of(limit: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(limit).unwrap_or(now + Duration::from_secs(365 * 24 * 60 * 60))
}

async fn open_until(options: &PostgresOptions, end: Instant) -> Result<Opened, DatabaseError> {
    let restore = control::restore(options.server.application_name.as_deref())?;
    let opening = options.opening()?;
    let SignedIn { line, place, key, parameters, status } = sign_in(options, &opening, end).await?;
    let process = key.process;
    let canceller = match options.pooler {
        Pooler::RdsProxy => Canceller::Unsupported,
        _ => Canceller::Supported { place, opening, key },
    };
    let mut exchange = Exchange::new(line, status, options.named_statements(), options.notices.clone());
    parameters.iter().for_each(|body| exchange.note_parameter(body));
    let (types, cancel_requests) = (options.types.clone(), CancelRequests::new(canceller));
    let is_pooled = options.pooler != Pooler::None;
    let core = Arc::new(Core::new(exchange, types, cancel_requests, process, is_pooled, restore));
    if !core.types.is_loaded() {
        core.types.load(&core).await?;
    }
    Ok(Opened { core, says_newer: parameters.iter().any(|body| is_newer(body)) })
}

/// Whether what a server said of itself is that it speaks the newer protocol, as PostgreSQL does from 18 on.
fn is_newer(parameter: &[u8]) -> bool {
    let mut words = parameter.split(|byte| *byte == 0);
    let (name, version) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let digits = version.iter().take_while(|byte| byte.is_ascii_digit());
    let major = digits.fold(0_u32, |number, digit| number.saturating_mul(10).saturating_add(u32::from(digit - b'0')));
    name == b"server_version" && major >= 18
}
