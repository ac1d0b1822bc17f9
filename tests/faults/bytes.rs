//! A line to PostgreSQL that breaks at a byte: at every one of every shape of unit, in both directions, in each way that a
//! line can break, on a connection's first use and later.
//!
//! What the caller was told is what the database holds. That nobody knows is told only where the line broke between the
//! moment when COMMIT was handed over and the one when the server's word on it was here, and where the server could not be
//! asked: no answer of the transaction had come, and it wrote no token. The pool is whole afterwards, and the next unit is
//! done.

#![allow(clippy::large_futures, reason = "the futures of a test are part of no others")]

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::iter;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use spakky::Error;
use spakky::config::DatabaseConfig;
use spakky::testing::TestDatabase;
use spakky::testing::proxy::{Break, CountingProxy, Cut, Direction};

use crate::extent;
use crate::shapes::{Heard, Run, Shape, Yard};
use crate::transcript::{Marks, bursts, whole};
use crate::wait::{eventually, within};

/// How long anything may take that comes to an end by itself.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a unit may take on a line that is stalled.
const LIMIT: Duration = Duration::from_millis(250);
/// How often a unit is tried that others may get in the way of.
const TRIES: usize = 10;
/// By how many bytes two runs may differ.
const NEAR: u64 = 16;
/// How many pools there are at once.
const LANES: usize = 8;
/// The same where most of them wait.
const STALLED_LANES: usize = 60;
/// How many units are tried on one pool.
const LANE: usize = 40;

#[test]
fn what_is_told_is_true_wherever_a_line_is_closed() {
    try_out(Break::Close, 100);
}

#[test]
fn what_is_told_is_true_wherever_a_line_is_closed_one_way() {
    try_out(Break::HalfClose, 100);
}

#[test]
fn what_is_told_is_true_wherever_a_line_is_reset() {
    try_out(Break::Reset, 100);
}

#[test]
fn what_is_told_is_true_wherever_a_line_stalls() {
    try_out(Break::Stall, 40);
}

/// A unit on a line that breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Case {
    shape: Shape,
    /// The connection has run such a unit before.
    warm: bool,
    direction: Direction,
    /// How many bytes still pass.
    at: u64,
    by: Break,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Case { shape, warm, direction, at, by } = self;
        write!(f, "{shape:?} {} {direction:?} {at} {by:?}", if *warm { "warm" } else { "cold" })
    }
}

/// What a unit is like where nothing goes wrong.
struct Model {
    marks: Marks,
    /// What its caller is told.
    done: bool,
    before: String,
    after: String,
}

impl Model {
    /// What its caller is told where the line does not break.
    fn ends(&self) -> Vec<Told> {
        vec![if self.done { Told::Done } else { Told::Refused }]
    }
}

/// What the caller of a unit was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Told {
    Done,
    /// Nothing of it is stored: the line is gone, the time is over, or the server said no.
    Lost,
    Late,
    Refused,
    Unknown,
    /// It did not wait any longer.
    GivenUp,
}

impl Told {
    fn of(result: &Result<(), Error>) -> Self {
        match result {
            Ok(()) => Told::Done,
            Err(error) if error.is_outcome_unknown() => Told::Unknown,
            Err(error) if error.is_connection() && error.is_retryable() => Told::Lost,
            Err(error) if error.is_timeout() => Told::Late,
            Err(_) => Told::Refused,
        }
    }
}

/// What came of a case.
struct Outcome {
    unit: i64,
    case: Option<Case>,
    told: Told,
    heard: Arc<Heard>,
    shape: Shape,
    warm: bool,
}

/// What came of all of them.
#[derive(Default)]
struct Report {
    outcomes: Vec<Outcome>,
    wrong: Vec<String>,
    /// How many next units met a connection whose end was not known yet.
    met_late: usize,
    /// How many lines did not get to the byte.
    not_reached: usize,
    /// Units that came to their place by other messages than the model.
    differs: usize,
}

impl Report {
    fn wrong(&mut self, case: &dyn fmt::Display, what: impl fmt::Display) {
        self.wrong.push(format!("{case}: {what}"));
    }
}

/// All that cases share.
struct Field {
    url: String,
    ours: Yard,
    next_unit: AtomicI64,
}

impl Field {
    /// Numbers of units whose rows are there.
    async fn units(&self, count: usize) -> impl Iterator<Item = i64> + use<> {
        let count = i64::try_from(count).unwrap();
        let first = self.next_unit.fetch_add(count, Ordering::SeqCst);
        self.ours.fill(first, count).await;
        first..first + count
    }

    async fn lane(&self, shape: Shape) -> Lane {
        let proxy = CountingProxy::start(&self.url).await.unwrap();
        proxy.set_settle(Duration::ZERO);
        let config = DatabaseConfig::new(proxy.url()).pool_size(1).connect_timeout(PATIENCE).pool_timeout(PATIENCE);
        let yard = Yard::open(config.commit_token(shape.has_token())).await;
        Lane { proxy, yard, shape }
    }
}

/// A pool of one connection behind a proxy of its own.
struct Lane {
    proxy: CountingProxy,
    yard: Yard,
    shape: Shape,
}

impl Lane {
    fn unit(&self, unit: i64) -> Run {
        Run { shape: self.shape, unit, limit: None, heard: Arc::default() }
    }

    /// Has the pool hold a connection that nothing has run on.
    async fn refresh(&self) {
        let connections = self.proxy.counts().connections;
        self.proxy.cut_now();
        let started = Instant::now();
        while self.proxy.counts().connections == connections || self.yard.sessions.ping().await.is_err() {
            assert!(started.elapsed() < PATIENCE, "{:?}: no new connection", self.shape);
            // The pool may not have noticed yet.
            let _ = self.yard.sessions.ping().await;
        }
    }

    /// Waits until the connection has come back.
    async fn is_whole(&self) -> bool {
        within(PATIENCE, async || self.yard.sessions.status().in_use == 0).await
    }
}

fn try_out(by: Break, few: u64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let home = TestDatabase::postgres().await.unwrap();
        let ours = Yard::open(DatabaseConfig::new(home.url()).pool_size(4)).await;
        ours.create().await;
        let field = Field { url: home.url().to_owned(), ours, next_unit: AtomicI64::new(1) };
        let models = field.models().await;
        let cases = cases(by, few, &models);
        let lanes = if by == Break::Stall { STALLED_LANES } else { LANES };
        let mut report = Report::default();
        let total = cases.len();
        let mut running = stream::iter(chunks(cases)).map(|cases| field.run(cases, &models)).buffer_unordered(lanes);
        while let Some(part) = running.next().await {
            report.outcomes.extend(part.outcomes);
            report.wrong.extend(part.wrong);
            report.met_late += part.met_late;
            report.not_reached += part.not_reached;
            report.differs += part.differs;
        }
        drop(running);
        field.check(&models, &mut report).await;
        report.show(by, total);
        assert!(report.not_reached * 10 <= total, "{} of {total} lines did not break", report.not_reached);
        assert!(report.differs * 10 <= total, "{} of {total} units differ from the model", report.differs);
        assert!(report.met_late * 10 <= total, "{} units met a line that was gone", report.met_late);
        let wrong = &report.wrong;
        let some = wrong.iter().take(60).cloned().collect::<Vec<_>>().join("\n");
        assert!(wrong.is_empty(), "seed {}: {} of {total} cases are wrong:\n{some}", extent::seed(), wrong.len());
    });
}

type Models = HashMap<(usize, bool), Model>;

fn key(shape: Shape, warm: bool) -> (usize, bool) {
    (shape as usize, warm)
}

/// Every case, or as many as are asked for, evenly spread.
fn cases(by: Break, few: u64, models: &Models) -> Vec<Case> {
    let mut all = Vec::new();
    for (shape, warm) in Shape::ALL.into_iter().flat_map(|shape| [(shape, false), (shape, true)]) {
        let (to_server, to_client) = models[&key(shape, warm)].marks.bytes;
        for (direction, bytes) in [(Direction::ToServer, to_server), (Direction::ToClient, to_client)] {
            all.extend((0..bytes).map(|at| Case { shape, warm, direction, at, by }));
        }
    }
    if extent::is_whole() {
        return all;
    }
    let stride = (all.len() / usize::try_from(extent::cases(few)).unwrap().max(1)).max(1);
    let first = usize::try_from(extent::seed() % stride as u64).unwrap();
    all.into_iter().skip(first).step_by(stride).collect()
}

/// The cases that one pool can run.
fn chunks(cases: Vec<Case>) -> Vec<Vec<Case>> {
    let pools = cases.chunk_by(|one, other| (one.shape, one.warm) == (other.shape, other.warm));
    pools.flat_map(|cases| cases.chunks(LANE)).map(<[Case]>::to_vec).collect()
}

impl Field {
    /// Runs each shape where nothing goes wrong.
    async fn models(&self) -> Models {
        let shapes = Shape::ALL.into_iter().flat_map(|shape| [(shape, false), (shape, true)]);
        let model = async |(shape, warm)| (key(shape, warm), self.model(shape, warm).await);
        stream::iter(shapes).map(model).buffer_unordered(LANES).collect().await
    }

    async fn model(&self, shape: Shape, warm: bool) -> Model {
        let lane = self.lane(shape).await;
        lane.yard.learn(self.units(1).await.next().unwrap()).await;
        for _ in 0..TRIES {
            if let Some(model) = self.model_of(&lane, warm).await {
                return model;
            }
        }
        panic!("{shape:?}: others are always in the way");
    }

    /// What a unit is like, unless others got in its way.
    async fn model_of(&self, lane: &Lane, warm: bool) -> Option<Model> {
        let mut units = self.units(2).await;
        let _ = lane.yard.run(&lane.unit(units.next().unwrap())).await;
        if warm {
            // The COMMIT of a unit that has only read is not waited for.
            lane.yard.sessions.ping().await.unwrap();
        } else {
            lane.refresh().await;
        }
        let unit = units.next().unwrap();
        let stored = async || self.ours.stored(unit, 1).await.remove(0);
        let (_, before, old_ids) = stored().await;
        lane.proxy.record();
        let result = lane.yard.run(&lane.unit(unit)).await;
        if result.as_ref().is_err_and(Error::is_serialization_failure) {
            return None;
        }
        // All that it has sent is answered.
        assert!(lane.is_whole().await);
        let mut to_server = lane.proxy.recorded_bytes(Direction::ToServer);
        let mut to_client = lane.proxy.recorded_bytes(Direction::ToClient);
        let is_answered = |to_server: &[u8], to_client: &[u8]| {
            let (sent, answered) = bursts(to_server, to_client);
            sent == answered
        };
        let all_is_here = async || {
            to_server.extend(lane.proxy.recorded_bytes(Direction::ToServer));
            to_client.extend(lane.proxy.recorded_bytes(Direction::ToClient));
            is_answered(&to_server, &to_client)
        };
        eventually(&format!("{:?}: all is answered", lane.shape), PATIENCE, all_is_here).await;
        let (_, after, ids) = stored().await;
        let is_old = |id: &str| old_ids.split(' ').any(|old| old == id);
        let ids: Vec<_> = ids.split(' ').filter(|id| !is_old(id)).map(str::to_owned).collect();
        let (marks, shape) = (Marks::of(&to_server, &to_client, &ids), lane.shape);
        // What is expected of cases below is what a unit is by itself: that has to be right first.
        assert_eq!(result.is_ok(), !shape.fails(), "{shape:?}: {result:?}");
        assert_eq!(before == after, shape.fails() || shape.only_reads(), "{shape:?}: `{before}`, `{after}`");
        assert!(
            shape.is_alone() || shape.only_reads() || shape == Shape::FailedAtOnce || marks.commit.is_some(),
            "{shape:?}"
        );
        let is_early = marks.id.is_some_and(|id| id <= marks.answered.0);
        assert!(is_early || !shape.tells_id_early(), "{shape:?} is told its id late: {marks:?}");
        Some(Model { marks, done: result.is_ok(), before, after })
    }

    async fn run(&self, cases: Vec<Case>, models: &Models) -> Report {
        let mut report = Report::default();
        let Some(Case { shape, warm, .. }) = cases.first().copied() else { return report };
        let model = &models[&key(shape, warm)];
        let lane = self.lane(shape).await;
        let mut units = self.units((TRIES + 2) * cases.len() + 4).await;
        lane.yard.learn(units.next().unwrap()).await;
        let mut last = None;
        for case in cases {
            if warm {
                self.run_next(&lane, case, last, model, &mut units, &mut report).await;
            } else {
                lane.refresh().await;
            }
            last = Some(self.run_broken(&lane, case, model, units.next().unwrap(), &mut report).await);
        }
        if let Some(case) = report.outcomes.last().and_then(|outcome| outcome.case) {
            self.run_next(&lane, case, last, model, &mut units, &mut report).await;
        }
        report
    }

    /// Runs a unit on a line that nothing happens to. Where the unit before, which was told this, could not know that its line was
    /// gone, the first call may be faster than that news.
    async fn run_next(
        &self,
        lane: &Lane,
        case: Case,
        before: Option<Told>,
        model: &Model,
        units: &mut impl Iterator<Item = i64>,
        report: &mut Report,
    ) {
        for is_first in iter::once(true).chain(iter::repeat_n(false, TRIES)) {
            let run = lane.unit(units.next().unwrap());
            let result = lane.yard.run(&run).await;
            let told = Told::of(&result);
            let (shape, warm) = (case.shape, case.warm);
            report.outcomes.push(Outcome { unit: run.unit, case: None, told, heard: run.heard, shape, warm });
            let knew = matches!(before, Some(Told::Lost | Told::Unknown)) && case.by != Break::Stall;
            if is_first && !knew && matches!(told, Told::Lost | Told::Unknown) {
                report.met_late += 1;
                continue;
            }
            // Others may have read what it wrote.
            if result.as_ref().is_err_and(Error::is_serialization_failure) {
                continue;
            }
            if (told == Told::Done) != model.done {
                report.wrong(&case, format_args!("the unit around it came to {told:?}: {result:?}"));
            }
            // What nobody waits for is answered.
            if let Err(error) = lane.yard.sessions.ping().await {
                report.wrong(&case, format_args!("the unit around it left a line that is gone: {error}"));
            }
            return;
        }
        report.wrong(&case, "no unit around it was done");
    }

    async fn run_broken(&self, lane: &Lane, case: Case, model: &Model, unit: i64, report: &mut Report) -> Told {
        let Case { shape, warm, direction, at, by } = case;
        let mut run = lane.unit(unit);
        let heard = run.heard.clone();
        run.limit = (by == Break::Stall).then_some(LIMIT);
        let before = lane.proxy.counts();
        lane.proxy.record();
        lane.proxy.cut(Cut::at_byte(direction, at, by));
        let may_be_endless = case.may_be_endless(model);
        let patience = if may_be_endless { LIMIT * 2 } else { PATIENCE };
        let result = tokio::time::timeout(patience, pin!(lane.yard.run(&run))).await;
        let told = result.as_ref().map_or(Told::GivenUp, Told::of);
        // What nobody waits for may still be under way.
        let has_passed = || {
            let spent = lane.proxy.counts().since(before);
            let (to_server, to_client) = model.marks.bytes;
            spent.bytes_to_server >= to_server && spent.bytes_to_client >= to_client
        };
        within(Duration::from_secs(1), async || !lane.proxy.is_armed() || has_passed()).await;
        let is_reached = !lane.proxy.is_armed();
        if !is_reached {
            lane.proxy.disarm();
            report.not_reached += 1;
        }
        let passed = whole(&lane.proxy.recorded_bytes(direction));
        if told == Told::GivenUp && !shape.is_alone() {
            // COMMIT is never cut short: the line ends at last.
            lane.proxy.cut_now();
        }
        if !lane.is_whole().await {
            report.wrong(&case, "the connection did not come back");
        }
        if by == Break::Stall {
            lane.proxy.cut_now();
        }
        let mut expected = if is_reached { expected(&case, model, passed) } else { model.ends() };
        if let Some(begins) = case.other_place(model, passed).filter(|_| is_reached) {
            report.differs += 1;
            expected.extend(self::expected(&case, model, begins));
        }
        if may_be_endless && (!is_reached || case.is_near(model)) {
            expected.push(Told::GivenUp);
        }
        let is_clash =
            shape == Shape::Serializable && matches!(&result, Ok(Err(error)) if error.is_serialization_failure());
        if let Ok(Err(error)) = &result
            && told == Told::Refused
            && !is_clash
            && !error.is_unique_violation()
        {
            report.wrong(&case, format_args!("was refused for another reason: {error:?}"));
        }
        if !is_clash && !expected.contains(&told) {
            let marks = &model.marks;
            let what = format_args!(
                "came to {told:?} in place of {expected:?} behind message {passed}; {marks:?}; {result:?}"
            );
            report.wrong(&case, what);
        }
        report.outcomes.push(Outcome { unit, case: Some(case), told, heard, shape, warm });
        told
    }

    /// Compares what is stored with what was told.
    async fn check(&self, models: &Models, report: &mut Report) {
        let busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                    AND pid <> pg_backend_pid() AND backend_xid IS NOT NULL";
        let is_over = async || self.ours.sessions.sql(busy).fetch_one::<(i64,)>().await.unwrap() == (0,);
        eventually("all transactions have ended", PATIENCE, is_over).await;
        let units = self.next_unit.load(Ordering::SeqCst);
        let stored: HashMap<i64, String> =
            self.ours.stored(0, units).await.into_iter().map(|(unit, stored, _)| (unit, stored)).collect();
        let outcomes = std::mem::take(&mut report.outcomes);
        for Outcome { unit, case, told, heard, shape, warm } in &outcomes {
            let model = &models[&key(*shape, *warm)];
            let stored = &stored[unit];
            let (is_before, is_after) = (*stored == model.before, *stored == model.after);
            let is_true = match told {
                Told::Done => is_after,
                Told::Lost | Told::Late | Told::Refused => is_before,
                Told::Unknown | Told::GivenUp => is_before || is_after,
            };
            let (committed, rolled_back) = heard.counts();
            let is_heard = match told {
                _ if shape.is_alone() => true,
                Told::Done => (committed, rolled_back) == (1, 0),
                // A scope whose begin failed has registered nothing.
                Told::Lost | Told::Late | Told::Refused => (committed, rolled_back) == (0, 1),
                Told::Unknown => (committed, rolled_back) == (0, 0),
                Told::GivenUp => match (committed, rolled_back) {
                    (1, 0) => is_after,
                    (0, 1) => is_before,
                    counts => counts == (0, 0),
                },
            };
            if !is_true || !is_heard {
                let name = case.map_or_else(|| format!("{shape:?}, next unit"), |case| case.to_string());
                let heard = (committed, rolled_back);
                report.wrong(&name, format_args!("unit {unit} was told {told:?}, heard {heard:?}, stored `{stored}`"));
            }
        }
        report.outcomes = outcomes;
    }
}

/// What the caller of a case may be told. `passed` is how many whole messages went the way of the break.
fn expected(case: &Case, model: &Model, passed: usize) -> Vec<Told> {
    let Case { shape, direction, by, .. } = *case;
    let Marks { commit, answered, id, word, answers, .. } = model.marks;
    let (is_stall, end) = (by == Break::Stall, if model.done { Told::Done } else { Told::Refused });
    let is_lone_write = shape.is_alone() && !shape.only_reads() && commit.is_none();
    let (in_commit, has_word, asks) = match direction {
        Direction::ToServer => {
            let begins = commit.map_or(if is_lone_write { 0 } else { usize::MAX }, |(at, _)| at);
            (passed >= begins, false, id.is_some_and(|id| id <= answered.0))
        }
        Direction::ToClient => {
            let commits = commit.is_some() || is_lone_write;
            (commits && passed >= answered.0, passed >= word, id.is_some_and(|id| id <= passed))
        }
    };
    let lost = match by {
        Break::Stall if shape.is_alone() => Told::GivenUp,
        Break::Stall => Told::Late,
        Break::Close | Break::HalfClose | Break::Reset => Told::Lost,
    };
    // What was given to a line that is reset does not always arrive.
    let may_be_missed = by == Break::Reset && direction == Direction::ToClient;
    let is_known = (asks && !may_be_missed) || shape.has_token();
    match () {
        // Nobody waits for its end.
        () if shape.only_reads() && in_commit => vec![Told::Done],
        // What comes with the answer to COMMIT is waited for.
        () if has_word && is_stall && in_commit && passed < answers => vec![end, Told::GivenUp],
        // So is what comes behind a failure, within the limit.
        () if has_word && is_stall && passed < answers => vec![end, lost],
        () if has_word && may_be_missed && (is_known || !in_commit) => vec![end, lost],
        () if has_word && may_be_missed => vec![end, lost, Told::Unknown],
        () if has_word => vec![end],
        () if !in_commit && model.done => vec![lost],
        // The server may have said no before the line broke behind that.
        () if !in_commit => vec![lost, end],
        () if is_stall => vec![Told::Lost, end, Told::GivenUp],
        () if is_known && !is_lone_write => vec![Told::Lost, end],
        () => vec![Told::Lost, end, Told::Unknown],
    }
}

impl Case {
    /// Whether it may stall where nothing but its caller ends the wait: it breaks in what COMMIT travels with, or nearly so, or is one call outside
    /// of any scope.
    fn may_be_endless(&self, model: &Model) -> bool {
        let begins = self.begins(model);
        self.by == Break::Stall && (self.shape.is_alone() || begins.is_some_and(|begins| self.at + NEAR >= begins))
    }

    /// Whether it breaks so little ahead of what COMMIT travels with that it may break in it.
    fn is_near(&self, model: &Model) -> bool {
        self.begins(model).is_some_and(|begins| self.at.abs_diff(begins) <= NEAR)
    }

    /// Where what COMMIT travels with begins, in messages, if a unit came to its place by others than the model: by their number
    /// it is ahead of that, and by its byte behind, or the other way round. Then nobody knows which holds.
    fn other_place(&self, model: &Model, passed: usize) -> Option<usize> {
        let Marks { commit, answered, .. } = model.marks;
        let (begins, at) = match self.direction {
            Direction::ToServer => commit?,
            Direction::ToClient => commit.map(|_| answered)?,
        };
        ((passed >= begins) != (self.at >= at)).then_some(begins)
    }

    /// At which byte of its direction what COMMIT travels with begins, or the answers to that.
    fn begins(&self, model: &Model) -> Option<u64> {
        let Marks { commit, answered, .. } = model.marks;
        commit.map(|(_, at)| if self.direction == Direction::ToServer { at } else { answered.1 })
    }
}

impl Report {
    fn show(&self, by: Break, total: usize) {
        let mut counts: BTreeMap<(usize, Told), usize> = BTreeMap::new();
        let mut sums: BTreeMap<Told, usize> = BTreeMap::new();
        for outcome in self.outcomes.iter().filter(|outcome| outcome.case.is_some()) {
            *counts.entry((outcome.shape as usize, outcome.told)).or_default() += 1;
            *sums.entry(outcome.told).or_default() += 1;
        }
        println!(
            "{by:?}: {total} cases, {sums:?}; {} next units met a line whose end was not known, {} lines did not get there",
            self.met_late, self.not_reached
        );
        for shape in Shape::ALL {
            let of_shape = counts.iter().filter(|((of, _), _)| *of == shape as usize);
            let of_shape: Vec<_> = of_shape.map(|((_, told), count)| format!("{told:?} {count}")).collect();
            println!("  {shape:?}: {}", of_shape.join(", "));
        }
    }
}
