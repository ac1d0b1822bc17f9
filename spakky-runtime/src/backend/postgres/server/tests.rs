//! What is read, beside what tokio-postgres reads.

use std::error::Error;
use std::fmt::Debug;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use tokio_postgres::Config;

use super::*;
use secrecy::ExposeSecret;

/// Values of each key that both know, and some that it cannot have.
const VALUES: [(&str, &[&str]); 18] = [
    ("user", &["app", "%61pp", ""]),
    ("password", &["s3cret", "%ff", "a%2Fb"]),
    ("dbname", &["shop", ""]),
    ("host", &["db", "%2Ftmp", "/var/run", "/%ff", "::1", "a%2Cb", ""]),
    ("hostaddr", &["127.0.0.1", "::1", "127.0.0.1,::1", "127.0.0", "", "::1,"]),
    ("port", &["5433", "5433,5434", ",1", "", "+7", "65536", "%35"]),
    ("options", &["-c%20a=b", "a=b"]),
    ("application_name", &["the%20shop", "-"]),
    ("connect_timeout", NUMBERS),
    ("sslmode", &["disable", "prefer", "require", "Require", "allow"]),
    ("sslnegotiation", &["postgres", "direct", ""]),
    ("channel_binding", &["disable", "prefer", "require", "on"]),
    ("target_session_attrs", &["any", "read-write", "read-only", "read%2Donly", "readonly"]),
    ("load_balance_hosts", &["disable", "random", "1"]),
    ("tcp_user_timeout", NUMBERS),
    ("keepalives", NUMBERS),
    ("keepalives_idle", NUMBERS),
    ("keepalives_retries", NUMBERS),
];

const NUMBERS: &[&str] = &["0", "1", "30", "+5", "%31", "-1", "1.5", "", "4294967296", "9223372036854775808"];

/// What has a meaning somewhere, and what is no letter.
const PIECES: [&str; 34] = [
    "a", "Z", "0", "-", "_", ".", "ß", "%41", "%2F", "%2f", "%40", "%3D", "%26", "%", "%zz", "%ff", "%C3%9F", "/", ":",
    "@", "?", "&", "=", ",", "[", "]", "#", "'", "\\", " ", "\t", "\u{a0}", "\0", "\u{2003}",
];

/// What both say of a text: all that was read, or the key whose value is wrong, if it is one's.
#[derive(Debug, PartialEq)]
struct Said {
    texts: [Option<String>; 4],
    password: Option<Vec<u8>>,
    hosts: Vec<String>,
    addresses: Vec<IpAddr>,
    ports: Vec<u16>,
    words: [String; 5],
    times: [Option<Duration>; 4],
    keepalives: (bool, Option<u32>),
}

fn shown<T: Debug>(value: T) -> String {
    format!("{value:?}")
}

fn ours(text: &str) -> Result<Said, Option<String>> {
    let server = Server::read(text).map_err(|unread| match unread {
        Unread::Form => None,
        Unread::Value(key) | Unread::Word { key, .. } => Some(key.to_string()),
    })?;
    // Every part is named, so that a new one is thought of here.
    let Server {
        user,
        password,
        database,
        options,
        application_name,
        hosts,
        addresses,
        ports,
        connect_timeout,
        ssl_mode,
        ssl_root_cert: _,
        ssl_negotiation,
        channel_binding,
        target_session_attrs,
        load_balance_hosts,
        tcp_user_timeout,
        keepalives,
        keepalives_idle,
        keepalives_interval,
        keepalives_retries,
    } = server;
    Ok(Said {
        texts: [user, database, options, application_name],
        password: password.map(|password| password.expose_secret().to_vec()),
        hosts: hosts.into_iter().map(shown).collect(),
        addresses,
        ports,
        words: [
            shown(ssl_mode.unwrap_or(SslMode::Prefer)),
            shown(ssl_negotiation),
            shown(channel_binding),
            shown(target_session_attrs),
            shown(load_balance_hosts),
        ],
        times: [connect_timeout, tcp_user_timeout, Some(keepalives_idle), keepalives_interval],
        keepalives: (keepalives, keepalives_retries),
    })
}

fn theirs(text: &str) -> Result<Said, Option<String>> {
    let config: Config = text.parse().map_err(|error: tokio_postgres::Error| {
        let reason = error.source().unwrap().to_string();
        let key = reason.strip_prefix("invalid value for option `")?.strip_suffix('`')?;
        Some(key.to_owned())
    })?;
    let owned = |text: Option<&str>| text.map(str::to_owned);
    // It takes these milliseconds for seconds.
    let user_timeout = config.get_tcp_user_timeout().map(|limit| Duration::from_millis(limit.as_secs()));
    Ok(Said {
        texts: [config.get_user(), config.get_dbname(), config.get_options(), config.get_application_name()].map(owned),
        password: config.get_password().map(<[u8]>::to_vec),
        hosts: config.get_hosts().iter().map(shown).collect(),
        addresses: config.get_hostaddrs().to_vec(),
        ports: config.get_ports().to_vec(),
        words: [
            shown(config.get_ssl_mode()),
            shown(config.get_ssl_negotiation()),
            shown(config.get_channel_binding()),
            shown(config.get_target_session_attrs()),
            shown(config.get_load_balance_hosts()),
        ],
        times: [
            config.get_connect_timeout().copied(),
            user_timeout,
            Some(config.get_keepalives_idle()),
            config.get_keepalives_interval(),
        ],
        keepalives: (config.get_keepalives(), config.get_keepalives_retries()),
    })
}

fn is_url(text: &str) -> bool {
    text.starts_with("postgres://") || text.starts_with("postgresql://")
}

/// Whether a URL has a parameter with several hosts, of which tokio-postgres makes one that cannot be found.
fn lists_hosts(text: &str) -> bool {
    let values = text.split("host=").skip(1).filter_map(|rest| rest.split('&').next());
    is_url(text) && values.into_iter().any(|value| value.contains(','))
}

/// Whether the pairs of a text have an `=` without a key, where tokio-postgres leaves off.
fn lacks_a_key(text: &str) -> bool {
    let said = theirs(text);
    let mut ends = text.match_indices('=').map(|(end, _)| end);
    !is_url(text) && said.is_ok() && ours(text).is_err() && ends.any(|end| ours(&text[..end]) == said)
}

fn piece() -> impl Strategy<Value = String> {
    vec(select(&PIECES[..]), 0..4).prop_map(|pieces| pieces.concat())
}

/// A key with a value, most often one that is meant for it.
fn pair() -> impl Strategy<Value = (&'static str, String)> {
    select(&VALUES[..]).prop_flat_map(|(key, values)| {
        let value = prop_oneof![8 => select(values).prop_map(str::to_owned), 1 => piece()];
        (prop_oneof![30 => Just(key), 1 => Just("keepalives_interval"), 1 => Just("sslkey"), 1 => Just("")], value)
    })
}

fn url() -> impl Strategy<Value = String> {
    let name = || prop_oneof![3 => Just("app".to_owned()), 1 => piece()];
    const HOSTS: [&str; 7] = ["db", "127.0.0.1", "[::1]", "[::1", "%2Ftmp", "a%2Cb", ""];
    const PORTS: [&str; 5] = ["5433", "", "%35", "1%2C2", "x"];
    let host = prop_oneof![8 => select(&HOSTS[..]).prop_map(str::to_owned), 1 => piece()];
    let port = prop_oneof![8 => select(&PORTS[..]).prop_map(str::to_owned), 1 => piece()];
    let place = (host, option::of(port)).prop_map(|(host, port)| match port {
        Some(port) => format!("{host}:{port}"),
        None => host,
    });
    let credentials = (name(), option::of(name())).prop_map(|(user, password)| match password {
        Some(password) => format!("{user}:{password}@"),
        None => format!("{user}@"),
    });
    let parameters = vec(pair().prop_map(|(key, value)| format!("{key}={value}")), 0..4);
    let scheme = select(&["postgres://", "postgresql://"][..]);
    let parts = (scheme, option::of(credentials), vec(place, 0..3), option::of(name()), parameters);
    parts.prop_map(|(scheme, credentials, places, database, parameters)| {
        let database = database.map(|name| format!("/{name}")).unwrap_or_default();
        let question = if parameters.is_empty() { "" } else { "?" };
        let (credentials, places) = (credentials.unwrap_or_default(), places.join(","));
        format!("{scheme}{credentials}{places}{database}{question}{}", parameters.join("&"))
    })
}

fn pairs() -> impl Strategy<Value = String> {
    let space = || select(&["", " ", "", "\t", "\u{a0}\n"][..]);
    let written = (pair(), any::<bool>(), space(), space(), select(&[" ", "  ", "\n", ""][..]));
    let written = written.prop_map(|((key, value), is_quoted, before, behind, end)| {
        let value = match is_quoted {
            true => format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'")),
            false => value,
        };
        format!("{key}{before}={behind}{value}{end}")
    });
    vec(written, 0..4).prop_map(|pairs| pairs.concat())
}

/// The same with something put in.
fn damaged(texts: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (texts, any::<prop::sample::Index>(), select(&PIECES[..])).prop_map(|(text, at, piece)| {
        let letters: Vec<char> = text.chars().collect();
        let (before, behind) = letters.split_at(at.index(letters.len() + 1));
        before.iter().chain(&piece.chars().collect::<Vec<_>>()).chain(behind).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_text_says_what_it_says_to_tokio_postgres(
        text in prop_oneof![url(), pairs(), damaged(url()), damaged(pairs()), any::<String>()]
    ) {
        if lists_hosts(&text) || lacks_a_key(&text) {
            return Ok(());
        }
        prop_assert_eq!(ours(&text), theirs(&text));
    }
}

#[test]
fn words_that_tokio_postgres_does_not_know_are_those_of_libpq() {
    for (key, words) in [
        ("target_session_attrs", &["primary", "standby", "prefer-standby"][..]),
        ("sslmode", &["verify-ca", "verify-full"]),
        ("sslrootcert", &["system", "/etc/root.crt"]),
    ] {
        for word in words {
            for text in [format!("postgres://db?{key}={word}"), format!("host=db {key}={word}")] {
                assert!(theirs(&text).is_err(), "{text}");
                assert!(shown(Server::read(&text).unwrap()).to_lowercase().contains(&word.replace('-', "")), "{text}");
            }
        }
    }
}

#[test]
fn hosts_in_a_parameter_are_several_unless_their_commas_are_escaped() {
    let hosts = |text| Server::read(text).unwrap().hosts;
    let tcp = |name: &str| Host::Tcp(name.to_owned());
    assert_eq!(hosts("postgres:///shop?host=a,b&port=1,2"), [tcp("a"), tcp("b")]);
    assert_eq!(hosts("host=a,b port=1,2"), [tcp("a"), tcp("b")]);
    assert_eq!(hosts("postgres:///shop?host=a%2Cb"), [tcp("a,b")]);
}

#[test]
fn nothing_is_passed_over_behind_an_equals_sign_without_a_key() {
    let text = "host=db password=s3cret =x sslmode=require";
    assert!(lacks_a_key(text));
    assert_eq!(Server::read(text).unwrap_err(), Unread::Form);
}

#[test]
fn a_password_is_not_shown() {
    for text in ["postgres://app:s3cret@db/shop", "host=db password=s3cret"] {
        let server = Server::read(text).unwrap();
        assert_eq!(server.password.as_ref().unwrap().expose_secret(), b"s3cret");
        assert!(!shown(server).contains("s3cret"));
    }
}

#[test]
fn each_host_has_its_port_and_its_address() {
    let places = |text| Server::read(text).unwrap().places().iter().map(shown).collect::<Vec<_>>();
    let tcp = |host: &str, address: Option<&str>, port| {
        let address = address.map(|address| address.parse().unwrap());
        shown(Place::Tcp { host: host.to_owned(), address, port })
    };
    assert_eq!(places("postgres://"), [tcp("localhost", None, 5432)]);
    assert_eq!(places("postgres://a:1,b/shop"), [tcp("a", None, 1), tcp("b", None, 5432)]);
    assert_eq!(places("host=a,b port=7"), [tcp("a", None, 7), tcp("b", None, 7)]);
    assert_eq!(
        places("hostaddr=::1,127.0.0.1 port=1,2"),
        [tcp("::1", Some("::1"), 1), tcp("127.0.0.1", Some("127.0.0.1"), 2)]
    );
    assert_eq!(places("host=a hostaddr=::1"), [tcp("a", Some("::1"), 5432)]);
    #[cfg(unix)]
    assert_eq!(places("postgres://%2Fvar%2Frun:1/shop"), [shown(Place::Unix("/var/run/.s.PGSQL.1".into()))]);
}
