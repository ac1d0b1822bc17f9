//! Random work gives the same in memory as on SQLite: the same answers, the same errors, the same rows in the end.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use spakky::Error;
use spakky::prelude::*;

use super::{Buyer, Purchase, Status, WORK, buyer, ids, purchase, tables};

/// One call. Ids and codes are few, so that they meet.
#[derive(Debug, Clone)]
enum Step {
    Add(Purchase),
    /// Writes the total of one that is loaded.
    Save(i64, i64),
    /// Writes a copy of this version.
    SaveIf(Purchase, i64),
    Upsert(Vec<Purchase>),
    Delete(i64),
    DeleteMany(Vec<i64>),
    /// Changes all that cost less.
    Raise(i64, Option<&'static str>),
    /// Deletes all that cost more.
    Remove(i64),
    Find(Vec<i64>),
    /// Those with a note like this, by rank.
    Search(&'static str, bool, u64),
    Sums(i64),
}

fn made() -> impl Strategy<Value = Purchase> {
    let notes = prop_oneof![Just(None), Just(Some("")), Just(Some("Ab%")), Just(Some("b_a"))];
    let values = (1..7_i64, 1..4_i64, 0..4_i64, 0..60_i64, notes, proptest::option::of(-1..2_i32), any::<bool>());
    values.prop_map(|(id, buyer_id, code, total, note, rank, paid)| Purchase {
        buyer_id,
        code: format!("c{code}"),
        total,
        note: note.map(str::to_owned),
        rank,
        status: if paid { Status::Paid } else { Status::Draft },
        ..purchase(id)
    })
}

fn step() -> impl Strategy<Value = Step> {
    let id = || 1..7_i64;
    let pattern = prop_oneof![Just("%b%"), Just("A_%"), Just(r"%\%"), Just(""), Just("a%")];
    prop_oneof![
        4 => made().prop_map(Step::Add),
        2 => (id(), 0..60_i64).prop_map(|(id, total)| Step::Save(id, total)),
        1 => (made(), 1..3_i64).prop_map(|(purchase, version)| Step::SaveIf(purchase, version)),
        2 => proptest::collection::vec(made(), 1..3).prop_map(Step::Upsert),
        1 => id().prop_map(Step::Delete),
        1 => proptest::collection::btree_set(id(), 1..4).prop_map(|ids| Step::DeleteMany(ids.into_iter().collect())),
        1 => (0..60_i64, prop_oneof![Just(None), Just(Some("new"))]).prop_map(|(total, note)| Step::Raise(total, note)),
        1 => (30..70_i64).prop_map(Step::Remove),
        1 => proptest::collection::vec(id(), 0..4).prop_map(Step::Find),
        2 => (pattern, any::<bool>(), 0..5_u64).prop_map(|(like, descending, limit)| Step::Search(like, descending, limit)),
        1 => (0..60_i64).prop_map(Step::Sums),
    ]
}

/// Does one thing and tells what came of it.
async fn apply(purchases: &Repository<Purchase>, step: Step) -> Result<String, Error> {
    let p = Purchase::COLUMNS;
    Ok(match step {
        Step::Add(mut one) => format!("{:?}", purchases.add(&mut one)?),
        Step::Save(id, total) => {
            let mut one = purchases.get(id).await?;
            one.total = total;
            purchases.save(&mut one)?;
            format!("{one:?}")
        }
        Step::SaveIf(mut one, version) => format!("{:?}", purchases.save_if(&mut one, version)?),
        Step::Upsert(mut some) => format!("{:?}", purchases.upsert_all(&mut some)?),
        Step::Delete(id) => format!("{:?}", purchases.delete_by_id(id)?),
        Step::DeleteMany(ids) => {
            let mut some: Vec<Purchase> = purchases.find_many(ids).await?.into_iter().flatten().collect();
            format!("{:?}", purchases.delete_all(&mut some)?)
        }
        Step::Raise(total, note) => {
            let set = [p.total.set(p.total + 1), p.note.set(note.map(str::to_owned))];
            format!("{:?}", purchases.filter(p.total.lt(total)).update(set).await?)
        }
        Step::Remove(total) => format!("{:?}", purchases.delete_where(p.total.gt(total)).await?),
        Step::Find(wanted) => format!("{:?}", purchases.find_many(wanted).await?),
        Step::Search(like, descending, limit) => {
            let order = if descending { p.rank.desc() } else { p.rank.asc() };
            let either = p.note.like(like).or(!p.note.ilike(like).and(p.status.eq(Status::Paid)));
            let found = purchases.filter(either).order_by(order).order_by(p.id.asc()).limit(limit).all().await?;
            format!("{:?}", ids(&found))
        }
        Step::Sums(total) => {
            let some = || purchases.filter(p.total.ge(total));
            let (sum, most) = (some().sum(p.total).await?, some().max::<String>(p.note).await?);
            format!("{sum:?} {most:?} {:?} {}", some().avg(p.rank).await?, some().count().await?)
        }
    })
}

/// What came of each transaction, and of all in the end.
async fn outcome(sessions: &SessionManager, work: &[Vec<Step>]) -> Vec<String> {
    sessions.create_tables(&tables()).await.unwrap();
    let (buyers, purchases) = (sessions.repository::<Buyer>(), sessions.repository::<Purchase>());
    let mut people = [buyer(1, "Ann"), buyer(2, "Bob")];
    buyers.autocommit().add_all_now(&mut people).await.unwrap();
    let mut told = Vec::new();
    for steps in work {
        let answer = sessions.transaction(WORK, async |_| {
            let mut lines = Vec::new();
            for step in steps {
                lines.push(apply(&purchases, step.clone()).await?);
            }
            Ok::<_, Error>(lines)
        });
        told.push(match answer.await {
            Ok(lines) => lines.join("\n"),
            Err(error) => format!("{error} {:?} {:?} {:?}", error.table(), error.ids(), error.constraint()),
        });
    }
    let rows = purchases.query().order_by(Purchase::COLUMNS.id.asc()).all().await.unwrap();
    told.push(format!("{rows:#?}"));
    told
}

#[tokio::test]
async fn random_work_gives_the_same_in_memory_as_on_sqlite() {
    let mut runner = TestRunner::deterministic();
    let transactions = proptest::collection::vec(proptest::collection::vec(step(), 1..5), 1..12);
    for _ in 0..150 {
        let work = transactions.new_tree(&mut runner).unwrap().current();
        let memory = SessionManager::connect("memory:").await.unwrap();
        let sqlite = SessionManager::connect("sqlite::memory:").await.unwrap();
        assert_eq!(outcome(&memory, &work).await, outcome(&sqlite, &work).await, "{work:#?}");
    }
}
