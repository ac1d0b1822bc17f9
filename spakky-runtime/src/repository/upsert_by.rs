//! Upserts that find the row by a unique key instead of its id.

use std::panic::Location;
use std::sync::Arc;

use super::batch::{Batch, Given, queue_each};
use super::plan::{Origin, set_version, whole};
use super::{Repository, encode};
use crate::error::{Error, ErrorKind};
use crate::mappable::Mappable;
use crate::query::{Comparison, Condition, Term};
use crate::schema::{Record, Table, TableDescriptor, UniqueKey, canonical};
use crate::scope::{Reach, tenant_of};
use crate::session::{Call, Session};
use crate::statement::Select;
use crate::suggest::closest;
use crate::unit_of_work::{Change, PendingWrite, insertable, key_of};
use crate::value::Value;

impl<Row: Table + Mappable> Repository<Row> {
    /// Queues an INSERT that becomes an UPDATE of the mapped columns if a row has the same values in a unique key, which is
    /// named by its constant: `customers.upsert_by(CustomerRow::UQ_EMAIL, &mut customer)`.
    ///
    /// The row that is found keeps its id, and the one that `domain` has is not used; a new row gets it, or one from the
    /// database where that assigns them. Which it was, [`upsert_by_now`](Self::upsert_by_now) tells. The row has to be the
    /// tenant's own and not soft-deleted, else the flush fails with [`is_conflict`](Error::is_conflict); where the key is one
    /// of living rows, a soft-deleted row does not hold its values.
    ///
    /// # Errors
    /// As [`add`](Self::add), and [`is_invalid_query`](Error::is_invalid_query) if the table has no such key, for a NULL in
    /// it, and for a table with children, which need the id of their row.
    #[track_caller]
    pub fn upsert_by(&self, unique: &str, domain: &mut Row::Domain) -> Result<(), Error> {
        let origin = Location::caller();
        let session = self.writing(Row::descriptor().name)?;
        queue::<Row>(&session, unique, &mut [domain], origin)
    }

    /// Queues several upserts by a unique key.
    ///
    /// # Errors
    /// As [`upsert_by`](Self::upsert_by); nothing at all is queued then.
    #[track_caller]
    pub fn upsert_all_by<'d>(
        &self,
        unique: &str,
        domains: impl IntoIterator<Item = &'d mut Row::Domain>,
    ) -> Result<(), Error> {
        let origin = Location::caller();
        let session = self.writing(Row::descriptor().name)?;
        queue::<Row>(&session, unique, &mut domains.into_iter().collect::<Vec<_>>(), origin)
    }

    /// Inserts or updates by a unique key now, as [`upsert_by`](Self::upsert_by) does, and replaces the aggregate by what is
    /// stored then: with the id and the version of its row. Pending writes travel along.
    ///
    /// # Errors
    /// As [`upsert_by`](Self::upsert_by) and [`add_now`](Self::add_now).
    ///
    /// # Cancellation
    /// As [`add_now`](Self::add_now).
    #[track_caller]
    pub fn upsert_by_now<'a>(
        &'a self,
        unique: &'a str,
        domain: &'a mut Row::Domain,
    ) -> impl Future<Output = Result<(), Error>> + Send + 'a
    where
        Row::Domain: Send + Sync,
    {
        let origin = Location::caller();
        async move { self.merge_now(unique, &mut [domain], origin).await }
    }

    /// Inserts or updates several aggregates by a unique key now.
    ///
    /// # Errors
    /// As [`upsert_by_now`](Self::upsert_by_now).
    ///
    /// # Cancellation
    /// As [`add_now`](Self::add_now).
    #[track_caller]
    pub fn upsert_all_by_now<'a>(
        &'a self,
        unique: &'a str,
        domains: impl IntoIterator<Item = &'a mut Row::Domain>,
    ) -> impl Future<Output = Result<(), Error>> + Send + 'a
    where
        Row::Domain: Send + Sync,
    {
        let origin = Location::caller();
        let mut domains: Vec<&'a mut Row::Domain> = domains.into_iter().collect();
        async move { self.merge_now(unique, &mut domains, origin).await }
    }

    async fn merge_now(&self, unique: &str, domains: &mut [&mut Row::Domain], origin: Origin) -> Result<(), Error> {
        let executing = self.executing().await?;
        let done = match queue::<Row>(&executing.session, unique, domains, origin) {
            Ok(()) => self.read_merged(&executing.session, unique, domains).await,
            Err(error) => Err(error),
        };
        executing.finish(done).await
    }

    /// Sends what is queued and reads the rows behind it.
    async fn read_merged(
        &self,
        session: &Session,
        unique: &str,
        domains: &mut [&mut Row::Domain],
    ) -> Result<(), Error> {
        let (table, backend) = (Row::descriptor(), self.manager.backend());
        let by = &table.uniques[position(table, unique)?];
        let mut wanted = Vec::with_capacity(domains.len());
        for domain in domains.iter() {
            let mut record = encode(&Row::merge(domain, None))?;
            session.scope().stamp_new(table, &mut record)?;
            wanted.push(by.values(table, &record));
        }
        let any = Condition::Any(wanted.iter().map(|values| holds(by, values)).collect());
        let condition = session.scope().narrow(table, any)?;
        let statements = vec![super::query::unnamed(Select::filtered(table, condition).rows(backend)?)];
        let call = Call { statements, flush: true, writes: true, transaction: true };
        let answers = session.execute(call).await.map_err(|error| error.with_ahead_of_query(false))?;
        let rows = answers.into_iter().flat_map(|answer| answer.rows);
        let records = rows.map(|row| canonical(table, row, backend)).collect::<Result<Vec<Record>, Error>>()?;
        self.forget(session, &records);
        let places = self.places_of(session, by, &wanted, &records).await?;
        for (domain, place) in domains.iter_mut().zip(places) {
            let Some(record) = place.map(|at| &records[at]) else {
                let message = format!("upsert into `{}`: the database returned no row", table.name);
                return Err(Error::new(ErrorKind::Database, message).with_table(table.name));
            };
            **domain = self.take_in_as(Some(session), record.clone(), true)?;
        }
        Ok(())
    }

    /// For each list of values the record that has them in the unique key. Where the database finds a row by values that are
    /// spelled otherwise, it is asked which.
    async fn places_of(
        &self,
        session: &Session,
        by: &UniqueKey,
        wanted: &[Vec<Value>],
        records: &[Record],
    ) -> Result<Vec<Option<usize>>, Error> {
        let (table, backend) = (Row::descriptor(), self.manager.backend());
        let place = |values: &Vec<Value>| records.iter().position(|record| by.values(table, record) == *values);
        let mut places: Vec<Option<usize>> = wanted.iter().map(place).collect();
        if records.len() == 1 {
            places.iter_mut().for_each(|place| *place = Some(0));
        }
        let missing: Vec<usize> = (0..wanted.len()).filter(|&at| places[at].is_none()).collect();
        if missing.is_empty() || records.is_empty() {
            return Ok(places);
        }
        let question = |&at: &usize| {
            let condition = session.scope().narrow(table, holds(by, &wanted[at]))?;
            Ok(super::query::unnamed(Select::filtered(table, condition).rows(backend)?))
        };
        let statements = missing.iter().map(question).collect::<Result<Vec<_>, Error>>()?;
        let call = Call { statements, flush: false, writes: false, transaction: false };
        for (at, answer) in missing.into_iter().zip(Box::pin(session.execute(call)).await?) {
            let Some(row) = answer.rows.into_iter().next() else { continue };
            let key = key_of(table, &canonical(table, row, backend)?);
            places[at] = records.iter().position(|record| key_of(table, record) == key);
        }
        Ok(places)
    }
}

/// The condition that a row has these values in the unique key.
fn holds(by: &UniqueKey, values: &[Value]) -> Condition {
    let equal = by.columns.iter().zip(values).map(|(column, value)| Condition::Compare {
        column: column.clone(),
        comparison: Comparison::Eq,
        term: Term::Value(value.clone()),
    });
    Condition::All(equal.collect())
}

fn queue<Row: Table + Mappable>(
    session: &Session,
    unique: &str,
    domains: &mut [&mut Row::Domain],
    origin: Origin,
) -> Result<(), Error> {
    let table = Row::descriptor();
    let by = position(table, unique)?;
    if let Some(relation) = table.relations.first() {
        let message = format!(
            "upsert into `{}` by `{unique}`: the rows of `{}` need the id of their row, which is not known; use `upsert`",
            table.name, relation.field
        );
        return Err(refused(table, message));
    }
    queue_each::<Row>(session, domains, |batch, domain| plan::<Row>(batch, by, domain, origin))
}

fn plan<Row: Table + Mappable>(
    batch: &mut Batch<'_>,
    by: usize,
    domain: &Row::Domain,
    origin: Origin,
) -> Result<Given, Error> {
    let (session, table) = (batch.session, Row::descriptor());
    let mut record = whole(session, table, encode(&Row::merge(domain, None))?)?;
    set_version(table, &mut record, 1);
    let scope = session.scope();
    scope.stamp_new(table, &mut record)?;
    check_found_by(table, &table.uniques[by], &record, &insertable(table, Row::mapping()))?;
    let tenant = tenant_of(table, &record);
    let reach = Reach { by: Some(by), ..scope.reach(table, tenant.as_ref())? };
    let change = Change::Upsert { record: Arc::new(record), columns: Row::mapping() };
    batch.queue(PendingWrite { table, key: None, change, origin, reach, told: None, again: false }, None)?;
    Ok(None)
}

/// Refuses a row that no other can be found by.
fn check_found_by(table: &TableDescriptor, unique: &UniqueKey, record: &Record, given: &[usize]) -> Result<(), Error> {
    for at in unique.positions(table) {
        let problem = match given.contains(&at) {
            true if record[at].is_null() => "is NULL, which no row is found by",
            true => continue,
            false => "is not given by the domain type",
        };
        let column = &table.columns[at].name;
        let message = format!("upsert into `{}` by `{}`: column `{column}` {problem}", table.name, unique.name);
        return Err(refused(table, message).with_columns(vec![column.clone()]));
    }
    Ok(())
}

/// The position of a unique key by its name.
fn position(table: &TableDescriptor, unique: &str) -> Result<usize, Error> {
    if let Some(position) = table.uniques.iter().position(|key| key.name == unique) {
        return Ok(position);
    }
    let names: Vec<&str> = table.uniques.iter().map(|key| key.name.as_str()).collect();
    let advice = match (closest(unique, &names), names.is_empty()) {
        (Some(meant), _) => format!("; did you mean `{meant}`?"),
        (None, true) => " and no other; use `upsert`".to_owned(),
        (None, false) => format!("; it has `{}`", names.join("`, `")),
    };
    let message = format!("upsert into `{}` by `{unique}`: the table has no such unique key{advice}", table.name);
    Err(refused(table, message))
}

fn refused(table: &TableDescriptor, message: String) -> Error {
    Error::new(ErrorKind::InvalidQuery, message).with_table(table.name)
}
