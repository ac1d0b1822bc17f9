//! Short forms of queries that need nothing but a condition.

use super::Repository;
use crate::error::Error;
use crate::query::{Assignment, Predicate};
use crate::schema::Table;

impl<Row: Table> Repository<Row> {
    /// Sets columns in every row that fulfils `predicate`, and answers how many there were:
    /// `repo.filter(predicate).update(assignments)`.
    ///
    /// # Errors
    /// As [`update`](super::QueryBuilder::update).
    ///
    /// # Cancellation
    /// As [`update`](super::QueryBuilder::update).
    pub async fn update_where(
        &self,
        predicate: Predicate<Row>,
        assignments: impl IntoIterator<Item = Assignment<Row>>,
    ) -> Result<u64, Error> {
        self.filter(predicate).update(assignments).await
    }

    /// Deletes every row that fulfils `predicate`, and answers how many there were: `repo.filter(predicate).delete()`.
    ///
    /// # Errors
    /// As [`delete`](super::QueryBuilder::delete).
    ///
    /// # Cancellation
    /// As [`delete`](super::QueryBuilder::delete).
    pub async fn delete_where(&self, predicate: Predicate<Row>) -> Result<u64, Error> {
        self.filter(predicate).delete().await
    }

    /// How many rows fulfil `predicate`: `repo.filter(predicate).count()`.
    ///
    /// # Errors
    /// As [`count`](super::QueryBuilder::count).
    pub async fn count_where(&self, predicate: Predicate<Row>) -> Result<u64, Error> {
        self.filter(predicate).count().await
    }

    /// Whether a row fulfils `predicate`: `repo.filter(predicate).exists()`.
    ///
    /// # Errors
    /// As [`exists`](super::QueryBuilder::exists).
    pub async fn exists_where(&self, predicate: Predicate<Row>) -> Result<bool, Error> {
        self.filter(predicate).exists().await
    }
}
