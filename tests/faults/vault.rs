//! Vaults with slips: each unit of work moves an amount from one vault to another and leaves a slip in both.
//!
//! Whatever becomes of units, a vault's slips add up to its balance, and its version counts the units that touched it.

use spakky::config::DatabaseConfig;
use spakky::prelude::*;
use spakky::schema::SchemaRegistry;
use spakky::{Error, SessionManager};

use crate::random::Random;

/// How many vaults there are; their ids begin with 1.
pub(crate) const VAULTS: i64 = 6;
/// What a slip that must never be stored says.
const LOST: i64 = 1_000_000;

#[derive(Debug, Clone, PartialEq)]
struct Vault {
    id: i64,
    balance: i64,
    slips: Vec<Slip>,
    revision: Revision,
}

#[derive(Debug, Clone, PartialEq)]
struct Slip {
    id: i64,
    unit: i64,
    amount: i64,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "vaults")]
#[mappable(domain = Vault)]
struct VaultRow {
    #[table(id)]
    id: i64,
    balance: i64,
    #[table(has_many(by = vault_id, order_by = id))]
    slips: Vec<SlipRow>,
    #[table(version)]
    #[mappable(field = revision)]
    version: i64,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "slips")]
#[mappable(domain = Slip)]
struct SlipRow {
    #[table(id)]
    id: i64,
    #[table(references(VaultRow))]
    #[mappable(parent)]
    vault_id: i64,
    unit: i64,
    amount: i64,
}

/// What is stored of a unit beside its slips.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "units")]
#[mappable(domain = Self)]
struct Unit {
    #[table(id)]
    id: i64,
    source: i64,
    target: i64,
    amount: i64,
}

/// How a unit does its work.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// Everything travels with COMMIT.
    Queued,
    /// The first vault is written at once.
    AtOnce,
    /// In a nested scope.
    Nested,
    /// Behind a nested scope that wrote what must not be stored, and failed.
    BehindUndone,
    /// Behind a nested scope that sent it, too.
    BehindUndoneAtOnce,
}

const WAYS: [Way; 5] = [Way::Queued, Way::AtOnce, Way::Nested, Way::BehindUndone, Way::BehindUndoneAtOnce];

/// What a unit does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Its number.
    pub(crate) unit: i64,
    source: i64,
    target: i64,
    amount: i64,
    /// Whether the source's first slip goes, and its amount into the new one.
    folds: bool,
    way: Way,
}

impl Plan {
    /// What the unit of this number does, by this choice.
    pub(crate) fn new(unit: i64, random: &mut Random) -> Self {
        let vaults = VAULTS.unsigned_abs();
        let source = random.below(vaults);
        let target = (source + 1 + random.below(vaults - 1)) % vaults;
        Plan {
            unit,
            source: 1 + source.cast_signed(),
            target: 1 + target.cast_signed(),
            amount: 1 + random.below(100).cast_signed(),
            folds: random.below(3) == 0,
            way: WAYS[random.below(WAYS.len() as u64) as usize],
        }
    }
}

/// What the caller of a unit was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Done,
    Undone,
    Unknown,
}

/// Why a nested scope failed: on purpose, or not.
enum Failure {
    Abandoned,
    Unexpected(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Unexpected(error)
    }
}

const UNIT: TransactionOptions = TransactionOptions::new().name("unit");
const PART: TransactionOptions = TransactionOptions::new().name("part").propagation(Propagation::Nested);

/// The vaults of one database.
#[derive(Clone)]
pub(crate) struct Vaults {
    pub(crate) sessions: SessionManager,
    vaults: Repository<VaultRow>,
    units: Repository<Unit>,
}

/// The tables of vaults.
fn tables() -> SchemaRegistry {
    schema![VaultRow, SlipRow, Unit]
}

impl Vaults {
    /// Opens a pool.
    pub(crate) async fn open(config: DatabaseConfig) -> Self {
        let sessions = SessionManager::from_config(config).await.unwrap();
        Vaults { vaults: sessions.repository(), units: sessions.repository(), sessions }
    }

    /// Makes the tables, and the vaults, which are empty.
    pub(crate) async fn create(&self) {
        self.sessions.create_tables(&tables()).await.unwrap();
        let empty = |id| Vault { id, balance: 0, slips: Vec::new(), revision: Revision::default() };
        self.vaults.autocommit().add_all_now(&mut (1..=VAULTS).map(empty).collect::<Vec<_>>()).await.unwrap();
    }

    /// Runs a unit.
    pub(crate) async fn run(&self, plan: Plan) -> Told {
        match self.sessions.transaction(UNIT, async |_| self.work(plan).await).await {
            Ok(()) => Told::Done,
            Err(error) if error.is_outcome_unknown() => Told::Unknown,
            Err(_) => Told::Undone,
        }
    }

    async fn work(&self, plan: Plan) -> Result<(), Error> {
        if let Way::BehindUndone | Way::BehindUndoneAtOnce = plan.way {
            self.abandon(plan).await?;
        }
        let mut both = self.vaults.get_many([plan.source, plan.target]).await?;
        let [source, target] = both.as_mut_slice() else { panic!("{} vaults in place of 2", both.len()) };
        let carried = if plan.folds && !source.slips.is_empty() { source.slips.remove(0).amount } else { 0 };
        source.balance -= plan.amount;
        source.slips.push(Slip { id: plan.unit * 10, unit: plan.unit, amount: carried - plan.amount });
        target.balance += plan.amount;
        target.slips.push(Slip { id: plan.unit * 10 + 1, unit: plan.unit, amount: plan.amount });
        match plan.way {
            Way::AtOnce => {
                self.vaults.save_now(source).await?;
                self.vaults.save(target)?;
            }
            Way::Nested => self.sessions.transaction(PART, async |_| self.vaults.save_all(&mut both)).await?,
            Way::Queued | Way::BehindUndone | Way::BehindUndoneAtOnce => self.vaults.save_all(&mut both)?,
        }
        let Plan { unit, source, target, amount, .. } = plan;
        self.units.add(&mut Unit { id: unit, source, target, amount })
    }

    /// Writes to both vaults in a nested scope that fails.
    async fn abandon(&self, plan: Plan) -> Result<(), Error> {
        let part = self.sessions.transaction(PART, async |_| {
            let mut both = self.vaults.get_many([plan.source, plan.target]).await?;
            for (vault, place) in both.iter_mut().zip(2..) {
                vault.balance += LOST;
                vault.slips.push(Slip { id: plan.unit * 10 + place, unit: plan.unit, amount: LOST });
            }
            self.vaults.save_all(&mut both)?;
            if let Way::BehindUndoneAtOnce = plan.way {
                Session::current()?.flush().await?;
            }
            Err::<(), _>(Failure::Abandoned)
        });
        match part.await {
            Err(Failure::Unexpected(error)) => Err(error),
            Ok(()) | Err(Failure::Abandoned) => Ok(()),
        }
    }
}
