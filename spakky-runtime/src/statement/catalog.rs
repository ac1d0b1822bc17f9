//! What is asked of the catalog ahead of the first write to a table: whether its columns give back what is written.
//!
//! The statement fails where one does not, so that nothing of its burst is stored. On PostgreSQL it raises itself, with what
//! it found behind [`MISFIT_TOKEN`]; on SQLite it answers with what it found, and must answer with nothing.

use std::fmt::Write as _;

use super::guard::{RaiseStyle, raised};
use super::{SqlWriter, quote_identifier};
use crate::backend::{Backend, Statement};
use crate::schema::fit::{Checked, Misfit};
use crate::value::{ColumnType, ScalarType, Value};

/// What the raised message starts with, before the misfits as JSON.
pub(crate) const MISFIT_TOKEN: &str = "spakky:misfit:";

/// Looks these columns up. A table or column that is not there is left to the write that needs it.
pub(crate) fn catalog_guard(backend: Backend, raise: RaiseStyle, columns: &[Checked]) -> Statement {
    match backend {
        Backend::Postgres => on_postgres(raise, columns),
        Backend::Sqlite => on_sqlite(columns),
    }
}

/// Whether a statement's text is that of such a question, which a manager asks for itself: what counts or shows the statements of
/// units of work leaves it out.
pub(crate) fn is_catalog_guard(sql: &str) -> bool {
    sql.starts_with("WITH spakky_wanted") || sql.starts_with("WITH RECURSIVE spakky_wanted")
}

const TEXT: ColumnType = ColumnType::scalar(ScalarType::Text);
const BOOL: ColumnType = ColumnType::scalar(ScalarType::Bool);

/// The columns as they are in the catalog, domains and arrays followed down to what they are made of; `named` is what the
/// program calls the type. A type of that name which is not there is left to the write, too.
const ON_POSTGRES: &str = "\
spakky_found AS (\
SELECT w.*, a.atttypid, a.atttypmod, a.attcollation, pg_catalog.to_regtype(w.named)::oid AS named_type \
FROM spakky_wanted AS w JOIN pg_catalog.pg_attribute AS a ON a.attrelid = pg_catalog.to_regclass(w.tab) AND a.attname = w.col AND \
a.attnum > 0 AND NOT a.attisdropped WHERE w.named IS NULL OR pg_catalog.to_regtype(w.named) IS NOT NULL), \
spakky_based(position, is_named, type, list) AS (\
SELECT position, false, atttypid, false FROM spakky_found UNION ALL \
SELECT position, true, named_type, list FROM spakky_found WHERE named_type IS NOT NULL UNION ALL \
SELECT b.position, b.is_named, CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END, b.list OR t.typtype <> 'd' \
FROM spakky_based AS b JOIN pg_catalog.pg_type AS t ON t.oid = b.type \
WHERE t.typtype = 'd' OR (t.typcategory = 'A' AND t.typelem <> 0 AND t.typlen = -1)), \
spakky_base AS (\
SELECT b.*, t.typname, t.typcategory FROM spakky_based AS b JOIN pg_catalog.pg_type AS t ON t.oid = b.type \
WHERE t.typtype <> 'd' AND NOT (t.typcategory = 'A' AND t.typelem <> 0 AND t.typlen = -1)), \
spakky_misfit AS (\
SELECT f.position, pg_catalog.format_type(f.atttypid, f.atttypmod) AS type, \
CASE WHEN f.exact AND NOT l.collisdeterministic THEN l.collname END AS loose \
FROM spakky_found AS f JOIN spakky_base AS c ON c.position = f.position AND NOT c.is_named \
LEFT JOIN spakky_base AS n ON n.position = f.position AND n.is_named \
LEFT JOIN pg_catalog.pg_collation AS l ON l.oid = f.attcollation \
WHERE (f.exact AND NOT l.collisdeterministic) OR NOT COALESCE(CASE WHEN f.named IS NULL \
THEN c.list = f.list AND (c.type::text = ANY (pg_catalog.string_to_array(f.fits, ',')) OR \
c.typname::text = ANY (pg_catalog.string_to_array(f.fits, ','))) \
ELSE c.list = n.list AND (c.type = n.type OR (n.typcategory = 'S' AND c.type IN (25, 1043))) END, false)) ";

fn on_postgres(raise: RaiseStyle, columns: &[Checked]) -> Statement {
    let wanted: Vec<_> = columns.iter().map(|column| column.wanted_on_postgres()).collect();
    let table = |column: &Checked| {
        let mut name = String::new();
        if let Some(schema) = column.table.schema {
            quote_identifier(&mut name, schema);
            name.push('.');
        }
        quote_identifier(&mut name, column.table.name);
        name
    };
    let column = |column: &Checked| column.table.columns[column.at].name.clone();
    let texts = |texts: Vec<String>| texts.into_iter().map(Value::Text).collect();
    let mut sql = SqlWriter::new(Backend::Postgres);
    sql.push_sql("WITH RECURSIVE spakky_wanted AS (SELECT * FROM UNNEST(");
    sql.push_bind_list(TEXT, texts(columns.iter().map(table).collect())).push_sql(", ");
    sql.push_bind_list(TEXT, texts(columns.iter().map(column).collect())).push_sql(", ");
    sql.push_bind_list(TEXT, texts(wanted.iter().map(|wanted| wanted.fits.clone()).collect())).push_sql(", ");
    let named = wanted.iter().map(|wanted| wanted.named.clone().map_or(Value::Null, Value::Text));
    sql.push_bind_list(TEXT, named.collect()).push_sql(", ");
    sql.push_bind_list(BOOL, wanted.iter().map(|wanted| Value::Bool(wanted.array)).collect()).push_sql(", ");
    sql.push_bind_list(BOOL, wanted.iter().map(|wanted| Value::Bool(wanted.exact)).collect());
    sql.push_sql(") WITH ORDINALITY AS spakky_wanted(tab, col, fits, named, list, exact, position)), ");
    sql.push_sql(ON_POSTGRES).push_sql("SELECT CASE WHEN (SELECT count(*) FROM spakky_misfit) = 0 THEN '' ELSE ");
    let misfits = "(SELECT pg_catalog.json_agg(pg_catalog.json_build_array(position, type, loose) ORDER BY position) FROM \
                   spakky_misfit)::text";
    sql.push_sql(&raised(raise, &format!("'{MISFIT_TOKEN}' || {misfits}"))).push_sql(" END");
    Statement { cached: false, ..sql.finish() }
}

/// The affinity of a column by SQLite's own rules; a column without any conversion counts as one without a type.
const ON_SQLITE: &str = "\
spakky_found AS (\
SELECT w.*, p.type AS declared, trim(substr(upper(p.type), 1, instr(p.type || '(', '(') - 1)) AS base, \
CASE WHEN upper(p.type) LIKE '%INT%' THEN 'INTEGER' \
WHEN upper(p.type) LIKE '%CHAR%' OR upper(p.type) LIKE '%CLOB%' OR upper(p.type) LIKE '%TEXT%' THEN 'TEXT' \
WHEN upper(p.type) = 'BLOB' AND (SELECT max(l.strict) FROM pragma_table_list(w.tab) AS l) = 1 THEN 'BYTES' \
WHEN p.type = '' OR upper(p.type) LIKE '%BLOB%' THEN 'BLOB' \
WHEN upper(p.type) LIKE '%REAL%' OR upper(p.type) LIKE '%FLOA%' OR upper(p.type) LIKE '%DOUB%' THEN 'REAL' \
WHEN upper(p.type) = 'ANY' AND (SELECT max(l.strict) FROM pragma_table_list(w.tab) AS l) = 1 THEN 'BLOB' \
ELSE 'NUMERIC' END AS affinity, \
(SELECT max(x.coll) FROM pragma_index_list(w.tab) AS i JOIN pragma_index_xinfo(i.name) AS x ON x.key \
WHERE w.exact AND i.origin IN ('pk', 'u') AND x.name = p.name AND x.coll <> 'BINARY') AS collation \
FROM spakky_wanted AS w JOIN pragma_table_xinfo(w.tab) AS p ON p.name = w.col COLLATE NOCASE) \
SELECT position, declared, affinity, collation FROM spakky_found WHERE collation IS NOT NULL OR \
(instr(',' || fits || ',', ',' || affinity || ',') = 0 AND instr(',' || fits || ',', ',=' || base || ',') = 0) ORDER BY position";

fn on_sqlite(columns: &[Checked]) -> Statement {
    let mut sql = SqlWriter::new(Backend::Sqlite);
    sql.push_sql("WITH spakky_wanted(position, tab, col, fits, exact) AS (VALUES ");
    sql.push_list(columns.iter().enumerate(), |sql, (at, column)| {
        let wanted = column.wanted_on_sqlite();
        // Writing to a `String` cannot fail.
        let mut position = String::new();
        let _ = write!(position, "({}, ", at + 1);
        sql.push_sql(&position).push_bind(TEXT, Value::Text(column.table.name.to_owned())).push_sql(", ");
        sql.push_bind(TEXT, Value::Text(column.table.columns[column.at].name.clone())).push_sql(", ");
        sql.push_bind(TEXT, Value::Text(wanted.fits)).push_sql(if wanted.exact { ", 1)" } else { ", 0)" });
    });
    sql.push_sql("), ").push_sql(ON_SQLITE);
    Statement { cached: false, guard: Some(0), ..sql.finish() }
}

/// What the failed statement found: in its message, or in its answer.
pub(crate) fn misfits(message: &str, rows: &[Vec<Value>]) -> Vec<Misfit> {
    if let Some(start) = message.find(MISFIT_TOKEN) {
        let text = &message[start + MISFIT_TOKEN.len()..];
        // Behind it the server may go on in its own words.
        let mut found = serde_json::Deserializer::from_str(text).into_iter::<Vec<(usize, String, Option<String>)>>();
        let found = found.next().and_then(Result::ok).unwrap_or_default();
        let misfit = |(position, ty, collation)| Misfit { position, ty, affinity: None, collation };
        return found.into_iter().map(misfit).collect();
    }
    let text = |value: Option<&Value>| match value {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let misfit = |row: &Vec<Value>| match row.first() {
        Some(Value::I64(position)) => Some(Misfit {
            position: usize::try_from(*position).ok()?,
            ty: text(row.get(1)).unwrap_or_default(),
            affinity: text(row.get(2)),
            collation: text(row.get(3)),
        }),
        _ => None,
    };
    rows.iter().filter_map(misfit).collect()
}
