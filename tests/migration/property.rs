//! Any pair of schemas: there and back again.

use proptest::prelude::*;
use proptest::sample::subsequence;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use spakky::SessionManager;
use spakky::migrations::{DiffOptions, Migrator, SchemaDiff, WriteOptions};
use spakky::schema::ForeignKeyAction;
use tokio::runtime::Handle;

use super::schema::{ColumnModel, IndexModel, KeyModel, Schema, TYPE_COUNT, TableModel};
use crate::support::{Database, on_each_backend};

on_each_backend![a_migration_leads_from_any_schema_to_any_other_and_back];

const CASES: u32 = 40;
const FITS: &str = "the database fits the tables of the program\n";

fn columns() -> impl Strategy<Value = Vec<ColumnModel>> {
    subsequence(vec![0, 1, 2, 3, 4], 0..=4).prop_flat_map(|names| {
        let count = names.len();
        prop::collection::vec((0..TYPE_COUNT, any::<bool>(), any::<bool>()), count).prop_map(move |columns| {
            let named = names.iter().copied().zip(columns);
            named.map(|(name, (ty, nullable, default))| ColumnModel { name, ty, nullable, default }).collect()
        })
    })
}

fn table(name: usize) -> impl Strategy<Value = TableModel> {
    let key = prop::sample::select(vec![KeyModel::Integer, KeyModel::Generated, KeyModel::Uuid, KeyModel::Composite]);
    let action = prop::sample::select(vec![
        ForeignKeyAction::NoAction,
        ForeignKeyAction::Restrict,
        ForeignKeyAction::Cascade,
        ForeignKeyAction::SetNull,
    ]);
    (key, columns(), prop::option::of((0..4_usize, action))).prop_flat_map(move |(key, columns, references)| {
        let all: Vec<usize> = (0..columns.len()).collect();
        let list = move |least: usize| {
            let all = all.clone();
            let most = all.len();
            subsequence(all, least.min(most)..=most)
        };
        let partial = list(1).prop_flat_map(|columns| {
            let count = columns.len();
            (prop::collection::vec(any::<bool>(), count), any::<bool>())
                .prop_map(move |(order, partial)| (columns.iter().copied().zip(order).collect::<Vec<_>>(), partial))
        });
        let any_column =
            if columns.is_empty() { Just(None).boxed() } else { prop::option::of(0..columns.len()).boxed() };
        (prop::option::of(list(1)), prop::collection::vec(partial, 0..3), any_column).prop_map(
            move |(unique, indexes, check)| TableModel {
                name,
                key,
                columns: columns.clone(),
                unique: unique.filter(|columns| !columns.is_empty()),
                indexes: indexes
                    .into_iter()
                    .filter(|(columns, _)| !columns.is_empty())
                    .map(|(columns, partial)| IndexModel { columns, partial })
                    .collect(),
                check,
                references,
            },
        )
    })
}

fn schema() -> impl Strategy<Value = Schema> {
    subsequence(vec![0, 1, 2, 3], 1..=3)
        .prop_flat_map(|names| names.into_iter().map(|name| table(name).boxed()).collect::<Vec<_>>())
        .prop_map(|tables| Schema { tables })
}

fn fails(error: &spakky::Error, diff: &SchemaDiff) -> TestCaseError {
    let cause =
        std::error::Error::source(error).and_then(|cause| cause.source().map(|inner| format!("{cause}: {inner}")));
    TestCaseError::fail(format!("{error}: {cause:?}\n{}\n---\n{}", diff.up_sql(), diff.down_sql()))
}

/// Options that look at the tables of the test alone.
fn options() -> DiffOptions {
    DiffOptions::new().drop_unknown().ignore("accounts").ignore("postings")
}

async fn there_and_back(
    sessions: &SessionManager,
    bank: &[String],
    place: usize,
    a: Schema,
    b: Schema,
) -> Result<(), TestCaseError> {
    let (from, to) = (a.registry(place), b.registry(place + 1));
    let options = bank.iter().fold(options(), |options, table| options.ignore(table));
    sessions.sql("DELETE FROM __diesel_schema_migrations").execute().await.unwrap();
    // Whatever the last pair left is made into the first schema.
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let write = WriteOptions::new().allow_destructive();
    let diff = from.diff_with(sessions, &options).await.map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
    diff.write(dir, "first", write.clone()).map_err(|error| fails(&error, &diff))?;
    if !diff.is_empty() {
        Migrator::from_dir(dir).unwrap().up(sessions).await.map_err(|error| fails(&error, &diff))?;
    }
    let left = from.diff_with(sessions, &options).await.unwrap();
    prop_assert_eq!(left.to_string(), FITS, "after\n{}", diff.up_sql());

    let diff = to.diff_with(sessions, &options).await.map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
    let written = diff.write(dir, "second", write).map_err(|error| fails(&error, &diff))?;
    prop_assert_eq!(written.is_empty(), diff.is_empty());
    if !diff.is_empty() {
        let migrator = Migrator::from_dir(dir).unwrap();
        migrator.up(sessions).await.map_err(|error| fails(&error, &diff))?;
        let left = to.diff_with(sessions, &options).await.unwrap();
        prop_assert_eq!(left.to_string(), FITS, "after\n{}\nwhich leaves\n{}", diff.up_sql(), left.up_sql());
        migrator.down(sessions, written.len()).await.map_err(|error| fails(&error, &diff))?;
        let left = from.diff_with(sessions, &options).await.unwrap();
        prop_assert_eq!(
            left.to_string(),
            FITS,
            "after\n{}\nback by\n{}\nleaves\n{}",
            diff.up_sql(),
            diff.down_sql(),
            left.up_sql()
        );
    }
    sessions.sql("DELETE FROM __diesel_schema_migrations").execute().await.unwrap();
    Ok(())
}

async fn a_migration_leads_from_any_schema_to_any_other_and_back(database: Database) {
    let place = if database.is_sqlite() { 0 } else { 2 };
    let none = Schema::default().registry(place);
    // Somebody else's tables, which the test's database comes with.
    let others = none.diff_with(&database.sessions, &DiffOptions::new().drop_unknown()).await.unwrap();
    let bank: Vec<String> = others
        .steps()
        .iter()
        .filter_map(|step| {
            step.to_string().strip_prefix("drop table `").map(|name| name.trim_end_matches('`').to_owned())
        })
        .collect();
    Migrator::from_dir(tempfile::tempdir().unwrap().path()).unwrap().up(&database.sessions).await.unwrap();
    let config = Config { cases: CASES, failure_persistence: None, max_shrink_iters: 100, ..Config::default() };
    let result = tokio::task::block_in_place(|| {
        TestRunner::new(config).run(&(schema(), schema()), |(a, b)| {
            Handle::current().block_on(there_and_back(&database.sessions, &bank, place, a, b))
        })
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}
