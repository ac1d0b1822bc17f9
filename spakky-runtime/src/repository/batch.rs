//! Writes that are checked first and queued together: all of them, or none.

use crate::error::Error;
use crate::mappable::{Mappable, Revision};
use crate::schema::Table;
use crate::session::{Queued, Session, check_queued};
use crate::unit_of_work::{ByRow, Change, Entry, PendingQueue, PendingWrite, RowKey};

/// The writes of one call, each made in view of those before it. Nothing is queued before [`finish`](Self::finish).
pub(super) struct Batch<'s> {
    pub(super) session: &'s Session,
    writes: Vec<Queued>,
    /// Where in `writes` the last one of a row is.
    rows: ByRow<usize>,
    /// For each of `writes` where the one before it of the same row is.
    earlier: Vec<Option<usize>>,
}

impl<'s> Batch<'s> {
    pub(super) fn new(session: &'s Session) -> Self {
        Batch { session, writes: Vec::new(), rows: ByRow::default(), earlier: Vec::new() }
    }

    /// What the session knows of a row, the writes of this batch included.
    pub(super) fn known(&self, key: &RowKey) -> Option<Entry> {
        match self.last(key) {
            Some(entry) => {
                let around = self.session.known(key).map(|entry| entry.queued).unwrap_or_default();
                let queued = around.with(self.session.depth, self.pending(key).is_some());
                Some(Entry { queued, ..entry.clone() })
            }
            None => self.session.known(key),
        }
    }

    /// What is queued for a row in this scope, the writes of this batch included.
    pub(super) fn pending(&self, key: &RowKey) -> Option<Change> {
        let earlier = self.session.pending(key);
        let Some(&last) = self.rows.get(key) else { return earlier.map(|write| write.change) };
        let mut own: Vec<usize> = std::iter::successors(Some(last), |&at| self.earlier[at]).collect();
        own.reverse();
        let mut queue = PendingQueue::default();
        let own = own.into_iter().map(|at| self.writes[at].0.clone());
        earlier.into_iter().chain(own).for_each(|write| queue.push(write, |_, _| false));
        queue.get(key).map(|write| write.change.clone())
    }

    fn last(&self, key: &RowKey) -> Option<&Entry> {
        self.writes[*self.rows.get(key)?].1.as_ref().map(|(_, entry)| entry)
    }

    /// Takes in a write, and what the row will be.
    pub(super) fn queue(&mut self, write: PendingWrite, entry: Option<(RowKey, Entry)>) -> Result<(), Error> {
        let mut earlier = None;
        if let Some((key, entry)) = &entry {
            if self.last(key).is_some() {
                check_queued(&write, key, entry, self.known(key).as_ref())?;
            }
            earlier = self.rows.insert(key.clone(), self.writes.len());
        }
        self.writes.push((write, entry));
        self.earlier.push(earlier);
        Ok(())
    }

    /// Queues all of them.
    pub(super) fn finish(self) -> Result<(), Error> {
        if self.writes.is_empty() { Ok(()) } else { self.session.queue(self.writes) }
    }
}

/// What a write gives to its aggregate: the revision of the row with this key.
pub(super) type Given = Option<(RowKey, Revision)>;

/// Queues a write of each of these aggregates, and then tells these what they are now.
pub(super) fn queue_each<Row: Table + Mappable>(
    session: &Session,
    domains: &mut [&mut Row::Domain],
    plan: impl Fn(&mut Batch<'_>, &Row::Domain) -> Result<Given, Error>,
) -> Result<(), Error> {
    let given = plan_each::<Row>(session, domains, plan)?;
    give::<Row>(Some(session), domains, given);
    Ok(())
}

/// Queues a write of each of these aggregates, and answers with what these are to be told once it is sure.
pub(super) fn plan_each<Row: Table + Mappable>(
    session: &Session,
    domains: &[&mut Row::Domain],
    plan: impl Fn(&mut Batch<'_>, &Row::Domain) -> Result<Given, Error>,
) -> Result<Vec<Given>, Error> {
    let mut batch = Batch::new(session);
    batch.writes.reserve(domains.len());
    batch.rows.reserve(domains.len());
    let mut given = Vec::with_capacity(domains.len());
    for domain in domains {
        given.push(plan(&mut batch, domain)?);
    }
    batch.finish()?;
    Ok(given)
}

/// Tells aggregates what they are now, in a scope that may yet be undone, or for good.
pub(super) fn give<Row: Table + Mappable>(
    session: Option<&Session>,
    domains: &mut [&mut Row::Domain],
    given: Vec<Given>,
) {
    let mut fate = None;
    let mut versions = Vec::new();
    for (domain, given) in domains.iter_mut().zip(given) {
        let (Some((key, revision)), Some(before)) = (given, Row::revision(domain)) else { continue };
        match session {
            Some(session) => {
                let fate = fate.get_or_insert_with(|| session.state().fate(session.depth));
                // One that the value had before is no new one.
                let version = revision.version.filter(|version| before.version() != Some(*version));
                versions.extend(version.map(|version| (key, version)));
                Row::set_revision(domain, revision.given_by(fate, &before));
            }
            None => Row::set_revision(domain, revision),
        }
    }
    if let Some(session) = session
        && let Some(frame) = session.state().frames.get_mut(session.depth)
    {
        frame.given.append(&mut versions);
    }
}
