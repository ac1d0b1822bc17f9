//! Writes that are executed at the call.

use std::panic::Location;

use super::Repository;
use super::batch::{Batch, Given, give, plan_each};
use super::find::no_version;
use super::plan::{Origin, Saving, guard, plan_add, plan_delete, plan_save, plan_upsert, queue_delete_keys};
use crate::error::{Error, ErrorKind};
use crate::mappable::{Mappable, Revision};
use crate::schema::{Record, Table};
use crate::session::{ScopeGuard, Session};
use crate::transaction::TransactionOptions;
use crate::unit_of_work::{RowKey, Told, draws_keys, key_of, untold};

/// Where a call executes: in a scope, or in a transaction of its own.
pub(super) struct Executing {
    pub(super) session: Session,
    own: Option<ScopeGuard>,
}

impl Executing {
    /// The scope that may yet be undone, if the transaction is not the call's own.
    fn scope(&self) -> Option<Session> {
        self.own.is_none().then(|| self.session.clone())
    }

    /// Sends what was queued, and commits if the transaction is the call's own. After a failure it is undone.
    pub(super) async fn finish(mut self, done: Result<(), Error>) -> Result<(), Error> {
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
    pub(super) async fn executing(&self) -> Result<Executing, Error> {
        let table = Row::descriptor().name;
        match self.place() {
            None if self.autocommit => {
                let session = match self.manager.open_root(&TransactionOptions::new().name("autocommit"), 1) {
                    Ok(session) => session,
                    Err(opening) => opening.await?,
                };
                let session = Session { visibility: self.visibility, ..session };
                let guard = ScopeGuard::new(&session);
                session.state().is_call = true;
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
        plan: impl Fn(&mut Batch<'_>, &Row::Domain) -> Result<Given, Error>,
    ) -> Result<(), Error> {
        let executing = self.executing().await?;
        self.each_in(executing, domains, plan).await
    }

    /// The same where a call executes. The aggregates are told what they are once the database has it.
    async fn each_in(
        &self,
        executing: Executing,
        domains: &mut [&mut Row::Domain],
        plan: impl Fn(&mut Batch<'_>, &Row::Domain) -> Result<Given, Error>,
    ) -> Result<(), Error> {
        let scope = executing.scope();
        let (queued, given) = match plan_each::<Row>(&executing.session, domains, plan) {
            Ok(given) => (Ok(()), given),
            Err(error) => (Err(error), Vec::new()),
        };
        executing.finish(queued).await?;
        give::<Row>(scope.as_ref(), domains, given);
        Ok(())
    }

    /// Saves aggregates and tells them the ids that the database assigns to their new children.
    async fn save_each_now(
        &self,
        executing: Executing,
        domains: &mut [&mut Row::Domain],
        saving: Saving,
    ) -> Result<(), Error> {
        if !draws_keys(Row::descriptor()) {
            return self
                .each_in(executing, domains, |batch, domain| plan_save::<Row>(batch, domain, saving.clone()))
                .await;
        }
        let is_committed = executing.own.is_some();
        let mut told = Vec::with_capacity(domains.len());
        domains.iter().for_each(|_| told.push(Told::default()));
        let next = std::sync::atomic::AtomicUsize::new(0);
        let plan = |batch: &mut Batch<'_>, domain: &Row::Domain| {
            let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            plan_save::<Row>(batch, domain, Saving { told: told.get(number).cloned(), ..saving.clone() })
        };
        self.each_in(executing, domains, plan).await?;
        for (domain, told) in domains.iter_mut().zip(told) {
            if let Some(stored) = told.take_with_new_ids().map_err(|error| as_stored::<Row>(is_committed, error))? {
                let revision = Row::revision(domain);
                **domain = self.domain(stored, 1).map_err(|error| as_stored::<Row>(is_committed, error))?;
                if let Some(revision) = revision {
                    Row::set_revision(domain, revision);
                }
            }
        }
        Ok(())
    }

    /// Inserts a new aggregate now; pending writes travel along. If the database assigns its id, or those of its children,
    /// the aggregate is replaced by what was stored, ids included.
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

    /// Inserts several new aggregates now: one statement for each table, all in one round trip.
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
        if draws_keys(Row::descriptor()) {
            return self.insert_drawn(domains, origin).await;
        }
        self.each_at_once(domains, |batch, domain| plan_add::<Row>(batch, domain, origin, None)).await
    }

    /// Inserts aggregates in which the database assigns ids, and makes them what was stored.
    async fn insert_drawn(&self, domains: &mut [&mut Row::Domain], origin: Origin) -> Result<(), Error> {
        let mut planned = Vec::with_capacity(domains.len());
        let is_committed = self.place().is_none();
        self.at_once(|session| {
            let mut batch = Batch::new(session);
            for domain in domains.iter() {
                let told = Told::default();
                let revision = plan_add::<Row>(&mut batch, domain, origin, Some(told.clone()))?;
                planned.push((told, revision));
            }
            batch.finish()
        })
        .await?;
        let table = Row::descriptor();
        let mut stored = Vec::with_capacity(planned.len());
        for (told, given) in planned {
            let saves = given.as_ref().map_or(0, |(_, revision)| revision.save);
            let of_record = |record: Record| {
                let key = RowKey::new(table, key_of(table, &record));
                self.domain(record, saves).map(|domain| (key, domain))
            };
            let domain = match told.take() {
                Some(record) => record.and_then(of_record).map(Ok),
                // The row was there before, and has no child whose id the database gave.
                None if !table.generates_key() => Ok(Err(given)),
                None => Err(untold(table)),
            };
            stored.push(domain.map_err(|error| as_stored::<Row>(is_committed, error))?);
        }
        let scope = self.place();
        for (domain, stored) in domains.iter_mut().zip(stored) {
            match stored {
                Ok((key, stored)) => {
                    let before = Row::revision(domain);
                    **domain = stored;
                    if let (Some(before), Some(now), true) = (before, Row::revision(domain), scope.is_some()) {
                        // The scope may yet be undone.
                        Row::set_revision(domain, before);
                        let now = Revision::of(now.version(), now.save);
                        give::<Row>(scope.as_ref(), std::slice::from_mut(domain), vec![Some((key, now))]);
                    }
                }
                Err(given) => give::<Row>(scope.as_ref(), std::slice::from_mut(domain), vec![given]),
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
        async move {
            let executing = self.executing().await?;
            self.save_each_now(executing, &mut [domain], Saving::queued(origin)).await
        }
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
        async move {
            let executing = self.executing().await?;
            self.save_each_now(executing, &mut domains, Saving::queued(origin)).await
        }
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
            if let Err(error) = self.in_session(&executing.session).attach(domain, version) {
                return executing.finish(Err(error)).await;
            }
            let saving = Saving { version: guard(version), ..Saving::queued(origin) };
            self.save_each_now(executing, &mut [domain], saving).await
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

/// The error of new rows that cannot be read back, which says so where they are committed all the same.
fn as_stored<Row: Table>(is_committed: bool, error: Error) -> Error {
    if !is_committed {
        return error;
    }
    let table = Row::descriptor().name;
    let message = format!("read back what was inserted into `{table}`, which is stored: {error}");
    Error::new(ErrorKind::PostCommit, message)
        .with_table(table)
        .with_columns(error.columns().to_vec())
        .with_source(error)
}
