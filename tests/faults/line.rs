//! A line to PostgreSQL that breaks at random places.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use spakky::config::DatabaseConfig;
use spakky::testing::TestDatabase;
use spakky::testing::proxy::{CountingProxy, Cut, Direction, Message};

use crate::extent;
use crate::ledger::Ledger;
use crate::random::Random;
use crate::vault::{Plan, Vaults};
use crate::wait::eventually;

/// How many units run at once.
const LANES: i64 = 3;
/// How many units a lane runs in a case.
const UNITS: i64 = 4;
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn postgres_holds_whole_units_and_all_that_were_done_when_lines_break() {
    break_lines(false);
}

#[test]
fn postgres_holds_whole_units_and_all_that_were_done_when_lines_break_of_units_with_tokens() {
    break_lines(true);
}

fn break_lines(tokens: bool) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut random = Random::new(extent::seed(), 2 + u64::from(tokens));
        let home = TestDatabase::postgres().await.unwrap();
        let ours = Vaults::open(DatabaseConfig::new(home.url()).pool_size(1)).await;
        ours.create().await;
        let proxy = CountingProxy::start(home.url()).await.unwrap();
        proxy.set_settle(Duration::from_micros(200));
        let config = DatabaseConfig::new(proxy.url()).pool_size(LANES as usize).connect_timeout(PATIENCE);
        let vaults = Vaults::open(config.commit_token(tokens)).await;
        if tokens {
            vaults.sessions.create_tables(&spakky::schema![]).await.unwrap();
        }
        let mut ledger = Ledger::default();
        for case in 0..extent::cases(40).cast_signed() {
            let (cut, said) = cut(&mut random);
            let name = format!("seed {}, case {case}: cut {said}", extent::seed());
            proxy.cut(cut);
            let told = RefCell::new(&mut ledger);
            let lanes = (0..LANES).map(|lane| {
                let first = (case * LANES + lane) * UNITS + 1;
                let mut random = Random::new(extent::seed(), random.next());
                let (told, vaults) = (&told, &vaults);
                async move {
                    for unit in first..first + UNITS {
                        let plan = Plan::new(unit, &mut random);
                        told.borrow_mut().begin(unit);
                        let end = vaults.run(plan).await;
                        told.borrow_mut().tell(unit, end);
                    }
                }
            });
            futures_util::future::join_all(lanes).await;
            // A COMMIT that nobody was told of may be under way: its transaction holds a lock till it ends.
            let ended = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                         AND pid <> pg_backend_pid() AND backend_xid IS NOT NULL";
            let is_over = async || ours.sessions.sql(ended).fetch_one::<(i64,)>().await.unwrap() == (0,);
            eventually(&format!("{name}: all transactions have ended"), PATIENCE, is_over).await;
            ledger.check(&ours.sessions, &name).await;
        }
        assert!(ledger.done() > 0, "no unit was ever done");
    });
}

/// Where the line breaks next, and the same in words.
fn cut(random: &mut Random) -> (Cut, String) {
    let (commits, seen) = (random.below(LANES.unsigned_abs() * 2), AtomicU64::new(0));
    let is_commit = move |message: &Message| message.is_sql("COMMIT") && seen.fetch_add(1, Ordering::SeqCst) == commits;
    let bytes = random.below(6_000);
    match random.below(4) {
        0 => (Cut::before(is_commit), format!("before COMMIT {commits}")),
        1 => (Cut::after(is_commit), format!("after COMMIT {commits}")),
        2 => (Cut::after_bytes(Direction::ToServer, bytes), format!("after {bytes} bytes to the server")),
        _ => (Cut::after_bytes(Direction::ToClient, bytes), format!("after {bytes} bytes to the client")),
    }
}
