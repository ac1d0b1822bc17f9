//! The enums of PostgreSQL whose values are known: those of a `#[derive(ColumnValue)]` with `pg_type`.

use super::ddl::{Existing, block, literal, text};
use super::{TableDescriptor, TableOrder};

/// The enums of the tables' columns, each once, with their values.
pub(crate) fn enums<'a>(
    tables: impl IntoIterator<Item = &'a &'static TableDescriptor>,
) -> Vec<(&'static str, &'static [&'static str])> {
    let mut found: Vec<(&'static str, &'static [&'static str])> = Vec::new();
    for column in tables.into_iter().flat_map(|table| &table.columns) {
        if let (Some(name), labels @ [_, ..]) = (column.ty.pg_type, column.ty.pg_labels)
            && found.iter().all(|(other, _)| *other != name)
        {
            found.push((name, labels));
        }
    }
    found
}

/// `CREATE TYPE … AS ENUM`. The name is the user's own text, as it stands in every cast.
pub(crate) fn create_type(name: &str, labels: &[&str]) -> String {
    let labels: Vec<_> = labels.iter().map(|label| text(label)).collect();
    format!("CREATE TYPE {name} AS ENUM ({})", labels.join(", "))
}

/// The types that the tables need. One that is there is taken as it is: its values are the business of a migration.
pub(super) fn create_types(order: &TableOrder, existing: Existing) -> Vec<String> {
    let create = |(name, labels): (&str, &[&str])| {
        let create = create_type(name, labels);
        match existing {
            Existing::Refused => create,
            Existing::Accepted => block(&format!(
                "IF pg_catalog.to_regtype({}) IS NULL THEN\n        {create};\n    END IF;",
                literal(name)
            )),
        }
    };
    enums(order.tables()).into_iter().map(|(name, labels)| create((name, labels))).collect()
}

/// `DROP TYPE` for those that nothing else uses. What is there by the name and no enum is the user's own.
pub(super) fn drop_types(order: &TableOrder) -> Vec<String> {
    let drop = |name: &str| {
        block(&format!(
            "IF EXISTS (SELECT FROM pg_catalog.pg_type WHERE oid = pg_catalog.to_regtype({}) AND typtype = 'e') THEN\n        \
             DROP TYPE {name};\n    END IF;\nEXCEPTION WHEN dependent_objects_still_exist THEN\n    NULL;",
            literal(name)
        ))
    };
    enums(order.tables()).into_iter().map(|(name, _)| drop(name)).collect()
}
