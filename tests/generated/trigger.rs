//! Triggers that write rows of their own to a table whose ids are drawn.

use spakky::prelude::*;

use crate::support::{Database, on_each_backend};

on_each_backend![
    rows_keep_their_ids_beside_those_of_a_trigger,
    an_id_that_a_trigger_took_is_never_given_to_another_row,
];

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "deeds")]
#[mappable(domain = Self)]
struct Deed {
    #[table(id, generated)]
    id: i64,
    text: String,
    #[table(has_many(by = deed_id))]
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "steps")]
#[mappable(domain = Self)]
struct Step {
    #[table(id, generated)]
    id: i64,
    #[table(references(Deed))]
    deed_id: i64,
    text: String,
}

fn deed(text: &str) -> Deed {
    let step = |number| Step { id: 0, deed_id: 0, text: format!("{text} {number}") };
    Deed { id: 0, text: text.to_owned(), steps: vec![step(1), step(2)] }
}

/// Each deed is followed, or preceded, by a note of it in the same table.
async fn note(db: &Database, time: &str) {
    if db.is_sqlite() {
        let body = "INSERT INTO deeds (text) VALUES ('note of ' || NEW.text)";
        let when = "WHEN NEW.text NOT LIKE 'note%'";
        db.execute(&format!("CREATE TRIGGER note {time} INSERT ON deeds {when} BEGIN {body}; END")).await;
        return;
    }
    let body = "BEGIN INSERT INTO deeds (text) VALUES ('note of ' || NEW.text); RETURN NEW; END";
    db.execute(&format!("CREATE OR REPLACE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")).await;
    let when = "FOR EACH ROW WHEN (NEW.text NOT LIKE 'note%')";
    db.execute(&format!("CREATE TRIGGER note {time} INSERT ON deeds {when} EXECUTE FUNCTION note()")).await;
}

/// What is stored of the deeds, with their steps, but for the notes.
async fn stored(db: &Database) -> Vec<Deed> {
    let deeds = db.observer().repository::<Deed>();
    let told = !Deed::COLUMNS.text.starts_with("note");
    deeds.filter(told).order_by(Deed::COLUMNS.text.asc()).all().await.unwrap()
}

async fn rows_keep_their_ids_beside_those_of_a_trigger(db: Database) {
    db.observer().create_tables(&schema![Deed, Step]).await.unwrap();
    let deeds = db.sessions.repository::<Deed>().autocommit();
    for (time, texts) in [("AFTER", ["a", "b", "c"]), ("BEFORE", ["d", "e", "f"])] {
        note(&db, time).await;
        let mut told = texts.map(deed);
        deeds.add_all_now(&mut told).await.unwrap();
        assert_eq!(stored(&db).await[stored(&db).await.len() - 3..], told);
        db.execute(if db.is_sqlite() { "DROP TRIGGER note" } else { "DROP TRIGGER note ON deeds" }).await;
    }
    assert_eq!(db.numbers("SELECT count(*) FROM deeds WHERE text LIKE 'note of _'").await, [6]);
    deeds.add_now(&mut deed("g")).await.unwrap();
    assert_eq!(stored(&db).await.len(), 7);
}

/// Where a table does not count its ids, and a trigger takes the next one.
async fn an_id_that_a_trigger_took_is_never_given_to_another_row(db: Database) {
    if !db.is_sqlite() {
        return;
    }
    db.execute("CREATE TABLE deeds (id INTEGER NOT NULL PRIMARY KEY, text TEXT NOT NULL)").await;
    db.observer().create_tables(&schema![Deed, Step]).await.unwrap();
    note(&db, "AFTER").await;
    let deeds = db.sessions.repository::<Deed>().autocommit();
    let error = deeds.add_all_now(&mut [deed("a"), deed("b")]).await.unwrap_err();
    assert!(error.is_unique_violation(), "{error:?}");
    assert_eq!((error.table(), error.columns()), (Some("deeds"), &["id".to_owned()][..]));
    assert_eq!(db.numbers("SELECT count(*) FROM deeds").await, [0]);
    // By itself a row has its id before the trigger takes one.
    let mut told = deed("c");
    deeds.add_now(&mut told).await.unwrap();
    assert_eq!(stored(&db).await, [told]);
}
