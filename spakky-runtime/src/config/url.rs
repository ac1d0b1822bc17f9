//! Database URLs: which backend they mean, what they may hold, and how they are shown without secrets.

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};

use crate::backend::Backend;

/// What stands before a colon, if it is the beginning of a URL.
fn scheme(url: &str) -> Option<&str> {
    let (scheme, _) = url.split_once(':')?;
    let word = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+.-".contains(&b));
    word.then_some(scheme)
}

/// Schemes of other databases and slips of the pen in ours. Any other word before a colon may be a password.
const OTHERS: [&str; 16] = [
    "mysql",
    "mariadb",
    "mssql",
    "sqlserver",
    "oracle",
    "mongodb",
    "redis",
    "cockroachdb",
    "jdbc",
    "http",
    "https",
    "file",
    "pg",
    "psql",
    "postgre",
    "sqlite3",
];

/// The scheme of a URL that is none of ours, if it is safe to print.
fn other_scheme(url: &str) -> Option<&str> {
    let scheme = scheme(url).filter(|_| url.contains("://"))?;
    let known = [OTHERS.as_slice(), &["postgres", "postgresql", "sqlite"]].concat();
    known.iter().any(|known| scheme.eq_ignore_ascii_case(known)).then_some(scheme)
}

/// The backend by the URL's scheme.
pub(super) fn backend(url: &str) -> Result<Backend, String> {
    const SUPPORTED: &str =
        "use `postgres://…` (cargo feature `postgres` of `spakky`) or `sqlite://…` (cargo feature `sqlite`)";
    match scheme(url) {
        Some("postgres" | "postgresql") if url.contains("://") => Ok(Backend::Postgres),
        Some("sqlite") => Ok(Backend::Sqlite),
        // Follows the ways of SQLite, without any file.
        Some("memory") if is_in_memory(url) => Ok(Backend::Sqlite),
        _ if url.is_empty() => Err(format!("`url` is missing; {SUPPORTED}")),
        _ => match other_scheme(url) {
            Some(scheme) => Err(format!("`url` has the unknown scheme `{scheme}`; {SUPPORTED}")),
            None => Err(format!("`url` is no database URL; {SUPPORTED}")),
        },
    }
}

/// The file of an SQLite database, as far as the URL can be read.
#[cfg(all(feature = "migrations", feature = "sqlite"))]
pub(super) fn file(url: &str) -> Option<std::path::PathBuf> {
    match crate::backend::sqlite::SqliteOptions::from_url(url).ok()?.location {
        crate::backend::sqlite::Location::File(path) => Some(path),
        crate::backend::sqlite::Location::Memory => None,
    }
}

/// Whether a URL means a database in memory that reads no SQL, of which each manager has its own.
pub(super) fn is_in_memory(url: &str) -> bool {
    cfg!(feature = "testing") && url == "memory:"
}

/// Hands each parameter of a PostgreSQL URL that is one of our settings to `take`; what it takes leaves the URL.
pub(super) fn take_settings(url: SecretString, mut take: impl FnMut(&str, String) -> bool) -> SecretString {
    let text = url.expose_secret();
    let Some((base, query)) = text.split_once('?').filter(|_| backend(text) == Ok(Backend::Postgres)) else {
        return url;
    };
    let mut rest = base.to_owned();
    let mut separator = '?';
    for parameter in query.split('&') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let taken = match (setting(name), decode(value)) {
            (Some(key), Some(value)) => take(key, value),
            _ => false,
        };
        if !taken {
            rest.push(separator);
            rest.push_str(parameter);
            separator = '&';
        }
    }
    rest.into()
}

/// Our name of a parameter of libpq.
pub(super) fn setting(parameter: &str) -> Option<&'static str> {
    match parameter {
        "sslmode" => Some("sslmode"),
        "sslrootcert" => Some("ssl_root_cert"),
        "sslcert" => Some("ssl_cert"),
        "sslkey" => Some("ssl_key"),
        "require_auth" => Some("require_auth"),
        "application_name" => Some("application_name"),
        "connect_timeout" => Some("connect_timeout"),
        _ => None,
    }
}

/// The names of a URL's parameters. Where part of a password that was not escaped may stand for one, there are none.
pub(super) fn parameters(url: &str) -> impl Iterator<Item = &str> {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let is_sure = !query.contains('@') && !redact(base).contains("://***");
    let is_name =
        |name: &str| (1..=30).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    query
        .split('&')
        .filter(move |_| is_sure)
        .filter_map(|parameter| parameter.split_once('=').map(|(name, _)| name))
        .filter(move |name| is_name(name))
}

/// The URL without password and parameters: what is shown of it is only what can be nothing else than user, hosts and
/// database, or a file. A password that was not escaped may hold any character, and a mistyped URL may have it anywhere.
pub(super) fn redact(url: &str) -> String {
    match backend(url) {
        Ok(Backend::Postgres) => {
            let (scheme, rest) = url.split_once("://").unwrap_or_default();
            server(rest).map_or_else(|| format!("{scheme}://***"), |shown| format!("{scheme}://{shown}"))
        }
        Ok(_) => match has_credentials(url) {
            true => "sqlite://***".into(),
            false => url.split('?').next().unwrap_or_default().to_owned(),
        },
        Err(_) => other_scheme(url).map_or_else(|| "***".into(), |scheme| format!("{scheme}://***")),
    }
}

/// Whether a URL of a file names a user with a password, as that of a server does: `sqlite://user:password@host/database`.
pub(super) fn has_credentials(url: &str) -> bool {
    let path = url.strip_prefix("sqlite:").unwrap_or(url);
    path.rsplit_once('@').is_some_and(|(before, _)| before.contains(':'))
}

/// `user:***@host:port/database`, if there is no doubt which is which.
fn server(rest: &str) -> Option<String> {
    let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let (user, place) = rest.rsplit_once('@').map_or((None, rest), |(user, place)| (Some(user), place));
    // An unescaped `/`, `?` or `#` ahead of the last `@` is part of a password, or the `@` is part of a parameter.
    if user.is_some_and(|user| user.contains(['/', '?', '#'])) {
        return None;
    }
    let user = match user.map(|user| user.split_once(':').unwrap_or((user, ""))) {
        None => String::new(),
        Some((name, _)) if !is_plain(name) => "***@".to_owned(),
        Some((name, "")) => format!("{name}@"),
        Some((name, _)) => format!("{name}:***@"),
    };
    let place = place.split('?').next().unwrap_or_default();
    let (hosts, database) = place.split_once('/').map_or((place, None), |(hosts, name)| (hosts, Some(name)));
    let is_host = |host: &str| {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => (name, Some(port)),
            _ => (host, None),
        };
        let is_address = |name: &str| {
            let inner = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
            inner.is_some_and(|inner| inner.bytes().all(|b| b.is_ascii_hexdigit() || b":.".contains(&b)))
        };
        let is_folder = name.to_ascii_lowercase().starts_with("%2f") && is_plain(&name.replace('%', ""));
        (is_plain(name) || is_address(name) || is_folder) && port.is_none_or(|port| port.parse::<u16>().is_ok())
    };
    if !hosts.split(',').all(is_host) || !database.is_none_or(is_plain) {
        return None;
    }
    let database = database.map(|name| format!("/{name}")).unwrap_or_default();
    Some(format!("{user}{hosts}{database}"))
}

/// Reads `%41` escapes.
fn decode(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_survives_redaction() {
        for (url, shown) in [
            ("postgres://app:s3cret@db:5432/shop?sslmode=require", "postgres://app:***@db:5432/shop"),
            ("postgres://app@db,db2:5433/shop", "postgres://app@db,db2:5433/shop"),
            ("postgres://app:s3cret@[::1]:5432/shop", "postgres://app:***@[::1]:5432/shop"),
            ("postgres://app:s3cret@%2Fvar%2Frun/shop", "postgres://app:***@%2Fvar%2Frun/shop"),
            ("postgres://app:p@s3cret@db/shop", "postgres://app:***@db/shop"),
            ("postgres://app@db/shop?password=s3cret", "postgres://app@db/shop"),
            ("postgres://db/shop", "postgres://db/shop"),
            ("postgres://app:@db/shop", "postgres://app@db/shop"),
            ("sqlite://a@b.db", "sqlite://a@b.db"),
            ("sqlite://a.db?key=s3cret", "sqlite://a.db"),
            ("sqlite::memory:", "sqlite::memory:"),
            // Which part is the password cannot be told.
            ("postgres://app:s3cret/shop", "postgres://***"),
            ("postgres://app:s3cret", "postgres://***"),
            ("postgres://app:p@s/s3cret?@db/shop", "postgres://***"),
            ("postgres://app:ab#s3cret@db/shop", "postgres://***"),
            ("postgres://app:s3cret@db/shop?options=a@b", "postgres://***"),
            ("postgres://db/shop?password=x@s3cret", "postgres://***"),
            ("postgres://app:pw@db/shop#s3cret", "postgres://***"),
            ("postgres://app:pw@db:s3cret/shop", "postgres://***"),
            ("postgres://app%3As3cret@db/shop", "postgres://***@db/shop"),
            ("sqlite://app:s3cret@db/shop", "sqlite://***"),
            ("host=db password=s3cret", "***"),
            ("mysql://app:s3cret@db/shop", "mysql://***"),
            ("POSTGRES://app:s3cret@db/shop", "POSTGRES://***"),
            ("postgres:/app:s3cret@db/shop", "***"),
            ("s3cret://db/shop", "***"),
            ("s3cret:oops", "***"),
            ("", "***"),
        ] {
            assert_eq!(redact(url), shown, "{url}");
            assert!(!backend(url).err().unwrap_or_default().contains("s3cret"), "{url}");
            assert!(parameters(url).all(|name| !name.contains("s3cret")), "{url}");
        }
    }

    #[test]
    fn a_parameter_is_named_only_where_it_can_be_no_part_of_a_password() {
        let named = |url| parameters(url).collect::<Vec<_>>();
        assert_eq!(named("postgres://app:s3cret@db/shop?sslmode=x&gssencmode=disable"), ["sslmode", "gssencmode"]);
        for url in [
            "postgres://app:pa?s3cret=x@db/shop",
            "postgres://app:pa?s3cret",
            "postgres://app:pa?scret=x",
            "postgres://app:s3cret/shop?sslmode=x",
            "postgres://db/shop?S3CRET=x&&=",
        ] {
            assert_eq!(named(url), [""; 0], "{url}");
        }
    }
}
