//! What a URL, or a string of `key=value` pairs, says of a server.
//!
//! Both are read as tokio-postgres 0.7 reads them, which takes more than libpq does (a `/` in a password that is not escaped), but
//! for what a test names: values that only libpq knows, `tcp_user_timeout` in its unit, several hosts in a parameter, and pairs
//! behind an `=` that has no key, which are not passed over.

mod word;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use secrecy::SecretSlice;

pub(crate) use self::word::{ChannelBinding, Key, LoadBalanceHosts, SslNegotiation, TargetSessionAttrs};
use super::socket::Place;
use crate::config::SslMode;

/// The port of a server that is named without one.
const PORT: u16 = 5432;

/// How to find a server, and what to tell it. What is `None` was not said.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) user: Option<String>,
    /// Bytes, since a URL may hold any.
    pub(crate) password: Option<SecretSlice<u8>>,
    pub(crate) database: Option<String>,
    pub(crate) options: Option<String>,
    pub(crate) application_name: Option<String>,
    pub(crate) hosts: Vec<Host>,
    /// Where the hosts are, so that their names are not looked up.
    pub(crate) addresses: Vec<IpAddr>,
    /// One for each host, one for all of them, or none.
    pub(crate) ports: Vec<u16>,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) ssl_mode: Option<SslMode>,
    pub(crate) ssl_root_cert: Option<PathBuf>,
    pub(crate) ssl_negotiation: SslNegotiation,
    pub(crate) channel_binding: ChannelBinding,
    pub(crate) target_session_attrs: TargetSessionAttrs,
    pub(crate) load_balance_hosts: LoadBalanceHosts,
    /// How long sent data may stay unconfirmed.
    pub(crate) tcp_user_timeout: Option<Duration>,
    pub(crate) keepalives: bool,
    pub(crate) keepalives_idle: Duration,
    pub(crate) keepalives_interval: Option<Duration>,
    pub(crate) keepalives_retries: Option<u32>,
}

/// A host as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    /// A name or an address.
    Tcp(String),
    /// The folder of a local socket.
    #[cfg(unix)]
    Unix(PathBuf),
}

/// Why a text says nothing of a server. Nothing of the text is quoted but a word in the place of one that is known, since any
/// other part of it may belong to a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is neither a URL nor pairs, or has a key that is not known.
    Form,
    /// The key's value is no name, number or address.
    Value(Key),
    /// The key's value is none of the words that it takes.
    Word { key: Key, found: String, takes: &'static [&'static str] },
}

impl Default for Server {
    fn default() -> Self {
        Server {
            user: None,
            password: None,
            database: None,
            options: None,
            application_name: None,
            hosts: Vec::new(),
            addresses: Vec::new(),
            ports: Vec::new(),
            connect_timeout: None,
            ssl_mode: None,
            ssl_root_cert: None,
            ssl_negotiation: SslNegotiation::Postgres,
            channel_binding: ChannelBinding::Prefer,
            target_session_attrs: TargetSessionAttrs::Any,
            load_balance_hosts: LoadBalanceHosts::Disable,
            tcp_user_timeout: None,
            keepalives: true,
            keepalives_idle: Duration::from_secs(2 * 60 * 60),
            keepalives_interval: None,
            keepalives_retries: None,
        }
    }
}

impl Server {
    /// Reads `postgres://user:password@host:port/database?key=value`, or `host=… user=…`.
    ///
    /// # Errors
    /// When the text is neither, or a value is none that its key takes.
    pub(crate) fn read(text: &str) -> Result<Self, Unread> {
        let mut server = Server::default();
        match text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://")) {
            Some(rest) => server.read_url(rest)?,
            None => server.read_pairs(text)?,
        }
        Ok(server)
    }

    /// Each place where it may be, in the order in which they were written; on this machine if none was.
    pub(super) fn places(&self) -> Vec<Place> {
        let port = |at: usize| self.ports.get(at).or(self.ports.first()).copied().unwrap_or(PORT);
        let tcp =
            |at: usize, host: String| Place::Tcp { host, address: self.addresses.get(at).copied(), port: port(at) };
        if !self.hosts.is_empty() {
            let place = |(at, host): (usize, &Host)| match host {
                Host::Tcp(host) => tcp(at, host.clone()),
                #[cfg(unix)]
                Host::Unix(folder) => Place::Unix(folder.join(format!(".s.PGSQL.{}", port(at)))),
            };
            return self.hosts.iter().enumerate().map(place).collect();
        }
        if self.addresses.is_empty() {
            return vec![tcp(0, "localhost".to_owned())];
        }
        self.addresses.iter().enumerate().map(|(at, address)| tcp(at, address.to_string())).collect()
    }

    /// Reads what is behind the scheme of a URL. Whatever is ahead of an `@` is user and password.
    fn read_url(&mut self, text: &str) -> Result<(), Unread> {
        let (credentials, rest) = text.split_once('@').map_or((None, text), |(before, rest)| (Some(before), rest));
        if let Some(credentials) = credentials {
            let (user, password) = credentials.split_once(':').map_or((credentials, None), |(u, p)| (u, Some(p)));
            self.user = Some(decoded(user)?);
            if let Some(password) = password {
                self.password = Some(percent_decode_str(password).collect::<Vec<u8>>().into());
            }
        }
        let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (hosts, database) = place.split_once('/').unwrap_or((place, ""));
        if !hosts.is_empty() {
            hosts.split(',').try_for_each(|host| self.read_host_and_port(host))?;
        }
        if !database.is_empty() {
            self.database = Some(decoded(database)?);
        }
        let mut rest = parameters;
        while !rest.is_empty() {
            let (key, after) = rest.split_once('=').ok_or(Unread::Form)?;
            let (value, next) = after.split_once('&').unwrap_or((after, ""));
            match decoded(key)?.parse().map_err(|_| Unread::Form)? {
                // Split ahead of decoding, so that a folder's name may have a comma.
                Key::Host => value.split(',').try_for_each(|host| self.add_host(percent_decode_str(host).collect()))?,
                key => self.set(key, &decoded(value)?)?,
            }
            rest = next;
        }
        Ok(())
    }

    /// Reads `host`, `host:port` or `[address]:port`.
    fn read_host_and_port(&mut self, text: &str) -> Result<(), Unread> {
        let (host, port) = match text.strip_prefix('[') {
            Some(inner) => {
                let (host, rest) = inner.split_once(']').ok_or(Unread::Value(Key::Host))?;
                match rest.strip_prefix(':') {
                    None if !rest.is_empty() => return Err(Unread::Value(Key::Host)),
                    port => (host, port),
                }
            }
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        self.add_host(percent_decode_str(host).collect())?;
        self.set(Key::Port, &decoded(port.unwrap_or_default())?)
    }

    /// Reads pairs with white space between them.
    fn read_pairs(&mut self, text: &str) -> Result<(), Unread> {
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (key, after) = rest.split_once('=').ok_or(Unread::Form)?;
            let key = key.trim_end().parse().map_err(|_| Unread::Form)?;
            let (value, after) = pair_value(after.trim_start())?;
            self.set(key, &value)?;
            rest = after.trim_start();
        }
        Ok(())
    }

    fn set(&mut self, key: Key, value: &str) -> Result<(), Unread> {
        let seconds = || Ok(positive(key, value)?.map(Duration::from_secs));
        match key {
            Key::User => self.user = Some(value.to_owned()),
            Key::Password => self.set_password(value),
            Key::Database => self.database = Some(value.to_owned()),
            Key::Host => value.split(',').try_for_each(|host| self.add_host(host.into()))?,
            Key::Address => {
                for address in value.split(',') {
                    self.addresses.push(parsed(key, address)?);
                }
            }
            Key::Port => {
                for port in value.split(',') {
                    self.ports.push(if port.is_empty() { PORT } else { parsed(key, port)? });
                }
            }
            Key::Options => self.options = Some(value.to_owned()),
            Key::ApplicationName => self.application_name = Some(value.to_owned()),
            Key::ConnectTimeout => self.connect_timeout = seconds()?.or(self.connect_timeout),
            Key::SslMode => self.ssl_mode = Some(word(key, value, SslMode::WORDS)?),
            Key::SslRootCert => self.ssl_root_cert = Some(value.into()),
            Key::SslNegotiation => self.ssl_negotiation = word(key, value, SslNegotiation::WORDS)?,
            Key::ChannelBinding => self.channel_binding = word(key, value, ChannelBinding::WORDS)?,
            Key::TargetSessionAttrs => self.target_session_attrs = word(key, value, TargetSessionAttrs::WORDS)?,
            Key::LoadBalanceHosts => self.load_balance_hosts = word(key, value, LoadBalanceHosts::WORDS)?,
            Key::TcpUserTimeout => {
                self.tcp_user_timeout = positive(key, value)?.map(Duration::from_millis).or(self.tcp_user_timeout);
            }
            Key::Keepalives => self.keepalives = parsed::<u64>(key, value)? != 0,
            Key::KeepalivesIdle => self.keepalives_idle = seconds()?.unwrap_or(self.keepalives_idle),
            Key::KeepalivesInterval => self.keepalives_interval = seconds()?.or(self.keepalives_interval),
            Key::KeepalivesRetries => self.keepalives_retries = Some(parsed(key, value)?),
        }
        Ok(())
    }

    pub(super) fn set_password(&mut self, password: &str) {
        self.password = Some(password.as_bytes().to_vec().into());
    }

    /// Adds a host, or the folder of a local socket, which begins with a `/`.
    fn add_host(&mut self, host: Vec<u8>) -> Result<(), Unread> {
        #[cfg(unix)]
        if host.starts_with(b"/") {
            use std::os::unix::ffi::OsStringExt;
            self.hosts.push(Host::Unix(std::ffi::OsString::from_vec(host).into()));
            return Ok(());
        }
        self.hosts.push(Host::Tcp(String::from_utf8(host).map_err(|_| Unread::Form)?));
        Ok(())
    }
}

/// Reads `%41` and the like.
fn decoded(text: &str) -> Result<String, Unread> {
    percent_decode_str(text).decode_utf8().map(Into::into).map_err(|_| Unread::Form)
}

/// Reads the value at the beginning of a text, in quotes or up to white space, with a `\` ahead of what stands for itself; answers
/// with the text behind it, too.
fn pair_value(text: &str) -> Result<(String, &str), Unread> {
    let quoted = text.strip_prefix('\'');
    let mut value = String::new();
    let mut chars = quoted.unwrap_or(text).chars();
    loop {
        let rest = chars.as_str();
        match chars.next() {
            Some('\'') if quoted.is_some() => return Ok((value, chars.as_str())),
            Some('\\') => value.extend(chars.next()),
            Some(letter) if quoted.is_some() || !letter.is_whitespace() => value.push(letter),
            // Nothing is written as `''`.
            _ if quoted.is_some() || value.is_empty() => return Err(Unread::Form),
            _ => return Ok((value, rest)),
        }
    }
}

fn parsed<T: FromStr>(key: Key, value: &str) -> Result<T, Unread> {
    value.parse().map_err(|_| Unread::Value(key))
}

/// A number; `None` if it is not above zero, which stands for what there is anyway.
fn positive(key: Key, value: &str) -> Result<Option<u64>, Unread> {
    let number: i64 = parsed(key, value)?;
    Ok(u64::try_from(number).ok().filter(|number| *number > 0))
}

fn word<T: FromStr>(key: Key, value: &str, takes: &'static [&'static str]) -> Result<T, Unread> {
    value.parse().map_err(|_| Unread::Word { key, found: value.to_owned(), takes })
}
