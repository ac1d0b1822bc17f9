//! Every form of a default, and `Option`s as documents.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use spakky::prelude::*;

#[derive(Debug, Clone, Copy, ColumnValue)]
enum Status {
    Draft,
}

#[derive(Debug, Clone, Copy, ColumnValue)]
struct Cents(i64);

impl Cents {
    const NONE: Cents = Cents(0);
}

const MOST: i32 = 7;
const NAME: &str = "name";

type Maybe<T> = Option<T>;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    #[table(default = now)]
    at: DateTime<Utc>,
    #[table(default = now)]
    local: Option<NaiveDateTime>,
    #[table(default = now)]
    day: NaiveDate,
    #[table(default = now)]
    time: NaiveTime,
    #[table(default = [])]
    tags: Vec<String>,
    #[table(json, default = [])]
    notes: std::collections::HashSet<String>,
    #[table(default = 5)]
    cents: Cents,
    #[table(default = -5)]
    small: Option<i16>,
    #[table(default = 5_000)]
    rate: f64,
    #[table(default = -1.5e3)]
    rates: f32,
    #[table(default = false)]
    open: bool,
    #[table(default = text("new"), length = 10)]
    state: String,
    #[table(default = text("draft"))]
    before: Option<Status>,
    #[table(default = Status::Draft)]
    status: Status,
    #[table(default = Status::Draft)]
    maybe: Maybe<Status>,
    #[table(default = MOST)]
    most: i32,
    #[table(default = NAME)]
    name: String,
    #[table(default = Cents::NONE)]
    total: Option<Cents>,
    #[table(default = r#"'raw' || '"'"#)]
    raw: String,
    #[table(json)]
    document: Option<Vec<String>>,
    #[table(json)]
    alias: Maybe<Vec<String>>,
}

fn main() {
    let c = OrderRow::COLUMNS;
    let _ = [c.document.is_null(), c.document.eq(Json(vec![])), c.document.eq(None::<Json<Vec<String>>>)];
    let nullable: Vec<_> = OrderRow::descriptor().columns.iter().filter(|column| column.ty.nullable).collect();
    let names: Vec<_> = nullable.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["local", "small", "before", "maybe", "total", "document", "alias"]);
}
