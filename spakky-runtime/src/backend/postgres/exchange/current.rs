//! A burst that is under way: what it waits for, and what came of it so far.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use super::Ticket;
use crate::backend::postgres::rows::{Columns, RawRow, Rows};
use crate::backend::postgres::server_error::ServerError;
use crate::backend::postgres::statement_cache::{StatementCache, StatementId};
use crate::backend::postgres::types::TypeCatalog;
use crate::backend::postgres::wire::RowReader;
use crate::error::{DatabaseError, ErrorKind};

/// What a portal is run for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Purpose {
    /// It is a step, or a part of one.
    Step,
    /// COMMIT, which the server may turn into ROLLBACK.
    Commit,
    /// It undoes what a user's own text left, behind the last step. Its failure is none of the burst.
    Behind,
}

/// A statement of a burst on its way.
#[derive(Debug)]
pub(in super::super) struct Portal {
    pub(in super::super) purpose: Purpose,
    pub(in super::super) step: usize,
    /// Its answer completes that of the step.
    pub(in super::super) is_last: bool,
    /// Its rows are read, so that they have to be described.
    pub(in super::super) has_rows: bool,
    /// The prepared statement, where it is one.
    pub(in super::super) statement: Option<StatementId>,
    /// The prepared statement was there before the burst, and may be out of date.
    pub(in super::super) is_old: bool,
}

/// How a burst failed.
#[derive(Debug)]
pub(in super::super) enum Failure {
    /// The server said so.
    Server(ServerError),
    /// The server answered COMMIT with ROLLBACK.
    RolledBack,
    /// It is refused on this side: it cannot be written as messages, so that nothing of the burst was sent, or is not the statement
    /// that it was sent as.
    Unsent(DatabaseError),
    /// The line had ended before; nothing of the burst was sent.
    Closed(Arc<End>),
    /// The line ended, or what came on it made no sense.
    Ended(Arc<End>),
}

/// Why a line ended.
#[derive(Debug, Clone)]
pub(in super::super) enum End {
    /// The server said so.
    Server(ServerError),
    /// It was closed on this side, or by something in between.
    Line(String),
}

/// What came of a burst.
#[derive(Default)]
pub(in super::super) struct Finished {
    /// The answers of the steps before the one that failed, and the rows that came of one that the line broke in; or of all.
    pub(in super::super) answers: Vec<Rows>,
    pub(in super::super) failure: Option<(usize, Failure)>,
    /// The step that failed ran a prepared statement that was there before the burst.
    pub(in super::super) failed_old: bool,
    /// The line ended before all was answered.
    pub(in super::super) is_cut: bool,
    /// What was sent behind the last step failed.
    pub(in super::super) failed_behind: bool,
}

/// Which way rows of a COPY go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum CopyDirection {
    /// From the server.
    Out,
    /// To the server.
    In,
}

/// A burst that is under way.
pub(super) struct Current {
    pub(super) ticket: Ticket,
    pub(super) portals: Vec<Portal>,
    pub(super) at: usize,
    /// How many portals stand before each Sync that is not answered.
    pub(super) syncs: VecDeque<usize>,
    pub(super) is_simple: bool,
    pub(super) streams: bool,
    pub(super) copies: Option<CopyDirection>,
    /// The server reads what is copied to it.
    pub(super) accepts: bool,
    /// Nobody waits for it any more.
    pub(super) is_abandoned: bool,
    /// Who waits for it, while another one is answered.
    pub(super) waker: Option<Waker>,
    pub(super) columns: Option<Arc<Columns>>,
    pub(super) reader: Option<Arc<RowReader>>,
    pub(super) building: Rows,
    pub(super) finished: Finished,
    /// COMMIT has been answered with COMMIT: nothing that comes later changes that.
    pub(super) is_committed: bool,
    /// The line cannot be used behind it.
    pub(super) is_spoilt: bool,
    /// The server has answered all of it.
    pub(super) is_over: bool,
    /// Rows that are to be handed on.
    pub(super) rows: VecDeque<RawRow>,
}

impl Current {
    pub(super) fn portal(&self) -> Option<&Portal> {
        self.portals.get(self.at)
    }

    /// Whether a transaction has ended behind it, however it ends.
    pub(super) fn ends_transaction(&self) -> bool {
        let last = self.portals.iter().rev().find(|portal| portal.purpose != Purpose::Behind);
        last.is_some_and(|portal| portal.purpose == Purpose::Commit)
    }

    /// The portal is bound to its values: what is known of its rows applies from here on.
    pub(super) fn bound(&mut self, cache: &mut StatementCache) {
        if let Some(id) = self.portal().and_then(|portal| portal.statement) {
            self.reader = cache.reader(id);
            if self.columns.is_none() {
                self.columns = cache.columns(id);
            }
        }
    }

    /// Takes a row in; `false` for one that was not described.
    pub(super) fn take_row(&mut self, body: &[u8], cache: &mut StatementCache, types: &TypeCatalog) -> bool {
        let Some(portal) = self.portals.get(self.at).filter(|portal| portal.has_rows && !self.is_abandoned) else {
            return true;
        };
        let Some(columns) = &self.columns else { return false };
        if self.streams {
            self.rows.push_back(RawRow { columns: columns.clone(), body: body.into() });
        } else if let Some(reader) = self.building.take(body, columns, self.reader.as_deref(), types) {
            let reader = Arc::new(reader);
            if let Some(id) = portal.statement {
                cache.set_reader(id, reader.clone());
            }
            self.reader = Some(reader);
        }
        true
    }

    /// Rows are to come from the server. Where they were to go there, it has failed, and they are passed over.
    pub(super) fn copies_out(&mut self) {
        if self.copies == Some(CopyDirection::In) && !self.is_abandoned {
            let message = "the statement copies rows from the server; use `copy_out`";
            self.fail(Failure::Unsent(DatabaseError::new(ErrorKind::Database, "", message)));
        }
    }

    /// Takes in a piece of what is copied from the server.
    pub(super) fn take_copied(&mut self, body: &[u8]) {
        if self.copies == Some(CopyDirection::Out) && !self.is_abandoned {
            self.rows.push_back(RawRow { columns: Arc::default(), body: body.into() });
        }
    }

    /// A statement has run; `tag` says what it did, and for some to how many rows.
    pub(super) fn complete(&mut self, tag: &[u8]) {
        if self.is_simple {
            // As many statements as the text has; what they answer with is nobody's, but for the count of a COPY.
            self.building.affected = affected(tag);
            return;
        }
        let Some(portal) = self.portals.get(self.at) else { return };
        let (purpose, step, is_last) = (portal.purpose, portal.step, portal.is_last);
        self.at += 1;
        (self.columns, self.reader) = (None, None);
        if purpose == Purpose::Commit {
            self.is_committed = tag == b"COMMIT\0";
            if !self.is_committed && self.finished.failure.is_none() {
                self.finished.failure = Some((step, Failure::RolledBack));
            }
        }
        self.building.affected = affected(tag);
        if purpose == Purpose::Behind {
            self.building = Rows::default();
        } else if is_last && self.finished.failure.is_none() {
            self.finished.answers.push(std::mem::take(&mut self.building));
        }
    }

    /// Notes a failure of what is being answered. Behind the last answer ahead of a Sync it is that of the
    /// commit which the Sync stands for.
    pub(super) fn fail(&mut self, failure: Failure) {
        self.accepts = false;
        let before = self.syncs.front().copied().unwrap_or(self.portals.len());
        let failed = self.portals.get(self.at.min(before.saturating_sub(1)));
        if self.is_committed || failed.is_some_and(|portal| portal.purpose == Purpose::Behind) {
            self.finished.failed_behind = true;
        } else if self.finished.failure.is_none() {
            let (step, is_old) = failed.map_or((0, false), |portal| (portal.step, portal.is_old));
            self.finished.answers.truncate(step);
            // Of an answer that broke off, the rows that came are kept: the transaction's id may be among them.
            if matches!(failure, Failure::Ended(_))
                && self.finished.answers.len() == step
                && !self.building.records.is_empty()
            {
                self.finished.answers.push(std::mem::take(&mut self.building));
            }
            self.finished.failed_old = is_old;
            self.finished.failure = Some((step, failure));
        }
    }

    /// The server has answered a Sync; `false` if it has left out the answer to something before it.
    pub(super) fn synced(&mut self) -> bool {
        let before = self.syncs.pop_front().unwrap_or(self.portals.len());
        let has_failed = self.finished.failure.is_some() || self.finished.failed_behind;
        if self.at < before && !has_failed {
            return false;
        }
        self.at = before;
        if self.syncs.is_empty() {
            self.over();
        }
        true
    }

    fn over(&mut self) {
        if self.is_simple && self.finished.failure.is_none() {
            self.finished.answers.push(std::mem::take(&mut self.building));
        }
        self.is_over = true;
    }
}

/// The number at the end of a command's tag: `INSERT 0 5`, `SELECT 2`; 0 for one without.
fn affected(tag: &[u8]) -> u64 {
    let digits = tag.strip_suffix(b"\0").unwrap_or(tag).rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    digits
        .iter()
        .try_fold(0_u64, |number, digit| match digit {
            b'0'..=b'9' => number.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
            _ => None,
        })
        .unwrap_or(0)
}
