//! What was committed, told to those who asked: for caches to invalidate, read models to refresh, metrics to count.
//!
//! Events are made when writes are sent and told when COMMIT was confirmed; a transaction that is rolled back tells
//! nothing, nor does one whose outcome stays unknown. Writes by plain SQL and on lent connections are not seen.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::Notify;

use crate::context::RequestContext;
use crate::schema::TableDescriptor;
use crate::unit_of_work::{DrawnIds, is_drawn, show_key};
use crate::value::Value;

/// What was done to rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MutationKind {
    /// Rows were inserted.
    Insert,
    /// Rows were updated.
    Update,
    /// Rows were inserted, or updated where they were there.
    Upsert,
    /// Rows were deleted.
    Delete,
    /// Rows were soft-deleted.
    SoftDelete,
    /// Soft-deleted rows were restored.
    Restore,
}

/// One committed statement of a unit of work: what it did to which rows of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MutationEvent {
    /// The table.
    pub table: &'static str,
    /// What was done.
    pub kind: MutationKind,
    /// The ids of the rows, as error messages show them: `7`, or `(7, "a")` for a composite key. Empty where they are not
    /// known: writes by condition, and rows whose ids a trigger assigned.
    pub ids: Vec<String>,
    /// The versions that the rows have now, in the order of `ids`; empty where the table has no version or it is not known.
    pub versions: Vec<i64>,
    /// The columns written; for a batch those that changed in any of its rows. Empty for deletions.
    pub changed: Vec<String>,
    /// The tenant for whom it was done, if the context has one.
    pub tenant: Option<String>,
}

impl MutationEvent {
    /// Keys for a cache: `orders`, and `orders:7` for each row. An event without ids concerns the whole table.
    pub fn tags(&self) -> Vec<String> {
        let rows = self.ids.iter().map(|id| format!("{}:{id}", self.table));
        std::iter::once(self.table.to_owned()).chain(rows).collect()
    }
}

/// What one statement will have done once it is committed.
#[derive(Debug, Clone)]
pub(crate) struct Mutation {
    pub(crate) event: MutationEvent,
    /// The versions that its rows will have, where they have one, by table and id.
    pub(crate) versions: Vec<(RowName, i64)>,
    /// The rows whose ids are yet to be drawn, by their places among those of the event.
    drawn: Vec<(usize, Vec<Value>)>,
    ids: DrawnIds,
}

/// A row, for the order of events. New rows whose ids are yet to be drawn have an empty id.
pub(crate) type RowName = (&'static str, String);

impl Mutation {
    /// One more row. If its id is yet to be drawn, it is found in `ids` later.
    pub(crate) fn push(&mut self, key: &[Value], version: Option<i64>, ids: &DrawnIds) {
        let drawn = is_drawn(key);
        let name = if drawn { String::new() } else { show_key(key) };
        if drawn {
            self.drawn.push((self.event.ids.len(), key.to_vec()));
            self.ids = ids.clone();
        }
        self.event.versions.extend(version);
        self.versions.extend(version.map(|version| ((self.event.table, name.clone()), version)));
        self.event.ids.push(name);
    }

    /// The event, with the ids that were drawn meanwhile.
    fn told(&mut self, tenant: Option<&str>) -> MutationEvent {
        for (at, key) in std::mem::take(&mut self.drawn).into_iter().rev() {
            match self.ids.values(&key) {
                Some(key) => self.event.ids[at] = show_key(&key),
                None => drop(self.event.ids.remove(at)),
            }
        }
        if self.event.kind == MutationKind::Delete || self.event.versions.len() != self.event.ids.len() {
            self.event.versions.clear();
        }
        MutationEvent { tenant: tenant.map(str::to_owned), ..self.event.clone() }
    }

    /// A write by condition.
    pub(crate) fn of_many(table: &TableDescriptor, kind: MutationKind, changed: Vec<String>) -> Self {
        let event =
            MutationEvent { table: table.name, kind, ids: Vec::new(), versions: Vec::new(), changed, tenant: None };
        Mutation { event, versions: Vec::new(), drawn: Vec::new(), ids: DrawnIds::default() }
    }
}

type Listener = Arc<dyn Fn(&MutationEvent) + Send + Sync>;

/// Who listens, and which transactions are being committed.
#[derive(Default)]
pub(crate) struct Listeners {
    listeners: RwLock<Vec<Listener>>,
    committing: Mutex<HashMap<RowName, Vec<i64>>>,
    /// A commit has come to its end.
    ended: Notify,
}

impl Listeners {
    pub(crate) fn add(&self, listener: Listener) {
        self.listeners.write().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// Whether anybody listens, so that events are worth making.
    pub(crate) fn is_empty(&self) -> bool {
        self.listeners.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn committing(&self) -> MutexGuard<'_, HashMap<RowName, Vec<i64>>> {
        self.committing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note that COMMIT is about to be sent, so that a later transaction on the same rows tells of them later.
    pub(crate) fn begin(self: &Arc<Self>, mut mutations: Vec<Mutation>) -> Telling {
        if self.is_empty() {
            mutations.clear();
        }
        let mut committing = self.committing();
        for (row, version) in mutations.iter().flat_map(|mutation| &mutation.versions) {
            committing.entry(row.clone()).or_default().push(*version);
        }
        drop(committing);
        Telling { listeners: Arc::clone(self), mutations }
    }

    fn tell(&self, event: &MutationEvent) {
        let listeners = self.listeners.read().unwrap_or_else(PoisonError::into_inner).clone();
        for listener in listeners {
            // The transaction is committed, whatever a listener makes of it.
            if std::panic::catch_unwind(AssertUnwindSafe(|| listener(event))).is_err() {
                tracing::error!(table = event.table, "a listener to mutations panicked; the transaction is committed");
            }
        }
    }
}

/// The events of one transaction while it is being committed.
pub(crate) struct Telling {
    listeners: Arc<Listeners>,
    mutations: Vec<Mutation>,
}

impl Telling {
    /// Tells the events, those of rows that an earlier transaction wrote after it has told its own.
    ///
    /// A row's version tells which was earlier: whoever writes version 5 has waited for version 4 to be committed, though
    /// its own answer may be read first.
    ///
    /// Listeners find `context`, in which it was done.
    pub(crate) async fn tell(mut self, context: &RequestContext) {
        if self.mutations.is_empty() {
            return;
        }
        loop {
            let ended = self.listeners.ended.notified();
            let mut ended = std::pin::pin!(ended);
            ended.as_mut().enable();
            if !self.must_wait() {
                break;
            }
            ended.await;
        }
        for mut mutation in std::mem::take(&mut self.mutations) {
            let event = mutation.told(context.get_tenant());
            context.enter(|| self.listeners.tell(&event));
            Self::forget(&self.listeners, &mutation.versions);
        }
        self.listeners.ended.notify_waiters();
    }

    /// Whether a commit under way wrote the version before that of one of the rows, or may have: of a new row whose id was
    /// yet to be drawn only the table is known.
    fn must_wait(&self) -> bool {
        let committing = self.listeners.committing();
        let own = || self.mutations.iter().flat_map(|mutation| &mutation.versions);
        own().any(|(row, version)| {
            let earliest = own().filter(|(other, _)| other == row).map(|(_, version)| *version).min();
            let before = earliest.unwrap_or(*version) - 1;
            let unnamed = (row.0, String::new());
            let count = |others: &Vec<i64>| others.iter().filter(|other| **other == before).count();
            let own_unnamed = || own().filter(|(other, version)| *other == unnamed && *version == before).count();
            committing.get(row).is_some_and(|others| others.contains(&before))
                || committing.get(&unnamed).is_some_and(|others| count(others) > own_unnamed())
        })
    }

    fn forget(listeners: &Listeners, versions: &[(RowName, i64)]) {
        let mut committing = listeners.committing();
        for (row, version) in versions {
            let Some(others) = committing.get_mut(row) else { continue };
            if let Some(at) = others.iter().position(|other| other == version) {
                others.swap_remove(at);
            }
            if others.is_empty() {
                committing.remove(row);
            }
        }
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        if self.mutations.is_empty() {
            return;
        }
        for mutation in &self.mutations {
            Self::forget(&self.listeners, &mutation.versions);
        }
        self.listeners.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn version(version: i64) -> Mutation {
        let versions = vec![(("orders", "7".to_owned()), version)];
        let (ids, versions_told) = (vec!["7".to_owned()], vec![version]);
        let event = MutationEvent {
            table: "orders",
            kind: MutationKind::Update,
            ids,
            versions: versions_told,
            changed: Vec::new(),
            tenant: None,
        };
        Mutation {
            versions,
            event: event.clone(),
            ..Mutation::of_many(crate::fixture::customers(), event.kind, Vec::new())
        }
    }

    #[tokio::test]
    async fn a_later_version_waits_until_the_earlier_one_was_told_or_given_up() {
        let nobody = RequestContext::new();
        for told_first in [true, false] {
            let listeners = Arc::new(Listeners::default());
            let heard: Arc<Mutex<Vec<i64>>> = Arc::default();
            let hears = Arc::clone(&heard);
            listeners.add(Arc::new(move |event| hears.lock().unwrap().extend(&event.versions)));
            let (fifth, fourth) = (listeners.begin(vec![version(5)]), listeners.begin(vec![version(4)]));
            let mut waiting = pin!(fifth.tell(&nobody));
            assert_eq!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending);
            if told_first {
                fourth.tell(&nobody).await
            } else {
                drop(fourth)
            }
            waiting.await;
            let expected: &[i64] = if told_first { &[4, 5] } else { &[5] };
            assert_eq!(*heard.lock().unwrap(), expected);
            assert!(listeners.committing().is_empty());
        }
    }
}
