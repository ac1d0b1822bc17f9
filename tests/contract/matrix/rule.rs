//! What each call does with a value in each state, by the guide alone: a small table that knows nothing of how the library
//! works.

use std::collections::BTreeSet;

use spakky::ErrorKind;
use spakky::mutation::MutationKind;

use super::call::{Call, Form, Verb};
use super::rows::{Held, StoredKid, Traits};
use super::state::State;

/// What becomes of the row, beside what the state itself leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// The call is refused, nothing is sent for it, and the unit of work goes on.
    Refused(ErrorKind),
    /// What was sent fails, and the unit of work is undone.
    Fails(ErrorKind),
    /// Nothing is written for it.
    Nothing,
    /// A new row with the children of the value.
    Insert,
    /// The same, beside the row that the value was read from.
    Another,
    /// What changed is written; children that are left out are deleted.
    Update,
    /// Every mapped column is written, and the children become those of the value.
    Replace,
    /// The same by an upsert.
    Upsert,
    /// The row begins anew under its id: nothing stays of what it was.
    Renew,
    /// The row goes with all that belongs to it.
    Delete,
    SoftDelete,
    Restore,
    /// Its version goes up.
    Touch,
}

/// What the session knows of the row that the value means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Nothing: the value is of another session, or new.
    Nothing,
    /// Nothing, and the value has no id that it could be known by.
    NoId,
    Row,
    Deleted,
    SoftDeleted,
}

struct Facts {
    known: Known,
    /// A write of the row waits in this session.
    queued: bool,
    /// The database has the row when the call's own write is carried out, for the session's tenant, not soft-deleted.
    there: bool,
    /// It has a row with the id that the call does not reach: another tenant's, or a soft-deleted one.
    hidden: bool,
    /// The version that the value was read with is the one that the row has then.
    fits: bool,
    /// The value holds a version.
    carries: bool,
    /// The value lacks the ids of its children, which were changed since, so that they cannot be told from new ones.
    untold_kids: bool,
}

use Effect::*;
use ErrorKind::{Conflict, InvalidQuery, NotLoaded, StaleCopy, UniqueViolation};
use State::*;

fn facts(traits: Traits, state: State) -> Facts {
    let untold = traits.drawn && matches!(state, New | Added | AddedFlushed);
    let known = match state {
        _ if untold => Known::NoId,
        Unchanged | Changed | Saved | Flushed | Added | AddedFlushed | AddedNow | Upserted | Stale | Gone => Known::Row,
        Deleted | DeletedFlushed => Known::Deleted,
        SoftDeleted | SoftDeletedFlushed | BuriedLoaded => Known::SoftDeleted,
        New | MadeUp | Detached | DetachedStale | DetachedGone | Buried | Foreign => Known::Nothing,
    };
    let there = match state {
        New | MadeUp | Deleted | DeletedFlushed | Gone | DetachedGone => false,
        SoftDeleted | SoftDeletedFlushed | Buried | BuriedLoaded | Foreign => false,
        Added | AddedFlushed | AddedNow => !untold,
        _ => true,
    };
    Facts {
        known,
        queued: !untold && matches!(state, Saved | Added | Upserted | Deleted | SoftDeleted),
        there,
        hidden: matches!(state, SoftDeleted | SoftDeletedFlushed | Buried | BuriedLoaded | Foreign),
        fits: there && !matches!(state, Stale | DetachedStale),
        carries: traits.carries() && !untold && !matches!(state, New | MadeUp),
        untold_kids: state == AddedFlushed && traits.kids_drawn && !untold,
    }
}

pub(super) fn effect(traits: Traits, state: State, verb: Verb) -> Effect {
    let facts = facts(traits, state);
    match verb {
        Verb::Add => add(traits, state, &facts),
        Verb::Save => match save(traits, &facts) {
            Update if state == Unchanged => Nothing,
            Update if facts.untold_kids => Refused(StaleCopy),
            effect => effect,
        },
        Verb::SaveIf | Verb::SaveIfOther | Verb::SaveIfAny | Verb::Attach | Verb::AttachSave => {
            save_if(traits, state, verb, &facts)
        }
        Verb::Upsert if traits.drawn => Refused(InvalidQuery),
        Verb::Upsert => match facts {
            Facts { known: Known::SoftDeleted, .. } => Refused(NotLoaded),
            Facts { hidden: true, .. } => Fails(Conflict),
            Facts { there: true, .. } => Upsert,
            _ if state == Deleted => Renew,
            _ => Insert,
        },
        Verb::UpsertBy if traits.parent => Refused(InvalidQuery),
        // Found by the unique key, also where the value has no id.
        Verb::UpsertBy => match state {
            New | MadeUp | Deleted | DeletedFlushed | Gone | DetachedGone => Insert,
            _ => Upsert,
        },
        Verb::Delete => match save(traits, &facts) {
            Update | Replace => Delete,
            effect => effect,
        },
        Verb::DeleteById => {
            if facts.there {
                Delete
            } else {
                Nothing
            }
        }
        Verb::SoftDelete => match save(traits, &facts) {
            Update | Replace => SoftDelete,
            effect => effect,
        },
        Verb::Restore => match (facts.known, state) {
            (Known::SoftDeleted, _) => Restore,
            (Known::Row, _) => Nothing,
            // Whatever version it holds is not the one that the row got when it was soft-deleted.
            (Known::Nothing, Buried) if facts.carries => Fails(Conflict),
            _ => match save(traits, &facts) {
                // Nothing but its version is known here.
                Update | Replace => Touch,
                effect => effect,
            },
        },
    }
}

fn add(traits: Traits, state: State, facts: &Facts) -> Effect {
    if traits.drawn {
        // The id of the value is not used. The values of a unique key may be taken.
        let is_taken = !matches!(state, New | MadeUp | Deleted | DeletedFlushed | Gone | DetachedGone);
        let has_kids_of_another = traits.parent && !traits.kids_drawn;
        return match (traits.parent, is_taken) {
            (false, true) => Fails(UniqueViolation),
            // It comes with children that the session knows to be there, and are not any more.
            (true, _) if state == Gone => Fails(Conflict),
            // Those that the session knows move here, those that it does not know are another's.
            (true, true) if has_kids_of_another && !matches!(facts.known, Known::Row) && state != AddedFlushed => {
                Fails(UniqueViolation)
            }
            (true, true) => Another,
            (_, false) => Insert,
        };
    }
    match facts.known {
        Known::Row | Known::SoftDeleted => Refused(UniqueViolation),
        Known::Deleted if state == Deleted => Renew,
        _ if facts.there || facts.hidden => Fails(UniqueViolation),
        _ => Insert,
    }
}

fn save(traits: Traits, facts: &Facts) -> Effect {
    match facts.known {
        Known::NoId | Known::Deleted | Known::SoftDeleted => Refused(NotLoaded),
        Known::Row if facts.fits || facts.there && !traits.versioned() => Update,
        Known::Row => Fails(Conflict),
        Known::Nothing if !facts.carries => Refused(NotLoaded),
        Known::Nothing if facts.fits => Replace,
        Known::Nothing => Fails(Conflict),
    }
}

fn save_if(traits: Traits, state: State, verb: Verb, facts: &Facts) -> Effect {
    let fits = match verb {
        Verb::SaveIfOther => false,
        Verb::SaveIfAny => facts.there,
        _ => facts.fits,
    };
    match verb {
        _ if traits.held == Held::Nowhere || facts.queued => Refused(InvalidQuery),
        Verb::Attach => Nothing,
        _ if facts.untold_kids => Refused(StaleCopy),
        Verb::SaveIfAny if facts.known == Known::SoftDeleted => Refused(NotLoaded),
        Verb::SaveIfAny if matches!(facts.known, Known::Row) => match state {
            // What was loaded is guarded by its own version.
            Unchanged => Nothing,
            _ if facts.fits => Update,
            _ => Fails(Conflict),
        },
        _ if fits => Replace,
        _ => Fails(Conflict),
    }
}

/// An aggregate in the database, as far as the tests tell.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) n: i64,
    pub(super) note: i64,
    pub(super) version: i64,
    pub(super) tenant: &'static str,
    pub(super) deleted: bool,
    /// `sku`, `qty`, `note`, whether it is soft-deleted.
    pub(super) kids: Vec<(&'static str, i64, i64, bool)>,
    pub(super) unmapped: usize,
}

impl Row {
    pub(super) fn is(&self, stored: &super::rows::Stored) -> bool {
        let kid = |kid: &StoredKid| (kid.sku.clone(), kid.qty, kid.note, kid.deleted);
        let kids = self.kids.iter().map(|&(sku, qty, note, deleted)| (sku.to_owned(), qty, note, deleted));
        self.n == stored.n
            && self.note == stored.note
            && self.version == stored.version
            && self.tenant == stored.tenant
            && self.deleted == stored.deleted
            && self.unmapped == stored.unmapped
            && kids.eq(stored.kids.iter().map(kid))
    }

    fn kids(traits: Traits, kids: &[(&'static str, i64, i64)]) -> Vec<(&'static str, i64, i64, bool)> {
        if traits.parent { kids.iter().map(|&(sku, qty, note)| (sku, qty, note, false)).collect() } else { Vec::new() }
    }

    /// As it is stored ahead.
    pub(super) fn seed(traits: Traits, state: State) -> Option<Self> {
        state.is_seeded().then(|| Row {
            n: 1,
            note: 5,
            version: 1,
            tenant: if !traits.tenant {
                ""
            } else if state == Foreign {
                "globex"
            } else {
                "acme"
            },
            deleted: false,
            kids: Row::kids(traits, &[("a", 1, 7), ("b", 1, 7)]),
            unmapped: usize::from(traits.parent),
        })
    }

    fn inserted(traits: Traits, n: i64, kids: &[(&'static str, i64, i64)]) -> Self {
        Row {
            n,
            note: 0,
            version: i64::from(traits.versioned()),
            tenant: if traits.tenant { "acme" } else { "" },
            deleted: false,
            kids: Row::kids(traits, kids),
            unmapped: 0,
        }
    }

    fn raised(self, traits: Traits) -> Self {
        Row { version: self.version + i64::from(traits.versioned()), ..self }
    }

    fn buried(self, traits: Traits, deleted: bool) -> Self {
        let kids = self.kids.into_iter();
        let kids = kids.map(|(sku, qty, note, was)| (sku, qty, note, if traits.soft_kids { deleted } else { was }));
        Row { deleted, kids: kids.collect(), ..self }
    }

    /// What others did to it by the time of the call.
    pub(super) fn meanwhile(traits: Traits, state: State) -> Option<Self> {
        let seed = Row::seed(traits, state)?;
        match state {
            Stale | DetachedStale => Some(Row { n: 50, version: 2, ..seed }),
            Gone | DetachedGone => None,
            Buried | BuriedLoaded => Some(Row { version: 2, ..seed.buried(traits, true) }),
            _ => Some(seed),
        }
    }

    /// What the unit of work leaves without the call.
    pub(super) fn without_call(traits: Traits, state: State) -> Option<Self> {
        if matches!(state, Added | AddedFlushed | AddedNow) {
            return Some(Row::inserted(traits, 9, &[("a", 1, 0), ("b", 1, 0)]));
        }
        let row = Row::meanwhile(traits, state)?;
        match state {
            Saved | Flushed | Upserted => Some(Row { n: 9, ..row }.raised(traits)),
            Deleted | DeletedFlushed => None,
            SoftDeleted | SoftDeletedFlushed => Some(row.buried(traits, true).raised(traits)),
            _ => Some(row),
        }
    }
}

/// The rows that the unit of work leaves behind the call, the one that the value was read from first.
pub(super) fn rows(traits: Traits, state: State, verb: Verb, effect: Effect) -> Vec<Row> {
    let before = Row::without_call(traits, state);
    let merges = matches!(state, Saved | Added | Upserted | SoftDeleted) && !(traits.drawn && state == Added);
    let raised = |row: Row| if merges { row } else { row.raised(traits) };
    let new = [("a", 2, 0), ("c", 3, 0)];
    let content = |row: Row| {
        if state == Unchanged {
            return row;
        }
        let note_of = |at: usize| row.kids.get(at).map_or(0, |&(_, _, note, _)| note);
        let mut kids = Row::kids(traits, &[("a", 2, note_of(0)), ("c", 3, 0)]);
        if traits.soft_kids && !(merges && state == Added) {
            kids.insert(1, ("b", 1, note_of(1), true));
        }
        Row { n: 2, kids, ..row }
    };
    let value = || match state {
        Unchanged => Row::inserted(traits, 1, &[("a", 1, 0), ("b", 1, 0)]),
        _ => Row::inserted(traits, 2, &new),
    };
    // The children that the session knows of the row that the value was read from are moved to the new one.
    let moves = traits.parent
        && match state {
            Unchanged | Changed | Saved | Flushed | AddedNow | Stale | Deleted => true,
            AddedFlushed => !traits.kids_drawn,
            _ => false,
        };
    let noted = matches!(state, Unchanged | Changed | Saved | Flushed | Stale | Deleted);
    let another = || {
        let mut row = value();
        let kept = if state == Unchanged { 2 } else { 1 };
        row.kids.iter_mut().take(kept).filter(|_| moves && noted).for_each(|kid| kid.2 = 7);
        row
    };
    let left = |row: Row| {
        let stays = |kid: &(&str, i64, i64, bool)| !moves || kid.0 == "b" && state != Unchanged;
        Row { kids: row.kids.iter().copied().filter(stays).collect(), ..row }
    };
    match effect {
        Fails(_) => Row::meanwhile(traits, state).into_iter().collect(),
        Refused(_) | Nothing => before.into_iter().collect(),
        Insert if traits.drawn && state == Deleted => vec![another()],
        Insert => vec![value()],
        Another => before.map(left).into_iter().chain([another()]).collect(),
        Touch => before.map(|row| row.raised(traits)).into_iter().collect(),
        Update | Replace | Upsert if verb == Verb::UpsertBy => {
            before.map(|row| content(row).raised(traits)).into_iter().collect()
        }
        // What the upsert gave is stored ahead of its end.
        Update | Replace | Upsert if state == Upserted && traits.soft_kids => {
            before.map(|row| content(row).raised(traits)).into_iter().collect()
        }
        Update | Replace | Upsert => before.map(|row| raised(content(row))).into_iter().collect(),
        Renew => vec![value().raised(traits)],
        Delete => Vec::new(),
        SoftDelete if state == Upserted => {
            before.map(|row| row.buried(traits, true).raised(traits)).into_iter().collect()
        }
        SoftDelete => before.map(|row| raised(row.buried(traits, true))).into_iter().collect(),
        Restore => before.map(|row| raised(row.buried(traits, false))).into_iter().collect(),
    }
}

/// What is sent for a call that nothing waits beside.
pub(super) struct Verbs {
    /// By the level of the tables: roots, children, children that the domain type does not know.
    pub(super) sent: BTreeSet<(usize, &'static str)>,
    /// What listeners hear of the root.
    pub(super) told: Option<MutationKind>,
}

/// `None` where it may find nothing to do in the database alone.
pub(super) fn verbs(traits: Traits, state: State, verb: Verb, effect: Effect) -> Option<Verbs> {
    let (insert, update, delete) = ("insert", "update", "delete");
    let upserts = matches!(verb, Verb::Upsert | Verb::UpsertBy);
    // A child that is left out.
    let leave = if traits.soft_kids { update } else { delete };
    let soft: &[&str] = if traits.soft_kids { &[update] } else { &[] };
    let (root, kids, told): (_, Vec<&str>, _) = match effect {
        Nothing | Refused(_) if verb == Verb::DeleteById => return None,
        Refused(_) | Nothing | Fails(_) => return Some(Verbs { sent: BTreeSet::new(), told: None }),
        // Those that were there are swept.
        Insert | Upsert if upserts => (insert, vec![insert, leave], MutationKind::Upsert),
        Insert | Upsert => (insert, vec![insert], MutationKind::Insert),
        // One child moves, and one is new.
        Another if state == Unchanged => (insert, vec![update], MutationKind::Insert),
        Another if matches!(state, Changed | Stale) => (insert, vec![insert, update], MutationKind::Insert),
        Another => (insert, vec![insert], MutationKind::Insert),
        Update => (update, vec![insert, update, leave], MutationKind::Update),
        Replace => (update, vec![insert, leave], MutationKind::Update),
        Renew => return None,
        Delete => (delete, vec![delete], MutationKind::Delete),
        SoftDelete => (update, soft.to_vec(), MutationKind::SoftDelete),
        Restore | Touch => (update, soft.to_vec(), MutationKind::Restore),
    };
    let mut sent = BTreeSet::from([(0, root)]);
    if traits.parent {
        sent.extend(kids.into_iter().map(|verb| (1, verb)));
        sent.extend((effect == Delete).then_some((2, delete)));
    }
    Some(Verbs { sent, told: Some(told) })
}

/// The version that a value has behind a call, if it can hold one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    OfBefore,
    /// The one that it had ahead of the unit of work, which was undone.
    Ahead(i64),
    /// That of the row.
    OfRow,
    /// None, until it is read again.
    Unknown,
    /// That of a unit of work which was undone: a number cannot know.
    Spent,
}

pub(super) struct Holds {
    /// The id is that of the row, and not the one of before.
    pub(super) id: bool,
    pub(super) version: Version,
}

pub(super) fn holds(traits: Traits, state: State, call: Call, effect: Effect) -> Holds {
    let is_now = matches!(call.form, Form::Now | Form::NowAll | Form::Alone | Form::AloneAll);
    let of = |version| Holds { id: false, version };
    // What it joins in the queue is guarded by a version.
    let joins = matches!(state, Saved | Added);
    match (effect, call.verb) {
        (Refused(_) | Nothing | Delete, _) => of(Version::OfBefore),
        (Fails(_), _) if traits.held == Held::Number && (!is_now || state.writes()) => of(Version::Spent),
        (Fails(_), _) if state == BuriedLoaded => of(Version::Ahead(2)),
        (Fails(_), _) => of(Version::Ahead(i64::from(state.is_seeded()))),
        (_, Verb::UpsertBy) if is_now => Holds { id: true, version: Version::OfRow },
        (_, Verb::UpsertBy) => of(Version::OfBefore),
        (_, Verb::Add) if traits.drawn && is_now => Holds { id: true, version: Version::OfRow },
        (_, Verb::Add) if traits.drawn => of(Version::OfBefore),
        (Insert | Upsert, Verb::Upsert) if !joins => of(Version::Unknown),
        (_, Verb::SaveIfAny) if effect == Replace => of(Version::OfBefore),
        // Which version the row has is known when the upsert is sent.
        (Update | SoftDelete, _) if state == Upserted => of(Version::Unknown),
        _ => of(Version::OfRow),
    }
}
