//! Prepared statements, the least recently used of which make way.

use crate::hash::FastMap;
use std::sync::Arc;

use tokio_postgres::Statement;

#[derive(Debug)]
struct Entry {
    types: Vec<u32>,
    /// `None` while the server prepares it.
    statement: Option<Statement>,
    last_used: u64,
}

/// What the cache knows of a statement.
#[derive(Debug)]
pub(super) enum Lookup {
    Prepared(Statement),
    /// Asked for, not answered.
    Preparing,
    Absent,
}

/// Prepared statements by text and types of the values.
#[derive(Debug)]
pub(super) struct StatementCache {
    capacity: usize,
    entries: FastMap<Arc<str>, Vec<Entry>>,
    len: usize,
    clock: u64,
    /// Dropping a statement tells the server to forget it. That is put off until something else is sent, so that it is
    /// no trip of its own.
    evicted: Vec<Statement>,
}

impl StatementCache {
    pub(super) fn new(capacity: usize) -> Self {
        StatementCache { capacity, entries: FastMap::default(), len: 0, clock: 0, evicted: Vec::new() }
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn get(&mut self, sql: &str, types: impl Iterator<Item = u32> + Clone) -> Lookup {
        self.clock += 1;
        let clock = self.clock;
        let found = self
            .entries
            .get_mut(sql)
            .and_then(|entries| entries.iter_mut().find(|entry| entry.types.iter().copied().eq(types.clone())));
        match found {
            Some(entry) => {
                entry.last_used = clock;
                entry.statement.clone().map_or(Lookup::Preparing, Lookup::Prepared)
            }
            None => Lookup::Absent,
        }
    }

    /// Notes that the server was asked to prepare a statement.
    pub(super) fn reserve(&mut self, sql: Arc<str>, types: Vec<u32>) {
        while self.len >= self.capacity && self.evict() {}
        self.clock += 1;
        self.entries.entry(sql).or_default().push(Entry { types, statement: None, last_used: self.clock });
        self.len += 1;
    }

    /// Takes in the server's answer; `None` if it could not prepare the statement.
    pub(super) fn fulfil(&mut self, sql: &str, types: &[u32], statement: Option<Statement>) {
        let reserved = self
            .entries
            .get_mut(sql)
            .and_then(|entries| entries.iter_mut().find(|entry| entry.types == types && entry.statement.is_none()));
        match (reserved, statement) {
            (Some(entry), Some(statement)) => entry.statement = Some(statement),
            (Some(_), None) => self.forget(sql),
            (None, statement) => self.evicted.extend(statement),
        }
    }

    /// Drops a statement, whatever its types.
    pub(super) fn forget(&mut self, sql: &str) {
        for entry in self.entries.remove(sql).unwrap_or_default() {
            self.len -= 1;
            self.evicted.extend(entry.statement);
        }
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
        let entries = self.entries.drain().flat_map(|(_, entries)| entries);
        self.evicted.extend(entries.filter_map(|entry| entry.statement));
    }

    /// Tells the server to forget what was evicted; to be called where something else was just sent.
    pub(super) fn bury(&mut self) {
        self.evicted.clear();
    }

    fn evict(&mut self) -> bool {
        let oldest = self
            .entries
            .iter()
            .flat_map(|(sql, entries)| entries.iter().map(move |entry| (entry.last_used, sql)))
            .min_by_key(|(last_used, _)| *last_used)
            .map(|(last_used, sql)| (last_used, sql.clone()));
        let Some((last_used, sql)) = oldest else { return false };
        if let Some(entries) = self.entries.get_mut(&sql) {
            for entry in entries.extract_if(.., |entry| entry.last_used == last_used) {
                self.len -= 1;
                self.evicted.extend(entry.statement);
            }
            if entries.is_empty() {
                self.entries.remove(&sql);
            }
        }
        true
    }
}
