//! PostgreSQL's catalog, one query for all tables, and what it makes of our own words.
//!
//! The server rewrites types, defaults and conditions when it stores them. So ours are stored too, in temporary tables
//! that are gone with the transaction, and read back in the same way as the tables that are compared with them.

use std::collections::HashMap;

use serde::Deserialize;

use crate::error::{Error, ErrorKind};
use crate::migrations::shape::{
    CheckShape, ColumnShape, Expression, ForeignKeyShape, IndexShape, KeyShape, TableName, TableShape,
};
use crate::schema::ddl::{list, literal, quoted};
use crate::schema::native_enum::create_type;
use crate::session::Session;

/// A table as the catalog has it.
#[derive(Debug, Deserialize)]
pub(crate) struct Table {
    oid: i64,
    kind: String,
    schema: String,
    current: bool,
    name: String,
    columns: Vec<Column>,
    constraints: Vec<Constraint>,
    indexes: Vec<Index>,
    #[serde(skip)]
    asked: usize,
}

#[derive(Debug, Deserialize)]
struct Column {
    name: String,
    ty: String,
    required: bool,
    default: Option<String>,
    identity: String,
    computed: String,
}

#[derive(Debug, Deserialize)]
struct Constraint {
    name: String,
    kind: String,
    columns: Vec<String>,
    condition: Option<String>,
    target: i64,
    target_schema: Option<String>,
    target_name: Option<String>,
    target_columns: Vec<String>,
    on_delete: String,
    on_update: String,
    deferred: bool,
}

#[derive(Debug, Deserialize)]
struct Index {
    name: String,
    columns: Vec<Option<String>>,
    options: String,
    condition: Option<String>,
    plain: bool,
    unique: bool,
    text: String,
}

/// An enum type: whether it is there, and its values in order.
pub(crate) type Labels = Option<Vec<String>>;

/// Every part of the tables in `asked(position, oid)` as JSON, a row for each table that is there.
const TABLES: &str = "\
SELECT asked.position, json_build_object(
    'oid', c.oid::int8, 'kind', c.relkind, 'schema', n.nspname, 'name', c.relname,
    'current', n.nspname = current_schema(),
    'columns', (SELECT coalesce(json_agg(json_build_object(
            'name', a.attname, 'ty', format_type(a.atttypid, a.atttypmod), 'required', a.attnotnull,
            'default', pg_get_expr(d.adbin, d.adrelid), 'identity', a.attidentity, 'computed', a.attgenerated
        ) ORDER BY a.attnum), '[]')
        FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
    'constraints', (SELECT coalesce(json_agg(json_build_object(
            'name', k.conname, 'kind', k.contype,
            'columns', (SELECT coalesce(json_agg(a.attname ORDER BY u.at), '[]')
                FROM unnest(k.conkey) WITH ORDINALITY u(num, at)
                JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num),
            'condition', pg_get_expr(k.conbin, k.conrelid),
            'target', k.confrelid::int8, 'target_schema', fn.nspname, 'target_name', f.relname,
            'target_columns', (SELECT coalesce(json_agg(a.attname ORDER BY u.at), '[]')
                FROM unnest(k.confkey) WITH ORDINALITY u(num, at)
                JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num),
            'on_delete', k.confdeltype, 'on_update', k.confupdtype, 'deferred', k.condeferred
        ) ORDER BY k.oid), '[]')
        FROM pg_constraint k LEFT JOIN pg_class f ON f.oid = k.confrelid LEFT JOIN pg_namespace fn ON fn.oid = f.relnamespace
        WHERE k.conrelid = c.oid AND k.contype IN ('p', 'u', 'c', 'f')),
    'indexes', (SELECT coalesce(json_agg(json_build_object(
            'name', i.relname, 'options', x.indoption::text, 'condition', pg_get_expr(x.indpred, x.indrelid),
            'columns', (SELECT coalesce(json_agg(a.attname ORDER BY u.at), '[]')
                FROM unnest(x.indkey::int2[]) WITH ORDINALITY u(num, at)
                LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = u.num),
            'plain', m.amname = 'btree' AND x.indexprs IS NULL AND (NOT x.indisunique OR x.indpred IS NOT NULL) AND x.indnatts = x.indnkeyatts
                AND NOT EXISTS (SELECT FROM unnest(x.indclass::oid[]) AS k(oid)
                    JOIN pg_opclass o ON o.oid = k.oid WHERE NOT o.opcdefault)
                AND NOT EXISTS (SELECT FROM unnest(x.indkey::int2[], x.indcollation::oid[]) AS k(num, coll)
                    JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.num WHERE a.attcollation <> k.coll),
            'unique', x.indisunique, 'text', pg_get_indexdef(x.indexrelid)
        ) ORDER BY i.oid), '[]')
        FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_am m ON m.oid = i.relam
        WHERE x.indrelid = c.oid
            AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x')))
)::text
FROM asked JOIN pg_class c ON c.oid = asked.oid JOIN pg_namespace n ON n.oid = c.relnamespace
ORDER BY asked.position";

/// The tables of these names, as statements would find them, by the position of the name.
pub(crate) async fn tables(session: &Session, names: &[TableName]) -> Result<Vec<Table>, Error> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(position, name)| {
            let table = match &name.schema {
                Some(schema) => format!("{}.{}", quoted(schema), quoted(&name.name)),
                None => quoted(&name.name),
            };
            format!("({position}::int8, to_regclass({})::oid)", literal(&table))
        })
        .collect();
    read(session, &format!("WITH asked(position, oid) AS (VALUES {}) {TABLES}", rows.join(", "))).await
}

/// Every table of these schemas; the connection's own is always among them.
pub(crate) async fn tables_of_schemas(session: &Session, schemas: &[&str]) -> Result<Vec<Table>, Error> {
    let mut names = vec!["current_schema()".to_owned()];
    names.extend(schemas.iter().map(|schema| literal(schema)));
    let asked = format!(
        "SELECT row_number() OVER (ORDER BY t.oid), t.oid FROM pg_class t JOIN pg_namespace s ON s.oid = t.relnamespace \
         WHERE t.relkind IN ('r', 'p') AND s.nspname IN ({})",
        names.join(", ")
    );
    read(session, &format!("WITH asked(position, oid) AS ({asked}) {TABLES}")).await
}

async fn read(session: &Session, sql: &str) -> Result<Vec<Table>, Error> {
    let rows: Vec<(i64, String)> = session.sql(sql).fetch_all().await?;
    rows.into_iter()
        .map(|(position, json)| {
            let mut table: Table = serde_json::from_str(&json).map_err(|error| {
                Error::new(ErrorKind::Schema, "read the catalog of the database").with_source(error)
            })?;
            table.asked = usize::try_from(position).unwrap_or_default();
            Ok(table)
        })
        .collect()
}

/// Whether `spakky_raise` is in reach, and the values of these types.
pub(crate) async fn types(session: &Session, names: &[&str]) -> Result<(bool, HashMap<String, Labels>), Error> {
    let (installed,): (bool,) =
        session.sql("SELECT to_regprocedure('spakky_raise(text)') IS NOT NULL").fetch_one().await?;
    let mut found = HashMap::new();
    for name in names {
        let sql = "SELECT to_regtype($1) IS NOT NULL, coalesce((SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder) \
                   FROM pg_enum e WHERE e.enumtypid = to_regtype($1)::oid), '{}')";
        let (there, labels): (bool, Vec<String>) = session.sql(sql).bind((*name).to_owned()).fetch_one().await?;
        found.insert((*name).to_owned(), there.then_some(labels));
    }
    Ok((installed, found))
}

/// The schemas of these that are not there.
pub(crate) async fn missing_schemas(session: &Session, names: &[&str]) -> Result<Vec<String>, Error> {
    let mut missing = Vec::new();
    for name in names {
        let sql = "SELECT to_regnamespace($1) IS NOT NULL";
        let (there,): (bool,) = session.sql(sql).bind(quoted(name)).fetch_one().await?;
        if !there {
            missing.push((*name).to_owned());
        }
    }
    Ok(missing)
}

impl Table {
    /// Which of the names asked for this is.
    pub(crate) fn asked(&self) -> usize {
        self.asked
    }

    /// The name that fits no table of the registry.
    pub(crate) fn own_name(&self) -> TableName {
        TableName { schema: (!self.current).then(|| self.schema.clone()), name: self.name.clone() }
    }

    pub(crate) fn oid(&self) -> i64 {
        self.oid
    }

    /// Whether it is a table, and not a view or the like.
    pub(crate) fn is_table(&self) -> bool {
        matches!(self.kind.as_str(), "r" | "p")
    }

    /// The shape of the table, called `name`; `names` tells how others are called.
    pub(crate) fn shape(self, name: TableName, names: &HashMap<i64, TableName>) -> TableShape {
        let mut table = TableShape::new(name);
        table.columns = self.columns.into_iter().map(Column::shape).collect();
        for constraint in self.constraints {
            let Constraint { name, columns, .. } = constraint;
            match constraint.kind.as_str() {
                "p" => table.key = Some(KeyShape { name, columns }),
                "u" => table.uniques.push(KeyShape { name, columns }),
                "c" => {
                    let condition = Expression::new(unwrapped(constraint.condition.unwrap_or_default()));
                    table.checks.push(CheckShape { name, condition });
                }
                _ => {
                    let target = names.get(&constraint.target).cloned().unwrap_or_else(|| TableName {
                        schema: constraint.target_schema.filter(|schema| *schema != self.schema || !self.current),
                        name: constraint.target_name.unwrap_or_default(),
                    });
                    table.foreign_keys.push(ForeignKeyShape {
                        name,
                        columns,
                        target,
                        target_columns: constraint.target_columns,
                        on_delete: action(&constraint.on_delete).to_owned(),
                        on_update: action(&constraint.on_update).to_owned(),
                        deferred: constraint.deferred,
                    });
                }
            }
        }
        table.indexes = self.indexes.into_iter().map(Index::shape).collect();
        table
    }
}

impl Column {
    fn shape(self) -> ColumnShape {
        let computed = !self.computed.is_empty();
        let of_sequence = self.default.as_ref().is_some_and(|default| default.starts_with("nextval("));
        let generated = !self.identity.is_empty() || of_sequence;
        let definition = |default: &String| {
            let required = if self.required { " NOT NULL" } else { "" };
            format!("{} {} GENERATED ALWAYS AS ({default}) STORED{required}", quoted(&self.name), self.ty)
        };
        ColumnShape {
            computed: self.default.as_ref().filter(|_| computed).map(definition),
            name: self.name,
            ty: Expression::new(self.ty),
            nullable: !self.required,
            default: self.default.filter(|_| !computed && !generated).map(Expression::new),
            generated,
            collation: None,
        }
    }
}

impl Index {
    fn shape(self) -> IndexShape {
        // Bit 1: descending; bit 2: NULL comes first, as it does by default where the order is descending.
        let options: Vec<_> = self.options.split(' ').collect();
        let plain = self.plain && options.iter().all(|option| matches!(*option, "0" | "3"));
        if !plain {
            return IndexShape {
                name: self.name,
                columns: Vec::new(),
                filter: None,
                unique: false,
                foreign: Some(self.text),
            };
        }
        let columns = self.columns.into_iter().flatten().zip(options.iter().map(|option| *option == "3"));
        IndexShape {
            name: self.name,
            columns: columns.collect(),
            filter: self.condition.map(|condition| Expression::new(unwrapped(condition))),
            unique: self.unique,
            foreign: None,
        }
    }
}

/// A condition without the parentheses that the server puts around it.
fn unwrapped(text: String) -> String {
    let tokens = crate::migrations::token::tokens(&text);
    let closes = crate::migrations::token::closing(&tokens);
    if tokens.first().is_some_and(|token| token.is('(')) && closes == Some(tokens.len() - 1) {
        return text[1..text.len() - 1].to_owned();
    }
    text
}

fn action(letter: &str) -> &'static str {
    match letter {
        "r" => "RESTRICT",
        "c" => "CASCADE",
        "n" => "SET NULL",
        "d" => "SET DEFAULT",
        _ => "",
    }
}

/// Has the server write types, defaults and conditions of `wanted` in its own words.
///
/// The tables are temporary, and their names begin with `spakky_wanted_`; the caller's transaction is rolled back. A type
/// that is missing, or lacks a value, is made for the time being too.
pub(crate) async fn deparse(
    session: &Session,
    wanted: &mut [TableShape],
    missing_types: &[(&str, &[&str])],
) -> Result<(), Error> {
    let types = missing_types.iter().map(|(name, labels)| create_type(&temporary(name), labels));
    session.control(types.collect()).await?;
    let mut names = Vec::new();
    for (position, table) in wanted.iter().enumerate() {
        let name = format!("spakky_wanted_{position}");
        let of = |column: &ColumnShape| match missing_types.iter().find(|(ty, _)| is_of(&column.ty.sql, ty)) {
            Some((ty, _)) => column.ty.sql.replacen(ty, &temporary(ty), 1),
            None => column.ty.sql.clone(),
        };
        let mut items: Vec<_> = table
            .columns
            .iter()
            .map(|column| {
                let default = column.default.as_ref().filter(|_| column.computed.is_none());
                let default = default.map(|default| format!(" DEFAULT ({})", default.sql)).unwrap_or_default();
                format!("{} {}{default}", quoted(&column.name), of(column))
            })
            .collect();
        items.extend(
            table
                .checks
                .iter()
                .enumerate()
                .map(|(number, check)| format!("CONSTRAINT c{number:04} CHECK ({})", check.condition.sql)),
        );
        let mut statements = vec![format!("CREATE TEMPORARY TABLE {name} ({})", items.join(", "))];
        for (number, index) in table.indexes.iter().enumerate() {
            if let (Some(filter), Some((first, _))) = (&index.filter, index.columns.first()) {
                let columns = list([first]);
                statements.push(format!(
                    "CREATE INDEX {name}_{number:04} ON pg_temp.{name} ({columns}) WHERE {}",
                    filter.sql
                ));
            }
        }
        session.control(statements).await.map_err(|error| {
            let message =
                format!("compare table `{}` with the database: it cannot be made as it is described", table.name);
            Error::new(ErrorKind::Schema, message).with_table(table.name.to_string()).with_source(error)
        })?;
        names.push(TableName { schema: Some("pg_temp".into()), name });
    }
    for made in tables(session, &names).await? {
        let position = made.asked();
        let Some(table) = wanted.get_mut(position) else { continue };
        let made = made.shape(table.name.clone(), &HashMap::new());
        take_texts(table, &made, &format!("spakky_wanted_{position}"));
    }
    Ok(())
}

fn take_texts(table: &mut TableShape, made: &TableShape, name: &str) {
    for column in &mut table.columns {
        let Some(made) = made.column(&column.name) else { continue };
        column.ty = column.ty.clone().deparsed(&made.ty.sql);
        if let (Some(default), Some(made)) = (&mut column.default, &made.default) {
            *default = default.clone().deparsed(&made.sql);
        }
    }
    for (number, check) in table.checks.iter_mut().enumerate() {
        if let Some(made) = made.checks.iter().find(|made| made.name == format!("c{number:04}")) {
            check.condition = check.condition.clone().deparsed(&made.condition.sql);
        }
    }
    for (number, index) in table.indexes.iter_mut().enumerate() {
        let made = made.indexes.iter().find(|made| made.name == format!("{name}_{number:04}"));
        if let (Some(filter), Some(made)) = (&mut index.filter, made.and_then(|made| made.filter.as_ref())) {
            *filter = filter.clone().deparsed(&made.sql);
        }
    }
}

/// Whether a column's type is this type, or an array of it.
fn is_of(text: &str, ty: &str) -> bool {
    text.strip_prefix(ty).is_some_and(|rest| rest.is_empty() || rest == "[]")
}

/// The type of the same name among the temporary ones, where it is found first.
fn temporary(name: &str) -> String {
    let own = name.rsplit_once('.').map_or(name, |(_, own)| own);
    format!("pg_temp.{own}")
}
