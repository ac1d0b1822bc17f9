//! What a value is when it comes back, and when it is no change.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use spakky::Error;
use spakky::prelude::*;

use super::{Store, on_each_store};

on_each_store![
    no_document_is_null,
    a_document_that_was_null_is_read_and_found_as_none,
    a_set_in_a_document_has_no_order,
    a_list_in_a_document_has_an_order,
    zero_with_a_sign_is_no_change_where_it_is_lost,
    a_catch_all_variant_cannot_pass_for_another,
    the_last_version_is_an_error,
    the_last_version_of_a_child_is_an_error,
];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Doc {
    tags: HashSet<String>,
    names: Vec<String>,
}

type Aliased = Option<Doc>;

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "papers")]
#[mappable(domain = Self)]
struct Paper {
    #[table(id)]
    id: i64,
    #[table(json)]
    doc: Option<Doc>,
    #[table(json)]
    aliased: Aliased,
    #[table(json)]
    sets: HashMap<String, HashSet<i64>>,
    wrapped: Json<HashSet<String>>,
    optional: Option<Json<BTreeMap<i64, HashSet<i64>>>>,
    weight: f64,
    weights: Vec<f64>,
    small: Option<f32>,
    #[table(version)]
    version: i64,
}

fn set(of: impl IntoIterator<Item = i64>) -> HashSet<String> {
    of.into_iter().map(|n| n.to_string()).collect()
}

fn doc() -> Doc {
    Doc { tags: set(0..10), names: vec!["b".into(), "a".into()] }
}

fn paper(id: i64) -> Paper {
    Paper {
        id,
        doc: None,
        aliased: None,
        sets: HashMap::new(),
        wrapped: Json(HashSet::new()),
        optional: None,
        weight: 1.0,
        weights: Vec::new(),
        small: None,
        version: 0,
    }
}

async fn papers(store: &Store) -> Repository<Paper> {
    store.sessions.create_tables(&schema![Paper]).await.unwrap();
    store.of()
}

async fn save(store: &Store, papers: &Repository<Paper>, change: impl Fn(&mut Paper)) -> i64 {
    let saved = store.work(async |_| {
        let mut paper = papers.get(1).await?;
        change(&mut paper);
        papers.save(&mut paper)
    });
    saved.await.unwrap();
    papers.get(1).await.unwrap().version
}

async fn no_document_is_null(store: Store) {
    let papers = papers(&store).await;
    let full = Paper { doc: Some(doc()), aliased: Some(doc()), ..paper(2) };
    papers.autocommit().add_all_now(&mut [paper(1), full.clone()]).await.unwrap();
    let c = Paper::COLUMNS;
    for condition in [c.doc.is_null(), c.doc.eq(None::<Json<Doc>>), c.aliased.is_null()] {
        let found = papers.filter(condition).all().await.unwrap();
        assert_eq!(found, [Paper { version: 1, ..paper(1) }]);
    }
    assert_eq!(papers.filter(c.doc.is_not_null()).one().await.unwrap(), Paper { version: 1, ..full });
    assert_eq!(save(&store, &papers, |paper| paper.doc = None).await, 1);
    assert_eq!(save(&store, &papers, |paper| paper.doc = Some(doc())).await, 2);
    assert_eq!(papers.get(1).await.unwrap().doc, Some(doc()));
    papers.autocommit().filter(c.id.eq(1)).update([c.doc.set(None::<Json<Doc>>)]).await.unwrap();
    assert_eq!(papers.get(1).await.unwrap().doc, None);
}

/// As an earlier version of the program, or another one, may have stored it.
async fn a_document_that_was_null_is_read_and_found_as_none(store: Store) {
    #[derive(Debug, Clone, Table, Mappable)]
    #[table(name = "notes")]
    #[mappable(domain = Self)]
    struct Plain {
        #[table(id)]
        id: i64,
        doc: Option<serde_json::Value>,
    }
    #[derive(Debug, Clone, Table, Mappable)]
    #[table(name = "notes")]
    #[mappable(domain = Self)]
    struct Typed {
        #[table(id)]
        id: i64,
        #[table(json)]
        doc: Option<Doc>,
    }
    store.sessions.create_tables(&schema![Plain]).await.unwrap();
    let mut rows = [Plain { id: 1, doc: Some(serde_json::Value::Null) }, Plain { id: 2, doc: None }];
    store.of::<Plain>().autocommit().add_all_now(&mut rows).await.unwrap();
    let all = store.of::<Typed>().query().all().await.unwrap();
    assert!(all.len() == 2 && all.iter().all(|row| row.doc.is_none()));
}

async fn a_set_in_a_document_has_no_order(store: Store) {
    let papers = papers(&store).await;
    let numbers = || (0..10).collect::<HashSet<i64>>();
    let mut first = Paper {
        doc: Some(doc()),
        sets: [("a".to_owned(), numbers()), ("b".to_owned(), numbers())].into(),
        wrapped: Json(set(0..10)),
        optional: Some(Json([(1, numbers())].into())),
        ..paper(1)
    };
    papers.autocommit().add_now(&mut first).await.unwrap();
    for _ in 0..5 {
        assert_eq!(save(&store, &papers, |_| {}).await, 1);
    }
    assert_eq!(
        save(&store, &papers, |paper| {
            paper.wrapped.0.insert("11".into());
        })
        .await,
        2
    );
    assert_eq!(
        save(&store, &papers, |paper| {
            paper.sets.get_mut("a").unwrap().remove(&3);
        })
        .await,
        3
    );
    let stored = papers.get(1).await.unwrap();
    assert_eq!((stored.wrapped.0.len(), stored.sets["a"].len(), stored.sets["b"].len()), (11, 9, 10));
}

async fn a_list_in_a_document_has_an_order(store: Store) {
    let papers = papers(&store).await;
    papers.autocommit().add_now(&mut Paper { doc: Some(doc()), ..paper(1) }).await.unwrap();
    let names = || vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(save(&store, &papers, |paper| paper.doc.as_mut().unwrap().names = names()).await, 2);
    assert_eq!(papers.get(1).await.unwrap().doc.unwrap().names, names());
}

async fn zero_with_a_sign_is_no_change_where_it_is_lost(store: Store) {
    let papers = papers(&store).await;
    let zeros = |paper: &mut Paper| {
        (paper.weight, paper.weights, paper.small) = (-0.0, vec![-0.0, 0.0], Some(-0.0));
    };
    let mut first = paper(1);
    zeros(&mut first);
    papers.autocommit().add_now(&mut first).await.unwrap();
    for _ in 0..3 {
        assert_eq!(save(&store, &papers, zeros).await, 1);
    }
    let stored = papers.get(1).await.unwrap();
    assert_eq!((stored.weight, stored.weights, stored.small), (0.0, vec![0.0, 0.0], Some(0.0)));
}

#[derive(Debug, Clone, PartialEq, ColumnValue)]
enum Mood {
    Good,
    SoSo,
    #[column(other)]
    Other(String),
}

#[derive(Debug, Clone, PartialEq, ColumnValue)]
#[column(repr = i16)]
enum Grade {
    #[column(value = 1)]
    Pass,
    #[column(other)]
    Other(i16),
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "pupils")]
#[mappable(domain = Self)]
struct Pupil {
    #[table(id)]
    id: i64,
    mood: Mood,
    moods: Vec<Mood>,
    grade: Option<Grade>,
}

async fn a_catch_all_variant_cannot_pass_for_another(store: Store) {
    store.sessions.create_tables(&schema![Pupil]).await.unwrap();
    let pupils = store.of::<Pupil>();
    let good = Pupil { id: 1, mood: Mood::Other("wild".into()), moods: vec![Mood::Good], grade: Some(Grade::Other(2)) };
    pupils.autocommit().add_now(&mut good.clone()).await.unwrap();
    assert_eq!(pupils.get(1).await.unwrap(), good);
    let of = |ty: &str| {
        format!(
            "the catch-all variant of `{ty}` holds what another variant is stored as, and would be read back as that one; \
             use that variant"
        )
    };
    for (mut bad, column, ty) in [
        (Pupil { mood: Mood::Other("good".into()), ..good.clone() }, "mood", "Mood"),
        (Pupil { moods: vec![Mood::Other("so_so".into())], ..good.clone() }, "moods", "Mood"),
        (Pupil { grade: Some(Grade::Other(1)), ..good.clone() }, "grade", "Grade"),
    ] {
        let error = store.work(async |_| pupils.upsert(&mut bad)).await.unwrap_err();
        assert!(error.is_mapping());
        assert_eq!(error.to_string(), format!("store column `{column}` of `pupils`: {}", of(ty)));
    }
    let error = pupils.filter(Pupil::COLUMNS.mood.eq(Mood::Other("good".into()))).all().await.unwrap_err();
    assert!(error.to_string().ends_with(&of("Mood")), "{error}");
    assert_eq!(pupils.get(1).await.unwrap(), good);
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "boxes")]
#[mappable(domain = Self)]
struct Crate {
    #[table(id)]
    id: i64,
    weight: i64,
    #[table(has_many(by = crate_id))]
    things: Vec<Thing>,
    #[table(version)]
    version: i64,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "things")]
#[mappable(domain = Self)]
struct Thing {
    #[table(id)]
    id: i64,
    #[table(references(Crate))]
    crate_id: i64,
    weight: i64,
    #[table(version)]
    version: i64,
}

/// The same tables, their versions as plain numbers.
#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "boxes")]
#[mappable(domain = Self)]
struct PlainCrate {
    #[table(id)]
    id: i64,
    version: i64,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "things")]
#[mappable(domain = Self)]
struct PlainThing {
    #[table(id)]
    id: i64,
    version: i64,
}

const LAST: &str = "the row is at the last version that there is; set it back by plain SQL";

/// A box with one thing, as it comes back.
async fn filled(store: &Store) -> Repository<Crate> {
    store.sessions.create_tables(&schema![Crate, Thing]).await.unwrap();
    let crates = store.of::<Crate>();
    let things = vec![Thing { id: 1, crate_id: 1, weight: 1, version: 0 }];
    crates.autocommit().add_now(&mut Crate { id: 1, weight: 1, things, version: 0 }).await.unwrap();
    crates
}

async fn refused(store: &Store, write: impl AsyncFnOnce() -> Result<(), Error>) -> String {
    let error = store.work(async |_| write().await).await.unwrap_err();
    assert!(error.is_mapping(), "{error:?}");
    error.to_string()
}

async fn the_last_version_is_an_error(store: Store) {
    let crates = filled(&store).await;
    let plain = PlainCrate::COLUMNS;
    let last = store.of::<PlainCrate>().autocommit();
    last.filter(plain.id.eq(1)).update([plain.version.set(i64::MAX)]).await.unwrap();
    let expected = format!("store column `version` of `boxes`: {LAST}");
    let changed = async || {
        let mut one = crates.get(1).await?;
        one.weight += 1;
        crates.save(&mut one)
    };
    assert_eq!(refused(&store, changed).await, expected);
    let of_a_child = async || {
        let mut one = crates.get(1).await?;
        one.things.clear();
        crates.save(&mut one)
    };
    assert_eq!(refused(&store, of_a_child).await, expected);
    let c = Crate::COLUMNS;
    let by_condition = async || crates.filter(c.id.eq(1)).update([c.weight.set(9)]).await.map(drop);
    assert!(!refused(&store, by_condition).await.is_empty());
    let stored = crates.get(1).await.unwrap();
    assert_eq!((stored.version, stored.weight, stored.things.len()), (i64::MAX, 1, 1));
    // It can go.
    store.work(async |_| crates.delete(&mut crates.get(1).await?)).await.unwrap();
    assert!(crates.find(1).await.unwrap().is_none());
}

async fn the_last_version_of_a_child_is_an_error(store: Store) {
    let crates = filled(&store).await;
    let plain = PlainThing::COLUMNS;
    let last = store.of::<PlainThing>().autocommit();
    last.filter(plain.id.eq(1)).update([plain.version.set(i64::MAX)]).await.unwrap();
    let changed = async || {
        let mut one = crates.get(1).await?;
        one.things[0].weight += 1;
        crates.save(&mut one)
    };
    assert_eq!(refused(&store, changed).await, format!("store column `version` of `things`: {LAST}"));
    assert_eq!(crates.get(1).await.unwrap().things[0].weight, 1);
}
