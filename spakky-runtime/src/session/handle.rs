//! The handle on a session.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tracing::Span;

use super::state::{FOREIGN, Frame, State};
use super::{SessionManager, SessionStatistics, innermost_session};
use crate::context::RequestContext;
use crate::error::{Error, ErrorKind};
use crate::pool::Lease;
use crate::scope::{Scope, Visibility};
use crate::transaction::{Hook, Propagation, TransactionMode, TransactionOptions};
use crate::unit_of_work::{Entry, PendingWrite, RowKey, show_key};

/// A unit of work in progress: one transaction on one connection, taken from the pool when it is first needed.
///
/// Code inside a scope finds it with [`Session::current`]; repositories do so by themselves. A clone is the same session.
/// Passing a clone to a spawned task makes that task part of the scope on purpose; its calls are then served one
/// after the other.
#[derive(Clone)]
pub struct Session {
    pub(crate) inner: Arc<SessionInner>,
    /// 0 in the root scope, one more in each nested one.
    pub(crate) depth: usize,
    /// The frame of the scope, to tell it from an earlier one at the same depth.
    pub(crate) frame: u64,
    /// What the repository that works through this handle was told to see.
    pub(crate) visibility: Visibility,
    /// The read-only scope that this is the session of, where the transaction may write.
    pub(crate) read_only_in: Option<&'static str>,
}

pub(crate) struct SessionInner {
    pub(crate) manager: SessionManager,
    pub(crate) mode: TransactionMode,
    pub(crate) name: &'static str,
    context: RequestContext,
    state: Mutex<State>,
    pub(crate) wire: Arc<tokio::sync::Mutex<Option<Lease>>>,
    turn: Notify,
    /// The runtime on which a dropped scope is cleaned up.
    pub(crate) runtime: Option<Handle>,
    /// The session whose state this one shares, where it stands for a transaction inside that one's.
    #[cfg(feature = "testing")]
    outermost: Option<Arc<SessionInner>>,
}

impl SessionInner {
    /// The session that has the transaction.
    fn owner(&self) -> &SessionInner {
        #[cfg(feature = "testing")]
        if let Some(outermost) = &self.outermost {
            return outermost;
        }
        self
    }
}

impl Session {
    pub(crate) fn new(manager: SessionManager, options: &TransactionOptions, attempt: u32) -> Self {
        let span = manager.unit_of_work_span(options, attempt);
        Self::with(manager, options.mode(), options.display_name(), span, RequestContext::current())
    }

    fn with(
        manager: SessionManager,
        mut mode: TransactionMode,
        name: &'static str,
        span: Span,
        context: RequestContext,
    ) -> Self {
        mode.settings = context.settings();
        Session {
            inner: Arc::new(SessionInner {
                manager,
                mode,
                name,
                context,
                state: Mutex::new(State::new(name, span)),
                wire: Arc::new(tokio::sync::Mutex::new(None)),
                turn: Notify::new(),
                runtime: Handle::try_current().ok(),
                #[cfg(feature = "testing")]
                outermost: None,
            }),
            depth: 0,
            frame: 0,
            visibility: Visibility::default(),
            read_only_in: None,
        }
    }

    /// A session of this one's transaction for the scope in `frame`, with options and a context of its own.
    #[cfg(feature = "testing")]
    pub(super) fn inside(&self, options: &TransactionOptions, frame: u64) -> Session {
        let inner = SessionInner {
            manager: self.inner.manager.clone(),
            mode: options.mode(),
            name: options.display_name(),
            context: RequestContext::current(),
            state: Mutex::new(State::new(options.display_name(), Span::none())),
            wire: Arc::clone(&self.inner.wire),
            turn: Notify::new(),
            runtime: Handle::try_current().ok(),
            outermost: Some(self.inner.outermost.clone().unwrap_or_else(|| Arc::clone(&self.inner))),
        };
        let visibility = Visibility::default();
        Session { inner: Arc::new(inner), depth: self.depth + 1, frame, visibility, read_only_in: None }
    }

    /// Whether both are of the same transaction of the database.
    pub(crate) fn shares_transaction(&self, other: &Session) -> bool {
        std::ptr::eq(self.inner.owner(), other.inner.owner())
    }

    /// The same for a read-only scope called `name` that is part of this one.
    pub(crate) fn for_reading(self, name: &'static str) -> Session {
        Session { read_only_in: self.read_only_in.or((!self.inner.mode.read_only).then_some(name)), ..self }
    }

    /// The session of the innermost scope around this place.
    ///
    /// # Errors
    /// [`is_no_session`](Error::is_no_session) outside any scope, and in a spawned task.
    pub fn current() -> Result<Session, Error> {
        innermost_session().ok_or_else(|| {
            Error::new(
                ErrorKind::NoSession,
                "find a session: there is no scope around this call (a spawned task has none of its own); use \
                 `#[transactional]` or `sessions.transaction(..)`",
            )
        })
    }

    /// The same for a repository of another manager, which may not work in it.
    pub(crate) fn foreign(&self) -> Session {
        Session { frame: FOREIGN, ..self.clone() }
    }

    /// The manager the session belongs to.
    pub fn manager(&self) -> &SessionManager {
        &self.inner.manager
    }

    /// The name of the use case, as given by the scope's options.
    pub fn name(&self) -> &'static str {
        self.inner.name
    }

    /// The context of the request, as it was when the session was opened.
    pub fn context(&self) -> &RequestContext {
        &self.inner.context
    }

    /// What the statements sent through this handle are confined to.
    pub(crate) fn scope(&self) -> Scope {
        Scope::of(&self.inner.context, self.visibility)
    }

    /// Marks the transaction as one that can only be rolled back; `reason` is part of the error that its commit gives.
    pub fn set_rollback_only(&self, reason: &str) {
        let name = self.scope_name();
        self.state().doom(self.depth, format!("`{name}` was marked so: {reason}"));
    }

    /// Whether the transaction can only be rolled back.
    pub fn is_rollback_only(&self) -> bool {
        self.state().frames.iter().take(self.depth + 1).any(|frame| frame.doom.is_some())
    }

    /// What the session sent so far.
    pub fn statistics(&self) -> SessionStatistics {
        self.state().statistics
    }

    /// Runs `hook` inside the transaction before COMMIT, after the body returned `Ok`. An error rolls everything back.
    pub fn before_commit<F, Fut>(&self, hook: F)
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let hook: Hook = Box::new(move || Box::pin(hook()));
        self.with_frame(|frame| frame.hooks.before_commit.push(hook));
    }

    /// Runs `hook` once the transaction is committed and its connection is back in the pool, in the
    /// [`context`](Self::context) of the session, whoever ends it. An error or a panic is reported as
    /// [`is_post_commit`](Error::is_post_commit).
    pub fn after_commit<F, Fut>(&self, hook: F)
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let hook: Hook = Box::new(move || Box::pin(hook()));
        self.with_frame(|frame| frame.hooks.after_commit.push(hook));
    }

    /// Runs `hook` once the transaction, or the nested scope it is registered in, was rolled back for whatever reason, in the
    /// [`context`](Self::context) of the session. An error or a panic is logged.
    pub fn on_rollback<F, Fut>(&self, hook: F)
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let hook: Hook = Box::new(move || Box::pin(hook()));
        self.with_frame(|frame| frame.hooks.on_rollback.push(hook));
    }

    fn with_frame(&self, change: impl FnOnce(&mut Frame)) {
        let mut state = self.state();
        let depth = self.depth.min(state.frames.len() - 1);
        change(&mut state.frames[depth]);
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock is held leaves no half-made change behind: what follows it is a rollback.
        self.inner.owner().state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Told whenever a nested scope ends.
    pub(super) fn turn(&self) -> &Notify {
        &self.inner.owner().turn
    }

    pub(crate) fn holds_connection(&self) -> bool {
        match self.inner.wire.try_lock() {
            Ok(wire) => wire.is_some(),
            // Somebody is using it.
            Err(_) => true,
        }
    }

    /// The name of this scope, which is a nested one or the root.
    pub(crate) fn scope_name(&self) -> &'static str {
        self.state().frames.get(self.depth).map_or(self.inner.name, |frame| frame.name)
    }

    /// Something ran in this scope that may have done more than read.
    pub(crate) fn touch(&self) {
        if let Some(frame) = self.state().frames.get_mut(self.depth) {
            frame.touched = true;
        }
    }

    /// Whether the session can be used.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.state().check(self.depth, self.frame)
    }

    /// Whether the session can be written to.
    pub(crate) fn check_writable(&self) -> Result<(), Error> {
        self.check()?;
        if let Some(name) = self.read_only_in.or(self.inner.mode.read_only.then_some(self.inner.name)) {
            return Err(Error::new(
                ErrorKind::ReadOnly,
                format!("write in `{name}`, which is read-only; drop `read_only` from its scope"),
            ));
        }
        Ok(())
    }

    /// What the session knows of a row.
    pub(crate) fn known(&self, key: &RowKey) -> Option<Entry> {
        self.state().map.get(key).cloned()
    }

    /// What is queued for a row in this scope.
    pub(crate) fn pending(&self, key: &RowKey) -> Option<PendingWrite> {
        self.state().frames.get(self.depth)?.queue.get(key).cloned()
    }

    /// Queues writes, all of them or none, and remembers what the rows will be.
    pub(crate) fn queue(&self, writes: Vec<Queued>) -> Result<(), Error> {
        self.check_writable()?;
        writes.iter().try_for_each(|(write, _)| self.scope().check_queued(write))?;
        let mut guard = self.state();
        let state = &mut *guard;
        for (write, entry) in &writes {
            let Some((key, entry)) = entry else { continue };
            if state.map.is_changed_below(self.depth, key) {
                let table = write.table.name;
                let message = format!(
                    "write to `{table}` with id {}: a nested scope that is still open has changed the same row; wait for its end",
                    show_key(key)
                );
                return Err(Error::new(ErrorKind::InvalidTransaction, message).with_table(table));
            }
            check_queued(write, key, entry, state.map.get(key))?;
        }
        let Some(frame) = state.frames.get_mut(self.depth) else {
            return Err(nested_ended());
        };
        frame.queue.reserve(writes.len());
        state.map.reserve(writes.len());
        for (write, entry) in writes {
            frame.queue.push(write, |earlier, later| state.map.is_apart(earlier, later));
            if let Some((key, entry)) = entry {
                // Nothing is queued for a row that was added and deleted again.
                let around = state.map.get(&key).map(|entry| entry.queued).unwrap_or_default();
                let queued = around.with(self.depth, frame.queue.holds(&key));
                state.map.insert(self.depth, key, Entry { queued, ..entry });
            }
        }
        Ok(())
    }

    /// A session like this one, for the transaction that follows it.
    pub(crate) fn successor(&self) -> Session {
        let options = TransactionOptions::new().name(self.inner.name).propagation(Propagation::RequiresNew);
        let span = self.inner.manager.unit_of_work_span(&options, 1);
        let SessionInner { manager, mode, name, context, .. } = &*self.inner;
        Self::with(manager.clone(), mode.clone(), name, span, context.clone())
    }

    /// Takes over what `earlier` knows of its rows.
    pub(crate) fn inherit(&self, earlier: &Session) {
        let map = std::mem::take(&mut earlier.state().map);
        self.state().map = map;
    }
}

/// A write, and what its row will be.
pub(crate) type Queued = (PendingWrite, Option<(RowKey, Entry)>);

/// Refuses a write of a row for which one of another tenant is queued.
pub(crate) fn check_queued(
    write: &PendingWrite,
    key: &RowKey,
    entry: &Entry,
    known: Option<&Entry>,
) -> Result<(), Error> {
    let Some(known) = known.filter(|known| known.queued.is_any()) else { return Ok(()) };
    if entry.tenant.is_none() || entry.tenant == known.tenant {
        return Ok(());
    }
    let (table, id) = (write.table.name, show_key(key));
    let message =
        format!("write to `{table}` with id {id}: a write of it for another tenant is queued; flush it before");
    Err(Error::new(ErrorKind::TenantMismatch, message).with_table(table).with_ids(vec![id]))
}

pub(crate) fn nested_ended() -> Error {
    Error::new(ErrorKind::NoSession, "use the session of a nested scope that has ended")
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("name", &self.inner.name).field("depth", &self.depth).finish_non_exhaustive()
    }
}
