//! A listener whose server falls silent.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::support::LIMIT;
use crate::backend::postgres::listen::read;
use crate::backend::postgres::{Heard, Listener, PostgresTarget};
use crate::config::DatabaseConfig;

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag], length.as_slice(), body].concat()
}

/// What the server says to who signs in, and to who names channels.
fn welcome() -> [Vec<u8>; 2] {
    let key = message(b'K', &[0, 0, 0, 7, 1, 2, 3, 4]);
    let ready = message(b'Z', b"I");
    let told = message(b'A', b"\0\0\0\x09orders\0before all was answered\0");
    [
        [message(b'R', &[0; 4]), key, ready.clone()].concat(),
        [message(b'D', b"\0\x01\0\0\0\x017"), message(b'C', b"SELECT 1\0"), told, ready].concat(),
    ]
}

#[tokio::test]
async fn a_server_that_gives_no_sign_of_life_is_left() {
    let socket = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (mut lines, mut heard) = (Vec::new(), Vec::new());
        for silent in [true, false] {
            let (mut line, _) = socket.accept().await.unwrap();
            let mut chunk = [0; 4096];
            for answer in welcome() {
                assert_ne!(line.read(&mut chunk).await.unwrap(), 0);
                line.write_all(&answer).await.unwrap();
            }
            if !silent {
                // It answers what it is asked as a sign of life, and has nothing else to say.
                for _ in 0..3 {
                    let count = line.read(&mut chunk).await.unwrap();
                    heard.extend_from_slice(&chunk[..count]);
                    line.write_all(&[message(b'I', b""), message(b'Z', b"I")].concat()).await.unwrap();
                }
                line.write_all(&message(b'A', b"\0\0\0\x09orders\0at last\0")).await.unwrap();
            }
            lines.push(line);
        }
        heard
    });
    let config = DatabaseConfig::new(format!("postgres://user@127.0.0.1:{port}/db?sslmode=disable"));
    let target = PostgresTarget::new(&config).unwrap();
    let listener = Listener::open(target, &config, vec!["orders".to_owned()]).await.unwrap();
    let mut listener = listener.quiet_limit(Duration::from_millis(20));
    let mut payloads = Vec::new();
    for _ in 0..4 {
        payloads.push(match timeout(LIMIT, listener.recv()).await.unwrap().unwrap() {
            Heard::Notification(notification) => notification.payload,
            Heard::Resumed => "(resumed)".to_owned(),
        });
    }
    assert_eq!(payloads, ["before all was answered", "(resumed)", "before all was answered", "at last"]);
    let heard = timeout(LIMIT, server).await.unwrap().unwrap();
    assert_eq!(heard, message(b'Q', b"\0").repeat(3));
}

#[tokio::test]
async fn a_limit_that_no_clock_can_tell_is_none_and_so_is_zero() {
    for limit in [Duration::MAX, Duration::ZERO] {
        let socket = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut line, _) = socket.accept().await.unwrap();
            let mut chunk = [0; 4096];
            for answer in welcome() {
                assert_ne!(line.read(&mut chunk).await.unwrap(), 0);
                line.write_all(&answer).await.unwrap();
            }
            line
        });
        let config = DatabaseConfig::new(format!("postgres://user@127.0.0.1:{port}/db?sslmode=disable"));
        let target = PostgresTarget::new(&config).unwrap();
        let listener = Listener::open(target, &config, vec!["orders".to_owned()]).await.unwrap();
        let mut listener = listener.quiet_limit(limit);
        let mut line = server.await.unwrap();
        let before = Heard::Notification(read(b"\0\0\0\x09orders\0before all was answered\0").unwrap());
        assert_eq!(timeout(LIMIT, listener.recv()).await.unwrap().unwrap(), before);
        for _ in 0..100 {
            assert!(listener.recv().now_or_never().is_none(), "{limit:?}");
            tokio::task::yield_now().await;
        }
        let told = b"\0\0\0\x09orders\0at last\0";
        line.write_all(&message(b'A', told)).await.unwrap();
        let heard = timeout(LIMIT, listener.recv()).await.unwrap().unwrap();
        assert_eq!(heard, Heard::Notification(read(told).unwrap()), "{limit:?}");
        // It was asked for no sign of life.
        assert_eq!(line.try_read(&mut [0; 16]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }
}
