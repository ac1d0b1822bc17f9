//! The proof of the unit of work: random histories give what a simple model says, in memory, on SQLite and on PostgreSQL.
//!
//! A history is a list of transactions on aggregates of three levels (`rows`), made of calls of the repositories, nested
//! scopes that end or are undone, and values that are kept in hand (`step`). The [model](store) is a map of rows for each
//! table and knows nothing of how a session works: what was saved last is stored, and what was undone is not. After every
//! commit the rows with all their columns, the versions, who made and wrote them, and what listeners heard are compared
//! with it, and everything that is read on the way (`world`). No error is expected, but those that the guide names, in
//! the few histories that dare to meet them.
//!
//! A difference is made as small as it gets, and printed as a program of a line for each step.
//!
//! The environment says what is tried: `SPAKKY_FAULTS_SEED`, `SPAKKY_FAULTS_CASES` (histories of each kind of rows on each
//! backend), `SPAKKY_FAULTS_ON` (of `memory`, `sqlite`, `postgres`), `SPAKKY_FAULTS_ROWS` (kinds of rows) and
//! `SPAKKY_FAULTS_SHRINK` (how many tries to make a difference smaller; with none, the first difference ends it).
//!
//! Rows that are found by a unique key have a smaller model of their own (`keyed`).
//!
//! What is not tried: aggregates of which some levels can be soft-deleted and others not.

mod keyed;
mod rows;
mod step;
mod store;
mod world;

use std::cell::RefCell;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use spakky::SessionManager;
use spakky::config::DatabaseConfig;
use spakky::testing::TestDatabase;

use self::keyed::Keyed;
use self::rows::Variant;
use self::step::history;
use self::world::{Figures, World};

/// Where histories run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    Memory,
    Sqlite,
    Postgres,
}

impl On {
    fn named(name: &str) -> Self {
        match name {
            "memory" => On::Memory,
            "sqlite" => On::Sqlite,
            "postgres" => On::Postgres,
            other => panic!("`SPAKKY_FAULTS_ON` names `{other}`; it takes `memory`, `sqlite` and `postgres`"),
        }
    }

    /// How many histories of each kind of rows are tried if nobody says.
    fn cases(self) -> u32 {
        match self {
            On::Memory => 100,
            On::Sqlite => 15,
            On::Postgres => 10,
        }
    }
}

async fn connect(on: On) -> (SessionManager, Option<TestDatabase>) {
    let home = match on {
        On::Memory => None,
        On::Sqlite => Some(TestDatabase::sqlite().unwrap()),
        On::Postgres => Some(TestDatabase::postgres().await.unwrap()),
    };
    let url = home.as_ref().map_or("memory:", TestDatabase::url);
    let patience = Duration::from_secs(120);
    let config = DatabaseConfig::new(url).pool_size(3).pool_timeout(patience).lock_timeout(patience);
    (SessionManager::from_config(config).await.unwrap(), home)
}

/// Each kind of rows has histories of its own, the same on every backend.
fn runner(kind: &str, seed: u64, cases: u32) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..].iter_mut().zip(kind.bytes()).for_each(|(byte, letter)| *byte = letter);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let max_shrink_iters = given(SHRINK).unwrap_or(4000);
    let config = Config { cases, max_shrink_iters, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, rng)
}

/// The same as [`search`] for rows that are found by a unique key.
fn search_keyed<K: Keyed>(on: On, seed: u64, cases: u32) -> (Figures, Option<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (world, home) = runtime.block_on(async {
        let (sessions, home) = connect(on).await;
        sessions.create_tables(&K::schema()).await.unwrap();
        (RefCell::new(keyed::World::<K>::new(sessions)), home)
    });
    let answer = runner(K::NAME, seed, cases).run(&keyed::history(), |history| {
        runtime.block_on(world.borrow_mut().run(&history)).map_err(TestCaseError::fail)
    });
    let mut world = world.into_inner();
    let failure = answer.err().map(|error| match error {
        TestError::Fail(how, history) => {
            let again = runtime.block_on(world.run(&history)).err().unwrap_or_else(|| how.to_string());
            format!("{} on {on:?}, seed {seed}:\n{}\n=> {again}\n", K::NAME, world.trace.join("\n"))
        }
        TestError::Abort(why) => format!("{} on {on:?}, seed {seed}: {why}", K::NAME),
    });
    let figures = Figures { histories: cases.into(), transactions: world.transactions, ..Figures::default() };
    drop(world);
    runtime.shutdown_timeout(Duration::from_secs(60));
    drop(home);
    (figures, failure)
}

/// Runs histories of one kind of rows in one database. The answer is what was run, and the first history that differs,
/// made as small as it gets.
fn search<V: Variant>(on: On, seed: u64, cases: u32) -> (Figures, Option<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (world, home) = runtime.block_on(async {
        let (sessions, home) = connect(on).await;
        sessions.create_tables(&V::schema()).await.unwrap();
        (RefCell::new(World::<V>::new(sessions)), home)
    });
    let answer = runner(V::TRAITS.name, seed, cases)
        .run(&history(), |history| runtime.block_on(world.borrow_mut().run(&history)).map_err(TestCaseError::fail));
    let mut world = world.into_inner();
    let place = format!("{} on {on:?}, seed {seed}", V::TRAITS.name);
    let failure = match answer {
        Ok(()) => None,
        Err(TestError::Fail(_, history)) => {
            let how = runtime.block_on(world.run(&history)).err();
            let how = how.unwrap_or_else(|| "it does not differ when it is run again".to_owned());
            Some(format!("{place}:\n{}\n=> {how}\n", world.trace.join("\n"), how = world.short(&how)))
        }
        Err(TestError::Abort(why)) => Some(format!("{place}: {why}")),
    };
    let figures = world.figures;
    drop(world);
    runtime.shutdown_timeout(Duration::from_secs(60));
    drop(home);
    (figures, failure)
}

type Search = fn(On, u64, u32) -> (Figures, Option<String>);

const VARIANTS: [(&str, Search); 11] = [
    ("plain", search::<rows::plain::It>),
    ("versioned", search::<rows::versioned::It>),
    ("revised", search::<rows::revised::It>),
    ("numbered", search::<rows::numbered::It>),
    ("soft", search::<rows::soft::It>),
    ("soft_plain", search::<rows::soft_plain::It>),
    ("drawn", search::<rows::drawn::It>),
    ("drawn_kids", search::<rows::drawn_kids::It>),
    ("items", search_keyed::<keyed::items::It>),
    ("versioned_items", search_keyed::<keyed::versioned_items::It>),
    ("drawn_items", search_keyed::<keyed::drawn_items::It>),
];

const SHRINK: &str = "SPAKKY_FAULTS_SHRINK";

fn given<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("`{name}` is `{text}`")))
}

/// Runs everything that the environment asks for, two at a time.
pub(crate) fn try_histories() {
    let seed: u64 = given("SPAKKY_FAULTS_SEED").unwrap_or(3);
    let cases: Option<u32> = given("SPAKKY_FAULTS_CASES");
    let places = given("SPAKKY_FAULTS_ON").unwrap_or_else(|| "memory,sqlite,postgres".to_owned());
    let places: Vec<On> = places.split(',').map(On::named).collect();
    let only: Option<String> = given("SPAKKY_FAULTS_ROWS");
    let searches = places.iter().flat_map(|&on| VARIANTS.map(|(name, search)| (on, name, search)));
    let searches =
        searches.filter(|(_, name, _)| only.as_ref().is_none_or(|only| only.split(',').any(|one| one == *name)));
    let left = Mutex::new(searches.collect::<Vec<_>>());
    let (total, failures) = (Mutex::new(Figures::default()), Mutex::new(Vec::new()));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some((on, name, search)) = left.lock().unwrap().pop() else { break };
                    let begun = Instant::now();
                    let (figures, failure) = search(on, seed, cases.unwrap_or(on.cases()));
                    println!("{name} on {on:?}: {figures} in {:.1?}", begun.elapsed());
                    total.lock().unwrap().add(&figures);
                    if failure.is_some() && given::<u32>(SHRINK) == Some(0) {
                        left.lock().unwrap().clear();
                    }
                    failures.lock().unwrap().extend(failure);
                }
            });
        }
    });
    println!("seed {seed}: {} in {:.1?}", total.lock().unwrap(), start.elapsed());
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn random_histories() {
    try_histories();
}
