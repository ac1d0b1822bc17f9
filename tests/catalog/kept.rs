//! Each Rust type on columns of every type: what was written comes back equal, or nothing was written.

use std::fmt::Debug;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use rust_decimal::Decimal;
use serde_json::{Value as Document, json};
use spakky::Error;
use spakky::prelude::*;
use uuid::Uuid;

use crate::support::{Database, on_each_backend};

on_each_backend![what_is_written_comes_back_or_is_not_written];

/// Types of columns, as they are declared.
const POSTGRES: [&str; 36] = [
    "boolean",
    "smallint",
    "integer",
    "bigint",
    "oid",
    "real",
    "double precision",
    "numeric",
    "numeric(40,10)",
    "money",
    "text",
    "text COLLATE folded",
    "varchar(64)",
    "char(64)",
    "citext",
    "name",
    "\"char\"",
    "label",
    "long_label",
    "bytea",
    "uuid",
    "timestamptz",
    "timestamp",
    "date",
    "time",
    "timetz",
    "interval",
    "json",
    "jsonb",
    "xml",
    "inet",
    "mood",
    "bigint[]",
    "integer[]",
    "text[]",
    "labels",
];
const SQLITE: [&str; 30] = [
    "INTEGER",
    "int",
    "bigint",
    "boolean",
    "REAL",
    "float",
    "double precision",
    "floating point",
    "NUMERIC",
    "decimal(10,2)",
    "TEXT",
    "TEXT COLLATE NOCASE",
    "varchar(30)",
    "char(32)",
    "nvarchar(40)",
    "BLOB",
    "",
    "ANY",
    "datetime",
    "timestamp",
    "date",
    "time",
    "JSON",
    "uuid",
    "binary(16)",
    "INTEGER STRICT",
    "REAL STRICT",
    "TEXT STRICT",
    "BLOB STRICT",
    "ANY STRICT",
];
const TYPES: [&str; 6] = [
    "CREATE EXTENSION citext",
    "CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
    "CREATE TYPE mood AS ENUM ('ab', 'b')",
    "CREATE DOMAIN label AS varchar(64)",
    "CREATE DOMAIN long_label AS label CHECK (length(VALUE) < 60)",
    "CREATE DOMAIN labels AS label[]",
];

/// The pairs that are taken: those of the table in the guide, and the domains over them.
fn taken(rust: &str, sqlite: bool) -> &'static [&'static str] {
    match (rust, sqlite) {
        ("bool", false) => &["boolean"],
        ("i16" | "i32", false) => &["smallint", "integer", "bigint"],
        ("i64", false) => &["smallint", "integer", "bigint", "oid"],
        ("f32", false) => &["real", "double precision"],
        ("f64", false) => &["double precision"],
        ("String", false) => {
            &["text", "text COLLATE folded", "varchar(64)", "char(64)", "citext", "label", "long_label"]
        }
        ("Vec<u8>", false) => &["bytea"],
        ("Uuid", false) => &["uuid"],
        ("DateTime<Utc>", false) => &["timestamptz"],
        ("NaiveDateTime", false) => &["timestamp"],
        ("NaiveDate", false) => &["date"],
        ("NaiveTime", false) => &["time"],
        ("Decimal", false) => {
            &["numeric", "numeric(40,10)", "text", "text COLLATE folded", "varchar(64)", "label", "long_label"]
        }
        ("Document", false) => &["json", "jsonb", "text", "text COLLATE folded", "varchar(64)", "label", "long_label"],
        ("Vec<i64>", false) => &["bigint[]", "integer[]"],
        ("Vec<String>", false) => &["text[]", "labels"],
        ("Mood", false) => &["mood"],
        ("Name", false) => &["text", "text COLLATE folded", "varchar(64)", "citext", "label", "long_label"],
        ("bool" | "i16" | "i32" | "i64", true) => &[
            "INTEGER",
            "int",
            "bigint",
            "boolean",
            "floating point",
            "NUMERIC",
            "decimal(10,2)",
            "BLOB",
            "",
            "ANY",
            "datetime",
            "timestamp",
            "date",
            "time",
            "JSON",
            "uuid",
            "binary(16)",
            "INTEGER STRICT",
            "ANY STRICT",
        ],
        ("f32" | "f64", true) => &[
            "INTEGER",
            "int",
            "bigint",
            "boolean",
            "REAL",
            "float",
            "double precision",
            "floating point",
            "NUMERIC",
            "decimal(10,2)",
            "BLOB",
            "",
            "ANY",
            "datetime",
            "timestamp",
            "date",
            "time",
            "JSON",
            "uuid",
            "binary(16)",
            "INTEGER STRICT",
            "REAL STRICT",
            "ANY STRICT",
        ],
        ("Vec<u8>", true) => &["BLOB", "", "binary(16)", "BLOB STRICT", "ANY STRICT"],
        ("Uuid", true) => &["BLOB", "", "binary(16)", "BLOB STRICT", "ANY STRICT"],
        ("NaiveDate", true) => &[
            "TEXT",
            "TEXT COLLATE NOCASE",
            "varchar(30)",
            "char(32)",
            "nvarchar(40)",
            "BLOB",
            "",
            "date",
            "TEXT STRICT",
            "ANY STRICT",
        ],
        ("Document" | "Vec<i64>" | "Vec<String>", true) => &[
            "TEXT",
            "TEXT COLLATE NOCASE",
            "varchar(30)",
            "char(32)",
            "nvarchar(40)",
            "BLOB",
            "",
            "JSON",
            "TEXT STRICT",
            "ANY STRICT",
        ],
        (_, true) => &[
            "TEXT",
            "TEXT COLLATE NOCASE",
            "varchar(30)",
            "char(32)",
            "nvarchar(40)",
            "BLOB",
            "",
            "TEXT STRICT",
            "ANY STRICT",
        ],
        (other, false) => panic!("nothing is known of `{other}`"),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ColumnValue)]
#[column(pg_type = "mood", rename_all = "lowercase")]
enum Mood {
    Ab,
    B,
}

#[derive(Debug, Clone, PartialEq, Eq, ColumnValue)]
#[column(pg_type = "citext")]
struct Name(String);

#[derive(Debug, Clone, Table)]
#[table(name = "unrelated")]
struct Unrelated {
    #[table(id)]
    _id: i64,
}

/// What became of writing one value.
#[derive(Debug, PartialEq)]
enum Fate {
    Kept,
    /// By the catalog guard.
    Refused,
    /// By the database: of this value, it says.
    Failed,
    Changed(String),
}

/// Writes each value to a column of this type in a table of its own.
trait Cell: Sized {
    const NAME: &'static str;

    async fn fates(db: &Database, column: &str) -> Vec<Fate>;
}

macro_rules! cells {
    ($($row:ident: $ty:ty = $name:literal, $values:expr;)+) => {
        $(#[derive(Debug, Clone, PartialEq, Table, Mappable)]
        #[table(name = "cells")]
        #[mappable(domain = Self)]
        struct $row {
            #[table(id)]
            id: i64,
            held: $ty,
        }

        impl Cell for $row {
            const NAME: &'static str = $name;

            async fn fates(db: &Database, column: &str) -> Vec<Fate> {
                make(db, column).await;
                let rows = db.sessions.repository::<$row>();
                let mut fates = Vec::new();
                for (id, held) in (1..).zip($values) {
                    let written = rows.autocommit().add_now(&mut $row { id, held: held.clone() }).await;
                    let stored = db.numbers(&format!("SELECT count(*) FROM cells WHERE id = {id}")).await;
                    let fate = fate(written, stored[0], rows.get(id).await.map(|row| row.held), &held);
                    fates.push(fate);
                }
                db.execute("DROP TABLE cells").await;
                // Which has what is known of all tables forgotten.
                db.sessions.drop_tables(&schema![Unrelated]).await.unwrap();
                fates
            }
        })+

        async fn all(db: &Database, mut each: impl AsyncFnMut(&'static str, &str, Vec<Fate>)) {
            let columns: &[&str] = if db.is_sqlite() { &SQLITE } else { &POSTGRES };
            for column in columns {
                $(each(<$row as Cell>::NAME, column, $row::fates(db, column).await).await;)+
            }
        }
    };
}

async fn make(db: &Database, column: &str) {
    let (column, strict) = match column.strip_suffix(" STRICT") {
        Some(column) => (column, " STRICT"),
        None => (column, ""),
    };
    db.execute(&format!("CREATE TABLE cells (id INTEGER PRIMARY KEY, held {column} NOT NULL){strict}")).await;
}

fn fate<T: PartialEq + Debug>(written: Result<(), Error>, stored: i64, read: Result<T, Error>, held: &T) -> Fate {
    match (written, stored, read) {
        (Ok(()), 1, Ok(read)) if read == *held => Fate::Kept,
        (Ok(()), _, read) => Fate::Changed(format!("{held:?} became {read:?}")),
        (Err(error), 0, _) if error.is_schema() && error.to_string().contains("column `held`") => Fate::Refused,
        (Err(_), 0, _) => Fate::Failed,
        (Err(error), ..) => Fate::Changed(format!("stored in spite of {error}")),
    }
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

cells! {
    Bools: bool = "bool", [true, false];
    Shorts: i16 = "i16", [0, -7, i16::MAX];
    Ints: i32 = "i32", [0, -7, 40_000, i32::MAX];
    Longs: i64 = "i64", [0, -7, 9_007_199_254_740_993, i64::MAX];
    Floats: f32 = "f32", [0.0, 0.1, 100.0, -2.5, 1e30];
    Doubles: f64 = "f64", [0.0, 0.1, 100.0, -2.5, 1e17, 1e300];
    Texts: String = "String", ["", "ab", "007", "12.30", "1e3", "2025-01-01", "\u{fc}n\u{ef}"].map(str::to_owned);
    Blobs: Vec<u8> = "Vec<u8>", [Vec::new(), vec![0, 255, 97]];
    Uuids: Uuid = "Uuid", [Uuid::from_u128(1), Uuid::from_u128(u128::MAX)];
    Instants: DateTime<Utc> = "DateTime<Utc>", [instant("2025-01-01T12:00:00Z"), instant("1970-01-01T00:00:00.000001Z")];
    Times: NaiveDateTime = "NaiveDateTime", [instant("2025-07-01T12:00:00.5Z").naive_utc()];
    Dates: NaiveDate = "NaiveDate", [NaiveDate::from_ymd_opt(2025, 2, 28).unwrap()];
    Clocks: NaiveTime = "NaiveTime", [NaiveTime::from_hms_micro_opt(23, 59, 59, 1).unwrap(), NaiveTime::MIN];
    Decimals: Decimal = "Decimal", ["0", "12.30", "100", "12345678901234567.89"].map(|text| text.parse::<Decimal>().unwrap());
    Documents: Document = "Document", [json!({"a": [1, 2.5, null]}), json!(12), json!(1.5), json!("12"), json!([])];
    Lists: Vec<i64> = "Vec<i64>", [vec![], vec![1, -7]];
    Words: Vec<String> = "Vec<String>", [vec![], vec!["ab".to_owned(), "12".to_owned()]];
    Moods: Mood = "Mood", [Mood::Ab, Mood::B];
    Names: Name = "Name", [Name("Ann".to_owned())];
}

async fn prepare(db: &Database) {
    if !db.is_sqlite() {
        for sql in TYPES {
            db.execute(sql).await;
        }
        db.execute("DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || quote_ident(current_database()) || ' SET timezone = ''Asia/Seoul'''; END $$")
            .await;
    }
}

async fn what_is_written_comes_back_or_is_not_written(mut db: Database) {
    prepare(&db).await;
    // Connections that know the new types, and the zone.
    db.sessions = db.connect(|config| config.pool_size(1)).await;
    let (mut wrong, sqlite) = (Vec::new(), db.is_sqlite());
    all(&db, async |rust, column, fates| {
        let is_taken = taken(rust, sqlite).contains(&column);
        // A value that a narrow column cannot hold is refused by the database itself.
        let is_right = |fate: &Fate| match fate {
            Fate::Kept | Fate::Failed => is_taken,
            Fate::Refused => !is_taken,
            Fate::Changed(_) => false,
        };
        if !fates.iter().all(is_right) || (is_taken && !fates.contains(&Fate::Kept)) {
            wrong.push(format!("{rust} in `{column}`: {fates:?}"));
        }
    })
    .await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}
