//! Turning what is to be done into messages.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::BytesMut;
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;

use super::control::{self, Settings};
use super::core::Core;
use super::error::mapping_error;
use super::exchange::{CopyDirection, Exchange, Outgoing, Portal, Purpose, TransactionState};
use super::message::{self, too_long};
use super::native::Request;
use super::statement_cache::StatementCache;
use super::types::TypeCatalog;
use super::wire::Param;
use crate::backend::{Draw, Statement, Step};
use crate::error::DatabaseError;
use crate::sql::Dialect;
use crate::sql::statement::statements;

/// What a connection is to do, with one Sync behind it.
pub(super) enum Job {
    Burst(Arc<[Step]>),
    /// One query whose rows are handed on one by one.
    Rows(Statement),
    /// The same, of diesel's.
    Diesel(Request),
    /// Statements of the simple protocol.
    Text(String),
    /// One that copies rows in bulk.
    Copy(String, CopyDirection),
    /// Nothing but to wait for what was sent before.
    Turn,
}

/// What a job came to on its way out.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Sent {
    /// Running all of it a second time harms nothing that was there before it.
    pub(super) repeatable: bool,
    /// What undoes the traces of a user's own text went with it.
    pub(super) restores: bool,
    /// It went behind the end of a transaction: it is skipped where that fails.
    pub(super) restores_at_end: bool,
    /// No transaction was open where the burst began.
    pub(super) begins_outside: bool,
    /// The user's own text runs in a transaction that is to be open behind the burst.
    pub(super) stays_open: bool,
}

/// A job as messages, or the step whose values cannot be sent, and why.
pub(super) type Encoded = Result<(Outgoing, Sent), (usize, DatabaseError)>;

/// Writes the messages of a job. Nothing of a job that cannot be written is sent. One that insists on a transaction
/// fails outside of one.
pub(super) fn encode(core: &Core, exchange: &mut Exchange, job: &Job, insists: bool) -> Encoded {
    let text = match job {
        Job::Burst(steps) => single_text(steps).filter(|_| !insists).map(|text| (text, None)),
        Job::Text(text) => Some((text.as_str(), None)),
        Job::Copy(text, direction) => Some((text.as_str(), Some(*direction))),
        Job::Rows(_) | Job::Diesel(_) | Job::Turn => None,
    };
    if let Some((text, copies)) = text {
        return simple(exchange.messages(), text, copies);
    }
    let (evicted, latest) = (exchange.cache.evicted().len(), exchange.cache.latest());
    let encoded = extended(core, exchange, job, insists);
    match &encoded {
        Ok(_) => exchange.cache.bury(evicted),
        Err(_) => exchange.cache.drop_unsent(latest),
    }
    encoded
}

/// The text of a burst that is nothing but control: it may hold statements that insist on being alone.
fn single_text(steps: &[Step]) -> Option<&str> {
    match steps {
        [Step::Control(text)] => Some(text),
        _ => None,
    }
}

/// Writes a text by the simple protocol.
fn simple(mut out: BytesMut, text: &str, copies: Option<CopyDirection>) -> Encoded {
    frontend::query(text, &mut out).map_err(|_| (0, mapping_error("a statement has a NUL character in its text")))?;
    let (portals, syncs) = (Vec::new(), [0].into());
    Ok((Outgoing { messages: out, portals, syncs, is_simple: true, streams: false, copies }, Sent::default()))
}

/// Writes a job by the extended protocol.
fn extended(core: &Core, exchange: &mut Exchange, job: &Job, insists: bool) -> Encoded {
    let in_transaction = insists || (exchange.is_idle() && exchange.transaction() != TransactionState::Idle);
    let dialect = exchange.dialect();
    let out = exchange.messages();
    let mut encoder = Encoder {
        cache: &mut exchange.cache,
        types: &core.types,
        out,
        portals: Vec::new(),
        syncs: VecDeque::new(),
        dialect,
    };
    let (mut sent, mut streams) = (Sent { begins_outside: !in_transaction, ..Sent::default() }, false);
    encoder.close_evicted().map_err(|error| (0, error))?;
    if insists {
        encoder.insist_on_transaction().map_err(|error| (0, error))?;
    }
    match job {
        Job::Burst(steps) => encoder.burst(core, steps, in_transaction, &mut sent)?,
        Job::Rows(statement) => {
            streams = true;
            encoder.statement(statement, 0).map_err(|error| (0, error))?;
        }
        Job::Diesel(request) => {
            streams = true;
            encoder.request(request).map_err(|error| (0, error))?;
        }
        Job::Text(_) | Job::Copy(..) | Job::Turn => {}
    }
    encoder.sync();
    let Encoder { out: messages, portals, syncs, .. } = encoder;
    Ok((Outgoing { messages, portals, syncs, is_simple: false, streams, copies: None }, sent))
}

struct Encoder<'e> {
    cache: &'e mut StatementCache,
    types: &'e TypeCatalog,
    out: BytesMut,
    portals: Vec<Portal>,
    /// How many portals stand before each Sync.
    syncs: VecDeque<usize>,
    dialect: Dialect,
}

impl Encoder<'_> {
    /// Has the server forget what has made way. Ahead of all else: what stands behind a statement that fails is passed over.
    fn close_evicted(&mut self) -> Result<(), DatabaseError> {
        self.cache
            .evicted()
            .iter()
            .try_for_each(|name| frontend::close(b'S', name, &mut self.out))
            .map_err(|_| too_long())
    }

    fn burst(
        &mut self,
        core: &Core,
        steps: &[Step],
        in_transaction: bool,
        sent: &mut Sent,
    ) -> Result<(), (usize, DatabaseError)> {
        self.portals.reserve(steps.len() + 1);
        let (mut by_user, mut open) = (false, in_transaction);
        for (at, step) in steps.iter().enumerate() {
            if step.statement().is_some_and(|statement| statement.by_user) {
                by_user = true;
                core.touch();
            }
            let written = match step {
                Step::Begin(mode) => {
                    open = true;
                    Settings::of(mode).and_then(|settings| {
                        self.plain(&control::begin(mode), Purpose::Step, at, settings.is_none())?;
                        settings.map_or(Ok(()), |settings| self.settings(&settings, at))
                    })
                }
                Step::Statement(statement) | Step::Draw(Draw { statement, .. }) => self.statement(statement, at),
                Step::Control(text) => self.control(text, at),
                Step::Commit => {
                    open = false;
                    // The transaction's id is among the answers: it has to be known if that to COMMIT never comes.
                    if at > 0 {
                        self.out.extend_from_slice(message::FLUSH);
                    }
                    self.plain("COMMIT", Purpose::Commit, at, true)
                }
                Step::Rollback => {
                    open = false;
                    self.plain("ROLLBACK", Purpose::Step, at, true)
                }
            };
            written.map_err(|error| (at, error))?;
        }
        let ends = matches!(steps.last(), Some(Step::Commit));
        if by_user && !open && !ends {
            // Whether it fails or not: locks of the session, say, stay behind a statement that failed.
            self.sync();
        }
        // Behind the end: before it, settings of the transaction would go with those of the connection, which triggers that wait
        // for COMMIT still read. With the same Sync: a pooler might send what comes later elsewhere.
        if (ends && core.is_touched()) || (by_user && !open) {
            sent.restores = true;
            sent.restores_at_end = ends;
            for text in &core.restore {
                self.plain(text, Purpose::Behind, steps.len(), true).map_err(|error| (steps.len(), error))?;
            }
        }
        sent.repeatable = is_self_contained(steps, in_transaction);
        sent.stays_open = by_user && open;
        Ok(())
    }

    fn sync(&mut self) {
        self.out.extend_from_slice(message::SYNC);
        self.syncs.push_back(self.portals.len());
    }

    /// Fails outside of a transaction, and leaves nothing in one.
    fn insist_on_transaction(&mut self) -> Result<(), DatabaseError> {
        self.plain("SAVEPOINT spakky_inside", Purpose::Step, 0, false)?;
        self.plain("RELEASE spakky_inside", Purpose::Step, 0, false)
    }

    /// A text without values, whose rows are nobody's.
    fn plain(&mut self, text: &str, purpose: Purpose, step: usize, is_last: bool) -> Result<(), DatabaseError> {
        message::run_text(text, &mut self.out)?;
        self.portals.push(Portal { purpose, step, is_last, has_rows: false, statement: None, is_old: false });
        Ok(())
    }

    fn control(&mut self, text: &str, step: usize) -> Result<(), DatabaseError> {
        let parts = statements(text, self.dialect);
        let texts: Vec<&str> = parts.iter().filter_map(|part| text.get(part.range())).collect();
        let Some((last, before)) = texts.split_last() else {
            return self.plain("", Purpose::Step, step, true);
        };
        before.iter().try_for_each(|text| self.plain(text, Purpose::Step, step, false))?;
        self.plain(last, Purpose::Step, step, true)
    }

    fn settings(&mut self, settings: &Settings, step: usize) -> Result<(), DatabaseError> {
        let texts = settings.values.iter();
        self.parse("", &settings.sql, texts.clone().map(|_| control::TEXT))?;
        self.bind("", texts, |text, out| {
            out.extend_from_slice(text.as_bytes());
            Ok(IsNull::No)
        })?;
        self.execute(Portal {
            purpose: Purpose::Step,
            step,
            is_last: true,
            has_rows: false,
            statement: None,
            is_old: false,
        });
        Ok(())
    }

    fn statement(&mut self, statement: &Statement, step: usize) -> Result<(), DatabaseError> {
        let types = self.types;
        let values = statement.binds.iter().map(|bind| Param::new(bind, types));
        let oids =
            values.clone().map(|value| if statement.cached { value.ty().oid() } else { value.ty_without_cast().oid() });
        self.run(&statement.sql, statement.cached, oids, values, |value, out| value.write(out), step)
    }

    fn request(&mut self, request: &Request) -> Result<(), DatabaseError> {
        let values = request.values.iter();
        let write = |value: &Option<Vec<u8>>, out: &mut BytesMut| match value {
            Some(value) => {
                out.extend_from_slice(value);
                Ok(IsNull::No)
            }
            None => Ok(IsNull::Yes),
        };
        self.run(&request.sql, request.cached, request.types.iter().copied(), values, write, 0)
    }

    /// A statement with its values: by its prepared form where it recurs, which is made here where there is none.
    fn run<V>(
        &mut self,
        sql: &Arc<str>,
        recurs: bool,
        types: impl Iterator<Item = u32> + Clone,
        values: impl Iterator<Item = V>,
        write: impl FnMut(V, &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Send + Sync>>,
        step: usize,
    ) -> Result<(), DatabaseError> {
        if !recurs || self.cache.capacity() == 0 {
            self.parse("", sql, types)?;
            self.bind("", values, write)?;
            frontend::describe(b'P', "", &mut self.out).map_err(|_| too_long())?;
            self.execute(Portal {
                purpose: Purpose::Step,
                step,
                is_last: true,
                has_rows: true,
                statement: None,
                is_old: false,
            });
            return Ok(());
        }
        let found = self.cache.find(sql, types.clone());
        let name = self.cache.name(found.id);
        if found.is_new {
            self.parse(&name, sql, types)?;
            frontend::describe(b'S', &name, &mut self.out).map_err(|_| too_long())?;
        }
        self.bind(&name, values, write)?;
        let (statement, is_old) = (Some(found.id), !found.is_new);
        self.execute(Portal { purpose: Purpose::Step, step, is_last: true, has_rows: true, statement, is_old });
        Ok(())
    }

    fn parse(&mut self, name: &str, sql: &str, types: impl Iterator<Item = u32>) -> Result<(), DatabaseError> {
        let written = frontend::parse(name, sql, types, &mut self.out);
        written
            .map_err(|_| mapping_error("a statement has a NUL character in its text, or more values than can be sent"))
    }

    fn bind<V>(
        &mut self,
        name: &str,
        values: impl Iterator<Item = V>,
        write: impl FnMut(V, &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Send + Sync>>,
    ) -> Result<(), DatabaseError> {
        message::bind(name, values, write, &mut self.out)
    }

    fn execute(&mut self, portal: Portal) {
        self.out.extend_from_slice(message::EXECUTE);
        self.portals.push(portal);
    }
}

/// Whether the burst is one statement of its own, or a transaction from its beginning.
fn is_self_contained(steps: &[Step], in_transaction: bool) -> bool {
    match steps {
        _ if in_transaction => false,
        [Step::Statement(_)] => true,
        [Step::Begin(_), inner @ .., last] => {
            inner.iter().all(|step| matches!(step, Step::Statement(_) | Step::Draw(_) | Step::Control(_)))
                && !matches!(last, Step::Begin(_))
        }
        _ => false,
    }
}

/// Whether a burst has an end of the transaction in it, from this step on.
pub(super) fn ends_from(steps: &[Step], step: usize) -> bool {
    steps.get(step..).unwrap_or_default().iter().any(|step| matches!(step, Step::Commit | Step::Rollback))
}
