//! What is said to a server before it has taken us in.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::support::*;
use crate::backend::postgres::cancel::{CancelRequests, Canceller};
use crate::backend::postgres::socket::Place;
use crate::backend::postgres::startup::{SignedIn, sign_in};
use crate::backend::postgres::{PostgresConnection, PostgresOptions};
use crate::config::{AuthMethod, RequireAuth, SslMode};
use crate::error::{DatabaseError, ErrorKind};
use crate::value::Value;

const WELCOME: i32 = 0;
const PASSWORD: i32 = 3;
const MD5: i32 = 5;
const SASL: i32 = 10;
const SASL_CONTINUE: i32 = 11;

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag], length.as_slice(), body].concat()
}

fn authentication(number: i32, rest: &[u8]) -> Vec<u8> {
    message(b'R', &[number.to_be_bytes().as_slice(), rest].concat())
}

fn welcome() -> Vec<u8> {
    [authentication(WELCOME, &[]), message(b'Z', b"I")].concat()
}

fn refusal(code: &str) -> Vec<u8> {
    message(b'E', format!("SFATAL\0VFATAL\0C{code}\0Mno\0\0").as_bytes())
}

/// A row of one value, and that the server is ready again.
fn answer(value: &str) -> Vec<u8> {
    let length = u32::try_from(value.len()).unwrap().to_be_bytes();
    [message(b'D', &[&[0, 1], length.as_slice(), value.as_bytes()].concat()), message(b'Z', b"I")].concat()
}

/// A server that answers each message on a line with the next of what is written down for it, and then hangs up.
struct Server {
    port: u16,
    /// What it was told on each line.
    told: JoinHandle<Vec<Vec<u8>>>,
}

impl Server {
    async fn answering(lines: Vec<Vec<Vec<u8>>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let told = tokio::spawn(async move {
            let mut told = Vec::new();
            for answers in lines {
                let (mut line, _) = listener.accept().await.unwrap();
                let (mut heard, mut chunk) = (Vec::new(), [0; 4096]);
                for answer in answers {
                    let count = line.read(&mut chunk).await.unwrap_or(0);
                    if count == 0 {
                        break;
                    }
                    heard.extend_from_slice(&chunk[..count]);
                    line.write_all(&answer).await.unwrap();
                }
                // What is said to the last answer, if anything is before the other side hangs up.
                line.shutdown().await.unwrap();
                let _ = line.read_to_end(&mut heard).await;
                told.push(heard);
            }
            told
        });
        Server { port, told }
    }

    fn options(&self, parameters: &str) -> PostgresOptions {
        let url = format!("postgres://user:secret@127.0.0.1:{}/db?sslmode=disable{parameters}", self.port);
        PostgresOptions::from_url(&url, None).unwrap()
    }

    fn requiring(&self, require_auth: RequireAuth) -> PostgresOptions {
        let mut options = self.options("");
        options.require_auth = require_auth;
        options
    }

    async fn told(self) -> Vec<Vec<u8>> {
        timeout(LIMIT, self.told).await.unwrap().unwrap()
    }
}

async fn signed_in(options: &PostgresOptions) -> Result<SignedIn, DatabaseError> {
    signed_in_within(LIMIT, options).await
}

async fn signed_in_within(limit: Duration, options: &PostgresOptions) -> Result<SignedIn, DatabaseError> {
    timeout(limit, sign_in(options, &options.opening()?, Instant::now() + limit)).await.unwrap()
}

async fn refused(options: &PostgresOptions) -> DatabaseError {
    signed_in(options).await.err().expect("it is refused")
}

/// What signing in comes to at a server that answers so.
async fn signing_in(parameters: &str, answers: Vec<Vec<u8>>) -> DatabaseError {
    let server = Server::answering(vec![answers]).await;
    refused(&server.options(parameters)).await
}

#[tokio::test]
async fn a_welcome_is_no_proof_where_one_is_asked_for() {
    let error = signing_in("&channel_binding=require", vec![welcome()]).await;
    assert_eq!(
        error.message,
        "sign in to the server: `channel_binding=require` asks for a proof that is bound to the line, which the server or the \
         line does not offer"
    );
    let asks = authentication(SASL, b"SCRAM-SHA-256\0\0");
    let error = signing_in("", vec![asks.clone(), welcome()]).await;
    assert_eq!(
        error.message,
        "the server answered with a welcome without proof that it knows the password while signing in"
    );
    assert!(!error.retryable);
    let error = signing_in("&channel_binding=require", vec![asks]).await;
    assert!(error.message.contains("`channel_binding=require`"), "{}", error.message);
}

#[tokio::test]
async fn what_is_not_known_or_makes_no_sense_is_an_error() {
    for (answer, told) in [
        (authentication(7, &[]), "it asks for a way that is not known here"),
        (authentication(SASL, b"OAUTHBEARER\0\0"), "it offers `OAUTHBEARER`, none of which is known here"),
        (authentication(SASL_CONTINUE, b"r=x"), "a step of signing in that was not begun"),
        (authentication(MD5, b"ab"), "a salt that is too short"),
        (message(b'K', &[0, 0, 0, 1]), "a key that is too short"),
        (message(b'Z', b""), "an empty state"),
        (message(b'T', b""), "a message that does not belong there"),
        (vec![b'R', 0, 0, 0, 1], "shorter than its header"),
        (refusal("28P01"), "no"),
    ] {
        let error = signing_in("", vec![answer]).await;
        assert!(error.message.contains(told), "{}", error.message);
    }
}

#[tokio::test]
async fn a_password_goes_over_a_line_that_is_not_encrypted_only_where_it_may() {
    let asks = || vec![authentication(PASSWORD, &[]), welcome()];
    for require_auth in [RequireAuth::default(), RequireAuth::parse("!md5").unwrap()] {
        let server = Server::answering(vec![asks()]).await;
        let options = server.requiring(require_auth);
        let error = refused(&options).await;
        assert_eq!(
            error.message,
            "sign in to the server: it asks for the password itself, and the line is not encrypted, so that whoever listens \
             would read it; set `sslmode` to `verify-full`, have the server ask for `scram-sha-256`, or allow it with \
             `require_auth` = `password`"
        );
        assert_eq!((error.kind, error.retryable), (ErrorKind::Config, false));
        let told = server.told().await;
        assert!(!told[0].windows(6).any(|part| part == b"secret"), "{told:?}");
    }
    let server = Server::answering(vec![asks()]).await;
    let options = server.requiring(RequireAuth::of([AuthMethod::Password]));
    drop(signed_in(&options).await.map_err(|error| error.message).unwrap());
    let told = server.told().await;
    assert!(told[0].ends_with(&message(b'p', b"secret\0")), "{told:?}");
}

#[tokio::test]
async fn a_way_of_signing_in_that_is_not_allowed_is_not_gone() {
    for (required, answer, told) in [
        ("scram-sha-256", welcome(), "it does not ask who the user is, and `require_auth` = `scram-sha-256`"),
        ("!none", welcome(), "it does not ask who the user is, and `require_auth` = `!none`"),
        ("scram-sha-256", authentication(MD5, b"salt"), "it asks for `md5`, and `require_auth` = `scram-sha-256`"),
        (
            "!password,!md5",
            authentication(PASSWORD, &[]),
            "it asks for `password`, and `require_auth` = `!password,!md5`",
        ),
        (
            "none",
            authentication(SASL, b"SCRAM-SHA-256\0\0"),
            "it asks for `scram-sha-256`, and `require_auth` = `none`",
        ),
    ] {
        let server = Server::answering(vec![vec![answer]]).await;
        let options = server.requiring(RequireAuth::parse(required).unwrap());
        let error = refused(&options).await;
        assert_eq!(error.message, format!("sign in to the server: {told} does not allow that"));
        assert_eq!(error.kind, ErrorKind::Config);
        let heard = server.told().await;
        let startup = usize::from(heard[0][3]);
        assert_eq!(heard[0].len(), startup, "nothing but the first message: {heard:?}");
    }
    let server = Server::answering(vec![vec![authentication(MD5, b"salt"), welcome()]]).await;
    let allowed = server.requiring(RequireAuth::parse("md5,none").unwrap());
    drop(signed_in(&allowed).await.map_err(|error| error.message).unwrap());
}

#[tokio::test]
async fn a_password_that_one_server_refuses_is_told_to_no_other() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let other = listener.local_addr().unwrap().port();
    for code in ["28P01", "28000"] {
        let server = Server::answering(vec![vec![refusal(code)]]).await;
        let url = format!("postgres://user:secret@127.0.0.1:{},127.0.0.1:{other}/db?sslmode=disable", server.port);
        let error = refused(&PostgresOptions::from_url(&url, None).unwrap()).await;
        assert_eq!((error.code.as_str(), error.retryable), (code, false));
        assert!(listener.accept().now_or_never().is_none(), "the other one was asked");
    }
    // One that is starting or full says nothing about the password.
    for code in ["57P03", "53300"] {
        let (full, free) =
            (Server::answering(vec![vec![refusal(code)]]).await, Server::answering(vec![vec![welcome()]]).await);
        let url = format!("postgres://user:secret@127.0.0.1:{},127.0.0.1:{}/db?sslmode=disable", full.port, free.port);
        drop(signed_in(&PostgresOptions::from_url(&url, None).unwrap()).await.map_err(|error| error.message).unwrap());
        free.told().await;
    }
}

#[tokio::test]
async fn a_server_of_another_kind_than_the_wanted_one_is_not_taken() {
    for (wanted, question, taken, refused, reason) in [
        ("read-write", "SHOW transaction_read_only", "off", "on", "takes no writes"),
        ("read-only", "SHOW transaction_read_only", "on", "off", "takes writes"),
        ("primary", "pg_is_in_recovery()", "f", "t", "is a standby"),
        ("standby", "pg_is_in_recovery()", "t", "f", "is a primary"),
    ] {
        let other = Server::answering(vec![vec![welcome(), answer(refused)]]).await;
        let error = self::refused(&other.options(&format!("&target_session_attrs={wanted}"))).await;
        assert!(error.message.starts_with(&format!("the server {reason}, and `target_session_attrs`")), "{error}");
        assert!((error.kind, error.retryable) == (ErrorKind::Connection, true));
        assert!(String::from_utf8_lossy(&other.told().await[0]).contains(question));

        let other = Server::answering(vec![vec![welcome(), answer(refused)]]).await;
        let right = Server::answering(vec![vec![welcome(), answer(taken)]]).await;
        assert_eq!(taken_in_by(&[&other, &right], wanted).await, right.port);
    }
}

#[tokio::test]
async fn a_primary_is_taken_where_a_standby_is_preferred_and_there_is_none() {
    let server = async |is_standby: &str| Server::answering(vec![vec![welcome(), answer(is_standby)]]).await;
    let (first, second, standby) = (server("f").await, server("f").await, server("t").await);
    assert_eq!(taken_in_by(&[&first, &standby], "prefer-standby").await, standby.port);
    let first = server("f").await;
    assert_eq!(taken_in_by(&[&first, &second], "prefer-standby").await, first.port);
    // Also where another cannot be reached: nobody listens there any more.
    let port = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap().port();
    let (first, gone) = (server("f").await, Server { port, told: tokio::spawn(async { Vec::new() }) });
    assert_eq!(taken_in_by(&[&first, &gone], "prefer-standby").await, first.port);
}

#[tokio::test]
async fn a_real_server_tells_which_kind_it_is() {
    for (wanted, is_taken) in [("primary", true), ("standby", false), ("prefer-standby", true), ("read-write", true)] {
        let url = server_url();
        let separator = if url.contains('?') { '&' } else { '?' };
        let options =
            PostgresOptions::from_url(&format!("{url}{separator}target_session_attrs={wanted}"), None).unwrap();
        assert_eq!(signed_in(&options).await.is_ok(), is_taken, "{wanted}");
    }
}

/// The port of the server that takes us in, of several.
async fn taken_in_by(servers: &[&Server], wanted: &str) -> u16 {
    let places: Vec<_> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
    let url = format!("postgres://user@{}/db?sslmode=disable&target_session_attrs={wanted}", places.join(","));
    let signed_in = signed_in(&PostgresOptions::from_url(&url, None).unwrap()).await;
    match signed_in.map_err(|error| error.message).unwrap().place {
        Place::Tcp { port, .. } => port,
        #[cfg(unix)]
        Place::Unix(path) => panic!("`{}` is none of them", path.display()),
    }
}

/// The version in a first message.
fn version(told: &[u8]) -> (u8, u8) {
    (told[5], told[7])
}

#[tokio::test]
async fn a_server_that_is_known_for_it_is_spoken_to_in_the_newer_protocol() {
    let secret: Vec<u8> = (0..32).collect();
    let key = message(b'K', &[7_i32.to_be_bytes().as_slice(), &secret].concat());
    let taken_in = [authentication(WELCOME, &[]), key, message(b'Z', b"I")].concat();
    let server = Server::answering(vec![vec![taken_in.clone()], vec![taken_in], vec![Vec::new()]]).await;
    let options = server.options("");
    drop(signed_in(&options).await.map_err(|error| error.message).unwrap());
    options.note_newer(true);
    let SignedIn { place, key, line, .. } = signed_in(&options).await.map_err(|error| error.message).unwrap();
    drop(line);
    assert_eq!((key.process, &*key.secret), (7, secret.as_slice()));
    // A request to cancel names the whole of it.
    let opening = options.opening().unwrap();
    let requests = CancelRequests::new(Canceller::Supported { place, opening, key });
    assert!(requests.send(&tokio::runtime::Handle::current()).await);
    let told = server.told().await;
    assert_eq!((version(&told[0]), version(&told[1])), ((3, 0), (3, 2)));
    let request = [&[0, 0, 0, 44, 4, 210, 22, 46, 0, 0, 0, 7], secret.as_slice()].concat();
    assert_eq!(told[2], request);
}

#[tokio::test]
async fn the_older_protocol_is_gone_back_to_where_the_newer_one_is_not_understood() {
    for answer in [refusal("08P01"), Vec::new()] {
        let server = Server::answering(vec![vec![answer], vec![welcome()]]).await;
        let options = server.options("");
        options.note_newer(true);
        drop(signed_in(&options).await.map_err(|error| error.message).unwrap());
        assert!(!options.speaks_newer());
        let told = server.told().await;
        assert_eq!((version(&told[0]), version(&told[1])), ((3, 2), (3, 0)));
    }
    // One that knows an older one alone says so, and goes on.
    let older = message(b'v', &[0, 3, 0, 0, 0, 0, 0, 0]);
    let server = Server::answering(vec![vec![[older, welcome()].concat()]]).await;
    let options = server.options("");
    options.note_newer(true);
    drop(signed_in(&options).await.map_err(|error| error.message).unwrap());
    // What it refuses behind its question is no matter of the protocol.
    let asks = vec![authentication(MD5, b"salt"), refusal("28P01")];
    let server = Server::answering(vec![asks]).await;
    let options = server.options("");
    options.note_newer(true);
    assert_eq!(refused(&options).await.code, "28P01");
    assert_eq!(server.told().await.len(), 1);
}

#[tokio::test]
async fn a_real_server_gives_the_keys_of_the_protocol_that_it_speaks() {
    let mut options = PostgresOptions::from_url(&server_url(), None).unwrap();
    options.statement_cache_size = 0;
    let connection = PostgresConnection::connect(&options).await.unwrap();
    let speaks_newer = connection.speaks_newer();
    let version = value(&connection, "SELECT current_setting('server_version_num')::int8 / 10000").await;
    assert_eq!(matches!(version, Value::I64(18..)), speaks_newer, "{version:?}");
    for (newer, length) in [(false, 4), (true, if speaks_newer { 32 } else { 4 })] {
        options.note_newer(newer);
        let SignedIn { key, .. } = signed_in(&options).await.map_err(|error| error.message).unwrap();
        assert_eq!(key.secret.len(), length, "{version:?}");
        // What it runs can be stopped.
        let connection = PostgresConnection::connect(&options).await.unwrap();
        drop(connection.send(vec![begin(), query("SELECT pg_sleep(600)")]));
        assert!(connection.reset(LIMIT).await);
    }
}

#[tokio::test]
async fn tls_may_begin_without_a_word_ahead_of_it() {
    for (negotiation, first) in [("", 0), ("&sslnegotiation=direct", 22)] {
        let server = Server::answering(vec![vec![Vec::new()]]).await;
        let mut options = server.options(negotiation);
        options.ssl_mode = SslMode::Require;
        options.connect_timeout = Duration::from_secs(60);
        refused(&options).await;
        assert_eq!(server.told().await[0][0], first, "{negotiation}");
    }
}

/// A server that takes lines and says nothing.
async fn silent() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[tokio::test]
async fn a_host_that_says_nothing_leaves_time_for_the_others() {
    let ((_first, first), (_second, second)) = (silent().await, silent().await);
    let limit = Duration::from_secs(2);
    for (attrs, number) in [("any", 0), ("prefer-standby", 1)] {
        let answers = [vec![welcome()], vec![answer("f")]].concat();
        let server = Server::answering(vec![answers[..=number].to_vec()]).await;
        let (port, more) = (server.port, format!("?sslmode=disable&target_session_attrs={attrs}"));
        let hosts = format!("127.0.0.1:{first},127.0.0.1:{port},127.0.0.1:{second}");
        let options = PostgresOptions::from_url(&format!("postgres://u:p@{hosts}/db{more}"), None).unwrap();
        let signed_in = signed_in_within(limit, &options).await.unwrap();
        assert_eq!(signed_in.place.to_string(), format!("127.0.0.1:{port}"), "{attrs}");
    }
    // What one has said tells more than that another one says nothing.
    let server = Server::answering(vec![vec![refusal("3D000")]]).await;
    let hosts = format!("127.0.0.1:{},127.0.0.1:{second}", server.port);
    let options = PostgresOptions::from_url(&format!("postgres://u:p@{hosts}/db?sslmode=disable"), None).unwrap();
    assert_eq!(signed_in_within(limit, &options).await.err().unwrap().code, "3D000");
    // One that is alone is waited for until the caller gives up.
    let url = format!("postgres://u:p@127.0.0.1:{first}/db?sslmode=disable");
    let options = PostgresOptions::from_url(&url, None).unwrap();
    let limit = Duration::from_millis(100);
    assert!(timeout(limit, sign_in(&options, &options.opening().unwrap(), Instant::now() + limit)).await.is_err());
}

#[tokio::test]
async fn a_primary_is_kept_though_a_standby_refuses_the_user() {
    let primary = Server::answering(vec![vec![welcome(), answer("f")]]).await;
    let standby = Server::answering(vec![vec![refusal("28000")]]).await;
    let (hosts, attrs) = (format!("127.0.0.1:{},127.0.0.1:{}", primary.port, standby.port), "prefer-standby");
    let url = format!("postgres://u:p@{hosts}/db?sslmode=disable&target_session_attrs={attrs}");
    let signed_in = signed_in(&PostgresOptions::from_url(&url, None).unwrap()).await.unwrap();
    assert_eq!(signed_in.place.to_string(), format!("127.0.0.1:{}", primary.port));
}
