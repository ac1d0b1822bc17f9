//! Rules that need more than one attribute to see. One function per rule.

use std::collections::HashMap;

use proc_macro2::Span;
use syn::{Ident, LitStr};

use super::attr::FieldPath;
use super::model::{Column, Constraint, Diesel, FieldKind, Kind, Row, Stamp, Storage, Table};
use super::name::MAX_LEN;
use crate::diagnostics::{Diagnostics, suggestion};
use crate::syntax::ident::plain;
use crate::syntax::input::{last_segment, option_of};

pub(crate) fn check(table: &Table, diagnostics: &mut Diagnostics) {
    check_column_names(table, diagnostics);
    check_renames(table, diagnostics);
    check_roles(table, diagnostics);
    check_options(table, diagnostics);
    match &table.kind {
        Kind::Row(row) => {
            check_table_name(row, diagnostics);
            check_key(table, diagnostics);
            check_generated(table, diagnostics);
            check_tenanted(table, row, diagnostics);
            check_soft_delete(table, row, diagnostics);
            check_fields_of_constraints(table, row, diagnostics);
            check_constraint_names(row, diagnostics);
            check_relations(table, diagnostics);
            check_request_fields(table, row, diagnostics);
            check_diesel(table, row, diagnostics);
        }
        Kind::Embedded(embedded) => {
            for key in &embedded.refused {
                let name = plain(key);
                diagnostics
                    .error(key, format!("an embedded struct has no table; put `{name}` on the rows that flatten it"));
            }
            check_embedded_fields(table, diagnostics);
            for (_, relation) in table.relations() {
                let name = plain(&relation.at);
                diagnostics.error(
                    &relation.at,
                    format!("an embedded struct has no key; put `{name}` on the rows that flatten it"),
                );
            }
        }
    }
}

/// PostgreSQL cuts longer names silently, and two of them may become one.
fn check_length(name: &str, at: &LitStr, diagnostics: &mut Diagnostics) {
    if name.len() > MAX_LEN {
        diagnostics.error(at, format!("this name is {} bytes long; PostgreSQL takes {MAX_LEN}", name.len()));
    }
    if name.contains('\0') {
        diagnostics.error(at, "a name cannot contain a NUL character");
    }
}

fn check_table_name(row: &Row, diagnostics: &mut Diagnostics) {
    if let Some(at) = &row.name_literal {
        check_length(&row.name, at, diagnostics);
        if let Some((schema, name)) = row.name.split_once('.') {
            let message = format!("a table name has no schema; write `schema = \"{schema}\", name = \"{name}\"`");
            diagnostics.error(at, message);
        }
    }
    if let Some(schema) = &row.schema {
        check_length(&schema.value(), schema, diagnostics);
    }
    if let Some(at) = &row.renamed_from {
        check_length(&at.value(), at, diagnostics);
        if at.value() == row.name {
            diagnostics.error(at, format!("the table is called `{}` now; give the name it had before", row.name));
        }
    }
}

fn check_column_names(table: &Table, diagnostics: &mut Diagnostics) {
    let mut seen: HashMap<&str, &Ident> = HashMap::new();
    for (field, column) in table.columns() {
        if let Some(at) = &column.name_literal {
            check_length(&column.name, at, diagnostics);
        }
        if let Some(first) = seen.insert(&column.name, &field.ident) {
            let message = format!("column `{}` is that of field `{first}` already; give one another name", column.name);
            match &column.name_literal {
                Some(at) => diagnostics.error(at, message),
                None => diagnostics.error(&field.ident, message),
            }
        }
    }
}

/// What is still there was not renamed.
fn check_renames(table: &Table, diagnostics: &mut Diagnostics) {
    let mut seen: HashMap<String, &Ident> = HashMap::new();
    for (field, column) in table.columns() {
        let Some(at) = &column.renamed_from else { continue };
        let old = at.value();
        check_length(&old, at, diagnostics);
        if old == column.name {
            diagnostics.error(at, format!("the column is called `{old}` now; give the name it had before"));
        } else if let Some((other, _)) = table.columns().find(|(_, other)| other.name == old) {
            let message = format!(
                "column `{old}` is that of field `{}` still; name a column that is gone, or remove this",
                other.ident
            );
            diagnostics.error(at, message);
        } else if let Some(first) = seen.insert(old.clone(), &field.ident) {
            diagnostics.error(at, format!("column `{old}` became field `{first}` already; remove one"));
        }
    }
}

/// The runtime keeps one version and one stamp of a kind for each row.
fn check_roles(table: &Table, diagnostics: &mut Diagnostics) {
    let mut seen: HashMap<String, &Ident> = HashMap::new();
    for (field, column) in table.columns() {
        let at = match &column.storage {
            Storage::Version(at) | Storage::Stamp(_, at) => at,
            Storage::Plain | Storage::Id | Storage::Json => continue,
        };
        if let Some(first) = seen.insert(plain(at), &field.ident) {
            diagnostics
                .error(at, format!("a row has one `{}` field, which is `{first}` already; remove one", plain(at)));
        }
    }
}

/// NULL cannot say which `None` it stands for. A type that hides an `Option` is caught by its column's type.
fn check_options(table: &Table, diagnostics: &mut Diagnostics) {
    let own = |column: &Column| matches!(column.storage, Storage::Plain | Storage::Json);
    for (field, _) in table.columns().filter(|(_, column)| own(column)) {
        if option_of(&field.ty).is_some_and(|inner| option_of(inner).is_some()) {
            let message = "an `Option` of an `Option` cannot be stored, since NULL cannot say which `None` it is; use one \
                           `Option`, or an enum that names the cases";
            diagnostics.error(&field.ty, message);
        }
    }
}

fn check_key(table: &Table, diagnostics: &mut Diagnostics) {
    if table.ids().next().is_none() {
        diagnostics.error(
            &table.ident,
            format!(
                "`{}` has no key; mark its key field with `#[table(id)]`, or the struct with `#[table(embedded)]`",
                table.ident
            ),
        );
    }
}

/// A `tenant` field makes the table tenanted; the key on the struct asks for one.
fn check_tenanted(table: &Table, row: &Row, diagnostics: &mut Diagnostics) {
    if let (Some(at), false) = (&row.tenanted, table.has_stamp(Stamp::Tenant)) {
        diagnostics.error(at, "`tenanted` needs a field that says whose the row is; mark it `#[table(tenant)]`");
    }
}

/// What is said of deleted rows needs a column that tells them apart.
fn check_soft_delete(table: &Table, row: &Row, diagnostics: &mut Diagnostics) {
    if table.has_stamp(Stamp::DeletedAt) {
        return;
    }
    for (_, column) in table.columns() {
        if let Storage::Stamp(Stamp::DeletedBy, at) = &column.storage {
            diagnostics.error(at, "`deleted_by` needs a field that says when; mark one `#[table(deleted_at)]`");
        }
    }
    for at in row.uniques.iter().filter_map(|unique| unique.body.live.as_ref()) {
        diagnostics.error(
            at,
            "`where = live` needs a field that says when a row was deleted; mark one `#[table(deleted_at)]`",
        );
    }
}

/// SQLite assigns only a single integer key, and PostgreSQL's identity columns are used for nothing else.
fn check_generated(table: &Table, diagnostics: &mut Diagnostics) {
    for (_, column) in table.columns() {
        let Some(at) = &column.generated else { continue };
        if !matches!(column.storage, Storage::Id) {
            diagnostics.error(at, "`generated` needs `id`; the database assigns keys only");
        } else if table.ids().count() > 1 {
            diagnostics.error(at, "a generated key is a single column; remove `generated` or the other ids");
        }
    }
}

/// Children hold the key of their row in one column.
fn check_relations(table: &Table, diagnostics: &mut Diagnostics) {
    for (field, relation) in table.relations() {
        let name = plain(&relation.at);
        if table.ids().count() > 1 {
            diagnostics.error(&relation.at, format!("`{name}` needs a table with one `#[table(id)]` field"));
        }
        // Said of the type as it is written, since all that is made of another would fail, each part by itself.
        let (holder, of) =
            if name == "has_one" { ("Option", "an `Option` of a row") } else { ("Vec", "a `Vec` of rows") };
        if last_segment(&field.ty).is_none_or(|last| last != holder) {
            diagnostics.error(&field.ty, format!("a `{name}` field is {of}; write it as `{holder}<..>`"));
        }
    }
}

fn check_embedded_fields(table: &Table, diagnostics: &mut Diagnostics) {
    for (_, column) in table.columns() {
        for key in &column.table_keys {
            diagnostics.error(
                key,
                format!("an embedded struct cannot have `{}`; declare it on the rows that flatten it", plain(key)),
            );
        }
    }
}

fn check_fields_of_constraints(table: &Table, row: &Row, diagnostics: &mut Diagnostics) {
    for unique in &row.uniques {
        check_field_list(table, unique.body.columns.iter(), diagnostics);
    }
    for index in &row.indexes {
        check_field_list(table, index.body.columns.iter().map(|(path, _)| path), diagnostics);
    }
}

fn check_field_list<'a>(table: &Table, paths: impl Iterator<Item = &'a FieldPath>, diagnostics: &mut Diagnostics) {
    let mut seen: Vec<Vec<String>> = Vec::new();
    for path in paths {
        let names: Vec<_> = path.idents().map(plain).collect();
        if seen.contains(&names) {
            diagnostics.error(&path.first, format!("`{}` is named twice; remove one", names.join(".")));
        }
        seen.push(names);
        check_field_path(table, path, diagnostics);
    }
}

fn check_field_path(table: &Table, path: &FieldPath, diagnostics: &mut Diagnostics) {
    let first = plain(&path.first);
    let Some(field) = table.field(&path.first) else {
        let names: Vec<_> = table.fields.iter().map(|field| plain(&field.ident)).collect();
        let hint = suggestion(&first, names.iter().map(String::as_str));
        diagnostics.error(&path.first, format!("`{}` has no field `{first}`{hint}", table.ident));
        return;
    };
    match &field.kind {
        FieldKind::Column(_) => {
            if let Some(inner) = path.rest.first() {
                diagnostics.error(inner, format!("`{first}` is one column; only a flattened field has others inside"));
            }
        }
        FieldKind::Flatten(_) if path.rest.is_empty() => {
            diagnostics.error(&path.first, format!("`{first}` is several columns; name one, as in `{first}.field`"));
        }
        FieldKind::Flatten(_) => {}
        FieldKind::Relation(_) => {
            diagnostics.error(&path.first, format!("`{first}` holds rows of another table and has no column"));
        }
        FieldKind::Skip => diagnostics.error(&path.first, format!("`{first}` is skipped and has no column")),
    }
}

/// What requests from outside may name is a column with a plain value, of the row or of one it refers to.
fn check_request_fields(table: &Table, row: &Row, diagnostics: &mut Diagnostics) {
    for (list, paths) in [("filterable", &row.filterable), ("sortable", &row.sortable)] {
        let (related, own): (Vec<_>, Vec<_>) = paths.iter().partition(|path| table.related(row, path).is_some());
        let (own, unreferenced): (Vec<_>, Vec<_>) =
            own.into_iter().partition(|path| table.field(&path.first).is_some() || key_field(table, path).is_none());
        for path in unreferenced {
            let shown = path.idents().map(plain).collect::<Vec<_>>().join(".");
            let key = key_field(table, path).unwrap_or_default();
            diagnostics.error(
                &path.first,
                format!("`{shown}` leads through `{key}`, which has no `references(..)`; add it, or remove the path"),
            );
        }
        check_field_list(table, own.iter().copied(), diagnostics);
        for path in own {
            if let Some(FieldKind::Column(column)) = table.field(&path.first).map(|field| &field.kind)
                && let Storage::Json = column.storage
            {
                let name = plain(&path.first);
                diagnostics.error(
                    &path.first,
                    format!(
                        "`{name}` is stored as JSON, which a request can give no value for; remove it from `{list}`"
                    ),
                );
            }
        }
        let mut seen: Vec<Vec<String>> = Vec::new();
        for path in related {
            let names: Vec<_> = path.idents().map(plain).collect();
            let shown = names.join(".");
            if list == "sortable" {
                diagnostics
                    .error(&path.first, format!("`{shown}` is a column of another row; only `filterable` takes those"));
            } else if path.rest.len() != 1 {
                let field = plain(&path.first);
                diagnostics.error(
                    &path.first,
                    format!("a path leads through one relation to one of its fields; write `{field}.field`"),
                );
            } else if seen.contains(&names) {
                diagnostics.error(&path.first, format!("`{shown}` is named twice; remove one"));
            }
            seen.push(names);
        }
    }
}

/// The field whose foreign key a path would lead through.
fn key_field(table: &Table, path: &FieldPath) -> Option<String> {
    let key = format!("{}_id", plain(&path.first));
    let found = table.fields.iter().any(|field| plain(&field.ident) == key);
    (found && !path.rest.is_empty()).then_some(key)
}

/// Names of indexes are unique in a schema, and each has a constant on the row type.
fn check_constraint_names(row: &Row, diagnostics: &mut Diagnostics) {
    let mut names = Names::default();
    row.uniques.iter().for_each(|unique| names.add(unique, diagnostics));
    row.indexes.iter().for_each(|index| names.add(index, diagnostics));
    row.checks.iter().for_each(|check| names.add(check, diagnostics));
    row.foreign_keys.iter().for_each(|foreign_key| names.add(foreign_key, diagnostics));
}

#[derive(Default)]
struct Names {
    names: HashMap<String, Span>,
    constants: HashMap<String, Span>,
}

impl Names {
    fn add<T>(&mut self, constraint: &Constraint<T>, diagnostics: &mut Diagnostics) {
        if let Some(at) = &constraint.name_literal {
            check_length(&constraint.name, at, diagnostics);
        }
        let at = &constraint.at;
        let same_name = self.names.insert(constraint.name.clone(), at.span()).is_some();
        let same_constant = self.constants.insert(constraint.constant.clone(), at.span()).is_some();
        let way_out = match plain(at).as_str() {
            "index" | "unique" => "remove one, or give one a `name = \"…\"`",
            _ => "remove one",
        };
        if same_name {
            match &constraint.name_literal {
                Some(literal) => {
                    diagnostics.error(literal, format!("`{}` is declared twice; {way_out}", constraint.name))
                }
                None => diagnostics.error(at, format!("`{}` is declared twice; {way_out}", constraint.name)),
            }
        } else if same_constant {
            let message = format!("the constant `{}` of this name is declared twice; {way_out}", constraint.constant);
            diagnostics.error(at, message);
        }
    }
}

/// The items of the module that `diesel` makes, besides columns.
const TABLE_ITEMS: [&str; 3] = ["table", "columns", "dsl"];

/// The module is named after the table and has an item for each column.
fn check_diesel(table: &Table, row: &Row, diagnostics: &mut Diagnostics) {
    let Some(Diesel { at, path: None }) = &row.diesel else { return };
    let instead = "write a `diesel::table!` of your own and name it by `diesel = path`";
    if syn::parse_str::<Ident>(&row.name).is_err() {
        diagnostics.error(at, format!("`{}` cannot be the name of a module; {instead}", row.name));
    }
    for (field, _) in table.columns() {
        let name = plain(&field.ident);
        if TABLE_ITEMS.contains(&name.as_str()) || name == row.name {
            let message = format!("`{name}` is an item of the module that `diesel` makes; {instead}");
            diagnostics.error(&field.ident, message);
        }
    }
}
