//! QX: a repository and unit of work over SQLAlchemy, with tenants and a relay.
//!
//! | point | what goes wrong there | how it is here |
//! |---|---|---|
//! | 1 | a tenant's URL is rendered with its password masked, and fails | `spakky_runtime::backend::postgres::tests::tls::passwords_are_bound_to_the_channel`, `observability::secrecy::the_password_of_the_url_is_told_to_nobody` |
//! | 2 | `add` stamps nothing, because the entity has the field, empty | `scoping::weak_point::an_add_is_stamped_though_the_entity_has_an_empty_field` |
//! | 3 | events are lost unless the caller remembers to track the aggregate | `unit_of_work::mutation::each_statement_of_a_committed_transaction_is_told`, and domain events: later, with the outbox |
//! | 4 | a unit of work that is used twice loses the second work in silence | `transaction::handle::a_session_is_of_no_use_after_its_end`, `transaction::handle::a_chained_transaction_knows_the_rows_of_the_one_before` |
//! | 5 | saves and deletes reach the rows of other tenants; a save empties tenant and creation | `scoping::weak_point::save_and_delete_are_confined_to_the_tenant`, `scoping::weak_point::a_save_does_not_write_tenant_and_creation_from_the_object`, `scoping::every_operation::every_statement_names_the_tenant`, `scoping::children::no_write_reaches_the_children_of_another_tenants_row` |
//! | 6 | a duplicate key is the driver's raw error | `contract::constraint::a_taken_key_names_the_primary_key` |
//! | 7 | a tenant's `search_path` stays on the pooled connection; the reset hides the real error | `scoping::weak_point::nothing_of_a_tenant_stays_on_a_pooled_connection`, `pool::setting::settings_of_a_request_last_as_long_as_its_transaction`, `pool::setting::a_failure_outside_a_scope_leaves_no_settings_behind` |
//! | 8 | without a tenant, a policy of row-level security fails on a used connection and shows nothing on a new one | `weak_points::qx_db::a_policy_of_row_level_security_shows_nothing_without_a_tenant` |
//! | 9 | the statement time-out is never applied | `pool::setting::a_statement_past_its_limit_is_stopped`, `setting::every_setting_is_read_by_something` |
//! | 10 | a bad cursor is a raw JSON or base64 error | `query::cursor::a_bad_cursor_is_one_clear_error` |
//! | 11 | without a tenant there is no filter | `scoping::weak_point::without_a_tenant_reads_do_not_fail_open`, `scoping::every_operation::without_a_tenant_nothing_is_sent` |
//! | 12 | no pages by cursor; wildcards of LIKE not escaped; the count keeps the order; `add` needs columns that a table may not have | `query::cursor::cursors_lead_forward_and_back`, `query::request::like_wildcards_in_values_are_escaped`, `query::page::the_count_keeps_no_order_by`, `unit_of_work::save::a_row_of_no_version_is_saved_by_its_key` |
//! | 13 | what handlers add during the commit is lost; the second object of one id is dropped | `transaction::hook::a_before_commit_hook_may_register_more`, `unit_of_work::batch::a_batch_that_names_one_aggregate_twice_is_refused_whole`, and domain events: later, with the outbox |
//! | 14 | the relay | later, with the outbox |
//! | 15 | the consumer | later, with the outbox |
//! | 16 | projections and snapshots by number; a conflict leaves the transaction aborted | `unit_of_work::conflict::a_conflict_in_a_nested_scope_undoes_that_scope`, and the rest: later, with the event store |
//! | 17 | a retry inside the transaction goes on in the aborted one; cancellation is swallowed | `transactional::retry::nothing_of_a_failed_run_is_stored`, `transactional::retry::an_inner_scope_leaves_the_retry_to_the_outer_one`, `transactional::failure::a_dropped_future_rolls_back` |
//! | 18 | names go into SQL unquoted | `statement::name::tables_may_have_any_name`, `weak_points::qx_db::names_are_quoted_wherever_they_stand` |

use spakky::prelude::*;

use crate::support::{Database, on_each_backend, on_postgres};

on_each_backend![names_are_quoted_wherever_they_stand];

mod security {
    use super::a_policy_of_row_level_security_shows_nothing_without_a_tenant;

    super::on_postgres![a_policy_of_row_level_security_shows_nothing_without_a_tenant];
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "contracts")]
#[mappable(domain = Self)]
struct Contract {
    #[table(id)]
    id: i64,
    owner: uuid::Uuid,
}

async fn a_policy_of_row_level_security_shows_nothing_without_a_tenant(db: Database) {
    db.observer().create_tables(&schema![Contract]).await.unwrap();
    // A role that exists everywhere and is bound by policies; the tests' own is not.
    for sql in [
        "INSERT INTO contracts VALUES (1, '00000000-0000-0000-0000-000000000001'), \
         (2, '00000000-0000-0000-0000-000000000002')",
        "ALTER TABLE contracts ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY of_the_tenant ON contracts \
         USING (owner = nullif(current_setting('app.tenant', true), '')::uuid)",
        "GRANT SELECT ON contracts TO pg_monitor",
    ] {
        db.execute(sql).await;
    }
    let sessions = db.connect(|config| config.pool_size(1)).await;
    let contracts = sessions.repository::<Contract>();
    let seen = async |context: RequestContext| {
        let found = context.setting("role", "pg_monitor").scope(contracts.query().all()).await.unwrap();
        found.into_iter().map(|contract| contract.id).collect::<Vec<_>>()
    };
    let tenant = |number: u128| RequestContext::new().setting("app.tenant", uuid::Uuid::from_u128(number).to_string());
    assert_eq!(seen(RequestContext::new()).await, Vec::<i64>::new());
    assert_eq!(seen(tenant(1)).await, [1]);
    // By now the connection knows the name of the setting, with an empty value.
    assert_eq!(seen(RequestContext::new()).await, Vec::<i64>::new());
    assert_eq!(seen(tenant(2)).await, [2]);
    sessions.close(std::time::Duration::from_secs(5)).await.unwrap();
}

/// What SQL would take for something else, were it not quoted.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(
    name = "order",
    unique(group, user, name = "a \"unique\" key; --"),
    index(user desc, name = "an index's"),
    filterable(group),
    sortable(user)
)]
#[mappable(domain = Self)]
struct Order {
    #[table(id, column = "select")]
    id: i64,
    group: String,
    #[table(column = "the \"user\"; DROP TABLE \"order\"; --")]
    user: i64,
    #[table(version, column = "from")]
    version: i64,
}

async fn names_are_quoted_wherever_they_stand(db: Database) {
    let tables = schema![Order];
    db.sessions.create_tables(&tables).await.unwrap();
    let orders = db.sessions.repository::<Order>();
    let order = |id, group: &str, user| Order { id, group: group.to_owned(), user, version: 0 };
    let work = TransactionOptions::new();
    let written = db.sessions.transaction(work, async |session| {
        orders.add_all(&mut [order(1, "a", 1), order(2, "a", 2), order(3, "b", 3)])?;
        session.flush().await?;
        let mut first = orders.lock(1).await?;
        first.user = 9;
        orders.save(&mut first)?;
        orders.upsert(&mut order(3, "b", 4))?;
        orders.delete_by_id(2)
    });
    written.await.unwrap();
    let o = Order::COLUMNS;
    let raised = db
        .sessions
        .transaction(work, async |_| orders.filter(o.group.eq("b")).update([o.user.set(o.user + 1)]).await)
        .await
        .unwrap();
    assert_eq!(raised, 1);
    let query = Query::from_query_string("sort=-user&group[starts_with]=&page_size=1").unwrap();
    let page = orders.search(&query).unwrap().cursor_page(&query).await.unwrap();
    assert_eq!(page.items, [Order { version: 2, ..order(1, "a", 9) }]);
    assert_eq!(orders.query().sum(o.user).await.unwrap(), Some(14));
    let error = orders.autocommit().add_now(&mut order(4, "b", 5)).await.unwrap_err();
    assert_eq!((error.is_unique_violation(), error.constraint()), (true, Some("a \"unique\" key; --")));
    assert!(tables.diff(&db.sessions).await.unwrap().is_empty());
    db.sessions.drop_tables(&tables).await.unwrap();
}
