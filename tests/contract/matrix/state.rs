//! What the session and the database know of a value when a call is made with it.

use std::collections::HashMap;

use spakky::Error;
use spakky::prelude::*;

use super::rows::{Kid, Kind, Mark, Meanwhile, Root, Tag, Traits};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Never stored; without an id where the database assigns it.
    New,
    /// Never stored, with an id that the database would assign.
    MadeUp,
    /// Loaded in this session.
    Unchanged,
    /// Loaded in this session, and changed.
    Changed,
    /// Loaded in this session, and saved there, which waits; then changed again.
    Saved,
    /// The same, but the save was sent.
    Flushed,
    /// Added in this session, which waits; then changed.
    Added,
    /// The same, but it was sent; the value was not told.
    AddedFlushed,
    /// Added in this session at once; then changed.
    AddedNow,
    /// Loaded in another session and upserted in this one, which waits; then changed.
    Upserted,
    /// Loaded and deleted in this session, which waits.
    Deleted,
    DeletedFlushed,
    /// Loaded and soft-deleted in this session, which waits; then changed.
    SoftDeleted,
    SoftDeletedFlushed,
    /// Loaded in this session; another one has stored it since.
    Stale,
    /// Loaded in this session; another one has deleted it since.
    Gone,
    /// Loaded in another session, and changed.
    Detached,
    /// Loaded in another session; a third one has stored it since.
    DetachedStale,
    /// Loaded in another session; a third one has deleted it since.
    DetachedGone,
    /// Loaded in another session; a third one has soft-deleted it since.
    Buried,
    /// Soft-deleted by another session, and loaded in this one by a repository that sees such.
    BuriedLoaded,
    /// Loaded in another session, by the tenant whose row it is; this session is another's.
    Foreign,
}

use State::*;

pub(super) const STATES: [State; 22] = [
    New,
    MadeUp,
    Unchanged,
    Changed,
    Saved,
    Flushed,
    Added,
    AddedFlushed,
    AddedNow,
    Upserted,
    Deleted,
    DeletedFlushed,
    SoftDeleted,
    SoftDeletedFlushed,
    Stale,
    Gone,
    Detached,
    DetachedStale,
    DetachedGone,
    Buried,
    BuriedLoaded,
    Foreign,
];

impl State {
    /// Why there is no value of such rows in this state.
    pub(super) fn impossible(self, traits: Traits) -> Option<&'static str> {
        match self {
            MadeUp if !traits.drawn => Some("the program assigns the id, so that every new value has it"),
            Upserted if traits.drawn => Some("there is no upsert by an id that the database assigns"),
            SoftDeleted | SoftDeletedFlushed | Buried | BuriedLoaded if !traits.soft => {
                Some("the table knows no soft deletion")
            }
            Foreign if !traits.tenant => Some("the table has no tenants"),
            _ => None,
        }
    }

    /// Whether a call outside of any unit of work can have a value in this state.
    pub(super) fn is_sessionless(self) -> bool {
        matches!(self, New | MadeUp | Detached | DetachedStale | DetachedGone | Buried | Foreign)
    }

    /// Whether something was written in this session ahead of the call.
    pub(super) fn writes(self) -> bool {
        matches!(
            self,
            Saved
                | Flushed
                | Added
                | AddedFlushed
                | AddedNow
                | Upserted
                | Deleted
                | DeletedFlushed
                | SoftDeleted
                | SoftDeletedFlushed
        )
    }

    /// Whether a row is stored ahead.
    pub(super) fn is_seeded(self) -> bool {
        !matches!(self, New | MadeUp | Added | AddedFlushed | AddedNow)
    }

    fn meanwhile(self) -> Option<Meanwhile> {
        match self {
            Stale | DetachedStale => Some(Meanwhile::Save),
            Gone | DetachedGone => Some(Meanwhile::Delete),
            Buried | BuriedLoaded => Some(Meanwhile::SoftDelete),
            _ => None,
        }
    }
}

/// A value in the hand of the program, and the version that it was read or stored with.
#[derive(Debug)]
pub(super) struct Hand<D> {
    pub(super) value: D,
    pub(super) version: i64,
}

fn kid<K: Kind>(tag: Tag, number: i64, qty: i64) -> Kid {
    let id = if K::TRAITS.kids_drawn { 0 } else { tag * 10 + number };
    Kid { id, sku: ["a", "b", "c"][number as usize].to_owned(), qty }
}

/// A value that was never stored, with children `a` and `b`.
fn fresh<K: Kind>(tag: Tag) -> K::Domain {
    let mut value = K::Domain::new(tag, 9);
    if let Some(kids) = value.kids() {
        kids.extend([kid::<K>(tag, 0, 1), kid::<K>(tag, 1, 1)]);
    }
    value
}

/// Changes `n` and child `a`, leaves out child `b`, and gives it a child `c`.
fn change<K: Kind>(tag: Tag, value: &mut K::Domain) {
    value.set_n(2);
    if let Some(kids) = value.kids() {
        kids[0].qty = 2;
        kids[1] = kid::<K>(tag, 2, 3);
    }
}

/// Those who have sessions.
pub(super) struct Sides<K: Kind> {
    pub(super) sessions: SessionManager,
    /// Other programs, or in memory the same one.
    pub(super) others: SessionManager,
    /// What is stored ahead of everything, as another session has loaded it.
    pub(super) loaded: HashMap<Tag, K::Domain>,
}

/// The value as it is ahead of the unit of work.
pub(super) async fn ahead<K: Kind>(sides: &Sides<K>, state: State, tag: Tag) -> Option<Hand<K::Domain>> {
    let mut value = match state {
        New => fresh::<K>(tag),
        MadeUp => {
            let mut value = fresh::<K>(tag);
            K::made_up(&mut value, 900_000_000 + tag);
            value
        }
        Upserted | Detached | DetachedStale | DetachedGone | Buried | Foreign => sides.loaded[&tag].clone(),
        BuriedLoaded => {
            K::meanwhile(&sides.others, tag, Meanwhile::SoftDelete).await.unwrap();
            return None;
        }
        _ => return None,
    };
    if state == Upserted {
        value.set_n(9);
    } else {
        change::<K>(tag, &mut value);
    }
    if let Some(meanwhile) = state.meanwhile() {
        K::meanwhile(&sides.others, tag, meanwhile).await.unwrap();
    }
    Some(Hand { value, version: 1 })
}

/// The value as it is in the unit of work, ahead of the call.
pub(super) async fn within<K: Kind>(
    sides: &Sides<K>,
    session: &Session,
    state: State,
    tag: Tag,
    ahead: Option<Hand<K::Domain>>,
) -> Result<Hand<K::Domain>, Error> {
    let roots = sides.sessions.repository::<K::Row>();
    if let Some(mut hand) = ahead {
        if state == Upserted {
            roots.upsert(&mut hand.value)?;
            change::<K>(tag, &mut hand.value);
        }
        return Ok(hand);
    }
    let mut value = match state {
        Added | AddedFlushed | AddedNow => fresh::<K>(tag),
        BuriedLoaded => roots.with_deleted().get(K::id(&sides.loaded[&tag])).await?,
        _ => roots.get(K::id(&sides.loaded[&tag])).await?,
    };
    let mut version = 1;
    match state {
        Saved | Flushed => {
            value.set_n(9);
            roots.save(&mut value)?;
            version = 2;
        }
        Added | AddedFlushed => roots.add(&mut value)?,
        AddedNow => roots.add_now(&mut value).await?,
        Deleted | DeletedFlushed => roots.delete(&mut value)?,
        SoftDeleted | SoftDeletedFlushed => {
            K::mark(&roots, Mark::SoftDelete, false, std::slice::from_mut(&mut value), false).await?;
            version = 2;
        }
        Stale | Gone => {
            let meanwhile = state.meanwhile().unwrap_or(Meanwhile::Save);
            K::meanwhile(&sides.others, tag, meanwhile).await?;
        }
        BuriedLoaded => version = 2,
        _ => {}
    }
    if matches!(state, Flushed | AddedFlushed | DeletedFlushed | SoftDeletedFlushed) {
        session.flush().await?;
    }
    if state != Unchanged {
        change::<K>(tag, &mut value);
    }
    Ok(Hand { value, version })
}
