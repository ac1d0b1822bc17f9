//! What generated code names. Hidden: it may change in any release.

pub use inventory;

pub use crate::error::Error;
pub use crate::mappable::{Mappable, Mapping, MappingError, Revision, VersionField};
pub use crate::projection::{
    Batch, Cells, Field, FieldSpec, LinkKey, LoadInput, LoadedValues, NoProfiles, Profile, ProjectedLoad,
    ProjectedMany, ProjectedOne, Projection, ProjectionEntry, ProjectionSpec, filtered,
};
pub use crate::schema::relation::RelationSpec;
pub use crate::schema::role::{SingleKey, check};
pub use crate::schema::spec::{
    ColumnName, ColumnSpec, ForeignKeySpec, IndexSpec, TableCell, TableSpec, describe, encode_key,
};
pub use crate::schema::{
    ActorColumn, Check, ChildRows, Column, ColumnDefault, ColumnDescriptor, Columns, DeletedAtColumn, DeleterColumn,
    Embedded, FieldPrefix, ForeignKey, ForeignKeyAction, Identity, Index, IndexColumn, MappingEntry, Nested, NoPrefix,
    Part, Prefix, Record, RecordReader, RecordWriter, RequestField, Role, SoftDelete, StampColumn, Table,
    TableDescriptor, TableEntry, TenantColumn, UniqueKey, VersionColumn, default_value,
};
pub use crate::session::{HasSessions, Session, SessionManager, SessionRegistry};
pub use crate::transaction::{
    Attempt, Body, Isolation, Policy, Propagation, Retry, RetryOn, RetryPolicy, TransactionOptions, run, run_once,
};
pub use crate::value::{ArrayElement, ColumnType, ColumnValue, Json, ScalarType, Value, ValueError};

pub mod bridge;
mod column_value;
mod json;
mod mappable;
pub mod native;
#[cfg(feature = "testing")]
pub mod testing;
mod transactional;

pub use column_value::{CatchAll, other_number, other_text, read_text, text, unknown_number, unknown_text};
pub use json::{JsonColumn, JsonForm, NoOption};
pub use mappable::{
    Checked, FromGetter, Inferred, IntoDomainField, IntoRowField, Literal, MappedCell, MappedSpec, NestedFns,
    NestedRow, NewRowDefault, ParentKey, RevisionGetter, SameAs, TryIntoDomainField, Wrapped, constructed, converted,
    nested, same_id,
};
pub use transactional::{
    Again, FromSpakkyError, ReturnType, Returned, again, nothing, policy, registered, returned, sessions_of,
};
// Under a name that users do not import: what stands at their own tokens would look to lints like a path of theirs.
pub use crate::schema::Table as TableRow;
// Under names that no item of the user's hides.
pub use std::clone::Clone;
pub use std::convert::{From, Into, TryInto};
pub use std::default::Default;
pub use std::marker::{PhantomData, Send, Sized, Sync};
pub use std::option::Option;
pub use std::primitive::{bool, i16, i32, i64, str, usize};
pub use std::result::Result;
pub use std::string::String;
pub use std::vec::Vec;
