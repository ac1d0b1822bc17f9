//! Keys of several columns, and columns whose batches are sent row by row.

use spakky::prelude::*;
use uuid::Uuid;

use super::tables::{acting_for, begin};
use crate::support::{Database, on_each_backend, on_postgres};

on_each_backend![batches_by_a_key_of_several_columns_are_confined, loading_and_soft_deleting_costs_no_more_than_saving,];

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "seats")]
#[mappable(domain = Self)]
struct Seat {
    #[table(id)]
    hall: Uuid,
    #[table(id)]
    number: i16,
    guest: String,
    #[table(tenant)]
    tenant: String,
    #[table(version)]
    version: i64,
    #[table(deleted_at)]
    deleted_at: Option<chrono::DateTime<chrono::Utc>>,
}

const HALL: Uuid = Uuid::from_u128(7);

fn seat(number: i16, guest: &str) -> Seat {
    Seat { hall: HALL, number, guest: guest.into(), tenant: String::new(), version: 0, deleted_at: None }
}

/// Seats 1 and 2 are acme's, 3 is globex's.
async fn prepare(db: &Database) -> Repository<Seat> {
    db.observer().create_tables(&schema![Seat]).await.unwrap();
    let seats = db.sessions.repository::<Seat>();
    let here = seats.autocommit();
    acting_for("acme").scope(here.add_all_now([&mut seat(1, "ann"), &mut seat(2, "bob")])).await.unwrap();
    acting_for("globex").scope(here.add_now(&mut seat(3, "cy"))).await.unwrap();
    db.sent();
    seats
}

async fn guests(db: &Database) -> Vec<(i16, String)> {
    db.observer().sql("SELECT number, guest FROM seats ORDER BY number").fetch_all().await.unwrap()
}

async fn batches_by_a_key_of_several_columns_are_confined(db: Database) {
    let seats = prepare(&db).await;
    let stored = guests(&db).await;
    let third = format!("({HALL}, 3)");
    for operation in 0..4 {
        let tx = begin(&db, acting_for("acme")).await;
        let here = seats.in_session(tx.session());
        let mut all = [3, 1, 2].map(|number| Seat { version: 1, ..seat(number, "dan") });
        match operation {
            0 => here.save_all(&mut all),
            1 => here.upsert_all(&mut all),
            2 => here.delete_all(&mut all),
            _ => here.soft_delete_all(&mut all),
        }
        .unwrap();
        let error = tx.commit().await.unwrap_err();
        assert!(error.is_conflict(), "{operation}");
        assert_eq!(error.ids(), [third.as_str()], "{operation}");
        assert_eq!(guests(&db).await, stored, "{operation}");
    }
    let tx = begin(&db, acting_for("acme")).await;
    let here = seats.in_session(tx.session());
    here.delete_all_by_id([(HALL, 1), (HALL, 3), (HALL, 2)]).unwrap();
    assert_eq!(here.find_many([(HALL, 1), (HALL, 3)]).await.unwrap(), [None, None]);
    tx.commit().await.unwrap();
    assert_eq!(guests(&db).await, stored[2..]);
}

async fn loading_and_soft_deleting_costs_no_more_than_saving(db: Database) {
    let seats = prepare(&db).await;
    let tx = begin(&db, acting_for("acme")).await;
    let here = seats.in_session(tx.session());
    let mut first = here.get((HALL, 1)).await.unwrap();
    here.soft_delete(&mut first).unwrap();
    let session = tx.session().clone();
    tx.commit().await.unwrap();
    assert_eq!(session.statistics().round_trips, 2);
}

mod native {
    //! Arrays of a native type travel one row in a statement.

    use super::*;

    on_postgres![rows_that_are_sent_one_by_one_are_confined];

    #[derive(Debug, Clone, Copy, PartialEq, Eq, ColumnValue)]
    #[column(pg_type = "mood")]
    enum Mood {
        Fine,
        Sad,
    }

    #[derive(Debug, Clone, PartialEq, Table, Mappable)]
    #[table(name = "diaries")]
    #[mappable(domain = Self)]
    struct Diary {
        #[table(id)]
        id: i64,
        moods: Vec<Mood>,
        #[table(tenant)]
        tenant: String,
        #[table(deleted_at)]
        deleted_at: Option<chrono::DateTime<chrono::Utc>>,
    }

    fn diary(id: i64, moods: &[Mood]) -> Diary {
        Diary { id, moods: moods.to_vec(), tenant: String::new(), deleted_at: None }
    }

    async fn rows_that_are_sent_one_by_one_are_confined(db: Database) {
        db.execute("CREATE TYPE mood AS ENUM ('fine', 'sad')").await;
        db.observer().create_tables(&schema![Diary]).await.unwrap();
        let diaries = db.connect(|config| config).await.repository::<Diary>().autocommit();
        acting_for("globex").scope(diaries.add_now(&mut diary(3, &[Mood::Fine]))).await.unwrap();
        acting_for("acme")
            .scope(async {
                diaries.upsert_all_now([&mut diary(1, &[Mood::Sad]), &mut diary(2, &[])]).await.unwrap();
                let batch = [&mut diary(2, &[Mood::Fine, Mood::Sad]), &mut diary(3, &[])];
                let error = diaries.upsert_all_now(batch).await.unwrap_err();
                assert!(error.is_conflict());
                assert_eq!(error.ids(), ["3"]);
                diaries.upsert_now(&mut diary(1, &[Mood::Fine])).await.unwrap();
                assert_eq!(diaries.get(1).await.unwrap().moods, [Mood::Fine]);
            })
            .await;
        let left = diaries.across_tenants().get_many([2, 3]).await.unwrap();
        assert_eq!((left[0].moods.as_slice(), left[1].moods.as_slice()), (&[][..], &[Mood::Fine][..]));
    }
}
