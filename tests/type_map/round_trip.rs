//! Whatever goes in comes out: written one by one and in batches, read, found, and written again.

use proptest::test_runner::{Config, TestRunner};
use spakky::prelude::*;
use spakky::{Backend, Error};

use super::place::Place;
use super::row::{Lists, MaybeLists, Optional, Plain, Sampled, Sparse};

/// Runs the check with rows of many kinds on one database.
fn for_any_rows<Row: Sampled>(backend: Backend) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let place = runtime.block_on(Place::new(backend, &schema![Row])).unwrap();
    let config = Config { cases: 24, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    TestRunner::new(config)
        .run(&proptest::collection::vec(Row::any(), 2..6), |rows| {
            let rows: Vec<Row> = (1..).zip(rows).map(|(id, row)| row.with_id(id)).collect();
            runtime.block_on(check(&place, rows)).map_err(|error| panic!("{error:?}"))
        })
        .unwrap();
}

async fn check<Row: Sampled>(place: &Place, mut rows: Vec<Row>) -> Result<(), Error> {
    let repo = place.sessions.repository::<Row>();
    repo.autocommit().query().delete().await?;

    // One row in a statement of its own, the others in one together.
    repo.autocommit().add_now(&mut rows[0]).await?;
    repo.autocommit().add_all_now(&mut rows[1..]).await?;
    assert_stored(&repo, &rows).await?;
    Row::check_filters(&repo, &rows).await?;

    // Saving what was loaded writes nothing, in the transaction that loaded it.
    let options = TransactionOptions::new();
    place
        .sessions
        .transaction(options, async |session| {
            let mut loaded = repo.query().all().await?;
            let before = session.statistics().statements;
            repo.save_all(&mut loaded)?;
            session.flush().await?;
            assert_eq!(session.statistics().statements, before, "a row that is saved as it was loaded");
            Ok::<_, Error>(())
        })
        .await?;

    // Every row takes over the values of the next: one alone, then all together.
    let count = rows.len();
    let next = |position: usize, id: i64| rows[(position + 1) % count].clone().with_id(id);
    let moved: Vec<Row> = (0..count).map(|position| next(position, rows[position].id())).collect();
    let changes = async |some: &[Row]| {
        place
            .sessions
            .transaction(options, async |_| {
                repo.get_many(some.iter().map(Row::id)).await?;
                let mut some = some.to_vec();
                repo.save_all(&mut some)
            })
            .await
    };
    changes(&moved[..1]).await?;
    assert_stored(&repo, &[&moved[..1], &rows[1..]].concat()).await?;
    changes(&rows[..1]).await?;
    changes(&moved).await?;
    assert_stored(&repo, &moved).await?;

    // The same over rows that may be there or not.
    repo.autocommit().upsert_all_now(&mut rows).await?;
    assert_stored(&repo, &rows).await
}

async fn assert_stored<Row: Sampled>(repo: &Repository<Row>, rows: &[Row]) -> Result<(), Error> {
    let mut stored = repo.query().all().await?;
    stored.sort_by_key(Row::id);
    assert_eq!(stored, rows);
    Ok(())
}

macro_rules! round_trips {
    ($($name:ident: $row:ty;)+) => {$(
        mod $name {
            use super::*;

            #[test]
            fn come_back_from_sqlite() {
                for_any_rows::<$row>(Backend::Sqlite);
            }

            #[test]
            fn come_back_from_postgres() {
                for_any_rows::<$row>(Backend::Postgres);
            }
        }
    )+};
}

round_trips! {
    values: Plain;
    optional_values: Optional;
    arrays: Lists;
    arrays_with_null: Sparse;
    optional_arrays: MaybeLists;
}
