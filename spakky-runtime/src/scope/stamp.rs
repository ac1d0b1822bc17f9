//! What the runtime writes into a row by itself: whose it is, who wrote it and when.
//!
//! Stamps come from the context and the database's clock alone. What a domain value says of them is never written, so that
//! neither an empty field nor a forged one gets into the row.

use super::{Mark, Scope, is_blank, parse};
use crate::error::{Error, ErrorKind};
use crate::schema::{Record, Role, TableDescriptor};
use crate::unit_of_work::show_key;
use crate::value::{ScalarType, Value};

impl Scope {
    /// Stamps a row that is to be inserted.
    ///
    /// # Errors
    /// [`TenantRequired`](ErrorKind::TenantRequired), [`TenantMismatch`](ErrorKind::TenantMismatch),
    /// [`ActorRequired`](ErrorKind::ActorRequired), or [`Mapping`](ErrorKind::Mapping) for a tenant or an actor that its
    /// column cannot hold.
    pub(crate) fn stamp_new(&self, table: &TableDescriptor, record: &mut Record) -> Result<(), Error> {
        for (at, column) in table.columns.iter().enumerate() {
            match column.role {
                Role::CreatedAt | Role::UpdatedAt => record[at] = now(column.ty.scalar),
                Role::CreatedBy | Role::UpdatedBy => record[at] = self.actor(table, at)?,
                Role::DeletedAt | Role::DeletedBy => record[at] = Value::Null,
                Role::Tenant => record[at] = self.owner(table, record, at, None)?,
                Role::Plain | Role::Id | Role::Version => {}
            }
        }
        Ok(())
    }

    /// Whether a row is stamped as one that is new.
    ///
    /// # Errors
    /// As [`stamp_new`](Self::stamp_new).
    pub(crate) fn is_new(&self, table: &TableDescriptor, record: &Record) -> Result<bool, Error> {
        for (at, column) in table.columns.iter().enumerate() {
            let is_so = match column.role {
                Role::CreatedBy | Role::UpdatedBy => record[at] == self.actor(table, at)?,
                Role::Version => record[at] == Value::I64(1),
                _ => true,
            };
            if !is_so {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Puts the runtime's own columns of a row that is to be updated as the session knows them, whatever the domain value
    /// says.
    ///
    /// # Errors
    /// As [`stamp_new`](Self::stamp_new).
    pub(crate) fn keep(
        &self,
        table: &TableDescriptor,
        record: &mut Record,
        current: Option<&Record>,
    ) -> Result<(), Error> {
        for (at, column) in table.columns.iter().enumerate() {
            match (column.role, current) {
                (Role::Plain | Role::Id, _) => {}
                (Role::Tenant, current) => record[at] = self.owner(table, record, at, Some(current))?,
                (_, Some(current)) => record[at] = current[at].clone(),
                (_, None) => {}
            }
        }
        Ok(())
    }

    /// Stamps a row that is to be updated.
    ///
    /// # Errors
    /// [`ActorRequired`](ErrorKind::ActorRequired), or [`Mapping`](ErrorKind::Mapping) for an actor that the column cannot
    /// hold.
    pub(crate) fn touch(&self, table: &TableDescriptor, record: &mut Record) -> Result<(), Error> {
        if let Some(at) = table.role(Role::UpdatedBy) {
            record[at] = self.actor(table, at)?;
        }
        Ok(())
    }

    /// Stamps a row that is to be soft-deleted or restored.
    ///
    /// # Errors
    /// As [`touch`](Self::touch).
    pub(crate) fn mark(&self, table: &TableDescriptor, record: &mut Record, mark: Mark) -> Result<(), Error> {
        for (at, column) in table.columns.iter().enumerate() {
            record[at] = match (column.role, mark) {
                (Role::DeletedAt, Mark::Deleted) => now(column.ty.scalar),
                (Role::DeletedBy, Mark::Deleted) => self.actor(table, at)?,
                (Role::DeletedAt | Role::DeletedBy, Mark::Restored) => Value::Null,
                _ => continue,
            };
        }
        self.touch(table, record)
    }

    /// The actor for a column; NULL without one, where the column takes it.
    ///
    /// # Errors
    /// As [`touch`](Self::touch).
    pub(crate) fn actor(&self, table: &TableDescriptor, at: usize) -> Result<Value, Error> {
        let column = &table.columns[at];
        match &self.actor {
            Some(actor) => parse(actor, column.ty, "actor").map_err(|error| Error::unstorable_value(table, at, error)),
            None if column.ty.nullable => Ok(Value::Null),
            None => {
                let message = format!(
                    "store column `{}` of `{}`: the context has no actor; set one with `RequestContext::actor` around the \
                     request, or make the field an `Option`",
                    column.name, table.name
                );
                Err(Error::new(ErrorKind::ActorRequired, message)
                    .with_table(table.name)
                    .with_columns(vec![column.name.clone()]))
            }
        }
    }

    /// The tenant of a row: that of the context, or across tenants the row's own. `stored` is given for a row that exists,
    /// with what the session knows of it; its tenant never changes.
    fn owner(
        &self,
        table: &TableDescriptor,
        record: &Record,
        at: usize,
        stored: Option<Option<&Record>>,
    ) -> Result<Value, Error> {
        let said = &record[at];
        let is_new = stored.is_none();
        let stored = stored.flatten().map(|stored| &stored[at]).filter(|tenant| !is_blank(tenant));
        match (self.tenant(table)?.as_ref().or(stored), is_blank(said)) {
            (Some(owner), true) => Ok(owner.clone()),
            (Some(owner), false) if owner == said => Ok(owner.clone()),
            (Some(_), false) => Err(self.foreign(table, record, is_new)),
            (None, true) if is_new => {
                let message = format!(
                    "add to `{}` across tenants: the row does not say whose it is; set its column `{}`, or the context's \
                     tenant",
                    table.name, table.columns[at].name
                );
                Err(Error::new(ErrorKind::TenantRequired, message).with_table(table.name))
            }
            (None, _) => Ok(said.clone()),
        }
    }

    fn foreign(&self, table: &TableDescriptor, record: &Record, is_new: bool) -> Error {
        let key: Vec<Value> = table.key.iter().map(|&at| record[at].clone()).collect();
        let id = if table.generates_key() && is_new { String::new() } else { format!(" with id {}", show_key(&key)) };
        let verb = if is_new { "add to" } else { "save to" };
        let why = if self.visibility.across_tenants {
            "it is another tenant's, and the tenant of a row never changes"
        } else {
            "it says that it is another tenant's than the context's; leave its tenant empty, or write it in that tenant's \
             context"
        };
        Error::new(ErrorKind::TenantMismatch, format!("{verb} `{}`{id}: {why}", table.name)).with_table(table.name)
    }
}

/// A first guess of a stamp that the database will set, for a reader in the same session before the flush.
fn now(scalar: ScalarType) -> Value {
    let now = crate::value::now_micros();
    match scalar {
        ScalarType::Timestamp => Value::Timestamp(now.naive_utc()),
        _ => Value::TimestampTz(now),
    }
}
