//! What was told of each unit, and whether the database holds that.

use std::collections::BTreeMap;

use spakky::prelude::*;
use spakky::{Error, Isolation, SessionManager};

use crate::vault::{Told, VAULTS};

/// What was told of each unit that began; nothing, where its process ended first.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    units: BTreeMap<i64, Option<Told>>,
}

impl Ledger {
    /// A unit began.
    pub(crate) fn begin(&mut self, unit: i64) {
        self.units.insert(unit, None);
    }

    /// A unit's caller was told of its end.
    pub(crate) fn tell(&mut self, unit: i64, told: Told) {
        self.units.insert(unit, Some(told));
    }

    /// How many units were told to be done.
    pub(crate) fn done(&self) -> usize {
        self.units.values().filter(|told| **told == Some(Told::Done)).count()
    }

    /// Compares the database with what was told: a unit that is done is stored, one that is undone is not, and each is
    /// stored whole or not at all.
    pub(crate) async fn check(&self, sessions: &SessionManager, case: &str) {
        let Stored { units, vaults, slips } = Stored::look(sessions).await;
        let stored: BTreeMap<i64, _> = units.iter().map(|(id, ..)| (*id, ())).collect();
        for (unit, told) in &self.units {
            match (told, stored.contains_key(unit)) {
                (Some(Told::Done), false) => panic!("{case}: unit {unit} was told to be done, and is not stored"),
                (Some(Told::Undone), true) => panic!("{case}: unit {unit} was told to be undone, and is stored"),
                _ => {}
            }
        }
        let unheard = stored.keys().find(|unit| !self.units.contains_key(unit));
        assert_eq!(unheard, None, "{case}: a unit is stored that never began");

        // What the units that are stored leave in vaults: balance and version.
        let mut expected: BTreeMap<i64, (i64, i64)> = (1..=VAULTS).map(|id| (id, (0, 1))).collect();
        for (_, source, target, amount) in units {
            for (vault, change) in [(source, -amount), (target, amount)] {
                let (balance, version) = expected.get_mut(&vault).unwrap();
                *balance += change;
                *version += 1;
            }
        }
        let vaults: BTreeMap<_, _> =
            vaults.into_iter().map(|(id, balance, version)| (id, (balance, version))).collect();
        assert_eq!(vaults, expected, "{case}: balance and version of each vault");

        let mut sums: BTreeMap<i64, i64> = (1..=VAULTS).map(|id| (id, 0)).collect();
        for (vault, unit, amount) in slips {
            assert!(stored.contains_key(&unit), "{case}: a slip of unit {unit}, which is not stored");
            *sums.get_mut(&vault).unwrap() += amount;
        }
        let balances: BTreeMap<_, _> = expected.into_iter().map(|(id, (balance, _))| (id, balance)).collect();
        assert_eq!(sums, balances, "{case}: what the slips of each vault add up to");
    }
}

/// What the database holds at one moment: the server may still be at work for somebody who is gone.
struct Stored {
    /// Id, source, target and amount.
    units: Vec<(i64, i64, i64, i64)>,
    /// Id, balance and version.
    vaults: Vec<(i64, i64, i64)>,
    /// Vault, unit and amount.
    slips: Vec<(i64, i64, i64)>,
}

const LOOK: TransactionOptions = TransactionOptions::new().name("look").isolation(Isolation::RepeatableRead);

impl Stored {
    async fn look(sessions: &SessionManager) -> Self {
        let looked = sessions.transaction(LOOK, async |session| {
            let units = session.sql("SELECT id, source, target, amount FROM units ORDER BY id").fetch_all().await?;
            let vaults = session.sql("SELECT id, balance, version FROM vaults ORDER BY id").fetch_all().await?;
            let slips = session.sql("SELECT vault_id, unit, amount FROM slips ORDER BY id").fetch_all().await?;
            Ok::<_, Error>(Stored { units, vaults, slips })
        });
        looked.await.unwrap()
    }
}
