//! LOOM: repositories with profiles, queries from outside and a cache over SQLAlchemy.
//!
//! | point | what goes wrong there | how it is here |
//! |---|---|---|
//! | 1 | EXISTS is not correlated with the row outside | `query::relation::exists_is_correlated_with_the_row_outside` |
//! | 2 | a path through a relation multiplies the rows | `query::relation::a_path_through_a_relation_gives_no_cartesian_product` |
//! | 3 | cursors lose rows in descending order, at ties, by secondary keys and by times | `query::cursor::a_cursor_walks_down_ties_and_secondary_keys`, `query::walk::walking_forward_and_back_yields_exactly_the_full_ordered_list` |
//! | 4 | a cursor is unsigned and can name any column | `query::cursor::an_unsigned_cursor_can_name_no_column`, `query::cursor::a_cursor_is_bound_to_its_filters_sort_keys_and_table` |
//! | 5 | sort fields are not allow-listed; names reach into the class | `query::refused::sort_fields_are_allow_listed`, `query::refused::filter_fields_are_allow_listed` |
//! | 6 | a page past the end has a total of zero | `query::page::a_page_past_the_end_has_the_right_total` |
//! | 7 | an unknown profile is a raw error of a map | `ui-tests/tests/ui/projection/fail/profile_of_query_unknown.rs`, `ui-tests/tests/ui/projection/fail/profile_unknown.rs` |
//! | 8 | sorted pages by number have no tie-breaker | `query::page::an_offset_page_has_the_id_as_its_tie_breaker` |
//! | 9 | relations are loaded side by side on one session, which cannot | `unit_of_work::sharing::calls_side_by_side_are_served_one_after_the_other`, `projection::round_trip::round_trips_are_the_levels` |
//! | 10 | sessions stay open and ambient state leaks; hooks after the commit do not run, or their failure is told as a rollback | `transaction::hook::after_commit_hooks_find_the_connection_back_in_the_pool`, `transaction::hook::an_error_after_commit_is_reported_and_the_data_is_there`, `transaction::closure::current_gives_the_session_of_the_scope` |
//! | 11 | writes outside a transaction are not told to the cache | `unit_of_work::mutation::writes_outside_a_scope_are_told` |
//! | 12 | an update overwrites what the payload leaves out | `unit_of_work::save::columns_outside_the_domain_are_left_alone`, `unit_of_work::save::only_changed_columns_are_written` |
//! | 13 | the trace's id goes into the SQL as it is, and makes every statement another one | `weak_points::loom::the_trace_is_no_part_of_a_statement` |
//! | 14 | registries are global and can be changed by anybody; two classes share a name | `weak_points::loom::sets_of_tables_know_nothing_of_each_other`, `transaction::closure::two_databases_do_not_get_in_each_others_way` |
//! | 15 | no optimistic locking, soft deletion, upserts, writes by condition, savepoints; groups of filters are flat, without NOT | `unit_of_work::conflict::two_sessions_cannot_both_win`, `scoping::soft_delete::a_soft_deleted_row_stays_with_its_stamps`, `contract::save::an_upsert_adds_or_replaces`, `query::bulk::rows_are_updated_deleted_counted_and_asked_for_by_condition`, `contract::scope::a_failed_nested_scope_is_undone_alone`, `query::request::logic_nests` |
//! | 16 | a refused delete shows at the commit, as the driver's error | `contract::constraint::a_row_that_is_referred_to_is_not_deleted`, `unit_of_work::origin::each_way_of_queueing_names_its_call` |
//! | 17 | the limit of a page is checked after the query has run, or not at all | `query::page::the_limit_of_a_page_is_checked_before_the_query_runs` |

use spakky::prelude::*;

use crate::support::{Database, account, facts, on_each_backend};

on_each_backend![the_trace_is_no_part_of_a_statement, sets_of_tables_know_nothing_of_each_other];

async fn the_trace_is_no_part_of_a_statement(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let hostile = "*/ ; DELETE FROM accounts; --";
    let mut texts = Vec::new();
    for trace in ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", hostile] {
        let context = RequestContext::new()
            .traceparent(trace)
            .correlation_id(trace)
            .causation_id(trace)
            .actor(trace)
            .tenant(trace);
        let work = db.sessions.transaction(TransactionOptions::new().name("pay"), async |_| {
            let mut ann = accounts.get(1).await?;
            ann.balance += 1;
            accounts.save(&mut ann)
        });
        db.sent();
        context.scope(work).await.unwrap();
        texts.push(db.sent());
    }
    assert_eq!(texts[0], texts[1]);
    assert!(texts[0].iter().all(|sql| !sql.contains("/*") && !sql.contains("--")), "{:?}", texts[0]);
    assert_eq!(db.accounts().await, [facts(1, "ann", 12, 3)]);
}

mod billing {
    use spakky::prelude::*;

    #[derive(Debug, Clone, Table, Mappable)]
    #[table(name = "invoices")]
    #[mappable(domain = Self)]
    pub(super) struct Model {
        #[table(id)]
        pub(super) id: i64,
    }
}

mod stock {
    use spakky::prelude::*;

    #[derive(Debug, Clone, Table, Mappable)]
    #[table(name = "parts")]
    #[mappable(domain = Self)]
    pub(super) struct Model {
        #[table(id)]
        pub(super) id: i64,
        pub(super) name: String,
    }
}

async fn sets_of_tables_know_nothing_of_each_other(db: Database) {
    let (bills, parts) = (schema![billing::Model], schema![stock::Model]);
    assert_eq!(bills.table_for::<billing::Model>().unwrap().name, "invoices");
    assert_eq!(parts.table_for::<stock::Model>().unwrap().name, "parts");
    assert!(bills.table_for::<stock::Model>().unwrap_err().is_schema());
    // What one makes the other neither makes nor drops.
    db.sessions.create_tables(&bills).await.unwrap();
    db.sessions.create_tables(&parts).await.unwrap();
    let models = db.sessions.repository::<billing::Model>().autocommit();
    models.add_now(&mut billing::Model { id: 1 }).await.unwrap();
    let others = db.sessions.repository::<stock::Model>().autocommit();
    others.add_now(&mut stock::Model { id: 1, name: "bolt".to_owned() }).await.unwrap();
    db.sessions.drop_tables(&parts).await.unwrap();
    assert_eq!(models.get(1).await.unwrap().id, 1);
    let error = others.find(1).await.unwrap_err();
    assert!(error.is_schema());
    assert_eq!(
        error.to_string(),
        "run the statement on `parts`: a table, column or type it names is not in the database; have the migrations run?"
    );
}
