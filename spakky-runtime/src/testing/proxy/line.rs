//! One connection through the proxy.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use socket2::{SockRef, Socket};
use tokio::io::{AsyncWriteExt, copy};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::fault::{Armed, Break, Direction, Verdict};
use super::message::{Frame, Message, MessageKind, Reader};
use super::{Settings, Shared, lock};

const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;

/// The message that asks for answers without ending the unit.
const FLUSH: &[u8] = b"H\0\0\0\x04";

/// Bytes on their way.
struct Parcel {
    due: Instant,
    bytes: Bytes,
    /// Whether they end the answer to a unit of work.
    ends_unit: bool,
    /// Whether they end the answer to a statement.
    ends_statement: bool,
}

/// The first answer that must not reach the client.
#[derive(Debug, Clone, Copy, Default)]
struct Last {
    /// Of which unit, counted from 1; 0 while there is none.
    unit: u64,
    /// How many statements of the unit are answered before.
    statements: u64,
}

/// What both directions of a connection know.
#[derive(Default)]
struct Line {
    id: u64,
    /// Of the client and of the server, to reset them by.
    sockets: Vec<Socket>,
    /// Set once the client is signed in.
    signed_in: AtomicBool,
    /// Units of work that were sent, and those of which the client was given the answer.
    sent: AtomicU64,
    answered: AtomicU64,
    /// Statements of the unit that is being sent, and of the one that is being answered.
    running: AtomicU64,
    done: AtomicU64,
    /// How many units were sent before the current round trip.
    before: AtomicU64,
    /// The client was given (part of) an answer of the current round trip.
    seen: AtomicBool,
    last: watch::Sender<Last>,
    /// The client sent something.
    active: Notify,
}

impl Line {
    /// Has both sides see the line reset once it is dropped.
    fn reset(&self) -> io::Result<()> {
        self.sockets.iter().try_for_each(|socket| socket.set_linger(Some(Duration::ZERO)))
    }
}

/// Forwards until either side closes or the line is cut.
pub(super) async fn run(client: TcpStream, server: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    let sockets = vec![SockRef::from(&client).try_clone()?, SockRef::from(&server).try_clone()?];
    let (client_read, mut client_write) = client.into_split();
    let (server_read, mut server_write) = server.into_split();
    let mut from_client = Reader::new(client_read);
    let startup = loop {
        let Some(first) = from_client.next_untagged().await? else { return Ok(()) };
        let code = first.bytes.get(4..8).and_then(<[u8]>::first_chunk::<4>).map_or(0, |code| u32::from_be_bytes(*code));
        match code {
            SSL_REQUEST | GSS_REQUEST => client_write.write_all(b"N").await?,
            CANCEL_REQUEST => {
                shared.counts.cancel_requests.fetch_add(1, Ordering::SeqCst);
                pass_delay(&shared, |settings| settings.delay_to_server).await;
                server_write.write_all(&first.bytes).await?;
                // The server closes the line when it has acted on it.
                let mut server_read = server_read;
                copy(&mut server_read, &mut client_write).await?;
                return Ok(());
            }
            _ => break first,
        }
    };
    server_write.write_all(&startup.bytes).await?;

    let id = shared.next_connection.fetch_add(1, Ordering::SeqCst);
    let line = Line { id, sockets, seen: AtomicBool::new(true), ..Line::default() };
    let (to_server, server_parcels) = mpsc::unbounded_channel();
    let (to_client, client_parcels) = mpsc::unbounded_channel();
    let requests = read_requests(from_client, to_server, &line, &shared);
    let forward = write_requests(server_parcels, server_write, &shared);
    let answers = read_answers(Reader::new(server_read), to_client, &line, &shared);
    let give = write_answers(client_parcels, client_write, &line, &shared);

    let (requests, answers) =
        (async { tokio::try_join!(requests, forward) }, async { tokio::try_join!(answers, give) });
    tokio::pin!(requests, answers);
    tokio::select! {
        ended = &mut answers => ended.map(|_| ()),
        ended = &mut requests => {
            let ((end, mut from_client), mut server_write) = ended?;
            match end {
                // As the client's own close would look to the server; what is on its way back is still given.
                End::Closed => {
                    server_write.shutdown().await?;
                    answers.await.map(|_| ())
                }
                // What the client goes on to send is taken off the line: closed over it, the line would be reset, and the
                // client lose answers that it was given.
                End::Draining | End::Broken(Break::HalfClose) => {
                    if end != End::Draining {
                        server_write.shutdown().await?;
                    }
                    let discard = async {
                        while let Ok(Some(_)) = from_client.next().await {}
                        std::future::pending::<()>().await;
                    };
                    tokio::select! {
                        ended = answers => ended.map(|_| ()),
                        () = discard => Ok(()),
                    }
                }
                End::Broken(Break::Stall) => answers.await.map(|_| ()),
                End::Broken(Break::Reset) => line.reset(),
                End::Broken(Break::Close) => Ok(()),
            }
        }
    }
}

/// How reading from the client ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    /// Cut at a message: what was sent before is still answered.
    Draining,
    /// Cut at a byte.
    Broken(Break),
}

async fn pass_delay(shared: &Shared, delay: impl Fn(&Settings) -> Duration) {
    let due = Instant::now() + delay(&shared.settings.borrow());
    sleep_until(due).await;
    pass_black_hole(shared).await;
}

async fn pass_black_hole(shared: &Shared) {
    // The sender lives as long as what is borrowed here.
    let _ = shared.settings.subscribe().wait_for(|settings| !settings.black_hole).await;
}

/// Takes a cut off where it falls among these bytes, of which the rest does not pass; answers how the line ends there.
fn cut_bytes(shared: &Shared, direction: Direction, bytes: &mut Bytes) -> Option<Break> {
    let mut armed = lock(&shared.armed);
    let found = armed.as_mut().and_then(|armed| armed.pass(direction, bytes.len()));
    if let Some((passing, _)) = found {
        bytes.truncate(passing);
        *armed = None;
    }
    drop(armed);
    if let Some(recording) = lock(&shared.recorded).as_mut().filter(|recording| !recording.is_cut) {
        recording.bytes(direction).extend_from_slice(bytes);
        recording.is_cut = found.is_some();
    }
    found.map(|(_, by)| by)
}

async fn read_requests(
    mut from_client: Reader<OwnedReadHalf>,
    to_server: mpsc::UnboundedSender<Parcel>,
    line: &Line,
    shared: &Shared,
) -> io::Result<(End, Reader<OwnedReadHalf>)> {
    // A message was met that is the last one to be answered: its unit is still forwarded.
    let mut is_last = false;
    while let Some(frame) = from_client.next().await? {
        let (mut verdict, mut cut) = (Verdict::Forward, None);
        let mut bytes = frame.bytes.clone();
        if line.signed_in.load(Ordering::SeqCst) {
            verdict = note(&frame, line, shared);
            if verdict == Verdict::Drop {
                // What was sent of this unit is answered, too, as if the client had asked for it.
                let due = Instant::now();
                let bytes = Bytes::from_static(FLUSH);
                let _ = to_server.send(Parcel { due, bytes, ends_unit: false, ends_statement: false });
                return Ok((End::Draining, from_client));
            }
            cut = cut_bytes(shared, Direction::ToServer, &mut bytes);
            shared.counts.bytes_to_server.fetch_add(bytes.len() as u64, Ordering::SeqCst);
        }
        let due = Instant::now() + shared.settings.borrow().delay_to_server;
        let _ = to_server.send(Parcel { due, bytes, ends_unit: false, ends_statement: false });
        if let Some(by) = cut {
            return Ok((End::Broken(by), from_client));
        }
        is_last |= verdict == Verdict::ForwardLast;
        if is_last && MessageKind::of(frame.tag).ends_unit() {
            return Ok((End::Draining, from_client));
        }
    }
    Ok((End::Closed, from_client))
}

/// Counts and records a message, and looks whether the line is to be cut at it.
fn note(frame: &Frame, line: &Line, shared: &Shared) -> Verdict {
    let message = frame.message(line.id);
    let (verdict, withheld) = {
        let mut armed = lock(&shared.armed);
        let verdict = armed.as_ref().map_or(Verdict::Forward, |armed| armed.judge(&message));
        let withheld = armed.as_ref().is_some_and(Armed::withholds_answers);
        if verdict != Verdict::Forward {
            *armed = None;
        }
        (verdict, withheld)
    };
    let (unit, statements) = (line.sent.load(Ordering::SeqCst) + 1, line.running.load(Ordering::SeqCst));
    if verdict != Verdict::Drop && message.kind != MessageKind::Terminate {
        count(&message, line, shared);
        if let Some(recorded) = lock(&shared.recorded).as_mut() {
            recorded.messages.push(message);
        }
    }
    // Told last, since whoever hears of it looks at what was sent.
    if verdict != Verdict::Forward {
        line.last.send_replace(if withheld { Last { unit: 1, statements: 0 } } else { Last { unit, statements } });
    }
    verdict
}

fn count(message: &Message, line: &Line, shared: &Shared) {
    if line.seen.swap(false, Ordering::SeqCst) {
        shared.counts.round_trips.fetch_add(1, Ordering::SeqCst);
        line.before.store(line.sent.load(Ordering::SeqCst), Ordering::SeqCst);
    }
    if matches!(message.kind, MessageKind::Query | MessageKind::Execute) {
        shared.counts.statements.fetch_add(1, Ordering::SeqCst);
    }
    if message.kind == MessageKind::Execute {
        line.running.fetch_add(1, Ordering::SeqCst);
    }
    if message.kind.ends_unit() {
        line.running.store(0, Ordering::SeqCst);
        line.sent.fetch_add(1, Ordering::SeqCst);
    }
    line.active.notify_waiters();
}

async fn write_requests(
    mut parcels: mpsc::UnboundedReceiver<Parcel>,
    mut server: OwnedWriteHalf,
    shared: &Shared,
) -> io::Result<OwnedWriteHalf> {
    while let Some(parcel) = parcels.recv().await {
        sleep_until(parcel.due).await;
        pass_black_hole(shared).await;
        server.write_all(&parcel.bytes).await?;
    }
    // Handed back open: after a cut the server must not see the line close before it has answered.
    Ok(server)
}

async fn read_answers(
    mut from_server: Reader<OwnedReadHalf>,
    to_client: mpsc::UnboundedSender<Parcel>,
    line: &Line,
    shared: &Shared,
) -> io::Result<()> {
    let mut answered = 0;
    // Of the unit that is being answered: how many of its statements were, and whether one failed, which skips the others.
    let (mut statements, mut failed) = (0, false);
    let mut last = line.last.subscribe();
    loop {
        let all_answered = |last: &Last| {
            last.unit != 0
                && answered == line.sent.load(Ordering::SeqCst)
                && (last.unit != answered + 1 || statements >= last.statements || failed)
        };
        let frame = tokio::select! {
            frame = from_server.next() => frame?,
            // Cut, and nothing of what was sent before is left to be answered.
            true = async { last.wait_for(all_answered).await.is_ok() } => None,
        };
        let Some(frame) = frame else { return Ok(()) };
        let ready = frame.tag == b'Z';
        let ends_unit = ready && line.signed_in.load(Ordering::SeqCst);
        let due = Instant::now() + shared.settings.borrow().delay_to_client;
        let ends_statement = matches!(frame.tag, b'C' | b'I');
        statements = if ready { 0 } else { statements + u64::from(ends_statement) };
        failed = !ready && (failed || frame.tag == b'E');
        let _ = to_client.send(Parcel { due, bytes: frame.bytes, ends_unit, ends_statement });
        if ends_unit {
            answered += 1;
        } else if ready {
            shared.counts.connections.fetch_add(1, Ordering::SeqCst);
            line.signed_in.store(true, Ordering::SeqCst);
        }
    }
}

async fn write_answers(
    mut parcels: mpsc::UnboundedReceiver<Parcel>,
    mut client: OwnedWriteHalf,
    line: &Line,
    shared: &Shared,
) -> io::Result<()> {
    let mut last = line.last.subscribe();
    loop {
        let withholding = |last: Last| {
            let place = (line.answered.load(Ordering::SeqCst) + 1, line.done.load(Ordering::SeqCst));
            last.unit != 0 && place >= (last.unit, last.statements)
        };
        let parcel = tokio::select! {
            parcel = parcels.recv() => parcel,
            true = async { last.wait_for(|last| withholding(*last)).await.is_ok() } => {
                // Cut, for the client. The answers are still taken, so that the server finishes in peace.
                client.shutdown().await?;
                while parcels.recv().await.is_some() {}
                None
            }
        };
        let Some(parcel) = parcel else { return Ok(()) };
        sleep_until(parcel.due).await;
        pass_black_hole(shared).await;
        let withheld = lock(&shared.armed).as_ref().is_some_and(Armed::withholds_answers);
        if withheld || withholding(*line.last.borrow()) {
            continue;
        }
        let mut bytes = parcel.bytes;
        // Noted before the client can have seen it, since it may go on faster than this does.
        if line.signed_in.load(Ordering::SeqCst) && !line.seen.load(Ordering::SeqCst) {
            let current = || line.answered.load(Ordering::SeqCst) >= line.before.load(Ordering::SeqCst);
            if current() {
                settle(line, shared).await;
                line.seen.store(current(), Ordering::SeqCst);
            }
        }
        if parcel.ends_unit {
            line.answered.fetch_add(1, Ordering::SeqCst);
            line.done.store(0, Ordering::SeqCst);
        } else if parcel.ends_statement {
            line.done.fetch_add(1, Ordering::SeqCst);
        }
        if line.signed_in.load(Ordering::SeqCst) {
            if let Some(by) = cut_bytes(shared, Direction::ToClient, &mut bytes) {
                client.write_all(&bytes).await?;
                match by {
                    Break::Close => {}
                    Break::Reset => line.reset()?,
                    Break::HalfClose => {
                        client.shutdown().await?;
                        while parcels.recv().await.is_some() {}
                        return Ok(());
                    }
                    Break::Stall => std::future::pending().await,
                }
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            shared.counts.bytes_to_client.fetch_add(bytes.len() as u64, Ordering::SeqCst);
        }
        client.write_all(&bytes).await?;
    }
}

/// Into how many slices the time of silence is cut. In each one everybody gets a turn, so that a client that is held up by
/// a busy machine, rather than waiting for its answer, is not taken for silent.
const SLICES: u32 = 5;

/// Waits until the client is silent.
async fn settle(line: &Line, shared: &Shared) {
    let slice = shared.settings.borrow().settle / SLICES;
    let mut silent = 0;
    while !slice.is_zero() && silent < SLICES {
        let active = line.active.notified();
        silent = if timeout(slice, active).await.is_err() { silent + 1 } else { 0 };
    }
}
