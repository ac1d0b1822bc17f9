//! The server behind the pooler, from its URL.

use std::fmt;

use percent_encoding::percent_decode_str;

use crate::Result;

/// Where the server is and who signs in. Written as PgBouncer's connection string.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    host: String,
    port: String,
    user: String,
    password: Option<String>,
}

impl Target {
    /// Reads `postgres://user:password@host:port/…`.
    ///
    /// # Errors
    /// When that is not what the URL looks like. It is not repeated: it may hold a password.
    pub(super) fn parse(url: &str) -> Result<Self> {
        Self::read(url).ok_or_else(|| {
            "the URL of the PostgreSQL server is not like `postgres://user@host:port/database`, which PgBouncer needs; \
             set `SPAKKY_TEST_PGBOUNCER_URL` to a PgBouncer in front of it"
                .into()
        })
    }

    fn read(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"))?;
        let authority = rest.split(['/', '?']).next()?;
        let (who, place) = authority.rsplit_once('@')?;
        let (user, password) = match who.split_once(':') {
            Some((user, password)) => (user, Some(decoded(password)?)),
            None => (who, None),
        };
        let (host, port) = place.rsplit_once(':').unwrap_or((place, "5432"));
        let named = !host.is_empty() && !user.is_empty() && port.parse::<u16>().is_ok();
        named.then_some(Target { host: decoded(host)?, port: port.to_owned(), user: decoded(user)?, password })
    }
}

fn decoded(part: &str) -> Option<String> {
    percent_decode_str(part).decode_utf8().ok().map(Into::into)
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |value: &str| format!("'{}'", value.replace('\'', "''"));
        write!(f, "host={} port={} user={}", quoted(&self.host), self.port, quoted(&self.user))?;
        match &self.password {
            Some(password) => write!(f, " password={}", quoted(password)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_becomes_a_connection_string() {
        let string = |url: &str| Target::parse(url).map(|target| target.to_string()).map_err(|error| error.to_string());
        assert_eq!(string("postgres://ann@db:6000/x?sslmode=disable").unwrap(), "host='db' port=6000 user='ann'");
        assert_eq!(
            string("postgresql://ann:it%27s%40@db").unwrap(),
            "host='db' port=5432 user='ann' password='it''s@'"
        );
        for odd in ["mysql://ann@db", "postgres://db", "postgres://ann@db:port/x", "postgres://@db", "postgres://ann@"]
        {
            assert!(string(odd).unwrap_err().contains("is not like `postgres://user@host:port/database`"), "{odd}");
        }
    }
}
