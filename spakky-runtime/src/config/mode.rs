//! Settings that are one of a few words.

use std::fmt;

macro_rules! words {
    ($(#[$doc:meta])* $vis:vis $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        $vis enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Every word this setting takes.
            $vis const WORDS: &'static [&'static str] = &[$($word),+];
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(match self {
                    $($name::$variant => $word,)+
                })
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::config::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok($name::$variant),)+
                    _ => Err($crate::config::UnknownWord),
                }
            }
        }
    };
}

#[cfg(feature = "postgres")]
pub(crate) use words;

/// A word that the setting does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownWord;

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the setting does not know this word")
    }
}

impl std::error::Error for UnknownWord {}

words! {
    /// What becomes of a connection that is given back.
    pub PoolKind {
        /// It is kept for the next user.
        Queue = "queue",
        /// It is closed; each use makes its own.
        Null = "null",
    }
}

words! {
    /// Whether and how the connection to PostgreSQL is encrypted.
    pub SslMode {
        /// Never.
        Disable = "disable",
        /// If the server offers it; nobody is authenticated.
        Prefer = "prefer",
        /// Always; the certificate is checked only where `ssl_root_cert` is given, as with `verify-ca`.
        Require = "require",
        /// Always, with a certificate that descends from `ssl_root_cert`, for whatever name.
        VerifyCa = "verify-ca",
        /// Always, with a trusted certificate for the host's name.
        VerifyFull = "verify-full",
    }
}

words! {
    /// A way in which a server has a user prove who they are.
    pub AuthMethod {
        /// It does not ask: it trusts the user, or the client's certificate.
        None = "none",
        /// The password itself, which whoever listens to a line that is not encrypted can read.
        Password = "password",
        /// A hash of the password, which is broken with little effort.
        Md5 = "md5",
        /// A proof of the password that tells nothing of it.
        ScramSha256 = "scram-sha-256",
    }
}

words! {
    /// What stands between the program and PostgreSQL, which decides what may be sent.
    pub Pooler {
        /// Nothing: connections are the server's own.
        None = "none",
        /// PgBouncer in transaction mode: no named statements, no startup options.
        PgBouncer = "pgbouncer",
        /// Amazon RDS Proxy: no named statements (they pin the session), no startup options, no cancel requests.
        RdsProxy = "rds_proxy",
    }
}
