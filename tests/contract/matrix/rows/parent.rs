//! Roots with children.

use super::*;

/// A kind of aggregates: roots with children that the domain type knows (`kids`) and others that it does not (`unmapped`).
macro_rules! parents {
    (
        $module:ident: key $key:ty, $drawn:ident [$($id:tt)*],
        version $held_by:ident { $($held:ident: $type:tt)? } [$($version:tt)*],
        kids $kid_drawn:ident [$($kid_id:tt)*],
        tenant [$($tenant:tt)*] $tenanted:expr,
        deleted [$($deleted:tt)*] $soft:ident, [$($kid_deleted:tt)*] $soft_kids:expr,
        tables [$roots:tt $kids:tt $unmapped:tt],
    ) => {
        pub(crate) mod $module {
            use super::*;

            #[derive(Debug, Clone)]
            pub(crate) struct Value {
                id: $key,
                tag: Tag,
                n: i64,
                kids: Vec<Kid>,
                $($held: $type,)?
            }

            impl Root for Value {
                fn new(tag: Tag, n: i64) -> Self {
                    let id: $key = seeded_id!($drawn, $key, tag);
                    Value { id, tag, n, kids: Vec::new(), $($held: <$type>::default(),)? }
                }

                fn tag(&self) -> Tag {
                    self.tag
                }

                fn set_n(&mut self, n: i64) {
                    self.n = n;
                }

                fn kids(&mut self) -> Option<&mut Vec<Kid>> {
                    Some(&mut self.kids)
                }

                fn shown_id(&self) -> String {
                    self.id.shown()
                }

                fn version(&self) -> Option<i64> {
                    version_of!(self, $($held: $type)?)
                }
            }

            #[derive(Debug, Clone, Table, Mappable)]
            #[table(name = $roots)]
            #[mappable(domain = Value)]
            pub(crate) struct RootRow {
                #[table($($id)*)]
                id: $key,
                tag: i64,
                n: i64,
                #[mappable(row_only)]
                note: i64,
                #[table(has_many(by = root_id, order_by = sku))]
                kids: Vec<KidRow>,
                #[table(has_many(by = root_id))]
                #[mappable(row_only)]
                unmapped: Vec<UnmappedRow>,
                $($version)*
                version: i64,
                $($tenant)*
                tenant: String,
                $($deleted)*
                deleted: Option<DateTime<Utc>>,
            }

            #[derive(Debug, Clone, Table, Mappable)]
            #[table(name = $kids)]
            #[mappable(domain = Kid)]
            pub(crate) struct KidRow {
                #[table($($kid_id)*)]
                id: i64,
                #[table(references(RootRow))]
                #[mappable(parent)]
                root_id: $key,
                sku: String,
                qty: i64,
                #[mappable(row_only)]
                note: i64,
                $($kid_deleted)*
                deleted: Option<DateTime<Utc>>,
            }

            #[derive(Debug, Clone, PartialEq, Table, Mappable)]
            #[table(name = $unmapped)]
            #[mappable(domain = Self)]
            pub(crate) struct UnmappedRow {
                #[table(id, generated)]
                id: i64,
                #[table(references(RootRow))]
                root_id: $key,
            }

            /// The same tables as another program sees them.
            mod raw {
                use super::*;

                #[derive(Debug, Clone, Table, Mappable)]
                #[table(name = $roots)]
                #[mappable(domain = Self)]
                pub(super) struct Root {
                    #[table($($id)*)]
                    pub(super) id: $key,
                    pub(super) tag: i64,
                    pub(super) n: i64,
                    pub(super) note: i64,
                    pub(super) version: i64,
                    pub(super) tenant: String,
                    pub(super) deleted: Option<DateTime<Utc>>,
                }

                #[derive(Debug, Clone, Table, Mappable)]
                #[table(name = $kids)]
                #[mappable(domain = Self)]
                pub(super) struct Kid {
                    #[table($($kid_id)*)]
                    pub(super) id: i64,
                    pub(super) root_id: $key,
                    pub(super) sku: String,
                    pub(super) qty: i64,
                    pub(super) note: i64,
                    pub(super) deleted: Option<DateTime<Utc>>,
                }
            }

            pub(crate) struct It;

            impl Kind for It {
                type Domain = Value;
                type Row = RootRow;

                const NAME: &'static str = stringify!($module);
                const TRAITS: Traits = Traits {
                    held: Held::$held_by,
                    drawn: is_drawn!($drawn),
                    kids_drawn: is_drawn!($kid_drawn),
                    parent: true,
                    tenant: $tenanted,
                    soft: is_soft!($soft),
                    soft_kids: $soft_kids,
                };
                const TABLES: [&'static str; 3] = [$roots, $kids, $unmapped];
                const UNIQUE: &'static str = "uq_none";

                fn schema() -> SchemaRegistry {
                    schema![RootRow, KidRow, UnmappedRow]
                }

                fn id(value: &Value) -> $key {
                    value.id.clone()
                }

                fn made_up(value: &mut Value, number: i64) {
                    value.id = <$key>::of(number);
                }

                soft_calls!($soft);

                async fn seed(others: &SessionManager, tags: &[(Tag, &'static str)]) {
                    let mut roots: Vec<raw::Root> = tags
                        .iter()
                        .map(|&(tag, tenant)| raw::Root {
                            id: seeded_id!($drawn, $key, tag),
                            tag,
                            n: 1,
                            note: 5,
                            version: 1,
                            tenant: tenant.to_owned(),
                            deleted: None,
                        })
                        .collect();
                    others.repository::<raw::Root>().autocommit().add_all_now(&mut roots).await.unwrap();
                    let kid = |root: &raw::Root, number: i64| raw::Kid {
                        id: root.tag * 10 + number,
                        root_id: root.id.clone(),
                        sku: ["a", "b"][number as usize].to_owned(),
                        qty: 1,
                        note: 7,
                        deleted: None,
                    };
                    let mut kids: Vec<raw::Kid> = roots.iter().flat_map(|root| [kid(root, 0), kid(root, 1)]).collect();
                    others.repository::<raw::Kid>().autocommit().add_all_now(&mut kids).await.unwrap();
                    let mut unmapped: Vec<UnmappedRow> =
                        roots.iter().map(|root| UnmappedRow { id: 0, root_id: root.id.clone() }).collect();
                    others.repository::<UnmappedRow>().autocommit().add_all_now(&mut unmapped).await.unwrap();
                }

                async fn stored(others: &SessionManager) -> Vec<Stored> {
                    let roots = others.repository::<raw::Root>().untracked().query().all().await.unwrap();
                    let kids = others.repository::<raw::Kid>().untracked().query().all().await.unwrap();
                    let unmapped = others.repository::<UnmappedRow>().untracked().query().all().await.unwrap();
                    let mut stored: Vec<Stored> = Vec::with_capacity(roots.len());
                    let mut at = std::collections::HashMap::new();
                    for root in roots {
                        at.insert(root.id.shown(), stored.len());
                        stored.push(Stored {
                            id: root.id.shown(),
                            tag: root.tag,
                            n: root.n,
                            note: root.note,
                            version: root.version,
                            tenant: root.tenant,
                            deleted: root.deleted.is_some(),
                            kids: Vec::new(),
                            unmapped: 0,
                        });
                    }
                    for kid in kids {
                        let raw::Kid { id, sku, qty, note, .. } = kid;
                        let deleted = kid.deleted.is_some();
                        stored[at[&kid.root_id.shown()]].kids.push(StoredKid { id, sku, qty, note, deleted });
                    }
                    for row in unmapped {
                        stored[at[&row.root_id.shown()]].unmapped += 1;
                    }
                    stored.iter_mut().for_each(|root| root.kids.sort_by(|a, b| a.sku.cmp(&b.sku)));
                    stored
                }

                async fn meanwhile(others: &SessionManager, tag: Tag, what: Meanwhile) -> Result<(), Error> {
                    let (roots, c) = (others.repository::<raw::Root>().untracked(), raw::Root::COLUMNS);
                    let (kids, k) = (others.repository::<raw::Kid>(), raw::Kid::COLUMNS);
                    let unmapped = others.repository::<UnmappedRow>();
                    let work = TransactionOptions::new().propagation(Propagation::RequiresNew);
                    others
                        .transaction(work, async |_| {
                            let root = roots.filter(c.tag.eq(tag)).one().await?;
                            let next = c.version.set(root.version + 1);
                            match what {
                                Meanwhile::Save => {
                                    roots.update_where(c.tag.eq(tag), [c.n.set(50), next]).await?;
                                }
                                Meanwhile::Delete => {
                                    kids.delete_where(k.root_id.eq(root.id.clone())).await?;
                                    unmapped.delete_where(UnmappedRow::COLUMNS.root_id.eq(root.id)).await?;
                                    roots.delete_where(c.tag.eq(tag)).await?;
                                }
                                Meanwhile::SoftDelete => {
                                    let now = DateTime::from_timestamp(1_700_000_000, 0);
                                    roots.update_where(c.tag.eq(tag), [c.deleted.set(now), next]).await?;
                                    if $soft_kids {
                                        kids.update_where(k.root_id.eq(root.id), k.deleted.set(now)).await?;
                                    }
                                }
                            }
                            Ok(())
                        })
                        .await
                }
            }
        }
    };
}

parents! {
    known: key i64, given [id],
    version Session {} [#[table(version)]],
    kids drawn [id, generated],
    tenant [#[mappable(row_only)]] false,
    deleted [#[mappable(row_only)]] hard, [#[mappable(row_only)]] false,
    tables ["mx_known" "mx_known_kids" "mx_known_more"],
}

parents! {
    natural: key String, given [id],
    version Number { version: i64 } [#[table(version)] #[mappable(field = version)]],
    kids given [id],
    tenant [#[mappable(row_only)]] false,
    deleted [#[mappable(row_only)]] hard, [#[mappable(row_only)]] false,
    tables ["mx_natural" "mx_natural_kids" "mx_natural_more"],
}

parents! {
    revised: key Uuid, given [id],
    version Revision { revision: Revision } [#[table(version)] #[mappable(field = revision)]],
    kids given [id],
    tenant [#[mappable(row_only)]] false,
    deleted [#[mappable(row_only)]] hard, [#[mappable(row_only)]] false,
    tables ["mx_revised" "mx_revised_kids" "mx_revised_more"],
}

parents! {
    plain: key i64, given [id],
    version Nowhere {} [#[mappable(row_only)]],
    kids given [id],
    tenant [#[mappable(row_only)]] false,
    deleted [#[mappable(row_only)]] hard, [#[mappable(row_only)]] false,
    tables ["mx_plain" "mx_plain_kids" "mx_plain_more"],
}

parents! {
    drawn_number: key i64, drawn [id, generated],
    version Number { version: i64 } [#[table(version)] #[mappable(field = version)]],
    kids drawn [id, generated],
    tenant [#[mappable(row_only)]] false,
    deleted [#[mappable(row_only)]] hard, [#[mappable(row_only)]] false,
    tables ["mx_drawn_number" "mx_drawn_number_kids" "mx_drawn_number_more"],
}

parents! {
    drawn_revision: key i64, drawn [id, generated],
    version Revision { revision: Revision } [#[table(version)] #[mappable(field = revision)]],
    kids given [id],
    tenant [#[mappable(row_only)]] false,
    deleted [#[mappable(row_only)]] hard, [#[mappable(row_only)]] false,
    tables ["mx_drawn_revision" "mx_drawn_revision_kids" "mx_drawn_revision_more"],
}

parents! {
    drawn_plain: key i64, drawn [id, generated],
    version Nowhere {} [#[mappable(row_only)]],
    kids drawn [id, generated],
    tenant [#[mappable(row_only)]] false,
    deleted [#[mappable(row_only)]] hard, [#[mappable(row_only)]] false,
    tables ["mx_drawn_plain" "mx_drawn_plain_kids" "mx_drawn_plain_more"],
}

parents! {
    tenanted: key i64, given [id],
    version Revision { revision: Revision } [#[table(version)] #[mappable(field = revision)]],
    kids given [id],
    tenant [#[table(tenant)]] true,
    deleted [#[mappable(row_only)]] hard, [#[mappable(row_only)]] false,
    tables ["mx_tenanted" "mx_tenanted_kids" "mx_tenanted_more"],
}

parents! {
    soft: key Uuid, given [id],
    version Number { version: i64 } [#[table(version)] #[mappable(field = version)]],
    kids given [id],
    tenant [#[mappable(row_only)]] false,
    deleted [#[table(deleted_at)]] soft, [#[mappable(row_only)]] false,
    tables ["mx_soft" "mx_soft_kids" "mx_soft_more"],
}

parents! {
    soft_tenanted: key i64, given [id],
    version Session {} [#[table(version)]],
    kids given [id],
    tenant [#[table(tenant)]] true,
    deleted [#[table(deleted_at)]] soft, [#[table(deleted_at)]] true,
    tables ["mx_soft_tenanted" "mx_soft_tenanted_kids" "mx_soft_tenanted_more"],
}
