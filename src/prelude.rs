//! What most programs need, in one `use`.

pub use crate::query::Predicate;
pub use crate::{
    ColumnValue, DatabaseConfig, HasSessions, Isolation, Json, LockWait, Mappable, Propagation, Repository,
    RequestContext, RetryOn, RetryPolicy, Revision, SchemaRegistry, Session, SessionManager, SessionRegistry, Table,
    Tagged, Transaction, TransactionOptions, Versioned, schema, transactional,
};
