//! ArchiPy: adapters, decorators and mixins over SQLAlchemy.
//!
//! | point | what goes wrong there | how it is here |
//! |---|---|---|
//! | 1 | of several mixins only the first one's requirements are checked | `ui-tests/tests/ui/table/fail/deleted_by_without_deleted_at.rs`, `ui-tests/tests/ui/table/fail/tenanted_without_tenant.rs`, `ui-tests/tests/ui/table/fail/unique_where_live_without_deleted_at.rs`, `scoping::audit::an_actor_that_must_be_there_is_asked_for_before_anything_is_sent` |
//! | 2 | a table cannot refer to itself | `weak_points::archipy::a_table_refers_to_itself` |
//! | 3 | the decorator breaks when it is given options | `ui-tests/tests/ui/transactional/pass/every_option.rs` |
//! | 4 | an inner failure that is caught lets the outer block report success with nothing saved | `transactional::failure::an_inner_scope_that_fails_dooms_the_outer_one`, `contract::scope::a_failed_nested_scope_is_undone_alone` |
//! | 5 | serialization failures are taken for lost connections; cancellation becomes an internal error | `spakky_runtime::backend::postgres::tests::errors::what_the_server_refuses_is_told_apart_by_its_code`, `transactional::failure::a_dropped_future_rolls_back` |
//! | 6 | a transaction that an earlier read began is adopted, and committed by the block | `weak_points::archipy::a_read_before_a_unit_of_work_is_no_part_of_it` |
//! | 7 | soft deletion is a column that no read minds, and deletes are physical | `scoping::weak_point::reads_filter_deleted_rows` |
//! | 8 | a filter by nothing finds everything; wildcards are not escaped; any attribute sorts, without a tie-breaker | `query::request::null_is_asked_for_and_never_dropped`, `query::request::like_wildcards_in_values_are_escaped`, `query::refused::sort_fields_are_allow_listed`, `query::page::an_offset_page_has_the_id_as_its_tie_breaker` |
//! | 9 | no update of what changed, upsert, cursor, optimistic locking, retry, options of one block, time-out | `unit_of_work::save::only_changed_columns_are_written`, `contract::save::an_upsert_adds_or_replaces`, `query::cursor::cursors_lead_forward_and_back`, `unit_of_work::conflict::two_sessions_cannot_both_win`, `transactional::retry::many_that_change_one_aggregate_lose_nothing`, `transactional::option::a_read_only_scope_refuses_writes`, `transactional::option::the_isolation_is_asked_of_the_database`, `transactional::option::past_its_time_the_body_is_dropped_and_nothing_is_stored` |
//! | 10 | times without a zone; a password that the URL does not carry; errors told apart by their text | `type_map::limits::time_goes_from_the_year_1_to_the_year_9999_and_by_microseconds`, `spakky_runtime::backend::postgres::tests::tls::passwords_are_bound_to_the_channel`, `spakky_runtime::backend::sqlite::tests::burst::the_code_of_a_failure_survives_values_of_any_kind` |
//! | 11 | a spawned task silently gets another session; a second configuration is ignored | `transaction::closure::a_spawned_task_has_no_part_in_the_scope`, `transaction::closure::two_databases_do_not_get_in_each_others_way` |
//! | 12 | cached totals outlive the rows; an estimate jumps between pages | `query::page::a_page_sees_what_is_pending`, `query::page::a_total_is_exact_up_to_the_threshold` |

use spakky::prelude::*;

use crate::support::{Database, account, facts, on_each_backend};

on_each_backend![a_table_refers_to_itself, a_read_before_a_unit_of_work_is_no_part_of_it];

/// Keeps what a page was before, as rows of its own table.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "pages")]
#[mappable(domain = Self)]
struct Page {
    #[table(id)]
    id: i64,
    #[table(references(Page, on_delete = cascade))]
    origin: Option<i64>,
    text: String,
}

async fn a_table_refers_to_itself(db: Database) {
    db.sessions.create_tables(&schema![Page]).await.unwrap();
    let pages = db.sessions.repository::<Page>();
    let page = |id, origin, text: &str| Page { id, origin, text: text.to_owned() };
    let work = TransactionOptions::new();
    // An archived copy comes before what it was made of, by its key and in the queue.
    let mut archive = [page(1, Some(3), "first"), page(2, Some(3), "second"), page(3, None, "third")];
    db.sessions.transaction(work, async |_| pages.add_all(&mut archive)).await.unwrap();
    let p = Page::COLUMNS;
    assert_eq!(pages.count_where(p.origin.eq(3)).await.unwrap(), 2);
    db.sessions.transaction(work, async |_| pages.delete_by_id(3)).await.unwrap();
    assert_eq!(pages.query().count().await.unwrap(), 0);
    let error = pages.autocommit().add_now(&mut page(4, Some(3), "")).await.unwrap_err();
    assert!(error.is_foreign_key_violation(), "{error:?}");
}

async fn a_read_before_a_unit_of_work_is_no_part_of_it(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    // One connection: had the read left a transaction open, the unit of work would find it.
    let sessions = db.connect(|config| config.pool_size(1)).await;
    let accounts = sessions.repository::<crate::support::AccountRow>();
    let mut ann = accounts.get(1).await.unwrap();
    db.execute("UPDATE accounts SET balance = 20, version = 2 WHERE id = 1").await;
    let work = sessions.transaction(TransactionOptions::new(), async |_| {
        assert_eq!(accounts.get(1).await?.balance, 20);
        ann.balance += 1;
        accounts.save(&mut ann)
    });
    // The copy is of before: neither adopted nor written over what came between.
    let error = work.await.unwrap_err();
    assert!(error.is_stale_copy(), "{error:?}");
    assert_eq!(db.accounts().await, [facts(1, "ann", 20, 2)]);
    sessions.close(std::time::Duration::from_secs(5)).await.unwrap();
}
