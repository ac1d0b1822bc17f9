//! Processes that are killed, or stopped for a while, at random moments of their units of work.
//!
//! Each is this test binary, told by its environment to work. It says on its standard output when a unit begins and what
//! became of it; what is written there outlives it.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use spakky::Backend;
use spakky::config::DatabaseConfig;
use spakky::testing::TestDatabase;

use crate::extent;
use crate::ledger::Ledger;
use crate::random::Random;
use crate::vault::{Plan, Told, Vaults};
use crate::wait::eventually;

const URL: &str = "SPAKKY_FAULTS_CHILD_URL";
const FIRST: &str = "SPAKKY_FAULTS_CHILD_FIRST";
/// How many units a process has numbers for.
const SPAN: i64 = 1_000_000;
/// How many units run at once in a process.
const LANES: i64 = 3;
/// How long a process may take to get going, or to end.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn sqlite_holds_whole_units_and_all_that_were_done_when_processes_are_killed() {
    kill_processes(Backend::Sqlite);
}

#[test]
fn postgres_holds_whole_units_and_all_that_were_done_when_processes_are_killed() {
    kill_processes(Backend::Postgres);
}

/// How a process ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Killed,
    /// Stopped, and killed while others go on.
    StoppedAndKilled,
    /// Stopped while others go on, and killed some time after it goes on.
    StoppedForAWhile,
}

fn kill_processes(backend: Backend) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut random = Random::new(extent::seed(), 1);
        let home = TestDatabase::create(backend).await.unwrap();
        let ours = Vaults::open(hurried(home.url()).pool_size(1)).await;
        ours.create().await;
        let mut ledger = Ledger::default();
        let cases = extent::cases(20).cast_signed();
        for case in 0..cases {
            let end = [End::Killed, End::StoppedAndKilled, End::StoppedForAWhile][random.below(3) as usize];
            let after = random.below(30);
            let pause = Duration::from_micros(random.below(4_000));
            let name = format!("seed {}, case {case}: {end:?} {pause:?} after {after} units", extent::seed());
            let mut worker = Worker::start(home.url(), (1 + case * 2) * SPAN);
            worker.follow(after, pause, &mut ledger);
            if !matches!(end, End::Killed) {
                worker.signal("STOP");
                // Others get their turns: locks that the stopped one holds are not waited for for ever.
                for unit in 0..3 {
                    let plan = Plan::new((2 + case * 2) * SPAN + unit, &mut random);
                    ledger.begin(plan.unit);
                    ledger.tell(plan.unit, ours.run(plan).await);
                }
            }
            if let End::StoppedForAWhile = end {
                worker.signal("CONT");
                worker.follow(random.below(10), pause, &mut ledger);
            }
            worker.kill(&mut ledger);
            alone(&ours, backend).await;
            ledger.check(&ours.sessions, &name).await;
        }
        assert!(ledger.done() > 0, "no unit was ever done");
    });
}

/// Settings of somebody who does not wait long.
fn hurried(url: &str) -> DatabaseConfig {
    DatabaseConfig::new(url).lock_timeout(Duration::from_millis(200)).connect_timeout(PATIENCE)
}

/// Waits until the server has noticed that a process is gone: till then it may still carry out what it was sent.
async fn alone(ours: &Vaults, backend: Backend) {
    if backend == Backend::Sqlite {
        return;
    }
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
                  AND backend_type = 'client backend'";
    let are_gone = async || ours.sessions.sql(others).fetch_one::<(i64,)>().await.unwrap() == (0,);
    eventually("the connections of a process that was killed are gone", PATIENCE, are_gone).await;
}

/// A process that works.
struct Worker {
    child: Child,
    said: Receiver<String>,
    reader: Option<JoinHandle<()>>,
}

impl Worker {
    fn start(url: &str, first: i64) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "process::work_if_told_to", "--nocapture", "--test-threads", "1"])
            .envs([(URL, url.to_owned()), (FIRST, first.to_string())])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, said) = channel();
        let stdout: ChildStdout = child.stdout.take().unwrap();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Worker { child, said, reader: Some(reader) }
    }

    /// Writes down what it says, until so many more units have begun and then for a moment.
    fn follow(&mut self, units: u64, pause: Duration, ledger: &mut Ledger) {
        let mut begun = 0;
        while begun <= units {
            match self.said.recv_timeout(PATIENCE) {
                Ok(line) => begun += u64::from(write_down(&line, ledger)),
                Err(error) => panic!("a process that works says nothing more: {error}"),
            }
        }
        let end = Instant::now() + pause;
        loop {
            match self.said.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => _ = write_down(&line, ledger),
                Err(RecvTimeoutError::Timeout) => return,
                Err(RecvTimeoutError::Disconnected) => panic!("a process that works ended by itself"),
            }
        }
    }

    fn signal(&self, name: &str) {
        let kill = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(kill.unwrap().success(), "no signal {name}");
    }

    /// Kills it, and writes down what it said to its end.
    fn kill(&mut self, ledger: &mut Ledger) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.reader.take().map(JoinHandle::join).transpose().unwrap();
        while let Ok(line) = self.said.try_recv() {
            write_down(&line, ledger);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Also of a test that fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes a line down; whether it says that a unit began.
fn write_down(line: &str, ledger: &mut Ledger) -> bool {
    let Some((word, unit)) = line.split_once(' ') else { return false };
    let Ok(unit) = unit.parse() else { return false };
    match word {
        "begin" => ledger.begin(unit),
        "done" => ledger.tell(unit, Told::Done),
        "undone" => ledger.tell(unit, Told::Undone),
        "unknown" => ledger.tell(unit, Told::Unknown),
        _ => {}
    }
    word == "begin"
}

/// What each process runs. By itself it does nothing.
#[test]
fn work_if_told_to() {
    let (Ok(url), Ok(first)) = (std::env::var(URL), std::env::var(FIRST)) else { return };
    let first: i64 = first.parse().unwrap();
    // The name of the test stands at the beginning of this line.
    println!();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let vaults = Vaults::open(hurried(&url).pool_size(LANES as usize)).await;
        futures_util::future::join_all((0..LANES).map(|lane| work(&vaults, first + lane))).await;
    });
}

/// Runs units until the process ends.
async fn work(vaults: &Vaults, first: i64) {
    let mut random = Random::new(extent::seed(), first.unsigned_abs());
    for unit in (0..SPAN / LANES).map(|number| first + number * LANES) {
        let plan = Plan::new(unit, &mut random);
        println!("begin {unit}");
        let word = match vaults.run(plan).await {
            Told::Done => "done",
            Told::Undone => "undone",
            Told::Unknown => "unknown",
        };
        println!("{word} {unit}");
    }
}
