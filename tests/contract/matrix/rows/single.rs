//! Rows without children.

use super::*;

/// A kind of rows without children, which can be found by a unique key as well.
macro_rules! singles {
    (
        $module:ident: $drawn:ident { $([$($id:tt)*] $key:ident: $key_type:ty = $of:expr,)+ } shown $shown:expr,
        version $held_by:ident { $($held:ident: $type:tt)? } [$($version:tt)*],
        table $table:tt,
    ) => {
        pub(crate) mod $module {
            use super::*;

            #[derive(Debug, Clone)]
            pub(crate) struct Value {
                $($key: $key_type,)+
                tag: Tag,
                n: i64,
                $($held: $type,)?
            }

            impl Root for Value {
                fn new(tag: Tag, n: i64) -> Self {
                    let number: i64 = seeded_id!($drawn, i64, tag);
                    Value { $($key: $of(number),)+ tag, n, $($held: <$type>::default(),)? }
                }

                fn tag(&self) -> Tag {
                    self.tag
                }

                fn set_n(&mut self, n: i64) {
                    self.n = n;
                }

                fn kids(&mut self) -> Option<&mut Vec<Kid>> {
                    None
                }

                fn shown_id(&self) -> String {
                    $shown($(&self.$key),+)
                }

                fn version(&self) -> Option<i64> {
                    version_of!(self, $($held: $type)?)
                }
            }

            #[derive(Debug, Clone, Table, Mappable)]
            #[table(name = $table)]
            #[mappable(domain = Value)]
            pub(crate) struct RootRow {
                $(#[table($($id)*)] $key: $key_type,)+
                #[table(unique)]
                tag: i64,
                n: i64,
                #[mappable(row_only)]
                note: i64,
                $($version)*
                version: i64,
            }

            /// The same table as another program sees it.
            mod raw {
                use super::*;

                #[derive(Debug, Clone, Table, Mappable)]
                #[table(name = $table)]
                #[mappable(domain = Self)]
                pub(super) struct Root {
                    $(#[table($($id)*)] pub(super) $key: $key_type,)+
                    pub(super) tag: i64,
                    pub(super) n: i64,
                    pub(super) note: i64,
                    pub(super) version: i64,
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
                    kids_drawn: false,
                    parent: false,
                    tenant: false,
                    soft: false,
                    soft_kids: false,
                };
                const TABLES: [&'static str; 3] = [$table, "none", "none"];
                const UNIQUE: &'static str = RootRow::UQ_TAG;

                fn schema() -> SchemaRegistry {
                    schema![RootRow]
                }

                #[allow(unused_parens, reason = "a key of one column is no tuple")]
                fn id(value: &Value) -> <RootRow as Table>::Id {
                    ($(value.$key.clone()),+)
                }

                fn made_up(value: &mut Value, number: i64) {
                    $(value.$key = $of(number);)+
                }

                soft_calls!(hard);

                async fn seed(others: &SessionManager, tags: &[(Tag, &'static str)]) {
                    let root = |&(tag, _): &(Tag, &str)| {
                        let number: i64 = seeded_id!($drawn, i64, tag);
                        raw::Root { $($key: $of(number),)+ tag, n: 1, note: 5, version: 1 }
                    };
                    let mut roots: Vec<raw::Root> = tags.iter().map(root).collect();
                    others.repository::<raw::Root>().autocommit().add_all_now(&mut roots).await.unwrap();
                }

                async fn stored(others: &SessionManager) -> Vec<Stored> {
                    let roots = others.repository::<raw::Root>().untracked().query().all().await.unwrap();
                    let stored = |root: raw::Root| Stored {
                        id: $shown($(&root.$key),+),
                        tag: root.tag,
                        n: root.n,
                        note: root.note,
                        version: root.version,
                        tenant: String::new(),
                        deleted: false,
                        kids: Vec::new(),
                        unmapped: 0,
                    };
                    roots.into_iter().map(stored).collect()
                }

                async fn meanwhile(others: &SessionManager, tag: Tag, what: Meanwhile) -> Result<(), Error> {
                    let (roots, c) = (others.repository::<raw::Root>().untracked(), raw::Root::COLUMNS);
                    let work = TransactionOptions::new().propagation(Propagation::RequiresNew);
                    others
                        .transaction(work, async |_| match what {
                            Meanwhile::Save => {
                                let next = c.version.set(roots.filter(c.tag.eq(tag)).one().await?.version + 1);
                                roots.update_where(c.tag.eq(tag), [c.n.set(50), next]).await.map(drop)
                            }
                            Meanwhile::Delete => roots.delete_where(c.tag.eq(tag)).await.map(drop),
                            Meanwhile::SoftDelete => unreachable!("the table knows no soft deletion"),
                        })
                        .await
                }
            }
        }
    };
}

singles! {
    pairs: given { [id] id: i64 = std::convert::identity, [id] part: String = <String as Key>::of, }
    shown |id: &i64, part: &String| format!("({id}, {part:?})"),
    version Number { version: i64 } [#[table(version)] #[mappable(field = version)]],
    table "mx_pairs",
}

singles! {
    coupons: drawn { [id, generated] id: i64 = std::convert::identity, } shown |id: &i64| id.to_string(),
    version Revision { revision: Revision } [#[table(version)] #[mappable(field = revision)]],
    table "mx_coupons",
}
