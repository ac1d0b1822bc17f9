//! Kinds of rows: what assigns the key, what holds the version, and what else the library does with their columns.

use std::fmt::Debug;
use std::future::Future;

use chrono::{DateTime, Utc};
use spakky::Error;
use spakky::prelude::*;
use spakky::schema::SchemaRegistry;
use uuid::Uuid;

/// What tells a root apart for the tests, whoever assigns its id.
pub(super) type Tag = i64;

/// Who holds the version of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// The table has none.
    Nowhere,
    /// The session alone.
    Session,
    Revision,
    Number,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Traits {
    pub(super) held: Held,
    /// The database assigns the id.
    pub(super) drawn: bool,
    /// It assigns those of children.
    pub(super) kids_drawn: bool,
    /// It has children that the domain type knows, and others that it does not know.
    pub(super) parent: bool,
    pub(super) tenant: bool,
    pub(super) soft: bool,
    /// Children are soft-deleted along with their row.
    pub(super) soft_kids: bool,
}

impl Traits {
    pub(super) fn versioned(self) -> bool {
        self.held != Held::Nowhere
    }

    /// Whether the value itself carries its version.
    pub(super) fn carries(self) -> bool {
        matches!(self.held, Held::Revision | Held::Number)
    }
}

/// A child as the domain type has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kid {
    pub(super) id: i64,
    pub(super) sku: String,
    pub(super) qty: i64,
}

/// A root as it is stored, with all that belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stored {
    pub(super) id: String,
    pub(super) tag: Tag,
    pub(super) n: i64,
    /// What the domain type does not know.
    pub(super) note: i64,
    pub(super) version: i64,
    pub(super) tenant: String,
    pub(super) deleted: bool,
    pub(super) kids: Vec<StoredKid>,
    /// How many children of the relation that the domain type does not have.
    pub(super) unmapped: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct StoredKid {
    pub(super) id: i64,
    pub(super) sku: String,
    pub(super) qty: i64,
    pub(super) note: i64,
    pub(super) deleted: bool,
}

/// A key for the tests: the one of a number.
pub(super) trait Key: Debug + Clone + PartialEq {
    fn of(number: i64) -> Self;
    fn shown(&self) -> String;
}

impl Key for i64 {
    fn of(number: i64) -> Self {
        number
    }

    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Key for String {
    fn of(number: i64) -> Self {
        format!("key-{number}")
    }

    fn shown(&self) -> String {
        format!("{self:?}")
    }
}

impl Key for Uuid {
    fn of(number: i64) -> Self {
        Uuid::from_u128(u128::from(number.unsigned_abs()))
    }

    fn shown(&self) -> String {
        self.to_string()
    }
}

/// A value of a root.
pub(super) trait Root: Debug + Clone + Send + Sync + 'static {
    /// One that was never stored. An id that the database assigns is 0.
    fn new(tag: Tag, n: i64) -> Self;
    fn tag(&self) -> Tag;
    fn set_n(&mut self, n: i64);
    fn kids(&mut self) -> Option<&mut Vec<Kid>>;
    fn shown_id(&self) -> String;
    /// The version that the value holds, if it can.
    fn version(&self) -> Option<i64>;
}

/// The calls that only some tables have, in their four forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    SoftDelete,
    Restore,
}

/// What another program does to a root that somebody has loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meanwhile {
    /// Sets `n` to 50 and raises the version.
    Save,
    /// Deletes it with all that belongs to it.
    Delete,
    /// Soft-deletes it, with its children where those are deleted along, and raises the version.
    SoftDelete,
}

pub(super) trait Kind: 'static {
    type Domain: Root;
    type Row: Table + Mappable<Domain = Self::Domain>;

    const NAME: &'static str;
    const TRAITS: Traits;
    /// Roots, children, and the children that the domain type does not know.
    const TABLES: [&'static str; 3];
    /// The unique key by which rows can be found.
    const UNIQUE: &'static str;

    fn schema() -> SchemaRegistry;
    fn id(value: &Self::Domain) -> <Self::Row as Table>::Id;
    /// Makes a value one of an id that the database would assign, or of another one.
    fn made_up(value: &mut Self::Domain, number: i64);
    fn mark(
        roots: &Repository<Self::Row>,
        mark: Mark,
        now: bool,
        values: &mut [Self::Domain],
        all: bool,
    ) -> impl Future<Output = Result<(), Error>>;
    /// Stores roots of these tags at version 1, each with two children and one of the relation that the domain type lacks, as
    /// another program.
    fn seed(others: &SessionManager, tags: &[(Tag, &'static str)]) -> impl Future<Output = ()>;
    /// Everything that is stored, by tag.
    fn stored(others: &SessionManager) -> impl Future<Output = Vec<Stored>>;
    fn meanwhile(others: &SessionManager, tag: Tag, what: Meanwhile) -> impl Future<Output = Result<(), Error>>;
}

macro_rules! version_of {
    ($self:ident,) => {
        None
    };
    ($self:ident, $held:ident: i64) => {
        Some($self.$held)
    };
    ($self:ident, $held:ident: Revision) => {
        Some($self.$held.version().unwrap_or_default())
    };
}

macro_rules! soft_calls {
    (soft) => {
        async fn mark(
            roots: &Repository<RootRow>,
            mark: Mark,
            now: bool,
            values: &mut [Value],
            all: bool,
        ) -> Result<(), Error> {
            match (mark, all, now) {
                (Mark::SoftDelete, false, false) => roots.soft_delete(&mut values[0]),
                (Mark::SoftDelete, false, true) => roots.soft_delete_now(&mut values[0]).await,
                (Mark::SoftDelete, true, false) => roots.soft_delete_all(values),
                (Mark::SoftDelete, true, true) => roots.soft_delete_all_now(values).await,
                (Mark::Restore, false, false) => roots.restore(&mut values[0]),
                (Mark::Restore, false, true) => roots.restore_now(&mut values[0]).await,
                (Mark::Restore, true, false) => roots.restore_all(values),
                (Mark::Restore, true, true) => roots.restore_all_now(values).await,
            }
        }
    };
    (hard) => {
        async fn mark(_: &Repository<RootRow>, _: Mark, _: bool, _: &mut [Value], _: bool) -> Result<(), Error> {
            unreachable!("the table knows no soft deletion, so that the call does not compile")
        }
    };
}

macro_rules! is_soft {
    (soft) => {
        true
    };
    (hard) => {
        false
    };
}

macro_rules! is_drawn {
    (drawn) => {
        true
    };
    (given) => {
        false
    };
}

macro_rules! seeded_id {
    (drawn, $key:ty, $tag:expr) => {
        0
    };
    (given, $key:ty, $tag:expr) => {
        <$key as Key>::of($tag)
    };
}

// Behind the macros that they use.
mod parent;
mod single;

pub(super) use self::parent::{
    drawn_number, drawn_plain, drawn_revision, known, natural, plain, revised, soft, soft_tenanted, tenanted,
};
pub(super) use self::single::{coupons, pairs};
