//! The same for rows without children that are found by a unique key: `upsert_by` is in order with all other writes.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use proptest::collection::vec;
use proptest::prelude::*;
use spakky::prelude::*;
use spakky::schema::SchemaRegistry;
use spakky::{Error, Propagation};

/// A row as it is stored: id, code, quantity, note and version.
type Stored = (i64, String, i64, i64, i64);

/// A kind of such rows.
pub(super) trait Keyed: 'static {
    type Row: Table<Id = i64> + Mappable<Domain = Item>;
    const NAME: &'static str;
    /// Whether the database assigns the ids.
    const DRAWN: bool;
    const KEY: &'static str;

    fn schema() -> SchemaRegistry;
    fn stored(sessions: &SessionManager) -> impl Future<Output = Result<Vec<Stored>, Error>>;
    fn note(sessions: &SessionManager, code: &str, note: i64) -> impl Future<Output = Result<u64, Error>>;
    fn clear(sessions: &SessionManager) -> impl Future<Output = Result<u64, Error>>;
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    id: i64,
    code: String,
    quantity: i64,
}

macro_rules! keyed {
    ($module:ident, $table:tt, $drawn:expr, [$($id:tt)*], [$($version:tt)*]) => {
        pub(super) mod $module {
            use super::*;

            #[derive(Debug, Clone, Table, Mappable)]
            #[table(name = $table)]
            #[mappable(domain = Item)]
            pub(in super::super) struct ItemRow {
                #[table($($id)*)]
                id: i64,
                #[table(unique)]
                code: String,
                quantity: i64,
                #[mappable(row_only)]
                note: i64,
                $($version)*
                version: i64,
            }

            #[derive(Debug, Clone, Table, Mappable)]
            #[table(name = $table)]
            #[mappable(domain = Self)]
            struct Raw {
                #[table(id)]
                id: i64,
                code: String,
                quantity: i64,
                note: i64,
                version: i64,
            }

            pub(in super::super) struct It;

            impl Keyed for It {
                type Row = ItemRow;
                const NAME: &'static str = stringify!($module);
                const DRAWN: bool = $drawn;
                const KEY: &'static str = ItemRow::UQ_CODE;

                fn schema() -> SchemaRegistry {
                    schema![ItemRow]
                }

                async fn stored(sessions: &SessionManager) -> Result<Vec<Stored>, Error> {
                    let rows = sessions.repository::<Raw>().query().all().await?;
                    Ok(rows.into_iter().map(|row| (row.id, row.code, row.quantity, row.note, row.version)).collect())
                }

                async fn note(sessions: &SessionManager, code: &str, note: i64) -> Result<u64, Error> {
                    let rows = sessions.repository::<Raw>().autocommit();
                    rows.update_where(Raw::COLUMNS.code.eq(code), Raw::COLUMNS.note.set(note)).await
                }

                async fn clear(sessions: &SessionManager) -> Result<u64, Error> {
                    sessions.repository::<Raw>().autocommit().query().delete().await
                }
            }
        }
    };
}

keyed!(items, "items", false, [id], [#[mappable(row_only)]]);
keyed!(versioned_items, "versioned_items", false, [id], [#[table(version)]]);
keyed!(drawn_items, "drawn_items", true, [id, generated], [#[table(version)]]);

#[derive(Debug, Clone)]
pub(super) enum Step {
    Add { code: u8, quantity: i64, now: bool },
    Upsert { codes: Vec<u8>, quantity: i64, now: bool },
    Get { code: u8, query: bool },
    Save { code: u8, quantity: i64, now: bool },
    Delete { code: u8, now: bool },
    Flush,
    Count,
    Nested { steps: Vec<Step>, undone: bool },
}

#[derive(Debug, Clone)]
pub(super) struct Work {
    steps: Vec<Step>,
    undone: bool,
    note: Option<u8>,
}

pub(super) fn history() -> impl Strategy<Value = Vec<Work>> {
    let code = || 0..3_u8;
    let now = || prop::bool::weighted(0.3);
    let leaf = prop_oneof![
        2 => (code(), 0..5_i64, now()).prop_map(|(code, quantity, now)| Step::Add { code, quantity, now }),
        4 => (vec(code(), 1..3), 0..5_i64, now())
            .prop_map(|(codes, quantity, now)| Step::Upsert { codes, quantity, now }),
        3 => (code(), any::<bool>()).prop_map(|(code, query)| Step::Get { code, query }),
        3 => (code(), 0..5_i64, now()).prop_map(|(code, quantity, now)| Step::Save { code, quantity, now }),
        1 => (code(), now()).prop_map(|(code, now)| Step::Delete { code, now }),
        1 => Just(Step::Flush),
        1 => Just(Step::Count),
    ];
    let step = leaf.prop_recursive(3, 12, 4, |inner| {
        (vec(inner, 1..5), prop::bool::weighted(0.4)).prop_map(|(steps, undone)| Step::Nested { steps, undone })
    });
    let work = (vec(step, 1..8), prop::bool::weighted(0.1), proptest::option::of(code()));
    vec(work.prop_map(|(steps, undone, note)| Work { steps, undone, note }), 1..6)
}

/// A row by the model.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    /// Unknown for one whose id the database assigns, until it is told.
    id: Option<i64>,
    quantity: i64,
    note: i64,
    version: i64,
    /// Whether it was written in this transaction.
    touched: bool,
    /// What deletion and addition in one transaction leave open.
    reborn: bool,
}

type Rows = BTreeMap<String, Row>;

#[derive(Debug)]
enum Stop {
    Planned,
    Differs(String),
    Database(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Database(error)
    }
}

pub(super) struct World<K: Keyed> {
    sessions: SessionManager,
    rows: Rows,
    /// The codes that were deleted in this transaction.
    gone: Vec<String>,
    /// Values that were read, and not written since by others' calls.
    hands: BTreeMap<String, Item>,
    next: i64,
    depth: usize,
    pub(super) trace: Vec<String>,
    pub(super) transactions: u64,
    kind: std::marker::PhantomData<K>,
}

impl<K: Keyed> World<K> {
    pub(super) fn new(sessions: SessionManager) -> Self {
        World {
            sessions,
            rows: Rows::new(),
            gone: Vec::new(),
            hands: BTreeMap::new(),
            next: 0,
            depth: 0,
            trace: Vec::new(),
            transactions: 0,
            kind: std::marker::PhantomData,
        }
    }

    pub(super) async fn run(&mut self, history: &[Work]) -> Result<(), String> {
        K::clear(&self.sessions).await.map_err(|error| error.to_string())?;
        self.rows.clear();
        self.trace.clear();
        for work in history {
            self.work(work).await?;
        }
        Ok(())
    }

    fn say(&mut self, line: String) {
        let indent = "    ".repeat(self.depth);
        self.trace.push(format!("{indent}{line}"));
    }

    async fn work(&mut self, work: &Work) -> Result<(), String> {
        self.depth = 0;
        if let Some(code) = work.note.map(name)
            && self.rows.contains_key(&code)
        {
            self.next += 1;
            let note = self.next;
            self.say(format!("another program: note of {code} = {note}"));
            K::note(&self.sessions, &code, note).await.map_err(|error| error.to_string())?;
            if let Some(row) = self.rows.get_mut(&code) {
                row.note = note;
            }
        }
        let base = self.rows.clone();
        self.transactions += 1;
        self.gone.clear();
        self.hands.clear();
        self.say("transaction:".to_owned());
        self.depth = 1;
        let sessions = self.sessions.clone();
        let ended = sessions
            .transaction(TransactionOptions::new(), async |session| {
                self.steps(&session, &work.steps).await?;
                if work.undone { Err(Stop::Planned) } else { Ok(()) }
            })
            .await;
        self.depth = 0;
        match ended {
            Ok(()) => self.say("commit".to_owned()),
            Err(Stop::Planned) => {
                self.say("rollback".to_owned());
                self.rows = base.clone();
            }
            Err(Stop::Differs(how)) => return Err(how),
            Err(Stop::Database(error)) => return Err(format!("an error without a cause: {:?}: {error}", error.kind())),
        }
        let stored = K::stored(&self.sessions).await.map_err(|error| error.to_string())?;
        let codes: Vec<&String> = stored.iter().map(|(_, code, ..)| code).collect();
        if let Some(missing) = self.rows.keys().find(|code| !codes.contains(code)) {
            return Err(format!("{missing} is not stored"));
        }
        for (id, code, quantity, note, version) in stored {
            let Some(row) = self.rows.get_mut(&code) else {
                return Err(format!("{code} is stored and should not be"));
            };
            let changed = base.get(&code).is_some_and(|before| before.quantity != row.quantity);
            let wrong = (row.quantity, row.note) != (quantity, note) && !(row.reborn && row.quantity == quantity)
                || !row.reborn && row.id.is_some_and(|known| known != id);
            if wrong {
                return Err(format!("{code} is stored as id {id}, {quantity}, note {note}; expected {row:?}"));
            }
            if !row.reborn && (version < row.version || !row.touched && version != row.version) {
                return Err(format!("{code} is at version {version}, it was {}", row.version));
            }
            if !row.reborn && changed && version == row.version && version > 0 {
                return Err(format!("{code} was changed and is still at version {version}"));
            }
            *row = Row { id: Some(id), quantity, note, version, touched: false, reborn: false };
        }
        Ok(())
    }

    fn steps<'a>(
        &'a mut self,
        session: &'a Session,
        steps: &'a [Step],
    ) -> Pin<Box<dyn Future<Output = Result<(), Stop>> + 'a>> {
        Box::pin(async move {
            for step in steps {
                self.step(session, step).await?;
            }
            Ok(())
        })
    }

    fn item(&mut self, code: &str, quantity: i64) -> Item {
        self.next += 1;
        Item { id: if K::DRAWN { 0 } else { self.next }, code: code.to_owned(), quantity }
    }

    /// The row is written with this quantity, by a value with this id if it is new.
    fn put(&mut self, code: &str, quantity: i64, id: i64) {
        let reborn = self.gone.iter().any(|gone| gone == code);
        let new = || Row { id: (!K::DRAWN).then_some(id), quantity, note: 0, version: 0, touched: true, reborn };
        let row = self.rows.entry(code.to_owned()).or_insert_with(new);
        row.quantity = quantity;
        row.touched = true;
    }

    fn compare(&mut self, read: &Item) -> Result<(), Stop> {
        let Some(row) = self.rows.get_mut(&read.code) else {
            return Err(Stop::Differs(format!("{read:?} is read, but there is none")));
        };
        if row.quantity != read.quantity || row.id.is_some_and(|id| id != read.id) {
            return Err(Stop::Differs(format!("{read:?} is read, expected {row:?}")));
        }
        row.id = Some(read.id);
        Ok(())
    }

    async fn step(&mut self, session: &Session, step: &Step) -> Result<(), Stop> {
        let items = self.sessions.repository::<K::Row>();
        match step {
            Step::Add { code, quantity, now } => {
                let code = name(*code);
                if self.rows.contains_key(&code) || self.gone.contains(&code) {
                    return Ok(());
                }
                let mut item = self.item(&code, *quantity);
                self.say(format!("add{} {item:?}", if *now { "_now" } else { "" }));
                if *now {
                    items.add_now(&mut item).await?
                } else {
                    items.add(&mut item)?
                }
                self.put(&code, *quantity, item.id);
                if item.id != 0 {
                    self.compare(&item)?;
                }
            }
            Step::Upsert { codes, quantity, now } => {
                let mut some: Vec<Item> = Vec::new();
                for (at, code) in codes.iter().enumerate() {
                    let code = name(*code);
                    // What the database is yet to give an id is left out.
                    if self.rows.get(&code).is_some_and(|row| row.id.is_none()) {
                        continue;
                    }
                    if !some.iter().any(|other| other.code == code) {
                        some.push(self.item(&code, (quantity + at as i64) % 5));
                    }
                }
                self.say(format!("upsert_all_by{} {some:?}", if *now { "_now" } else { "" }));
                for item in &some {
                    self.put(&item.code, item.quantity, item.id);
                    self.hands.remove(&item.code);
                }
                if *now {
                    items.upsert_all_by_now(K::KEY, &mut some).await?;
                    for item in &some {
                        self.compare(item)?;
                    }
                } else {
                    items.upsert_all_by(K::KEY, &mut some)?;
                }
            }
            Step::Get { code, query } => {
                let code = name(*code);
                let Some(row) = self.rows.get(&code) else { return Ok(()) };
                let id = row.id.filter(|_| !query && !row.reborn);
                self.say(format!("{} {code}", if id.is_some() { "get" } else { "query" }));
                let read = match id {
                    Some(id) => items.get(id).await?,
                    None => {
                        let all = items.query().all().await?;
                        let count = all.len();
                        if count != self.rows.len() {
                            return Err(Stop::Differs(format!("{count} are read, expected {}", self.rows.len())));
                        }
                        all.into_iter().find(|item| item.code == code).ok_or_else(|| Stop::Differs("none".into()))?
                    }
                };
                self.compare(&read)?;
                self.hands.insert(code, read);
            }
            Step::Save { code, quantity, now } => {
                let code = name(*code);
                let Some(mut item) = self.hands.get(&code).cloned() else { return Ok(()) };
                item.quantity = *quantity;
                self.say(format!("save{} {item:?}", if *now { "_now" } else { "" }));
                if *now {
                    items.save_now(&mut item).await?
                } else {
                    items.save(&mut item)?
                }
                let changed = self.rows.get(&code).is_some_and(|row| row.quantity != *quantity);
                if changed {
                    self.put(&code, *quantity, item.id);
                }
                self.hands.insert(code, item);
            }
            Step::Delete { code, now } => {
                let code = name(*code);
                let Some(id) = self.rows.get(&code).and_then(|row| row.id) else { return Ok(()) };
                if self.gone.contains(&code) {
                    return Ok(());
                }
                self.say(format!("delete_by_id{} {code}", if *now { "_now" } else { "" }));
                if *now {
                    items.delete_by_id_now(id).await?
                } else {
                    items.delete_by_id(id)?
                }
                self.rows.remove(&code);
                self.hands.remove(&code);
                self.gone.push(code);
            }
            Step::Flush => {
                self.say("flush".to_owned());
                session.flush().await?;
            }
            Step::Count => {
                self.say("count".to_owned());
                let count = items.query().count().await?;
                if count != self.rows.len() as u64 {
                    return Err(Stop::Differs(format!("{count} are counted, expected {}", self.rows.len())));
                }
            }
            Step::Nested { steps, undone } => {
                let before = (self.rows.clone(), self.gone.clone());
                self.say("nested:".to_owned());
                self.depth += 1;
                let sessions = self.sessions.clone();
                let nested = TransactionOptions::new().propagation(Propagation::Nested);
                let ended = sessions
                    .transaction(nested, async |session| {
                        self.steps(&session, steps).await?;
                        if *undone { Err(Stop::Planned) } else { Ok(()) }
                    })
                    .await;
                self.depth -= 1;
                match ended {
                    Ok(()) => self.say("end of nested".to_owned()),
                    Err(Stop::Planned) => {
                        self.say("undo nested".to_owned());
                        (self.rows, self.gone) = before;
                        self.hands.clear();
                    }
                    Err(other) => return Err(other),
                }
            }
        }
        Ok(())
    }
}

fn name(code: u8) -> String {
    format!("c{code}")
}
