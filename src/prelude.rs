//! What most programs need, in one `use`.

pub use crate::query::Predicate;
pub use crate::{
    ColumnValue, CursorPage, CursorRequest, DatabaseConfig, HasSessions, Isolation, Json, LockWait, Mappable, Page,
    PageRequest, Propagation, Query, QueryRules, Repository, RequestContext, RetryOn, RetryPolicy, Revision,
    SchemaRegistry, Session, SessionManager, SessionRegistry, Table, Tagged, Transaction, TransactionOptions,
    Versioned, schema, transactional,
};
