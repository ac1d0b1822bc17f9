//! What a chained transaction keeps of the one before.

use spakky::prelude::*;

use crate::support::{Database, account, on_postgres};

on_postgres![settings_of_a_request_last_in_the_transactions_chained_to_its_first];

async fn settings_of_a_request_last_in_the_transactions_chained_to_its_first(db: Database) {
    let ask = "SELECT current_setting('app.tenant', true)";
    let first = RequestContext::new().setting("app.tenant", "blue").scope(async { db.sessions.begin() }).await;
    let accounts = db.account_repository();
    first.run(accounts.add_now(&mut account(1, "ann", 10))).await.unwrap();
    // Outside of the request.
    let mut next = first.commit_and_chain().await.unwrap();
    for id in 2..4 {
        let tenant: (String,) = next.session().sql(ask).fetch_one().await.unwrap();
        assert_eq!(tenant.0, "blue");
        next.run(accounts.add_now(&mut account(id, &format!("owner {id}"), 10))).await.unwrap();
        next = next.commit_and_chain().await.unwrap();
    }
    next.rollback().await;
    assert_eq!(db.numbers("SELECT id FROM accounts ORDER BY id").await, [1, 2, 3]);
}
