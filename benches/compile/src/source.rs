//! The generated source: the same tables for each library.

use std::fmt::Write;

/// Columns of each table.
pub(crate) const COLUMNS: usize = 10;

/// Field name, Rust type, diesel SQL type.
const FIELDS: [(&str, &str, &str); COLUMNS] = [
    ("id", "uuid::Uuid", "Uuid"),
    ("customer_id", "uuid::Uuid", "Uuid"),
    ("title", "String", "Text"),
    ("note", "Option<String>", "Nullable<Text>"),
    ("quantity", "i32", "Integer"),
    ("total_cents", "i64", "BigInt"),
    ("ratio", "f64", "Double"),
    ("open", "bool", "Bool"),
    ("version", "i64", "BigInt"),
    ("created_at", "chrono::DateTime<chrono::Utc>", "Timestamptz"),
];

/// Calls `each` for every table; the source of each is a module of its own.
fn tables(count: usize, each: impl Fn(&mut String, usize) -> std::fmt::Result) -> Vec<String> {
    let table = |number| {
        let mut source = String::new();
        // Writing to a `String` does not fail.
        let _ = each(&mut source, number);
        source
    };
    (0..count).map(table).collect()
}

fn fields(source: &mut String, visibility: &str, attribute: fn(&str) -> &'static str) -> std::fmt::Result {
    FIELDS.iter().try_for_each(|(name, ty, _)| writeln!(source, "    {}{visibility}{name}: {ty},", attribute(name)))
}

fn domain(source: &mut String, number: usize) -> std::fmt::Result {
    writeln!(source, "#[derive(Debug, Clone)]\npub struct Order{number} {{")?;
    let domain = FIELDS.iter().filter(|(name, ..)| !matches!(*name, "version" | "created_at"));
    for (name, ty, _) in domain {
        writeln!(source, "    pub {name}: {ty},")?;
    }
    writeln!(source, "}}")
}

pub(crate) fn plain(count: usize) -> Vec<String> {
    tables(count, |source, number| {
        domain(source, number)?;
        writeln!(source, "#[derive(Debug, Clone)]\npub struct Order{number}Row {{")?;
        fields(source, "pub ", |_| "")?;
        writeln!(source, "}}")
    })
}

pub(crate) fn spakky(count: usize) -> Vec<String> {
    tables(count, |source, number| {
        domain(source, number)?;
        writeln!(
            source,
            "#[derive(Debug, Clone, spakky::Table, spakky::Mappable)]\n#[table(index(customer_id, created_at))]\n\
             #[mappable(domain = Order{number})]\npub struct Order{number}Row {{"
        )?;
        fields(source, "pub ", |name| match name {
            "id" => "#[table(id)] ",
            "version" => "#[table(version)] ",
            "created_at" => "#[table(created_at)] ",
            _ => "",
        })?;
        writeln!(source, "}}")
    })
}

pub(crate) fn diesel(count: usize) -> Vec<String> {
    tables(count, |source, number| {
        writeln!(source, "diesel::table! {{ order{number} (id) {{")?;
        for (name, _, sql) in FIELDS {
            writeln!(source, "    {name} -> {sql},")?;
        }
        writeln!(
            source,
            "}} }}\n#[derive(Debug, Clone, diesel::Queryable, diesel::Selectable, diesel::Insertable, diesel::Identifiable, \
             diesel::AsChangeset)]\n#[diesel(table_name = order{number}, check_for_backend(diesel::pg::Pg))]\n\
             pub struct Order{number}Row {{"
        )?;
        fields(source, "pub ", |_| "")?;
        writeln!(source, "}}")
    })
}

pub(crate) fn sea_orm(count: usize) -> Vec<String> {
    tables(count, |source, number| {
        writeln!(
            source,
            "pub mod order{number} {{\nuse sea_orm::entity::prelude::*;\n\
             #[derive(Debug, Clone, PartialEq, DeriveEntityModel)]\n#[sea_orm(table_name = \"order{number}\")]\n\
             pub struct Model {{"
        )?;
        fields(source, "pub ", |name| match name {
            "id" => "#[sea_orm(primary_key, auto_increment = false)] ",
            _ => "",
        })?;
        writeln!(
            source,
            "}}\n#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]\npub enum Relation {{}}\n\
             impl ActiveModelBehavior for ActiveModel {{}}\n}}"
        )
    })
}

/// Toasty knows times of jiff alone, so that its tables have another number in that column.
pub(crate) fn toasty(count: usize) -> Vec<String> {
    tables(count, |source, number| {
        writeln!(
            source,
            "#[derive(Debug, toasty::Model)]\n#[table = \"order{number}\"]\npub struct Order{number}Row {{"
        )?;
        for (name, ty, _) in FIELDS {
            let (attribute, ty) = match name {
                "id" => ("#[key] ", ty),
                "version" => ("#[version] ", "u64"),
                "created_at" => ("", "i64"),
                _ => ("", ty),
            };
            writeln!(source, "    {attribute}pub {name}: {ty},")?;
        }
        writeln!(source, "}}")
    })
}
