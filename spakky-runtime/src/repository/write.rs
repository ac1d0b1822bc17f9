//! Queueing writes.

use std::panic::Location;

use super::Repository;
use super::batch::queue_each;
use super::find::no_version;
use super::plan::{Saving, check_not_undone, guard, plan_add, plan_delete, plan_save, plan_upsert, queue_delete_keys};
use crate::error::{Error, ErrorKind};
use crate::mappable::Mappable;
use crate::schema::Table;
use crate::unit_of_work::{Entry, RowKey, show_key};

impl<Row: Table + Mappable> Repository<Row> {
    /// Queues the INSERT of a new aggregate. No I/O: the database's verdict comes with the flush, or from
    /// [`add_now`](Self::add_now).
    ///
    /// An id that the database assigns is drawn when the aggregate is sent: its children get it, and the session knows the
    /// row by it from then on, but the aggregate in hand does not. Use [`add_now`](Self::add_now) to have it there.
    ///
    /// # Errors
    /// [`is_no_session`](Error::is_no_session) outside a scope, [`is_read_only`](Error::is_read_only) in one that only reads,
    /// [`is_mapping`](Error::is_mapping) for a value that cannot be stored,
    /// [`is_unique_violation`](Error::is_unique_violation) if this session already has an aggregate with this id.
    #[track_caller]
    pub fn add(&self, domain: &mut Row::Domain) -> Result<(), Error> {
        let session = self.writing(Row::descriptor().name)?;
        let origin = Location::caller();
        queue_each::<Row>(&session, &mut [domain], |batch, domain| plan_add::<Row>(batch, domain, origin, None))
    }

    /// Queues the INSERT of several new aggregates: one statement, however many.
    ///
    /// # Errors
    /// As [`add`](Self::add); nothing at all is queued then.
    #[track_caller]
    pub fn add_all<'d>(&self, domains: impl IntoIterator<Item = &'d mut Row::Domain>) -> Result<(), Error> {
        let origin = Location::caller();
        let session = self.writing(Row::descriptor().name)?;
        let mut domains: Vec<&mut Row::Domain> = domains.into_iter().collect();
        queue_each::<Row>(&session, &mut domains, |batch, domain| plan_add::<Row>(batch, domain, origin, None))
    }

    /// Queues the UPDATE of an aggregate that this session knows: loaded here, attached, or holding a
    /// [`Revision`](crate::Revision). Only changed columns are written; without a change there is no statement.
    ///
    /// # Errors
    /// [`is_not_loaded`](Error::is_not_loaded), [`is_stale_copy`](Error::is_stale_copy), and as [`add`](Self::add). A
    /// conflict with another transaction comes with the flush: [`is_conflict`](Error::is_conflict).
    #[track_caller]
    pub fn save(&self, domain: &mut Row::Domain) -> Result<(), Error> {
        let session = self.writing(Row::descriptor().name)?;
        let origin = Location::caller();
        queue_each::<Row>(&session, &mut [domain], |batch, domain| {
            plan_save::<Row>(batch, domain, Saving::queued(origin))
        })
    }

    /// Queues the UPDATE of several aggregates.
    ///
    /// # Errors
    /// As [`save`](Self::save); nothing at all is queued then.
    #[track_caller]
    pub fn save_all<'d>(&self, domains: impl IntoIterator<Item = &'d mut Row::Domain>) -> Result<(), Error> {
        let origin = Location::caller();
        let session = self.writing(Row::descriptor().name)?;
        let mut domains: Vec<&mut Row::Domain> = domains.into_iter().collect();
        queue_each::<Row>(&session, &mut domains, |batch, domain| {
            plan_save::<Row>(batch, domain, Saving::queued(origin))
        })
    }

    /// Tells the session that `domain` is what the row held at `version`, so that it can be saved without being loaded: all
    /// its mapped columns are written, if the row still has that version; under that of
    /// [`ETag::ANY`](crate::http::ETag::ANY), if the row is there.
    ///
    /// # Errors
    /// [`is_invalid_query`](Error::is_invalid_query) on a table without a version, and as [`add`](Self::add).
    pub fn attach(&self, domain: &Row::Domain, version: i64) -> Result<(), Error> {
        let table = Row::descriptor();
        if table.version.is_none() {
            return Err(no_version(table.name));
        }
        let session = self.writing(table.name)?;
        session.check_writable()?;
        let row = Row::merge(domain, None);
        let tenant = session.scope().tenant(table)?;
        let key = RowKey::new(table, Row::encode_id(&row.id())?);
        check_not_undone(&session, table, &key, version, "attach")?;
        if session.known(&key).is_some_and(|entry| entry.queued.is_any()) {
            let shown = show_key(&key);
            let message = format!("attach `{}` with id {shown}: a write of it is queued; flush it before", table.name);
            return Err(Error::new(ErrorKind::InvalidQuery, message).with_table(table.name).with_ids(vec![shown]));
        }
        let version = guard(version);
        // What was loaded here is there, and its own version guards it.
        if version.is_none() && session.known(&key).is_some_and(|entry| !entry.deleted) {
            return Ok(());
        }
        session.state().map.insert(session.depth, key, Entry::attached(version).of(tenant));
        Ok(())
    }

    /// Queues the UPDATE of an aggregate from another request, if its row still has `version` (an `If-Match`). Under the version
    /// of [`ETag::ANY`](crate::http::ETag::ANY) it is written if its row is there, and which version it then has is known when
    /// it is read again.
    ///
    /// # Errors
    /// As [`attach`](Self::attach) and [`save`](Self::save). That the row has another version comes with the flush:
    /// [`is_conflict`](Error::is_conflict).
    #[track_caller]
    pub fn save_if(&self, domain: &mut Row::Domain, version: i64) -> Result<(), Error> {
        self.attach(domain, version)?;
        let session = self.writing(Row::descriptor().name)?;
        let saving = Saving { version: guard(version), ..Saving::queued(Location::caller()) };
        queue_each::<Row>(&session, &mut [domain], |batch, domain| plan_save::<Row>(batch, domain, saving.clone()))
    }

    /// Queues an INSERT that becomes an UPDATE of the mapped columns if the id is taken, whatever its version.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    #[track_caller]
    pub fn upsert(&self, domain: &mut Row::Domain) -> Result<(), Error> {
        let session = self.writing(Row::descriptor().name)?;
        let origin = Location::caller();
        queue_each::<Row>(&session, &mut [domain], |batch, domain| plan_upsert::<Row>(batch, domain, origin))
    }

    /// Queues several upserts.
    ///
    /// # Errors
    /// As [`upsert`](Self::upsert); nothing at all is queued then.
    #[track_caller]
    pub fn upsert_all<'d>(&self, domains: impl IntoIterator<Item = &'d mut Row::Domain>) -> Result<(), Error> {
        let origin = Location::caller();
        let session = self.writing(Row::descriptor().name)?;
        let mut domains: Vec<&mut Row::Domain> = domains.into_iter().collect();
        queue_each::<Row>(&session, &mut domains, |batch, domain| plan_upsert::<Row>(batch, domain, origin))
    }

    /// Queues the DELETE of an aggregate that this session knows, if its row still has the version it was loaded with. The
    /// row is gone for good; see [`soft_delete`](Self::soft_delete) for one that can be restored.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    #[track_caller]
    pub fn delete(&self, domain: &mut Row::Domain) -> Result<(), Error> {
        let session = self.writing(Row::descriptor().name)?;
        let origin = Location::caller();
        queue_each::<Row>(&session, &mut [domain], |batch, domain| plan_delete::<Row>(batch, domain, origin))
    }

    /// Queues the DELETE of several aggregates.
    ///
    /// # Errors
    /// As [`delete`](Self::delete); nothing at all is queued then.
    #[track_caller]
    pub fn delete_all<'d>(&self, domains: impl IntoIterator<Item = &'d mut Row::Domain>) -> Result<(), Error> {
        let origin = Location::caller();
        let session = self.writing(Row::descriptor().name)?;
        let mut domains: Vec<&mut Row::Domain> = domains.into_iter().collect();
        queue_each::<Row>(&session, &mut domains, |batch, domain| plan_delete::<Row>(batch, domain, origin))
    }

    /// Queues the DELETE of the row with this id, whatever its version, and whether or not there is one.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    #[track_caller]
    pub fn delete_by_id(&self, id: Row::Id) -> Result<(), Error> {
        let session = self.writing(Row::descriptor().name)?;
        queue_delete_keys::<Row>(&session, [Row::encode_id(&id)?], Location::caller())
    }

    /// Queues the DELETE of the rows with these ids.
    ///
    /// # Errors
    /// As [`delete_by_id`](Self::delete_by_id); nothing at all is queued then.
    #[track_caller]
    pub fn delete_all_by_id(&self, ids: impl IntoIterator<Item = Row::Id>) -> Result<(), Error> {
        let origin = Location::caller();
        let session = self.writing(Row::descriptor().name)?;
        let keys = ids.into_iter().map(|id| Row::encode_id(&id)).collect::<Result<Vec<_>, Error>>()?;
        queue_delete_keys::<Row>(&session, keys, origin)
    }
}
