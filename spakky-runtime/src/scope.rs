//! What every statement is confined to without being asked: the tenant of the context, and rows that are not soft-deleted.
//!
//! Each statement that reads or writes a table gets its implicit condition here and nowhere else, whether it is for the
//! table of a repository or for a table of children: [`Scope::condition`] for conditions, [`Scope::reach`] for a queued
//! write, [`Scope::sight`] for what the session knows already. On a table with a tenant each of them fails where the
//! context has none, before anything is sent.

mod identity;
mod stamp;

use std::sync::Arc;

use identity::{is_blank, parse};

use crate::context::RequestContext;
use crate::error::{Error, ErrorKind};
use crate::query::{Comparison, Condition, Term};
use crate::schema::{Record, TableDescriptor};
use crate::unit_of_work::{Change, Entry, PendingWrite};
use crate::value::Value;

/// What a repository was told to see beyond the usual.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Visibility {
    /// The rows of every tenant.
    pub(crate) across_tenants: bool,
    /// Soft-deleted rows, too.
    pub(crate) with_deleted: bool,
}

/// For whom a call is made, and what it may see.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    tenant: Option<String>,
    actor: Option<String>,
    visibility: Visibility,
}

/// What a queued write by key is confined to, and what it does to the row's life.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Reach {
    /// The row has this tenant. `None` on a table without tenants, and across tenants where the row's is not known.
    pub(crate) tenant: Option<Value>,
    /// The row is not soft-deleted.
    pub(crate) live: bool,
    /// The row is soft-deleted or restored.
    pub(crate) mark: Option<Mark>,
    /// The unique key, by its position, that an upsert finds the row by instead of its id.
    pub(crate) by: Option<usize>,
    /// The row was to be deleted, and starts anew: nothing stays of its children. One that an upsert finds has a new version, too.
    pub(crate) renewed: bool,
}

/// What is done to the life of a row that stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Mark {
    /// It is soft-deleted.
    Deleted,
    /// It lives again.
    Restored,
}

impl Mark {
    /// What is done, for messages.
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Mark::Deleted => "soft-delete",
            Mark::Restored => "restore",
        }
    }
}

/// What the session's knowledge of a row means to a call.
#[derive(Debug)]
pub(crate) enum Sight<'e> {
    /// The database has to be asked.
    Unknown,
    /// There is no such row.
    Gone,
    /// The row.
    Row(&'e Arc<Record>),
}

impl Scope {
    /// The scope of a call that is made in this context.
    pub(crate) fn of(context: &RequestContext, visibility: Visibility) -> Self {
        let given = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        Scope { tenant: given(context.get_tenant()), actor: given(context.get_actor()), visibility }
    }

    /// The tenant that rows of `table` must have; `None` on a table without tenants, and across tenants.
    ///
    /// # Errors
    /// [`TenantRequired`](ErrorKind::TenantRequired) if the context has none, [`Mapping`](ErrorKind::Mapping) if the column
    /// cannot hold it.
    pub(crate) fn tenant(&self, table: &TableDescriptor) -> Result<Option<Value>, Error> {
        let Some(at) = table.tenant() else { return Ok(None) };
        if self.visibility.across_tenants {
            return Ok(None);
        }
        let Some(tenant) = &self.tenant else { return Err(tenant_required(table)) };
        match parse(tenant, table.columns[at].ty, "tenant") {
            Ok(value) if is_blank(&value) => Err(tenant_required(table)),
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(Error::unstorable_value(table, at, error)),
        }
    }

    /// The implicit condition on rows of `table`, if there is one.
    ///
    /// # Errors
    /// As [`tenant`](Self::tenant).
    pub(crate) fn condition(&self, table: &TableDescriptor) -> Result<Option<Condition>, Error> {
        let mut parts = Vec::new();
        if let (Some(at), Some(tenant)) = (table.tenant(), self.tenant(table)?) {
            let column = table.columns[at].name.clone();
            parts.push(Condition::Compare { column, comparison: Comparison::Eq, term: Term::Value(tenant) });
        }
        if let (Some(at), false) = (table.deleted_at(), self.visibility.with_deleted) {
            parts.push(Condition::Null { column: table.columns[at].name.clone(), negated: false });
        }
        Ok(parts.into_iter().reduce(Condition::and))
    }

    /// `condition` and the implicit one.
    ///
    /// # Errors
    /// As [`tenant`](Self::tenant).
    pub(crate) fn narrow(&self, table: &TableDescriptor, condition: Condition) -> Result<Condition, Error> {
        let condition = self.narrow_within(condition)?;
        Ok(match (condition, self.condition(table)?) {
            (condition, None) => condition,
            (Condition::Constant(true), Some(implicit)) => implicit,
            (condition, Some(Condition::All(parts))) => parts.into_iter().fold(condition, Condition::and),
            (condition, Some(implicit)) => condition.and(implicit),
        })
    }

    /// The same for the rows of other tables that a condition is about.
    fn narrow_within(&self, condition: Condition) -> Result<Condition, Error> {
        let each = |parts: Vec<Condition>| {
            parts.into_iter().map(|part| self.narrow_within(part)).collect::<Result<Vec<_>, Error>>()
        };
        Ok(match condition {
            Condition::All(parts) => Condition::All(each(parts)?),
            Condition::Any(parts) => Condition::Any(each(parts)?),
            Condition::Not(part) => Condition::Not(Box::new(self.narrow_within(*part)?)),
            Condition::Exists { way, condition } => {
                let condition = Box::new(self.narrow((way.target)(), *condition)?);
                Condition::Exists { way, condition }
            }
            other => other,
        })
    }

    /// What a queued write is confined to, of a row whose tenant is `known` to the caller.
    ///
    /// # Errors
    /// As [`tenant`](Self::tenant).
    pub(crate) fn reach(&self, table: &TableDescriptor, known: Option<&Value>) -> Result<Reach, Error> {
        let known = known.filter(|tenant| table.tenant().is_some() && !is_blank(tenant)).cloned();
        let live = table.deleted_at().is_some() && !self.visibility.with_deleted;
        Ok(Reach { tenant: self.tenant(table)?.or(known), live, mark: None, by: None, renewed: false })
    }

    /// The last gate before the queue: whoever made the write, on a table with tenants it is confined to that of the context.
    ///
    /// # Errors
    /// As [`tenant`](Self::tenant), also for a write that was not stamped or not confined.
    pub(crate) fn check_queued(&self, write: &PendingWrite) -> Result<(), Error> {
        let Some(tenant) = self.tenant(write.table)? else { return Ok(()) };
        let is_stamped = match &write.change {
            Change::Insert { record, .. } | Change::Update { record, .. } | Change::Upsert { record, .. } => {
                tenant_of(write.table, record).as_ref() == Some(&tenant)
            }
            Change::Delete { .. } => true,
        };
        if is_stamped && write.reach.tenant == Some(tenant) { Ok(()) } else { Err(tenant_required(write.table)) }
    }

    /// What the session's entry of a row means to this call. The map is one for all tenants and for deleted rows, too: a row
    /// that was loaded for another tenant is none, and a deleted one is gone unless it was asked for.
    ///
    /// # Errors
    /// As [`tenant`](Self::tenant).
    pub(crate) fn sight<'e>(&self, table: &TableDescriptor, entry: Option<&'e Entry>) -> Result<Sight<'e>, Error> {
        let tenant = self.tenant(table)?;
        let Some(entry) = entry else { return Ok(Sight::Unknown) };
        let is_other = match (&tenant, &entry.tenant) {
            (Some(tenant), of) => of.as_ref() != Some(tenant),
            // What was done for one tenant to a row that was not seen says nothing of another tenant's row.
            (None, Some(_)) => entry.current.is_none(),
            (None, None) => false,
        };
        if is_other {
            return Ok(Sight::Unknown);
        }
        if entry.deleted {
            return Ok(Sight::Gone);
        }
        Ok(match entry.readable() {
            None => Sight::Unknown,
            Some(record) if is_deleted(table, record) && !self.visibility.with_deleted => Sight::Gone,
            // It was read without the children that are asked for.
            Some(_) if self.visibility.with_deleted && !entry.with_deleted && table.has_deletable_children() => {
                Sight::Unknown
            }
            Some(record) => Sight::Row(record),
        })
    }

    /// Whether an entry is of a row that this call may write; else the session does not know it.
    ///
    /// # Errors
    /// As [`tenant`](Self::tenant).
    pub(crate) fn is_mine(&self, table: &TableDescriptor, entry: &Entry) -> Result<bool, Error> {
        let tenant = self.tenant(table)?;
        Ok(tenant.is_none() || entry.tenant.is_none() || entry.tenant == tenant)
    }

    /// Whether an entry is of a row that is soft-deleted, and so not to be written by this call.
    pub(crate) fn hides(&self, table: &TableDescriptor, entry: &Entry) -> bool {
        !self.visibility.with_deleted && entry.current.as_ref().is_some_and(|record| is_deleted(table, record))
    }
}

/// The tenant in a record; `None` on a table without tenants, and where it is blank.
pub(crate) fn tenant_of(table: &TableDescriptor, record: &Record) -> Option<Value> {
    table.tenant().and_then(|at| record.get(at)).filter(|tenant| !is_blank(tenant)).cloned()
}

/// Whether a record is that of a soft-deleted row.
pub(crate) fn is_deleted(table: &TableDescriptor, record: &Record) -> bool {
    table.deleted_at().and_then(|at| record.get(at)).is_some_and(|deleted| !deleted.is_null())
}

fn tenant_required(table: &TableDescriptor) -> Error {
    let message = format!(
        "use `{}` without a tenant: the context has none; set it with `RequestContext::tenant` around the request, or say \
         `across_tenants()`",
        table.name
    );
    Error::new(ErrorKind::TenantRequired, message).with_table(table.name)
}

#[cfg(test)]
mod tests {
    use std::panic::Location;
    use std::sync::LazyLock;

    use super::*;
    use crate::schema::Role;
    use crate::value::ColumnValue;

    fn notes() -> &'static TableDescriptor {
        struct NoteRow;
        static TABLE: LazyLock<TableDescriptor> = LazyLock::new(|| {
            TableDescriptor::fixture::<NoteRow>("notes")
                .id::<i64>("id")
                .column_of("tenant", String::TYPE, |column| column.role = Role::Tenant)
        });
        &TABLE
    }

    fn write(tenant: &str, reach: Reach) -> PendingWrite {
        let record = vec![Value::I64(1), Value::Text(tenant.into())];
        let columns = crate::mappable::Mapping::WHOLE;
        let change = Change::Insert { record: std::sync::Arc::new(record.into()), columns };
        PendingWrite {
            table: notes(),
            key: Some(crate::unit_of_work::RowKey::new(notes(), [Value::I64(1)])),
            change,
            origin: Location::caller(),
            reach,
            told: None,
            again: false,
        }
    }

    #[test]
    fn a_write_that_was_not_stamped_or_confined_is_not_queued() {
        let scope = Scope::of(&RequestContext::new().tenant("acme"), Visibility::default());
        let confined = |tenant: &str| Reach { tenant: Some(Value::Text(tenant.into())), ..Reach::default() };
        assert!(scope.check_queued(&write("acme", confined("acme"))).is_ok());
        assert!(scope.check_queued(&write("", confined("acme"))).unwrap_err().is_tenant_required());
        assert!(scope.check_queued(&write("globex", confined("acme"))).unwrap_err().is_tenant_required());
        assert!(scope.check_queued(&write("acme", Reach::default())).unwrap_err().is_tenant_required());
        let delete = PendingWrite { change: Change::Delete { must_exist: false }, ..write("", Reach::default()) };
        assert!(scope.check_queued(&delete).unwrap_err().is_tenant_required());
        let across = Visibility { across_tenants: true, ..Visibility::default() };
        assert!(Scope::of(&RequestContext::new(), across).check_queued(&delete).is_ok());
    }

    #[test]
    fn a_condition_joins_one_that_is_there_without_changing_its_meaning() {
        let scope = Scope::of(&RequestContext::new().tenant("acme"), Visibility::default());
        let either = Condition::Any(vec![Condition::Constant(true), Condition::Constant(false)]);
        let written = |condition| {
            let condition = scope.narrow(notes(), condition).unwrap();
            let mut sql = crate::statement::SqlWriter::new(crate::backend::Backend::Postgres);
            sql.push_where(notes(), &condition).unwrap();
            sql.finish().sql.to_string()
        };
        assert_eq!(written(Condition::Constant(true)), r#" WHERE "tenant" = $1"#);
        assert_eq!(written(either), r#" WHERE (TRUE OR FALSE) AND "tenant" = $1"#);
        assert_eq!(written(Condition::Constant(false)), r#" WHERE FALSE AND "tenant" = $1"#);
        assert!(scope.condition(notes()).unwrap().is_some());
        assert!(scope.condition(crate::fixture::orders()).unwrap().is_none());
    }
}
