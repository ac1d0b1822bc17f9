//! Runs histories against a database and the model side by side.

macro_rules! differs {
    ($($arg:tt)*) => { return Err(Stop::Differs(format!($($arg)*))) };
}

mod cause;
mod edit;
mod figures;
mod load;
mod others;
mod verify;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use spakky::prelude::*;
use spakky::{Error, MutationEvent, Propagation, RequestContext};

pub(super) use self::figures::Figures;
use super::rows::{Aggregate, Grand, Kid, LEVELS, Only, Tag, Variant};
use super::step::{Form, History, Step, Way, Work};
use super::store::{GRAND, KID, Model, ONLY, ROOT, Sent, Tree};

const UNIT: TransactionOptions = TransactionOptions::new();
const NESTED: TransactionOptions = TransactionOptions::new().propagation(Propagation::Nested);
/// So many numbers has each history: what managers remember of rows is not to be that of the history before.
const EACH: i64 = 100_000;
/// No row has it.
const NOBODY: Tag = 1 << 40;

/// A value in hand.
#[derive(Debug, Clone)]
struct Hand<D> {
    value: D,
    /// The last save of its root when this was loaded or saved.
    seen: u64,
    /// The last write of one of its children by their own repository then.
    apart: u64,
    /// What came from other hands, whose it was, and the last write of a child of that one by itself then.
    acquired: BTreeMap<(usize, Tag), (Tag, u64)>,
    /// Whether the value does not know its version, though its type could.
    blank: bool,
    /// Kids that were in it.
    former: Vec<Kid>,
    /// When it was loaded or saved.
    since: i64,
}

/// Why a scope ends.
#[derive(Debug)]
enum Stop {
    Planned,
    /// The transaction is to fail with a conflict when it is committed.
    Doomed,
    Differs(String),
    Database(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Database(error)
    }
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Stop::Planned => write!(f, "planned"),
            Stop::Doomed => write!(f, "a conflict is expected"),
            Stop::Differs(how) => write!(f, "{how}"),
            Stop::Database(error) => write!(f, "an error without a cause: {:?}: {error}", error.kind()),
        }
    }
}

pub(super) struct World<V: Variant> {
    sessions: SessionManager,
    model: Model,
    hands: [Option<Hand<V::Domain>>; 3],
    apart: BTreeMap<Tag, u64>,
    events: Arc<Mutex<Vec<MutationEvent>>>,
    /// Below the numbers of this history.
    origin: i64,
    next: i64,
    /// The highest version that an undone scope may have given to a root.
    undone: BTreeMap<Tag, i64>,
    /// The same of roots whose ids were drawn, and may be drawn again for others.
    undone_drawn: i64,
    /// How often this transaction wrote each root, also to what it was and in scopes that were undone.
    wrote_to: BTreeMap<Tag, i64>,
    /// The number at which the transaction began.
    began: i64,
    actor: i64,
    pub(super) trace: Vec<String>,
    pub(super) figures: Figures,
    depth: usize,
    dares: bool,
    /// Whether the transaction has written.
    wrote: bool,
    /// The same ahead of this step.
    wrote_before: bool,
    deleted_where: BTreeSet<Tag>,
    /// What others changed of what this transaction has read.
    overtaken: BTreeSet<Tag>,
    /// What is committed.
    base: Model,
}

type Steps<'a> = Pin<Box<dyn Future<Output = Result<(), Stop>> + 'a>>;

impl<V: Variant> World<V> {
    pub(super) fn new(sessions: SessionManager) -> Self {
        let events: Arc<Mutex<Vec<MutationEvent>>> = Arc::default();
        let told = Arc::clone(&events);
        sessions.on_mutation(move |event| {
            if V::TABLES.contains(&event.table) {
                told.lock().unwrap().push(event.clone());
            }
        });
        World {
            sessions,
            model: Model::new(V::TRAITS),
            hands: [None, None, None],
            apart: BTreeMap::new(),
            events,
            origin: 0,
            next: 1,
            undone: BTreeMap::new(),
            undone_drawn: 0,
            wrote_to: BTreeMap::new(),
            began: 0,
            actor: 0,
            trace: Vec::new(),
            figures: Figures::default(),
            depth: 0,
            dares: false,
            wrote: false,
            wrote_before: false,
            deleted_where: BTreeSet::new(),
            overtaken: BTreeSet::new(),
            base: Model::new(V::TRAITS),
        }
    }

    fn fresh(&mut self) -> i64 {
        self.next += 1;
        self.next
    }

    fn say(&mut self, line: impl AsRef<str>) {
        let indent = "    ".repeat(self.depth);
        self.trace.push(format!("{indent}{}", self.short(line.as_ref())));
    }

    /// The text with the numbers of this history made short.
    pub(super) fn short(&self, text: &str) -> String {
        let mut short = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(|letter: char| letter.is_ascii_digit()) {
            let digits = rest[at..].find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len() - at);
            let number = &rest[at..at + digits];
            short.push_str(&rest[..at]);
            match number.parse::<i64>() {
                Ok(long) if long > self.origin && long < self.origin + EACH => {
                    short.push_str(&(long - self.origin).to_string());
                }
                _ => short.push_str(number),
            }
            rest = &rest[at + digits..];
        }
        short + rest
    }

    /// Runs a history on empty tables.
    pub(super) async fn run(&mut self, history: &History) -> Result<(), String> {
        self.trace.clear();
        self.depth = 0;
        V::clear(&self.sessions).await.map_err(|error| format!("clear: {error}"))?;
        self.model = Model::new(V::TRAITS);
        self.hands = [None, None, None];
        self.apart.clear();
        self.origin += EACH;
        self.next = self.origin;
        self.undone.clear();
        self.undone_drawn = 0;
        self.dares = history.dares;
        self.figures.histories += 1;
        for work in &history.transactions {
            self.work(work).await?;
        }
        Ok(())
    }

    async fn work(&mut self, work: &Work) -> Result<(), String> {
        self.note(&work.notes).await.map_err(|stop| stop.to_string())?;
        self.events.lock().unwrap().clear();
        self.wrote = false;
        self.overtaken.clear();
        self.deleted_where.clear();
        self.wrote_to.clear();
        let since = self.next;
        self.began = since;
        let apart = self.apart.clone();
        self.actor += 1;
        let tenant = if V::TRAITS.tenant { i64::from(work.tenant) } else { 0 };
        self.model.begin(self.actor, tenant);
        self.base = self.model.clone();
        let mut doomed = false;
        self.figures.transactions += 1;
        let of = if V::TRAITS.tenant { format!(" of tenant {tenant}") } else { String::new() };
        self.say(format!("transaction {}{of}:", self.actor));
        self.depth = 1;
        let context = RequestContext::new().tenant(format!("t{tenant}")).actor(self.actor.to_string());
        let sessions = self.sessions.clone();
        let body = sessions.transaction(UNIT, async |session| {
            match self.steps(&session, &work.steps).await {
                Err(Stop::Doomed) => {
                    doomed = true;
                    return Ok(());
                }
                other => other?,
            }
            if work.undone { Err(Stop::Planned) } else { Ok(()) }
        });
        let ended = match (context.scope(body).await, doomed) {
            (Ok(()), true) => Err(Stop::Differs("commit: Ok, expected a conflict".to_owned())),
            (Err(Stop::Database(error)), true) if error.is_conflict() => Err(Stop::Planned),
            (ended, _) => ended,
        };
        match ended {
            Ok(()) => {
                self.say("commit");
                self.depth = 0;
                self.figures.commits += 1;
                self.verify().await
            }
            Err(Stop::Planned) => {
                self.say("rollback");
                self.depth = 0;
                self.undo(self.base.clone());
                self.apart = apart;
                // What was loaded or saved in it is spent.
                for hand in &mut self.hands {
                    hand.take_if(|hand| hand.since > since);
                }
                self.verify().await
            }
            Err(stop) => Err(stop.to_string()),
        }
    }

    async fn note(&mut self, notes: &[(u8, u8)]) -> Result<(), Stop> {
        for &(level, at) in notes {
            let level = usize::from(level) % 4;
            let tags: Vec<Tag> = self.model.rows[level].keys().copied().collect();
            if tags.is_empty() {
                continue;
            }
            let tag = tags[usize::from(at) % tags.len()];
            let note = self.fresh();
            let key = if level == ONLY { self.model.rows[ROOT][&tag].id.unwrap_or(tag) } else { tag };
            self.say(format!("another program: note of {} {tag} = {note}", LEVELS[level]));
            let done = V::note(&self.sessions, level, key, note).await?;
            if done != 1 {
                differs!("another program finds {done} rows");
            }
            self.model.rows[level].get_mut(&tag).unwrap().note = vec![note];
        }
        Ok(())
    }

    /// A scope was undone, which leaves `before`: its saves gave versions away.
    fn undo(&mut self, before: Model) {
        self.model = before;
        for (&root, &times) in &self.wrote_to {
            let base = self.base.rows[ROOT].get(&root);
            let given = base.map_or(0, |row| row.version) + times + 1;
            let highest = self.undone.entry(root).or_default();
            *highest = given.max(*highest);
            if base.is_none() && self.model.traits.drawn[ROOT] {
                self.undone_drawn = given.max(self.undone_drawn);
            }
        }
    }

    fn steps<'a>(&'a mut self, session: &'a Session, steps: &'a [Step]) -> Steps<'a> {
        Box::pin(async move {
            for step in steps {
                self.figures.steps += 1;
                self.step(session, step).await?;
            }
            Ok(())
        })
    }

    async fn step(&mut self, session: &Session, step: &Step) -> Result<(), Stop> {
        let reads = match step {
            Step::Load { way, .. } => !matches!(way, Way::Lock | Way::FindLocked),
            Step::Edit { .. }
            | Step::MoveKid { .. }
            | Step::MoveGrand { .. }
            | Step::Count { .. }
            | Step::Exists { .. }
            | Step::Flush
            | Step::Meanwhile { .. } => true,
            _ => false,
        };
        self.wrote_before = self.wrote;
        self.wrote |= !reads;
        match *step {
            Step::Add { hand, kids, form } => self.add(hand, kids, form).await,
            Step::Load { hand, root, way } => self.load(hand, root, way).await,
            Step::Edit { hand, edit } => {
                self.edit(hand, edit);
                Ok(())
            }
            Step::MoveKid { from, to, kid } => {
                self.move_kid(from, to, kid);
                Ok(())
            }
            Step::MoveGrand { from, to, kid, grand, under } => {
                self.move_grand(from, to, kid, grand, under);
                Ok(())
            }
            Step::Save { hand, form } => self.save(&[usize::from(hand) % 3], form.now, form.all).await,
            Step::SaveAll { first, now } => {
                let first = usize::from(first);
                self.save(&[first % 3, (first + 1) % 3, (first + 2) % 3], now, true).await
            }
            Step::Delete { hand, form } => self.delete(hand, form).await,
            Step::DeleteById { root, form } => self.delete_by_id(root, form).await,
            Step::Readd { hand, form } => self.readd(hand, form).await,
            Step::Upsert { hand, form } => self.upsert(hand, form).await,
            Step::SaveIf { hand, form } => self.save_if(hand, form).await,
            Step::Flush => {
                self.say("flush");
                session.flush().await?;
                self.model.sent(Sent::Yes);
                Ok(())
            }
            Step::Count { n } => self.count(n).await,
            Step::UpdateWhere { level, n, to } => self.update_where(level, n, to).await,
            Step::DeleteWhere { root, n } => self.delete_where(root, n).await,
            Step::Meanwhile { root, what } => self.meanwhile(root, what).await,
            Step::Dare { hand, delete } => self.dare(hand, delete).await,
            Step::Exists { root } => {
                let (tag, id) = self.pick(root);
                let Some(id) = id else { return Ok(()) };
                self.say(format!("exists root {tag}"));
                let there = self.sessions.repository::<V::Root>().exists(id).await?;
                self.model.sent(Sent::Maybe);
                if self.overtaken.is_empty() && there != self.model.has(tag) {
                    differs!("exists({tag}): {there}");
                }
                Ok(())
            }
            Step::SoftDelete { hand, form } => self.soft_delete(hand, form).await,
            Step::Restore { root, form } => self.restore(root, form).await,
            Step::SaveKid { kid, n, now } => self.save_kid(kid, n, now).await,
            Step::DeleteKid { kid, by_id } => self.delete_kid(kid, by_id).await,
            Step::Nested { ref steps, undone } => self.nested(steps, undone).await,
        }
    }

    async fn nested(&mut self, steps: &[Step], undone: bool) -> Result<(), Stop> {
        self.model.sent(Sent::Maybe);
        let before = self.model.clone();
        let apart = self.apart.clone();
        let since = self.next;
        self.say("nested:");
        self.depth += 1;
        let sessions = self.sessions.clone();
        let ended = sessions
            .transaction(NESTED, async |session| {
                self.steps(&session, steps).await?;
                if undone { Err(Stop::Planned) } else { Ok(()) }
            })
            .await;
        self.depth -= 1;
        match ended {
            Ok(()) => {
                self.say("end of nested");
                self.model.sent(Sent::Maybe);
                Ok(())
            }
            Err(Stop::Planned) => {
                self.say("undo nested");
                self.undo(before);
                self.apart = apart;
                // What was loaded or saved in it is spent.
                for hand in &mut self.hands {
                    hand.take_if(|hand| hand.since > since);
                }
                Ok(())
            }
            Err(stop) => Err(stop),
        }
    }

    /// A root that there is, if there is any, and its id, if it is known.
    fn pick(&self, at: u8) -> (Tag, Option<i64>) {
        let tags = self.model.visible();
        if tags.is_empty() {
            return (NOBODY, Some(NOBODY));
        }
        let tag = tags[usize::from(at) % tags.len()];
        (tag, self.id(ROOT, tag))
    }

    fn id(&self, level: usize, tag: Tag) -> Option<i64> {
        if self.model.traits.drawn[level] { self.model.rows[level].get(&tag)?.id } else { Some(tag) }
    }

    fn new_kid(&mut self) -> Kid {
        let tag = self.fresh();
        let id = if V::TRAITS.drawn[KID] { 0 } else { tag };
        Kid { id, tag, n: 0, grands: Vec::new() }
    }

    fn new_grand(&mut self) -> Grand {
        let tag = self.fresh();
        let id = if V::TRAITS.drawn[GRAND] { 0 } else { tag };
        Grand { id, tag, n: 0 }
    }

    fn hand(&mut self, value: V::Domain, blank: bool) -> Hand<V::Domain> {
        self.fresh();
        let root = value.tag();
        let seen = self.model.saves.get(&root).copied().unwrap_or(0);
        let apart = self.apart.get(&root).copied().unwrap_or(0);
        Hand { value, seen, apart, acquired: BTreeMap::new(), blank, former: Vec::new(), since: self.next }
    }

    /// The hand holds what was just written.
    fn written(&mut self, at: usize, blank: bool) -> Result<(), Stop> {
        let Some(hand) = self.hands[at].take() else { return Ok(()) };
        self.learn(&hand.value)?;
        let former = hand.former;
        self.hands[at] = Some(Hand { former, ..self.hand(hand.value, blank) });
        Ok(())
    }

    fn saved(&mut self, root: Tag) {
        self.read_anew(root);
        self.model.written.insert(root);
        *self.wrote_to.entry(root).or_default() += 1;
    }

    /// Copies loaded before are stale.
    fn read_anew(&mut self, root: Tag) {
        let save = self.fresh() as u64;
        self.model.saves.insert(root, save);
        self.model.changes.insert(root, save);
    }

    /// Copies loaded before may be stale.
    fn may_be_anew(&mut self, root: Tag) {
        let save = self.fresh() as u64;
        self.model.saves.insert(root, save);
    }

    async fn add(&mut self, hand: u8, kids: u8, form: Form) -> Result<(), Stop> {
        let tag = self.fresh();
        let mut value = V::Domain::new(if V::TRAITS.drawn[ROOT] { 0 } else { tag }, tag);
        for at in 0..kids {
            let mut kid = self.new_kid();
            if at == 1 {
                kid.grands.push(self.new_grand());
            }
            value.parts().kids.push(kid);
        }
        if kids == 2 {
            *value.parts().only = Some(Only { n: 0 });
        }
        self.say(format!("h{hand} = new root {}; add{}", show(&value), form.name()));
        let roots = self.sessions.repository::<V::Root>();
        match (form.all, form.now) {
            (false, false) => roots.add(&mut value)?,
            (false, true) => roots.add_now(&mut value).await?,
            (true, false) => roots.add_all([&mut value])?,
            (true, true) => roots.add_all_now([&mut value]).await?,
        }
        self.model.put(&Tree::of(&value));
        if form.now {
            self.model.sent(Sent::Yes);
        }
        self.model.loaded.insert(tag);
        self.model.read.insert(tag);
        self.saved(tag);
        self.learn(&value)?;
        if *value.parts().id == 0 {
            self.hands[usize::from(hand)] = None;
        } else {
            self.hands[usize::from(hand)] = Some(self.hand(value, false));
        }
        Ok(())
    }

    /// Takes note of ids that are told, and checks those that were.
    fn learn(&mut self, value: &V::Domain) -> Result<(), Stop> {
        let mut value = value.clone();
        let root = value.tag();
        let parts = value.parts();
        let mut told = vec![(ROOT, root, *parts.id)];
        for kid in parts.kids.iter() {
            told.push((KID, kid.tag, kid.id));
            told.extend(kid.grands.iter().map(|grand| (GRAND, grand.tag, grand.id)));
        }
        for (level, tag, id) in told {
            let drawn = V::TRAITS.drawn[level];
            if !drawn && id != tag {
                differs!("{} {tag} has id {id}", LEVELS[level]);
            }
            if let Some(row) = self.model.rows[level].get_mut(&tag)
                && drawn
                && id != 0
                && !row.reborn
            {
                match row.id {
                    Some(known) if known != id => differs!("{} {tag} has id {id}, it was {known}", LEVELS[level]),
                    _ => row.id = Some(id),
                }
            }
        }
        Ok(())
    }

    /// What is read equals what the model has.
    fn check(&mut self, value: &V::Domain) -> Result<(), Stop> {
        let (seen, expected) = (Tree::of(value), self.model.tree(value.tag()));
        if !self.model.has(seen.tag) {
            differs!("root {} is read, but there is none", seen.tag);
        }
        if Some(&seen) != expected.as_ref() {
            differs!(
                "root {} is read as {}, expected {}",
                seen.tag,
                lay(&seen),
                expected.as_ref().map_or("none".into(), lay)
            );
        }
        self.learn(value)
    }
}

fn show(value: &impl Aggregate) -> String {
    lay(&Tree::of(value))
}

/// A tree in a line.
fn lay(tree: &Tree) -> String {
    let kids: Vec<String> = tree
        .kids
        .iter()
        .map(|(kid, (n, grands))| {
            let grands: Vec<String> = grands.iter().map(|(grand, n)| format!("{grand}={n}")).collect();
            format!("{kid}={n}{}", if grands.is_empty() { String::new() } else { format!("({})", grands.join(" ")) })
        })
        .collect();
    let only = tree.only.map_or(String::new(), |only| format!(" only={only}"));
    format!("{} {{n={} m={} kids[{}]{only}}}", tree.tag, tree.n, tree.m, kids.join(" "))
}
