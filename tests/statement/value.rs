//! Batches of values that are more than scalars.

use spakky::prelude::*;

use crate::support::{Database, on_each_backend};

on_each_backend![arrays_enums_nulls_and_documents_are_written_in_batches];

#[derive(Debug, Clone, Copy, PartialEq, ColumnValue)]
#[column(pg_type = "temper")]
enum Temper {
    Calm,
    Wild,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "beasts")]
#[mappable(domain = Self)]
struct Beast {
    #[table(id)]
    id: i64,
    names: Vec<String>,
    scores: Option<Vec<Option<i32>>>,
    temper: Temper,
    past: Option<Temper>,
    tempers: Vec<Temper>,
    document: serde_json::Value,
    note: Option<String>,
    #[table(version)]
    version: i64,
}

/// Arrays of different lengths, and every NULL that there can be.
fn beast(id: i64) -> Beast {
    let wild = id % 2 == 0;
    Beast {
        id,
        names: (0..id % 4).map(|n| format!("{{\"name\", {n}\\ 'NULL'}}")).collect(),
        scores: (id % 3 != 0).then(|| vec![Some(1), None, Some(i32::MIN)]),
        temper: if wild { Temper::Wild } else { Temper::Calm },
        past: wild.then_some(Temper::Calm),
        tempers: if wild { vec![Temper::Wild, Temper::Calm] } else { Vec::new() },
        document: if wild { serde_json::json!({"a": [1, null, "it's \\"]}) } else { serde_json::Value::Null },
        note: (id % 5 != 0).then(|| "NULL".to_owned()),
        version: 1,
    }
}

async fn arrays_enums_nulls_and_documents_are_written_in_batches(db: Database) {
    if !db.is_sqlite() {
        db.execute("CREATE TYPE temper AS ENUM ('calm', 'wild')").await;
    }
    db.sessions.create_tables(&schema![Beast]).await.unwrap();
    let beasts = db.sessions.repository::<Beast>();
    let work = TransactionOptions::new();
    let mut all: Vec<Beast> = (0..30).map(beast).collect();
    db.sent();
    db.sessions.transaction(work, async |_| beasts.add_all(&mut all)).await.unwrap();
    assert_eq!(db.sent().len(), 3);
    let stored = beasts.get_many(0..30).await.unwrap();
    assert_eq!(stored, (0..30).map(beast).collect::<Vec<_>>());

    // Each takes the values of the next.
    let changed = |id: i64| Beast { id, version: 2, ..beast(id + 1) };
    let change = db.sessions.transaction(work, async |_| {
        let mut all = beasts.get_many(0..30).await?;
        for beast in &mut all {
            *beast = Beast { version: beast.version, ..changed(beast.id) };
        }
        beasts.save_all(&mut all)
    });
    change.await.unwrap();
    assert_eq!(beasts.get_many(0..30).await.unwrap(), (0..30).map(changed).collect::<Vec<_>>());

    let upsert = db.sessions.transaction(work, async |_| {
        let mut all: Vec<Beast> = (20..40).map(beast).collect();
        beasts.upsert_all(&mut all)
    });
    upsert.await.unwrap();
    let found = beasts.get_many(20..40).await.unwrap();
    assert_eq!(
        found.into_iter().map(|beast| Beast { version: 1, ..beast }).collect::<Vec<_>>(),
        (20..40).map(beast).collect::<Vec<_>>()
    );
}
