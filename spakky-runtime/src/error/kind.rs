//! The kinds of failure and their predicates.

use super::Error;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident $predicate:ident;)+) => {
        /// The kinds of failure.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind {
            $($(#[$doc])* $variant,)+
        }

        impl Error {
            $($(#[$doc])* pub fn $predicate(&self) -> bool {
                self.kind() == ErrorKind::$variant
            })+
        }
    };
}

kinds! {
    /// A row that must exist does not.
    NotFound is_not_found;
    /// A row changed since it was loaded: its version is not the expected one, or it is gone.
    Conflict is_conflict;
    /// A value that must be unique is taken.
    UniqueViolation is_unique_violation;
    /// A referenced row does not exist, or a row to be deleted is still referred to.
    ForeignKeyViolation is_foreign_key_violation;
    /// A required column got NULL.
    NotNullViolation is_not_null_violation;
    /// A check constraint does not hold.
    CheckViolation is_check_violation;
    /// The database could not run the transaction as if it were alone.
    SerializationFailure is_serialization_failure;
    /// Two transactions waited for each other.
    Deadlock is_deadlock;
    /// A lock was not granted in time, or not at once where no waiting was asked for.
    LockTimeout is_lock_timeout;
    /// A statement or a scope took longer than its limit, or was cancelled.
    Timeout is_timeout;
    /// No connection became free in time.
    PoolTimeout is_pool_timeout;
    /// A second connection is needed while this task holds the last one.
    PoolDeadlock is_pool_deadlock;
    /// The database cannot be reached, or the connection broke.
    Connection is_connection;
    /// The database is out of disk, memory or connections.
    ResourceExhausted is_resource_exhausted;
    /// COMMIT was sent and its outcome cannot be known.
    OutcomeUnknown is_outcome_unknown;
    /// The transaction can only be rolled back, because something inside it failed or was abandoned.
    RollbackOnly is_rollback_only;
    /// There is no session here.
    NoSession is_no_session;
    /// A write in a scope that only reads.
    ReadOnly is_read_only;
    /// A stored value cannot be read, or a value cannot be stored.
    Mapping is_mapping;
    /// The tables in the program and those in the database, or each other, do not fit.
    Schema is_schema;
    /// A setting is missing or out of range.
    Config is_config;
    /// A query cannot be run as asked.
    InvalidQuery is_invalid_query;
    /// A page cursor is not one of ours, or of another query.
    InvalidCursor is_invalid_cursor;
    /// A tenant is needed and there is none.
    TenantRequired is_tenant_required;
    /// A row is to be written for another tenant than its own, or than that of the context.
    TenantMismatch is_tenant_mismatch;
    /// An actor is needed and there is none.
    ActorRequired is_actor_required;
    /// The data is committed; something to be done after that failed.
    PostCommit is_post_commit;
    /// The session does not know the aggregate that is to be saved.
    NotLoaded is_not_loaded;
    /// A copy older than the last queued save of the same aggregate.
    StaleCopy is_stale_copy;
    /// Transaction options that do not fit each other or the scope they join.
    InvalidTransaction is_invalid_transaction;
    /// The program's own failure, made with [`Error::custom`] or [`Error::other`].
    Custom is_custom;
    /// The database refuses for a reason that has no kind of its own (a syntax error in plain SQL, missing rights).
    Database is_database;
}

impl ErrorKind {
    /// Whether a failure of this kind is by nature a passing one.
    pub(super) fn is_retryable(self) -> bool {
        matches!(self, ErrorKind::SerializationFailure | ErrorKind::Deadlock | ErrorKind::LockTimeout)
    }
}
