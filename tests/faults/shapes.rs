//! Units of work of every shape that a burst can have, each on rows of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use spakky::config::DatabaseConfig;
use spakky::prelude::*;
use spakky::schema::SchemaRegistry;
use spakky::{Error, Isolation, SessionManager};

/// How many ids a unit has for its rows in each table.
pub(crate) const SPAN: i64 = 10;

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "crates")]
#[mappable(domain = Self)]
struct Crate {
    #[table(id)]
    id: i64,
    label: String,
    #[table(has_many(by = crate_id, order_by = id))]
    items: Vec<Item>,
    #[table(version)]
    version: i64,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "items")]
#[mappable(domain = Self)]
struct Item {
    #[table(id)]
    id: i64,
    #[table(references(Crate))]
    crate_id: i64,
    amount: i64,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "notes")]
#[mappable(domain = Self)]
struct Note {
    #[table(id)]
    id: i64,
    text: String,
}

/// The database assigns its id.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "tickets")]
#[mappable(domain = Self)]
struct Ticket {
    #[table(id, generated)]
    id: i64,
    unit: i64,
}

/// No two may have the same twin, which is found out by COMMIT.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "pledges")]
#[mappable(domain = Self)]
struct Pledge {
    #[table(id)]
    id: i64,
    twin: i64,
}

/// What a unit does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Get,
    AddAlone,
    SqlAlone,
    AddWithChildrenAlone,
    Read,
    ReadOnly,
    LoadAndSave,
    AddWithChildren,
    Queued,
    FlushThenCommit,
    FlushThenQueue,
    NestedKept,
    NestedUndone,
    NestedSent,
    StreamHalfRead,
    Sql,
    Upsert,
    Generated,
    HookThatWrites,
    Serializable,
    Settings,
    InAnotherTask,
    FailedStatement,
    FailedAtOnce,
    FailedCommit,
    Token,
    TokenAfterRead,
    TokenAfterWrite,
}

impl Shape {
    pub(crate) const ALL: [Shape; 28] = [
        Shape::Get,
        Shape::AddAlone,
        Shape::SqlAlone,
        Shape::AddWithChildrenAlone,
        Shape::Read,
        Shape::ReadOnly,
        Shape::LoadAndSave,
        Shape::AddWithChildren,
        Shape::Queued,
        Shape::FlushThenCommit,
        Shape::FlushThenQueue,
        Shape::NestedKept,
        Shape::NestedUndone,
        Shape::NestedSent,
        Shape::StreamHalfRead,
        Shape::Sql,
        Shape::Upsert,
        Shape::Generated,
        Shape::HookThatWrites,
        Shape::Serializable,
        Shape::Settings,
        Shape::InAnotherTask,
        Shape::FailedStatement,
        Shape::FailedAtOnce,
        Shape::FailedCommit,
        Shape::Token,
        Shape::TokenAfterRead,
        Shape::TokenAfterWrite,
    ];

    /// Its transactions write tokens.
    pub(crate) fn has_token(self) -> bool {
        matches!(self, Shape::Token | Shape::TokenAfterRead | Shape::TokenAfterWrite)
    }

    /// Nobody waits for the end of its transaction, if it has one.
    pub(crate) fn only_reads(self) -> bool {
        matches!(self, Shape::Get | Shape::Read | Shape::ReadOnly)
    }

    /// The server refuses it, since a key is taken.
    pub(crate) fn fails(self) -> bool {
        matches!(self, Shape::FailedStatement | Shape::FailedAtOnce | Shape::FailedCommit)
    }

    /// The transaction's id is told ahead of COMMIT's burst.
    pub(crate) fn tells_id_early(self) -> bool {
        use Shape::{FlushThenCommit, FlushThenQueue, HookThatWrites, NestedSent, NestedUndone, TokenAfterWrite};
        matches!(self, FlushThenCommit | FlushThenQueue | HookThatWrites | NestedSent | NestedUndone | TokenAfterWrite)
    }

    /// It is one call outside of any scope.
    pub(crate) fn is_alone(self) -> bool {
        matches!(self, Shape::Get | Shape::AddAlone | Shape::SqlAlone | Shape::AddWithChildrenAlone)
    }
}

/// What a unit was heard to say of its end.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    committed: AtomicU32,
    rolled_back: AtomicU32,
}

impl Heard {
    /// How often it ran its hooks of a commit, and those of a rollback.
    pub(crate) fn counts(&self) -> (u32, u32) {
        (self.committed.load(Ordering::SeqCst), self.rolled_back.load(Ordering::SeqCst))
    }
}

/// One run of a unit.
pub(crate) struct Run {
    pub(crate) shape: Shape,
    /// Its number.
    pub(crate) unit: i64,
    /// How long its body may take.
    pub(crate) limit: Option<Duration>,
    pub(crate) heard: Arc<Heard>,
}

/// Where units work: a pool of one connection.
pub(crate) struct Yard {
    pub(crate) sessions: SessionManager,
    crates: Repository<Crate>,
    notes: Repository<Note>,
    tickets: Repository<Ticket>,
    pledges: Repository<Pledge>,
}

fn tables() -> SchemaRegistry {
    schema![Crate, Item, Note, Ticket, Pledge]
}

const PART: TransactionOptions = TransactionOptions::new().name("part").propagation(Propagation::Nested);

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

impl Yard {
    pub(crate) async fn open(config: DatabaseConfig) -> Self {
        // A ping after idling would be more bytes.
        let sessions = SessionManager::from_config(config.pool_pre_ping(false)).await.unwrap();
        Yard {
            crates: sessions.repository(),
            notes: sessions.repository(),
            tickets: sessions.repository(),
            pledges: sessions.repository(),
            sessions,
        }
    }

    /// Makes the tables.
    pub(crate) async fn create(&self) {
        self.sessions.create_tables(&tables()).await.unwrap();
        self.sessions.create_commit_token_table().await.unwrap();
        let unique = "ALTER TABLE pledges ADD CONSTRAINT uq_twin UNIQUE (twin) DEFERRABLE INITIALLY DEFERRED";
        self.sessions.sql(unique).execute().await.unwrap();
    }

    /// Makes the rows that units of these numbers find.
    pub(crate) async fn fill(&self, first: i64, count: i64) {
        for row in [
            "INSERT INTO crates (id, label, version) SELECT unit * 10, 'old', 1",
            "INSERT INTO items (id, crate_id, amount) SELECT unit * 10 + 1, unit * 10, 1",
            "INSERT INTO notes (id, text) SELECT unit * 10, 'old'",
            "INSERT INTO pledges (id, twin) SELECT unit * 10, unit",
        ] {
            let sql = format!("{row} FROM generate_series($1::int8, $1 + $2 - 1) unit");
            self.sessions.sql(sql).bind(first).bind(count).execute().await.unwrap();
        }
    }

    /// What is stored of each unit, and by which transactions.
    pub(crate) async fn stored(&self, first: i64, count: i64) -> Vec<(i64, String, String)> {
        let sql = "SELECT unit, string_agg(line, ', ' ORDER BY line), string_agg(DISTINCT xid::text, ' ') FROM (\
            SELECT id / 10, 'crate ' || id % 10 || ' ' || label || ' ' || version, xmin FROM crates \
            UNION ALL SELECT id / 10, 'item ' || id % 10 || ' of ' || crate_id % 10 || ': ' || amount, xmin FROM items \
            UNION ALL SELECT id / 10, 'note ' || id % 10 || ' ' || text, xmin FROM notes \
            UNION ALL SELECT unit, 'ticket', xmin FROM tickets \
            UNION ALL SELECT id / 10, 'pledge ' || id % 10, xmin FROM pledges\
            ) found (unit, line, xid) WHERE unit BETWEEN $1 AND $1 + $2 - 1 GROUP BY unit ORDER BY unit";
        self.sessions.sql(sql).bind(first).bind(count).fetch_all().await.unwrap()
    }

    /// Has the pool learn all that it asks of the catalog, by a unit of this number that writes to every table.
    pub(crate) async fn learn(&self, unit: i64) {
        let id = unit * SPAN;
        let work = async |_| {
            self.crates.add(&mut laden(id + 2))?;
            self.notes.add(&mut note(id + 2))?;
            self.tickets.add(&mut Ticket { id: 0, unit })?;
            self.pledges.add(&mut Pledge { id: id + 2, twin: -unit })
        };
        self.sessions.transaction(TransactionOptions::new().name("learn"), work).await.unwrap();
    }

    /// Runs a unit.
    pub(crate) async fn run(&self, run: &Run) -> Result<(), Error> {
        let id = run.unit * SPAN;
        match run.shape {
            Shape::Get => self.crates.get(id).await.map(drop),
            Shape::AddAlone => self.notes.autocommit().add_now(&mut note(id + 2)).await,
            Shape::SqlAlone => self.renote("UPDATE notes SET text = 'new' WHERE id = $1", id).await,
            Shape::AddWithChildrenAlone => self.crates.autocommit().add_now(&mut laden(id + 2)).await,
            Shape::Settings => {
                let context = RequestContext::new().setting("app.unit", "of some length");
                context.scope(self.in_scope(run)).await
            }
            _ => self.in_scope(run).await,
        }
    }

    async fn in_scope(&self, run: &Run) -> Result<(), Error> {
        let mut options = TransactionOptions::new().name("unit");
        if let Some(limit) = run.limit {
            options = options.timeout(limit);
        }
        options = match run.shape {
            Shape::ReadOnly => options.read_only(),
            Shape::Serializable => options.isolation(Isolation::Serializable),
            _ => options,
        };
        let work = async |session: Session| {
            let (committed, rolled_back) = (run.heard.clone(), run.heard.clone());
            session.after_commit(move || async move {
                committed.committed.fetch_add(1, Ordering::SeqCst);
                Ok(())
            });
            session.on_rollback(move || async move {
                rolled_back.rolled_back.fetch_add(1, Ordering::SeqCst);
                Ok(())
            });
            self.work(run.shape, run.unit, &session).await
        };
        self.sessions.transaction(options, work).await
    }

    async fn work(&self, shape: Shape, unit: i64, session: &Session) -> Result<(), Error> {
        let id = unit * SPAN;
        match shape {
            Shape::Read | Shape::ReadOnly => {
                self.crates.get(id).await?;
                self.notes.find(id).await.map(drop)
            }
            Shape::LoadAndSave | Shape::Serializable | Shape::TokenAfterRead => self.relabel(id).await,
            Shape::AddWithChildren | Shape::Token | Shape::Settings => self.crates.add(&mut laden(id + 2)),
            Shape::Queued => {
                self.crates.add(&mut laden(id + 2))?;
                self.notes.delete_by_id(id)?;
                self.notes.add_all(&mut [note(id + 2), note(id + 3)])
            }
            Shape::FlushThenCommit | Shape::TokenAfterWrite => self.notes.add_now(&mut note(id + 2)).await,
            Shape::FlushThenQueue => {
                self.notes.add(&mut note(id + 2))?;
                session.flush().await?;
                self.crates.add(&mut laden(id + 2))
            }
            Shape::NestedKept => {
                self.notes.add(&mut note(id + 2))?;
                self.sessions.transaction(PART, async |_| self.relabel(id).await).await
            }
            Shape::NestedUndone => {
                self.notes.add_now(&mut note(id + 2)).await?;
                self.abandon(id).await?;
                self.notes.add(&mut note(id + 3))
            }
            Shape::NestedSent => {
                self.notes.add(&mut note(id + 2))?;
                self.sessions.transaction(PART, async |_| self.notes.add_now(&mut note(id + 3)).await).await?;
                self.relabel(id).await
            }
            Shape::StreamHalfRead => {
                self.notes.add(&mut note(id + 2))?;
                let near = Note::COLUMNS.id.between(id, id + SPAN);
                let mut rows = self.notes.query().filter(near).stream().await?;
                rows.next().await.transpose()?;
                drop(rows);
                self.notes.add(&mut note(id + 3))
            }
            Shape::Sql => {
                self.renote("UPDATE notes SET text = 'new' WHERE id = $1", id).await?;
                self.renote("INSERT INTO notes (id, text) VALUES ($1, 'new')", id + 2).await
            }
            Shape::Upsert => {
                self.crates.upsert(&mut Crate { items: laden(id + 2).items, ..laden(id) })?;
                self.notes.upsert_all(&mut [note(id), note(id + 2)])
            }
            Shape::Generated => self.tickets.add_all(&mut [Ticket { id: 0, unit }, Ticket { id: 0, unit }]),
            Shape::HookThatWrites => {
                let notes = self.notes.clone();
                session.before_commit(move || async move { notes.add_now(&mut note(id + 3)).await });
                self.notes.add(&mut note(id + 2))
            }
            Shape::InAnotherTask => {
                let (session, sql) = (session.clone(), "UPDATE notes SET text = 'new' WHERE id = $1");
                let call = async move { session.sql(sql).bind(id).execute().await };
                tokio::spawn(call).await.unwrap().map(drop)
            }
            Shape::FailedStatement => {
                self.crates.add(&mut laden(id + 2))?;
                self.notes.add(&mut note(id))
            }
            Shape::FailedAtOnce => {
                self.crates.add(&mut laden(id + 2))?;
                self.notes.add_now(&mut note(id)).await
            }
            Shape::FailedCommit => {
                self.notes.add(&mut note(id + 2))?;
                self.pledges.add(&mut Pledge { id: id + 2, twin: unit })
            }
            Shape::Get | Shape::AddAlone | Shape::SqlAlone | Shape::AddWithChildrenAlone => {
                panic!("{shape:?} is no scope")
            }
        }
    }

    async fn relabel(&self, id: i64) -> Result<(), Error> {
        let mut found = self.crates.get(id).await?;
        found.label = "new".to_owned();
        found.items.push(Item { id: id + 2, crate_id: 0, amount: 2 });
        self.crates.save(&mut found)
    }

    /// Writes in a nested scope that fails.
    async fn abandon(&self, id: i64) -> Result<(), Error> {
        let part = self.sessions.transaction(PART, async |session| {
            self.relabel(id).await?;
            session.flush().await?;
            Err::<(), _>(Failure::Abandoned)
        });
        match part.await {
            Err(Failure::Unexpected(error)) => Err(error),
            Ok(()) | Err(Failure::Abandoned) => Ok(()),
        }
    }

    async fn renote(&self, sql: &str, id: i64) -> Result<(), Error> {
        self.sessions.sql(sql).bind(id).execute().await.map(drop)
    }
}

fn note(id: i64) -> Note {
    Note { id, text: "new".to_owned() }
}

fn laden(id: i64) -> Crate {
    let items = vec![Item { id, crate_id: 0, amount: 3 }, Item { id: id + 1, crate_id: 0, amount: 4 }];
    Crate { id, label: "new".to_owned(), items, version: 0 }
}
