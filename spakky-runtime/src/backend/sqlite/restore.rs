//! Making a connection as it was, after a user's own text ran on it.

use std::ops::ControlFlow;

use super::executor::Executor;
use super::raw::{Database, Failure};
use crate::statement::quote_identifier;
use crate::value::Value;

/// Settings of a connection that can be asked for and set again.
const SETTINGS: [&str; 26] = [
    "analysis_limit",
    "automatic_index",
    "cache_size",
    "cache_spill",
    "cell_size_check",
    "checkpoint_fullfsync",
    "count_changes",
    "empty_result_callbacks",
    "foreign_keys",
    "full_column_names",
    "fullfsync",
    "ignore_check_constraints",
    "journal_size_limit",
    "legacy_alter_table",
    "max_page_count",
    "query_only",
    "read_uncommitted",
    "recursive_triggers",
    "reverse_unordered_selects",
    "secure_delete",
    "short_column_names",
    "soft_heap_limit",
    "synchronous",
    "threads",
    "trusted_schema",
    "writable_schema",
];

/// The settings of a connection that cannot be closed, since its database would end with it.
#[derive(Debug)]
pub(super) struct Settings(Vec<(&'static str, i64)>);

impl Settings {
    /// As they are now. A setting that this SQLite does not have is left out.
    pub(super) fn of(database: &Database) -> Self {
        let value = |name: &'static str| match first(database, &format!("PRAGMA {name}")) {
            Ok(Some(Value::I64(value))) => Some((name, value)),
            _ => None,
        };
        Settings(SETTINGS.into_iter().filter_map(value).collect())
    }

    fn set_again(&self, database: &Database) -> Result<(), Failure> {
        for (name, value) in &self.0 {
            database.execute(&format!("PRAGMA {name} = {value}"))?;
        }
        // Cannot be asked for.
        database.execute("PRAGMA case_sensitive_like = OFF; PRAGMA locking_mode = NORMAL")
    }
}

impl Executor {
    /// Undoes what a user's own text left on the connection, once no transaction is open. Where it cannot be undone the
    /// connection is of no further use, but for one that its database would end with.
    pub(super) fn restore(&mut self) {
        if !self.queue().is_touched() {
            return;
        }
        let left = self.database.guard.left();
        let restored = match &self.kept {
            None if left.pragma => false,
            kept => {
                let queue = self.queue().clone();
                let database = &self.database;
                queue.shielded(|| {
                    // First, since some keep the connection from writing.
                    (!left.pragma || kept.as_ref().is_some_and(|kept| kept.set_again(database).is_ok()))
                        && (!left.temporary || drop_temporary(database).is_ok())
                        && (!left.attached || detach(database).is_ok())
                })
            }
        };
        self.database.install_handlers();
        self.database.guard.restored();
        self.queue().touch(false);
        if !restored && self.kept.is_none() {
            self.queue().mark_broken();
        } else if !restored {
            tracing::warn!("what plain SQL left on the connection of a database in memory could not be undone");
        }
    }
}

fn drop_temporary(database: &Database) -> Result<(), Failure> {
    let made = rows(database, "SELECT type, name FROM sqlite_temp_master WHERE type IN ('table', 'view', 'trigger')")?;
    for row in made {
        if let [Value::Text(kind), Value::Text(name)] = &row[..] {
            // What belongs to a table goes with it, so that it may be gone; tables of a virtual one are its own.
            let mut sql = format!("DROP {kind} IF EXISTS temp.");
            quote_identifier(&mut sql, name);
            database.execute(&sql)?;
        }
    }
    Ok(())
}

fn detach(database: &Database) -> Result<(), Failure> {
    for row in rows(database, "SELECT name FROM pragma_database_list WHERE name NOT IN ('main', 'temp')")? {
        if let [Value::Text(name)] = &row[..] {
            let mut sql = "DETACH ".to_owned();
            quote_identifier(&mut sql, name);
            database.execute(&sql)?;
        }
    }
    Ok(())
}

fn rows(database: &Database, sql: &str) -> Result<Vec<Vec<Value>>, Failure> {
    let mut rows = Vec::new();
    database.prepare(sql)?.run(&[], |row| {
        rows.push(row);
        ControlFlow::Continue(())
    })?;
    Ok(rows)
}

fn first(database: &Database, sql: &str) -> Result<Option<Value>, Failure> {
    Ok(rows(database, sql)?.into_iter().next().and_then(|row| row.into_iter().next()))
}
