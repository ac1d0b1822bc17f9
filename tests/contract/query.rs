//! The query builder: every predicate, order, limits and functions.

use spakky::prelude::*;
use spakky::query::Predicate;

use super::{Buyer, Purchase, Status, Store, ids, on_each_store, purchase};

on_each_store![
    each_predicate_finds_its_rows,
    null_is_neither_equal_nor_different,
    rows_are_related,
    order_puts_null_where_it_belongs,
    limits_and_offsets_cut,
    rows_are_counted_and_summed_up,
    nothing_has_no_sum,
    a_sum_may_have_more_bits_than_its_column,
    one_and_first_are_particular,
];

async fn found(purchases: &Repository<Purchase>, predicate: Predicate<Purchase>) -> Vec<i64> {
    ids(&purchases.filter(predicate).order_by(Purchase::COLUMNS.id.asc()).all().await.unwrap())
}

async fn each_predicate_finds_its_rows(store: Store) {
    let purchases = store.fill(1..=8).await;
    let p = Purchase::COLUMNS;
    let cases: Vec<(Predicate<Purchase>, &[i64])> = vec![
        (p.total.eq(30), &[3]),
        (p.total.ne(30), &[1, 2, 4, 5, 6, 7, 8]),
        (p.total.lt(30), &[1, 2]),
        (p.total.le(30), &[1, 2, 3]),
        (p.total.gt(60), &[7, 8]),
        (p.total.ge(60), &[6, 7, 8]),
        (p.total.between(20, 40), &[2, 3, 4]),
        (p.total.in_list([10, 80, 90]), &[1, 8]),
        (p.total.in_list(Vec::<i64>::new()), &[]),
        (p.total.not_in_list([10, 20, 30, 40]), &[5, 6, 7, 8]),
        (p.status.eq(Status::Paid), &[2, 4, 6, 8]),
        (p.status.in_list([Status::Draft]), &[1, 3, 5, 7]),
        (p.gift.eq(true), &[3, 6]),
        (p.weight.gt(1.5), &[7, 8]),
        (p.placed_at.le(purchase(2).placed_at), &[1, 2]),
        (p.note.is_null(), &[1, 3, 5, 7]),
        (p.note.is_not_null(), &[2, 4, 6, 8]),
        (p.note.eq("Note 4"), &[4]),
        (p.note.like("N_te%"), &[2, 4, 6, 8]),
        (p.note.like("n_te%"), &[]),
        (p.note.ilike("n_TE 6"), &[6]),
        (p.note.contains("ote 2"), &[2]),
        (p.note.contains("%"), &[]),
        (p.note.starts_with("Note"), &[2, 4, 6, 8]),
        (p.note.ends_with("8"), &[8]),
        (p.rank.lt(3), &[1, 2, 5, 6]),
        (p.total.gt(p.id * 10), &[]),
        (p.total.eq(p.id + p.id * 9), &[1, 2, 3, 4, 5, 6, 7, 8]),
        (p.total.gt(20).and(p.total.lt(50)).and(p.gift.eq(false)), &[4]),
        (p.total.eq(10).or(p.total.eq(80)), &[1, 8]),
        (!p.total.gt(20), &[1, 2]),
        (Predicate::all([]), &[1, 2, 3, 4, 5, 6, 7, 8]),
        (Predicate::any([]), &[]),
    ];
    for (number, (predicate, expected)) in cases.into_iter().enumerate() {
        assert_eq!(found(&purchases, predicate.clone()).await, expected, "case {number}: {predicate:?}");
        assert_eq!(purchases.count_where(predicate).await.unwrap(), expected.len() as u64, "case {number}");
    }
}

async fn null_is_neither_equal_nor_different(store: Store) {
    let purchases = store.fill(1..=4).await;
    let p = Purchase::COLUMNS;
    assert_eq!(found(&purchases, p.note.ne("Note 2")).await, [4]);
    assert_eq!(found(&purchases, !p.note.eq("Note 2")).await, [4]);
    assert_eq!(found(&purchases, p.note.eq("Note 2").or(p.id.eq(1))).await, [1, 2]);
    assert_eq!(found(&purchases, !(p.note.eq("Note 2").and(p.id.gt(0)))).await, [4]);
    assert_eq!(found(&purchases, !(p.note.eq("Note 2").and(p.id.gt(9)))).await, [1, 2, 3, 4]);
    assert_eq!(found(&purchases, p.note.in_list([Some("Note 2"), None])).await, [1, 2, 3]);
    assert_eq!(found(&purchases, p.note.not_in_list([Some("Note 2"), None])).await, [4]);
    assert_eq!(found(&purchases, p.note.not_in_list(["x"])).await, [2, 4]);
    assert_eq!(found(&purchases, !p.note.contains("2")).await, [4]);
    assert_eq!(found(&purchases, p.rank.eq(p.rank)).await, [1, 2, 3]);
    assert_eq!(found(&purchases, p.rank.gt(p.rank - 1)).await, [1, 2, 3]);
}

async fn rows_are_related(store: Store) {
    let purchases = store.fill(1..=6).await;
    let (p, b) = (Purchase::COLUMNS, Buyer::COLUMNS);
    assert_eq!(found(&purchases, p.buyer_id.exists_in(b.id, b.name.eq("Bob"))).await, [2, 5]);
    assert_eq!(found(&purchases, !p.buyer_id.exists_in(b.id, b.name.starts_with("C"))).await, [1, 2, 4, 5]);
    let invited = b.invited_by_id.exists_in(b.id, b.name.eq("Ann"));
    assert_eq!(found(&purchases, p.buyer_id.exists_in(b.id, invited)).await, [2, 5]);
    let buyers = store.of::<Buyer>();
    let names = buyers.filter(b.id.exists_in(p.buyer_id, p.total.ge(50))).order_by(b.id.asc()).all().await.unwrap();
    assert_eq!(names.iter().map(|buyer| buyer.name.as_str()).collect::<Vec<_>>(), ["Bob", "Cid"]);
    let rich = Query::from_query_string("filter[buyer.name]=Cid&sort=-total").unwrap();
    assert_eq!(ids(&purchases.search(&rich).unwrap().all().await.unwrap()), [6, 3]);
}

async fn order_puts_null_where_it_belongs(store: Store) {
    let purchases = store.fill(1..=8).await;
    let p = Purchase::COLUMNS;
    let by = async |order: spakky::query::Order<Purchase>| {
        ids(&purchases.query().order_by(order).order_by(p.id.asc()).all().await.unwrap())
    };
    assert_eq!(by(p.rank.asc()).await, [1, 5, 2, 6, 3, 7, 4, 8]);
    assert_eq!(by(p.rank.desc()).await, [4, 8, 3, 7, 2, 6, 1, 5]);
    assert_eq!(by(p.rank.asc().nulls_first()).await, [4, 8, 1, 5, 2, 6, 3, 7]);
    assert_eq!(by(p.rank.desc().nulls_last()).await, [3, 7, 2, 6, 1, 5, 4, 8]);
    assert_eq!(by(p.note.desc()).await, [1, 3, 5, 7, 8, 6, 4, 2]);
    assert_eq!(by(p.gift.desc()).await, [3, 6, 1, 2, 4, 5, 7, 8]);
}

async fn limits_and_offsets_cut(store: Store) {
    let purchases = store.fill(1..=8).await;
    let p = Purchase::COLUMNS;
    let ordered = || purchases.query().order_by(p.total.desc());
    assert_eq!(ids(&ordered().limit(3).all().await.unwrap()), [8, 7, 6]);
    assert_eq!(ids(&ordered().limit(3).offset(6).all().await.unwrap()), [2, 1]);
    assert_eq!(ids(&ordered().offset(7).all().await.unwrap()), [1]);
    assert_eq!(ordered().limit(0).all().await.unwrap(), []);
    assert_eq!(purchases.query().limit(5).offset(6).count().await.unwrap(), 2);
}

async fn rows_are_counted_and_summed_up(store: Store) {
    let purchases = store.fill(1..=8).await;
    let p = Purchase::COLUMNS;
    assert_eq!(purchases.query().count().await.unwrap(), 8);
    assert!(purchases.filter(p.total.gt(70)).exists().await.unwrap());
    assert!(!purchases.exists_where(p.total.gt(80)).await.unwrap());
    assert_eq!(purchases.query().sum(p.total).await.unwrap(), Some(360));
    assert_eq!(purchases.query().sum_as::<i64>(p.rank).await.unwrap(), Some(12));
    assert_eq!(purchases.query().sum(p.weight).await.unwrap(), Some(9.0));
    assert_eq!(purchases.query().avg(p.rank).await.unwrap(), Some(2.0));
    assert_eq!(purchases.query().min(p.total).await.unwrap(), Some(10));
    assert_eq!(purchases.query().max::<i32>(p.rank).await.unwrap(), Some(3));
    assert_eq!(purchases.query().max::<String>(p.note).await.unwrap().as_deref(), Some("Note 8"));
    assert_eq!(purchases.query().min(p.placed_at).await.unwrap(), Some(purchase(1).placed_at));
}

async fn nothing_has_no_sum(store: Store) {
    let purchases = store.fill([4, 8]).await;
    let p = Purchase::COLUMNS;
    assert_eq!(purchases.query().sum::<i32>(p.rank).await.unwrap(), None);
    assert_eq!(purchases.query().max::<i32>(p.rank).await.unwrap(), None);
    assert_eq!(purchases.query().avg(p.rank).await.unwrap(), None);
    assert_eq!(purchases.filter(p.id.gt(99)).count().await.unwrap(), 0);
}

async fn a_sum_may_have_more_bits_than_its_column(store: Store) {
    let purchases = store.fill([]).await;
    let p = Purchase::COLUMNS;
    let rich = |id| Purchase { total: i64::MAX - 1, ..purchase(id) };
    store.work(async |_| purchases.add_all(&mut [rich(1), rich(2)])).await.unwrap();
    let error = purchases.query().sum(p.total).await.unwrap_err();
    assert!(error.is_invalid_query(), "{error}");
    let sum: Option<rust_decimal::Decimal> = purchases.query().sum_as(p.total).await.unwrap();
    assert_eq!(sum, Some(rust_decimal::Decimal::from(i128::from(i64::MAX - 1) * 2)));
}

async fn one_and_first_are_particular(store: Store) {
    let purchases = store.fill(1..=3).await;
    let p = Purchase::COLUMNS;
    assert_eq!(purchases.filter(p.total.eq(20)).one().await.unwrap().id, 2);
    assert!(purchases.filter(p.total.eq(21)).one().await.unwrap_err().is_not_found());
    assert!(purchases.query().one().await.is_err());
    assert_eq!(purchases.query().order_by(p.total.desc()).first().await.unwrap().map(|one| one.id), Some(3));
    assert_eq!(purchases.filter(p.total.gt(99)).first().await.unwrap(), None);
}
