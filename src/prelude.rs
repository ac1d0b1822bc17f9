//! What most programs need, in one `use`.

pub use crate::{
    Batch, ColumnValue, DatabaseConfig, HasSessions, Isolation, Json, Loaded, LockWait, Mappable, Projection,
    Propagation, Repository, RequestContext, Revision, SchemaRegistry, Session, SessionManager, SessionRegistry, Table,
    Tagged, Transaction, TransactionOptions, Versioned, schema, transactional,
};
