//! The figures of a run.

/// What was run.
#[derive(Debug, Default, Clone, Copy)]
pub(in super::super) struct Figures {
    pub(in super::super) histories: u64,
    pub(in super::super) transactions: u64,
    pub(in super::super) commits: u64,
    pub(in super::super) steps: u64,
    /// Steps that were left out, since the library may refuse them.
    pub(in super::super) left_out: u64,
    /// Steps that were refused, as the guide says.
    pub(in super::super) refused: u64,
}

impl Figures {
    pub(in super::super) fn add(&mut self, other: &Figures) {
        self.histories += other.histories;
        self.transactions += other.transactions;
        self.commits += other.commits;
        self.steps += other.steps;
        self.left_out += other.left_out;
        self.refused += other.refused;
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Figures { histories, transactions, commits, steps, left_out, refused } = *self;
        let rate = refused as f64 * 100.0 / transactions.max(1) as f64;
        write!(
            f,
            "{histories} histories, {transactions} transactions ({commits} committed, {rate:.2} % met a refusal), {steps} \
             steps ({left_out} left out)"
        )
    }
}
