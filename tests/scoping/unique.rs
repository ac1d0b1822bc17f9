//! Unique keys that deleted rows are no part of.

use spakky::prelude::*;

use super::tables::{Customer, DocumentRow, acting_for, begin, customer, document, prepare};
use crate::support::{Database, on_each_backend};

on_each_backend![
    a_value_of_a_deleted_row_is_free,
    a_value_of_a_living_row_is_taken,
    a_restoration_finds_its_value_taken,
    a_value_is_handed_on_in_one_flush,
    another_tenant_may_have_the_same_value,
    the_index_is_partial,
];

async fn a_value_of_a_deleted_row_is_free(db: Database) {
    prepare(&db).await;
    let customers = db.sessions.repository::<Customer>().autocommit();
    let mut first = customer(1, "a@example.com");
    customers.add_now(&mut first).await.unwrap();
    customers.soft_delete_now(&mut first).await.unwrap();
    customers.add_now(&mut customer(2, "a@example.com")).await.unwrap();
    assert_eq!(customers.query().count().await.unwrap(), 1);
}

async fn a_value_of_a_living_row_is_taken(db: Database) {
    prepare(&db).await;
    let customers = db.sessions.repository::<Customer>().autocommit();
    customers.add_now(&mut customer(1, "a@example.com")).await.unwrap();
    let error = customers.add_now(&mut customer(2, "a@example.com")).await.unwrap_err();
    assert!(error.is_unique_violation());
    assert_eq!(error.constraint(), Some(Customer::UQ_EMAIL));
    assert_eq!((error.table(), error.columns()), (Some("customers"), &["email".to_owned()][..]));
}

async fn a_restoration_finds_its_value_taken(db: Database) {
    prepare(&db).await;
    let customers = db.sessions.repository::<Customer>().autocommit();
    let mut first = customer(1, "a@example.com");
    customers.add_now(&mut first).await.unwrap();
    customers.soft_delete_now(&mut first).await.unwrap();
    customers.add_now(&mut customer(2, "a@example.com")).await.unwrap();
    let error = customers.restore_now(&mut first).await.unwrap_err();
    assert!(error.is_unique_violation());
    assert_eq!(error.constraint(), Some("uq_customers_email"));
}

async fn a_value_is_handed_on_in_one_flush(db: Database) {
    prepare(&db).await;
    let tx = db.sessions.begin();
    let customers = db.sessions.repository::<Customer>().in_session(tx.session());
    let mut first = customer(1, "a@example.com");
    customers.add_now(&mut first).await.unwrap();
    customers.add(&mut customer(2, "a@example.com")).unwrap();
    customers.soft_delete(&mut first).unwrap();
    tx.commit().await.unwrap();
    assert_eq!(db.numbers("SELECT id FROM customers WHERE deleted_at IS NULL").await, [2]);
}

async fn another_tenant_may_have_the_same_value(db: Database) {
    prepare(&db).await;
    for (id, tenant, taken) in [(20, "initech", false), (21, "initech", true), (22, "acme", true)] {
        let tx = begin(&db, acting_for(tenant)).await;
        let documents = db.sessions.repository::<DocumentRow>().in_session(tx.session());
        documents.add(&mut document(id, "one")).unwrap();
        match tx.commit().await {
            Ok(()) => assert!(!taken),
            Err(error) => {
                assert!(taken);
                assert!(error.is_unique_violation());
                assert_eq!(error.constraint(), Some(DocumentRow::UQ_TENANT_TITLE));
                assert_eq!(error.columns(), ["tenant", "title"]);
            }
        }
    }
}

async fn the_index_is_partial(db: Database) {
    let ddl = schema![Customer].ddl(db.backend()).unwrap();
    let index = ddl.split(";\n").find(|statement| statement.contains("UNIQUE")).unwrap();
    let index = index.trim().replace("IF NOT EXISTS ", "");
    let expected =
        "CREATE UNIQUE INDEX \"uq_customers_email\" ON \"customers\" (\"email\") WHERE \"deleted_at\" IS NULL";
    assert_eq!(index.trim_end_matches(';'), expected);
}
