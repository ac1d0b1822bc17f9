//! spakky-sqlalchemy: the Python persistence stack of the same name.
//!
//! | point | what goes wrong there | how it is here |
//! |---|---|---|
//! | 1 | evidence is sorted by its text id | later, with the agents |
//! | 2 | so are signals | later, with the agents |
//! | 3 | a nested unit of work commits half and hides the real error | `transaction::nesting::required_fails_and_the_outer_goes_on`, `transactional::failure::an_inner_scope_that_fails_dooms_the_outer_one` |
//! | 4 | an event that leaves the process is lost between two phases of the commit | `transaction::hook::hooks_run_around_the_commit_in_their_order`, and the messages: later, with the outbox |
//! | 5 | updates are lost; with locking on, the first edit conflicts | `unit_of_work::conflict::two_sessions_cannot_both_win`, `unit_of_work::conflict::the_first_edit_never_conflicts`, `contract::scope::writers_do_not_lose_each_others_updates` |
//! | 6 | two workers consume one signal | later, with the agents |
//! | 7 | the state of an agent is overwritten by whoever saves last | later, with the agents |
//! | 8 | what a child task saves is not told; requests share a session | `transaction::closure::a_spawned_task_has_no_part_in_the_scope`, `transaction::closure::a_session_may_be_passed_to_a_spawned_task_on_purpose`, `pool::load::two_hundred_transactions_over_ten_connections_lose_nothing_and_leak_nothing` |
//! | 9 | one failing poll ends the relay | later, with the outbox |
//! | 10 | a batch has no order | later, with the outbox |
//! | 11 | a message that is used up blocks its key | later, with the outbox |
//! | 12 | requests hang beside the relay, which shares their connections across event loops | `cancellation::runtime::a_session_works_on_a_runtime_of_one_thread`, `cancellation::runtime::a_transaction_outlives_its_runtime_without_harm`, and the relay: later, with the outbox |
//! | 13 | a retry always waits for the claim to expire | later, with the outbox |
//! | 14 | claims have no owner | later, with the outbox |
//! | 15 | two tasks of one request corrupt the session that they share | `unit_of_work::sharing::calls_side_by_side_are_served_one_after_the_other`, `unit_of_work::sharing::reads_and_writes_side_by_side_agree` |
//! | 16 | many rows by id come in any order; deleting a missing row and errors of the database are the driver's | `contract::save::many_come_in_the_order_asked_for`, `contract::conflict::a_row_that_is_gone_is_a_conflict`, `contract::conflict::a_delete_by_id_of_a_missing_row_is_none`, `contract::constraint::a_reference_to_nothing_is_refused` |
//! | 17 | settings that nothing reads, no ranges, no SQLite | `setting::every_setting_is_read_by_something`, `spakky_runtime::config::tests::a_value_out_of_range_is_refused_with_its_key` |
//! | 18 | a field is dropped when it is stored; tuples come back as lists | `type_map::round_trip::come_back_from_sqlite`, `type_map::round_trip::come_back_from_postgres`, and evidence: later, with the agents |
//! | 19 | nothing is ever removed, redriven or measured | `observability::metric::units_of_work_are_counted_by_name_and_outcome`, and messages: later, with the outbox |
//! | 20 | connections are never closed; documents are not `jsonb` | `pool::limit::close_waits_for_work_in_progress_and_refuses_more`, `spakky_runtime::schema::tests::postgres_gets_its_own_types_and_named_constraints`, and agents: later, with the agents |
//! | 21 | illegal transitions of an agent's state | later, with the agents |
//! | 22 | a new column needs SQL by hand | `migration::sql::typical_changes_have_the_sql_that_one_would_write`, `migration::property::a_migration_leads_from_any_schema_to_any_other_and_back` |
