//! Signing in to a server, and finding the one that is wanted among several.

use std::borrow::Cow;
use std::future::poll_fn;
use std::io;
use std::time::Duration;

use futures_util::future::join_all;
use postgres_protocol::authentication::{md5_hash, sasl};
use postgres_protocol::message::frontend;
use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout};

use super::error::{config_error, connection_error, from_server};
use super::line::{Frame, Line};
use super::options::PostgresOptions;
use super::server::{ChannelBinding, LoadBalanceHosts, Server, TargetSessionAttrs};
use super::server_error::ServerError;
use super::socket::{Opening, Place, Stream};
use super::tls;
use crate::config::AuthMethod;
use crate::error::DatabaseError;

/// What the server asks for when it asks who we are.
const AUTHENTICATED: i32 = 0;
const CLEARTEXT_PASSWORD: i32 = 3;
const MD5_PASSWORD: i32 = 5;
const SASL: i32 = 10;
const SASL_CONTINUE: i32 = 11;
const SASL_FINAL: i32 = 12;

/// The version of the protocol that every server speaks.
const VERSION: u32 = 3 << 16;
/// One with keys of more than four bytes, which PostgreSQL speaks from 18 on.
const NEWER_VERSION: u32 = VERSION | 2;

/// What names a session on the server, and proves that a request to cancel comes from its client.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) process: i32,
    pub(super) secret: Box<[u8]>,
}

/// A line on which the server has taken us in.
pub(super) struct SignedIn {
    pub(super) line: Line,
    pub(super) place: Place,
    /// What a request to cancel has to name.
    pub(super) key: Key,
    /// What the server said of itself and of the session, as it was said.
    pub(super) parameters: Vec<Vec<u8>>,
    /// The state of the transaction.
    pub(super) status: u8,
}

/// Tries the hosts in their order, or in any where that is wanted, until one takes us in and is of the wanted kind. One that does
/// not answer costs its share of the time until `end` alone, so that the others are asked, too. Where there is one alone, it is
/// waited for until the caller gives up.
pub(super) async fn sign_in(
    options: &PostgresOptions,
    opening: &Opening,
    end: Instant,
) -> Result<SignedIn, DatabaseError> {
    let server = &options.server;
    let mut places = found(places(server)?, end).await?;
    if server.load_balance_hosts == LoadBalanceHosts::Random {
        places.sort_by_cached_key(|_| getrandom::u64().unwrap_or_default());
    }
    let (mut other, mut last) = (None, None);
    let mut left = places.len();
    for place in places {
        let signing_in = sign_in_at(options, opening, &place);
        let limit = match left {
            // Whoever set the end says that it is over, but where there is something to tell of another one.
            1 if other.is_none() && last.is_none() => Duration::MAX,
            1 => share(end, 10) * 9,
            left => share(end, left),
        };
        let silent = || connection_error(format!("the server at `{place}` did not answer within {limit:?}"));
        // What another one has said before tells more.
        let result = timeout(limit, signing_in).await.unwrap_or_else(|_| Err(last.take().unwrap_or_else(silent)));
        left -= 1;
        match result {
            Ok((signed_in, None)) => return Ok(signed_in),
            Ok((signed_in, Some(_))) if server.target_session_attrs == TargetSessionAttrs::PreferStandby => {
                other.get_or_insert(signed_in);
            }
            Ok((_, Some(reason))) => last = Some(connection_error(format!("the server {reason}"))),
            // Where the user or the password is refused, no other server is told of them.
            Err(error) if error.code.starts_with("28") => return other.ok_or(error),
            Err(error) => last = Some(error),
        }
    }
    other.ok_or_else(|| last.unwrap_or_else(|| config_error("connect to the server: the settings name no host")))
}

/// One of so many equal shares of the time that is left, in milliseconds.
fn share(end: Instant, shares: usize) -> Duration {
    let left = end.saturating_duration_since(Instant::now()).as_millis();
    Duration::from_millis(u64::try_from(left / shares.max(1) as u128).unwrap_or(u64::MAX))
}

/// The places with all addresses of their names, so that each of them is signed in to, and a request to cancel finds the same.
async fn found(places: Vec<Place>, end: Instant) -> Result<Vec<Place>, DatabaseError> {
    // Where there is another one, a name that nobody resolves leaves time for it.
    let limit = if places.len() > 1 { share(end, 2) } else { Duration::MAX };
    let lookups = places.into_iter().map(|place| async move {
        let Place::Tcp { host, address: None, port } = place else { return Ok(vec![place]) };
        let addresses = match timeout(limit, tokio::net::lookup_host((host.as_str(), port))).await {
            Ok(addresses) => addresses,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        match addresses {
            Ok(addresses) => Ok(addresses
                .map(|address| Place::Tcp { host: host.clone(), address: Some(address.ip()), port })
                .collect()),
            Err(error) => Err(connection_error(format!("the host `{host}` cannot be looked up: {error}"))),
        }
    });
    let (mut found, mut last) = (Vec::new(), None);
    for result in join_all(lookups).await {
        match result {
            Ok(places) => found.extend(places),
            Err(error) => last = Some(error),
        }
    }
    match (found.is_empty(), last) {
        (true, Some(error)) => Err(error),
        _ => Ok(found),
    }
}

/// Signs in at one place; answers, too, why the server there is not of the wanted kind, if so.
async fn sign_in_at(
    options: &PostgresOptions,
    opening: &Opening,
    place: &Place,
) -> Result<(SignedIn, Option<&'static str>), DatabaseError> {
    let mut door = Door::at(opening.open(place).await?);
    let status = if options.speaks_newer() {
        match door.enter(options, NEWER_VERSION).await {
            // What is in between now may know the older one alone, and says so or hangs up before it asks who we are.
            Err(_) if !door.was_asked => {
                options.note_newer(false);
                door = Door::at(opening.open(place).await?);
                door.enter(options, VERSION).await?
            }
            entered => entered?,
        }
    } else {
        door.enter(options, VERSION).await?
    };
    let mut other = None;
    if let Some((question, wanted, reason)) = question(options.server.target_session_attrs)
        && door.ask(question).await? != wanted
    {
        other = Some(reason);
    }
    let Door { line, key, parameters, .. } = door;
    Ok((SignedIn { line, place: place.clone(), key, parameters, status }, other))
}

/// The places of a server; the folder of a local socket is the only one.
fn places(server: &Server) -> Result<Vec<Place>, DatabaseError> {
    let places = server.places();
    #[cfg(unix)]
    if places.len() > 1 && places.iter().any(|place| matches!(place, Place::Unix(_))) {
        return Err(config_error("use these hosts together; name hosts, or the folder of one local socket"));
    }
    Ok(places)
}

/// What tells whether a server is of the wanted kind: a question, the answer of one that is, and what is said of one that is not.
fn question(wanted: TargetSessionAttrs) -> Option<(&'static str, &'static str, &'static str)> {
    const TAKES_NO_WRITES: &str = "SHOW transaction_read_only";
    const IS_STANDBY: &str = "SELECT pg_catalog.pg_is_in_recovery()";
    match wanted {
        TargetSessionAttrs::Any => None,
        TargetSessionAttrs::ReadWrite => {
            Some((TAKES_NO_WRITES, "off", "takes no writes, and `target_session_attrs` asks for one that does"))
        }
        TargetSessionAttrs::ReadOnly => {
            Some((TAKES_NO_WRITES, "on", "takes writes, and `target_session_attrs` asks for one that does not"))
        }
        TargetSessionAttrs::Primary => {
            Some((IS_STANDBY, "f", "is a standby, and `target_session_attrs` asks for a primary"))
        }
        TargetSessionAttrs::Standby | TargetSessionAttrs::PreferStandby => {
            Some((IS_STANDBY, "t", "is a primary, and `target_session_attrs` asks for a standby"))
        }
    }
}

/// A line on which nothing was asked yet.
struct Door {
    line: Line,
    key: Key,
    parameters: Vec<Vec<u8>>,
    /// Whether the server has begun to ask who we are.
    was_asked: bool,
}

impl Door {
    fn at(stream: Stream) -> Self {
        Door { line: Line::new(stream), key: Key::default(), parameters: Vec::new(), was_asked: false }
    }

    /// The next message, and what is to be written before it.
    async fn frame(&mut self) -> Result<Frame, DatabaseError> {
        let broke = |error: io::Error| {
            // The other side may have seen our certificate by now, and have refused it.
            let mut made = connection_error(format!("the line broke while signing in: {error}"));
            made.retryable = !tls::is_refusal(&error);
            made
        };
        loop {
            if let Some(frame) = self.line.next().map_err(broke)? {
                return Ok(frame);
            }
            poll_fn(|cx| self.line.poll_turn(cx)).await.map_err(broke)?;
        }
    }

    /// The next message that is for who waits: its tag and its body.
    async fn message(&mut self) -> Result<(u8, Vec<u8>), DatabaseError> {
        loop {
            let frame = self.frame().await?;
            let body = self.line.body(&frame);
            match frame.tag {
                b'E' => return Err(from_server(ServerError::read(body))),
                b'N' => {}
                b'S' => self.parameters.push(body.to_vec()),
                tag => return Ok((tag, body.to_vec())),
            }
        }
    }

    /// Answers the server's questions for who we are, until it is ready for ours; its state then.
    async fn enter(&mut self, options: &PostgresOptions, version: u32) -> Result<u8, DatabaseError> {
        let server = &options.server;
        let user = server.user.clone().or_else(|| whoami::username().ok());
        let user = user.ok_or_else(|| config_error("sign in to the server: the settings name no user"))?;
        let startup = options.startup_options();
        let mut settings = vec![("client_encoding", "UTF8"), ("user", user.as_str())];
        settings.extend(server.database.as_deref().map(|name| ("database", name)));
        settings.extend(startup.as_deref().or(server.options.as_deref()).map(|options| ("options", options)));
        settings.extend(server.application_name.as_deref().map(|name| ("application_name", name)));
        let malformed = |_: io::Error| config_error("sign in to the server: a setting has a NUL character");
        frontend::startup_message(settings, &mut self.line.output).map_err(malformed)?;
        // It stands behind the length.
        self.line.output[4..8].copy_from_slice(&version.to_be_bytes());
        let mut exchange = None;
        // A server that asked for a proof of the password has to give one, too.
        let mut is_proven = true;
        let mut is_bound = false;
        let mut method = AuthMethod::None;
        loop {
            let (tag, body) = self.message().await?;
            let (number, rest) = match (tag, body.split_first_chunk::<4>()) {
                (b'R', Some((number, rest))) => (i32::from_be_bytes(*number), rest),
                (b'K', Some((process, secret))) if !secret.is_empty() => {
                    self.key = Key { process: i32::from_be_bytes(*process), secret: secret.into() };
                    continue;
                }
                (b'K', _) => return Err(unexpected("a key that is too short")),
                // An older version than the one that was asked for, which is all the same here.
                (b'v', Some(_)) => continue,
                (b'Z', _) => return body.first().copied().ok_or_else(|| unexpected("an empty state")),
                _ => return Err(unexpected("a message that does not belong there")),
            };
            self.was_asked = true;
            let asked = match number {
                CLEARTEXT_PASSWORD => Some(AuthMethod::Password),
                MD5_PASSWORD => Some(AuthMethod::Md5),
                SASL => Some(AuthMethod::ScramSha256),
                AUTHENTICATED if is_proven => Some(method),
                _ => None,
            };
            if let Some(asked) = asked {
                method = asked;
                refuse_unless_allowed(options, method)?;
            }
            let is_private = self.line.stream().is_private();
            let output = &mut self.line.output;
            match number {
                AUTHENTICATED if is_proven && is_bound => {}
                AUTHENTICATED if is_proven => refuse_without_binding(server)?,
                AUTHENTICATED => return Err(unexpected("a welcome without proof that it knows the password")),
                CLEARTEXT_PASSWORD => {
                    refuse_without_binding(server)?;
                    if !is_private && !options.require_auth.names(AuthMethod::Password) {
                        return Err(config_error(IN_CLEAR));
                    }
                    frontend::password_message(password(server)?, output).map_err(malformed)?;
                }
                MD5_PASSWORD => {
                    refuse_without_binding(server)?;
                    let salt = rest.first_chunk().ok_or_else(|| unexpected("a salt that is too short"))?;
                    let hash = md5_hash(user.as_bytes(), password(server)?, *salt);
                    frontend::password_message(hash.as_bytes(), output).map_err(malformed)?;
                }
                SASL => {
                    let names = rest.split(|byte| *byte == 0).filter(|name| !name.is_empty());
                    let offered: Vec<_> = names.map(String::from_utf8_lossy).collect();
                    let (binding, mechanism) = self.mechanism(server, &offered)?;
                    let scram = sasl::ScramSha256::new(password(server)?, binding);
                    let output = &mut self.line.output;
                    frontend::sasl_initial_response(mechanism, scram.message(), output).map_err(malformed)?;
                    exchange = Some(scram);
                    is_proven = false;
                    is_bound = mechanism == sasl::SCRAM_SHA_256_PLUS;
                }
                SASL_CONTINUE => {
                    let scram =
                        exchange.as_mut().ok_or_else(|| unexpected("a step of signing in that was not begun"))?;
                    scram.update(rest).map_err(|_| unexpected("a challenge that does not fit"))?;
                    frontend::sasl_response(scram.message(), output).map_err(malformed)?;
                }
                SASL_FINAL => {
                    let scram =
                        exchange.as_mut().ok_or_else(|| unexpected("a step of signing in that was not begun"))?;
                    scram.finish(rest).map_err(|_| unexpected("a proof that does not fit the password"))?;
                    is_proven = true;
                }
                _ => {
                    return Err(config_error(
                        "sign in to the server: it asks for a way that is not known here (Kerberos, GSSAPI, SSPI); let it take \
                         a password for this user",
                    ));
                }
            }
        }
    }

    /// How the password is proven: bound to this line where both sides can.
    fn mechanism(
        &self,
        server: &Server,
        offered: &[Cow<'_, str>],
    ) -> Result<(sasl::ChannelBinding, &'static str), DatabaseError> {
        let offers = |name: &str| offered.iter().any(|offered| offered == name);
        let own = match server.channel_binding {
            ChannelBinding::Disable => None,
            _ => self.line.stream().binding(),
        };
        if let Some(mark) = own.clone()
            && offers(sasl::SCRAM_SHA_256_PLUS)
        {
            return Ok((sasl::ChannelBinding::tls_server_end_point(mark), sasl::SCRAM_SHA_256_PLUS));
        }
        refuse_without_binding(server)?;
        if !offers(sasl::SCRAM_SHA_256) {
            return Err(config_error(format!(
                "sign in to the server: it offers `{}`, none of which is known here",
                offered.join("`, `")
            )));
        }
        // That we could have is said, so that a server which can, too, finds out who kept it from offering it.
        let binding = match own {
            Some(_) => sasl::ChannelBinding::unrequested(),
            None => sasl::ChannelBinding::unsupported(),
        };
        Ok((binding, sasl::SCRAM_SHA_256))
    }

    /// The one value that a query answers with.
    async fn ask(&mut self, sql: &str) -> Result<String, DatabaseError> {
        frontend::query(sql, &mut self.line.output).map_err(|_| unexpected("a question with a NUL character"))?;
        let mut value = String::new();
        loop {
            match self.message().await? {
                // A count of columns and the length of the first.
                (b'D', body) => value = String::from_utf8_lossy(body.get(6..).unwrap_or_default()).into_owned(),
                (b'Z', _) => return Ok(value),
                _ => {}
            }
        }
    }
}

const IN_CLEAR: &str = "sign in to the server: it asks for the password itself, and the line is not encrypted, so that whoever \
                        listens would read it; set `sslmode` to `verify-full`, have the server ask for `scram-sha-256`, or allow \
                        it with `require_auth` = `password`";

/// Refuses to go on where the server asks for a way of signing in that the settings do not allow.
fn refuse_unless_allowed(options: &PostgresOptions, method: AuthMethod) -> Result<(), DatabaseError> {
    let required = &options.require_auth;
    if required.allows(method) {
        return Ok(());
    }
    let does = match method {
        AuthMethod::None => "does not ask who the user is".to_owned(),
        method => format!("asks for `{method}`"),
    };
    Err(config_error(format!(
        "sign in to the server: it {does}, and `require_auth` = `{required}` does not allow that"
    )))
}

/// Refuses to go on where the settings insist on a proof that is bound to the line.
fn refuse_without_binding(server: &Server) -> Result<(), DatabaseError> {
    match server.channel_binding {
        ChannelBinding::Require => Err(config_error(
            "sign in to the server: `channel_binding=require` asks for a proof that is bound to the line, which the \
             server or the line does not offer",
        )),
        _ => Ok(()),
    }
}

fn password(server: &Server) -> Result<&[u8], DatabaseError> {
    server.password.as_ref().map(ExposeSecret::expose_secret).ok_or_else(|| {
        config_error(
            "sign in to the server: it asks for a password, and the settings have none; write it into `url` \
             (`postgres://user:password@host/database`) or set `credentials`",
        )
    })
}

fn unexpected(what: &str) -> DatabaseError {
    let mut error = connection_error(format!("the server answered with {what} while signing in"));
    error.retryable = false;
    error
}
