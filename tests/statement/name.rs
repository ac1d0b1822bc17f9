//! Tables of the names that a careless statement would take for its own parts.

use spakky::prelude::*;

use crate::support::{Database, on_each_backend};

on_each_backend![tables_may_have_any_name];

macro_rules! named {
    ($($row:ident $name:literal;)+) => {
        $(#[derive(Debug, Clone, PartialEq, Table, Mappable)]
        #[table(name = $name)]
        #[mappable(domain = Self)]
        struct $row {
            #[table(id)]
            id: i64,
            /// As the columns of a batch are called.
            c0: String,
            position: i64,
            #[table(version)]
            version: i64,
        })+

        async fn tables_may_have_any_name(db: Database) {
            db.sessions.create_tables(&schema![$($row),+]).await.unwrap();
            let work = TransactionOptions::new();
            $({
                let repository = db.sessions.repository::<$row>();
                let row = |id: i64| $row { id, c0: format!("row {id}"), position: id, version: 0 };
                let mut rows = [row(1), row(2), row(3)];
                db.sessions.transaction(work, async |_| repository.add_all(&mut rows)).await.unwrap();
                let changed = db.sessions.transaction(work, async |_| {
                    let mut rows = repository.get_many([1, 2, 3]).await?;
                    rows.iter_mut().for_each(|row| row.position += 10);
                    repository.save_all(&mut rows)
                });
                changed.await.unwrap();
                let mut rows = [row(2), row(3), row(4)];
                db.sessions.transaction(work, async |_| repository.upsert_all(&mut rows)).await.unwrap();
                let mut versions = db.numbers(concat!("SELECT version FROM \"", $name, "\" ORDER BY id")).await;
                assert_eq!(versions, [2, 3, 3, 1]);
                let one = db.sessions.transaction(work, async |_| repository.upsert(&mut row(2)));
                one.await.unwrap();
                versions = db.numbers(concat!("SELECT version FROM \"", $name, "\" WHERE id = 2")).await;
                assert_eq!(versions, [4]);
                let one = db.sessions.transaction(work, async |session| {
                    let mut first = repository.get(1).await?;
                    first.position = 100;
                    repository.save(&mut first)?;
                    session.flush().await?;
                    let mut two = repository.get_many([2, 3]).await?;
                    repository.delete_all(&mut two)
                });
                one.await.unwrap();
                let stale = db.sessions.transaction(work, async |_| {
                    let mut both = repository.get_many([1, 4]).await?;
                    db.execute(concat!("UPDATE \"", $name, "\" SET version = version + 1 WHERE id = 4")).await;
                    both.iter_mut().for_each(|row| row.position += 1);
                    repository.save_all(&mut both)
                });
                let error = stale.await.unwrap_err();
                assert!(error.is_conflict(), "{error:?}");
                assert_eq!(error.ids(), ["4"]);
                let all = repository.query().order_by($row::COLUMNS.id.asc()).all().await.unwrap();
                let seen: Vec<(i64, i64, i64)> = all.iter().map(|row| (row.id, row.position, row.version)).collect();
                assert_eq!(seen, [(1, 100, 3), (4, 4, 2)]);
            })+
        }
    };
}

named! {
    InputRow "input";
    WRow "w";
    LockedRow "locked";
    ExcludedRow "excluded";
}
