//! The state of one session, held under a lock that is never kept across an await.

use std::any::TypeId;
use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use super::given_up::GivenUp;
use super::handle::nested_ended;
use super::stream::Streaming;
use tracing::Span;
use uuid::Uuid;

use crate::backend::{Connection, Step};
use crate::error::{Error, ErrorKind};
use crate::schema::{Record, TableDescriptor};
use crate::transaction::{Fate, Hooks, retry::Failure};
use crate::unit_of_work::{IdentityMap, PendingQueue, RowKey, key_of, leave_out};

/// Where the session stands with its database transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No BEGIN was sent.
    Idle,
    /// BEGIN was sent.
    Open,
    /// COMMIT was sent.
    Committing,
    /// The end, whichever.
    Ended,
}

/// Stands for the frame of a session that belongs to another manager than the repository it was given to.
pub(crate) const FOREIGN: u64 = u64::MAX;

/// Why a scope can only be rolled back.
#[derive(Debug, Clone)]
pub(crate) struct Doom {
    pub(crate) reason: Arc<str>,
}

/// The root scope or one nested in it with a savepoint of its own.
pub(crate) struct Frame {
    /// Tells it from others at the same depth.
    pub(crate) id: u64,
    pub(crate) name: &'static str,
    /// The savepoint, once it was sent.
    pub(crate) savepoint: Option<String>,
    pub(crate) queue: PendingQueue,
    /// Something beyond reads of ours was sent in it.
    pub(crate) touched: bool,
    pub(crate) doom: Option<Doom>,
    /// What becomes of the scope, once a value is to know.
    fate: Option<Arc<Fate>>,
    /// The versions that the scope gave to values.
    pub(crate) given: Vec<(RowKey, i64)>,
    pub(crate) hooks: Hooks,
    /// What is the scope's around it, where this one stands for a transaction.
    #[cfg(feature = "testing")]
    pub(crate) around: Option<Box<super::enclosed::Around>>,
}

impl Frame {
    /// The scope is undone: values know of it, and the versions that they cannot know of are the answer.
    pub(crate) fn undo(&mut self) -> Vec<(RowKey, i64)> {
        if let Some(fate) = &self.fate {
            fate.undo();
        }
        std::mem::take(&mut self.given)
    }

    fn new(id: u64, name: &'static str) -> Self {
        Frame {
            id,
            name,
            savepoint: None,
            queue: PendingQueue::default(),
            touched: false,
            doom: None,
            fate: None,
            given: Vec::new(),
            hooks: Hooks::default(),
            #[cfg(feature = "testing")]
            around: None,
        }
    }
}

/// What a session sent so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionStatistics {
    /// Statements, transaction control included.
    pub statements: u64,
    /// Bursts that were waited for: the round trips that the unit of work cost.
    pub round_trips: u64,
    /// Rows read.
    pub rows_read: u64,
    /// Rows written by the flushes of the unit of work.
    pub rows_written: u64,
}

impl std::ops::AddAssign for SessionStatistics {
    fn add_assign(&mut self, more: Self) {
        self.statements += more.statements;
        self.round_trips += more.round_trips;
        self.rows_read += more.rows_read;
        self.rows_written += more.rows_written;
    }
}

pub(crate) struct State {
    pub(crate) phase: Phase,
    /// Something beyond plain reads was sent, so that COMMIT matters.
    pub(crate) wrote: bool,
    /// An answer was not waited for, so that a failure may have gone unseen.
    pub(crate) unobserved: bool,
    /// Calls that were given up, in the order in which they were sent. Their answers are read before anything else is sent.
    pub(crate) given_up: VecDeque<GivenUp>,
    /// The transaction is being undone, to begin anew.
    pub(crate) restarts: bool,
    /// Steps to send ahead of the next burst.
    pub(crate) prelude: Vec<Step>,
    /// The root frame, then the nested ones.
    pub(crate) frames: Vec<Frame>,
    last_frame: u64,
    /// The connection while the session has one, to stop what another task is waiting for.
    pub(crate) connection: Weak<Connection>,
    /// The stream that keeps the connection, if there is one.
    pub(crate) stream: Weak<Streaming>,
    pub(crate) map: IdentityMap,
    /// The transaction's id, once a write's answer told it (PostgreSQL).
    pub(crate) xid: Option<String>,
    /// The row that tells whether it was committed, once it was sent.
    pub(crate) commit_token: Option<Uuid>,
    /// The last failure the database reported, for the retry.
    pub(crate) failure: Option<Failure>,
    /// A user's own text ran, or a lent connection did: role and search path may be others.
    pub(crate) ran_text: bool,
    /// The connection is lent.
    pub(crate) lent: bool,
    pub(crate) statistics: SessionStatistics,
    /// The span of the unit of work, until it has ended.
    pub(crate) span: Span,
    /// The end was counted.
    pub(crate) observed: bool,
    /// The versions that nested scopes gave to values and that were undone with them.
    pub(crate) undone: Vec<(RowKey, i64)>,
    /// It is the transaction of one call outside any scope, which is stopped when the call is dropped, COMMIT included.
    pub(crate) is_call: bool,
}

impl State {
    pub(crate) fn new(name: &'static str, span: Span) -> Self {
        State {
            phase: Phase::Idle,
            wrote: false,
            unobserved: false,
            given_up: VecDeque::new(),
            restarts: false,
            prelude: Vec::new(),
            frames: vec![Frame::new(0, name)],
            last_frame: 0,
            connection: Weak::new(),
            stream: Weak::new(),
            map: IdentityMap::default(),
            xid: None,
            commit_token: None,
            failure: None,
            ran_text: false,
            lent: false,
            statistics: SessionStatistics::default(),
            span,
            observed: false,
            undone: Vec::new(),
            is_call: false,
        }
    }

    /// Whether a session of this frame can still be used.
    pub(crate) fn check(&self, depth: usize, frame: u64) -> Result<(), Error> {
        check_own(frame)?;
        if matches!(self.phase, Phase::Committing | Phase::Ended) {
            return Err(Error::new(
                ErrorKind::NoSession,
                "use a session whose transaction has ended; open a new scope",
            ));
        }
        if self.frames.get(depth).is_none_or(|found| found.id != frame) {
            return Err(nested_ended());
        }
        match self.frames.iter().take(depth + 1).find_map(|frame| frame.doom.as_ref()) {
            Some(doom) => Err(doom.error()),
            None => Ok(()),
        }
    }

    /// Whether the frame is as [`check`](Self::check) wants it.
    pub(crate) fn is_usable(&self, depth: usize, frame: u64) -> bool {
        // The end of a transaction is the most frequent reason, and an error takes time to make.
        !matches!(self.phase, Phase::Committing | Phase::Ended) && self.check(depth, frame).is_ok()
    }

    /// Whether something is queued that may be about rows of this type in another way than by their keys.
    pub(crate) fn is_concerned(&self, depth: usize, row_type: TypeId) -> bool {
        self.frames.iter().take(depth + 1).any(|frame| frame.queue.concerns(row_type))
    }

    /// Whether a child of a row is queued as one of another row.
    pub(crate) fn is_given_elsewhere(
        &mut self,
        depth: usize,
        table: &'static TableDescriptor,
        key: &RowKey,
        record: &Record,
    ) -> bool {
        self.frames.iter_mut().take(depth + 1).any(|frame| frame.queue.gives_elsewhere(table, key, record))
    }

    /// Leaves out the children of a row that are queued as those of another row.
    pub(crate) fn leave_out_given(
        &mut self,
        depth: usize,
        table: &'static TableDescriptor,
        key: &RowKey,
        record: &mut Record,
    ) {
        if table.relations.is_empty() {
            return;
        }
        let queues = self.frames.iter_mut().take(depth + 1).map(|frame| &mut frame.queue);
        // The innermost scope has written last.
        let given: Vec<_> = queues.filter(|queue| !queue.is_empty()).map(PendingQueue::given).rev().collect();
        if given.is_empty() {
            return;
        }
        leave_out(table, record, &|child, row| {
            let child = (child.row_type, key_of(child, row));
            let owner = given.iter().find_map(|given| given.get(&child));
            owner.is_some_and(|owner| owner.as_ref() != Some(key))
        });
    }

    /// What becomes of the scope at `depth`.
    pub(crate) fn fate(&mut self, depth: usize) -> Arc<Fate> {
        let mut around: Option<Arc<Fate>> = None;
        for frame in self.frames.iter_mut().take(depth + 1) {
            let fate = frame.fate.get_or_insert_with(|| Arc::new(Fate::inside(around.take())));
            around = Some(Arc::clone(fate));
        }
        around.unwrap_or_default()
    }

    /// Opens a nested frame and answers its id.
    pub(crate) fn open_frame(&mut self, name: &'static str) -> u64 {
        self.last_frame += 1;
        self.frames.push(Frame::new(self.last_frame, name));
        self.map.begin_layer();
        self.last_frame
    }

    /// Takes note that an answer came, and with it those to everything sent before.
    pub(crate) fn observed(&mut self) {
        self.unobserved = false;
    }

    /// Marks the frame at `depth` and all inside it as rollback-only. The first reason stays.
    pub(crate) fn doom(&mut self, depth: usize, reason: impl Into<Arc<str>>) {
        if let Some(frame) = self.frames.get_mut(depth)
            && frame.doom.is_none()
        {
            frame.doom = Some(Doom { reason: reason.into() });
        }
    }

    pub(crate) fn note_failure(&mut self, error: &Error) {
        self.failure = Some(Failure { kind: error.kind(), retryable: error.is_retryable() });
    }
}

/// Refuses a session of another manager.
pub(crate) fn check_own(frame: u64) -> Result<(), Error> {
    if frame != FOREIGN {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidTransaction,
        "use a repository in a session of another `SessionManager`; make the repository with the session's own: \
         `session.manager().repository()`",
    ))
}

impl Doom {
    pub(crate) fn error(&self) -> Error {
        Error::new(
            ErrorKind::RollbackOnly,
            format!("go on with a transaction that can only be rolled back: {}", self.reason),
        )
    }
}
