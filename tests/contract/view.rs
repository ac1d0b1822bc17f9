//! Read models.

use futures_util::TryStreamExt;
use spakky::prelude::*;
use spakky::{CursorRequest, Error, PageRequest, Total};

use super::{Buyer, Purchase, Store, on_each_store, purchase};

on_each_store![
    every_kind_of_field_is_read,
    related_rows_are_those_that_fulfil_the_condition,
    related_rows_are_the_first_few_of_each,
    of_several_rows_the_first_in_the_order_is_the_one,
    views_come_in_pages_and_streams,
    queued_writes_are_seen,
];

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "labels_of_buyers")]
#[mappable(domain = Self)]
struct Tagged {
    #[table(id, references(Buyer))]
    buyer_id: i64,
    #[table(id, references(Purchase))]
    purchase_id: i64,
}

#[derive(Debug, Clone, PartialEq, Projection)]
#[projection(row = Purchase)]
struct Bought {
    id: i64,
    #[projection(joined(Buyer.name, by = buyer_id))]
    buyer: String,
}

#[derive(Debug, Clone, PartialEq, Projection)]
#[projection(row = Buyer, profiles(brief))]
struct BuyerView {
    name: String,
    #[projection(belongs_to(by = invited_by_id, profile = brief))]
    invited_by: Option<InviterView>,
    #[projection(has_many(by = buyer_id, order_by = total desc), profiles(brief))]
    purchases: Loaded<Vec<Bought>>,
    #[projection(count(Purchase, by = buyer_id))]
    count: i64,
    #[projection(exists(Purchase, by = buyer_id))]
    buys: bool,
    #[projection(sum(Purchase.total, by = buyer_id))]
    total: i64,
    #[projection(sum(Purchase.weight, by = buyer_id))]
    weight: f64,
    #[projection(sum(Purchase.rank, by = buyer_id))]
    rank: i64,
    #[projection(many_to_many(through = Tagged, from = buyer_id, to = purchase_id, order_by = total desc))]
    tagged: Vec<Bought>,
    #[projection(load = greet)]
    greeting: String,
}

#[derive(Debug, Clone, PartialEq, Projection)]
#[projection(row = Buyer, profiles(brief))]
struct InviterView {
    name: String,
}

async fn greet(batch: Batch<i64>) -> Result<Vec<(i64, String)>, Error> {
    Ok(batch.ids().iter().map(|id| (*id, format!("hello {id}"))).collect())
}

/// Purchases 1 to 12 of three buyers in turn; the first two are tagged with some of anybody's.
async fn prepare(store: &Store) -> Repository<Buyer> {
    store.sessions.create_tables(&schema![Buyer, Purchase, Tagged]).await.unwrap();
    store.fill(1..=12).await;
    let tags = [(1, 3), (1, 12), (1, 5), (2, 3), (2, 7)];
    let mut tags = tags.map(|(buyer_id, purchase_id)| Tagged { buyer_id, purchase_id });
    store.of::<Tagged>().autocommit().add_all_now(&mut tags).await.unwrap();
    store.of::<Buyer>()
}

fn bought(views: &[Bought]) -> Vec<i64> {
    views.iter().map(|view| view.id).collect()
}

async fn every_kind_of_field_is_read(store: Store) {
    let buyers = prepare(&store).await;
    store.of::<Purchase>().autocommit().filter(Purchase::COLUMNS.buyer_id.eq(3)).delete().await.unwrap_err();
    store.of::<Tagged>().autocommit().filter(Tagged::COLUMNS.purchase_id.eq(3)).delete().await.unwrap();
    store.of::<Tagged>().autocommit().filter(Tagged::COLUMNS.purchase_id.eq(12)).delete().await.unwrap();
    store.of::<Purchase>().autocommit().filter(Purchase::COLUMNS.buyer_id.eq(3)).delete().await.unwrap();
    let all = buyers.project::<BuyerView>().order_by(Buyer::COLUMNS.id.asc()).all().await.unwrap();
    let [ann, bob, cid] = &all[..] else { panic!("{all:?}") };
    assert_eq!((ann.name.as_str(), ann.count, ann.buys, ann.total), ("Ann", 4, true, 220));
    assert_eq!((ann.weight, ann.rank, ann.greeting.as_str()), (5.5, 6, "hello 1"));
    assert_eq!(bought(ann.purchases.get().unwrap()), [10, 7, 4, 1]);
    assert_eq!(ann.purchases.get().unwrap()[0].buyer, "Ann");
    assert_eq!(bob.invited_by, Some(InviterView { name: "Ann".into() }));
    assert_eq!((bought(&ann.tagged), bought(&bob.tagged)), (vec![5], vec![7]));
    assert_eq!((ann.tagged[0].buyer.as_str(), bob.tagged[0].buyer.as_str()), ("Bob", "Ann"));
    assert_eq!((cid.count, cid.buys, cid.total, cid.weight, cid.rank), (0, false, 0, 0.0, 0));
    assert!(cid.purchases.get().unwrap().is_empty() && cid.tagged.is_empty() && cid.invited_by.is_none());
    let one = buyers.project::<BuyerView>().get(2).await.unwrap();
    assert_eq!(one, *bob);
    assert!(buyers.project::<BuyerView>().get(9).await.unwrap_err().is_not_found());
}

#[derive(Debug, Clone, PartialEq, Projection)]
#[projection(row = Buyer)]
struct Filtered {
    id: i64,
    #[projection(has_many(by = buyer_id, filter = dear, order_by = id))]
    dear: Vec<Bought>,
    #[projection(has_many(by = buyer_id, order_by = id))]
    all: Vec<Bought>,
    #[projection(has_one(by = buyer_id, filter = last))]
    last: Option<Bought>,
    #[projection(count(Purchase, by = buyer_id, filter = dear))]
    dear_count: i64,
    #[projection(count(Purchase, by = buyer_id))]
    count: i64,
    #[projection(sum(Purchase.total, by = buyer_id, filter = dear))]
    dear_total: i64,
    #[projection(exists(Purchase, by = buyer_id, filter = of_ann))]
    is_ann: bool,
    #[projection(many_to_many(through = Tagged, from = buyer_id, to = purchase_id, filter = dear, order_by = id))]
    tagged: Vec<Bought>,
}

fn dear() -> Predicate<Purchase> {
    Purchase::COLUMNS.total.ge(60).or(Purchase::COLUMNS.note.eq(Some("Note 2".to_owned())))
}

fn last() -> Predicate<Purchase> {
    Purchase::COLUMNS.id.eq(12)
}

/// A condition on rows of another table.
fn of_ann() -> Predicate<Purchase> {
    Purchase::COLUMNS.buyer_id.exists_in(Buyer::COLUMNS.id, Buyer::COLUMNS.name.eq("Ann"))
}

async fn related_rows_are_those_that_fulfil_the_condition(store: Store) {
    let buyers = prepare(&store).await;
    let all = buyers.project::<Filtered>().order_by(Buyer::COLUMNS.id.asc()).all().await.unwrap();
    let dear: Vec<Vec<i64>> = all.iter().map(|view| bought(&view.dear)).collect();
    assert_eq!(dear, [vec![7, 10], vec![2, 8, 11], vec![6, 9, 12]]);
    assert!(all.iter().all(|view| view.all.len() == 4 && view.count == 4));
    assert_eq!(
        all.iter().map(|view| view.last.as_ref().map(|last| last.id)).collect::<Vec<_>>(),
        [None, None, Some(12)]
    );
    assert_eq!(all.iter().map(|view| view.dear_count).collect::<Vec<_>>(), [2, 3, 3]);
    assert_eq!(all.iter().map(|view| view.dear_total).collect::<Vec<_>>(), [170, 210, 270]);
    assert_eq!(all.iter().map(|view| view.is_ann).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!(all.iter().map(|view| bought(&view.tagged)).collect::<Vec<_>>(), [vec![12], vec![7], vec![]]);
}

#[derive(Debug, Clone, PartialEq, Projection)]
#[projection(row = Buyer)]
struct Topped {
    #[projection(has_many(by = buyer_id, order_by = total desc, limit = 2))]
    top: Vec<Bought>,
    #[projection(has_many(by = buyer_id, filter = dear, order_by = (gift desc, id), limit = 1))]
    gift: Vec<Bought>,
    #[projection(many_to_many(through = Tagged, from = buyer_id, to = purchase_id, order_by = total desc, limit = 2))]
    tagged: Vec<Bought>,
}

async fn related_rows_are_the_first_few_of_each(store: Store) {
    let buyers = prepare(&store).await;
    let all = buyers.project::<Topped>().order_by(Buyer::COLUMNS.id.asc()).all().await.unwrap();
    assert_eq!(all.iter().map(|view| bought(&view.top)).collect::<Vec<_>>(), [[10, 7], [11, 8], [12, 9]]);
    assert_eq!(all.iter().map(|view| bought(&view.gift)).collect::<Vec<_>>(), [[7], [2], [6]]);
    assert_eq!(all.iter().map(|view| bought(&view.tagged)).collect::<Vec<_>>(), [vec![12, 5], vec![7, 3], vec![]]);
}

async fn views_come_in_pages_and_streams(store: Store) {
    prepare(&store).await;
    let purchases = store.of::<Purchase>();
    let p = Purchase::COLUMNS;
    let query = || purchases.project::<Bought>().filter(p.total.gt(30)).order_by(p.note.desc());
    let whole = bought(&query().order_by(p.id.desc()).all().await.unwrap());
    let page = query().page(PageRequest::new(2).size(4)).await.unwrap();
    assert_eq!((bought(&page.items), page.total, page.has_next), (whole[4..8].to_vec(), Total::Exact(9), true));
    let first = query().cursor_page(CursorRequest::first(6)).await.unwrap();
    let next = query().cursor_page(CursorRequest::first(6).at(first.next.unwrap())).await.unwrap();
    assert_eq!([bought(&first.items), bought(&next.items)].concat(), whole);
    let streamed: Vec<Bought> = query().stream().await.unwrap().try_collect().await.unwrap();
    assert_eq!(bought(&streamed), whole);
}

async fn queued_writes_are_seen(store: Store) {
    let buyers = prepare(&store).await;
    let purchases = store.of::<Purchase>();
    store
        .work(async |_| {
            purchases.add(&mut purchase(13))?;
            let view = buyers.project::<BuyerView>().get(1).await?;
            assert_eq!((view.count, bought(view.purchases.get().unwrap())[0]), (5, 13));
            Ok(())
        })
        .await
        .unwrap();
}

#[derive(Debug, Clone, PartialEq, Projection)]
#[projection(row = Buyer)]
struct Best {
    #[projection(has_one(by = buyer_id, order_by = (gift desc, total desc)))]
    best: Option<Bought>,
    #[projection(has_one(by = buyer_id, filter = dear, order_by = rank))]
    least: Option<Bought>,
    #[projection(has_one(by = buyer_id, order_by = gift))]
    first: Option<Bought>,
    #[projection(has_many(by = buyer_id, order_by = total desc))]
    all: Vec<Bought>,
}

async fn of_several_rows_the_first_in_the_order_is_the_one(store: Store) {
    let buyers = prepare(&store).await;
    store.of::<Buyer>().autocommit().add_now(&mut super::buyer(4, "Dot")).await.unwrap();
    let all = buyers.project::<Best>().order_by(Buyer::COLUMNS.id.asc()).all().await.unwrap();
    let told = |best: &Best| [&best.best, &best.least, &best.first].map(|one| one.as_ref().map(|one| one.id));
    // NULL comes last; of equals it is the one with the least key.
    assert_eq!(
        all.iter().map(told).collect::<Vec<_>>(),
        [[Some(10), Some(10), Some(1)], [Some(11), Some(2), Some(2)], [Some(12), Some(9), Some(3)], [None, None, None],]
    );
    assert_eq!(bought(&all[0].all), [10, 7, 4, 1]);
    assert_eq!(buyers.project::<Best>().get(3).await.unwrap(), all[2]);
}
