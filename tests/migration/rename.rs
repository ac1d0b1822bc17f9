//! Renames by attribute.

use spakky::prelude::*;

use super::folder::migrate;
use crate::support::{Database, on_each_backend};

on_each_backend![
    a_renamed_table_keeps_its_rows,
    a_rename_that_has_happened_is_not_made_again,
    a_renamed_column_of_an_embedded_struct_has_the_prefix_of_old,
];

mod before {
    use super::*;

    #[derive(Debug, Clone, Table)]
    #[table(name = "client", index(surname), check(named, "surname <> 'old'"), unique(mail))]
    pub(super) struct ClientRow {
        #[table(id, generated)]
        id: i64,
        surname: String,
        mail: String,
    }

    #[derive(Debug, Clone, Table)]
    #[table(name = "visits")]
    pub(super) struct VisitRow {
        #[table(id)]
        id: i64,
        #[table(references(ClientRow, on_delete = cascade))]
        client: i64,
    }
}

mod after {
    use super::*;

    #[derive(Debug, Clone, Table)]
    #[table(
        name = "clients",
        renamed_from = "client",
        index(last_name),
        check(named, "last_name <> 'old'"),
        unique(mail)
    )]
    pub(super) struct ClientRow {
        #[table(id, generated)]
        id: i64,
        #[table(renamed_from = "surname")]
        last_name: String,
        mail: String,
    }

    #[derive(Debug, Clone, Table)]
    #[table(name = "visits")]
    pub(super) struct VisitRow {
        #[table(id)]
        id: i64,
        #[table(references(ClientRow, on_delete = cascade))]
        client: i64,
    }
}

async fn a_renamed_table_keeps_its_rows(database: Database) {
    database.sessions.create_tables(&schema![before::ClientRow, before::VisitRow]).await.unwrap();
    database.execute("INSERT INTO client (surname, mail) VALUES ('Lovelace', 'a@b'), ('Hopper', 'g@h')").await;
    database.execute("INSERT INTO visits (id, client) VALUES (7, 2)").await;
    let registry = schema![after::ClientRow, after::VisitRow];
    let diff = registry.diff(&database.sessions).await.unwrap();
    let steps: Vec<_> = diff.steps().iter().map(ToString::to_string).collect();
    let expected = [
        "rename table `client` to `clients`",
        "rename column `surname` of `clients` to `last_name`",
        "rename constraint `pk_client` of `clients` to `pk_clients`",
        "rename constraint `uq_client_mail` of `clients` to `uq_clients_mail`",
        "rename constraint `ck_client_named` of `clients` to `ck_clients_named`",
        "rename index `ix_client_surname` of `clients` to `ix_clients_last_name`",
    ];
    assert_eq!(steps, expected);
    assert!(diff.steps().iter().all(|step| !step.is_destructive()));

    let (_folder, migrator) = migrate(&database, &diff).await;
    assert_eq!(registry.diff(&database.sessions).await.unwrap().up_sql(), "");
    assert_eq!(database.numbers("SELECT id FROM clients WHERE last_name = 'Hopper'").await, [2]);
    assert_eq!(database.numbers("SELECT client FROM visits").await, [2]);
    // Numbers go on where they were, and the key of the visits holds.
    database.execute("DELETE FROM clients WHERE last_name = 'Hopper'").await;
    assert_eq!(database.numbers("SELECT count(*) FROM visits").await, [0]);
    database.execute("INSERT INTO clients (last_name, mail) VALUES ('Lamarr', 'h@l')").await;
    assert_eq!(database.numbers("SELECT id FROM clients ORDER BY id").await, [1, 3]);

    migrator.down(&database.sessions, 1).await.unwrap();
    let registry = schema![before::ClientRow, before::VisitRow];
    assert_eq!(registry.diff(&database.sessions).await.unwrap().up_sql(), "");
    assert_eq!(database.numbers("SELECT id FROM client WHERE surname = 'Lamarr'").await, [3]);
}

async fn a_rename_that_has_happened_is_not_made_again(database: Database) {
    let registry = schema![after::ClientRow, after::VisitRow];
    database.sessions.create_tables(&registry).await.unwrap();
    assert!(registry.diff(&database.sessions).await.unwrap().is_empty());
    // The old name is somebody else's by now.
    database.execute("CREATE TABLE client (id INTEGER PRIMARY KEY)").await;
    assert!(registry.diff(&database.sessions).await.unwrap().is_empty());
}

async fn a_renamed_column_of_an_embedded_struct_has_the_prefix_of_old(database: Database) {
    #[derive(Debug, Clone, Table)]
    #[table(embedded)]
    struct AddressColumns {
        #[table(renamed_from = "road")]
        street: String,
    }

    #[derive(Debug, Clone, Table)]
    #[table(name = "parcels")]
    struct ParcelRow {
        #[table(id)]
        id: i64,
        #[table(flatten(prefix = "ship_"))]
        ship: AddressColumns,
    }

    let diff = schema![ParcelRow].diff(&database.sessions).await.unwrap();
    migrate(&database, &diff).await;
    database.execute("ALTER TABLE parcels RENAME COLUMN ship_street TO ship_road").await;
    let diff = schema![ParcelRow].diff(&database.sessions).await.unwrap();
    assert_eq!(diff.to_string(), "rename column `ship_road` of `parcels` to `ship_street`\n");
}
