//! The one place that talks to SQLite's C interface.
//!
//! Diesel opens the connection and lends it to closures, but it shows no handle, loses the result code of a failure
//! (it resets the statement and clears its values before anyone can ask) and can be neither interrupted nor kept from
//! waiting for a lock. So the `sqlite3*` is caught while diesel opens it, and statements of our own run on it directly.
//!
//! Everything here stays on the connection's thread. Other threads only set flags in the [`Queue`], which SQLite asks
//! through two callbacks: the busy handler (is it worth waiting for the lock?) and the progress handler (go on?).
//! Hence no interrupt can be late: a flag belongs to one job.
//!
//! Soundness rests on one fact: `sqlite3_close` refuses to close a connection that has prepared statements. A
//! [`Database`] keeps four of them for as long as it lives, so its handle is valid for as long as it lives, whatever a
//! closure that was lent diesel's connection does with it (replace it, drop it). For the same reason a [`Prepared`] is
//! valid however long it lives. SQLite itself is built thread-safe.

#![expect(unsafe_code, reason = "diesel exposes neither handle nor result codes, interrupts or busy handlers")]

use std::cell::Cell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ops::ControlFlow;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use diesel::Connection as _;
use diesel::connection::SimpleConnection as _;
use libsqlite3_sys as ffi;

use super::guard::{Action, Guard};
use super::queue::Queue;
use super::wire::Wire;
use crate::value::{Value, ValueError};

/// How many steps of SQLite's virtual machine run between two looks at the flags; some ten microseconds.
const STEPS_BETWEEN_CHECKS: c_int = 1_000;

/// What SQLite answered instead of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// The extended result code.
    pub(super) code: c_int,
    pub(super) message: String,
}

impl Failure {
    fn new(code: c_int, message: impl Into<String>) -> Self {
        Failure { code, message: message.into() }
    }
}

/// An open database: diesel's connection, its handle, and the statements that open and end transactions.
pub(super) struct Database {
    pub(super) begin: Prepared,
    pub(super) begin_immediate: Prepared,
    pub(super) commit: Prepared,
    pub(super) rollback: Prepared,
    handle: NonNull<ffi::sqlite3>,
    /// What the busy and the progress handler point at.
    queue: Arc<Queue>,
    /// What the authorizer points at.
    pub(super) guard: Arc<Guard>,
    connection: diesel::SqliteConnection,
}

impl Database {
    /// Opens `url`, in diesel's spelling, and puts `queue` in charge of how long it waits and whether it goes on.
    pub(super) fn open(url: &str, queue: Arc<Queue>) -> Result<Self, Failure> {
        let (connection, handle) = establish(url)?;
        harden(handle)?;
        let database = Database {
            begin: prepare(handle, "BEGIN")?,
            begin_immediate: prepare(handle, "BEGIN IMMEDIATE")?,
            commit: prepare(handle, "COMMIT")?,
            rollback: prepare(handle, "ROLLBACK")?,
            handle,
            queue,
            guard: Arc::default(),
            connection,
        };
        database.install_handlers();
        database.install_guard();
        Ok(database)
    }

    /// Puts our handlers in place (again: a `PRAGMA busy_timeout` replaces the busy handler).
    pub(super) fn install_handlers(&self) {
        let queue = Arc::as_ptr(&self.queue).cast_mut().cast::<c_void>();
        // SAFETY: the handle is open. The pointer is valid until the handlers are taken out, when `self` is dropped.
        unsafe {
            ffi::sqlite3_busy_handler(self.handle.as_ptr(), Some(keep_waiting), queue);
            ffi::sqlite3_progress_handler(self.handle.as_ptr(), STEPS_BETWEEN_CHECKS, Some(shall_stop), queue);
        }
    }

    /// Has what is prepared from now on be shown to the guard.
    fn install_guard(&self) {
        let guard = Arc::as_ptr(&self.guard).cast_mut().cast::<c_void>();
        // SAFETY: the handle is open. The pointer is valid until the authorizer is taken out, when `self` is dropped.
        unsafe { ffi::sqlite3_set_authorizer(self.handle.as_ptr(), Some(authorize), guard) };
    }

    /// Whether diesel's connection is still the one that was opened here: what it prepares is shown to the guard then.
    pub(super) fn is_own_connection(&mut self) -> bool {
        self.guard.expect_question();
        // What becomes of it makes no difference.
        let _ = self.connection.batch_execute("SELECT 1");
        self.guard.was_asked()
    }

    /// Diesel's connection, to be lent.
    pub(super) fn connection(&mut self) -> &mut diesel::SqliteConnection {
        &mut self.connection
    }

    /// Prepares one statement.
    pub(super) fn prepare(&self, sql: &str) -> Result<Prepared, Failure> {
        prepare(self.handle, sql)
    }

    /// Runs statements without values and without answers, up to the first that fails.
    pub(super) fn execute(&self, sql: &str) -> Result<(), Failure> {
        let text = CString::new(sql)
            .map_err(|_| Failure::new(ffi::SQLITE_MISUSE, "a statement cannot hold a NUL character"))?;
        // SAFETY: the handle is open and the text ends with NUL.
        let code =
            unsafe { ffi::sqlite3_exec(self.handle.as_ptr(), text.as_ptr(), None, ptr::null_mut(), ptr::null_mut()) };
        check(self.handle, code)
    }

    /// Whether no transaction is open.
    pub(super) fn is_autocommit(&self) -> bool {
        // SAFETY: the handle is open.
        unsafe { ffi::sqlite3_get_autocommit(self.handle.as_ptr()) != 0 }
    }

    /// The extended code and the text of the last failure; code 0 if the last call succeeded.
    pub(super) fn last_failure(&self) -> Failure {
        last_failure(self.handle)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // SAFETY: the handle is open, since the statements of `self` are dropped after this. From here on, nothing
        // points at the queue.
        unsafe {
            ffi::sqlite3_busy_handler(self.handle.as_ptr(), None, ptr::null_mut());
            ffi::sqlite3_progress_handler(self.handle.as_ptr(), 0, None, ptr::null_mut());
            ffi::sqlite3_set_authorizer(self.handle.as_ptr(), None, ptr::null_mut());
        }
    }
}

thread_local! {
    /// Where the handle of the connection that this thread is opening turns up.
    static OPENING: Cell<Opening> = const { Cell::new(Opening::Nothing) };
}

#[derive(Clone, Copy)]
enum Opening {
    /// Connections that others open are none of our business.
    Nothing,
    Awaited,
    Caught(NonNull<ffi::sqlite3>),
}

/// Opens a connection with diesel and catches its handle on the way.
fn establish(url: &str) -> Result<(diesel::SqliteConnection, NonNull<ffi::sqlite3>), Failure> {
    // SAFETY: `catch` has the signature of an extension's entry point. Registering it twice has no effect.
    let code = unsafe { ffi::sqlite3_auto_extension(Some(catch)) };
    if code != ffi::SQLITE_OK {
        return Err(Failure::new(code, "out of memory"));
    }
    OPENING.set(Opening::Awaited);
    let connection = diesel::SqliteConnection::establish(url);
    let caught = OPENING.replace(Opening::Nothing);
    let connection = connection.map_err(|error| Failure::new(ffi::SQLITE_CANTOPEN, error.to_string()))?;
    match caught {
        Opening::Caught(handle) => Ok((connection, handle)),
        _ => Err(Failure::new(ffi::SQLITE_MISUSE, "SQLite does not run extensions when it opens a connection")),
    }
}

/// Takes away what a file from somebody else, or a statement that was smuggled in, could do harm by.
fn harden(handle: NonNull<ffi::sqlite3>) -> Result<(), Failure> {
    for (option, value) in [
        // Values in single quotes, names in double quotes: a misspelt column must not turn into a text.
        (ffi::SQLITE_DBCONFIG_DQS_DML, 0),
        (ffi::SQLITE_DBCONFIG_DQS_DDL, 0),
        // No statement can write the schema's own table or damage the file.
        (ffi::SQLITE_DBCONFIG_DEFENSIVE, 1),
        // What stands in the schema (views, triggers, defaults, checks, indexes) calls no function that has an effect outside.
        (ffi::SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0),
    ] {
        let value: c_int = value;
        // SAFETY: the handle is open, and these options take an `int` and a pointer to one that may be null.
        let code = unsafe { ffi::sqlite3_db_config(handle.as_ptr(), option, value, ptr::null_mut::<c_int>()) };
        check(handle, code)?;
    }
    Ok(())
}

unsafe extern "C" fn catch(
    handle: *mut ffi::sqlite3,
    _message: *mut *mut c_char,
    _routines: *const ffi::sqlite3_api_routines,
) -> c_int {
    // A thread that is coming to its end has no such variable any more, and opens nothing of ours.
    let _ = OPENING.try_with(|opening| {
        if let (Opening::Awaited, Some(handle)) = (opening.get(), NonNull::new(handle)) {
            opening.set(Opening::Caught(handle));
        }
    });
    ffi::SQLITE_OK
}

unsafe extern "C" fn keep_waiting(queue: *mut c_void, calls: c_int) -> c_int {
    // SAFETY: the pointer was made from the `Arc<Queue>` of a living `Database`.
    let queue = unsafe { &*queue.cast::<Queue>() };
    c_int::from(queue.keep_waiting(calls == 0))
}

unsafe extern "C" fn shall_stop(queue: *mut c_void) -> c_int {
    // SAFETY: the pointer was made from the `Arc<Queue>` of a living `Database`.
    let queue = unsafe { &*queue.cast::<Queue>() };
    c_int::from(queue.is_interrupted())
}

unsafe extern "C" fn authorize(
    guard: *mut c_void,
    action: c_int,
    first: *const c_char,
    second: *const c_char,
    third: *const c_char,
    _inside: *const c_char,
) -> c_int {
    // SAFETY: the pointer was made from the `Arc<Guard>` of a living `Database`; SQLite's texts end with NUL.
    let (guard, text) = unsafe {
        let text = |text: *const c_char| if text.is_null() { None } else { CStr::from_ptr(text).to_str().ok() };
        (&*guard.cast::<Guard>(), [text(first), text(second), text(third)])
    };
    let action = match (action, text) {
        (ffi::SQLITE_SELECT, _) => Action::Select,
        (ffi::SQLITE_TRANSACTION, _) => Action::Transaction,
        (ffi::SQLITE_SAVEPOINT, [word, name, _]) => {
            Action::Savepoint { word: word.unwrap_or_default(), name: name.unwrap_or_default() }
        }
        (ffi::SQLITE_PRAGMA, [Some(name), Some(_), _]) => Action::SetPragma(name),
        (ffi::SQLITE_ATTACH, _) => Action::Attach,
        (
            ffi::SQLITE_CREATE_TEMP_TABLE
            | ffi::SQLITE_CREATE_TEMP_VIEW
            | ffi::SQLITE_CREATE_TEMP_TRIGGER
            | ffi::SQLITE_CREATE_TEMP_INDEX,
            _,
        )
        | (ffi::SQLITE_CREATE_VTABLE, [_, _, Some("temp")]) => Action::CreateTemporary,
        _ => return ffi::SQLITE_OK,
    };
    if guard.allows(action) { ffi::SQLITE_OK } else { ffi::SQLITE_DENY }
}

fn check(handle: NonNull<ffi::sqlite3>, code: c_int) -> Result<(), Failure> {
    if code == ffi::SQLITE_OK { Ok(()) } else { Err(last_failure(handle)) }
}

fn last_failure(handle: NonNull<ffi::sqlite3>) -> Failure {
    // SAFETY: callers hold a statement of the connection, so that the handle is open; the message is copied at once.
    unsafe {
        let code = ffi::sqlite3_extended_errcode(handle.as_ptr());
        let message = CStr::from_ptr(ffi::sqlite3_errmsg(handle.as_ptr())).to_string_lossy().into_owned();
        Failure { code, message }
    }
}

/// Prepares a text that holds exactly one statement.
fn prepare(handle: NonNull<ffi::sqlite3>, sql: &str) -> Result<Prepared, Failure> {
    // SQLite would read up to it, and never get to the rest.
    if sql.contains('\0') {
        return Err(Failure::new(ffi::SQLITE_MISUSE, "a statement cannot hold a NUL character"));
    }
    let (statement, mut rest) = prepare_first(handle, sql)?;
    let statement = statement.ok_or_else(|| Failure::new(ffi::SQLITE_MISUSE, "the statement is empty"))?;
    // SQLite would leave out without a word what follows the first statement.
    while !rest.is_empty() {
        let (next, after) = prepare_first(handle, rest)?;
        if next.is_some() {
            return Err(Failure::new(ffi::SQLITE_MISUSE, "one statement can be run at a time; the text holds several"));
        }
        rest = after;
    }
    Ok(statement)
}

/// How many statements a text holds.
#[cfg(test)]
pub(super) fn statement_count(database: &Database, sql: &str) -> Result<usize, Failure> {
    let (mut rest, mut count) = (sql, 0);
    while !rest.is_empty() {
        let (statement, after) = prepare_first(database.handle, rest)?;
        count += usize::from(statement.is_some());
        rest = after;
    }
    Ok(count)
}

/// Prepares the first statement of a text, if there is one; answers the rest of the text, too.
fn prepare_first(handle: NonNull<ffi::sqlite3>, sql: &str) -> Result<(Option<Prepared>, &str), Failure> {
    let length =
        c_int::try_from(sql.len()).map_err(|_| Failure::new(ffi::SQLITE_TOOBIG, "the statement is too long"))?;
    let mut statement = ptr::null_mut();
    let mut tail = ptr::null();
    // SAFETY: the handle is open; the text is read up to `length` bytes.
    let code = unsafe {
        ffi::sqlite3_prepare_v3(
            handle.as_ptr(),
            sql.as_ptr().cast(),
            length,
            ffi::SQLITE_PREPARE_PERSISTENT,
            &raw mut statement,
            &raw mut tail,
        )
    };
    check(handle, code)?;
    let read = tail.addr().wrapping_sub(sql.as_ptr().addr());
    Ok((NonNull::new(statement).map(|statement| Prepared { statement }), sql.get(read..).unwrap_or_default()))
}

/// One prepared statement.
pub(super) struct Prepared {
    statement: NonNull<ffi::sqlite3_stmt>,
}

impl Prepared {
    /// Runs the statement and hands out its rows until `row` breaks off. Answers how many rows it wrote.
    pub(super) fn run(
        &mut self,
        binds: &[Wire],
        mut row: impl FnMut(Vec<Value>) -> ControlFlow<()>,
    ) -> Result<u64, Failure> {
        let handle = self.handle();
        let before = total_changes(handle);
        let run = Run { statement: self, binds };
        run.bind()?;
        loop {
            // SAFETY: the statement is alive, and so are the values bound to it, until `run` is dropped.
            match unsafe { ffi::sqlite3_step(run.raw()) } {
                ffi::SQLITE_ROW => {
                    if row(run.row()?).is_break() {
                        break;
                    }
                }
                ffi::SQLITE_DONE => break,
                _ => return Err(last_failure(handle)),
            }
        }
        // The count of the last write stays for ever; a statement that wrote nothing must not report it.
        // SAFETY: the statement is alive, so the handle is open.
        let changes = unsafe { ffi::sqlite3_changes64(handle.as_ptr()) };
        Ok(if total_changes(handle) == before { 0 } else { u64::try_from(changes).unwrap_or(0) })
    }

    /// Whether it writes nothing to the database, as SQLite sees it.
    pub(super) fn is_read_only(&self) -> bool {
        // SAFETY: the statement is alive.
        unsafe { ffi::sqlite3_stmt_readonly(self.statement.as_ptr()) != 0 }
    }

    /// Runs a statement without values and without rows.
    pub(super) fn execute(&mut self) -> Result<(), Failure> {
        self.run(&[], |_| ControlFlow::Continue(())).map(drop)
    }

    fn handle(&self) -> NonNull<ffi::sqlite3> {
        // SAFETY: the statement is alive; its connection cannot be closed before it.
        unsafe { NonNull::new_unchecked(ffi::sqlite3_db_handle(self.statement.as_ptr())) }
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        // SAFETY: the statement is alive and not used after this.
        unsafe { ffi::sqlite3_finalize(self.statement.as_ptr()) };
    }
}

fn total_changes(handle: NonNull<ffi::sqlite3>) -> i64 {
    // SAFETY: callers hold a statement of the connection, so that the handle is open.
    unsafe { ffi::sqlite3_total_changes64(handle.as_ptr()) }
}

/// One run of a statement; at its end the statement lets go of the values, which it only borrows.
struct Run<'run> {
    statement: &'run mut Prepared,
    binds: &'run [Wire],
}

impl Run<'_> {
    fn raw(&self) -> *mut ffi::sqlite3_stmt {
        self.statement.statement.as_ptr()
    }

    fn bind(&self) -> Result<(), Failure> {
        // SAFETY: the statement is alive.
        let expected = unsafe { ffi::sqlite3_bind_parameter_count(self.raw()) };
        if usize::try_from(expected).ok() != Some(self.binds.len()) {
            let message = format!("the statement has {expected} placeholders, and {} values", self.binds.len());
            return Err(Failure::new(ffi::SQLITE_RANGE, message));
        }
        for (index, value) in (1..).zip(self.binds) {
            // SAFETY: the statement is alive. It only borrows text and bytes, which `self` borrows for longer.
            let code = unsafe {
                match value {
                    Wire::Null => ffi::sqlite3_bind_null(self.raw(), index),
                    Wire::Integer(value) => ffi::sqlite3_bind_int64(self.raw(), index, *value),
                    Wire::Real(value) => ffi::sqlite3_bind_double(self.raw(), index, *value),
                    Wire::Text(value) => ffi::sqlite3_bind_text64(
                        self.raw(),
                        index,
                        value.as_ptr().cast(),
                        value.len() as u64,
                        ffi::SQLITE_STATIC(),
                        ffi::SQLITE_UTF8 as u8,
                    ),
                    Wire::Blob(value) => ffi::sqlite3_bind_blob64(
                        self.raw(),
                        index,
                        value.as_ptr().cast(),
                        value.len() as u64,
                        ffi::SQLITE_STATIC(),
                    ),
                }
            };
            check(self.statement.handle(), code)?;
        }
        Ok(())
    }

    fn row(&self) -> Result<Vec<Value>, Failure> {
        // SAFETY: the statement is alive.
        let count = unsafe { ffi::sqlite3_data_count(self.raw()) };
        (0..count).map(|column| self.column(column)).collect()
    }

    fn column(&self, column: c_int) -> Result<Value, Failure> {
        // SAFETY: the statement stands on a row that has this column; each value is read as the type that it has, so
        // that nothing is converted, and copied before the next call.
        unsafe {
            Ok(match ffi::sqlite3_column_type(self.raw(), column) {
                ffi::SQLITE_INTEGER => Value::I64(ffi::sqlite3_column_int64(self.raw(), column)),
                ffi::SQLITE_FLOAT => Value::F64(ffi::sqlite3_column_double(self.raw(), column)),
                ffi::SQLITE_TEXT => {
                    let start = ffi::sqlite3_column_text(self.raw(), column);
                    let bytes = self.bytes(start, column)?;
                    str::from_utf8(bytes).map_or_else(
                        |_| Value::Unreadable(ValueError::new("the stored text is not UTF-8")),
                        |text| Value::Text(text.to_owned()),
                    )
                }
                ffi::SQLITE_BLOB => {
                    let start = ffi::sqlite3_column_blob(self.raw(), column);
                    Value::Bytes(self.bytes(start.cast(), column)?.to_vec())
                }
                _ => Value::Null,
            })
        }
    }

    /// # Safety
    /// `start` was just returned for `column`, and no other call is made while the bytes are used.
    unsafe fn bytes(&self, start: *const u8, column: c_int) -> Result<&[u8], Failure> {
        // SAFETY: the statement stands on a row that has this column.
        let length = unsafe { ffi::sqlite3_column_bytes(self.raw(), column) };
        let length = usize::try_from(length).unwrap_or(0);
        if length == 0 {
            return Ok(&[]);
        }
        if start.is_null() {
            return Err(Failure::new(ffi::SQLITE_NOMEM, "out of memory"));
        }
        // SAFETY: SQLite holds `length` bytes there until the statement goes on.
        Ok(unsafe { std::slice::from_raw_parts(start, length) })
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        // SAFETY: the statement is alive. The codes repeat what the last step answered.
        unsafe {
            ffi::sqlite3_reset(self.raw());
            ffi::sqlite3_clear_bindings(self.raw());
        }
    }
}
