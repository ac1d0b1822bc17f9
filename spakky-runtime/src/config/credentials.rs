//! User and password asked for at each connect, for tokens that expire.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use secrecy::SecretString;

/// A user and its password.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub(crate) user: String,
    pub(crate) password: SecretString,
}

impl Credentials {
    /// A user with a password or token, which is never printed.
    pub fn new(user: impl Into<String>, password: impl Into<SecretString>) -> Self {
        Credentials { user: user.into(), password: password.into() }
    }
}

/// What a provider answers with.
pub type CredentialsFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Credentials, Box<dyn std::error::Error + Send + Sync>>> + Send + 'a>>;

/// Gives user and password for each new connection, in place of those in the URL.
///
/// An async closure is one:
///
/// ```
/// use spakky_runtime::config::{Credentials, DatabaseConfig};
///
/// let config = DatabaseConfig::new("postgres://db.internal/shop")
///     .credentials(|| async { Ok(Credentials::new("shop", "a token that lives for 15 minutes")) });
/// ```
pub trait CredentialsProvider: Send + Sync + 'static {
    /// The credentials for one connect. It counts against `connect_timeout`.
    fn credentials(&self) -> CredentialsFuture<'_>;
}

impl<F, Answer> CredentialsProvider for F
where
    F: Fn() -> Answer + Send + Sync + 'static,
    Answer: Future<Output = Result<Credentials, Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    fn credentials(&self) -> CredentialsFuture<'_> {
        Box::pin(self())
    }
}

/// A provider shared by every connect of a manager.
#[derive(Clone)]
pub struct SharedCredentials(Arc<dyn CredentialsProvider>);

impl SharedCredentials {
    /// Shares a provider.
    pub fn new(provider: impl CredentialsProvider) -> Self {
        SharedCredentials(Arc::new(provider))
    }
}

impl std::ops::Deref for SharedCredentials {
    type Target = dyn CredentialsProvider;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl fmt::Debug for SharedCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<provider>")
    }
}
