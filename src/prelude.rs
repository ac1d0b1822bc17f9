//! What most programs need, in one `use`.

pub use crate::{
    ColumnValue, DatabaseConfig, HasSessions, Isolation, Json, LockWait, Mappable, Propagation, Repository,
    RequestContext, Revision, SchemaRegistry, Session, SessionManager, SessionRegistry, Table, Tagged, Transaction,
    TransactionOptions, Versioned, schema, transactional,
};
