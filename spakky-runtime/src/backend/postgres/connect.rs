//! Opening a connection.

use std::sync::Arc;

use super::cancel::{CancelRequests, Canceller};
use super::control;
use super::core::Core;
use super::error::connection_error;
use super::exchange::Exchange;
use super::options::PostgresOptions;
use super::startup::{SignedIn, sign_in};
use crate::config::Pooler;
use crate::error::DatabaseError;

/// Opens a connection within the limit of the options.
pub(super) async fn open(options: &PostgresOptions) -> Result<Arc<Core>, DatabaseError> {
    match tokio::time::timeout(options.connect_timeout, open_unlimited(options)).await {
        Ok(opened) => opened,
        Err(_) => Err(connection_error(format!("the server did not answer within {:?}", options.connect_timeout))),
    }
}

async fn open_unlimited(options: &PostgresOptions) -> Result<Arc<Core>, DatabaseError> {
    let restore = control::restore(options.config.get_application_name())?;
    let opening = options.opening()?;
    let SignedIn { line, place, key, parameters, status } = sign_in(options, &opening).await?;
    let canceller = match options.pooler {
        Pooler::RdsProxy => Canceller::Unsupported,
        _ => Canceller::Supported { place, opening, key },
    };
    let mut exchange = Exchange::new(line, status, options.named_statements());
    parameters.iter().for_each(|body| exchange.note_parameter(body));
    let (types, cancel_requests) = (options.types.clone(), CancelRequests::new(canceller));
    let is_pooled = options.pooler != Pooler::None;
    let core = Arc::new(Core::new(exchange, types, cancel_requests, key.0, is_pooled, restore));
    if !core.types.is_loaded() {
        core.types.load(&core).await?;
    }
    Ok(core)
}
