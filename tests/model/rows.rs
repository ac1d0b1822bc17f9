//! Aggregates of three levels, in variants that differ in what the library does with their columns.
//!
//! Every variant has the same columns. Where a column has no role in one, it is a column like others that the domain
//! type does not know (`row_only`), and has to stay as it is.

mod variants;

use std::fmt::Debug;
use std::future::Future;

use chrono::{DateTime, Utc};
use spakky::Error;
use spakky::prelude::*;
use spakky::query::Predicate;
use spakky::schema::SchemaRegistry;

pub(super) use self::variants::{drawn, drawn_kids, numbered, plain, revised, soft, soft_plain, versioned};
use super::step::Form;

/// What tells a row apart for the tests, whoever assigns its id.
pub(super) type Tag = i64;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kid {
    pub(super) id: i64,
    pub(super) tag: Tag,
    pub(super) n: i64,
    pub(super) grands: Vec<Grand>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Grand {
    pub(super) id: i64,
    pub(super) tag: Tag,
    pub(super) n: i64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Only {
    pub(super) n: i64,
}

/// The fields of a root, mutable.
pub(super) struct Parts<'a> {
    pub(super) id: &'a mut i64,
    pub(super) n: &'a mut i64,
    pub(super) m: &'a mut i64,
    pub(super) kids: &'a mut Vec<Kid>,
    pub(super) only: &'a mut Option<Only>,
}

/// The domain type of a root.
pub(super) trait Aggregate: Debug + Clone + Send + Sync + 'static {
    fn new(id: i64, tag: Tag) -> Self;
    fn tag(&self) -> Tag;
    fn parts(&mut self) -> Parts<'_>;
    /// The version that the value holds; `None` if it holds none.
    fn version(&self) -> Option<i64>;
    /// The same value at another version.
    fn at(self, version: i64) -> Self;
}

macro_rules! root {
    ($(#[$meta:meta])* $name:ident $({ $field:ident: $type:ty, $read:expr, $at:expr })?) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        pub(super) struct $name {
            id: i64,
            tag: Tag,
            n: i64,
            m: i64,
            kids: Vec<Kid>,
            only: Option<Only>,
            $($field: $type,)?
        }

        impl Aggregate for $name {
            fn new(id: i64, tag: Tag) -> Self {
                $name { id, tag, n: 0, m: 0, kids: Vec::new(), only: None, $($field: <$type>::default(),)? }
            }

            fn tag(&self) -> Tag {
                self.tag
            }

            fn parts(&mut self) -> Parts<'_> {
                Parts { id: &mut self.id, n: &mut self.n, m: &mut self.m, kids: &mut self.kids, only: &mut self.only }
            }

            fn version(&self) -> Option<i64> {
                let version: fn(&Self) -> Option<i64> = |_root| {
                    None::<i64> $(.or($read(&_root.$field)))?
                };
                version(self)
            }

            fn at(self, _version: i64) -> Self {
                $name { $($field: $at(_version),)? ..self }
            }
        }
    };
}

root!(
    /// Knows nothing of versions.
    Plain
);
root!(
    /// Holds the version that it was loaded with.
    Revised { revision: Revision, |revision: &Revision| revision.version(), Revision::loaded }
);
root!(
    /// Holds its version as a number.
    Numbered { version: i64, |version: &i64| Some(*version), |version| version }
);

/// A row as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stored {
    pub(super) id: i64,
    pub(super) tag: Tag,
    pub(super) parent: i64,
    pub(super) n: i64,
    pub(super) m: i64,
    pub(super) note: i64,
    pub(super) version: i64,
    pub(super) tenant: String,
    pub(super) author: String,
    pub(super) editor: String,
    pub(super) deleted: Option<DateTime<Utc>>,
}

/// Whether and how the domain value of a root knows its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// The table has no version.
    Unversioned,
    /// The session alone knows it.
    Session,
    Revision,
    Number,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Traits {
    pub(super) name: &'static str,
    pub(super) held: Held,
    pub(super) kid_version: bool,
    /// Whether the database assigns the ids of roots, kids and grandchildren.
    pub(super) drawn: [bool; 3],
    pub(super) tenant: bool,
    pub(super) stamped: bool,
    /// Whether roots, kids and grandchildren can be deleted softly.
    pub(super) soft: bool,
}

impl Traits {
    pub(super) fn versioned(&self) -> bool {
        self.held != Held::Unversioned
    }

    /// Whether the value itself carries the version.
    pub(super) fn carries(&self) -> bool {
        matches!(self.held, Held::Revision | Held::Number)
    }
}

/// The levels of an aggregate: root, kid, grandchild, the one child of a root.
pub(super) const LEVELS: [&str; 4] = ["root", "kid", "grand", "only"];

pub(super) trait Variant: 'static {
    type Domain: Aggregate;
    type Root: Table<Id = i64> + Mappable<Domain = Self::Domain>;
    type Kid: Table<Id = i64> + Mappable<Domain = Kid>;
    type Grand: Table<Id = i64> + Mappable<Domain = Grand>;

    const TRAITS: Traits;
    const TABLES: [&'static str; 4];

    fn schema() -> SchemaRegistry;
    fn with_tag(tag: Tag) -> Predicate<Self::Root>;
    fn with_n(n: i64) -> Predicate<Self::Root>;
    /// Sets `m` of roots, or `n` of kids or grandchildren, where `n` is this.
    fn update_where(
        sessions: &SessionManager,
        level: usize,
        n: i64,
        to: i64,
    ) -> impl Future<Output = Result<u64, Error>>;
    fn delete_grands_where(sessions: &SessionManager, n: i64) -> impl Future<Output = Result<u64, Error>>;
    fn soft_delete(
        roots: &Repository<Self::Root>,
        value: &mut Self::Domain,
        form: Form,
    ) -> impl Future<Output = Result<(), Error>>;
    fn restore(
        roots: &Repository<Self::Root>,
        value: &mut Self::Domain,
        form: Form,
    ) -> impl Future<Output = Result<(), Error>>;
    /// Everything that is stored, whoever it belongs to, by level.
    fn stored(sessions: &SessionManager) -> impl Future<Output = Result<[Vec<Stored>; 4], Error>>;
    /// Empties the tables.
    fn clear(sessions: &SessionManager) -> impl Future<Output = Result<(), Error>>;
    /// Gives rows a value in the column that the domain does not know, as another program.
    fn note(sessions: &SessionManager, level: usize, tag: Tag, note: i64) -> impl Future<Output = Result<u64, Error>>;
}
