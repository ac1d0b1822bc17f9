//! Which columns of a database give back what the program writes.
//!
//! What a column turns into something else is often written without a word and missed when it is read, long after: an instant
//! shifted by the server's time zone, a decimal that SQLite keeps as a float, a key that the database finds equal and
//! the program does not. So the types that each Rust type may be written to stand in one table, and the catalog is asked
//! ahead of the first write to a table (`statement/catalog`, `session/checked`).

use std::any::TypeId;

use super::TableDescriptor;
use crate::backend::Backend;
use crate::error::{Error, ErrorKind};
use crate::value::{ColumnType, ScalarType, TypeName};

/// A type of PostgreSQL: its number, and what it is called.
type PostgresType = (u32, &'static str);

/// What a scalar may be written to.
#[derive(Debug)]
pub(crate) struct Fit {
    scalar: ScalarType,
    /// The Rust type, for messages.
    rust: &'static str,
    postgres: &'static [PostgresType],
    /// Types of extensions, by name, which no key may have.
    extensions: &'static [&'static str],
    /// Affinities of SQLite.
    affinities: &'static [&'static str],
    /// Types as they are declared on SQLite, whatever their affinity.
    declared: &'static [&'static str],
}

const BOOL: PostgresType = (16, "boolean");
const BYTEA: PostgresType = (17, "bytea");
const INT8: PostgresType = (20, "bigint");
const INT2: PostgresType = (21, "smallint");
const INT4: PostgresType = (23, "integer");
const TEXT: PostgresType = (25, "text");
const OID: PostgresType = (26, "oid");
const JSON: PostgresType = (114, "json");
const FLOAT4: PostgresType = (700, "real");
const FLOAT8: PostgresType = (701, "double precision");
const BPCHAR: PostgresType = (1042, "character(n)");
const VARCHAR: PostgresType = (1043, "character varying");
const DATE: PostgresType = (1082, "date");
const TIME: PostgresType = (1083, "time without time zone");
const TIMESTAMP: PostgresType = (1114, "timestamp without time zone");
const TIMESTAMPTZ: PostgresType = (1184, "timestamp with time zone");
const NUMERIC: PostgresType = (1700, "numeric");
const UUID: PostgresType = (2950, "uuid");
const JSONB: PostgresType = (3802, "jsonb");

/// PostgreSQL's `name`, which cuts what is written to it, and compares as a text does.
const NAME: u32 = 19;

/// What a `BLOB` is in a table of SQLite's that is `STRICT`.
const BYTES: &str = "BYTES";

const fn fit(
    scalar: ScalarType,
    rust: &'static str,
    postgres: &'static [PostgresType],
    affinities: &'static [&'static str],
    declared: &'static [&'static str],
) -> Fit {
    Fit { scalar, rust, postgres, extensions: &[], affinities, declared }
}

/// The pairs that give back what was written. An integer that does not fit a narrower column is refused by the database,
/// and one of another width is read all the same; a float is kept whole by a wider type alone.
static FITS: [Fit; 15] = [
    fit(ScalarType::Bool, "bool", &[BOOL], &["INTEGER", "NUMERIC", "BLOB"], &[]),
    fit(ScalarType::I16, "i16", &[INT2, INT4, INT8], &["INTEGER", "NUMERIC", "BLOB"], &[]),
    fit(ScalarType::I32, "i32", &[INT4, INT2, INT8], &["INTEGER", "NUMERIC", "BLOB"], &[]),
    fit(ScalarType::I64, "i64", &[INT8, INT4, INT2, OID], &["INTEGER", "NUMERIC", "BLOB"], &[]),
    fit(ScalarType::F32, "f32", &[FLOAT4, FLOAT8], &["REAL", "NUMERIC", "INTEGER", "BLOB"], &[]),
    fit(ScalarType::F64, "f64", &[FLOAT8], &["REAL", "NUMERIC", "INTEGER", "BLOB"], &[]),
    Fit {
        extensions: &["citext"],
        ..fit(ScalarType::Text, "String", &[TEXT, VARCHAR, BPCHAR], &["TEXT", "BLOB"], &[])
    },
    fit(ScalarType::Bytes, "Vec<u8>", &[BYTEA], &["BLOB"], &["BINARY", "VARBINARY", "BYTEA"]),
    fit(ScalarType::Uuid, "Uuid", &[UUID], &["BLOB"], &["BINARY", "VARBINARY"]),
    fit(ScalarType::TimestampTz, "DateTime<Utc>", &[TIMESTAMPTZ], &["TEXT", "BLOB"], &[]),
    fit(ScalarType::Timestamp, "NaiveDateTime", &[TIMESTAMP], &["TEXT", "BLOB"], &[]),
    fit(ScalarType::Date, "NaiveDate", &[DATE], &["TEXT", "BLOB"], &["DATE"]),
    fit(ScalarType::Time, "NaiveTime", &[TIME], &["TEXT", "BLOB"], &[]),
    fit(ScalarType::Decimal, "Decimal", &[NUMERIC, TEXT, VARCHAR], &["TEXT", "BLOB"], &[]),
    fit(ScalarType::Json, "Json<T>", &[JSONB, JSON, TEXT, VARCHAR], &["TEXT", "BLOB"], &["JSON", "JSONB"]),
];

/// What an array may be written to on SQLite, where it is JSON.
static SQLITE_ARRAY: Fit = fit(ScalarType::Json, "Vec<T>", &[], &["TEXT", "BLOB"], &["JSON", "JSONB"]);

/// What a type that only diesel knows may be written to on SQLite, by the storage class that it has there. Who names such a
/// type says how the table is written: nothing is refused but what SQLite itself would convert.
static SQLITE_NATIVE: [(&str, Fit); 4] = [
    ("INTEGER", fit(ScalarType::I64, "its type", &[], &["INTEGER", "NUMERIC", "BLOB"], &[])),
    ("REAL", fit(ScalarType::F64, "its type", &[], &["REAL", "NUMERIC", "INTEGER", "BLOB"], &[])),
    (
        "TEXT",
        fit(ScalarType::Text, "its type", &[], &["TEXT", "BLOB"], &["DATE", "DATETIME", "TIME", "TIMESTAMP", "JSON"]),
    ),
    ("BLOB", fit(ScalarType::Bytes, "its type", &[], &["BLOB", "TEXT", "NUMERIC", "INTEGER", "REAL"], &[])),
];

impl Fit {
    /// What a scalar of the library's own may be written to.
    fn of(scalar: ScalarType) -> Option<&'static Fit> {
        FITS.iter().find(|fit| fit.scalar == scalar)
    }
}

/// One column to be looked up in the catalog.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Checked {
    pub(crate) table: &'static TableDescriptor,
    /// The position of the column.
    pub(crate) at: usize,
    /// What it is looked up for.
    pub(crate) purpose: Purpose,
}

/// What a column is looked up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Values are written to it.
    Written,
    /// The same, and they find or name a row: only what is equal to the program may be equal to the database.
    Key,
    /// The same in a table below, whose own columns are looked up when that is written.
    Below,
    /// Rows are found by it, by the keys of others. What their texts are equal by is the database's business, as long as it
    /// is the column's own.
    Compared,
}

/// What a column has to be like.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// PostgreSQL: numbers of types, and names of extensions' types; SQLite: affinities, and `=` with a declared type. With
    /// commas between them.
    pub(crate) fits: String,
    /// PostgreSQL: the type that the program names itself.
    pub(crate) named: Option<String>,
    pub(crate) array: bool,
    /// Two values may be equal to the database only if they are the same.
    pub(crate) exact: bool,
}

impl Checked {
    /// The columns that a write to `table` depends on: its own, and those by which its children are found.
    pub(crate) fn of(table: &'static TableDescriptor) -> impl Iterator<Item = Checked> {
        let refers = move |name: &str| table.foreign_keys.iter().any(|key| key.column == name);
        let own = table.columns.iter().enumerate().map(move |(at, column)| Checked {
            table,
            at,
            purpose: if table.key.contains(&at) || refers(&column.name) { Purpose::Key } else { Purpose::Written },
        });
        let below = table.relations.iter().map(|relation| Checked {
            table: relation.child(),
            at: relation.column_position(),
            purpose: Purpose::Below,
        });
        own.chain(below)
    }

    /// The columns by which the children of this table's rows are found, at every depth.
    pub(crate) fn below(table: &'static TableDescriptor) -> Vec<Checked> {
        let mut columns = Vec::new();
        for relation in &table.relations {
            let (table, at) = (relation.child(), relation.column_position());
            columns.push(Checked { table, at, purpose: Purpose::Compared });
            columns.extend(Checked::below(table));
        }
        columns
    }

    /// Which column it is.
    pub(crate) fn place(self) -> (TypeId, usize) {
        (self.table.row_type, self.at)
    }

    fn is_key(self) -> bool {
        self.purpose != Purpose::Written
    }

    /// Whether texts that are equal to the database have to be so to the program, too.
    fn is_exact(self) -> bool {
        matches!(self.purpose, Purpose::Key | Purpose::Below) && self.is_text()
    }

    fn ty(self) -> ColumnType {
        self.table.columns[self.at].ty
    }

    /// Whether its texts are compared by the program as they are.
    pub(crate) fn is_text(self) -> bool {
        let ty = self.ty();
        ty.scalar == ScalarType::Text && !ty.array && ty.pg_type.is_none()
    }

    /// What it has to be like on PostgreSQL.
    pub(crate) fn wanted_on_postgres(self) -> Wanted {
        let ty = self.ty();
        let exact = self.is_exact();
        let numbers = |types: &[PostgresType]| types.iter().map(|(oid, _)| oid.to_string()).collect::<Vec<_>>();
        let (fits, named) = match ty.scalar {
            _ if ty.pg_type.is_some() => (Vec::new(), Some(ty.postgres_cast_name())),
            ScalarType::Native(native) => match native.name(Backend::Postgres) {
                Ok(TypeName::BuiltIn { oid, .. }) if oid == TEXT.0 => (numbers(&[TEXT, VARCHAR]), None),
                Ok(TypeName::BuiltIn { oid, .. }) => (vec![oid.to_string()], None),
                _ => (Vec::new(), Some(ty.postgres_cast_name())),
            },
            scalar => {
                let fit = Fit::of(scalar);
                let mut fits = numbers(fit.map_or(&[], |fit| fit.postgres));
                let extensions = fit.map_or(&[][..], |fit| fit.extensions).iter().filter(|_| !self.is_key());
                fits.extend(extensions.map(|name| (*name).to_owned()));
                if self.purpose == Purpose::Compared {
                    fits.push(NAME.to_string());
                }
                (fits, None)
            }
        };
        Wanted { fits: fits.join(","), named, array: ty.array, exact }
    }

    /// What it has to be like on SQLite.
    pub(crate) fn wanted_on_sqlite(self) -> Wanted {
        let ty = self.ty();
        let fit = self.fit();
        let affinities = fit.map_or(&[][..], |fit| fit.affinities).iter().map(|name| (*name).to_owned());
        let declared = fit.map_or(&[][..], |fit| fit.declared).iter().map(|name| format!("={name}"));
        // A column that takes nothing but bytes.
        let bytes = (ty.sqlite_name() == "BLOB").then(|| BYTES.to_owned());
        let fits: Vec<String> = affinities.chain(declared).chain(bytes).collect();
        Wanted { fits: fits.join(","), named: None, array: ty.array, exact: self.is_exact() }
    }

    /// What SQLite may have it as.
    fn fit(self) -> Option<&'static Fit> {
        let ty = self.ty();
        match ty.scalar {
            _ if ty.array => Some(&SQLITE_ARRAY),
            ScalarType::Native(native) => {
                let class = native.sqlite_class();
                SQLITE_NATIVE.iter().find(|(name, _)| *name == class).map(|(_, fit)| fit)
            }
            scalar => Fit::of(scalar),
        }
    }
}

/// A column that does not give back what is written to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// Which of the columns asked for, counted from 1.
    pub(crate) position: usize,
    /// Its type, as the database writes it.
    pub(crate) ty: String,
    /// How SQLite treats that.
    pub(crate) affinity: Option<String>,
    /// The collation by which different texts are equal, where that is what does not fit.
    pub(crate) collation: Option<String>,
}

/// The error of what depends on columns that do not fit.
pub(crate) fn misfit(columns: &[Checked], misfits: &[Misfit], backend: Backend) -> Error {
    let is_read = columns.iter().all(|column| column.purpose == Purpose::Compared);
    let verb = if is_read { "read" } else { "write to" };
    let found: Vec<(Checked, &Misfit)> = misfits
        .iter()
        .filter_map(|misfit| Some((*columns.get(misfit.position.checked_sub(1)?)?, misfit)))
        .fold(Vec::new(), |mut found, (column, misfit)| {
            let same = |(other, _): &(Checked, &Misfit)| other.table.name == column.table.name && other.at == column.at;
            if !found.iter().any(same) {
                found.push((column, misfit));
            }
            found
        });
    let Some(&(first, _)) = found.first() else {
        return Error::new(ErrorKind::Schema, format!("{verb} a table: a column of it is not what its field needs"));
    };
    let table = first.table.name;
    let told: Vec<String> = found
        .iter()
        .map(|(column, misfit)| {
            let of = if column.table.name == table { String::new() } else { format!(" of `{}`", column.table.name) };
            format!("column `{}`{of} {}", column.table.columns[column.at].name, told(*column, misfit, backend))
        })
        .collect();
    let named = found.iter().map(|(column, _)| column.table.columns[column.at].name.clone());
    Error::new(ErrorKind::Schema, format!("{verb} `{table}`: {}", told.join("; ")))
        .with_table(table)
        .with_columns(named.collect())
}

/// What is wrong with a column, and what to do.
fn told(column: Checked, misfit: &Misfit, backend: Backend) -> String {
    let Misfit { ty, affinity, collation, .. } = misfit;
    let is = match (backend, ty.as_str()) {
        (Backend::Sqlite, "") => "has no type".to_owned(),
        (Backend::Sqlite, ty) => format!("is declared `{ty}`"),
        (Backend::Postgres, ty) => format!("is `{ty}`"),
    };
    if let Some(collation) = collation {
        return format!(
            "{is} with the collation `{collation}`, to which texts are equal that are not equal to the program, and rows are \
             found by it; give it a collation to which only equal texts are equal"
        );
    }
    let own = column.ty();
    if column.is_key() && column.is_text() && is_one_of(Fit::of(ScalarType::Text), ty) {
        return format!(
            "{is}, to which texts are equal that are not equal to a `String`, and rows are found by it; make the field a newtype \
             with `#[column(pg_type = \"{ty}\")]`, or the column `text`"
        );
    }
    if let (Some(named), Backend::Postgres) = (own.pg_type, backend) {
        let list = if own.array { "[]" } else { "" };
        return format!("{is}, and its field says `{named}{list}`; make the one what the other is");
    }
    let (rust, fit) = match (column.fit(), Fit::of(own.scalar)) {
        (Some(fit), _) if backend == Backend::Sqlite => (fit.rust.to_owned(), Some(fit)),
        (_, Some(fit)) if own.array => (format!("Vec<{}>", fit.rust), Some(fit)),
        (_, Some(fit)) => (fit.rust.to_owned(), Some(fit)),
        (_, None) => (String::from("its type"), None),
    };
    let wanted = match (backend, fit) {
        (Backend::Sqlite, Some(fit)) => fit.affinities.first().map(|&name| name.to_owned()),
        (Backend::Postgres, Some(fit)) => {
            fit.postgres.first().map(|(_, name)| if own.array { format!("{name}[]") } else { (*name).to_owned() })
        }
        (Backend::Postgres, None) => Some(own.postgres_name()),
        (Backend::Sqlite, None) => None,
    };
    let rust_name = if rust == "its type" { rust } else { with_article(&rust) };
    let fitting = match fitting(ty, affinity.as_deref(), own.array) {
        Some(rust) => Some(format!("make the field {rust}")),
        None if column.is_text() && backend == Backend::Postgres => {
            Some(format!("make the field a type with `#[column(pg_type = \"{ty}\")]`"))
        }
        None => None,
    };
    let advice = match (fitting, wanted) {
        (Some(field), Some(wanted)) => format!("{field}, or the column `{wanted}`"),
        (Some(field), None) => field,
        (None, Some(wanted)) => format!("make the column `{wanted}`"),
        (None, None) => "change the one or the other".to_owned(),
    };
    format!("{is}, which does not give back {rust_name} as it was written; {advice}")
}

fn is_one_of(fit: Option<&Fit>, extension: &str) -> bool {
    fit.is_some_and(|fit| fit.extensions.contains(&extension))
}

/// The Rust types that such a column is for.
fn fitting(ty: &str, affinity: Option<&str>, array: bool) -> Option<String> {
    match affinity {
        Some("TEXT") => return Some("a `String`".to_owned()),
        Some("INTEGER") => return Some("an `i64`".to_owned()),
        Some("REAL") => return Some("an `f64`".to_owned()),
        Some("NUMERIC") => return Some("a newtype with a `sql_type` of diesel's".to_owned()),
        Some(_) => return None,
        None => {}
    }
    let base = ty.strip_suffix("[]");
    if base.is_some() != array {
        return None;
    }
    let base = base.unwrap_or(ty);
    let open = base.find('(');
    let base = match (open, base.find(')')) {
        (Some(open), Some(close)) if open < close => format!("{}{}", &base[..open], &base[close + 1..]),
        _ => base.to_owned(),
    };
    let found = FITS.iter().find(|fit| fit.postgres.first().is_some_and(|(_, name)| *name == base))?;
    Some(with_article(&if array { format!("Vec<{}>", found.rust) } else { found.rust.to_owned() }))
}

/// A Rust type in a sentence: an `i32`, an `f64`, a `String`.
fn with_article(rust: &str) -> String {
    let article = if rust.starts_with(['i', 'f']) { "an" } else { "a" };
    format!("{article} `{rust}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the guide.
    fn written() -> String {
        let mut lines = vec!["| Rust | PostgreSQL | SQLite |".to_owned(), "|---|---|---|".to_owned()];
        for fit in &FITS {
            let own = fit.postgres.iter().map(|(_, name)| format!("`{name}`"));
            let extensions = fit.extensions.iter().map(|name| format!("`{name}` (but no key)"));
            let affinities =
                fit.affinities.iter().map(|&name| if name == "BLOB" { "BLOB or none" } else { name }.to_owned());
            let declared: Vec<String> = fit.declared.iter().map(|name| format!("`{name}`")).collect();
            let declared = (!declared.is_empty()).then(|| format!("declared {}", declared.join(", ")));
            let postgres: Vec<String> = own.chain(extensions).collect();
            let sqlite: Vec<String> = affinities.chain(declared).collect();
            lines.push(format!("| `{}` | {} | {} |", fit.rust, postgres.join(", "), sqlite.join(", ")));
        }
        lines.join("\n")
    }

    #[test]
    fn the_guide_has_the_table() {
        let guide = include_str!("../../../docs/guide/existing.md");
        assert!(guide.contains(&written()), "put this into docs/guide/existing.md:\n{}", written());
    }

    #[test]
    fn a_type_is_told_with_what_it_is_for() {
        for (ty, array, rust) in [
            ("integer", false, Some("an `i32`")),
            ("timestamp(3) without time zone", false, Some("a `NaiveDateTime`")),
            ("numeric(10,2)", false, Some("a `Decimal`")),
            ("text[]", true, Some("a `Vec<String>`")),
            ("text[]", false, None),
            ("inet", false, None),
        ] {
            assert_eq!(fitting(ty, None, array).as_deref(), rust, "{ty}");
        }
    }
}
