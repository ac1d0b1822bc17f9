//! One row of a flush, and what the session knows of it once its statement has run.

use std::panic::Location;
use std::sync::Arc;

use super::draw::{DrawnIds, is_drawn};
use super::facts::Fact;
use super::told::{Telling, untold};
use super::write::{Write, is_partial, record_of};
use crate::schema::{Record, TableDescriptor};
use crate::scope::Mark;
use crate::unit_of_work::aggregate::key_of;
use crate::unit_of_work::identity_map::{DrawnChild, Entry, IdentityMap, Sent, version_of};
use crate::unit_of_work::order::Kind;
use crate::unit_of_work::pending::Change;
use crate::unit_of_work::row_key::RowKey;
use crate::value::Value;

/// One row of a flush.
#[derive(Debug)]
pub(super) struct FlushedRow {
    pub(super) key: Option<RowKey>,
    pub(super) origin: &'static Location<'static>,
    pub(super) expected: Option<i64>,
    pub(super) effect: Option<Effect>,
    /// Written as part of another row.
    pub(super) is_child: bool,
    /// What became of the row, where the session may know it in several places.
    pub(super) fact: Option<Fact>,
    pub(super) telling: Option<Telling>,
    /// What the session knows of the row until the database has told the keys of its children, and the row with these.
    pub(super) awaited: Option<AwaitedKeys>,
}

/// A row some of whose children get their keys from the database.
#[derive(Debug)]
pub(super) struct AwaitedKeys {
    /// What the session knows of the row until then; `None` if that is not all that there is.
    pub(super) hollow: Option<Arc<Record>>,
    /// The row as it is sent.
    pub(super) sent: Arc<Record>,
    /// The database fills in columns that the session can only guess.
    pub(super) partial: bool,
}

impl FlushedRow {
    /// The key, if it is known before the database has answered.
    pub(super) fn known_key(&self) -> Option<&[Value]> {
        self.key.as_deref().filter(|key| !is_drawn(key))
    }
}

/// What the session knows of the row once the statement has run.
#[derive(Debug)]
pub(super) enum Effect {
    /// The row as given, at this version. `complete` unless only the mapped columns are known, `partial` if the database
    /// filled in some that the session can only guess.
    Stored { record: Arc<Record>, version: Option<i64>, complete: bool, partial: bool },
    /// The row is gone.
    Gone,
    /// The row is there, but how is the database's business.
    Unknown,
}

impl FlushedRow {
    pub(super) fn apply(&mut self, map: &mut IdentityMap, depth: usize) {
        if self.known_key().is_none() {
            // Its key comes with the answer.
            return;
        }
        let is_waiting = self.awaited.is_some();
        let sent = self.awaited.as_ref().and_then(|awaited| {
            Some(Sent { hollow: Arc::clone(awaited.hollow.as_ref()?), record: Arc::clone(&awaited.sent) })
        });
        let (Some(key), Some(effect)) = (&self.key, self.effect.take()) else { return };
        map.update(depth, key, |entry| {
            entry.drawn.is_waiting |= is_waiting;
            entry.drawn.sent.clone_from(&sent);
            match &effect {
                Effect::Stored { record, version, complete, partial } => {
                    entry.stored = complete.then(|| Arc::clone(record));
                    entry.version = *version;
                    entry.partial = *partial;
                }
                Effect::Gone => entry.deleted = true,
                Effect::Unknown => {
                    entry.stored = None;
                    entry.replaced = None;
                    entry.version = None;
                    entry.partial = true;
                }
            }
        });
    }
}

pub(super) fn flushed(write: Write, kind: Kind, is_shared: bool) -> FlushedRow {
    let Write {
        table,
        key,
        change,
        origin,
        base,
        expected,
        reach,
        is_child,
        children_partial,
        children_unknown,
        children_drawn,
        told,
        ..
    } = write;
    let fact = (is_child || is_shared).then(|| match &change {
        Change::Insert { record, .. } => Fact::Row(Arc::clone(record)),
        Change::Update { record, .. } if base.is_some() && !is_drawn(record) => Fact::Row(Arc::clone(record)),
        Change::Update { .. } | Change::Upsert { .. } => Fact::Unknown,
        Change::Delete { .. } => Fact::Gone,
    });
    if is_child {
        return FlushedRow { key, origin, expected, effect: None, is_child, fact, telling: None, awaited: None };
    }
    let is_known = !key.as_deref().is_some_and(is_drawn);
    let telling = told
        .filter(|_| matches!(change, Change::Insert { .. }) || children_drawn)
        .zip(record_of(&change).cloned())
        .map(|(told, record)| Telling { told, record, children_partial });
    // A row that was there is read again.
    let unknown = children_unknown && is_known;
    let waits = children_drawn && is_known;
    let hollow = |record: Arc<Record>| if unknown || waits { Arc::new(record.without_children()) } else { record };
    let partial = children_partial
        || record_of(&change).is_some_and(|_| match &change {
            Change::Insert { columns, .. } => is_partial(table, *columns, kind),
            Change::Update { columns, .. } => {
                base.is_none() || reach.mark == Some(Mark::Deleted) || is_partial(table, *columns, kind)
            }
            Change::Upsert { .. } | Change::Delete { .. } => true,
        });
    let sent = record_of(&change).filter(|_| waits).cloned();
    let effect = match change {
        Change::Insert { record, .. } => Effect::Stored {
            version: version_of(table, &record),
            record: hollow(record),
            complete: true,
            partial: partial || unknown || waits,
        },
        Change::Update { .. } if table.version.is_some() && expected.is_none() => Effect::Unknown,
        Change::Update { record, .. } => Effect::Stored {
            version: version_of(table, &record),
            record: hollow(record),
            complete: base.is_some(),
            partial: partial || unknown || waits,
        },
        // It starts anew, so that its version is known.
        Change::Upsert { record, .. } if reach.renewed => {
            Effect::Stored { version: table.version.map(|_| 1), record: hollow(record), complete: true, partial: true }
        }
        Change::Upsert { .. } => Effect::Unknown,
        Change::Delete { .. } => Effect::Gone,
    };
    let awaited = sent.map(|sent| {
        let hollow = match &effect {
            Effect::Stored { record, complete: true, .. } if !unknown => Some(Arc::clone(record)),
            _ => None,
        };
        AwaitedKeys { hollow, sent, partial }
    });
    FlushedRow { key, origin, expected, effect: Some(effect), is_child, fact, telling, awaited }
}

/// The keys of children that the database gave them.
#[derive(Debug)]
pub(crate) struct DrawnChildren {
    hollow: Option<Arc<Record>>,
    sent: Arc<Record>,
    ids: DrawnIds,
    partial: bool,
    children: Vec<DrawnChild>,
}

impl DrawnChildren {
    /// Brings what is known of the row in line with them.
    /// `is_old` if something behind it may be about the row.
    pub(crate) fn note_in(&self, entry: &mut Entry, is_old: bool) {
        entry.drawn.is_waiting = false;
        let is_this = |sent: &mut Sent| self.hollow.as_ref().is_some_and(|hollow| Arc::ptr_eq(hollow, &sent.hollow));
        let sent = entry.drawn.sent.take_if(is_this);
        let known = &entry.drawn.children;
        let write = known.last().map_or(0, |last| last.write + 1);
        let new = self.children.iter().map(|child| DrawnChild { write, ..child.clone() });
        entry.drawn.children = Arc::new(known.iter().cloned().chain(new).collect());
        // Nothing else was sent of the row meanwhile. What was sent of its children is in the record.
        if let (Some(sent), Some(stored)) = (sent, &entry.stored)
            && Arc::ptr_eq(&sent.hollow, stored)
            && let Some(record) = self.ids.record(&sent.record)
        {
            let (record, is_as_sent) = (Arc::new(record), Arc::ptr_eq(&sent.record, &self.sent));
            entry.stored = Some(Arc::clone(&record));
            if is_as_sent && !is_old && !entry.queued.is_any() {
                entry.current = Some(record);
                entry.partial = self.partial;
            }
        }
    }
}

impl FlushedRow {
    /// Tells a row that was there, with the keys of its new children, to who waits for it.
    pub(super) fn tell(&self, table: &TableDescriptor, ids: &DrawnIds) {
        if let Some(Telling { told, record, .. }) = &self.telling {
            told.tell(ids.record(record).ok_or_else(|| untold(table)));
        }
    }

    /// The keys of its new children.
    pub(super) fn learn(&mut self, table: &'static TableDescriptor, ids: &DrawnIds) -> Option<(RowKey, DrawnChildren)> {
        let AwaitedKeys { hollow, sent, partial } = self.awaited.take()?;
        let mut children = Vec::new();
        note_drawn(table, &sent, &ids.record(&sent)?, &mut children);
        Some((self.key.clone()?, DrawnChildren { hollow, sent, ids: ids.clone(), partial, children }))
    }
}

/// Takes note of the children that were sent without a key, with the keys that they have been given.
fn note_drawn(table: &'static TableDescriptor, sent: &Record, stored: &Record, drawn: &mut Vec<DrawnChild>) {
    let Some(parent) = table.key.first().map(|&at| stored[at].clone()) else { return };
    let rows = sent.children().unwrap_or_default().iter().zip(stored.children().unwrap_or_default());
    for (relation, (sent, stored)) in table.relations.iter().zip(rows) {
        let child = relation.child();
        for (sent, stored) in sent.iter().zip(stored) {
            if is_drawn(&key_of(child, sent)) {
                let (sent, key) = (sent.without_children(), key_of(child, stored));
                drawn.push(DrawnChild { row_type: child.row_type, parent: parent.clone(), sent, key, write: 0 });
            }
            note_drawn(child, sent, stored, drawn);
        }
    }
}
