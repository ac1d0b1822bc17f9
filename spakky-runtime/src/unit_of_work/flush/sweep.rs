//! What is done to many children by one statement, whichever they are.

use super::FlushContext;
use super::moves::Moves;
use super::write::Write;
use crate::backend::Statement;
use crate::error::Error;
use crate::mutant::Mutant;
use crate::mutation::MutationKind;
use crate::query::{Comparison, Condition, Term};
use crate::schema::{Lineage, Relation, TableDescriptor};
use crate::scope::Mark;
use crate::statement::{Marking, delete_all, mark_where};
use crate::unit_of_work::order::{Kind, Node};
use crate::value::Value;

/// What becomes of all children of some rows but a few, in one statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// They are restored with the row above them, ahead of all that is written.
    Restored,
    /// They are soft-deleted, ahead of those that take their place.
    Replaced,
    /// They are deleted, in the order of foreign keys.
    Deleted,
    /// They are soft-deleted with the row above them, behind all that was queued for them.
    Buried,
}

/// One statement for all children of some rows but a few.
#[derive(Debug, Clone)]
pub(super) struct Sweep {
    pub(super) fate: Fate,
    /// The row above them whose soft deletion is theirs.
    pub(super) above: Option<Lineage>,
    /// How the children are reached from the rows.
    pub(super) path: Vec<&'static Relation>,
    /// The keys of the rows.
    pub(super) roots: Vec<Value>,
    /// What the rows must be like.
    pub(super) confined: Option<Confined>,
    /// The keys of the children that stay.
    pub(super) keep: Vec<Vec<Value>>,
    /// The step of the path that leads to rows which are deleted for good, and the keys of those that stay: what is below
    /// them is not meant.
    pub(super) spared: Option<(usize, Vec<Vec<Value>>)>,
    /// For each step of the path but the last the keys of the rows that move: what is below them goes with them, also what nobody
    /// knows of since it is soft-deleted.
    pub(super) moving: Vec<Vec<Vec<Value>>>,
    /// The children are of this tenant, if their table knows any.
    pub(super) tenant: Option<Value>,
    /// Those that are soft-deleted stay, too, and of those to be deleted what is below such.
    pub(super) live: bool,
}

/// What rows must be like whose children go with them, if they go.
#[derive(Debug, Clone)]
pub(super) struct Confined {
    table: &'static TableDescriptor,
    condition: Condition,
    tenant: Option<Value>,
    live: bool,
}

impl PartialEq for Confined {
    fn eq(&self, other: &Self) -> bool {
        self.table.row_type == other.table.row_type && self.tenant == other.tenant && self.live == other.live
    }
}

impl Confined {
    /// What a write is confined to; `None` if it finds its row by the key alone.
    pub(super) fn of(write: &Write) -> Option<Self> {
        let (table, reach) = (write.table, &write.reach);
        let tenant = table.tenant().zip(reach.tenant.clone()).map(|(at, tenant)| Condition::Compare {
            column: table.columns[at].name.clone(),
            comparison: Comparison::Eq,
            term: Term::Value(tenant),
        });
        let live = table.deleted_at().filter(|_| reach.live);
        let live_only = live.is_some();
        let live = live.map(|at| Condition::Null { column: table.columns[at].name.clone(), negated: false });
        let condition = tenant.into_iter().chain(live).reduce(Condition::and)?;
        Some(Confined { table, condition, tenant: reach.tenant.clone(), live: live_only })
    }
}

impl Sweep {
    fn table(&self) -> &'static TableDescriptor {
        // A path has a step.
        self.path[self.path.len() - 1].child()
    }

    pub(super) fn node(&self) -> Node {
        (self.table(), if self.fate == Fate::Deleted { Kind::Delete } else { Kind::Update })
    }

    /// How far below the rows the children are.
    pub(super) fn depth(&self) -> usize {
        self.path.len()
    }

    /// Leaves out what is below the rows that move.
    pub(super) fn spare_moving(&mut self, moves: &Moves) {
        let Some((_, above)) = self.path.split_last().filter(|_| self.fate == Fate::Deleted) else { return };
        self.moving = above.iter().map(|step| moves.keys(step.child().row_type).cloned().collect()).collect();
    }

    /// The statement; with `wants_xid` it answers with the transaction's id.
    ///
    /// # Errors
    /// When it cannot be written, or the children want an actor and the context has none.
    pub(super) fn statement(&self, context: &FlushContext<'_>, wants_xid: bool) -> Result<Statement, Error> {
        let FlushContext { backend, scope, .. } = *context;
        let mark = match self.fate {
            Fate::Deleted => return delete_all(backend, self.table(), &self.condition(), wants_xid),
            Fate::Replaced | Fate::Buried => Mark::Deleted,
            Fate::Restored => Mark::Restored,
        };
        let marking = Marking { mark, above: self.above.clone(), wants_xid };
        mark_where(self.table(), marking, &self.condition(), scope, backend)
    }

    /// What it does, for those who listen.
    pub(super) fn does(&self) -> MutationKind {
        match self.fate {
            Fate::Deleted => MutationKind::Delete,
            Fate::Replaced | Fate::Buried => MutationKind::SoftDelete,
            Fate::Restored => MutationKind::Restore,
        }
    }

    /// The children that it is about.
    pub(super) fn condition(&self) -> Condition {
        let mut steps = self.path.iter().enumerate();
        let first = steps.next().map(|(_, relation)| {
            let (column, values) = (relation.column.clone(), self.roots.clone());
            let of_roots = |column| Condition::In { column, values, negated: false };
            match &self.confined {
                None => of_roots(column),
                Some(Confined { table, condition, .. }) => {
                    let key = table.key_columns().next().map(|key| key.name.clone()).unwrap_or_default();
                    let condition = Box::new(of_roots(key).and(condition.clone()));
                    Condition::InSelect { column, table, condition }
                }
            }
        });
        let mut table = self.path.first().map(|relation| relation.child());
        let first = first.filter(|_| !Mutant::SweptWithoutParent.is_on());
        let mut condition = first.unwrap_or(Condition::Constant(Mutant::SweptWithoutParent.is_on()));
        for (step, relation) in steps {
            if let Some(table) = table.replace(relation.child()) {
                if let (Some(at), Fate::Deleted, true) = (table.deleted_at(), self.fate, self.is_live(step - 1)) {
                    let column = table.columns[at].name.clone();
                    condition = condition.and(Condition::Null { column, negated: false });
                }
                if let Some(keys) = self.moving.get(step - 1) {
                    condition = condition.and(no_one_of(keys));
                }
                if let Some((_, keys)) = self.spared.as_ref().filter(|(at, _)| *at == step - 1) {
                    condition = condition.and(no_one_of(keys));
                }
                condition =
                    Condition::InSelect { column: relation.column.clone(), table, condition: Box::new(condition) };
            }
        }
        let child = self.table();
        let named = |at: usize| child.columns[at].name.clone();
        if let (Some(at), Some(tenant)) = (child.tenant(), &self.tenant) {
            condition = condition.and(Condition::Compare {
                column: named(at),
                comparison: Comparison::Eq,
                term: Term::Value(tenant.clone()),
            });
        }
        if let (Some(at), true) = (child.deleted_at(), self.is_live(self.path.len() - 1)) {
            condition = condition.and(Condition::Null { column: named(at), negated: false });
        }
        if let (Fate::Restored, Some(above)) = (self.fate, &self.above) {
            condition = condition.and(Condition::DeletedWith(above.clone()));
        }
        condition.and(no_one_of(&self.keep))
    }

    /// Whether those that are soft-deleted stay at a step of the path, as they do above rows that are deleted for good.
    fn is_live(&self, step: usize) -> bool {
        self.spared.as_ref().map_or(self.live, |(from, _)| step < *from)
    }

    fn is_like(&self, other: &Sweep) -> bool {
        self.fate == other.fate
            && self.tenant == other.tenant
            && self.live == other.live
            && self.confined == other.confined
            && self.spared.as_ref().map(|(at, _)| *at) == other.spared.as_ref().map(|(at, _)| *at)
            && self.path.len() == other.path.len()
            && self.path.iter().zip(&other.path).all(|(a, b)| std::ptr::eq(*a, *b))
    }
}

/// None of these keys.
fn no_one_of(keys: &[Vec<Value>]) -> Condition {
    match keys.is_empty() {
        true => Condition::Constant(true),
        false => Condition::Not(Box::new(Condition::Keys(keys.to_vec()))),
    }
}

/// One statement for all rows whose children are reached in the same way.
pub(super) fn merge_sweep(sweeps: &mut Vec<Sweep>, sweep: Sweep) {
    match sweeps.iter_mut().find(|known| known.is_like(&sweep)) {
        Some(known) => {
            // A key that stands in the list twice does no harm, and to look for it would take time by the square.
            known.roots.extend(sweep.roots);
            known.keep.extend(sweep.keep);
            if let (Some((_, known)), Some((_, keys))) = (&mut known.spared, sweep.spared) {
                known.extend(keys);
            }
        }
        None => sweeps.push(sweep),
    }
}
