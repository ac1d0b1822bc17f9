//! Deleting rows that can be restored.

use std::panic::Location;
use std::sync::Arc;

use super::batch::{Batch, Given, queue_each};
use super::plan::{Origin, known_entry, set_version, whole};
use super::{Repository, encode};
use crate::error::Error;
use crate::mappable::{Mappable, Mapping, Revision};
use crate::schema::{Record, SoftDelete, Table};
use crate::scope::{Mark, is_deleted, tenant_of};
use crate::unit_of_work::{Change, Entry, PendingWrite, RowKey, mark_children, raised};
use crate::value::Value;

impl<Row: Table + Mappable> Repository<Row> {
    /// Queues the soft deletion of an aggregate that this session knows, if its row still has the version it was loaded
    /// with: the row is stamped with the time and the actor, its version goes up, and reads skip it from now on. Its children
    /// go along where their table knows soft deletion.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    #[track_caller]
    pub fn soft_delete(&self, domain: &mut Row::Domain) -> Result<(), Error>
    where
        Row: SoftDelete,
    {
        let session = self.writing(Row::descriptor().name)?;
        let origin = Location::caller();
        queue_each::<Row>(&session, &mut [domain], |batch, domain| {
            plan_mark::<Row>(batch, domain, Mark::Deleted, origin)
        })
    }

    /// Queues the soft deletion of several aggregates.
    ///
    /// # Errors
    /// As [`soft_delete`](Self::soft_delete); nothing at all is queued then.
    #[track_caller]
    pub fn soft_delete_all<'d>(&self, domains: impl IntoIterator<Item = &'d mut Row::Domain>) -> Result<(), Error>
    where
        Row: SoftDelete,
    {
        let origin = Location::caller();
        let session = self.writing(Row::descriptor().name)?;
        let mut domains: Vec<&mut Row::Domain> = domains.into_iter().collect();
        queue_each::<Row>(&session, &mut domains, |batch, domain| {
            plan_mark::<Row>(batch, domain, Mark::Deleted, origin)
        })
    }

    /// Queues the restoration of a soft-deleted aggregate, which a repository [`with_deleted`](Self::with_deleted) loads,
    /// if its row still has the version it was loaded with; the children that were soft-deleted with it come back as well. One
    /// that is not deleted stays as it is.
    ///
    /// # Errors
    /// As [`save`](Self::save). A unique value that was taken meanwhile is reported by the flush.
    #[track_caller]
    pub fn restore(&self, domain: &mut Row::Domain) -> Result<(), Error>
    where
        Row: SoftDelete,
    {
        let session = self.writing(Row::descriptor().name)?;
        let origin = Location::caller();
        queue_each::<Row>(&session, &mut [domain], |batch, domain| {
            plan_mark::<Row>(batch, domain, Mark::Restored, origin)
        })
    }

    /// Queues the restoration of several aggregates.
    ///
    /// # Errors
    /// As [`restore`](Self::restore); nothing at all is queued then.
    #[track_caller]
    pub fn restore_all<'d>(&self, domains: impl IntoIterator<Item = &'d mut Row::Domain>) -> Result<(), Error>
    where
        Row: SoftDelete,
    {
        let origin = Location::caller();
        let session = self.writing(Row::descriptor().name)?;
        let mut domains: Vec<&mut Row::Domain> = domains.into_iter().collect();
        queue_each::<Row>(&session, &mut domains, |batch, domain| {
            plan_mark::<Row>(batch, domain, Mark::Restored, origin)
        })
    }

    /// Soft-deletes an aggregate now; pending writes travel along.
    ///
    /// # Errors
    /// As [`soft_delete`](Self::soft_delete) and [`save_now`](Self::save_now).
    ///
    /// # Cancellation
    /// As [`add_now`](Self::add_now).
    #[track_caller]
    pub fn soft_delete_now<'a>(
        &'a self,
        domain: &'a mut Row::Domain,
    ) -> impl Future<Output = Result<(), Error>> + Send + 'a
    where
        Row: SoftDelete,
        Row::Domain: Send + Sync,
    {
        self.mark_now(vec![domain], Mark::Deleted, Location::caller())
    }

    /// Soft-deletes several aggregates now.
    ///
    /// # Errors
    /// As [`soft_delete_now`](Self::soft_delete_now).
    ///
    /// # Cancellation
    /// As [`add_now`](Self::add_now).
    #[track_caller]
    pub fn soft_delete_all_now<'a>(
        &'a self,
        domains: impl IntoIterator<Item = &'a mut Row::Domain>,
    ) -> impl Future<Output = Result<(), Error>> + Send + 'a
    where
        Row: SoftDelete,
        Row::Domain: Send + Sync,
    {
        self.mark_now(domains.into_iter().collect(), Mark::Deleted, Location::caller())
    }

    /// Restores a soft-deleted aggregate now; pending writes travel along.
    ///
    /// # Errors
    /// As [`restore`](Self::restore) and [`save_now`](Self::save_now).
    ///
    /// # Cancellation
    /// As [`add_now`](Self::add_now).
    #[track_caller]
    pub fn restore_now<'a>(&'a self, domain: &'a mut Row::Domain) -> impl Future<Output = Result<(), Error>> + Send + 'a
    where
        Row: SoftDelete,
        Row::Domain: Send + Sync,
    {
        self.mark_now(vec![domain], Mark::Restored, Location::caller())
    }

    /// Restores several soft-deleted aggregates now.
    ///
    /// # Errors
    /// As [`restore_now`](Self::restore_now).
    ///
    /// # Cancellation
    /// As [`add_now`](Self::add_now).
    #[track_caller]
    pub fn restore_all_now<'a>(
        &'a self,
        domains: impl IntoIterator<Item = &'a mut Row::Domain>,
    ) -> impl Future<Output = Result<(), Error>> + Send + 'a
    where
        Row: SoftDelete,
        Row::Domain: Send + Sync,
    {
        self.mark_now(domains.into_iter().collect(), Mark::Restored, Location::caller())
    }

    async fn mark_now(&self, mut domains: Vec<&mut Row::Domain>, mark: Mark, origin: Origin) -> Result<(), Error>
    where
        Row::Domain: Send + Sync,
    {
        self.each_at_once(&mut domains, |batch, domain| plan_mark::<Row>(batch, domain, mark, origin)).await
    }
}

/// An UPDATE that changes nothing but whether the row lives.
fn plan_mark<Row: Table + Mappable>(
    batch: &mut Batch<'_>,
    domain: &Row::Domain,
    mark: Mark,
    origin: Origin,
) -> Result<Given, Error> {
    let session = batch.session;
    session.check_writable()?;
    let table = Row::descriptor();
    let row = Row::merge(domain, None);
    let key = RowKey::new(table, Row::encode_id(&row.id())?);
    let revision = Row::revision(domain);
    let mut view = session.clone();
    // What restoring is about is deleted.
    view.visibility.with_deleted |= mark == Mark::Restored;
    let entry = known_entry(batch, &view.scope(), table, &key, revision.as_ref(), mark.verb())?;
    // Whatever the row was, an upsert leaves one that lives, and tells nothing of it.
    let is_upserted = matches!(batch.pending(&key), Some(Change::Upsert { .. }));
    if is_upserted && mark == Mark::Restored {
        return Ok(None);
    }
    // Of a row that was attached the session knows no more than the copy says, which is nothing of deletion.
    if let Some(current) = &entry.current
        && is_deleted(table, current) == (mark == Mark::Deleted)
        && !(entry.partial && entry.stored.is_none())
    {
        return Ok(None);
    }
    let scope = session.scope();
    // Children may have gone to others since it was read, or are to go.
    let known = if entry.queued.is_any() {
        &entry.current
    } else {
        entry.stored.as_ref().map_or(&entry.current, |_| &entry.stored)
    };
    let mut record = match known {
        Some(known) if !is_upserted => {
            let mut record = Record::clone(known);
            session.state().leave_out_given(session.depth, table, &key, &mut record);
            record
        }
        _ => {
            // The children are those that there are.
            let mut record = whole(session, table, encode(&row)?)?.without_children();
            scope.keep(table, &mut record, None)?;
            record
        }
    };
    let is_loaded = entry.stored.is_some();
    let before = table.deleted_at().map_or(Value::Null, |at| record[at].clone());
    scope.mark(table, &mut record, mark)?;
    let now = table.deleted_at().map_or(Value::Null, |at| record[at].clone());
    mark_children(&scope, table, mark, if mark == Mark::Deleted { &now } else { &before }, &mut record)?;
    let next = entry.version.map(|version| raised(table, version, true)).transpose()?;
    if let Some(next) = next {
        set_version(table, &mut record, next);
    }
    let saves = entry.saves + 1;
    let tenant = tenant_of(table, &record);
    let mut reach = scope.reach(table, tenant.as_ref())?;
    reach.live = mark == Mark::Deleted;
    reach.mark = Some(mark);
    let record = Arc::new(record);
    let queued = Entry { current: Some(Arc::clone(&record)), saves, tenant, ..entry };
    // Of a copy that was not loaded here nothing is written but the mark.
    let columns = if is_loaded { Row::mapping() } else { Mapping::NOTHING };
    let change = Change::Update { record, columns };
    let write = PendingWrite { table, key: Some(key.clone()), change, origin, reach, told: None, again: false };
    batch.queue(write, Some((key.clone(), queued)))?;
    Ok(next.map(|version| (key, Revision::of(Some(version), saves))))
}
