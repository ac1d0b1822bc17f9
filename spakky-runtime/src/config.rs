//! How a session manager reaches its database: one set of settings, from code, from the environment or from a file.
//!
//! Each setting has one name everywhere: `DatabaseConfig::new(url).pool_size(20)`, `SPAKKY_DB__POOL_SIZE=20`, and
//! `pool_size = 20` in TOML. A name that is no setting, a value of another kind and a value out of range are refused
//! with the setting named, all of them at once. The URL and its password appear in no message, `Debug` or dump.

mod credentials;
mod cursor_keys;
mod duration;
mod file_mode;
mod input;
mod mode;
mod require_auth;
mod settings;
mod source;
#[cfg(test)]
mod tests;
mod url;
mod validate;

pub use credentials::{Credentials, CredentialsFuture, CredentialsProvider, SharedCredentials};
pub(crate) use cursor_keys::CursorKeys;
#[cfg(feature = "sqlite")]
pub(crate) use file_mode::FileMode;
pub(crate) use mode::UnknownWord;
#[cfg(feature = "postgres")]
pub(crate) use mode::words;
pub use mode::{AuthMethod, PoolKind, Pooler, SslMode};
#[cfg(feature = "postgres")]
pub(crate) use require_auth::RequireAuth;
pub use settings::DatabaseConfig;
#[cfg(feature = "postgres")]
pub(crate) use validate::{check_system_roots, is_system};
