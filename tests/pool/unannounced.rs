//! A pooler that shares the server's connections and was not announced by the setting `pooler`.

use spakky::SessionManager;
use spakky::config::Pooler;
use spakky::prelude::*;

use crate::support::{Database, on_pgbouncer, on_postgres};

on_pgbouncer![two_programs_write_into_their_own_tables, nothing_is_prepared_on_the_shared_connections];

on_postgres![a_connection_that_leads_to_the_server_prepares_its_statements];

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "invoices")]
#[mappable(domain = Self)]
struct Invoice {
    #[table(id)]
    id: i64,
    name: String,
}

/// The same shape as that of an invoice, so that a statement for one would take the values of the other.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "entries")]
#[mappable(domain = Self)]
struct Entry {
    #[table(id)]
    id: i64,
    name: String,
}

/// A program that was not told of the pooler.
async fn program(database: &Database) -> SessionManager {
    database.connect(|config| config.pooler(Pooler::None).pool_size(2)).await
}

async fn two_programs_write_into_their_own_tables(database: Database) {
    database.observer().create_tables(&schema![Invoice, Entry]).await.unwrap();
    let (one, other) = (program(&database).await, program(&database).await);
    let invoices = async {
        let invoices = one.repository::<Invoice>();
        for id in 0..100 {
            let unit = async |_| {
                assert_eq!(invoices.find(id).await?, None);
                invoices.add(&mut Invoice { id, name: "invoice".into() })
            };
            one.transaction(TransactionOptions::new(), unit).await.unwrap();
        }
    };
    let entries = async {
        let entries = other.repository::<Entry>();
        for id in 0..100 {
            let unit = async |_| {
                assert_eq!(entries.find(id).await?, None);
                entries.add(&mut Entry { id, name: "entry".into() })
            };
            other.transaction(TransactionOptions::new(), unit).await.unwrap();
        }
    };
    tokio::join!(invoices, entries);
    let count = async |table: &str, name: &str| {
        database.numbers(&format!("SELECT count(*) FROM {table} WHERE name = '{name}'")).await[0]
    };
    assert_eq!((count("invoices", "invoice").await, count("entries", "entry").await), (100, 100));
    assert_eq!((count("invoices", "entry").await, count("entries", "invoice").await), (0, 0));
}

/// How many statements the server keeps prepared on the connection that answers.
async fn prepared(sessions: &SessionManager) -> i64 {
    let (count,): (i64,) = sessions.sql("SELECT count(*) FROM pg_prepared_statements").fetch_one().await.unwrap();
    count
}

async fn store_some(database: &Database, sessions: &SessionManager) {
    database.observer().create_tables(&schema![Invoice]).await.unwrap();
    let invoices = sessions.repository::<Invoice>();
    for id in 0..5 {
        let unit = async |_| invoices.add(&mut Invoice { id, name: "invoice".into() });
        sessions.transaction(TransactionOptions::new(), unit).await.unwrap();
        assert!(invoices.find(id).await.unwrap().is_some());
    }
}

async fn nothing_is_prepared_on_the_shared_connections(database: Database) {
    let sessions = program(&database).await;
    store_some(&database, &sessions).await;
    for _ in 0..10 {
        assert_eq!(prepared(&sessions).await, 0);
    }
}

async fn a_connection_that_leads_to_the_server_prepares_its_statements(database: Database) {
    let sessions = database.connect(|config| config.pool_size(1)).await;
    store_some(&database, &sessions).await;
    assert!(prepared(&sessions).await > 0);
}
