//! Several saves, upserts and deletions of the same rows, in nested scopes and beside each other: none of them forgets what
//! another one does.

use chrono::{DateTime, Utc};
use spakky::prelude::*;
use spakky::{Propagation, RequestContext};

use super::{Store, on_each_store};

on_each_store![
    an_undone_deletion_leaves_the_upsert_by_a_key_around_it,
    an_undone_save_leaves_nothing_where_the_scope_around_it_wrote_a_child,
    a_child_changed_in_a_nested_scope_has_one_version_everywhere,
    a_child_that_two_saves_give_belongs_to_the_later_one,
    a_child_of_a_new_aggregate_goes_to_another_new_one,
    an_upsert_by_a_key_is_read_behind_an_added_row,
    a_row_with_generated_children_is_deleted_and_added,
    an_upserted_row_is_soft_deleted_and_restored,
    a_new_row_that_is_upserted_and_soft_deleted_has_its_children,
    a_child_taken_and_deleted_again_is_gone,
    a_change_of_a_child_that_is_then_left_out_is_stored,
    a_child_that_went_to_another_aggregate_is_read_there_alone,
    a_child_saved_again_behind_its_removal_is_stamped_as_new,
    a_grandchild_moves_below_a_new_child_with_a_generated_id,
    a_new_child_outlives_the_sweep_of_those_before_it,
    a_deletion_inside_leaves_the_guard_of_a_save_around_it,
    a_child_keeps_its_identity_though_its_old_aggregate_is_deleted_by_id,
    a_child_that_went_to_another_aggregate_is_not_soft_deleted_with_the_old_one,
];

#[derive(Debug, Clone, PartialEq)]
struct Root {
    id: i64,
    n: i64,
    kids: Vec<Kid>,
    only: Option<Only>,
}

#[derive(Debug, Clone, PartialEq)]
struct Kid {
    id: i64,
    n: i64,
    grands: Vec<Grand>,
}

#[derive(Debug, Clone, PartialEq)]
struct Grand {
    id: i64,
    n: i64,
}

#[derive(Debug, Clone, PartialEq)]
struct Only {
    n: i64,
}

/// Rows with these ids, of which roots and kids may be ones that can be soft-deleted.
macro_rules! rows {
    ($module:ident: $roots:literal $kids:literal $grands:literal $onlys:literal, [$($id:tt)*] [$($deleted:tt)*]) => {
        mod $module {
            use super::*;

            #[derive(Debug, Clone, Table, Mappable)]
            #[table(name = $roots)]
            #[mappable(domain = Root)]
            pub(super) struct RootRow {
                #[table(id)]
                id: i64,
                n: i64,
                #[table(has_many(by = root_id, order_by = id))]
                kids: Vec<KidRow>,
                #[table(has_one(by = root_id))]
                only: Option<OnlyRow>,
                #[table(version)]
                version: i64,
                $($deleted)*
                deleted_at: Option<DateTime<Utc>>,
            }

            #[derive(Debug, Clone, Table, Mappable)]
            #[table(name = $kids)]
            #[mappable(domain = Kid)]
            pub(super) struct KidRow {
                #[table($($id)*)]
                id: i64,
                #[table(references(RootRow))]
                #[mappable(parent)]
                root_id: i64,
                n: i64,
                #[table(has_many(by = kid_id, order_by = id))]
                grands: Vec<GrandRow>,
                #[table(version)]
                version: i64,
                #[table(created_by)]
                author: String,
                #[table(updated_by)]
                editor: String,
                $($deleted)*
                deleted_at: Option<DateTime<Utc>>,
            }

            #[derive(Debug, Clone, Table, Mappable)]
            #[table(name = $grands)]
            #[mappable(domain = Grand)]
            pub(super) struct GrandRow {
                #[table($($id)*)]
                id: i64,
                #[table(references(KidRow))]
                #[mappable(parent)]
                kid_id: i64,
                n: i64,
            }

            #[derive(Debug, Clone, Table, Mappable)]
            #[table(name = $onlys)]
            #[mappable(domain = Only)]
            pub(super) struct OnlyRow {
                #[table(id, references(RootRow))]
                #[mappable(parent)]
                root_id: i64,
                n: i64,
            }

            /// The kids as another program sees them.
            #[derive(Debug, Clone, Table, Mappable)]
            #[table(name = $kids)]
            #[mappable(domain = Self)]
            struct Raw {
                #[table(id)]
                id: i64,
                root_id: i64,
                n: i64,
                version: i64,
                author: String,
                editor: String,
                deleted_at: Option<DateTime<Utc>>,
            }

            pub(super) async fn prepare(store: &Store, roots: &[Root]) -> Repository<RootRow> {
                store.sessions.create_tables(&schema![RootRow, KidRow, GrandRow, OnlyRow]).await.unwrap();
                let rows = store.sessions.repository::<RootRow>();
                for root in roots {
                    rows.autocommit().add_now(&mut root.clone()).await.unwrap();
                }
                rows
            }

            /// Each kid that is stored, whether it is soft-deleted or not, by another connection: what it holds, who made it and
            /// who wrote it last.
            pub(super) async fn kids(store: &Store) -> Vec<String> {
                let rows = store.sessions.repository::<Raw>().query().order_by(Raw::COLUMNS.id.asc()).all();
                let show = |kid: Raw| {
                    let dead = if kid.deleted_at.is_some() { " dead" } else { "" };
                    let Raw { id, root_id, n, version, author, editor, .. } = kid;
                    format!("{root_id}: {id} n={n} v{version} {author}/{editor}{dead}")
                };
                rows.await.unwrap().into_iter().map(show).collect()
            }
        }
    };
}

rows!(given: "turn_roots" "turn_kids" "turn_grands" "turn_onlys", [id] [#[table(deleted_at)]]);
rows!(drawn: "turn_drawn_roots" "turn_drawn_kids" "turn_drawn_grands" "turn_drawn_onlys", [id, generated] [#[mappable(row_only)]]);

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "turn_items")]
#[mappable(domain = Self)]
struct Item {
    #[table(id)]
    id: i64,
    #[table(unique)]
    code: String,
    n: i64,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "turn_drawn_items")]
#[mappable(domain = Self)]
struct DrawnItem {
    #[table(id, generated)]
    id: i64,
    #[table(unique)]
    code: String,
    n: i64,
}

const NESTED: TransactionOptions = TransactionOptions::new().name("nested").propagation(Propagation::Nested);

fn root(id: i64, kids: impl IntoIterator<Item = Kid>) -> Root {
    Root { id, n: 0, kids: kids.into_iter().collect(), only: None }
}

fn kid(id: i64) -> Kid {
    Kid { id, n: 0, grands: Vec::new() }
}

fn ids(root: &Root) -> Vec<i64> {
    root.kids.iter().map(|kid| kid.id).collect()
}

/// Does something as `a`, and something else as `b`.
async fn as_actors(first: impl Future<Output = ()>, second: impl Future<Output = ()>) {
    RequestContext::new().actor("a").scope(first).await;
    RequestContext::new().actor("b").scope(second).await;
}

async fn nested<T>(
    store: &Store,
    body: impl AsyncFnOnce(Session) -> Result<T, spakky::Error>,
) -> Result<T, spakky::Error> {
    store.sessions.transaction(NESTED, body).await
}

/// These roots are stored by `a`, and the work is done by `b`; answers with the kids that are stored then.
async fn given_kids(
    store: &Store,
    before: Vec<Root>,
    work: impl AsyncFnOnce(Repository<given::RootRow>, Session) -> Result<(), spakky::Error>,
) -> Vec<String> {
    let done = Box::pin(async {
        let roots = store.sessions.repository::<given::RootRow>();
        store.work(async |session| work(roots, session).await).await.unwrap();
    });
    Box::pin(as_actors(async { drop(given::prepare(store, &before).await) }, done)).await;
    given::kids(store).await
}

async fn an_undone_deletion_leaves_the_upsert_by_a_key_around_it(store: Store) {
    store.sessions.create_tables(&schema![Item]).await.unwrap();
    let items = store.of::<Item>();
    let item = |id, n| Item { id, code: "c".into(), n };
    items.autocommit().add_now(&mut item(1, 1)).await.unwrap();
    store
        .work(async |_| {
            items.get(1).await?;
            items.upsert_by(Item::UQ_CODE, &mut item(9, 2))?;
            store.undone(NESTED, async |_| nested(&store, async |_| items.delete_by_id(1)).await).await;
            assert_eq!(items.get(1).await?.n, 2);
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(items.get(1).await.unwrap(), item(1, 2));
}

async fn an_undone_save_leaves_nothing_where_the_scope_around_it_wrote_a_child(store: Store) {
    let seen = given_kids(&store, vec![root(1, []), root(8, [kid(9)])], async |roots, _| {
        let kids = store.of::<given::KidRow>();
        let mut first = roots.get(1).await?;
        store
            .undone(NESTED, async |_| {
                let mut other = kids.get(9).await?;
                kids.delete(&mut other)?;
                nested(&store, async |_| {
                    first.only = Some(Only { n: 5 });
                    roots.save(&mut first)
                })
                .await
            })
            .await;
        assert_eq!(roots.get(1).await?.only, None);
        Ok(())
    });
    assert_eq!(seen.await, ["8: 9 n=0 v1 a/a"]);
}

async fn a_child_changed_in_a_nested_scope_has_one_version_everywhere(store: Store) {
    let seen = given_kids(&store, vec![], async |roots, _| {
        let mut first = root(1, [kid(2)]);
        roots.add(&mut first)?;
        nested(&store, async |_| {
            let mut copy = nested(&store, async |_| {
                first.kids[0].n = 1;
                roots.save_all([&mut first])?;
                roots.get(1).await
            })
            .await?;
            copy.kids[0].n = 2;
            nested(&store, async |_| roots.save(&mut copy)).await?;
            copy.kids.clear();
            nested(&store, async |_| roots.save(&mut copy)).await
        })
        .await
    });
    let seen = seen.await;
    assert!(matches!(&seen[..], [kid] if kid.starts_with("1: 2 n=2 ") && kid.ends_with("b/b dead")), "{seen:?}");
}

async fn a_child_that_two_saves_give_belongs_to_the_later_one(store: Store) {
    let before = vec![root(1, [kid(6)]), root(5, []), root(11, [kid(16)]), root(15, [])];
    let seen = given_kids(&store, before, async |roots, _| {
        let (mut one, mut copy, mut five) = (roots.get(1).await?, roots.get(1).await?, roots.get(5).await?);
        five.kids.push(one.kids.remove(0));
        copy.n = 7;
        roots.save_all([&mut one, &mut copy, &mut five])?;
        let (mut copy, mut other) = (roots.get(11).await?, roots.get(15).await?);
        other.kids.push(copy.kids[0].clone());
        copy.n = 7;
        roots.save_all([&mut other, &mut copy])
    });
    assert_eq!(seen.await, ["5: 6 n=0 v2 a/b", "11: 16 n=0 v1 a/a"]);
}

async fn a_child_of_a_new_aggregate_goes_to_another_new_one(store: Store) {
    for (first, sent) in [(1, false), (11, true)] {
        let seen = given_kids(&store, Vec::new(), async |roots, session| {
            let (mut one, mut two) = (root(first, [kid(first + 1)]), root(first + 5, []));
            roots.add(&mut one)?;
            roots.add(&mut two)?;
            if sent {
                session.flush().await?;
            }
            two.kids.append(&mut one.kids);
            roots.save(&mut two)
        });
        let seen = seen.await;
        assert!(
            seen.last().is_some_and(|kid| kid.starts_with(&format!("{}: {} n=0 ", first + 5, first + 1))),
            "{seen:?}"
        );
    }
}

async fn an_upsert_by_a_key_is_read_behind_an_added_row(store: Store) {
    store.sessions.create_tables(&schema![DrawnItem]).await.unwrap();
    let items = store.of::<DrawnItem>();
    let item = |n| DrawnItem { id: 0, code: "c".into(), n };
    store
        .work(async |_| {
            items.add(&mut item(1))?;
            items.upsert_by(DrawnItem::UQ_CODE, &mut item(2))?;
            let seen = items.query().one().await?;
            assert_eq!((seen.n, items.get(seen.id).await?.n), (2, 2));
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(items.query().one().await.unwrap().n, 2);
}

async fn a_row_with_generated_children_is_deleted_and_added(store: Store) {
    let with_grand = Kid { grands: vec![Grand { id: 0, n: 0 }], ..kid(0) };
    RequestContext::new()
        .actor("a")
        .scope(async {
            let roots = drawn::prepare(&store, &[root(1, [with_grand]), root(2, [])]).await;
            for (id, at_once) in [(1, false), (2, true)] {
                store
                    .work(async |_| {
                        let mut value = roots.get(id).await?;
                        roots.delete(&mut value)?;
                        value.n = 7;
                        if at_once { roots.add_now(&mut value).await } else { roots.add(&mut value) }
                    })
                    .await
                    .unwrap();
                assert_eq!(roots.get(id).await.unwrap().n, 7);
            }
            let stored = roots.get(1).await.unwrap();
            assert_eq!((stored.kids.len(), stored.kids[0].grands.len()), (1, 1));
            // An upsert that is saved again tells the ids of its new children.
            store
                .work(async |_| {
                    let mut value = root(3, []);
                    roots.upsert(&mut value)?;
                    roots.save_now(&mut value).await?;
                    value.kids.push(kid(0));
                    roots.upsert(&mut value)?;
                    roots.save_now(&mut value).await?;
                    assert_ne!(value.kids[0].id, 0);
                    Ok(())
                })
                .await
                .unwrap();
            assert_eq!(roots.get(3).await.unwrap().kids.len(), 1);
        })
        .await;
}

async fn an_upserted_row_is_soft_deleted_and_restored(store: Store) {
    let seen = given_kids(&store, vec![root(1, [kid(2)])], async |roots, _| {
        let (mut old, mut new) = (root(1, [kid(2)]), root(3, [kid(4)]));
        roots.upsert_all([&mut old, &mut new])?;
        roots.soft_delete_all([&mut old, &mut new])?;
        assert_eq!(roots.query().count().await?, 0);
        let mut back = roots.with_deleted().get(3).await?;
        roots.restore(&mut back)
    });
    let seen = seen.await;
    assert_eq!(seen.iter().map(|kid| kid.ends_with("dead")).collect::<Vec<_>>(), [true, false], "{seen:?}");
    let roots = store.of::<given::RootRow>();
    assert_eq!(ids(&roots.get(3).await.unwrap()), [4]);
    assert!(roots.find(1).await.unwrap().is_none());
}

async fn a_new_row_that_is_upserted_and_soft_deleted_has_its_children(store: Store) {
    let seen = given_kids(&store, Vec::new(), async |roots, _| {
        let mut new = root(1, [kid(2)]);
        roots.add(&mut new)?;
        roots.upsert(&mut new)?;
        // A deletion writes nothing but that.
        new.n = 5;
        roots.soft_delete(&mut new)?;
        let read = roots.with_deleted().get(1).await?;
        assert_eq!((read.n, ids(&read)), (0, vec![2]));
        Ok(())
    });
    let seen = seen.await;
    assert!(matches!(&seen[..], [kid] if kid.starts_with("1: 2 n=0 ") && kid.ends_with(" b/b dead")), "{seen:?}");
}

async fn a_child_taken_and_deleted_again_is_gone(store: Store) {
    for sent in [false, true] {
        let first = if sent { 11 } else { 1 };
        let before = vec![root(first, [kid(first + 1)]), root(first + 5, [])];
        let seen = given_kids(&store, before, async |roots, session| {
            let (mut one, mut other) = (roots.get(first).await?, roots.get(first + 5).await?);
            other.kids.push(one.kids.remove(0));
            roots.save(&mut other)?;
            if sent {
                session.flush().await?;
            }
            roots.delete(&mut other)
        });
        assert!(seen.await.is_empty());
        assert_eq!(ids(&store.of::<given::RootRow>().get(first).await.unwrap()), Vec::<i64>::new());
    }
}

async fn a_change_of_a_child_that_is_then_left_out_is_stored(store: Store) {
    let seen = given_kids(&store, vec![root(1, [kid(2)])], async |roots, _| {
        let mut value = roots.get(1).await?;
        value.kids[0].n = 1;
        roots.save(&mut value)?;
        value.kids.clear();
        roots.save(&mut value)
    });
    assert_eq!(seen.await, ["1: 2 n=1 v3 a/b dead"]);
}

async fn a_child_that_went_to_another_aggregate_is_read_there_alone(store: Store) {
    let seen = given_kids(&store, vec![root(1, [kid(2)]), root(5, [])], async |roots, _| {
        let (mut one, mut five) = (roots.get(1).await?, roots.get(5).await?);
        five.kids.push(one.kids.remove(0));
        roots.save(&mut five)?;
        assert_eq!(ids(&roots.get(1).await?), Vec::<i64>::new());
        assert_eq!(ids(&roots.get(5).await?), [2]);
        Ok(())
    });
    assert_eq!(seen.await, ["5: 2 n=0 v2 a/b"]);
}

async fn a_child_saved_again_behind_its_removal_is_stamped_as_new(store: Store) {
    let seen = given_kids(&store, vec![root(1, [kid(2)])], async |roots, _| {
        let (mut without, mut with) = (roots.get(1).await?, roots.get(1).await?);
        without.kids.clear();
        roots.save(&mut without)?;
        nested(&store, async |_| roots.save(&mut with)).await
    });
    let seen = seen.await;
    assert!(matches!(&seen[..], [kid] if kid.starts_with("1: 2 n=0 ") && kid.ends_with("/b")), "{seen:?}");
}

async fn a_grandchild_moves_below_a_new_child_with_a_generated_id(store: Store) {
    let with_grand = Kid { grands: vec![Grand { id: 0, n: 4 }], ..kid(0) };
    RequestContext::new()
        .actor("a")
        .scope(async {
            let roots = drawn::prepare(&store, &[root(1, [with_grand]), root(2, [])]).await;
            let before = roots.get(1).await.unwrap().kids[0].grands.clone();
            store
                .work(async |_| {
                    let (mut one, mut two) = (roots.get(1).await?, roots.get(2).await?);
                    two.kids.push(Kid { grands: std::mem::take(&mut one.kids[0].grands), ..kid(0) });
                    roots.save_all([&mut one, &mut two])
                })
                .await
                .unwrap();
            assert_eq!(roots.get(2).await.unwrap().kids[0].grands, before);
            assert_eq!(roots.get(1).await.unwrap().kids[0].grands, []);
            assert_eq!(drawn::kids(&store).await.len(), 2);
        })
        .await;
}

async fn a_new_child_outlives_the_sweep_of_those_before_it(store: Store) {
    let with_grand = Kid { grands: vec![Grand { id: 0, n: 4 }], ..kid(0) };
    RequestContext::new()
        .actor("a")
        .scope(async {
            let roots = drawn::prepare(&store, &[root(1, []), root(4, [with_grand])]).await;
            store
                .work(async |_| {
                    let mut four = roots.get(4).await?;
                    let mut one = root(1, [kid(0)]);
                    roots.save_if(&mut one, 1)?;
                    four.kids[0].grands[0].n = 1;
                    roots.save(&mut four)
                })
                .await
                .unwrap();
            assert_eq!(roots.get(1).await.unwrap().kids.len(), 1);
            assert_eq!(roots.get(4).await.unwrap().kids[0].grands[0].n, 1);
        })
        .await;
}

async fn a_deletion_inside_leaves_the_guard_of_a_save_around_it(store: Store) {
    RequestContext::new()
        .actor("a")
        .scope(async {
            let roots = given::prepare(&store, &[root(1, [])]).await;
            let refused = store.work(async |_| {
                let mut mine = roots.get(1).await?;
                store
                    .elsewhere(async |_| {
                        let mut theirs = roots.get(1).await?;
                        theirs.n = 5;
                        roots.save(&mut theirs)
                    })
                    .await?;
                mine.n = 1;
                roots.save(&mut mine)?;
                nested(&store, async |_| roots.delete_by_id(1)).await
            });
            let refused = refused.await.unwrap_err();
            assert!(refused.is_conflict(), "{refused:?}");
            assert_eq!(roots.get(1).await.unwrap().n, 5);
        })
        .await;
}

async fn a_child_keeps_its_identity_though_its_old_aggregate_is_deleted_by_id(store: Store) {
    let seen = given_kids(&store, vec![root(1, [kid(2)]), root(5, [])], async |roots, _| {
        let (mut one, mut five) = (roots.get(1).await?, roots.get(5).await?);
        five.kids.push(one.kids.remove(0));
        roots.save(&mut five)?;
        roots.delete_by_id(1)
    });
    assert_eq!(seen.await, ["5: 2 n=0 v2 a/b"]);
}

async fn a_child_that_went_to_another_aggregate_is_not_soft_deleted_with_the_old_one(store: Store) {
    for (first, saved, sent) in [(1, false, false), (11, false, true), (21, true, false), (31, true, true)] {
        let [kid_below, with_grand, grand] = [first + 1, first + 2, first + 3];
        let [other, others_kid] = [first + 5, first + 6];
        let below = Kid { grands: vec![Grand { id: grand, n: 0 }], ..kid(with_grand) };
        let before = vec![root(first, [kid(kid_below), below]), root(other, [kid(others_kid)])];
        let seen = given_kids(&store, before, async |roots, session| {
            let (mut one, mut two) = (roots.get(first).await?, roots.get(other).await?);
            if saved {
                one.n = 1;
                roots.save(&mut one)?;
            }
            two.kids[0].grands.push(one.kids[1].grands[0].clone());
            two.kids.push(one.kids[0].clone());
            roots.save(&mut two)?;
            if sent {
                session.flush().await?;
            }
            roots.soft_delete(&mut one)
        });
        let seen = seen.await;
        let moved = format!("{other}: {kid_below} n=0 v2 a/b");
        assert!(seen.contains(&moved), "{seen:?}");
        let two = store.of::<given::RootRow>().get(other).await.unwrap();
        assert_eq!(ids(&two), [kid_below, others_kid]);
        assert_eq!(two.kids[1].grands, [Grand { id: grand, n: 0 }]);
    }
}
