//! What a history is made of, and how it is drawn.

use proptest::collection::vec;
use proptest::prelude::*;

/// A history: transactions one after the other. Numbers are taken modulo what there is.
#[derive(Debug, Clone)]
pub(super) struct History {
    /// Whether it does what may be refused.
    pub(super) dares: bool,
    pub(super) transactions: Vec<Work>,
}

#[derive(Debug, Clone)]
pub(super) struct Work {
    pub(super) steps: Vec<Step>,
    pub(super) undone: bool,
    pub(super) tenant: u8,
    /// What another program writes into unmapped columns ahead of it: level and which row.
    pub(super) notes: Vec<(u8, u8)>,
}

/// How a write is called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub(super) now: bool,
    /// By the form for many.
    pub(super) all: bool,
}

impl Form {
    pub(super) fn name(self) -> &'static str {
        match (self.all, self.now) {
            (false, false) => "",
            (false, true) => "_now",
            (true, false) => "_all",
            (true, true) => "_all_now",
        }
    }
}

/// What somebody else does to a root meanwhile.
#[derive(Debug, Clone, Copy)]
pub(super) enum Meanwhile {
    N(i64),
    M(i64),
    AddKid,
    RemoveKid,
    Delete,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    Get,
    Find,
    GetMany,
    FindMany,
    Filter,
    All,
    Lock,
    FindLocked,
    Versioned,
    Stream,
}

/// A change of a value in hand.
#[derive(Debug, Clone, Copy)]
pub(super) enum Edit {
    N(i64),
    M(i64),
    AddKid,
    /// Puts a kid in that was in this hand before.
    ReaddKid(u8),
    RemoveKid(u8),
    Kid(u8, i64),
    AddGrand(u8),
    RemoveGrand(u8, u8),
    Grand(u8, u8, i64),
    /// Moves a grandchild to another kid of the same hand.
    Shift(u8, u8, u8),
    Only(Option<i64>),
    Clear,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Add {
        hand: u8,
        kids: u8,
        form: Form,
    },
    Load {
        hand: u8,
        root: u8,
        way: Way,
    },
    Edit {
        hand: u8,
        edit: Edit,
    },
    /// A kid goes from hand to hand.
    MoveKid {
        from: u8,
        to: u8,
        kid: u8,
    },
    MoveGrand {
        from: u8,
        to: u8,
        kid: u8,
        grand: u8,
        under: u8,
    },
    Save {
        hand: u8,
        form: Form,
    },
    SaveAll {
        first: u8,
        now: bool,
    },
    Delete {
        hand: u8,
        form: Form,
    },
    DeleteById {
        root: u8,
        form: Form,
    },
    /// Adds what was deleted in this transaction again.
    Readd {
        hand: u8,
        form: Form,
    },
    Upsert {
        hand: u8,
        form: Form,
    },
    SaveIf {
        hand: u8,
        form: Form,
    },
    SoftDelete {
        hand: u8,
        form: Form,
    },
    /// Reads a soft-deleted root and restores it.
    Restore {
        root: u8,
        form: Form,
    },
    Flush,
    Count {
        n: Option<i64>,
    },
    Exists {
        root: u8,
    },
    /// Writes roots, kids or grandchildren by a condition.
    UpdateWhere {
        level: u8,
        n: i64,
        to: i64,
    },
    /// Deletes grandchildren, or a root that has no children.
    DeleteWhere {
        root: Option<u8>,
        n: i64,
    },
    /// Another session commits a change of a root, ahead of all writes of this one.
    Meanwhile {
        root: u8,
        what: Meanwhile,
    },
    /// A write that may be refused for a reason that the guide names, in a history that dares.
    Dare {
        hand: u8,
        delete: bool,
    },
    /// By the repository of the kids.
    SaveKid {
        kid: u8,
        n: i64,
        now: bool,
    },
    DeleteKid {
        kid: u8,
        by_id: bool,
    },
    Nested {
        steps: Vec<Step>,
        undone: bool,
    },
}

fn way() -> impl Strategy<Value = Way> {
    prop_oneof![
        4 => Just(Way::Get),
        1 => Just(Way::Find),
        1 => Just(Way::GetMany),
        1 => Just(Way::FindMany),
        2 => Just(Way::Filter),
        1 => Just(Way::All),
        1 => Just(Way::Lock),
        1 => Just(Way::FindLocked),
        1 => Just(Way::Versioned),
        1 => Just(Way::Stream),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    let n = || 0..3_i64;
    let at = || 0..4_u8;
    prop_oneof![
        2 => n().prop_map(Edit::N),
        1 => n().prop_map(Edit::M),
        3 => Just(Edit::AddKid),
        1 => at().prop_map(Edit::ReaddKid),
        2 => at().prop_map(Edit::RemoveKid),
        2 => (at(), n()).prop_map(|(kid, n)| Edit::Kid(kid, n)),
        2 => at().prop_map(Edit::AddGrand),
        1 => (at(), at()).prop_map(|(kid, grand)| Edit::RemoveGrand(kid, grand)),
        2 => (at(), at(), n()).prop_map(|(kid, grand, n)| Edit::Grand(kid, grand, n)),
        1 => (at(), at(), at()).prop_map(|(kid, grand, to)| Edit::Shift(kid, grand, to)),
        1 => proptest::option::of(n()).prop_map(Edit::Only),
        1 => Just(Edit::Clear),
    ]
}

fn form() -> impl Strategy<Value = Form> {
    (prop::bool::weighted(0.3), prop::bool::weighted(0.2)).prop_map(|(now, all)| Form { now, all })
}

fn meanwhile() -> impl Strategy<Value = Meanwhile> {
    prop_oneof![
        (0..3_i64).prop_map(Meanwhile::N),
        (0..3_i64).prop_map(Meanwhile::M),
        Just(Meanwhile::AddKid),
        Just(Meanwhile::RemoveKid),
        Just(Meanwhile::Delete),
    ]
}

fn leaf() -> impl Strategy<Value = Step> {
    let hand = || 0..3_u8;
    let root = || 0..4_u8;
    let now = || prop::bool::weighted(0.3);
    prop_oneof![
        2 => (hand(), 0..3_u8, form()).prop_map(|(hand, kids, form)| Step::Add { hand, kids, form }),
        8 => (hand(), root(), way()).prop_map(|(hand, root, way)| Step::Load { hand, root, way }),
        9 => (hand(), edit()).prop_map(|(hand, edit)| Step::Edit { hand, edit }),
        3 => (hand(), hand(), root()).prop_map(|(from, to, kid)| Step::MoveKid { from, to, kid }),
        1 => (hand(), hand(), root(), root(), root())
            .prop_map(|(from, to, kid, grand, under)| Step::MoveGrand { from, to, kid, grand, under }),
        8 => (hand(), form()).prop_map(|(hand, form)| Step::Save { hand, form }),
        3 => (hand(), now()).prop_map(|(first, now)| Step::SaveAll { first, now }),
        1 => (hand(), form()).prop_map(|(hand, form)| Step::Delete { hand, form }),
        1 => (root(), form()).prop_map(|(root, form)| Step::DeleteById { root, form }),
        1 => (hand(), form()).prop_map(|(hand, form)| Step::Readd { hand, form }),
        1 => (hand(), form()).prop_map(|(hand, form)| Step::Upsert { hand, form }),
        1 => (hand(), form()).prop_map(|(hand, form)| Step::SaveIf { hand, form }),
        1 => (hand(), form()).prop_map(|(hand, form)| Step::SoftDelete { hand, form }),
        1 => (root(), form()).prop_map(|(root, form)| Step::Restore { root, form }),
        2 => Just(Step::Flush),
        1 => proptest::option::of(0..3_i64).prop_map(|n| Step::Count { n }),
        1 => (0..3_u8, 0..3_i64, 0..3_i64).prop_map(|(level, n, to)| Step::UpdateWhere { level, n, to }),
        1 => (proptest::option::of(root()), 0..3_i64).prop_map(|(root, n)| Step::DeleteWhere { root, n }),
        2 => (root(), meanwhile()).prop_map(|(root, what)| Step::Meanwhile { root, what }),
        2 => (hand(), any::<bool>()).prop_map(|(hand, delete)| Step::Dare { hand, delete }),
        1 => root().prop_map(|root| Step::Exists { root }),
        1 => (root(), 0..3_i64, now()).prop_map(|(kid, n, now)| Step::SaveKid { kid, n, now }),
        1 => (root(), any::<bool>()).prop_map(|(kid, by_id)| Step::DeleteKid { kid, by_id }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    leaf().prop_recursive(3, 16, 5, |inner| {
        (vec(inner, 1..6), prop::bool::weighted(0.4)).prop_map(|(steps, undone)| Step::Nested { steps, undone })
    })
}

fn work() -> impl Strategy<Value = Work> {
    let steps = vec(prop_oneof![6 => leaf(), 1 => step()], 1..12);
    let notes = prop_oneof![3 => Just(Vec::new()), 1 => vec((0..4_u8, 0..4_u8), 1..4)];
    (steps, prop::bool::weighted(0.1), 0..6_u8, notes).prop_map(|(steps, undone, tenant, notes)| Work {
        steps,
        undone,
        tenant: u8::from(tenant == 5),
        notes,
    })
}

pub(super) fn history() -> impl Strategy<Value = History> {
    (prop::bool::weighted(0.03), vec(work(), 1..9)).prop_map(|(dares, transactions)| History { dares, transactions })
}
