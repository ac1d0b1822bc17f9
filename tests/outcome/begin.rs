//! A BEGIN that fails, in the same burst as what stands behind it: nothing of that may run outside of a transaction.
//!
//! `SPAKKY_FAULTS_CASES` says how many units are stored in each way to fail, where it is more than otherwise.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use spakky::config::DatabaseConfig;
use spakky::prelude::*;
use spakky::{Error, Propagation, SessionManager};
use tokio::sync::watch;

use crate::support::{Database, eventually, on_pgbouncer, on_postgres, on_sqlite};

on_postgres![
    a_begin_that_is_cancelled_leaves_nothing,
    a_begin_whose_connection_is_ended_leaves_nothing,
    a_begin_that_takes_too_long_leaves_nothing,
    a_begin_with_a_setting_that_the_encoding_cannot_hold_leaves_nothing,
    a_unit_that_is_given_up_leaves_all_or_nothing,
];

on_sqlite![a_begin_that_waits_too_long_for_the_lock_leaves_nothing];

on_pgbouncer![a_begin_with_a_setting_that_the_encoding_cannot_hold_leaves_nothing];

const WRITERS: usize = 16;
const NESTED: TransactionOptions = TransactionOptions::new().name("nested").propagation(Propagation::Nested);
/// How many units they store, at least.
const FEW: usize = WRITERS * 60;

/// A half of a unit, which stores two.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "halves")]
#[mappable(domain = Self)]
struct Half {
    #[table(id)]
    id: i64,
    unit: i64,
}

/// What the writers were told of each unit.
#[derive(Debug, Default)]
struct Told {
    done: Vec<i64>,
    failed: Vec<i64>,
    unknown: Vec<i64>,
}

/// How many units they store.
fn total() -> usize {
    let told = std::env::var("SPAKKY_FAULTS_CASES").ok().map(|cases| cases.parse().unwrap());
    told.unwrap_or(FEW).max(FEW)
}

async fn with_halves(database: &Database) -> SessionManager {
    database.observer().create_tables(&schema![Half]).await.unwrap();
    database.connect(|config| config.pool_size(WRITERS)).await
}

/// Stores both halves of a unit: as queued writes of one burst, as a write and a query behind it, or as a write and what a nested
/// scope sends behind it.
async fn store(sessions: &SessionManager, unit: i64) -> Result<(), Error> {
    let halves = sessions.repository::<Half>();
    let work = async |_: Session| {
        halves.add(&mut Half { id: 2 * unit, unit })?;
        let mut other = Half { id: 2 * unit + 1, unit };
        match unit % 3 {
            0 => {}
            1 => _ = halves.filter(Half::COLUMNS.unit.eq(unit)).count().await?,
            _ => return sessions.transaction(NESTED, async |_| halves.add_now(&mut other).await).await,
        }
        halves.add(&mut other)
    };
    sessions.transaction(TransactionOptions::new().name("store"), work).await
}

impl Told {
    fn units(&self) -> usize {
        self.done.len() + self.failed.len() + self.unknown.len()
    }
}

/// What came of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Done,
    Failed,
    Unknown,
}

impl End {
    fn of(result: &Result<(), Error>) -> Self {
        match result {
            Ok(()) => End::Done,
            Err(error) if error.is_outcome_unknown() => End::Unknown,
            Err(_) => End::Failed,
        }
    }
}

/// Has all writers store units while `trouble` goes on, which sees what they are told, and looks at what is stored.
async fn write_during<T: Future<Output = ()> + Send>(
    database: &Database,
    sessions: &SessionManager,
    trouble: impl Fn(watch::Receiver<Told>) -> T,
) -> Told {
    write_by(database.observer(), sessions, |sessions, unit| store_and_tell(sessions, unit).boxed(), trouble).await
}

async fn store_and_tell(sessions: SessionManager, unit: i64) -> End {
    End::of(&store(&sessions, unit).await)
}

/// The same, each unit in its own way.
async fn write_by<T: Future<Output = ()> + Send>(
    observer: &SessionManager,
    sessions: &SessionManager,
    store: fn(SessionManager, i64) -> BoxFuture<'static, End>,
    trouble: impl Fn(watch::Receiver<Told>) -> T,
) -> Told {
    let told = watch::Sender::new(Told::default());
    let next = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (sessions, told, next) = (sessions.clone(), told.clone(), next.clone());
            tokio::spawn(async move {
                loop {
                    let unit = next.fetch_add(1, Ordering::SeqCst);
                    if unit >= total() {
                        break;
                    }
                    let unit = i64::try_from(unit).unwrap();
                    let end = store(sessions.clone(), unit).await;
                    told.send_modify(|told| match end {
                        End::Done => told.done.push(unit),
                        End::Failed => told.failed.push(unit),
                        End::Unknown => told.unknown.push(unit),
                    });
                }
            })
        })
        .collect();
    let seen = told.subscribe();
    let written = async {
        for writer in writers {
            writer.await.unwrap();
        }
    };
    tokio::join!(written, trouble(seen));
    let told = told.send_replace(Told::default());
    assert_eq!(told.units(), total());
    println!("of {} units {} failed, {} are unknown", total(), told.failed.len(), told.unknown.len());
    // Those that were given up are brought to their end by others.
    eventually("all are over", Duration::from_secs(60), async || sessions.status().in_use == 0).await;
    check(observer, &told).await;
    told
}

/// What was done is stored whole, what failed not at all, and no half stands alone.
async fn check(observer: &SessionManager, told: &Told) {
    let sql = "SELECT unit, count(*) FROM halves GROUP BY unit";
    let halves: HashMap<i64, i64> = observer.sql(sql).fetch_all().await.unwrap().into_iter().collect();
    let halves_of = |unit: &i64| halves.get(unit).copied().unwrap_or(0);
    for unit in &told.done {
        assert_eq!(halves_of(unit), 2, "unit {unit} was said to be stored");
    }
    for unit in &told.failed {
        assert_eq!(halves_of(unit), 0, "unit {unit} was said to have failed");
    }
    for unit in &told.unknown {
        assert_ne!(halves_of(unit), 1, "unit {unit} is stored by half");
    }
}

/// Does something to every other connection of the database that is at work, again and again, each time that so many units have come
/// to an end.
async fn to_all(database: &Database, function: &str, units: usize, mut told: watch::Receiver<Told>) {
    let sql = format!(
        "SELECT count({function}(pid)) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' \
         AND pid <> pg_backend_pid()"
    );
    let mut ended = 0;
    while ended < total() {
        database.numbers(&sql).await;
        let enough = (ended + units).min(total());
        ended = told.wait_for(|told| told.units() >= enough).await.map_or(total(), |told| told.units());
    }
}

async fn a_begin_that_is_cancelled_leaves_nothing(database: Database) {
    let sessions = with_halves(&database).await;
    let told = write_during(&database, &sessions, |told| to_all(&database, "pg_cancel_backend", 0, told)).await;
    assert!(told.unknown.is_empty(), "the server has told the outcome of each: {:?}", told.unknown);
    assert!(!told.failed.is_empty(), "none was cancelled");
}

async fn a_begin_whose_connection_is_ended_leaves_nothing(database: Database) {
    let sessions = with_halves(&database).await;
    let told = write_during(&database, &sessions, |told| to_all(&database, "pg_terminate_backend", 8, told)).await;
    assert!(told.units() > told.done.len(), "none was ended");
}

async fn a_begin_that_takes_too_long_leaves_nothing(database: Database) {
    database.observer().create_tables(&schema![Half]).await.unwrap();
    // What is asked while a connection is opened is bound by it, too.
    let config = || {
        let limited = database.config().statement_timeout(Duration::from_millis(2));
        limited.pool_size(WRITERS)
    };
    let sessions = loop {
        match SessionManager::from_config(config()).await {
            Ok(sessions) => break sessions,
            Err(error) => assert!(error.is_timeout(), "{error}"),
        }
    };
    let told = write_during(&database, &sessions, |_| async {}).await;
    assert!(told.unknown.is_empty(), "the server has told the outcome of each: {:?}", told.unknown);
}

async fn a_begin_that_waits_too_long_for_the_lock_leaves_nothing(database: Database) {
    database.observer().create_tables(&schema![Half]).await.unwrap();
    let impatient = |config: DatabaseConfig| config.pool_size(WRITERS).lock_timeout(Duration::from_millis(2));
    let sessions = database.connect(impatient).await;
    let told = write_during(&database, &sessions, |_| async {}).await;
    assert!(told.unknown.is_empty(), "the database has told the outcome of each: {:?}", told.unknown);
    assert!(!told.failed.is_empty(), "none waited too long");
}

async fn a_begin_with_a_setting_that_the_encoding_cannot_hold_leaves_nothing(database: Database) {
    let (before, name) = database.url().rsplit_once('/').unwrap();
    let name = format!("{}_latin1", name.split('?').next().unwrap());
    database
        .execute(&format!("CREATE DATABASE {name} ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"))
        .await;
    let sessions = SessionManager::from_config(database.config_by(&format!("{before}/{name}"))).await.unwrap();
    sessions.create_tables(&schema![Half]).await.unwrap();
    let told = write_by(&sessions, &sessions, |sessions, unit| store_named(sessions, unit).boxed(), |_| async {}).await;
    // The connections go on with what the encoding can hold.
    assert_eq!((told.failed.iter().all(is_refused), told.done.iter().any(is_refused)), (true, false));
    assert_eq!((told.failed.len(), told.unknown.len()), (total().div_ceil(2), 0));
    sessions.close(Duration::from_secs(60)).await.unwrap();
    database.execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
}

/// Whether a unit's name is one that LATIN1 cannot hold.
fn is_refused(unit: &i64) -> bool {
    unit % 2 == 0
}

/// Stores a unit with a name in its context, in a scope, or tries to write by a transaction of its own.
async fn store_named(sessions: SessionManager, unit: i64) -> End {
    let context = RequestContext::new().setting("app.name", if is_refused(&unit) { "Łukasz" } else { "Zoë" });
    if is_refused(&unit) {
        let halves = sessions.repository::<Half>();
        let mut half = Half { id: -unit - 1, unit };
        let alone = async { halves.autocommit().add_now(&mut half).await };
        context.clone().scope(alone).await.unwrap_err();
    }
    let result = context.scope(store(&sessions, unit)).await;
    assert!(!result.as_ref().is_err_and(Error::is_retryable), "{result:?}");
    End::of(&result)
}

async fn a_unit_that_is_given_up_leaves_all_or_nothing(database: Database) {
    let sessions = with_halves(&database).await;
    let observer = database.observer();
    let told =
        write_by(observer, &sessions, |sessions, unit| store_hurriedly(sessions, unit).boxed(), |_| async {}).await;
    assert!(told.failed.is_empty(), "nothing goes wrong but the time: {:?}", told.failed);
    assert!(!told.unknown.is_empty(), "none was given up");
}

/// Stores a unit for which there is little time, and gives it up then.
async fn store_hurriedly(sessions: SessionManager, unit: i64) -> End {
    let limit = Duration::from_micros(20 * u64::try_from(unit % 200).unwrap());
    match tokio::time::timeout(limit, store(&sessions, unit)).await {
        Ok(result) => End::of(&result),
        Err(_) => End::Unknown,
    }
}
