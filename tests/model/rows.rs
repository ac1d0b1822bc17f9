//! Aggregates of three levels, in variants that differ in what the library does with their columns.
//!
//! Every variant has the same columns. Where a column has no role in one, it is a column like others that the domain
//! type does not know (`row_only`), and has to stay as it is.

use std::fmt::Debug;
use std::future::Future;

use chrono::{DateTime, Utc};
use spakky::Error;
use spakky::prelude::*;
use spakky::query::Predicate;
use spakky::schema::SchemaRegistry;

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

macro_rules! is_soft {
    (soft) => {
        true
    };
    (hard) => {
        false
    };
}

/// The calls that only a table with soft deletion has.
macro_rules! soft_calls {
    (soft) => {
        async fn soft_delete(roots: &Repository<RootRow>, value: &mut Self::Domain, form: Form) -> Result<(), Error> {
            match (form.all, form.now) {
                (false, false) => roots.soft_delete(value),
                (false, true) => roots.soft_delete_now(value).await,
                (true, false) => roots.soft_delete_all([value]),
                (true, true) => roots.soft_delete_all_now([value]).await,
            }
        }

        async fn restore(roots: &Repository<RootRow>, value: &mut Self::Domain, form: Form) -> Result<(), Error> {
            match (form.all, form.now) {
                (false, false) => roots.restore(value),
                (false, true) => roots.restore_now(value).await,
                (true, false) => roots.restore_all([value]),
                (true, true) => roots.restore_all_now([value]).await,
            }
        }
    };
    (hard) => {
        async fn soft_delete(_: &Repository<RootRow>, _: &mut Self::Domain, _: Form) -> Result<(), Error> {
            Ok(())
        }

        async fn restore(_: &Repository<RootRow>, _: &mut Self::Domain, _: Form) -> Result<(), Error> {
            Ok(())
        }
    };
}

macro_rules! variant {
    (
        $module:ident: $domain:ident, $held:ident,
        tables [$roots:tt $kids:tt $grands:tt $onlys:tt],
        ids [$($root_id:tt)*] [$($kid_id:tt)*] [$($grand_id:tt)*],
        drawn $drawn:expr,
        version [$($root_version:tt)*] [$($kid_version:tt)*] $kid_versioned:expr,
        tenant [$($tenant:tt)*] $tenanted:expr,
        stamps [$($author:tt)*] [$($editor:tt)*] $stamped:expr,
        deleted [$($deleted:tt)*] $soft:ident,
    ) => {
        pub(super) mod $module {
            use super::*;

            #[derive(Debug, Clone, Table, Mappable)]
            #[table(name = $roots)]
            #[mappable(domain = $domain)]
            pub(in super::super) struct RootRow {
                #[table($($root_id)*)]
                id: i64,
                tag: i64,
                n: i64,
                m: i64,
                #[mappable(row_only)]
                note: i64,
                #[table(has_many(by = root_id, order_by = id))]
                kids: Vec<KidRow>,
                #[table(has_one(by = root_id))]
                only: Option<OnlyRow>,
                $($root_version)*
                version: i64,
                $($tenant)*
                tenant: String,
                $($author)*
                author: String,
                $($editor)*
                editor: String,
                $($deleted)*
                deleted: Option<DateTime<Utc>>,
            }

            #[derive(Debug, Clone, Table, Mappable)]
            #[table(name = $kids)]
            #[mappable(domain = Kid)]
            pub(in super::super) struct KidRow {
                #[table($($kid_id)*)]
                id: i64,
                tag: i64,
                #[table(references(RootRow))]
                #[mappable(parent)]
                root_id: i64,
                n: i64,
                #[mappable(row_only)]
                note: i64,
                #[table(has_many(by = kid_id, order_by = id))]
                grands: Vec<GrandRow>,
                $($kid_version)*
                version: i64,
                $($author)*
                author: String,
                $($editor)*
                editor: String,
                $($deleted)*
                deleted: Option<DateTime<Utc>>,
            }

            #[derive(Debug, Clone, Table, Mappable)]
            #[table(name = $grands)]
            #[mappable(domain = Grand)]
            pub(in super::super) struct GrandRow {
                #[table($($grand_id)*)]
                id: i64,
                tag: i64,
                #[table(references(KidRow))]
                #[mappable(parent)]
                kid_id: i64,
                n: i64,
                #[mappable(row_only)]
                note: i64,
                $($author)*
                author: String,
                $($editor)*
                editor: String,
                $($deleted)*
                deleted: Option<DateTime<Utc>>,
            }

            #[derive(Debug, Clone, Table, Mappable)]
            #[table(name = $onlys)]
            #[mappable(domain = Only)]
            pub(in super::super) struct OnlyRow {
                #[table(id, references(RootRow))]
                #[mappable(parent)]
                root_id: i64,
                n: i64,
                #[mappable(row_only)]
                note: i64,
                $($author)*
                author: String,
                $($editor)*
                editor: String,
            }

            /// The same tables as another program sees them.
            mod raw {
                use super::*;

                #[derive(Debug, Clone, Table, Mappable)]
                #[table(name = $roots)]
                #[mappable(domain = Self)]
                pub(super) struct Root {
                    #[table(id)]
                    pub(super) id: i64,
                    pub(super) tag: i64,
                    pub(super) n: i64,
                    pub(super) m: i64,
                    pub(super) note: i64,
                    pub(super) version: i64,
                    pub(super) tenant: String,
                    pub(super) author: String,
                    pub(super) editor: String,
                    pub(super) deleted: Option<DateTime<Utc>>,
                }

                #[derive(Debug, Clone, Table, Mappable)]
                #[table(name = $kids)]
                #[mappable(domain = Self)]
                pub(super) struct Kid {
                    #[table(id)]
                    pub(super) id: i64,
                    pub(super) tag: i64,
                    pub(super) root_id: i64,
                    pub(super) n: i64,
                    pub(super) note: i64,
                    pub(super) version: i64,
                    pub(super) author: String,
                    pub(super) editor: String,
                    pub(super) deleted: Option<DateTime<Utc>>,
                }

                #[derive(Debug, Clone, Table, Mappable)]
                #[table(name = $grands)]
                #[mappable(domain = Self)]
                pub(super) struct Grand {
                    #[table(id)]
                    pub(super) id: i64,
                    pub(super) tag: i64,
                    pub(super) kid_id: i64,
                    pub(super) n: i64,
                    pub(super) note: i64,
                    pub(super) author: String,
                    pub(super) editor: String,
                    pub(super) deleted: Option<DateTime<Utc>>,
                }

                #[derive(Debug, Clone, Table, Mappable)]
                #[table(name = $onlys)]
                #[mappable(domain = Self)]
                pub(super) struct Only {
                    #[table(id)]
                    pub(super) root_id: i64,
                    pub(super) n: i64,
                    pub(super) note: i64,
                    pub(super) author: String,
                    pub(super) editor: String,
                }
            }

            pub(in super::super) struct It;

            impl Variant for It {
                type Domain = $domain;
                type Root = RootRow;
                type Kid = KidRow;
                type Grand = GrandRow;

                const TRAITS: Traits = Traits {
                    name: stringify!($module),
                    held: Held::$held,
                    kid_version: $kid_versioned,
                    drawn: $drawn,
                    tenant: $tenanted,
                    stamped: $stamped,
                    soft: is_soft!($soft),
                };
                const TABLES: [&'static str; 4] = [$roots, $kids, $grands, $onlys];

                fn schema() -> SchemaRegistry {
                    schema![RootRow, KidRow, GrandRow, OnlyRow]
                }

                fn with_tag(tag: Tag) -> Predicate<RootRow> {
                    RootRow::COLUMNS.tag.eq(tag)
                }

                fn with_n(n: i64) -> Predicate<RootRow> {
                    RootRow::COLUMNS.n.eq(n)
                }

                async fn update_where(sessions: &SessionManager, level: usize, n: i64, to: i64) -> Result<u64, Error> {
                    match level {
                        0 => {
                            let (rows, c) = (sessions.repository::<RootRow>(), RootRow::COLUMNS);
                            rows.update_where(c.n.eq(n), c.m.set(to)).await
                        }
                        1 => {
                            let (rows, c) = (sessions.repository::<KidRow>(), KidRow::COLUMNS);
                            rows.update_where(c.n.eq(n), c.n.set(to)).await
                        }
                        _ => {
                            let (rows, c) = (sessions.repository::<GrandRow>(), GrandRow::COLUMNS);
                            rows.update_where(c.n.eq(n), c.n.set(to)).await
                        }
                    }
                }

                async fn delete_grands_where(sessions: &SessionManager, n: i64) -> Result<u64, Error> {
                    sessions.repository::<GrandRow>().delete_where(GrandRow::COLUMNS.n.eq(n)).await
                }

                soft_calls!($soft);

                async fn stored(sessions: &SessionManager) -> Result<[Vec<Stored>; 4], Error> {
                    let read = TransactionOptions::new().read_only().propagation(Propagation::RequiresNew);
                    sessions
                        .transaction(read, async |_| {
                            let roots = sessions.repository::<raw::Root>().untracked().query().all().await?;
                            let kids = sessions.repository::<raw::Kid>().untracked().query().all().await?;
                            let grands = sessions.repository::<raw::Grand>().untracked().query().all().await?;
                            let onlys = sessions.repository::<raw::Only>().untracked().query().all().await?;
                            let roots = roots.into_iter().map(|row| Stored {
                                id: row.id,
                                tag: row.tag,
                                parent: 0,
                                n: row.n,
                                m: row.m,
                                note: row.note,
                                version: row.version,
                                tenant: row.tenant,
                                author: row.author,
                                editor: row.editor,
                                deleted: row.deleted,
                            });
                            let kids = kids.into_iter().map(|row| Stored {
                                id: row.id,
                                tag: row.tag,
                                parent: row.root_id,
                                n: row.n,
                                m: 0,
                                note: row.note,
                                version: row.version,
                                tenant: String::new(),
                                author: row.author,
                                editor: row.editor,
                                deleted: row.deleted,
                            });
                            let grands = grands.into_iter().map(|row| Stored {
                                id: row.id,
                                tag: row.tag,
                                parent: row.kid_id,
                                n: row.n,
                                m: 0,
                                note: row.note,
                                version: 0,
                                tenant: String::new(),
                                author: row.author,
                                editor: row.editor,
                                deleted: row.deleted,
                            });
                            let onlys = onlys.into_iter().map(|row| Stored {
                                id: row.root_id,
                                tag: row.root_id,
                                parent: row.root_id,
                                n: row.n,
                                m: 0,
                                note: row.note,
                                version: 0,
                                tenant: String::new(),
                                author: row.author,
                                editor: row.editor,
                                deleted: None,
                            });
                            Ok([roots.collect(), kids.collect(), grands.collect(), onlys.collect()])
                        })
                        .await
                }

                async fn clear(sessions: &SessionManager) -> Result<(), Error> {
                    sessions
                        .transaction(TransactionOptions::new(), async |_| {
                            sessions.repository::<raw::Only>().query().delete().await?;
                            sessions.repository::<raw::Grand>().query().delete().await?;
                            sessions.repository::<raw::Kid>().query().delete().await?;
                            sessions.repository::<raw::Root>().query().delete().await?;
                            Ok(())
                        })
                        .await
                }

                async fn note(sessions: &SessionManager, level: usize, tag: Tag, note: i64) -> Result<u64, Error> {
                    sessions
                        .transaction(TransactionOptions::new(), async |_| match level {
                            0 => {
                                let (rows, c) = (sessions.repository::<raw::Root>(), raw::Root::COLUMNS);
                                rows.update_where(c.tag.eq(tag), c.note.set(note)).await
                            }
                            1 => {
                                let (rows, c) = (sessions.repository::<raw::Kid>(), raw::Kid::COLUMNS);
                                rows.update_where(c.tag.eq(tag), c.note.set(note)).await
                            }
                            2 => {
                                let (rows, c) = (sessions.repository::<raw::Grand>(), raw::Grand::COLUMNS);
                                rows.update_where(c.tag.eq(tag), c.note.set(note)).await
                            }
                            _ => {
                                let (rows, c) = (sessions.repository::<raw::Only>(), raw::Only::COLUMNS);
                                rows.update_where(c.root_id.eq(tag), c.note.set(note)).await
                            }
                        })
                        .await
                }
            }
        }
    };
}

variant! {
    plain: Plain, Unversioned,
    tables ["plain_roots" "plain_kids" "plain_grands" "plain_onlys"],
    ids [id] [id] [id],
    drawn [false, false, false],
    version [#[mappable(row_only)]] [#[mappable(row_only)]] false,
    tenant [#[mappable(row_only)]] false,
    stamps [#[mappable(row_only)]] [#[mappable(row_only)]] false,
    deleted [#[mappable(row_only)]] hard,
}

variant! {
    versioned: Plain, Session,
    tables ["versioned_roots" "versioned_kids" "versioned_grands" "versioned_onlys"],
    ids [id] [id] [id],
    drawn [false, false, false],
    version [#[table(version)]] [#[mappable(row_only)]] false,
    tenant [#[mappable(row_only)]] false,
    stamps [#[table(created_by)]] [#[table(updated_by)]] true,
    deleted [#[mappable(row_only)]] hard,
}

variant! {
    revised: Revised, Revision,
    tables ["revised_roots" "revised_kids" "revised_grands" "revised_onlys"],
    ids [id] [id] [id],
    drawn [false, false, false],
    version [#[table(version)] #[mappable(field = revision)]] [#[table(version)]] true,
    tenant [#[mappable(row_only)]] false,
    stamps [#[mappable(row_only)]] [#[mappable(row_only)]] false,
    deleted [#[mappable(row_only)]] hard,
}

variant! {
    numbered: Numbered, Number,
    tables ["numbered_roots" "numbered_kids" "numbered_grands" "numbered_onlys"],
    ids [id] [id] [id],
    drawn [false, false, false],
    version [#[table(version)] #[mappable(field = version)]] [#[mappable(row_only)]] false,
    tenant [#[table(tenant)]] true,
    stamps [#[table(created_by)]] [#[table(updated_by)]] true,
    deleted [#[mappable(row_only)]] hard,
}

variant! {
    soft: Revised, Revision,
    tables ["soft_roots" "soft_kids" "soft_grands" "soft_onlys"],
    ids [id] [id] [id],
    drawn [false, false, false],
    version [#[table(version)] #[mappable(field = revision)]] [#[table(version)]] true,
    tenant [#[table(tenant)]] true,
    stamps [#[table(created_by)]] [#[table(updated_by)]] true,
    deleted [#[table(deleted_at)]] soft,
}

variant! {
    soft_plain: Plain, Unversioned,
    tables ["soft_plain_roots" "soft_plain_kids" "soft_plain_grands" "soft_plain_onlys"],
    ids [id] [id] [id],
    drawn [false, false, false],
    version [#[mappable(row_only)]] [#[mappable(row_only)]] false,
    tenant [#[mappable(row_only)]] false,
    stamps [#[mappable(row_only)]] [#[mappable(row_only)]] false,
    deleted [#[table(deleted_at)]] soft,
}

variant! {
    drawn: Revised, Revision,
    tables ["drawn_roots" "drawn_kids" "drawn_grands" "drawn_onlys"],
    ids [id, generated] [id, generated] [id, generated],
    drawn [true, true, true],
    version [#[table(version)] #[mappable(field = revision)]] [#[mappable(row_only)]] false,
    tenant [#[mappable(row_only)]] false,
    stamps [#[table(created_by)]] [#[table(updated_by)]] true,
    deleted [#[mappable(row_only)]] hard,
}

variant! {
    drawn_kids: Plain, Session,
    tables ["drawn_kids_roots" "drawn_kids_kids" "drawn_kids_grands" "drawn_kids_onlys"],
    ids [id] [id, generated] [id],
    drawn [false, true, false],
    version [#[table(version)]] [#[table(version)]] true,
    tenant [#[mappable(row_only)]] false,
    stamps [#[mappable(row_only)]] [#[mappable(row_only)]] false,
    deleted [#[mappable(row_only)]] hard,
}
