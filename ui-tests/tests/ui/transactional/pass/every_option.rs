//! Each option in each form, under strict lints.
#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, unused_qualifications)]

use std::sync::Arc;

use spakky::prelude::*;

/// What can go wrong.
#[derive(Debug)]
pub enum PayError {
    /// The account has too little.
    Insufficient {
        /// How much is missing.
        missing: i64,
    },
    /// The account is closed.
    Closed,
    /// The database.
    Storage(spakky::Error),
}

impl From<spakky::Error> for PayError {
    fn from(error: spakky::Error) -> Self {
        PayError::Storage(error)
    }
}

/// A service.
#[derive(Debug, Clone, HasSessions)]
pub struct Bank {
    sessions: SessionManager,
}

impl Bank {
    /// The defaults.
    ///
    /// # Errors
    /// None.
    #[transactional()]
    pub async fn defaults(&self) -> Result<(), PayError> {
        Ok(())
    }

    /// Many at once.
    ///
    /// # Errors
    /// None.
    #[transactional(
        name = "pay",
        propagation = requires_new,
        isolation = serializable,
        read_only,
        deferrable,
        timeout = "5s",
        retry(attempts = 5, backoff = "20 ms", on = conflict),
        commit_on = PayError::Insufficient { missing } if *missing > 1,
        map_err = PayError::Storage,
        sessions = Arc::new(self.sessions.clone()),
        crate = ::spakky,
    )]
    #[must_use]
    #[inline]
    pub async fn everything(&self, _unused: i64, mut used: Vec<i64>, (a, ref b): (i64, i64)) -> Result<i64, PayError> {
        used.push(a);
        Ok(used.iter().sum::<i64>() + b)
    }

    /// A pattern of several alternatives.
    ///
    /// # Errors
    /// None.
    #[transactional(commit_on = | PayError::Insufficient { .. } | PayError::Closed, registry = "default")]
    pub async fn alternatives(self: Arc<Self>) -> Result<(), PayError> {
        Err(PayError::Insufficient { missing: 1 })
    }

    /// Whatever happens, it commits.
    ///
    /// # Errors
    /// Always.
    #[transactional(commit_on = _, retry(attempts = 2, on = transient), timeout = "1m", propagation = required)]
    pub async fn always(self: Arc<Self>) -> Result<(), PayError> {
        Err(PayError::Closed)
    }

    /// An inner attribute stays where it was.
    ///
    /// # Errors
    /// None.
    #[transactional(propagation = never, timeout = "250ms")]
    pub async fn inner(&self) -> Result<(), PayError> {
        #![allow(unused_variables, reason = "it is what is tested")]
        let unused = 1;
        Ok(())
    }

    /// On one line.
    ///
    /// # Errors
    /// None.
    #[transactional] pub async fn line(&self) -> Result<i64, PayError> { Ok(1) }

    /// A function whose arguments depend on the configuration.
    ///
    /// # Errors
    /// None.
    #[transactional(retry(attempts = 2))]
    pub async fn configured(&self, #[cfg(all())] there: i64, #[cfg(any())] gone: NoSuchType) -> Result<i64, PayError> {
        Ok(there)
    }
}

fn main() {}
