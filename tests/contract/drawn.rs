//! Children to which the database gives their ids, in copies that were saved without them.

use spakky::Error;
use spakky::prelude::*;

use super::{Store, on_each_store};

on_each_store![
    a_save_that_is_sent_at_once_tells_the_ids_of_new_children,
    a_copy_that_is_saved_again_keeps_its_children,
    a_copy_saved_twice_before_anything_is_sent_has_its_children_once,
    new_children_of_such_a_copy_are_added_to_those_it_has,
    children_that_cannot_be_told_apart_are_refused,
    what_a_copy_lacks_of_those_that_it_was_told_was_taken_out,
    a_detached_copy_that_is_saved_again_keeps_its_children,
    a_detached_copy_with_a_new_child_beside_others_has_all_of_them,
    what_moves_keeps_the_id_that_it_has,
];

#[derive(Debug, Clone, PartialEq)]
struct Order {
    id: i64,
    lines: Vec<Line>,
    revision: Revision,
}

#[derive(Debug, Clone, PartialEq)]
struct Line {
    id: i64,
    sku: String,
    marks: Vec<Mark>,
}

#[derive(Debug, Clone, PartialEq)]
struct Mark {
    id: i64,
    text: String,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "drawn_orders")]
#[mappable(domain = Order)]
struct OrderRow {
    #[table(id)]
    id: i64,
    #[table(has_many(by = order_id, order_by = sku))]
    lines: Vec<LineRow>,
    #[table(version)]
    #[mappable(field = revision)]
    version: i64,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "drawn_lines")]
#[mappable(domain = Line)]
struct LineRow {
    #[table(id, generated)]
    id: i64,
    #[table(references(OrderRow))]
    #[mappable(parent)]
    order_id: i64,
    sku: String,
    #[mappable(row_only)]
    note: Option<String>,
    #[table(has_many(by = line_id, order_by = id))]
    marks: Vec<MarkRow>,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "drawn_marks")]
#[mappable(domain = Mark)]
struct MarkRow {
    #[table(id, generated)]
    id: i64,
    #[table(references(LineRow))]
    #[mappable(parent)]
    line_id: i64,
    text: String,
}

/// Deleted along with its line.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "drawn_parcels")]
#[mappable(domain = Self)]
struct Parcel {
    #[table(id)]
    id: i64,
    #[table(references(LineRow, on_delete = cascade))]
    line_id: i64,
}

fn line(sku: &str) -> Line {
    Line { id: 0, sku: sku.into(), marks: vec![Mark { id: 0, text: "m".into() }] }
}

async fn prepare(store: &Store) -> Repository<OrderRow> {
    store.sessions.create_tables(&schema![OrderRow, LineRow, MarkRow, Parcel]).await.unwrap();
    let orders = store.sessions.repository::<OrderRow>();
    let mut order = Order { id: 1, lines: Vec::new(), revision: Revision::default() };
    orders.autocommit().add_now(&mut order).await.unwrap();
    orders
}

/// The lines of order 1 with their ids, and those of their marks.
async fn lines(orders: &Repository<OrderRow>) -> Vec<(String, i64, Vec<i64>)> {
    let order = orders.untracked().get(1).await.unwrap();
    let of_line = |line: Line| (line.sku, line.id, line.marks.iter().map(|mark| mark.id).collect());
    order.lines.into_iter().map(of_line).collect()
}

async fn a_save_that_is_sent_at_once_tells_the_ids_of_new_children(store: Store) {
    let orders = prepare(&store).await;
    let parcels = store.sessions.repository::<Parcel>().autocommit();
    let mut order = orders.get(1).await.unwrap();
    order.lines.push(line("bolt"));
    orders.autocommit().save_now(&mut order).await.unwrap();
    let before = lines(&orders).await;
    assert_eq!((order.lines[0].id, order.lines[0].marks[0].id), (before[0].1, before[0].2[0]));
    assert_eq!(order.revision.version(), Some(2));
    parcels.add_now(&mut Parcel { id: 1, line_id: order.lines[0].id }).await.unwrap();
    orders.autocommit().save_now(&mut order).await.unwrap();
    let version = order.revision.version().unwrap();
    orders.autocommit().save_if_now(&mut order, version).await.unwrap();
    assert_eq!(lines(&orders).await, before);
    assert_eq!(parcels.query().count().await.unwrap(), 1);

    store
        .work(async |_| {
            let mut order = orders.get(1).await?;
            order.lines[0].marks.push(Mark { id: 0, text: "n".into() });
            order.lines.push(line("nut"));
            orders.save_all_now([&mut order]).await?;
            let told: Vec<_> = order.lines.iter().map(|line| (line.sku.clone(), line.id, line.marks.len())).collect();
            let stored = lines(&orders).await;
            assert_eq!(told, stored.into_iter().map(|(sku, id, marks)| (sku, id, marks.len())).collect::<Vec<_>>());
            Ok(())
        })
        .await
        .unwrap();
}

async fn a_copy_that_is_saved_again_keeps_its_children(store: Store) {
    let orders = prepare(&store).await;
    store
        .work(async |session| {
            let mut order = orders.get(1).await?;
            order.lines.push(line("nut"));
            orders.save(&mut order)?;
            session.flush().await?;
            let before = lines(&orders).await;
            for _ in 0..2 {
                orders.save(&mut order)?;
                session.flush().await?;
                assert_eq!(lines(&orders).await, before);
            }
            // Also behind a lock, which reads the row again.
            orders.lock(1).await?;
            orders.save(&mut order)?;
            session.flush().await?;
            assert_eq!(lines(&orders).await, before);
            Ok(())
        })
        .await
        .unwrap();
}

async fn a_copy_saved_twice_before_anything_is_sent_has_its_children_once(store: Store) {
    let orders = prepare(&store).await;
    store
        .work(async |_| {
            let mut order = orders.get(1).await?;
            order.lines.push(line("nut"));
            orders.save(&mut order)?;
            orders.save(&mut order)
        })
        .await
        .unwrap();
    assert_eq!(lines(&orders).await.len(), 1);
}

async fn new_children_of_such_a_copy_are_added_to_those_it_has(store: Store) {
    let orders = prepare(&store).await;
    store
        .work(async |session| {
            let mut order = orders.get(1).await?;
            order.lines.extend([line("nut"), line("nut")]);
            orders.save(&mut order)?;
            session.flush().await?;
            let before = lines(&orders).await;
            order.lines.push(line("bolt"));
            orders.save(&mut order)?;
            session.flush().await?;
            let after = lines(&orders).await;
            assert_eq!((&after[1..], after[0].0.as_str()), (&before[..], "bolt"));
            Ok(())
        })
        .await
        .unwrap();
}

async fn children_that_cannot_be_told_apart_are_refused(store: Store) {
    let orders = prepare(&store).await;
    let refused = store
        .work(async |session| {
            let mut order = orders.get(1).await?;
            order.lines.push(line("nut"));
            orders.save(&mut order)?;
            session.flush().await?;
            order.lines[0].sku = "bolt".into();
            let refused = orders.save(&mut order).unwrap_err();
            Ok::<Error, Error>(refused)
        })
        .await
        .unwrap();
    assert!(refused.is_stale_copy(), "{refused:?}");
    assert_eq!(
        refused.to_string(),
        "save to `drawn_orders`: this session has inserted rows of `lines` into `drawn_lines` whose ids this copy does not \
         have, so that they cannot be told from new ones; save with `save_now`, which tells the ids, or load the aggregate again"
    );
    assert_eq!(lines(&orders).await.len(), 1);
}

async fn what_a_copy_lacks_of_those_that_it_was_told_was_taken_out(store: Store) {
    let orders = prepare(&store).await;
    store
        .work(async |session| {
            let mut order = Order { id: 2, lines: vec![line("bolt"), line("nut")], revision: Revision::default() };
            orders.add_now(&mut order).await?;
            order.lines[1] = line("screw");
            orders.save(&mut order)?;
            session.flush().await?;
            // Of what was added since it was told nothing.
            order.lines.push(line("washer"));
            orders.save(&mut order)
        })
        .await
        .unwrap();
    let skus: Vec<String> = orders.get(2).await.unwrap().lines.into_iter().map(|line| line.sku).collect();
    assert_eq!(skus, ["bolt", "screw", "washer"]);
}

async fn a_detached_copy_with_a_new_child_beside_others_has_all_of_them(store: Store) {
    let orders = prepare(&store).await;
    let mut order = Order { id: 1, lines: vec![line("bolt"), line("nut")], revision: Revision::loaded(1) };
    orders.autocommit().save_now(&mut order).await.unwrap();
    order.lines.push(line("screw"));
    store.work(async |_| orders.save_all([&mut order])).await.unwrap();
    let skus: Vec<String> = lines(&orders).await.into_iter().map(|(sku, ..)| sku).collect();
    assert_eq!(skus, ["bolt", "nut", "screw"]);
}

async fn what_moves_keeps_the_id_that_it_has(store: Store) {
    let orders = prepare(&store).await;
    let mut order = Order { id: 1, lines: vec![line("bolt"), line("nut")], revision: Revision::loaded(1) };
    orders.autocommit().save_now(&mut order).await.unwrap();
    let mut other = Order { id: 2, lines: Vec::new(), revision: Revision::default() };
    orders.autocommit().add_now(&mut other).await.unwrap();
    let (line, mark) = (order.lines[0].id, order.lines[0].marks[0].id);
    store
        .work(async |_| {
            let (mut from, mut to) = (orders.get(1).await?, orders.get(2).await?);
            let mark = from.lines[0].marks.remove(0);
            from.lines[1].marks.push(mark);
            to.lines.push(from.lines.remove(0));
            orders.save_all_now([&mut from, &mut to]).await
        })
        .await
        .unwrap();
    let [from, to] = &orders.get_many([1, 2]).await.unwrap()[..] else { panic!("two orders") };
    assert_eq!((to.lines[0].id, from.lines[0].marks[1].id.min(from.lines[0].marks[0].id)), (line, mark));
}

async fn a_detached_copy_that_is_saved_again_keeps_its_children(store: Store) {
    let orders = prepare(&store).await;
    let mut order = Order { id: 1, lines: vec![line("nut")], revision: Revision::loaded(1) };
    store
        .work(async |session| {
            orders.save(&mut order)?;
            session.flush().await?;
            let before = lines(&orders).await;
            orders.save(&mut order)?;
            session.flush().await?;
            assert_eq!(lines(&orders).await, before);
            Ok(())
        })
        .await
        .unwrap();
}
