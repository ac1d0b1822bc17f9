//! Prepared statements, the least recently used of which make way.
//!
//! A statement is prepared by the burst that is the first to use it: its Parse goes ahead of its Bind. Its name is known then, and
//! is good once the server has confirmed the Parse, whatever becomes of the transaction.

use std::sync::Arc;

use super::rows::Columns;
use super::wire::RowReader;
use crate::hash::FastMap;

/// A statement of the cache. It outlives what the cache knows of it only as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StatementId(u64);

#[derive(Debug)]
struct Entry {
    id: StatementId,
    types: Vec<u32>,
    /// The server has confirmed it.
    is_parsed: bool,
    columns: Option<Arc<Columns>>,
    reader: Option<Arc<RowReader>>,
    last_used: u64,
}

/// What the cache knows of a statement.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) id: StatementId,
    /// It was asked for here for the first time: it has to be parsed.
    pub(super) is_new: bool,
}

/// Prepared statements by text and types of the values.
#[derive(Debug)]
pub(super) struct StatementCache {
    /// What the names of this connection's statements begin with, so that they are nobody else's, whoever shares the server's
    /// connection behind a pooler.
    prefix: String,
    capacity: usize,
    entries: FastMap<Arc<str>, Vec<Entry>>,
    texts: FastMap<u64, Arc<str>>,
    clock: u64,
    /// What was used up to then is used by nothing that is under way.
    settled: u64,
    /// How many were asked for and not confirmed.
    unconfirmed: usize,
    /// Names that the server is to forget, which is told ahead of the next burst, so that it is no trip of its own.
    evicted: Vec<String>,
}

impl StatementCache {
    pub(super) fn new(capacity: usize) -> Self {
        let prefix = format!("s{:x}_", getrandom::u32().unwrap_or_default());
        let (entries, texts) = (FastMap::default(), FastMap::default());
        StatementCache { prefix, capacity, entries, texts, clock: 0, settled: 0, unconfirmed: 0, evicted: Vec::new() }
    }

    /// How many statements are kept; 0 if none is.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Keeps no statements from now on: their names mean nothing where others share the server's connection.
    pub(super) fn disable(&mut self) {
        self.clear();
        self.capacity = 0;
        self.evicted.clear();
    }

    /// The name of a statement.
    pub(super) fn name(&self, id: StatementId) -> String {
        let mut number = [0; 20];
        let mut at = number.len();
        let mut rest = id.0;
        loop {
            at -= 1;
            number[at] = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        let mut name = String::with_capacity(self.prefix.len() + number.len() - at);
        name.push_str(&self.prefix);
        number[at..].iter().for_each(|digit| name.push(char::from(*digit)));
        name
    }

    /// Finds a statement, or makes room for it.
    pub(super) fn find(&mut self, sql: &Arc<str>, types: impl Iterator<Item = u32> + Clone) -> Found {
        self.clock += 1;
        let clock = self.clock;
        let known = self.entries.get_mut(sql);
        if let Some(entry) =
            known.and_then(|entries| entries.iter_mut().find(|entry| entry.types.iter().copied().eq(types.clone())))
        {
            entry.last_used = clock;
            return Found { id: entry.id, is_new: false };
        }
        while self.texts.len() >= self.capacity && self.evict() {}
        let id = StatementId(clock);
        self.unconfirmed += 1;
        self.texts.insert(id.0, sql.clone());
        self.entries.entry(sql.clone()).or_default().push(Entry {
            id,
            types: types.collect(),
            is_parsed: false,
            columns: None,
            reader: None,
            last_used: clock,
        });
        Found { id, is_new: true }
    }

    /// The server has confirmed it.
    pub(super) fn confirm(&mut self, id: StatementId) {
        if let Some(entry) = self.entry(id)
            && !std::mem::replace(&mut entry.is_parsed, true)
        {
            self.unconfirmed -= 1;
        }
    }

    /// The columns of its rows.
    pub(super) fn columns(&mut self, id: StatementId) -> Option<Arc<Columns>> {
        self.entry(id)?.columns.clone()
    }

    pub(super) fn set_columns(&mut self, id: StatementId, columns: Arc<Columns>) {
        if let Some(entry) = self.entry(id) {
            entry.columns = Some(columns);
            entry.reader = None;
        }
    }

    /// How its rows are read, where that was worked out.
    pub(super) fn reader(&mut self, id: StatementId) -> Option<Arc<RowReader>> {
        self.entry(id)?.reader.clone()
    }

    pub(super) fn set_reader(&mut self, id: StatementId, reader: Arc<RowReader>) {
        if let Some(entry) = self.entry(id) {
            entry.reader = Some(reader);
        }
    }

    /// Forgets what was asked for and not confirmed, once nothing is under way.
    pub(super) fn drop_unconfirmed(&mut self) {
        self.settled = self.clock;
        if std::mem::take(&mut self.unconfirmed) == 0 {
            return;
        }
        for entry in self.take_out(|entry| !entry.is_parsed) {
            // The server may have it all the same; to close what is not there is no error.
            let name = self.name(entry.id);
            self.evicted.push(name);
        }
    }

    /// What was asked for last.
    pub(super) fn latest(&self) -> StatementId {
        StatementId(self.clock)
    }

    /// Forgets what was asked for since then, and not sent to the server.
    pub(super) fn drop_unsent(&mut self, since: StatementId) {
        if self.unconfirmed > 0 {
            let dropped = self.take_out(|entry| entry.id.0 > since.0);
            self.unconfirmed -= dropped.len();
        }
    }

    /// Drops a statement, whatever its types.
    pub(super) fn forget(&mut self, sql: &str) {
        for entry in self.entries.remove(sql).unwrap_or_default() {
            self.drop_entry(&entry);
        }
    }

    pub(super) fn clear(&mut self) {
        let entries: Vec<Entry> = self.entries.drain().flat_map(|(_, entries)| entries).collect();
        entries.iter().for_each(|entry| self.drop_entry(entry));
    }

    /// The names that the server is to forget.
    pub(super) fn evicted(&self) -> &[String] {
        &self.evicted
    }

    /// The server is told to forget so many of them.
    pub(super) fn bury(&mut self, count: usize) {
        self.evicted.drain(..count);
    }

    fn entry(&mut self, id: StatementId) -> Option<&mut Entry> {
        let sql = self.texts.get(&id.0)?;
        self.entries.get_mut(sql)?.iter_mut().find(|entry| entry.id == id)
    }

    fn take_out(&mut self, is_out: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let entries = self.entries.values_mut();
        let taken: Vec<Entry> = entries.flat_map(|entries| entries.extract_if(.., |entry| is_out(entry))).collect();
        self.entries.retain(|_, entries| !entries.is_empty());
        for entry in &taken {
            self.texts.remove(&entry.id.0);
        }
        taken
    }

    fn drop_entry(&mut self, entry: &Entry) {
        self.texts.remove(&entry.id.0);
        if !entry.is_parsed {
            self.unconfirmed -= 1;
        }
        // The server may come to have it, where it is not confirmed.
        let name = self.name(entry.id);
        self.evicted.push(name);
    }

    /// Makes room. What is used by something under way stays.
    fn evict(&mut self) -> bool {
        let confirmed =
            self.entries.values().flatten().filter(|entry| entry.is_parsed && entry.last_used <= self.settled);
        let Some(oldest) = confirmed.min_by_key(|entry| entry.last_used).map(|entry| entry.id) else { return false };
        let Some(sql) = self.texts.get(&oldest.0).cloned() else { return false };
        let Some(entries) = self.entries.get_mut(&sql) else { return false };
        let dropped: Vec<Entry> = entries.extract_if(.., |entry| entry.id == oldest).collect();
        if entries.is_empty() {
            self.entries.remove(&sql);
        }
        dropped.iter().for_each(|entry| self.drop_entry(entry));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(cache: &mut StatementCache, sql: &str, ty: u32) -> Found {
        cache.find(&sql.into(), [ty].into_iter())
    }

    #[test]
    fn the_least_recently_used_statement_makes_way() {
        let mut cache = StatementCache::new(2);
        let ids: Vec<_> = ["a", "b"]
            .map(|sql| {
                let found = find(&mut cache, sql, 20);
                assert!(found.is_new);
                cache.confirm(found.id);
                found.id
            })
            .into();
        assert!(!find(&mut cache, "a", 20).is_new);
        cache.drop_unconfirmed();
        let third = find(&mut cache, "c", 20);
        assert!(third.is_new);
        assert_eq!(cache.evicted(), [cache.name(ids[1])]);
        cache.bury(1);
        assert!(!find(&mut cache, "a", 20).is_new && !find(&mut cache, "c", 20).is_new);
        cache.drop_unconfirmed();
        assert!(find(&mut cache, "c", 20).is_new, "what could not be parsed is tried again");
        assert_eq!(cache.evicted(), [cache.name(third.id)], "the server may have it all the same");
    }

    #[test]
    fn other_types_are_another_statement() {
        let mut cache = StatementCache::new(8);
        let (first, other) = (find(&mut cache, "a", 20), find(&mut cache, "a", 23));
        assert!(other.is_new && other.id != first.id);
        cache.confirm(first.id);
        cache.confirm(other.id);
        cache.forget("a");
        assert_eq!(cache.evicted().len(), 2);
        assert!(find(&mut cache, "a", 20).is_new);
    }

    #[test]
    fn a_burst_may_have_more_statements_than_are_kept() {
        let mut cache = StatementCache::new(1);
        let ids = ["a", "b", "c"].map(|sql| find(&mut cache, sql, 20).id);
        ids.iter().for_each(|id| cache.confirm(*id));
        assert!(!find(&mut cache, "a", 20).is_new, "it is used by what is under way");
        cache.drop_unconfirmed();
        assert!(find(&mut cache, "d", 20).is_new);
        assert_eq!(cache.evicted().len(), 3);
    }

    #[test]
    fn what_is_dropped_before_it_is_confirmed_is_closed_too() {
        let mut cache = StatementCache::new(2);
        let id = find(&mut cache, "a", 20).id;
        cache.forget("a");
        cache.confirm(id);
        assert_eq!(cache.evicted(), [cache.name(id)]);
        let id = find(&mut cache, "a", 20).id;
        cache.clear();
        cache.drop_unconfirmed();
        assert_eq!(cache.evicted()[1..], [cache.name(id)]);
    }

    #[test]
    fn what_was_not_sent_is_parsed_by_the_next_one_and_not_closed() {
        let mut cache = StatementCache::new(2);
        let sent = find(&mut cache, "a", 20).id;
        let before = cache.latest();
        assert!(!find(&mut cache, "a", 20).is_new && find(&mut cache, "b", 20).is_new);
        cache.drop_unsent(before);
        cache.confirm(sent);
        assert!(!find(&mut cache, "a", 20).is_new && find(&mut cache, "b", 20).is_new);
        assert!(cache.evicted().is_empty());
    }

    #[test]
    fn no_two_connections_have_a_name_in_common() {
        let (mut one, mut other) = (StatementCache::new(1), StatementCache::new(1));
        let id = find(&mut one, "a", 20).id;
        find(&mut other, "a", 20);
        assert_ne!(one.name(id), other.name(id));
    }
}
