//! Database URLs: which backend they mean, what they may hold, and how they are shown without secrets.

use secrecy::{ExposeSecret, SecretString};

use crate::backend::Backend;

/// What may stand before a colon, in a form that is safe to print.
fn scheme(url: &str) -> Option<&str> {
    let (scheme, _) = url.split_once(':')?;
    let word = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.len() <= 20
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+.-".contains(&b));
    word.then_some(scheme)
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
        Some(scheme) if url.contains("://") => Err(format!("`url` has the unknown scheme `{scheme}`; {SUPPORTED}")),
        _ => Err(format!("`url` is no database URL; {SUPPORTED}")),
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
        "application_name" => Some("application_name"),
        "connect_timeout" => Some("connect_timeout"),
        _ => None,
    }
}

/// The names of a URL's parameters.
pub(super) fn parameters(url: &str) -> impl Iterator<Item = &str> {
    url.split_once('?')
        .map_or("", |(_, query)| query)
        .split('&')
        .map(|parameter| parameter.split_once('=').map_or(parameter, |(name, _)| name))
        .filter(|name| !name.is_empty())
}

/// The URL without password and parameters. A password that was not escaped may hold any character, so everything
/// from the first colon to the last `@` is taken for it; a text that is no URL is not shown at all.
pub(super) fn redact(url: &str) -> String {
    if backend(url).is_err() {
        return scheme(url)
            .filter(|_| url.contains("://"))
            .map_or_else(|| "***".into(), |scheme| format!("{scheme}://***"));
    }
    let (scheme, rest) = url.split_once("//").unwrap_or(("", url));
    let slashes = if scheme.is_empty() { "" } else { "//" };
    let (user, host) = match rest.rfind('@') {
        Some(at) if scheme != "sqlite:" => rest.split_at(at),
        _ => ("", rest),
    };
    let host = host.split('?').next().unwrap_or_default();
    match user.split_once(':') {
        Some((user, _)) => format!("{scheme}{slashes}{user}:***{host}"),
        // Without a colon there is no password, unless an unescaped `/` or `?` says that this is no plain user.
        None if user.contains(['/', '?', '#']) => format!("{scheme}{slashes}***{host}"),
        None => format!("{scheme}{slashes}{user}{host}"),
    }
}

/// Reads `%41` escapes.
fn decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut position = 0;
    while let Some(&byte) = bytes.get(position) {
        let escaped = (byte == b'%')
            .then(|| text.get(position + 1..position + 3))
            .flatten()
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(escaped.unwrap_or(byte));
        position += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_survives_redaction() {
        for (url, shown) in [
            ("postgres://app:s3cret@db:5432/shop?sslmode=require", "postgres://app:***@db:5432/shop"),
            ("postgres://app:p@s/s3cret?@db/shop", "postgres://app:***@db/shop"),
            ("postgres://app:s3cret@db/shop?options=a@b", "postgres://app:***@b"),
            ("postgres://app@db/shop?password=s3cret", "postgres://app@db/shop"),
            ("postgres://db/shop?password=s3cret@x", "postgres://***@x"),
            ("postgres://db/shop", "postgres://db/shop"),
            ("host=db password=s3cret", "***"),
            ("mysql://app:s3cret@db/shop", "mysql://***"),
            ("s3cret:oops", "***"),
            ("sqlite://a@b.db", "sqlite://a@b.db"),
            ("sqlite::memory:", "sqlite::memory:"),
            ("", "***"),
        ] {
            assert_eq!(redact(url), shown, "{url}");
        }
    }
}
