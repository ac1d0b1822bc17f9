//! The units of work that are measured, what goes into each, and what it must leave in the database.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use uuid::Uuid;

use crate::Result;
use crate::backend::{Backend, Facts};
use crate::contender::{Contender, Page, Place};
use crate::domain::{
    ACCOUNTS, Account, Entry, INSERTED, LINES, ORDERS, Order, PAGE, PARENTS, SAVED, entry, new_accounts, new_order,
    seeded_account, seeded_id, seeded_order,
};

/// How many tasks run at once in `concurrent`.
const TASKS: usize = 16;
/// How many units each of them runs.
const UNITS_PER_TASK: usize = 4;
/// What one unit of `load_save` adds to a balance.
const AMOUNT: i64 = 7;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Workload {
    Get,
    LoadSave,
    Place,
    SaveMany,
    Page,
    Children,
    Concurrent,
    BulkInsert,
}

impl Workload {
    /// All of them; those that make tables grow come last.
    pub(crate) const ALL: [Workload; 8] = [
        Workload::Get,
        Workload::LoadSave,
        Workload::Place,
        Workload::SaveMany,
        Workload::Page,
        Workload::Children,
        Workload::Concurrent,
        Workload::BulkInsert,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Workload::Get => "get",
            Workload::LoadSave => "load_save",
            Workload::Place => "place",
            Workload::SaveMany => "save_many",
            Workload::Page => "page",
            Workload::Children => "children",
            Workload::Concurrent => "concurrent",
            Workload::BulkInsert => "bulk_insert",
        }
    }

    pub(crate) fn runs_on(self, backend: Backend) -> bool {
        match backend {
            Backend::Postgres => true,
            Backend::Sqlite => matches!(self, Workload::Get | Workload::LoadSave | Workload::BulkInsert),
        }
    }

    /// The workload that runs the same unit one after the other: what goes over the line for it is the same.
    pub(crate) fn unit(self) -> Workload {
        if self == Workload::Concurrent { Workload::LoadSave } else { self }
    }

    /// How many units of work one run holds; its time is divided by them.
    pub(crate) fn units(self) -> usize {
        match self {
            Workload::Concurrent => TASKS * UNITS_PER_TASK,
            _ => 1,
        }
    }

    /// What one run changes, leaving aside what `save_many` does to the status of orders.
    fn change(self) -> Facts {
        let none = Facts::default();
        match self {
            Workload::Get | Workload::Page | Workload::Children => none,
            Workload::LoadSave | Workload::Concurrent => {
                let units = self.units() as i64;
                let (balance, amounts) = (AMOUNT * units, AMOUNT * units);
                Facts { account_versions: units, balance, entries: units, amounts, ..none }
            }
            Workload::Place => {
                let quantity = (1..=LINES as i64).sum();
                let (order_versions, lines) = (1, LINES as i64);
                Facts { orders: 1, order_versions, lines, quantity, entries: 2, amounts: -525, ..none }
            }
            Workload::SaveMany => Facts { order_versions: SAVED as i64, quantity: SAVED as i64, ..none },
            Workload::BulkInsert => {
                let count = INSERTED as i64;
                Facts { accounts: count, account_versions: count, balance: count * (count - 1) / 2 * 100, ..none }
            }
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One contender with one workload: what goes into the next run, and what all runs must have changed.
pub(crate) struct Runner {
    workload: Workload,
    contender: Arc<dyn Contender>,
    runs: usize,
    place: Place,
    /// Since when runs are counted for [`check`](Self::check), and the facts of then.
    checked: (usize, Facts),
}

impl Runner {
    /// A runner for a database that holds these facts.
    pub(crate) fn new(workload: Workload, contender: Arc<dyn Contender>, facts: Facts) -> Self {
        Runner { workload, contender, runs: 0, place: Place::Start, checked: (0, facts) }
    }

    /// Runs once; the time is that of all its units together. What was read is compared with what was seeded.
    pub(crate) async fn run(&mut self) -> Result<Duration> {
        let number = self.runs;
        self.runs += 1;
        let contender = &*self.contender;
        match self.workload {
            Workload::Get => {
                let account = ACCOUNTS / 2 + number * 37 % (ACCOUNTS / 2);
                let id = seeded_id(account);
                let (found, time) = timed(contender.get(id)).await?;
                same(&found, &seeded_account(account))?;
                Ok(time)
            }
            Workload::LoadSave => Ok(timed(contender.load_save(payment(number))).await?.1),
            Workload::Place => {
                let (order, entries) = new_order(number);
                Ok(timed(contender.place(order, entries)).await?.1)
            }
            Workload::SaveMany => {
                let ids = saved(number);
                Ok(timed(contender.save_many(&ids)).await?.1)
            }
            Workload::Page => {
                // Some give a cursor behind the last page, too, where nothing is.
                if number.is_multiple_of(ACCOUNTS / PAGE) {
                    self.place = Place::Start;
                }
                let (page, time) = timed(contender.page(&self.place)).await?;
                self.place = self.behind(page)?;
                Ok(time)
            }
            Workload::Children => {
                let (mut orders, time) = timed(contender.children()).await?;
                for (number, order) in orders.iter_mut().enumerate() {
                    undo_changes(order, &seeded_order(number));
                    same(order, &seeded_order(number))?;
                }
                same(&orders.len(), &PARENTS)?;
                Ok(time)
            }
            Workload::Concurrent => self.run_tasks(number).await,
            Workload::BulkInsert => {
                let accounts = new_accounts(INSERTED, number);
                Ok(timed(contender.bulk_insert(accounts)).await?.1)
            }
        }
    }

    async fn run_tasks(&self, number: usize) -> Result<Duration> {
        let mut tasks = JoinSet::new();
        let start = Instant::now();
        for task in 0..TASKS {
            let contender = self.contender.clone();
            tasks.spawn(async move {
                for unit in 0..UNITS_PER_TASK {
                    contender.load_save(payment((number * UNITS_PER_TASK + unit) * TASKS + task)).await?;
                }
                Ok::<_, crate::Failure>(())
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        Ok(start.elapsed())
    }

    /// Where the next page starts, if this one is what it must be.
    fn behind(&self, page: Page) -> Result<Place> {
        let order = |account: &Account| (account.opened_at, account.id);
        let sorted = page.accounts.is_sorted_by(|a, b| order(a) < order(b));
        if !sorted || page.accounts.len() != PAGE {
            return Err("a page without order, or of another size".into());
        }
        if matches!(self.place, Place::Start) {
            let mut first = (0..PAGE + 2).map(seeded_account).collect::<Vec<_>>();
            first.sort_by_key(order);
            let balances = |accounts: &[Account]| accounts.iter().map(|account| account.id).collect::<Vec<_>>();
            same(&balances(&page.accounts), &balances(&first[..PAGE]))?;
        }
        Ok(page.next.unwrap_or(Place::Start))
    }

    /// Starts to count anew, from these facts.
    pub(crate) fn start_from(&mut self, facts: Facts) {
        self.checked = (self.runs, facts);
    }

    /// Compares what the database holds with what the runs must have made of it.
    ///
    /// # Errors
    /// When it holds something else.
    pub(crate) fn check(&self, facts: Facts) -> Result<()> {
        let (since, before) = self.checked;
        let runs = (self.runs - since) as i64;
        let change = self.workload.change();
        let held = (0..ORDERS / SAVED).filter(|batch| self.is_odd(since, *batch)).count() * SAVED;
        let flipped = if self.workload == Workload::SaveMany { held as i64 } else { 0 };
        let expected = Facts {
            accounts: before.accounts + runs * change.accounts,
            account_versions: before.account_versions + runs * change.account_versions,
            balance: before.balance + runs * change.balance,
            entries: before.entries + runs * change.entries,
            amounts: before.amounts + runs * change.amounts,
            orders: before.orders + runs * change.orders,
            order_versions: before.order_versions + runs * change.order_versions,
            held: before.held + flipped,
            lines: before.lines + runs * change.lines,
            quantity: before.quantity + runs * change.quantity,
        };
        same(&facts, &expected)
    }

    /// Whether a batch of `save_many` was saved an odd number of times, so that its orders are held.
    fn is_odd(&self, since: usize, batch: usize) -> bool {
        let batches = ORDERS / SAVED;
        (since..self.runs).filter(|run| run % batches == batch).count() % 2 == 1
    }
}

async fn timed<T>(work: impl Future<Output = Result<T>>) -> Result<(T, Duration)> {
    let start = Instant::now();
    let outcome = work.await?;
    Ok((outcome, start.elapsed()))
}

fn same<T: PartialEq + fmt::Debug>(found: &T, expected: &T) -> Result<()> {
    if found == expected { Ok(()) } else { Err(format!("wrong result: found {found:?}, expected {expected:?}").into()) }
}

/// A payment to an account of the lower half; different accounts for numbers that follow one another.
fn payment(number: usize) -> Entry {
    entry(seeded_id(number % (ACCOUNTS / 2)), AMOUNT, "payment")
}

/// The orders of one unit of `save_many`.
fn saved(number: usize) -> Vec<Uuid> {
    (0..SAVED).map(|order| seeded_id((number * SAVED + order) % ORDERS)).collect()
}

/// Takes back what `save_many` did to an order.
fn undo_changes(order: &mut Order, seeded: &Order) {
    order.status = seeded.status;
    if let (Some(line), Some(seeded)) = (order.lines.first_mut(), seeded.lines.first()) {
        line.quantity = seeded.quantity;
    }
}
