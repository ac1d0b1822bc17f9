//! The queue between a connection's handle, used from anywhere, and its thread.
//!
//! Jobs run in the order in which they were pushed. A request to stop is a flag that belongs to one job: it is set
//! under the lock that also decides which job is running, so it can neither be lost nor hit the job after. The thread
//! reads it between statements, and SQLite's callbacks read it inside one.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::executor::Executor;

/// What the thread does with the connection. A job that is dropped without being run lets go of the sender of its
/// answer, which is how the other side learns of it.
pub(super) type Job = Box<dyn FnOnce(&mut Executor) + Send>;

/// Names a job for as long as it is queued or running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct JobId(u64);

/// How long a thread that waits for another connection's lock sleeps before it tries again.
const FIRST_PAUSE: Duration = Duration::from_micros(250);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);
/// What stands in for a timeout that is beyond the clock.
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

pub(super) struct Queue {
    state: Mutex<State>,
    /// Something changed that the thread may be waiting for.
    wake: Condvar,
    /// How the running job was told to stop.
    stop: AtomicU8,
    /// A statement that writes is running.
    writing: AtomicBool,
    /// What is running must not be stopped: a COMMIT or a ROLLBACK.
    shielded: AtomicBool,
    /// The connection is of no further use.
    broken: AtomicBool,
    /// A user's own text left something on the connection.
    touched: AtomicBool,
    busy_timeout: Duration,
    wait: Mutex<Wait>,
}

struct State {
    jobs: VecDeque<Queued>,
    last_id: u64,
    running: Option<JobId>,
    /// No job is taken any more; the thread ends when the queue is empty.
    closed: bool,
}

/// How a job is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
enum Stop {
    No,
    /// Between statements, and inside those that read.
    Gently,
    Now,
}

struct Queued {
    id: JobId,
    stop: Stop,
    job: Job,
}

/// One wait for a lock.
struct Wait {
    until: Instant,
    pause: Duration,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queue {
    /// An empty queue of a connection that is being opened; the opening counts as a running job.
    pub(super) fn new(busy_timeout: Duration) -> Self {
        let opening = JobId(0);
        Queue {
            state: Mutex::new(State { jobs: VecDeque::new(), last_id: 0, running: Some(opening), closed: false }),
            wake: Condvar::new(),
            stop: AtomicU8::new(Stop::No as u8),
            writing: AtomicBool::new(false),
            shielded: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            touched: AtomicBool::new(false),
            busy_timeout,
            wait: Mutex::new(Wait { until: Instant::now(), pause: FIRST_PAUSE }),
        }
    }

    // ---- the side of the handle -----------------------------------------------------------------

    /// Appends a job; `None` if the connection takes no more.
    pub(super) fn push(&self, job: Job) -> Option<JobId> {
        let mut state = lock(&self.state);
        if state.closed {
            return None;
        }
        state.last_id += 1;
        let id = JobId(state.last_id);
        state.jobs.push_back(Queued { id, stop: Stop::No, job });
        drop(state);
        self.wake.notify_all();
        Some(id)
    }

    /// Tells the running job and all that wait to stop.
    pub(super) fn cancel(&self) {
        self.stop_all(&mut lock(&self.state), Stop::Now);
        self.wake.notify_all();
    }

    /// The same, without harm to the transaction.
    pub(super) fn stop_gently(&self) {
        self.stop_all(&mut lock(&self.state), Stop::Gently);
        self.wake.notify_all();
    }

    /// Tells one job to stop, if it is still there.
    pub(super) fn abandon(&self, id: JobId) {
        let mut state = lock(&self.state);
        if state.running == Some(id) {
            self.stop.store(Stop::Now as u8, Ordering::SeqCst);
        } else if let Some(queued) = state.jobs.iter_mut().find(|queued| queued.id == id) {
            queued.stop = Stop::Now;
        }
        drop(state);
        self.wake.notify_all();
    }

    /// Takes no further job and tells the others to stop. Does not wait for the thread.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        self.stop_all(&mut state, Stop::Now);
        drop(state);
        self.wake.notify_all();
    }

    fn stop_all(&self, state: &mut State, stop: Stop) {
        if state.running.is_some() {
            self.stop.fetch_max(stop as u8, Ordering::SeqCst);
        }
        for queued in &mut state.jobs {
            queued.stop = queued.stop.max(stop);
        }
    }

    pub(super) fn is_usable(&self) -> bool {
        !self.broken.load(Ordering::SeqCst) && !lock(&self.state).closed
    }

    pub(super) fn is_touched(&self) -> bool {
        self.touched.load(Ordering::SeqCst)
    }

    /// Wakes the thread, for it may be waiting until rows were taken from a stream.
    pub(super) fn notify(&self) {
        // Whoever looked before the change is waiting once the lock is free.
        drop(lock(&self.state));
        self.wake.notify_all();
    }

    // ---- the side of the thread -----------------------------------------------------------------

    /// Waits for the next job; `None` if the queue is closed and empty. Ends the job before.
    pub(super) fn take(&self) -> Option<Job> {
        let mut state = lock(&self.state);
        state.running = None;
        self.stop.store(Stop::No as u8, Ordering::SeqCst);
        loop {
            if let Some(queued) = state.jobs.pop_front() {
                state.running = Some(queued.id);
                self.stop.store(queued.stop as u8, Ordering::SeqCst);
                return Some(queued.job);
            }
            if state.closed {
                return None;
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The connection must not be used again; jobs may still end what they began.
    pub(super) fn mark_broken(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }

    /// Whether a user's own text left something on the connection.
    pub(super) fn touch(&self, left: bool) {
        self.touched.store(left, Ordering::SeqCst);
    }

    /// The thread ends: no job that waits will ever run.
    pub(super) fn end(&self) {
        self.mark_broken();
        let mut state = lock(&self.state);
        state.closed = true;
        state.running = None;
        let left = std::mem::take(&mut state.jobs);
        drop(state);
        // Outside of the lock: it wakes those who wait for the answers.
        drop(left);
    }

    /// Whether the running job was told to stop.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst) != Stop::No as u8
    }

    /// Whether it was, in a way that leaves its transaction as it is.
    pub(super) fn is_stopped_gently(&self) -> bool {
        self.stop.load(Ordering::SeqCst) == Stop::Gently as u8
    }

    /// Whether what SQLite is doing now is to be given up.
    pub(super) fn is_interrupted(&self) -> bool {
        let spared = self.is_stopped_gently() && self.writing.load(Ordering::SeqCst);
        self.is_stopped() && !spared && !self.shielded.load(Ordering::SeqCst)
    }

    /// Runs something that writes, which a gentle request to stop does not interrupt.
    pub(super) fn writing<T>(&self, writes: bool, run: impl FnOnce() -> T) -> T {
        self.writing.store(writes, Ordering::SeqCst);
        let result = run();
        self.writing.store(false, Ordering::SeqCst);
        result
    }

    /// Runs something that no request to stop may interrupt.
    pub(super) fn shielded<T>(&self, run: impl FnOnce() -> T) -> T {
        self.shielded.store(true, Ordering::SeqCst);
        let result = run();
        self.shielded.store(false, Ordering::SeqCst);
        result
    }

    /// Another connection holds the lock: waits a little. `false` when it is time to give up, be it that the waiting
    /// takes too long or that the job was told to stop.
    pub(super) fn keep_waiting(&self, first: bool) -> bool {
        let now = Instant::now();
        let mut wait = lock(&self.wait);
        if first {
            *wait =
                Wait { until: now.checked_add(self.busy_timeout).unwrap_or(now + LONGEST_WAIT), pause: FIRST_PAUSE };
        }
        let pause = wait.pause.min(wait.until.saturating_duration_since(now));
        wait.pause = (wait.pause * 2).min(LONGEST_PAUSE);
        drop(wait);
        let state = lock(&self.state);
        if pause.is_zero() || self.is_interrupted() {
            return false;
        }
        drop(self.wake.wait_timeout(state, pause));
        !self.is_interrupted()
    }

    /// Waits until `ready`, which another thread brings about before it calls [`Queue::notify`]. `false` when the
    /// running job was told to stop.
    pub(super) fn wait_until(&self, ready: impl Fn() -> bool) -> bool {
        let mut state = lock(&self.state);
        loop {
            if self.is_stopped() {
                return false;
            }
            if ready() {
                return true;
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("usable", &self.is_usable()).finish_non_exhaustive()
    }
}
