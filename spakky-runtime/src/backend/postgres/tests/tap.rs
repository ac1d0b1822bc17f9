//! What is seen on the wire, and passed on, however the bytes are cut.

use std::sync::Arc;
use std::task::{Context, Waker};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_postgres::types::Type;

use super::super::statement_cache::{Lookup, StatementCache};
use super::super::tap::{Tap, TransactionState, WireState};

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[tag][..], &length.to_be_bytes(), body].concat()
}

fn column(name: &str, oid: u32, modifier: i32) -> Vec<u8> {
    let mut column = [name.as_bytes(), &[0; 7]].concat();
    column.extend(oid.to_be_bytes());
    column.extend([0xFF, 0xFF]);
    column.extend(modifier.to_be_bytes());
    column.extend([0, 1]);
    column
}

fn description(columns: &[Vec<u8>]) -> Vec<u8> {
    let count = u16::try_from(columns.len()).unwrap();
    message(b'T', &[&count.to_be_bytes()[..], &columns.concat()].concat())
}

/// What the driver is given when these bytes come in pieces of this length.
async fn passed_on(bytes: &[u8], piece: usize, state: &Arc<WireState>) -> Vec<u8> {
    let (mut server, client) = tokio::io::duplex(piece);
    let mut tap = Tap::new(client, state.clone());
    let bytes = bytes.to_vec();
    let sent = tokio::spawn(async move { server.write_all(&bytes).await.unwrap() });
    let mut received = Vec::new();
    tap.read_to_end(&mut received).await.unwrap();
    sent.await.unwrap();
    received
}

#[tokio::test]
async fn messages_are_understood_however_they_are_cut() {
    let foreign = 50_000_u32;
    let sent = [
        message(b'C', b"BEGIN\0"),
        message(b'Z', b"T"),
        description(&[
            column("a", Type::INT8.oid(), -1),
            column("moody", foreign, 77),
            column("b", Type::TEXT.oid(), -1),
        ]),
        message(b'D', &[7; 3_000]),
        message(b't', &[&[0, 2][..], &foreign.to_be_bytes(), &Type::INT4.oid().to_be_bytes()].concat()),
        message(b'C', b"ROLLBACK\0"),
        message(b'C', b"SELECT 12\0"),
        message(b'Z', b"E"),
    ]
    .concat();
    let unknown = Type::UNKNOWN.oid();
    let expected = [
        message(b'C', b"BEGIN\0"),
        message(b'Z', b"T"),
        description(&[
            column("a", Type::INT8.oid(), -1),
            column("moody", unknown, i32::try_from(foreign).unwrap()),
            column("b", Type::TEXT.oid(), -1),
        ]),
        message(b'D', &[7; 3_000]),
        message(b't', &[&[0, 2][..], &unknown.to_be_bytes(), &Type::INT4.oid().to_be_bytes()].concat()),
        message(b'C', b"ROLLBK 1\0"),
        message(b'C', b"SELECT 12\0"),
        message(b'Z', b"E"),
    ]
    .concat();
    for piece in [1, 2, 3, 5, 7, 64, 1_000, 100_000] {
        let state = Arc::new(WireState::default());
        assert_eq!(passed_on(&sent, piece, &state).await, expected, "in pieces of {piece}");
        assert_eq!(state.transaction(), TransactionState::Failed);
    }
}

#[tokio::test]
async fn the_state_after_an_error_is_waited_for() {
    let state = Arc::new(WireState::default());
    let (mut server, client) = tokio::io::duplex(64);
    let mut tap = Tap::new(client, state.clone());
    let error = message(b'E', b"SERROR\0\0");
    server.write_all(&error).await.unwrap();
    tap.read_exact(&mut vec![0; error.len()]).await.unwrap();
    let mut settled = Box::pin(state.settled());
    let mut poll = || settled.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(poll().is_pending(), "the driver has been told, the state has not come");
    server.write_all(&message(b'Z', b"E")).await.unwrap();
    tap.read_exact(&mut [0; 6]).await.unwrap();
    assert!(poll().is_ready());
    assert_eq!(state.transaction(), TransactionState::Failed);

    // Or the line ends, and nothing will come.
    server.write_all(&error).await.unwrap();
    tap.read_exact(&mut vec![0; error.len()]).await.unwrap();
    drop(tap);
    state.settled().await;
}

#[tokio::test]
async fn a_server_that_talks_nonsense_is_an_error() {
    let (mut server, client) = tokio::io::duplex(64);
    server.write_all(&[b'D', 0, 0, 0, 1]).await.unwrap();
    let mut tap = Tap::new(client, Arc::default());
    assert!(tap.read_u8().await.is_err());

    // Descriptions that promise more than they hold are passed on for the driver to refuse.
    for nonsense in [message(b'T', &[0, 9, b'x']), message(b'T', &[]), message(b't', &[0]), message(b'Z', &[])] {
        assert_eq!(passed_on(&nonsense, 3, &Arc::default()).await, nonsense);
    }
}

#[test]
fn the_least_recently_used_statement_makes_way() {
    let mut cache = StatementCache::new(2);
    let absent = |cache: &mut StatementCache, sql: &str| matches!(cache.get(sql, [20].into_iter()), Lookup::Absent);
    for sql in ["a", "b"] {
        assert!(absent(&mut cache, sql));
        cache.reserve(sql.into(), vec![20]);
    }
    assert!(!absent(&mut cache, "a"));
    cache.reserve("c".into(), vec![20]);
    assert!(absent(&mut cache, "b"));
    assert!(!absent(&mut cache, "a") && !absent(&mut cache, "c"));
    assert!(matches!(cache.get("a", [23].into_iter()), Lookup::Absent), "other types, another statement");
    cache.fulfil("a", &[20], None);
    assert!(absent(&mut cache, "a"), "what could not be prepared is tried again");
    cache.clear();
    assert!(absent(&mut cache, "c"));
}
