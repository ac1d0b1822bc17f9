//! Rows through diesel's query builder: `#[table(diesel)]` and `#[column(diesel)]`.

use diesel::prelude::{ExpressionMethods, JoinOnDsl, NullableExpressionMethods, QueryDsl, SelectableHelper};
use spakky::prelude::*;
use spakky::{Backend, Error};

use super::parcel::schema::crates;
use super::parcel::{Class, CrateRow, Label, ParcelRow, Place, Size, State, Stops, crate_row, parcel, parcels};
use crate::support::{Database, run};

/// Without diesel's `RunQueryDsl` in scope, which would be taken for our own methods.
use diesel_async::RunQueryDsl as Async;

const WORK: TransactionOptions = TransactionOptions::new().name("work");

/// Three parcels, of which the first two are in crates, and a crate that is empty.
async fn store(db: &Database) -> (Vec<ParcelRow>, Vec<CrateRow>) {
    db.sessions.create_tables(&schema![ParcelRow, CrateRow]).await.unwrap();
    let (rows, packed) = (db.sessions.repository::<ParcelRow>(), db.sessions.repository::<CrateRow>());
    let work = db.sessions.transaction(WORK, async |_| {
        rows.add_all(&mut (1..=3).map(parcel).collect::<Vec<_>>())?;
        packed.add_all(&mut vec![crate_row(1, Some(&parcel(1))), crate_row(2, Some(&parcel(2))), crate_row(3, None)])
    });
    work.await.unwrap();
    let stored = rows.query().order_by(ParcelRow::COLUMNS.id.asc()).all().await.unwrap();
    (stored, packed.query().order_by(CrateRow::COLUMNS.position.asc()).all().await.unwrap())
}

fn on_postgres(test: impl AsyncFnOnce(Database)) {
    run(Backend::Postgres, async |db| test(db).await);
}

#[test]
fn a_row_of_every_kind_of_column_is_selected_in_the_transaction_of_its_repository() {
    on_postgres(async |db| {
        let (mut stored, _) = store(&db).await;
        let repo = db.sessions.repository::<ParcelRow>();
        let work = db.sessions.transaction(WORK, async |session| {
            let mut first = repo.get(stored[0].id).await?;
            first.state = State::Packed;
            repo.save(&mut first)?;
            let mut conn = session.postgres().await?;
            let select = || parcels::table.order(parcels::id);
            let by_helper: Vec<ParcelRow> = select().select(ParcelRow::as_select()).load(&mut *conn).await.unwrap();
            let by_table: Vec<ParcelRow> = select().load(&mut *conn).await.unwrap();
            Ok::<_, Error>((first, by_helper, by_table))
        });
        let (first, by_helper, by_table) = work.await.unwrap();
        stored[0] = ParcelRow { version: 2, state: State::Packed, ..first };
        assert_eq!(by_helper, stored);
        assert_eq!(by_table, stored);
    });
}

#[test]
fn domain_types_are_values_of_queries() {
    on_postgres(async |db| {
        let (stored, _) = store(&db).await;
        let work = db.sessions.transaction(WORK, async |session| {
            let mut conn = session.postgres().await?;
            let ids = |rows: Vec<super::parcel::ParcelId>| rows;
            let mut found = Vec::new();
            let all = parcels::table.select(parcels::id).order(parcels::id);
            found.push(ids(all.filter(parcels::id.eq(stored[1].id)).load(&mut *conn).await.unwrap()));
            found.push(ids(all.filter(parcels::state.eq(State::OnTheWay)).load(&mut *conn).await.unwrap()));
            found.push(ids(all.filter(parcels::state.eq_any([State::Packed])).load(&mut *conn).await.unwrap()));
            found.push(ids(all.filter(parcels::former.eq(&State::Packed)).load(&mut *conn).await.unwrap()));
            found.push(ids(all.filter(parcels::size.eq(Some(Size::Large))).load(&mut *conn).await.unwrap()));
            found.push(ids(all.filter(parcels::r#type.eq(Class::Economy)).load(&mut *conn).await.unwrap()));
            found.push(ids(all.filter(parcels::label.eq(Label("label 3".into()))).load(&mut *conn).await.unwrap()));
            found.push(ids(all.filter(parcels::remark.is_null()).load(&mut *conn).await.unwrap()));
            found.push(ids(all.filter((parcels::cents + 50).gt(300_i64)).load(&mut *conn).await.unwrap()));
            found.push(ids(all.filter(parcels::states.eq(vec![State::Packed])).load(&mut *conn).await.unwrap()));
            let stops = Stops(vec!["Ulm".into(), "Bern".into()]);
            let last = all.filter(parcels::stops.eq(stops.clone())).select((parcels::stops, parcels::former));
            let last: (Stops, Option<State>) = last.first(&mut *conn).await.unwrap();
            assert_eq!(last, (stops, Some(State::Packed)));
            Ok::<_, Error>(found)
        });
        let found = work.await.unwrap();
        let numbers: Vec<Vec<u128>> = found.iter().map(|ids| ids.iter().map(|id| id.0.as_u128()).collect()).collect();
        let wanted: [&[u128]; 10] = [&[2], &[1, 3], &[2], &[1, 3], &[1, 3], &[2], &[3], &[2], &[3], &[]];
        assert_eq!(numbers, wanted);
    });
}

#[test]
fn rows_are_joined_also_where_one_side_is_missing() {
    on_postgres(async |db| {
        let (stored, packed) = store(&db).await;
        let work = db.sessions.transaction(WORK, async |session| {
            let mut conn = session.postgres().await?;
            let inner: Vec<(CrateRow, ParcelRow)> = crates::table
                .inner_join(parcels::table)
                .filter(parcels::cents.lt(200))
                .select((CrateRow::as_select(), ParcelRow::as_select()))
                .load(&mut *conn)
                .await
                .unwrap();
            let left: Vec<(CrateRow, Option<ParcelRow>, i16)> = crates::table
                .left_join(parcels::table)
                .order(crates::position)
                .select((CrateRow::as_select(), Option::<ParcelRow>::as_select(), crates::position))
                .load(&mut *conn)
                .await
                .unwrap();
            let on: Vec<(Option<CrateRow>, ParcelRow)> = parcels::table
                .left_join(crates::table.on(crates::parcel_id.eq(parcels::id.nullable())))
                .order(parcels::id.desc())
                .select((Option::<CrateRow>::as_select(), ParcelRow::as_select()))
                .load(&mut *conn)
                .await
                .unwrap();
            Ok::<_, Error>((inner, left, on))
        });
        let (inner, left, on) = work.await.unwrap();
        let (parcel, packed) = (|at: usize| stored[at].clone(), |at: usize| packed[at].clone());
        assert_eq!(inner, [(packed(0), parcel(0))]);
        assert_eq!(left, [(packed(0), Some(parcel(0)), 1), (packed(1), Some(parcel(1)), 2), (packed(2), None, 3)]);
        assert_eq!(on, [(None, parcel(2)), (Some(packed(1)), parcel(1)), (Some(packed(0)), parcel(0))]);
    });
}

#[test]
fn what_diesel_inserts_and_updates_the_repository_reads() {
    on_postgres(async |db| {
        let (stored, _) = store(&db).await;
        let repo = db.sessions.repository::<ParcelRow>();
        let work = db.sessions.transaction(WORK, async |session| {
            let mut conn = session.postgres().await?;
            let updated: Vec<ParcelRow> = diesel::update(parcels::table.filter(parcels::id.eq(stored[1].id)))
                .set((
                    parcels::state.eq(State::OnTheWay),
                    parcels::former.eq(None::<State>),
                    parcels::size.eq(Size::Small),
                    parcels::cents.eq(parcels::cents * 2),
                    parcels::version.eq(parcels::version + 1),
                ))
                .returning(ParcelRow::as_returning())
                .get_results(&mut *conn)
                .await
                .unwrap();
            diesel::insert_into(crates::table)
                .values((
                    crates::yard.eq(8),
                    crates::position.eq(1),
                    crates::parcel_id.eq(stored[2].id),
                    crates::from_street.eq("Quay"),
                    crates::from_number.eq(9),
                    crates::due.eq(crate_row(1, None).due),
                    crates::version.eq(1),
                ))
                .execute(&mut *conn)
                .await
                .unwrap();
            drop(conn);
            Ok::<_, Error>((updated, repo.get(stored[1].id).await?))
        });
        let (updated, read) = work.await.unwrap();
        let wanted =
            ParcelRow { state: State::OnTheWay, size: Some(Size::Small), cents: 400, version: 2, ..stored[1].clone() };
        assert_eq!((updated.as_slice(), &read), (std::slice::from_ref(&wanted), &wanted));
        let inserted = db.sessions.repository::<CrateRow>().get((8, 1)).await.unwrap();
        let from = Place { street: "Quay".into(), number: 9 };
        let wanted = CrateRow { yard: 8, parcel_id: Some(stored[2].id), from, ..crate_row(1, None) };
        assert_eq!(inserted, wanted);
    });
}

#[test]
fn a_value_that_does_not_fit_names_its_table_and_column() {
    on_postgres(async |db| {
        store(&db).await;
        Database::execute(&db, "UPDATE parcels SET size = 'huge'").await;
        let work = db.sessions.transaction(WORK, async |session| {
            let mut conn = session.postgres().await?;
            let read = parcels::table.select(ParcelRow::as_select()).first(&mut *conn).await;
            Ok::<_, Error>(read.unwrap_err().to_string())
        });
        let error = work.await.unwrap();
        assert_eq!(error, "read column `size` of `parcels`: the value is none of `Size`");
    });
}

#[test]
fn sqlite_selects_whole_rows_too() {
    use diesel::RunQueryDsl;

    run(Backend::Sqlite, async |db: Database| {
        let (stored, packed) = store(&db).await;
        let work = db.sessions.transaction(WORK, async |session| {
            let rows = session.sqlite(|conn| {
                let wanted = parcels::table.filter(parcels::state.eq(State::OnTheWay)).order(parcels::cents);
                let rows: Vec<ParcelRow> = RunQueryDsl::load(wanted.select(ParcelRow::as_select()), conn)?;
                let crates = crates::table.order(crates::position).select(CrateRow::as_select());
                Ok((rows, RunQueryDsl::load::<CrateRow>(crates, conn)?))
            });
            rows.await
        });
        let (rows, crates) = work.await.unwrap();
        assert_eq!(rows, [stored[0].clone(), stored[2].clone()]);
        assert_eq!(crates, packed);
    });
}

mod inner {
    #![deny(missing_docs, warnings)]

    #[derive(Debug, Clone, spakky::Table)]
    #[table(name = "lines", schema = "shop", diesel, crate = spakky)]
    pub(in super::super) struct LineRow {
        #[table(id)]
        pub(in super::super) id: i64,
        #[table(flatten(prefix = "at_"))]
        pub(in super::super) at: Point,
        pub(in super::super) r#type: String,
    }

    #[derive(Debug, Clone, spakky::Table)]
    #[table(embedded, crate = spakky)]
    pub(in super::super) struct Point {
        pub(in super::super) x: i32,
    }
}

#[test]
fn a_table_may_be_in_a_schema_or_a_function_and_as_private_as_its_row() {
    use diesel::debug_query;
    use diesel::pg::Pg;

    #[derive(Debug, Clone, Table)]
    #[table(name = "locals", diesel)]
    struct LocalRow {
        #[table(id)]
        id: i64,
        a: i32,
        b: Option<String>,
    }

    let query = inner::lines::table.find(1).select(inner::LineRow::as_select());
    let lines = r#""shop"."lines""#;
    let wanted = format!(
        r#"SELECT {lines}."id", {lines}."at_x", {lines}."type" FROM {lines} WHERE ({lines}."id" = $1) -- binds: [1]"#
    );
    assert_eq!(debug_query::<Pg, _>(&query).to_string(), wanted);
    let query = locals::table.group_by((locals::a, locals::b)).select((locals::b, diesel::dsl::count_star()));
    let wanted = r#"SELECT "locals"."b", COUNT(*) FROM "locals" GROUP BY "locals"."a", "locals"."b" -- binds: []"#;
    assert_eq!(debug_query::<Pg, _>(&query).to_string(), wanted);
    let delete = diesel::delete(locals::table.filter(locals::dsl::a.lt(3))).into_boxed();
    let wanted = r#"DELETE FROM "locals" WHERE ("locals"."a" < $1) -- binds: [3]"#;
    assert_eq!(debug_query::<Pg, _>(&delete).to_string(), wanted);

    let row = LocalRow { id: 1, a: 2, b: None };
    assert_eq!((row.id, row.a, row.b), (1, 2, None));
    let _ = |row: inner::LineRow| (row.id, row.at.x, row.r#type);
}
