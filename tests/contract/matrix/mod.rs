//! Every kind of key in every state of a value with every call of a repository, in each store: each cell does the right verb, and
//! a collection that was not loaded is never touched.
//!
//! What is right is said by a small table (`rule`). A cell has rows of its own. After it their columns are compared as another
//! connection reads them, and so are what the value holds, the verbs that were sent to each table, what listeners heard, and
//! the error. Kinds are in `rows`, states in `state`, calls in `call`; each of the latter two says what is impossible, and why.
//!
//! Two kinds of key are missing because they do not compile: a composite key with a part that the database assigns ("a generated
//! key is a single column"), and a composite key of a row with children. `update_where` and its kin take no value.

mod call;
mod rows;
mod rule;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use spakky::config::DatabaseConfig;
use spakky::mutation::MutationKind;
use spakky::prelude::*;
use spakky::testing::{Recorder, TestDatabase};
use spakky::{Error, ErrorKind};

use self::call::{Call, FORMS, Form, VERBS, Verb};
use self::rows::{Kind, Root, Stored, Tag, Traits};
use self::rule::{Effect, Version};
use self::state::{Hand, STATES, Sides, State};
use super::Kind as Store;

const WORK: TransactionOptions = TransactionOptions::new().name("work");

#[derive(Debug, Clone, Copy)]
struct Cell {
    state: State,
    call: Call,
    /// The tag of its first value; that of its second is the next one.
    tag: Tag,
}

impl Cell {
    fn tags(self) -> Vec<Tag> {
        if self.call.form.is_all() { vec![self.tag, self.tag + 1] } else { vec![self.tag] }
    }

    /// Why there is no such cell.
    fn impossible(self, traits: Traits) -> Option<&'static str> {
        let apart = (!self.call.form.is_in_unit() && !self.state.is_sessionless())
            .then_some("outside of a unit of work no session knows the value");
        self.state.impossible(traits).or(self.call.impossible(traits)).or(apart)
    }
}

/// What a cell did.
struct Seen<D> {
    /// The error, and whether the call had sent nothing.
    error: Option<(Error, bool)>,
    before: Vec<(String, Option<i64>)>,
    hands: Vec<Hand<D>>,
    sent: Vec<String>,
    told: Vec<MutationKind>,
}

async fn run<K: Kind>(sides: &Sides<K>, recorder: &Recorder, cell: Cell) -> Seen<K::Domain> {
    let context = RequestContext::new().tenant("acme");
    let roots = sides.sessions.repository::<K::Row>();
    let mut ahead = Vec::new();
    for tag in cell.tags() {
        ahead.push((tag, state::ahead::<K>(sides, cell.state, tag).await));
    }
    let shown = |hands: &[Hand<K::Domain>]| {
        hands.iter().map(|hand| (hand.value.shown_id(), hand.value.version())).collect::<Vec<_>>()
    };
    let mut hands = Vec::new();
    let mut before = Vec::new();
    let mut error = None;
    recorder.take();
    if cell.call.form.is_in_unit() {
        let work = sides.sessions.transaction(WORK, async |session| {
            for (tag, ahead) in ahead {
                hands.push(state::within::<K>(sides, &session, cell.state, tag, ahead).await?);
            }
            before = shown(&hands);
            recorder.take();
            let statements = session.statistics().statements;
            if let Err(refusal) = cell.call.make::<K>(&roots, &mut hands).await {
                let is_refused = session.statistics().statements == statements;
                error = Some((refusal, is_refused));
                if !is_refused {
                    return Err(Error::other("the unit of work is undone"));
                }
            }
            Ok(())
        });
        let ended = context.scope(work).await;
        if let (Err(failure), None) = (ended, &error) {
            error = Some((failure, false));
        }
    } else {
        hands.extend(ahead.into_iter().filter_map(|(_, hand)| hand));
        before = shown(&hands);
        if let Err(failure) = context.scope(cell.call.make::<K>(&roots, &mut hands)).await {
            let statements = recorder.take().statements;
            error = Some((failure, statements.iter().all(|sql| verb_of::<K>(sql).is_none())));
        }
    }
    let recorded = recorder.take();
    let own = recorded.mutations.into_iter().filter(|event| event.table == K::TABLES[0]);
    Seen { error, before, hands, sent: recorded.statements, told: own.map(|event| event.kind).collect() }
}

/// What a statement does to which level of an aggregate.
fn verb_of<K: Kind>(sql: &str) -> Option<(usize, &'static str)> {
    K::TABLES.iter().enumerate().find_map(|(level, table)| {
        let verbs = [("INSERT INTO", "insert"), ("UPDATE", "update"), ("DELETE FROM", "delete")];
        verbs.into_iter().find_map(|(words, verb)| {
            let names = [format!("{words} \"{table}\""), format!("{words} {table} ")];
            names.iter().any(|name| sql.contains(name.as_str())).then_some((level, verb))
        })
    })
}

/// What is wrong with what a cell did.
fn differences<K: Kind>(cell: Cell, seen: &Seen<K::Domain>, stored: &BTreeMap<Tag, Vec<Stored>>) -> Vec<String> {
    let traits = K::TRAITS;
    let mut wrong = Vec::new();
    let unversioned = !traits.versioned()
        && matches!(cell.call.verb, Verb::SaveIf | Verb::SaveIfOther | Verb::SaveIfAny | Verb::Attach);
    let effect = match cell.call.form {
        Form::Outside if unversioned => Effect::Refused(ErrorKind::InvalidQuery),
        Form::Outside => Effect::Refused(ErrorKind::NoSession),
        _ => rule::effect(traits, cell.state, cell.call.verb),
    };
    let error = seen.error.as_ref().map(|(error, is_refused)| (error.kind(), *is_refused));
    let wanted = match effect {
        Effect::Refused(kind) => Some((kind, true)),
        Effect::Fails(kind) => Some((kind, false)),
        _ => None,
    };
    if error != wanted {
        wrong.push(format!(
            "error {:?}, wanted {wanted:?}",
            seen.error.as_ref().map(|(e, r)| (e.kind(), *r, e.to_string()))
        ));
    }
    let unknown = matches!(wanted, Some((ErrorKind::NoSession | ErrorKind::InvalidQuery, _)));
    if let (Some((error, _)), false) = (&seen.error, unknown) {
        // Children that another row has.
        let of_kids = cell.call.verb == Verb::Add && traits.drawn && traits.parent;
        if error.table() != Some(K::TABLES[usize::from(of_kids)]) {
            wrong.push(format!("the error is of table {:?}", error.table()));
        }
    }
    let rows = rule::rows(traits, cell.state, cell.call.verb, effect);
    for tag in cell.tags() {
        let found = stored.get(&tag).map_or(&[][..], Vec::as_slice);
        let equal = found.len() == rows.len() && rows.iter().zip(found).all(|(row, found)| row.is(found));
        if !equal {
            wrong.push(format!("stored {found:?}\n      wanted {rows:?}"));
        }
    }
    wrong.extend(different_values::<K>(cell, effect, seen, stored));
    let sent: BTreeSet<(usize, &str)> = seen.sent.iter().filter_map(|sql| verb_of::<K>(sql)).collect();
    let goes = matches!(effect, Effect::Delete | Effect::Renew)
        || cell.state == State::Deleted
        || cell.call.verb == Verb::DeleteById
        || cell.call.verb == Verb::Delete && matches!(effect, Effect::Fails(_));
    if !goes && sent.iter().any(|(level, _)| *level == 2) {
        wrong.push(format!("the collection that is not loaded was touched: {:?}", seen.sent));
    }
    // Where nothing waits beside it, the call alone was sent.
    let is_alone = !matches!(effect, Effect::Fails(_)) && !cell.state.writes();
    if let (true, Some(verbs)) = (is_alone, rule::verbs(traits, cell.state, cell.call.verb, effect)) {
        if sent != verbs.sent {
            wrong.push(format!("sent {sent:?}, wanted {:?}: {:?}", verbs.sent, seen.sent));
        }
        let told: Vec<MutationKind> = verbs.told.into_iter().collect();
        if seen.told != told {
            wrong.push(format!("told {:?}, wanted {told:?}", seen.told));
        }
    }
    wrong
}

/// What is wrong with what the values hold behind the call.
fn different_values<K: Kind>(
    cell: Cell,
    effect: Effect,
    seen: &Seen<K::Domain>,
    stored: &BTreeMap<Tag, Vec<Stored>>,
) -> Vec<String> {
    let traits = K::TRAITS;
    let mut wrong = Vec::new();
    for (at, hand) in seen.hands.iter().enumerate() {
        let (id, version) = &seen.before[at];
        let row = stored.get(&hand.value.tag()).and_then(|rows| rows.last());
        let holds = rule::holds(traits, cell.state, cell.call, effect);
        let wanted_id = row.filter(|_| holds.id).map_or(id, |row| &row.id);
        if *wanted_id != hand.value.shown_id() {
            wrong.push(format!("the value has the id {}, wanted {wanted_id}", hand.value.shown_id()));
        }
        let wanted = match holds.version {
            Version::OfBefore => *version,
            Version::Ahead(ahead) => version.and(Some(ahead)),
            Version::OfRow => version.and(row.map(|row| row.version)),
            Version::Unknown => version.and(Some(0)),
            Version::Spent => continue,
        };
        if hand.value.version() != wanted {
            wrong.push(format!("the value has the version {:?}, wanted {wanted:?}", hand.value.version()));
        }
    }
    wrong
}

/// All cells of a kind, and how many are impossible.
fn cells(traits: Traits) -> (Vec<Cell>, usize) {
    let (mut cells, mut impossible) = (Vec::new(), 0);
    for state in STATES {
        for verb in VERBS {
            for form in FORMS {
                let tag = (cells.len() as Tag + 1) * 10;
                let cell = Cell { state, call: Call { verb, form }, tag };
                match cell.impossible(traits) {
                    Some(_) => impossible += 1,
                    None => cells.push(cell),
                }
            }
        }
    }
    (cells, impossible)
}

/// Runs all cells of a kind in one store.
fn try_all<K: Kind>(store: Store, count: usize) {
    let (cells, impossible) = cells(K::TRAITS);
    assert_eq!(
        (cells.len(), cells.len() + impossible),
        (count, STATES.len() * VERBS.len() * FORMS.len()),
        "{}",
        K::NAME
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (wrong, home) = runtime.block_on(async {
        let home = match store {
            Store::InMemory => None,
            Store::Sqlite => Some(TestDatabase::sqlite().unwrap()),
            Store::Postgres => Some(TestDatabase::postgres().await.unwrap()),
        };
        let url = home.as_ref().map_or("memory:", TestDatabase::url);
        let patience = Duration::from_secs(120);
        let config = DatabaseConfig::new(url).pool_size(3).pool_timeout(patience).lock_timeout(patience);
        let sessions = SessionManager::from_config(config.clone()).await.unwrap();
        sessions.create_tables(&K::schema()).await.unwrap();
        let others = match store {
            Store::InMemory => sessions.clone(),
            _ => SessionManager::from_config(config).await.unwrap(),
        };
        let of = |state: State| if state == State::Foreign { "globex" } else { "acme" };
        let tenant = |state: State| if K::TRAITS.tenant { of(state) } else { "" };
        let seeded = cells.iter().filter(|cell| cell.state.is_seeded());
        let tags: Vec<(Tag, &'static str)> =
            seeded.flat_map(|cell| cell.tags().into_iter().map(|tag| (tag, tenant(cell.state)))).collect();
        K::seed(&others, &tags).await;
        let everything = sessions.repository::<K::Row>().across_tenants().query().all().await.unwrap();
        let loaded = everything.into_iter().map(|value| (value.tag(), value)).collect();
        let sides = Sides { sessions, others, loaded };
        let recorder = Recorder::new(&sides.sessions);
        let mut seen = Vec::with_capacity(cells.len());
        for cell in &cells {
            seen.push(run::<K>(&sides, &recorder, *cell).await);
        }
        let mut stored: BTreeMap<Tag, Vec<Stored>> = BTreeMap::new();
        for root in K::stored(&sides.others).await {
            stored.entry(root.tag).or_default().push(root);
        }
        // Ids that the database assigned later are longer, or behind the others.
        let by_id = |root: &Stored| (root.id.len(), root.id.clone());
        stored.values_mut().for_each(|roots| roots.sort_by_key(by_id));
        let wrong = cells.iter().zip(&seen).flat_map(|(cell, seen)| {
            let Cell { state, call, .. } = *cell;
            let shown = move |what: String| format!("{state:?} {:?} {:?}: {what}", call.verb, call.form);
            differences::<K>(*cell, seen, &stored).into_iter().map(shown)
        });
        (wrong.collect::<Vec<String>>(), home)
    });
    runtime.shutdown_timeout(Duration::from_secs(60));
    drop(home);
    assert!(wrong.is_empty(), "{} differences of {}:\n{}", wrong.len(), K::NAME, wrong.join("\n"));
}

/// Makes a test of each kind in each store. The number is that of its cells.
macro_rules! kinds {
    ($($kind:ident $count:literal,)+) => {
        mod in_memory {
            use super::*;

            $(#[test]
            fn $kind() {
                try_all::<rows::$kind::It>(Store::InMemory, $count);
            })+
        }

        mod sqlite {
            use super::*;

            $(#[test]
            fn $kind() {
                try_all::<rows::$kind::It>(Store::Sqlite, $count);
            })+
        }

        mod postgres {
            use super::*;

            $(#[test]
            fn $kind() {
                try_all::<rows::$kind::It>(Store::Postgres, $count);
            })+
        }
    };
}

kinds! {
    known 640,
    natural 640,
    revised 640,
    plain 640,
    drawn_number 664,
    drawn_revision 664,
    drawn_plain 664,
    tenanted 698,
    soft 990,
    soft_tenanted 1062,
    pairs 640,
    coupons 664,
}
