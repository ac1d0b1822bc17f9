//! Writes that are executed at the call.

use std::panic::Location;

use super::batch::{Batch, queue_each};
use super::find::no_version;
use super::write::{Origin, plan_add, plan_delete, plan_save, plan_upsert, queue_children, queue_delete_keys, whole};
use super::{Repository, canonical, encode};
use crate::backend::Statement;
use crate::error::{Error, ErrorKind};
use crate::mappable::{Mappable, Mapping, Revision};
use crate::mutation::Mutation;
use crate::schema::Table;
use crate::session::{ScopeGuard, Session};
use crate::statement::insert_returning;
use crate::transaction::TransactionOptions;
use crate::unit_of_work::{Entry, RowKey, adopt, check, insertable, key_of, stamp_children, version_of};

/// Where a call executes: in a scope, or in a transaction of its own.
struct Executing {
    session: Session,
    own: Option<ScopeGuard>,
}

impl Executing {
    /// Sends what was queued, and commits if the transaction is the call's own. After a failure it is undone.
    async fn finish(mut self, done: Result<(), Error>) -> Result<(), Error> {
        let Some(mut guard) = self.own.take() else {
            done?;
            return self.session.flush().await;
        };
        let result = match done {
            Ok(()) => self.session.commit().await,
            Err(error) => {
                self.session.rollback().await;
                Err(error)
            }
        };
        guard.disarm();
        result
    }
}

impl<Row: Table + Mappable> Repository<Row> {
    async fn executing(&self) -> Result<Executing, Error> {
        let table = Row::descriptor().name;
        match self.place() {
            None if self.autocommit => {
                let session = match self.manager.open_root(&TransactionOptions::new().name("autocommit"), 1) {
                    Ok(session) => session,
                    Err(opening) => opening.await?,
                };
                let session = Session { visibility: self.visibility, ..session };
                let guard = ScopeGuard::new(&session);
                Ok(Executing { session, own: Some(guard) })
            }
            None => self.writing(table).map(|session| Executing { session, own: None }),
            Some(session) => Ok(Executing { session, own: None }),
        }
    }

    /// Queues with `queue` and executes, with all else that is pending.
    pub(super) async fn at_once(&self, queue: impl FnOnce(&Session) -> Result<(), Error>) -> Result<(), Error> {
        let executing = self.executing().await?;
        let queued = queue(&executing.session);
        executing.finish(queued).await
    }

    /// Queues a write of each of these aggregates and executes, with all else that is pending.
    pub(super) async fn each_at_once(
        &self,
        domains: &mut [&mut Row::Domain],
        plan: impl Fn(&mut Batch<'_>, &Row::Domain) -> Result<Option<Revision>, Error>,
    ) -> Result<(), Error> {
        self.at_once(|session| queue_each::<Row>(session, domains, plan)).await
    }

    /// Inserts a new aggregate now; pending writes travel along. If the database assigns the id, the aggregate is replaced
    /// by what was stored, id included.
    ///
    /// # Errors
    /// What [`add`](Self::add) gives, and the database's verdict. The scope can then only be rolled back, unless it is a
    /// nested one.
    ///
    /// # Cancellation
    /// Dropping the future after the statement was sent leaves the scope rollback-only.
    #[track_caller]
    pub fn add_now<'a>(&'a self, domain: &'a mut Row::Domain) -> impl Future<Output = Result<(), Error>> + Send + 'a
    where
        Row::Domain: Send + Sync,
    {
        let origin = Location::caller();
        async move { self.insert_now(&mut [domain], origin).await }
    }

    /// Inserts several new aggregates now: one statement, or one for each where the database assigns the ids, all in one
    /// round trip.
    ///
    /// # Errors
    /// As [`add_now`](Self::add_now).
    ///
    /// # Cancellation
    /// As [`add_now`](Self::add_now).
    #[track_caller]
    pub fn add_all_now<'a>(
        &'a self,
        domains: impl IntoIterator<Item = &'a mut Row::Domain>,
    ) -> impl Future<Output = Result<(), Error>> + Send + 'a
    where
        Row::Domain: Send + Sync,
    {
        let origin = Location::caller();
        let mut domains: Vec<&'a mut Row::Domain> = domains.into_iter().collect();
        async move { self.insert_now(&mut domains, origin).await }
    }

    async fn insert_now(&self, domains: &mut [&mut Row::Domain], origin: Origin) -> Result<(), Error> {
        if !Row::descriptor().generates_key() {
            let executing = self.executing().await?;
            let queued =
                queue_each::<Row>(&executing.session, domains, |batch, domain| plan_add::<Row>(batch, domain, origin));
            return executing.finish(queued).await;
        }
        let executing = self.executing().await?;
        executing.session.check_writable()?;
        let inserted = self.insert_generated(&executing.session, domains, origin).await;
        executing.finish(inserted).await
    }

    /// Inserts rows whose ids the database assigns. Each has a statement of its own, since the rows that one statement
    /// returns come in no promised order; they travel together.
    async fn insert_generated(
        &self,
        session: &Session,
        domains: &mut [&mut Row::Domain],
        origin: Origin,
    ) -> Result<(), Error> {
        let table = Row::descriptor();
        let backend = self.manager.backend();
        let columns = insertable(table, Row::mapping());
        let mut statements: Vec<Statement> = Vec::with_capacity(domains.len());
        let mut given = Vec::with_capacity(domains.len());
        for domain in domains.iter() {
            let mut record = whole(session, table, encode(&Row::merge(domain, None))?)?;
            session.scope().stamp_new(table, &mut record)?;
            statements.push(insert_returning(backend, table, &columns, &record));
            given.push(record);
        }
        let answers = session.insert_returning(table, origin, statements).await?;
        for ((domain, mut given), answer) in domains.iter_mut().zip(given).zip(answers) {
            let Some(record) = answer.rows.into_iter().next() else {
                let message = format!("insert into `{}`: the database returned no row", table.name);
                return Err(Error::new(ErrorKind::Database, message).with_table(table.name));
            };
            let mut record = canonical(table, record, backend)?;
            record.set_children(given.take_children());
            adopt(table, &mut record);
            check(table, &record)?;
            stamp_children(&session.scope(), table, Mapping::WHOLE, None, &mut record)?;
            let key = RowKey::new(table, key_of(table, &record));
            let version = version_of(table, &record);
            let entry = Entry::loaded(table, std::sync::Arc::new(record.clone()));
            let event = Mutation::inserted(table, &columns, &record);
            {
                let mut state = session.state();
                state.map.insert(session.depth, key, entry);
                if let Some(frame) = state.frames.get_mut(session.depth) {
                    frame.hooks.mutations.push(event);
                }
            }
            queue_children::<Row>(session, &record, origin)?;
            **domain = self.domain(record, 0)?;
            if version.is_some() {
                Row::set_revision(domain, Revision { version, save: 0 });
            }
        }
        Ok(())
    }

    /// Updates an aggregate now; pending writes travel along.
    ///
    /// # Errors
    /// What [`save`](Self::save) gives, and the database's verdict: [`is_conflict`](Error::is_conflict) if another
    /// transaction was faster.
    ///
    /// # Cancellation
    /// As [`add_now`](Self::add_now).
    #[track_caller]
    pub fn save_now<'a>(&'a self, domain: &'a mut Row::Domain) -> impl Future<Output = Result<(), Error>> + Send + 'a
    where
        Row::Domain: Send + Sync,
    {
        let origin = Location::caller();
        async move { self.each_at_once(&mut [domain], |batch, domain| plan_save::<Row>(batch, domain, origin)).await }
    }

    /// Updates several aggregates now.
    ///
    /// # Errors
    /// As [`save_now`](Self::save_now); a conflict lists every id that missed.
    ///
    /// # Cancellation
    /// As [`add_now`](Self::add_now).
    #[track_caller]
    pub fn save_all_now<'a>(
        &'a self,
        domains: impl IntoIterator<Item = &'a mut Row::Domain>,
    ) -> impl Future<Output = Result<(), Error>> + Send + 'a
    where
        Row::Domain: Send + Sync,
    {
        let origin = Location::caller();
        let mut domains: Vec<&'a mut Row::Domain> = domains.into_iter().collect();
        async move { self.each_at_once(&mut domains, |batch, domain| plan_save::<Row>(batch, domain, origin)).await }
    }

    /// Updates an aggregate from another request now, if its row still has `version`. With
    /// [`autocommit`](Self::autocommit) it is a whole unit of work in one round trip.
    ///
    /// # Errors
    /// As [`save_if`](Self::save_if) and [`save_now`](Self::save_now).
    ///
    /// # Cancellation
    /// As [`add_now`](Self::add_now).
    #[track_caller]
    pub fn save_if_now<'a>(
        &'a self,
        domain: &'a mut Row::Domain,
        version: i64,
    ) -> impl Future<Output = Result<(), Error>> + Send + 'a
    where
        Row::Domain: Send + Sync,
    {
        let origin = Location::caller();
        async move {
            if Row::descriptor().version.is_none() {
                return Err(no_version(Row::descriptor().name));
            }
            let executing = self.executing().await?;
            let here = self.in_session(&executing.session);
            let queued = here.attach(domain, version).and_then(|()| {
                Row::set_revision(domain, Revision { version: Some(version), save: 0 });
                queue_each::<Row>(&executing.session, &mut [domain], |batch, domain| {
                    plan_save::<Row>(batch, domain, origin)
                })
            });
            executing.finish(queued).await
        }
    }

    /// Inserts or updates an aggregate now; pending writes travel along.
    ///
    /// # Errors
    /// As [`add_now`](Self::add_now).
    ///
    /// # Cancellation
    /// As [`add_now`](Self::add_now).
    #[track_caller]
    pub fn upsert_now<'a>(&'a self, domain: &'a mut Row::Domain) -> impl Future<Output = Result<(), Error>> + Send + 'a
    where
        Row::Domain: Send + Sync,
    {
        let origin = Location::caller();
        async move { self.each_at_once(&mut [domain], |batch, domain| plan_upsert::<Row>(batch, domain, origin)).await }
    }

    /// Inserts or updates several aggregates now.
    ///
    /// # Errors
    /// As [`add_now`](Self::add_now).
    ///
    /// # Cancellation
    /// As [`add_now`](Self::add_now).
    #[track_caller]
    pub fn upsert_all_now<'a>(
        &'a self,
        domains: impl IntoIterator<Item = &'a mut Row::Domain>,
    ) -> impl Future<Output = Result<(), Error>> + Send + 'a
    where
        Row::Domain: Send + Sync,
    {
        let origin = Location::caller();
        let mut domains: Vec<&'a mut Row::Domain> = domains.into_iter().collect();
        async move { self.each_at_once(&mut domains, |batch, domain| plan_upsert::<Row>(batch, domain, origin)).await }
    }

    /// Deletes an aggregate now; pending writes travel along.
    ///
    /// # Errors
    /// As [`delete`](Self::delete) and [`save_now`](Self::save_now).
    ///
    /// # Cancellation
    /// As [`add_now`](Self::add_now).
    #[track_caller]
    pub fn delete_now<'a>(&'a self, domain: &'a mut Row::Domain) -> impl Future<Output = Result<(), Error>> + Send + 'a
    where
        Row::Domain: Send + Sync,
    {
        let origin = Location::caller();
        async move { self.each_at_once(&mut [domain], |batch, domain| plan_delete::<Row>(batch, domain, origin)).await }
    }

    /// Deletes several aggregates now.
    ///
    /// # Errors
    /// As [`delete_now`](Self::delete_now).
    ///
    /// # Cancellation
    /// As [`add_now`](Self::add_now).
    #[track_caller]
    pub fn delete_all_now<'a>(
        &'a self,
        domains: impl IntoIterator<Item = &'a mut Row::Domain>,
    ) -> impl Future<Output = Result<(), Error>> + Send + 'a
    where
        Row::Domain: Send + Sync,
    {
        let origin = Location::caller();
        let mut domains: Vec<&'a mut Row::Domain> = domains.into_iter().collect();
        async move { self.each_at_once(&mut domains, |batch, domain| plan_delete::<Row>(batch, domain, origin)).await }
    }

    /// Deletes the row with this id now, whatever its version, and whether or not there is one.
    ///
    /// # Errors
    /// As [`add_now`](Self::add_now).
    ///
    /// # Cancellation
    /// As [`add_now`](Self::add_now).
    #[track_caller]
    pub fn delete_by_id_now(&self, id: Row::Id) -> impl Future<Output = Result<(), Error>> + Send + '_ {
        let origin = Location::caller();
        async move {
            let key = Row::encode_id(&id)?;
            self.at_once(|session| queue_delete_keys::<Row>(session, [key], origin)).await
        }
    }
}
