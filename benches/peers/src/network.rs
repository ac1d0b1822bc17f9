//! A line of one millisecond: a proxy that holds each direction up by half of it.
//!
//! It runs on threads of its own, since the timers of an async runtime are no finer than a millisecond.

use std::fmt;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;

/// What lies between the program and the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub(crate) enum Network {
    /// The loopback of the machine.
    Direct,
    /// One millisecond for each round trip.
    #[value(name = "1ms")]
    Millisecond,
}

impl Network {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Network::Direct => "direct",
            Network::Millisecond => "1ms",
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

const ONE_WAY: Duration = Duration::from_micros(500);
/// By how much a thread wakes up late, as Linux has it by default.
const LATE: Duration = Duration::from_micros(50);

/// A proxy in front of the server that `url` names; it ends with the process.
pub(crate) struct Line {
    url: String,
}

impl Line {
    pub(crate) fn open(url: &str) -> Result<Self> {
        let host = url.find("://").ok_or("the URL of the server has no `//host`")? + 3;
        let end = url[host..].find(['/', '?']).map_or(url.len(), |at| host + at);
        let start = url[host..end].rfind('@').map_or(host, |at| host + at + 1);
        let authority = &url[start..end];
        let server = if authority.contains(':') { authority.to_owned() } else { format!("{authority}:5432") };
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        thread::spawn(move || accept(&listener, &server));
        Ok(Line { url: with_address(url, start, end, address) })
    }

    /// The server's URL, by way of the line.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

fn with_address(url: &str, start: usize, end: usize, address: SocketAddr) -> String {
    format!("{}{address}{}", &url[..start], &url[end..])
}

fn accept(listener: &TcpListener, server: &str) {
    for client in listener.incoming().flatten() {
        if let Err(error) = TcpStream::connect(server).map_err(Into::into).and_then(|server| join(client, server)) {
            eprintln!("the line to {server} failed: {error}");
        }
    }
}

fn join(client: TcpStream, server: TcpStream) -> Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    carry(client.try_clone()?, server.try_clone()?);
    carry(server, client);
    Ok(())
}

/// Bytes and when they arrive.
type Parcel = (Instant, Vec<u8>);

/// Carries what comes from one side to the other, late, until either closes.
fn carry(from: TcpStream, to: TcpStream) {
    let (sender, receiver) = channel();
    thread::spawn(move || take(from, &sender));
    thread::spawn(move || give(to, &receiver));
}

fn take(mut from: TcpStream, parcels: &Sender<Parcel>) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let _ = parcels.send((Instant::now() + ONE_WAY, buffer[..length].to_vec()));
    }
}

fn give(mut to: TcpStream, parcels: &Receiver<Parcel>) {
    for (due, bytes) in parcels {
        let wait = due.saturating_duration_since(Instant::now()).saturating_sub(LATE);
        if !wait.is_zero() {
            #[expect(clippy::disallowed_methods, reason = "a thread whose work is to be late")]
            thread::sleep(wait);
        }
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
