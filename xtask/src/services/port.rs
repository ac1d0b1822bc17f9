//! Ports of the loopback address.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use crate::Result;

/// How often another port is tried, when somebody else took the free one first.
pub(super) const ATTEMPTS: usize = 5;

/// A port that nobody listens on at the moment.
pub(super) fn free() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Whether somebody listens on a port.
pub(super) fn answers(port: u16) -> bool {
    TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), Duration::from_secs(2)).is_ok()
}
