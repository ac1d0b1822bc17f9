//! What a domain type says nothing of stays, wherever in an aggregate it is: inside a JSON column, too.

use serde::{Deserialize, Serialize};
use spakky::Backend;
use spakky::prelude::*;

use crate::support::{Database, on_each_backend};

on_each_backend![what_is_not_mapped_inside_a_json_column_stays, a_row_that_takes_the_place_of_another_starts_anew,];

#[derive(Debug, Clone, PartialEq)]
struct Plan {
    id: i64,
    place: Place,
    steps: Vec<Step>,
    end: Option<Step>,
}

#[derive(Debug, Clone, PartialEq)]
struct Step {
    id: i64,
    place: Place,
}

#[derive(Debug, Clone, PartialEq)]
struct Place {
    city: String,
}

/// The domain type does not know where on the map it is.
#[derive(Debug, Clone, Serialize, Deserialize, Table, Mappable)]
#[table(embedded)]
#[mappable(domain = Place)]
struct PlaceRow {
    city: String,
    #[mappable(row_only = 7)]
    sheet: i32,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "plans")]
#[mappable(domain = Plan)]
struct PlanRow {
    #[table(id)]
    id: i64,
    #[table(json)]
    #[mappable(nested)]
    place: PlaceRow,
    #[table(has_many(by = plan_id))]
    steps: Vec<StepRow>,
    #[table(has_one(by = plan_id))]
    end: Option<EndRow>,
    #[table(version)]
    version: i64,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "plan_steps")]
#[mappable(domain = Step, primary)]
struct StepRow {
    #[table(id)]
    id: i64,
    #[table(references(PlanRow))]
    #[mappable(parent)]
    plan_id: i64,
    #[table(json)]
    #[mappable(nested)]
    place: PlaceRow,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "plan_ends")]
#[mappable(domain = Step)]
struct EndRow {
    #[table(id)]
    id: i64,
    #[table(references(PlanRow))]
    #[mappable(parent)]
    plan_id: i64,
    #[table(json)]
    #[mappable(nested)]
    place: PlaceRow,
}

fn place(city: &str) -> Place {
    Place { city: city.into() }
}

fn step(id: i64, city: &str) -> Step {
    Step { id, place: place(city) }
}

/// A plan whose places are on the sheets 1, 2, 3 and 4.
async fn prepare(db: &Database) -> Repository<PlanRow> {
    db.observer().create_tables(&schema![PlanRow, StepRow, EndRow]).await.unwrap();
    let plans = db.sessions.repository::<PlanRow>();
    let steps = vec![step(1, "Bern"), step(2, "Rome")];
    let mut plan = Plan { id: 1, place: place("Oslo"), steps, end: Some(step(9, "Kiel")) };
    plans.autocommit().add_now(&mut plan).await.unwrap();
    for (sheet, of) in [(1, "plans WHERE id = 1"), (2, "plan_steps WHERE id = 1"), (3, "plan_steps WHERE id = 2")]
        .into_iter()
        .chain([(4, "plan_ends WHERE id = 9")])
    {
        let (table, which) = of.split_once(' ').unwrap();
        let text = if db.backend() == Backend::Postgres {
            format!("UPDATE {table} SET place = jsonb_set(place, '{{sheet}}', '{sheet}') {which}")
        } else {
            format!("UPDATE {table} SET place = json_set(place, '$.sheet', {sheet}) {which}")
        };
        db.observer().sql(&text).execute().await.unwrap();
    }
    db.sent();
    plans
}

/// City and sheet of each place.
async fn places(db: &Database) -> Vec<String> {
    let mut found = Vec::new();
    for table in ["plans", "plan_steps", "plan_ends"] {
        let text = format!("SELECT place FROM {table} ORDER BY id");
        let rows = db.observer().sql(&text).fetch_all::<(Json<PlaceRow>,)>().await.unwrap();
        found.extend(rows.into_iter().map(|(place,)| format!("{} {}", place.0.city, place.0.sheet)));
    }
    found
}

async fn what_is_not_mapped_inside_a_json_column_stays(db: Database) {
    let plans = prepare(&db).await;
    let tx = db.sessions.begin();
    let here = plans.in_session(tx.session());
    let mut plan = here.get(1).await.unwrap();
    db.sent();
    here.save_now(&mut plan).await.unwrap();
    assert_eq!(db.sent(), Vec::<String>::new());
    plan.place = place("Riga");
    plan.steps[1].place = place("Lyon");
    plan.end.as_mut().unwrap().place = place("Graz");
    here.save(&mut plan).unwrap();
    tx.commit().await.unwrap();
    assert_eq!(places(&db).await, ["Riga 1", "Bern 2", "Lyon 3", "Graz 4"]);
}

async fn a_row_that_takes_the_place_of_another_starts_anew(db: Database) {
    let plans = prepare(&db).await;
    let tx = db.sessions.begin();
    let here = plans.in_session(tx.session());
    let mut plan = here.get(1).await.unwrap();
    plan.steps = vec![step(2, "Rome"), step(3, "Nice")];
    plan.end = Some(step(10, "Kiel"));
    here.save(&mut plan).unwrap();
    tx.commit().await.unwrap();
    assert_eq!(places(&db).await, ["Oslo 1", "Rome 3", "Nice 7", "Kiel 7"]);
}
