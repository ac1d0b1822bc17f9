//! The variants: a table for each level, and what can be done with them.

use super::*;

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
        pub(in super::super) mod $module {
            use super::*;

            #[derive(Debug, Clone, Table, Mappable)]
            #[table(name = $roots)]
            #[mappable(domain = $domain)]
            pub(in super::super::super) struct RootRow {
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
            pub(in super::super::super) struct KidRow {
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
            pub(in super::super::super) struct GrandRow {
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
            pub(in super::super::super) struct OnlyRow {
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

            pub(in super::super::super) struct It;

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
