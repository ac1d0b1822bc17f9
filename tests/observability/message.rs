//! No message shows a value that is stored or bound: not what `Display` writes, and not what clients are told.

use std::error::Error as _;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use spakky::prelude::*;
use spakky::{Error, ErrorKind};

use crate::support::{Database, on_each_backend};

on_each_backend![stored_values_are_in_no_message, bound_values_are_in_no_message];

/// Stands in every value.
const SECRET: &str = "hunter2";
/// Stands in every number.
const NUMBER: i64 = 987_654_321;
const DIGITS: &str = "987654321";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ColumnValue)]
enum Mood {
    Good,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ColumnValue)]
#[column(repr = i64)]
enum Level {
    High = 1,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Doc {
    Known { n: i64 },
}

/// A domain type that tells what it refuses.
#[derive(Debug, Clone, PartialEq)]
struct Email(String);

impl TryFrom<String> for Email {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.contains('@') { Ok(Email(text)) } else { Err(format!("`{text}` is no address")) }
    }
}

impl From<Email> for String {
    fn from(email: Email) -> String {
        email.0
    }
}

/// What refuses to be JSON, and says what it is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Shy(String);

impl Serialize for Shy {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.contains(SECRET) {
            return Err(serde::ser::Error::custom(format!("`{}` stays here", self.0)));
        }
        serializer.serialize_str(&self.0)
    }
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(
    name = "agents",
    unique(email),
    check(known, "code <> 'hunter2 is checked'"),
    filterable(mood, code),
    sortable(code)
)]
#[mappable(domain = Agent)]
struct AgentRow {
    #[table(id)]
    id: i64,
    mood: Mood,
    level: Level,
    #[table(json)]
    doc: Doc,
    #[mappable(try_into)]
    email: String,
    #[table(length = 30)]
    code: String,
    small: i32,
    money: Decimal,
    born: NaiveDate,
    moods: Vec<Mood>,
    #[table(json)]
    shy: Shy,
}

#[derive(Debug, Clone, PartialEq)]
struct Agent {
    id: i64,
    mood: Mood,
    level: Level,
    doc: Doc,
    email: Email,
    code: String,
    small: i32,
    money: Decimal,
    born: NaiveDate,
    moods: Vec<Mood>,
    shy: Shy,
}

fn agent(id: i64) -> Agent {
    Agent {
        id,
        mood: Mood::Good,
        level: Level::High,
        doc: Doc::Known { n: 1 },
        email: Email(format!("{SECRET}{id}@x")),
        code: format!("{SECRET} {id}"),
        small: 1,
        money: Decimal::ONE,
        born: NaiveDate::default(),
        moods: vec![],
        shy: Shy(String::new()),
    }
}

/// The whole of an error's text; what its source says is not in it.
#[track_caller]
fn silent(error: &Error, what: &str) {
    for text in [error.to_string(), error.message().to_owned()] {
        assert!(!text.contains(SECRET) && !text.contains(DIGITS), "{what}: {text}");
    }
}

async fn stored_values_are_in_no_message(database: Database) {
    database.sessions.create_tables(&schema![AgentRow]).await.unwrap();
    let agents = database.sessions.repository::<AgentRow>();
    agents.autocommit().add_now(&mut agent(1)).await.unwrap();
    let array = if database.is_sqlite() { format!("'[\"{SECRET}\"]'") } else { format!("'{{{SECRET}}}'") };
    let mut told = 0;
    for (column, value) in [
        ("mood", format!("'{SECRET}'")),
        ("level", NUMBER.to_string()),
        ("doc", format!("'{{\"kind\": \"{SECRET}\"}}'")),
        ("doc", format!("'{{\"kind\": \"Known\", \"n\": \"{SECRET}\"}}'")),
        ("doc", format!("'\"{SECRET}\"'")),
        ("email", format!("'{SECRET}'")),
        ("moods", array),
        (
            "money",
            if database.is_sqlite() {
                format!("'{DIGITS}{DIGITS}{DIGITS}{DIGITS}'")
            } else {
                format!("{DIGITS}{DIGITS}{DIGITS}{DIGITS}")
            },
        ),
        ("born", if database.is_sqlite() { format!("'{SECRET}'") } else { "'infinity'".to_owned() }),
    ] {
        database.execute(&format!("UPDATE agents SET {column} = {value}")).await;
        let error = agents.get(1).await.unwrap_err();
        assert!(error.is_mapping(), "{error:?}");
        assert!(error.message().contains(column), "{error}");
        silent(&error, column);
        // Whoever looks for it finds it.
        told += usize::from(error.source().is_some_and(|source| source.to_string().contains(SECRET)));
        let view = agents.query().all().await.unwrap_err();
        silent(&view, column);
        database.execute("DELETE FROM agents").await;
        agents.autocommit().add_now(&mut agent(1)).await.unwrap();
    }
    assert!(told >= 5, "{told}");
    let typed = database.sessions.sql("SELECT code FROM agents").fetch_one::<(Mood,)>().await.unwrap_err();
    silent(&typed, "plain SQL");
    let number = database.sessions.sql(format!("SELECT {NUMBER}")).fetch_one::<(i16,)>().await.unwrap_err();
    silent(&number, "plain SQL");
}

async fn bound_values_are_in_no_message(database: Database) {
    database.sessions.create_tables(&schema![AgentRow]).await.unwrap();
    let agents = database.sessions.repository::<AgentRow>();
    let c = AgentRow::COLUMNS;
    agents.autocommit().add_all_now(&mut [agent(1), agent(2)]).await.unwrap();
    let mut errors: Vec<(ErrorKind, Error)> = Vec::new();
    let add = async |agent: Agent| agents.autocommit().add_now(&mut agent.clone()).await.unwrap_err();
    errors.push((ErrorKind::UniqueViolation, add(Agent { id: 3, ..agent(1) }).await));
    errors.push((ErrorKind::UniqueViolation, add(Agent { id: 1, ..agent(3) }).await));
    errors.push((ErrorKind::CheckViolation, add(Agent { code: format!("{SECRET} is checked"), ..agent(3) }).await));
    errors.push((
        ErrorKind::Mapping,
        add(Agent { code: format!("{SECRET} {SECRET} {SECRET} {SECRET}"), ..agent(3) }).await,
    ));
    errors.push((ErrorKind::Mapping, add(Agent { code: format!("{SECRET}\0"), ..agent(3) }).await));
    errors.push((ErrorKind::Mapping, add(Agent { shy: Shy(SECRET.into()), ..agent(3) }).await));
    let year = NaiveDate::from_ymd_opt(98_765, 4, 3).unwrap();
    let late = add(Agent { born: year, ..agent(3) }).await;
    assert!(!late.to_string().contains("98765"), "{late}");
    errors.push((ErrorKind::Mapping, late));
    let wide = format!("UPDATE agents SET code = '{SECRET} {SECRET} {SECRET} {SECRET}'");
    let in_scope = async |sql: &str, secret: &str| {
        database
            .sessions
            .transaction(TransactionOptions::new(), async |session| {
                session.sql(sql).bind(secret.to_owned()).execute().await
            })
            .await
            .unwrap_err()
    };
    if database.is_sqlite() {
        errors.push((ErrorKind::CheckViolation, database.sessions.sql(wide).execute().await.unwrap_err()));
        errors.push((ErrorKind::Mapping, in_scope("UPDATE agents SET small = $1", SECRET).await));
    } else {
        let raised = database
            .sessions
            .transaction(TransactionOptions::new(), async |_| {
                agents.filter(c.id.eq(1)).update([c.small.set(c.small + i32::MAX)]).await
            })
            .await
            .unwrap_err();
        errors.push((ErrorKind::Mapping, raised));
        errors.push((ErrorKind::Mapping, database.sessions.sql(wide).execute().await.unwrap_err()));
        for cast in ["int4", "uuid", "timestamptz", "date", "bool", "numeric", "jsonb", "inet"] {
            let sql = format!("UPDATE agents SET small = 1 WHERE $1::text::{cast} IS NOT NULL");
            errors.push((ErrorKind::Mapping, in_scope(&sql, SECRET).await));
        }
        let raise = format!("DO $$ BEGIN RAISE EXCEPTION '{SECRET}'; END $$");
        errors.push((ErrorKind::Database, database.sessions.sql(raise).execute().await.unwrap_err()));
    }
    let syntax = database.sessions.sql(format!("SELECT * FROM agents WHERE '{SECRET}' '{SECRET}'")).execute().await;
    errors.push((ErrorKind::Database, syntax.unwrap_err()));
    let missing = agents.filter(c.code.eq(SECRET)).one().await.unwrap_err();
    errors.push((ErrorKind::NotFound, missing));
    let several = agents.filter(c.code.contains(SECRET)).one().await.unwrap_err();
    errors.push((several.kind(), several));
    let bound = database.sessions.sql("SELECT $1").bind(format!("{SECRET}\0")).fetch_all::<(String,)>().await;
    if let Err(error) = bound {
        errors.push((error.kind(), error));
    }
    for (kind, error) in &errors {
        assert_eq!(error.kind(), *kind, "{error:?}");
        silent(error, &format!("{kind:?}"));
    }
}
