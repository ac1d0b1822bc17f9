//! The setting by which the database itself knows the tenant: never another than that of the context.

#![allow(clippy::large_futures, reason = "the futures of a test are part of no others")]

use spakky::Error;
use spakky::prelude::*;

use crate::support::{AccountRow, Database, account, on_each_backend, on_postgres};

/// What can be seen in a server alone.
mod server {
    use super::*;

    on_postgres![
        the_setting_is_the_tenant_of_the_context_inside_and_outside_of_scopes,
        row_level_security_and_the_library_confine_to_the_same_tenant,
    ];
}
on_each_backend![a_context_that_names_two_tenants_sends_nothing];

async fn the_setting_is_the_tenant_of_the_context_inside_and_outside_of_scopes(db: Database) {
    let sessions = db.connect(|config| config.pool_size(1)).await;
    let seen = "SELECT coalesce(current_setting('app.tenant', true), '')";
    for tenant in ["acme", "it's; \\ globex", ""] {
        let context = RequestContext::new().tenant_setting("app.tenant").tenant(tenant);
        let (inside, outside) = context
            .scope(async {
                let inside = sessions
                    .transaction(TransactionOptions::new(), async |session| {
                        session.sql(seen).fetch_one::<(String,)>().await
                    })
                    .await?;
                Ok::<_, Error>((inside, sessions.sql(seen).fetch_one::<(String,)>().await?))
            })
            .await
            .unwrap();
        assert_eq!((inside.0.as_str(), outside.0.as_str()), (tenant, tenant));
        // It ends with its transaction.
        assert_eq!(sessions.sql(seen).fetch_one::<(String,)>().await.unwrap(), (String::new(),));
    }
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "notes")]
#[mappable(domain = Self)]
struct Note {
    #[table(id)]
    id: i64,
    #[table(tenant)]
    tenant: String,
}

async fn row_level_security_and_the_library_confine_to_the_same_tenant(db: Database) {
    db.observer().create_tables(&schema![Note]).await.unwrap();
    // A role of this test's database: whoever owns a table, or may do everything, is not bound by its policies.
    let role = "spakky_confined";
    for statement in [
        format!(
            "DO $$ BEGIN CREATE ROLE {role}; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        ),
        format!("GRANT ALL ON notes TO {role}"),
        "ALTER TABLE notes ENABLE ROW LEVEL SECURITY".to_owned(),
        "CREATE POLICY of_the_tenant ON notes USING (tenant = nullif(current_setting('app.tenant', true), ''))"
            .to_owned(),
    ] {
        db.execute(&statement).await;
    }
    let notes = db.sessions.repository::<Note>();
    for (id, tenant) in [(1, "acme"), (2, "globex")] {
        let context = RequestContext::new().tenant(tenant).tenant_setting("app.tenant").setting("role", role);
        let unit = db.sessions.transaction(TransactionOptions::new(), async |session| {
            notes.add_now(&mut Note { id, tenant: String::new() }).await?;
            // Plain SQL is confined by the database alone.
            session.sql("SELECT id FROM notes").fetch_all::<(i64,)>().await
        });
        assert_eq!(context.scope(unit).await.unwrap(), [(id,)]);
    }
    assert_eq!(db.numbers("SELECT count(*) FROM notes").await, [2]);
}

async fn a_context_that_names_two_tenants_sends_nothing(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository().autocommit();
    db.sent();
    let context = RequestContext::new().tenant("acme").tenant_setting("app.tenant").setting("app.tenant", "globex");
    let refused = context
        .scope(async {
            let columns = AccountRow::COLUMNS;
            let scope = db.sessions.transaction(TransactionOptions::new(), async |_| accounts.find(1).await);
            [
                scope.await.map(drop),
                accounts.find(1).await.map(drop),
                accounts.query().stream().await.map(drop),
                accounts.add_now(&mut account(2, "bob", 20)).await,
                accounts.update_where(columns.id.eq(1), columns.balance.set(11)).await.map(drop),
                db.sessions.sql("SELECT 1").execute().await.map(drop),
            ]
        })
        .await;
    for (call, refused) in refused.into_iter().enumerate() {
        let error = refused.unwrap_err();
        assert!(error.is_tenant_mismatch(), "call {call}: {error:?}");
        assert!(!error.to_string().contains("globex") && !error.to_string().contains("acme"), "{error}");
    }
    assert_eq!(db.sent(), Vec::<String>::new());
    db.is_at_rest().await;
}
