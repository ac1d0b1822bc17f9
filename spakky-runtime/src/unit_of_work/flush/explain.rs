//! What a failed write means, in terms of the aggregates it was for.

use std::collections::HashSet;

use super::row::FlushedRow;
use super::step::FlushStep;
use crate::backend::Answer;
use crate::error::{DatabaseError, Error, ErrorKind};
use crate::schema::TableDescriptor;
use crate::statement::CONFLICT_TOKEN;
use crate::unit_of_work::order::Kind;
use crate::value::Value;

impl FlushStep {
    /// The error of a statement that failed, with the aggregates concerned and where their writes were queued.
    pub(crate) fn explain(&self, error: DatabaseError, answer: Option<&Answer>) -> Error {
        let missing = self.missing(&error, answer);
        if let Some(missing) = missing {
            return if self.within.owner.is_some() {
                self.not_owned(&missing, error)
            } else {
                self.conflict(&missing, error)
            };
        }
        let constraint = error.constraint.clone().or_else(|| constraint_of(self.table, error.kind, &error.columns));
        let mut error = error;
        error.constraint = constraint;
        error.table.get_or_insert_with(|| self.table.name.to_owned());
        if let (Some(circle), ErrorKind::ForeignKeyViolation) = (&self.circle, error.kind) {
            let message = format!(
                "write rows that refer to each other in a circle: {circle}; make one of the references nullable, or its foreign \
                 key deferrable"
            );
            return Error::new(ErrorKind::ForeignKeyViolation, message)
                .with_table(self.table.name)
                .with_constraint(error.constraint.clone())
                .with_origins(self.rows.iter().map(|row| row.origin))
                .with_source(error);
        }
        let made = Error::of_write(error);
        // Which of its rows it was the database does not say.
        let ids = self.rows.iter().filter_map(|row| row.known_key()).map(show_key).collect();
        made.with_ids(ids).with_origins(self.rows.iter().map(|row| row.origin))
    }

    /// Positions of the rows that a guarded write missed, if that is why it failed.
    fn missing(&self, error: &DatabaseError, answer: Option<&Answer>) -> Option<Vec<usize>> {
        let cast_failed = error.code == "22P02" && error.message.contains(CONFLICT_TOKEN);
        if error.kind != ErrorKind::Conflict && !cast_failed {
            return None;
        }
        if let Some(start) = error.message.find(CONFLICT_TOKEN) {
            let positions = error.message[start + CONFLICT_TOKEN.len()..]
                .split(|character: char| !character.is_ascii_digit() && character != ',')
                .next()
                .unwrap_or_default();
            return Some(positions.split(',').filter_map(|n| n.parse::<usize>().ok()?.checked_sub(1)).collect());
        }
        // SQLite: the batch answered with the keys it hit.
        let rows = answer.map(|answer| answer.rows.as_slice()).unwrap_or_default();
        let hit: HashSet<Vec<Value>> = rows.iter().map(|key| key.iter().map(stored_form).collect()).collect();
        let is_hit = |row: &FlushedRow| {
            row.key.as_deref().is_some_and(|key| hit.contains(&key.iter().map(stored_form).collect::<Vec<_>>()))
        };
        let missing = self.rows.iter().enumerate().filter(|(_, row)| !is_hit(row));
        Some(missing.map(|(position, _)| position).collect())
    }

    fn conflict(&self, missing: &[usize], error: DatabaseError) -> Error {
        let rows: Vec<&FlushedRow> = missing.iter().filter_map(|&position| self.rows.get(position)).collect();
        let ids: Vec<String> = rows.iter().filter_map(|row| row.known_key()).map(show_key).collect();
        let expected = rows.first().and_then(|row| row.expected);
        if self.kind == Kind::Insert {
            let which = match self.within.by {
                Some(by) => format!("by `{}`", self.table.uniques[by].name),
                None => format!("with id {}", show_ids(&ids)),
            };
            let message = format!(
                "upsert into `{}` {which}: the row there is another tenant's, or is soft-deleted",
                self.table.name
            );
            return Error::new(ErrorKind::Conflict, message)
                .with_table(self.table.name)
                .with_ids(ids)
                .with_origins(rows.iter().map(|row| row.origin))
                .with_source(error);
        }
        let what = match self.kind {
            Kind::Delete => "delete from",
            Kind::Update | Kind::Insert => "save to",
        };
        let is_child = rows.first().is_some_and(|row| row.is_child);
        let guard = match expected {
            Some(version) if is_child && rows.len() == 1 => {
                format!("its version is no longer {version}, or it is gone, or part of another row")
            }
            Some(version) if rows.len() == 1 => format!("its version is no longer {version}, or it is gone"),
            Some(_) if is_child => "their versions have changed, or they are gone, or parts of other rows".to_owned(),
            Some(_) => "their versions have changed, or they are gone".to_owned(),
            None if is_child => "gone, or part of another row".to_owned(),
            None => "no such row".to_owned(),
        };
        let message = format!("{what} `{}` with id {}: {guard}", self.table.name, show_ids(&ids));
        Error::new(ErrorKind::Conflict, message)
            .with_table(self.table.name)
            .with_ids(ids)
            .with_expected_version(expected)
            .with_origins(rows.iter().map(|row| row.origin))
            .with_source(error)
    }

    /// Children of these keys belong to other rows.
    fn not_owned(&self, missing: &[usize], error: DatabaseError) -> Error {
        let rows: Vec<&FlushedRow> = missing.iter().filter_map(|&position| self.rows.get(position)).collect();
        let ids: Vec<String> = rows.iter().filter_map(|row| row.known_key()).map(show_key).collect();
        let why = if self.within.deleted { "a row with it is there, or is part of" } else { "it is part of" };
        let message = format!("save to `{}` with id {}: {why} another aggregate", self.table.name, show_ids(&ids));
        Error::new(ErrorKind::UniqueViolation, message)
            .with_table(self.table.name)
            .with_constraint(Some(self.table.key_name.to_owned()))
            .with_ids(ids)
            .with_origins(rows.iter().map(|row| row.origin))
            .with_source(error)
    }
}

/// The constraint's name by its columns, for SQLite, which does not tell it.
pub(crate) fn constraint_of(table: &TableDescriptor, kind: ErrorKind, columns: &[String]) -> Option<String> {
    match kind {
        ErrorKind::UniqueViolation if columns.is_empty() => None,
        ErrorKind::UniqueViolation => {
            let unique = table.uniques.iter().find(|unique| unique.columns == columns);
            let is_key = || table.key_columns().map(|column| &column.name).eq(columns);
            unique.map(|unique| unique.name.clone()).or_else(|| is_key().then(|| table.key_name.to_owned()))
        }
        // With one foreign key there is no doubt which.
        ErrorKind::ForeignKeyViolation => match table.foreign_keys.as_slice() {
            [only] => Some(only.name.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// A key value as SQLite stores and returns it.
fn stored_form(key: &Value) -> Value {
    match key {
        Value::Uuid(uuid) => Value::Bytes(uuid.as_bytes().to_vec()),
        Value::I16(number) => Value::I64(i64::from(*number)),
        Value::I32(number) => Value::I64(i64::from(*number)),
        Value::Bool(value) => Value::I64(i64::from(*value)),
        Value::Decimal(text) => Value::Text(text.clone()),
        other => crate::value::temporal_text(other).map_or_else(|| other.clone(), Value::Text),
    }
}

/// Ids for messages: the first ten of them.
pub(crate) fn show_ids(ids: &[String]) -> String {
    const SHOWN: usize = 10;
    match ids.get(..SHOWN) {
        Some(first) if ids.len() > SHOWN => format!("{} and {} more", first.join(", "), ids.len() - SHOWN),
        _ => ids.join(", "),
    }
}

/// A key for messages: `7`, or `(7, "a")` for a composite one.
pub(crate) fn show_key(key: &[Value]) -> String {
    let shown: Vec<String> = key
        .iter()
        .map(|value| match value {
            Value::I16(value) => value.to_string(),
            Value::I32(value) => value.to_string(),
            Value::I64(value) => value.to_string(),
            Value::Bool(value) => value.to_string(),
            Value::Uuid(value) => value.to_string(),
            Value::F32(value) => value.to_string(),
            Value::F64(value) => value.to_string(),
            Value::Decimal(value) => value.clone(),
            Value::Text(value) => format!("{value:?}"),
            other => crate::value::temporal_text(other).unwrap_or_else(|| format!("{other:?}")),
        })
        .collect();
    match shown.as_slice() {
        [one] => one.clone(),
        several => format!("({})", several.join(", ")),
    }
}
