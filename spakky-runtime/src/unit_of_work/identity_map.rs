//! What a session knows of the rows it loaded or wrote.
//!
//! The map is defined for values, not objects: a domain value is the caller's, the map holds the row it came from. It
//! answers a second `get` without a query, supplies the base that a save is compared with, and the version it expects.
//!
//! A nested scope is a layer: the map remembers how the entries were that the scope changes, to restore them when it goes
//! back to its savepoint. Every change says at which depth it is made (0 is the root scope).

mod apart;

use std::any::TypeId;
use std::borrow::Cow;
use std::sync::Arc;

use super::aggregate::without_unassigned;
use super::row_key::{ByRow, RowKey};
use crate::mutant::Mutant;
use crate::schema::{Record, TableDescriptor};
use crate::scope::{is_deleted, tenant_of};
use crate::value::Value;

/// One row as the session knows it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The row as the database has it, as far as known. `None` for a row that was added but not flushed, and for one
    /// whose version alone is known (attached).
    pub(crate) stored: Option<Arc<Record>>,
    /// The row as the database has it ahead of an upsert that waits: what that leaves out may move to other rows.
    pub(crate) replaced: Option<Arc<Record>>,
    /// The row with what is queued, its version the one that it will have then; `None` if only the version is known.
    pub(crate) current: Option<Arc<Record>>,
    /// The version that the database has: 0 while the row is not there, `None` if it is not known or the table has none.
    pub(crate) version: Option<i64>,
    /// How many saves of this row were queued in this session.
    pub(crate) saves: u64,
    /// The scopes in whose queues a write of it waits.
    pub(crate) queued: Queued,
    /// A delete is queued or flushed.
    pub(crate) deleted: bool,
    /// The row's tenant, as far as known.
    pub(crate) tenant: Option<Value>,
    /// The database filled in columns that `current` only guesses (stamps, defaults): the next read asks it.
    pub(crate) partial: bool,
    /// Nobody knows whether the row is still there: something was written by condition, or by plain SQL.
    pub(crate) doubtful: bool,
    /// The children that are soft-deleted are among those known.
    pub(crate) with_deleted: bool,
    /// The children that got their keys from the database in this session, which copies in hand may not know.
    pub(crate) drawn: Drawn,
}

/// What a session remembers of children to which the database gave their keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Drawn {
    /// Some were sent, and their keys are not known yet.
    pub(crate) is_waiting: bool,
    /// The row as it was sent with them, until then.
    pub(crate) sent: Option<Sent>,
    pub(crate) children: Arc<Vec<DrawnChild>>,
}

/// A row that was sent with children some of whose keys are not known yet.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    /// What the session knows of the row meanwhile: it holds for that alone.
    pub(crate) hollow: Arc<Record>,
    pub(crate) record: Arc<Record>,
}

/// A child to which the database gave its key.
#[derive(Debug, Clone)]
pub(crate) struct DrawnChild {
    pub(crate) row_type: TypeId,
    /// The key of the row that it is part of.
    pub(crate) parent: Value,
    /// The row as it was sent.
    pub(crate) sent: Record,
    pub(crate) key: Vec<Value>,
    /// Which of the writes of the aggregate sent it: a copy that was told one of the keys was told all of that write.
    pub(crate) write: usize,
}

impl Entry {
    /// A row just read.
    pub(crate) fn loaded(table: &TableDescriptor, record: Arc<Record>) -> Self {
        Entry {
            version: version_of(table, &record),
            tenant: tenant_of(table, &record),
            stored: Some(Arc::clone(&record)),
            replaced: None,
            current: Some(record),
            saves: 0,
            queued: Queued::default(),
            deleted: false,
            partial: false,
            doubtful: false,
            with_deleted: false,
            drawn: Drawn::default(),
        }
    }

    /// A row of which only the version is known.
    pub(crate) fn attached(version: Option<i64>) -> Self {
        let (stored, current, tenant) = (None, None, None);
        let (deleted, with_deleted, doubtful) = (false, false, false);
        let (queued, drawn) = (Queued::default(), Drawn::default());
        Entry {
            stored,
            replaced: None,
            current,
            version,
            saves: 0,
            queued,
            deleted,
            tenant,
            partial: true,
            doubtful,
            with_deleted,
            drawn,
        }
    }

    /// The same, of a row of this tenant.
    #[must_use]
    pub(crate) fn of(self, tenant: Option<Value>) -> Self {
        Entry { tenant, ..self }
    }

    /// Whether all that is known is the version that a copy in the caller's hand is to be saved over.
    fn is_guard(&self) -> bool {
        self.version.is_some() && self.stored.is_none() && self.current.is_none()
    }

    /// The row that the database has, with the children of which everything is known. `true` if it has others.
    pub(crate) fn base(&self, table: &'static TableDescriptor) -> (Option<Cow<'_, Arc<Record>>>, bool) {
        let Some(stored) = &self.stored else { return (None, false) };
        let sent = self.drawn.sent.as_ref().filter(|sent| Arc::ptr_eq(&sent.hollow, stored));
        match sent {
            Some(sent) => (Some(Cow::Owned(Arc::new(without_unassigned(table, &sent.record)))), true),
            None => (Some(Cow::Borrowed(stored)), false),
        }
    }

    /// The row to answer a read with, without asking the database.
    pub(crate) fn readable(&self) -> Option<&Arc<Record>> {
        if Mutant::QueueIsNotRead.is_on() {
            return self.stored.as_ref();
        }
        if self.partial { None } else { self.current.as_ref() }
    }
}

/// What a write of other rows leaves in doubt of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    /// What its parts are. It is there, or deleted, as it was.
    Parts,
    /// Its values, and whether it is still there.
    Existence,
    /// The same, and whether one that was deleted is there again.
    Everything,
}

/// The scopes of a session, by their depth, in whose queues something waits. An entry that a nested scope found is kept with
/// the scopes around it alone, so that what is undone leaves nothing behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Queued(u64);

impl Queued {
    /// Whether something waits in any queue.
    pub(crate) fn is_any(self) -> bool {
        self.0 != 0
    }

    /// The same, with or without the scope at `depth`.
    #[must_use]
    pub(crate) fn with(self, depth: usize, waits: bool) -> Self {
        // Scopes below the deepest that has a place of its own share that one.
        let place = 1 << depth.min(63);
        if waits { Queued(self.0 | place) } else { Queued(self.0 & !place) }
    }

    /// The same once the scope at `depth` has handed its queue to the one around it.
    #[must_use]
    fn handed_out(self, depth: usize) -> Self {
        let waited = self.with(depth, false) != self;
        if waited { self.with(depth, false).with(depth.saturating_sub(1), true) } else { self }
    }
}

/// The version stored in a record.
pub(crate) fn version_of(table: &TableDescriptor, record: &Record) -> Option<i64> {
    match record.get(table.version?) {
        Some(Value::I64(version)) => Some(*version),
        Some(Value::I32(version)) => Some(i64::from(*version)),
        _ => None,
    }
}

/// All rows a session knows.
#[derive(Debug, Default)]
pub(crate) struct IdentityMap {
    entries: ByRow<Entry>,
    /// For each nested scope the entries that it changed, as they were before.
    layers: Vec<ByRow<Option<Entry>>>,
}

impl IdentityMap {
    /// An empty one for a scope in so many others.
    #[cfg(feature = "testing")]
    pub(crate) fn inside(layers: usize) -> Self {
        IdentityMap { entries: ByRow::default(), layers: vec![ByRow::default(); layers] }
    }

    pub(crate) fn get(&self, key: &RowKey) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// What the scope at `depth` knows of a row, whatever scopes nested in it have changed.
    pub(crate) fn known_at(&self, depth: usize, key: &RowKey) -> Option<&Entry> {
        match self.layers.iter().skip(depth).find_map(|layer| layer.get(key)) {
            Some(before) => before.as_ref(),
            None => self.entries.get(key),
        }
    }

    /// Changes what is known of rows that `concerns` picks, for the scope at `depth` and for those nested in it: each of them
    /// may know another thing of a row.
    pub(crate) fn update_all(
        &mut self,
        depth: usize,
        concerns: impl Fn(&RowKey, &Entry) -> bool,
        mut change: impl FnMut(&RowKey, &mut Entry),
    ) {
        for key in self.keys_of(depth, &concerns) {
            self.update(depth, &key, |entry| {
                if concerns(&key, entry) {
                    change(&key, entry);
                }
            });
        }
    }

    /// The rows that the scope at `depth` knows, and those nested in it.
    pub(crate) fn keys(&self, depth: usize) -> impl Iterator<Item = &RowKey> {
        self.entries.keys().chain(self.layers.iter().skip(depth).flat_map(|layer| layer.keys()))
    }

    /// The rows that `concerns` picks by what the scope at `depth` knows of them, or one nested in it.
    fn keys_of(&self, depth: usize, concerns: impl Fn(&RowKey, &Entry) -> bool) -> Vec<RowKey> {
        let mut keys: Vec<RowKey> =
            self.entries.iter().filter(|(key, entry)| concerns(key, entry)).map(|(key, _)| key.clone()).collect();
        for (at, layer) in self.layers.iter().enumerate().skip(depth) {
            let is_known = |key: &RowKey| {
                let inside = self.layers[depth..at].iter().filter_map(|layer| layer.get(key)?.as_ref());
                inside.chain(self.entries.get(key)).any(|entry| concerns(key, entry))
            };
            let picked = layer
                .iter()
                .filter(|(key, before)| before.as_ref().is_some_and(|before| concerns(key, before)) && !is_known(key));
            keys.extend(picked.map(|(key, _)| key.clone()));
        }
        keys
    }

    /// The rows with children that the database has, as far as the scope at `depth` knows them, and as `concerns` picks them.
    pub(crate) fn aggregates(
        &self,
        depth: usize,
        concerns: impl Fn(&RowKey) -> Option<&'static TableDescriptor>,
    ) -> impl Iterator<Item = (&'static TableDescriptor, Cow<'_, Arc<Record>>)> {
        let inside = self.layers.get(depth..).unwrap_or_default();
        let changed = inside.iter().enumerate().flat_map(move |(at, layer)| {
            let is_first = move |key: &RowKey| !inside[..at].iter().any(|layer| layer.contains_key(key));
            layer.iter().filter_map(move |(key, before)| is_first(key).then_some((key, before.as_ref()?)))
        });
        let is_same = move |(key, _): &(&RowKey, &Entry)| !inside.iter().any(|layer| layer.contains_key(key));
        let known = self.entries.iter().filter(is_same).chain(changed).filter(|(_, entry)| !entry.deleted);
        known.filter_map(move |(key, entry)| {
            let table = concerns(key)?;
            let known = entry.base(table).0.or(entry.replaced.as_ref().map(Cow::Borrowed));
            Some((table, known.filter(|known| known.children().is_some())?))
        })
    }

    /// Makes room for so many more rows.
    pub(crate) fn reserve(&mut self, count: usize) {
        self.entries.reserve(count);
    }

    /// Whether a scope nested in the one at `depth` has changed what is known of the row.
    pub(crate) fn is_changed_below(&self, depth: usize, key: &RowKey) -> bool {
        self.layers.iter().skip(depth).any(|layer| layer.get(key).is_some_and(Option::is_some))
    }

    pub(crate) fn insert(&mut self, depth: usize, key: RowKey, mut entry: Entry) {
        self.remember(depth, &key);
        self.forget_below(depth, &key);
        if let Some(known) = self.entries.get(&key).filter(|_| entry.drawn.children.is_empty()) {
            // Copies in hand do not know those keys, whatever is read or written meanwhile.
            entry.drawn = known.drawn.clone();
        }
        self.entries.insert(key, entry);
    }

    fn remove(&mut self, depth: usize, key: &RowKey) {
        self.remember(depth, key);
        self.forget_below(depth, key);
        self.entries.remove(key);
    }

    /// Forgets a row that was read anew, unless a write of it was queued meanwhile, or it was attached with a version.
    pub(crate) fn forget(&mut self, depth: usize, key: &RowKey) {
        if !self.entries.get(key).is_some_and(|entry| entry.queued.is_any() || entry.is_guard()) {
            match self.entries.get(key).map(|entry| entry.drawn.clone()) {
                Some(drawn) if !drawn.children.is_empty() => {
                    self.insert(depth, key.clone(), Entry { drawn, ..Entry::attached(None) });
                }
                _ => self.remove(depth, key),
            }
        }
    }

    /// Changes what is known of a row, for the scope at `depth` and for those nested in it, whatever these have changed.
    pub(crate) fn update(&mut self, depth: usize, key: &RowKey, mut change: impl FnMut(&mut Entry)) {
        self.remember(depth, key);
        for layer in self.layers.iter_mut().skip(depth) {
            if let Some(Some(before)) = layer.get_mut(key) {
                change(before);
            }
        }
        if let Some(entry) = self.entries.get_mut(key) {
            change(entry);
        }
    }

    /// Takes note of a row that was read, and answers with the row the caller gets: the one already known, if there is
    /// one, since a copy of it may be in the caller's hands and its save must be compared with what that copy saw.
    pub(crate) fn note_loaded(
        &mut self,
        depth: usize,
        table: &TableDescriptor,
        key: RowKey,
        record: Record,
        with_deleted: bool,
    ) -> Arc<Record> {
        let record = Arc::new(record);
        let tenant = tenant_of(table, &record);
        let is_other = |entry: &Entry| entry.tenant.is_some() && entry.tenant != tenant;
        // The query was not to see what is queued, or another transaction restored the row.
        let is_older = |entry: &Entry| {
            let is_gone = |current: &Arc<Record>| is_deleted(table, current) && !is_deleted(table, &record);
            entry.deleted || entry.current.as_ref().is_some_and(is_gone)
        };
        match self.entries.get(&key) {
            Some(entry) if is_older(entry) || is_other(entry) && entry.queued.is_any() => return record,
            // Another tenant's when it was read across tenants, and replaced since.
            Some(entry) if is_other(entry) => {}
            Some(entry) if entry.queued.is_any() || !entry.partial && (entry.with_deleted || !with_deleted) => {
                return entry.current.as_ref().map_or(record, Arc::clone);
            }
            // A copy in hand has children that this reader did not ask for.
            Some(entry) if entry.with_deleted && !with_deleted && entry.version == version_of(table, &record) => {
                return record;
            }
            Some(entry) if entry.version == version_of(table, &record) => {
                // What this session wrote itself, completed by the database; copies in hand stay valid.
                self.update(depth, &key, |entry| {
                    entry.stored = Some(Arc::clone(&record));
                    entry.current = Some(Arc::clone(&record));
                    entry.tenant.clone_from(&tenant);
                    entry.partial = false;
                    entry.doubtful = false;
                    entry.with_deleted = with_deleted;
                });
                return record;
            }
            // A save of what was attached is to fail, whoever looks at the row meanwhile.
            Some(entry) if entry.is_guard() => return record,
            _ if self.is_changed_below(depth, &key) => return record,
            _ => {}
        }
        self.insert(depth, key, Entry { with_deleted, ..Entry::loaded(table, Arc::clone(&record)) });
        record
    }

    /// Has rows without queued changes read again: plain SQL may have changed them. Their versions stay known, so that a
    /// copy in hand can still be saved, guarded by the version it was loaded with.
    pub(crate) fn expire(&mut self, depth: usize, row_type: Option<TypeId>) {
        self.doubt(depth, row_type, Doubt::Everything);
    }

    /// Has the rows that rows of this type are parts of read again: their parts may have changed.
    pub(crate) fn expire_holders(&mut self, depth: usize, row_type: TypeId) {
        for &holder in crate::schema::holders(row_type) {
            self.doubt(depth, Some(holder), Doubt::Parts);
        }
    }

    /// Has the rows read again that the database removes or changes when it deletes rows of this type.
    pub(crate) fn expire_dependents(&mut self, depth: usize, row_type: TypeId) {
        for &dependent in crate::schema::dependents(row_type) {
            self.doubt(depth, Some(dependent), Doubt::Existence);
            self.expire_holders(depth, dependent);
        }
    }

    fn doubt(&mut self, depth: usize, row_type: Option<TypeId>, doubt: Doubt) {
        let concerns = |key: &RowKey, entry: &Entry| {
            !entry.queued.is_any()
                && (!entry.deleted || doubt == Doubt::Everything)
                && row_type.is_none_or(|row_type| row_type == key.row_type())
        };
        for key in self.keys_of(depth, concerns) {
            self.remember(depth, &key);
            // A row that a scope has deleted is one that it knows nothing of. The others are asked for.
            let is_gone = |entry: &mut Entry| {
                let is_expired = concerns(&key, entry);
                entry.partial |= is_expired;
                entry.doubtful |= is_expired && doubt != Doubt::Parts;
                is_expired && entry.deleted
            };
            for layer in self.layers.iter_mut().skip(depth) {
                if let Some(before) = layer.get_mut(&key) {
                    before.take_if(is_gone);
                }
            }
            if self.entries.get_mut(&key).is_some_and(is_gone) {
                self.entries.remove(&key);
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.layers.clear();
    }

    /// A nested scope begins.
    pub(crate) fn begin_layer(&mut self) {
        self.layers.push(ByRow::default());
    }

    /// The innermost scope ends well: what it changed, and what it has queued, is now the business of the one around it.
    pub(crate) fn keep_layer(&mut self) {
        let depth = self.layers.len();
        let Some(layer) = self.layers.pop() else { return };
        for key in layer.keys() {
            if let Some(entry) = self.entries.get_mut(key) {
                entry.queued = entry.queued.handed_out(depth);
            }
        }
        if let Some(outer) = self.layers.last_mut() {
            for (key, before) in layer {
                outer.entry(key).or_insert(before);
            }
        }
    }

    /// The innermost scope is undone.
    pub(crate) fn undo_layer(&mut self) {
        for (key, before) in self.layers.pop().unwrap_or_default() {
            match before {
                Some(entry) => self.entries.insert(key, entry),
                None => self.entries.remove(&key),
            };
        }
    }

    /// Remembers the entry as the scope at `depth` found it, for those around it: as it is, or as it was before a scope inside
    /// changed it.
    fn remember(&mut self, depth: usize, key: &RowKey) {
        let Some(around) = depth.checked_sub(1).filter(|&around| around < self.layers.len()) else { return };
        if !self.layers[around].contains_key(key) {
            let inside = self.layers[depth..].iter().find_map(|layer| layer.get(key));
            let found = inside.cloned().unwrap_or_else(|| self.entries.get(key).cloned());
            self.layers[around].insert(key.clone(), found);
        }
    }

    /// A new entry is not undone with the scopes inside the one at `depth`.
    fn forget_below(&mut self, depth: usize, key: &RowKey) {
        for layer in self.layers.iter_mut().skip(depth) {
            layer.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::customers;

    fn key(id: i64) -> RowKey {
        RowKey::new(customers(), vec![Value::I64(id)])
    }

    fn versions(map: &IdentityMap) -> Vec<Option<Option<i64>>> {
        (1..=3).map(|id| map.get(&key(id)).map(|entry| entry.version)).collect()
    }

    fn map() -> IdentityMap {
        let mut map = IdentityMap::default();
        map.insert(0, key(1), Entry::attached(Some(1)));
        map
    }

    #[test]
    fn an_undone_scope_leaves_the_map_as_it_found_it() {
        let mut map = map();
        map.begin_layer();
        map.update(1, &key(1), |entry| entry.version = Some(2));
        map.insert(1, key(2), Entry::attached(Some(5)));
        map.remove(1, &key(1));
        assert_eq!(versions(&map), [None, Some(Some(5)), None]);
        map.undo_layer();
        assert_eq!(versions(&map), [Some(Some(1)), None, None]);
    }

    #[test]
    fn what_a_kept_scope_changed_is_undone_with_the_scope_around_it() {
        let mut map = map();
        map.begin_layer();
        map.insert(1, key(2), Entry::attached(Some(5)));
        map.begin_layer();
        map.update(2, &key(1), |entry| entry.version = Some(2));
        map.update(2, &key(2), |entry| entry.version = Some(6));
        map.keep_layer();
        assert_eq!(versions(&map), [Some(Some(2)), Some(Some(6)), None]);
        map.undo_layer();
        assert_eq!(versions(&map), [Some(Some(1)), None, None]);
    }

    #[test]
    fn a_change_by_the_outer_scope_outlives_the_inner_one() {
        let mut map = map();
        map.begin_layer();
        map.update(1, &key(1), |entry| entry.saves = 7);
        map.update(0, &key(1), |entry| entry.version = Some(2));
        map.insert(0, key(3), Entry::attached(Some(9)));
        assert!(map.is_changed_below(0, &key(1)));
        assert!(!map.is_changed_below(0, &key(3)));
        map.undo_layer();
        assert_eq!(versions(&map), [Some(Some(2)), None, Some(Some(9))]);
        assert_eq!(map.get(&key(1)).unwrap().saves, 0);
    }
}
