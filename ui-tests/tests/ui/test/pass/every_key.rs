//! Every key of `#[spakky::test(..)]`, in forms that compile.
#![deny(warnings)]

#[cfg(test)]
use spakky::prelude::*;
#[cfg(test)]
use spakky::testing::TestDatabase;

#[cfg(test)]
#[derive(Debug, Clone, Table)]
struct Row {
    #[table(id)]
    id: i64,
}

#[spakky::test]
async fn plain(_database: TestDatabase) {}

#[spakky::test(backend = postgres, schema = [Row], flavor = "current_thread")]
async fn one(_sessions: SessionManager) -> Result<(), spakky::Error> {
    Ok(())
}

#[spakky::test(schema = [Row], rollback)]
async fn undone(_rows: Repository<Row>) {}

#[spakky::test(flavor = "multi_thread", worker_threads = 2, schema = [Row,], crate = spakky)]
async fn r#async(_rows: Repository<Row>) {}

fn main() {}
