//! What most programs need, in one `use`.

pub use crate::query::Predicate;
pub use crate::{
    Batch, ColumnValue, CursorPage, CursorRequest, DatabaseConfig, HasSessions, Isolation, Json, Loaded, LockWait,
    Mappable, Page, PageRequest, Projection, Propagation, Query, QueryRules, Repository, RequestContext, RetryOn,
    RetryPolicy, Revision, SchemaRegistry, Session, SessionManager, SessionRegistry, Table, Tagged, Transaction,
    TransactionOptions, Versioned, schema, transactional,
};
