//! The prepared statements that a connection keeps.

use std::collections::HashMap;
use std::sync::Arc;

use super::raw::{Database, Failure, Prepared};

/// The prepared statements that a connection keeps; when it is full, the one that was used longest ago makes room.
pub(super) struct StatementCache {
    capacity: usize,
    uses: u64,
    entries: HashMap<Arc<str>, Entry>,
}

struct Entry {
    last_use: u64,
    statement: Prepared,
}

impl StatementCache {
    pub(super) fn new(capacity: usize) -> Self {
        StatementCache { capacity, uses: 0, entries: HashMap::new() }
    }

    /// The kept statement of this text, prepared now if there is none.
    pub(super) fn get(&mut self, database: &Database, sql: &Arc<str>) -> Result<&mut Prepared, Failure> {
        self.uses += 1;
        if !self.entries.contains_key(sql) {
            let statement = database.prepare(sql)?;
            self.make_room();
            self.entries.insert(Arc::clone(sql), Entry { last_use: 0, statement });
        }
        let entry = self
            .entries
            .get_mut(sql)
            .ok_or_else(|| Failure { code: libsqlite3_sys::SQLITE_INTERNAL, message: "statement cache".to_owned() })?;
        entry.last_use = self.uses;
        Ok(&mut entry.statement)
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    fn make_room(&mut self) {
        while self.entries.len() >= self.capacity.max(1) {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.last_use).map(|(sql, _)| Arc::clone(sql));
            if let Some(sql) = oldest {
                self.entries.remove(&sql);
            }
        }
    }
}
