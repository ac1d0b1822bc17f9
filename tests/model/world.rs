//! Runs histories against a database and the model side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use futures_util::TryStreamExt as _;
use spakky::prelude::*;
use spakky::{Error, LockWait, MutationEvent, MutationKind, Propagation, RequestContext};

use super::rows::{Aggregate, Grand, Held, Kid, LEVELS, Only, Stored, Tag, Variant};
use super::step::{Edit, Form, History, Meanwhile, Step, Way, Work};
use super::store::{GRAND, KID, Model, ONLY, ROOT, Row, Sent, Tree};

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

macro_rules! differs {
    ($($arg:tt)*) => { return Err(Stop::Differs(format!($($arg)*))) };
}

/// What was run.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Figures {
    pub(super) histories: u64,
    pub(super) transactions: u64,
    pub(super) commits: u64,
    pub(super) steps: u64,
    /// Steps that were left out, since the library may refuse them.
    pub(super) left_out: u64,
    /// Steps that were refused, as the guide says.
    pub(super) refused: u64,
}

impl Figures {
    pub(super) fn add(&mut self, other: &Figures) {
        self.histories += other.histories;
        self.transactions += other.transactions;
        self.commits += other.commits;
        self.steps += other.steps;
        self.left_out += other.left_out;
        self.refused += other.refused;
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Figures { histories, transactions, commits, steps, left_out, refused } = *self;
        let rate = refused as f64 * 100.0 / transactions.max(1) as f64;
        write!(
            f,
            "{histories} histories, {transactions} transactions ({commits} committed, {rate:.2} % met a refusal), {steps} \
             steps ({left_out} left out)"
        )
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
    /// The roots that this transaction wrote, also to what they were and in scopes that were undone.
    wrote_to: BTreeSet<Tag>,
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
            wrote_to: BTreeSet::new(),
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
        for &root in &self.wrote_to {
            let version = self.base.rows[ROOT].get(&root).map_or(0, |row| row.version);
            let highest = self.undone.entry(root).or_default();
            *highest = (version + 2).max(*highest);
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

    async fn count(&mut self, n: Option<i64>) -> Result<(), Stop> {
        let roots = self.sessions.repository::<V::Root>();
        let visible = self.model.visible();
        let (count, expected) = match n {
            None => {
                self.say("count");
                (roots.query().count().await?, visible.len())
            }
            Some(n) => {
                self.say(format!("count_where n = {n}, exists_where"));
                let there = roots.exists_where(V::with_n(n)).await?;
                let count = roots.count_where(V::with_n(n)).await?;
                if there != (count > 0) {
                    differs!("there are {count}, exists says {there}");
                }
                (count, visible.iter().filter(|root| self.model.rows[ROOT][root].n == n).count())
            }
        };
        self.model.sent(Sent::Maybe);
        if self.overtaken.is_empty() && count != expected as u64 {
            differs!("count: {count}, expected {expected}");
        }
        Ok(())
    }

    async fn update_where(&mut self, level: u8, n: i64, to: i64) -> Result<(), Stop> {
        let level = usize::from(level);
        self.say(format!("update {}s where n = {n}: {} = {to}", LEVELS[level], if level == ROOT { "m" } else { "n" }));
        let count = V::update_where(&self.sessions, level, n, to).await?;
        self.model.sent(Sent::Maybe);
        let found: Vec<Tag> = self.model.rows[level]
            .iter()
            .filter(|(tag, row)| row.n == n && row.deleted.is_none() && (level != ROOT || self.model.has(**tag)))
            .map(|(&tag, _)| tag)
            .collect();
        if count != found.len() as u64 {
            differs!("{count} rows are updated, expected {}", found.len());
        }
        for tag in found {
            let row = self.model.rows[level].get_mut(&tag).unwrap();
            *(if level == ROOT { &mut row.m } else { &mut row.n }) = to;
            self.model.touched[level].insert(tag);
            let root = if level == ROOT { Some(tag) } else { self.model.owner(level, tag) };
            if let Some(root) = root {
                self.set_apart(root);
            }
        }
        Ok(())
    }

    async fn delete_where(&mut self, root: Option<u8>, n: i64) -> Result<(), Stop> {
        let (count, found) = match root {
            Some(at) => {
                let (root, _) = self.pick(at);
                let has_children = |level: usize| self.model.rows[level].values().any(|row| row.parent == root);
                if has_children(KID) || has_children(ONLY) {
                    return Ok(());
                }
                self.say(format!("delete roots where tag = {root}"));
                let count = self.sessions.repository::<V::Root>().delete_where(V::with_tag(root)).await?;
                (count, Vec::from_iter(self.model.has(root).then_some((ROOT, root))))
            }
            None => {
                self.say(format!("delete grands where n = {n}"));
                let count = V::delete_grands_where(&self.sessions, n).await?;
                let rows = self.model.rows[GRAND].iter().filter(|(_, row)| row.n == n && row.deleted.is_none());
                (count, rows.map(|(&tag, _)| (GRAND, tag)).collect())
            }
        };
        if count != found.len() as u64 {
            differs!("{count} rows are deleted, expected {}", found.len());
        }
        for (level, tag) in found {
            if let Some(root) = if level == ROOT { Some(tag) } else { self.model.owner(level, tag) } {
                self.set_apart(root);
            }
            self.model.remove(level, tag);
            if level == ROOT {
                self.deleted_where.insert(tag);
                self.model.loaded.remove(&tag);
                self.model.read.remove(&tag);
            }
        }
        self.model.sent(Sent::Yes);
        Ok(())
    }

    /// Another session changes a root and commits, while this one has read only.
    async fn meanwhile(&mut self, at: u8, what: Meanwhile) -> Result<(), Stop> {
        let (root, id) = self.pick(at);
        let Some(id) = id else { return Ok(()) };
        let known = self.model.read.contains(&root);
        if self.wrote || self.depth > 1 || !self.model.has(root) || known && !self.dares {
            return Ok(());
        }
        self.say(format!("meanwhile: root {root}: {what:?}"));
        let kid = self.new_kid();
        let sessions = self.sessions.clone();
        let alone = UNIT.propagation(Propagation::RequiresNew);
        let done = sessions.transaction(alone, async |_| {
            let roots = sessions.repository::<V::Root>();
            let mut value = roots.get(id).await?;
            let parts = value.parts();
            match what {
                Meanwhile::N(n) => *parts.n = n,
                Meanwhile::M(m) => *parts.m = m,
                Meanwhile::AddKid => parts.kids.push(kid),
                Meanwhile::RemoveKid => drop(parts.kids.pop()),
                Meanwhile::Delete => return roots.delete(&mut value).map(|()| None),
            }
            roots.save(&mut value)?;
            Ok::<_, Error>(Some(Tree::of(&value)))
        });
        let tree = done.await?;
        let save = self.fresh() as u64;
        let mut changed = false;
        for model in [&mut self.model, &mut self.base] {
            match &tree {
                Some(tree) => changed = model.put(tree),
                None => {
                    model.remove(ROOT, root);
                    changed = true;
                }
            }
            if changed {
                model.saves.insert(root, save);
            }
            model.sent(Sent::Yes);
        }
        if known && changed {
            self.overtaken.insert(root);
        }
        self.absorb().await
    }

    /// What others stored is so.
    async fn absorb(&mut self) -> Result<(), Stop> {
        let stored = V::stored(&self.sessions).await?;
        for model in [&mut self.model, &mut self.base] {
            for level in [ROOT, KID, GRAND] {
                for row in &stored[level] {
                    let Some(known) = model.rows[level].get_mut(&row.tag) else { continue };
                    known.id = Some(row.id);
                    known.version = row.version;
                    known.note = vec![row.note];
                    known.author = vec![row.author.parse().unwrap_or(-1)];
                    known.editor = row.editor.parse().unwrap_or(-1);
                    if let Some(death) = &mut known.deleted {
                        death.at = row.deleted;
                    }
                }
            }
            model.touched = Default::default();
            model.removed = Default::default();
        }
        Ok(())
    }

    /// A write that the guide says is refused.
    async fn dare(&mut self, at: u8, delete: bool) -> Result<(), Stop> {
        let slot = usize::from(at);
        if !self.dares || self.depth > 1 {
            return Ok(());
        }
        let Some(mut hand) = self.hands[slot].clone() else { return Ok(()) };
        let root = hand.value.tag();
        let Some(cause) = self.cause(&hand, false) else { return Ok(()) };
        let (held, known) = (V::TRAITS.held, self.model.loaded.contains(&root));
        let id_is_known = *hand.value.parts().id != 0;
        let removed = self.model.removed[ROOT].contains_key(&root);
        let stale = self.model.saves.get(&root).copied().unwrap_or(0) != hand.seen;
        let tenant = self.model.tenant;
        let mine = self.model.rows[ROOT].get(&root).is_none_or(|row| !V::TRAITS.tenant || row.tenant == tenant);
        let overtaken = self.overtaken.contains(&root);
        let touched = self.is_touched(&Tree::of(&hand.value));
        let carries = V::TRAITS.carries();
        let expected = match cause {
            _ if !id_is_known || !mine => return Ok(()),
            _ if self.deleted_where.contains(&root) => return Ok(()),
            "not loaded" if !carries => "not loaded",
            "gone" if removed && !overtaken => "not loaded",
            "gone" if !carries && !known && !overtaken => "not loaded",
            "stale" if overtaken && V::TRAITS.versioned() && !self.wrote_before => "conflict",
            "stale" if !carries || hand.blank => return Ok(()),
            // A row that was deleted and made anew may be at the version of before.
            "stale" if hand.value.version() == self.model.rows[ROOT].get(&root).map(|row| row.version) => return Ok(()),
            "stale" if !known && stale && !removed && !touched => "conflict",
            "stale" if known && stale && !overtaken && held == Held::Revision => "stale copy",
            _ => return Ok(()),
        };
        let same = self.model.tree(root) == Some(Tree::of(&hand.value));
        // A save that changes nothing is none.
        if expected == "conflict" {
            *hand.value.parts().n += 10;
        }
        let verb = if delete { "delete" } else { "save" };
        self.say(format!("{verb}(h{at} root {}), which is refused: {expected}", show(&hand.value)));
        self.figures.refused += 1;
        let roots = self.sessions.repository::<V::Root>();
        let answer = if delete { roots.delete(&mut hand.value) } else { roots.save(&mut hand.value) };
        match (expected, answer) {
            ("not loaded", Err(error)) if error.is_not_loaded() => Ok(()),
            ("stale copy", Err(error)) if error.is_stale_copy() => Ok(()),
            // Nothing tells the two copies apart.
            ("stale copy", Ok(())) if same && delete => {
                self.deleted(root, false);
                Ok(())
            }
            ("stale copy", Ok(())) if same => Ok(()),
            // The session has nothing left of what came and went in it.
            ("not loaded", Ok(())) if cause == "gone" => Err(Stop::Doomed),
            ("conflict", Ok(())) => Err(Stop::Doomed),
            (_, Ok(())) => Err(Stop::Differs(format!("expected {expected}, got Ok"))),
            (_, Err(error)) => Err(Stop::Differs(format!("expected {expected}, got {:?}: {error}", error.kind()))),
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
        self.wrote_to.insert(root);
    }

    /// Copies loaded before are stale.
    fn read_anew(&mut self, root: Tag) {
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

    async fn load(&mut self, hand: u8, root: u8, mut way: Way) -> Result<(), Stop> {
        let (tag, id) = self.pick(root);
        // What was read before is remembered, whoever changed it since.
        if !self.overtaken.is_empty() {
            return Ok(());
        }
        let roots = self.sessions.repository::<V::Root>();
        if id.is_none() {
            way = Way::Filter;
        }
        if !self.model.traits.versioned() && matches!(way, Way::Versioned) {
            way = Way::Get;
        }
        self.say(format!("h{hand} = {way:?} root {tag}"));
        let id = id.unwrap_or(NOBODY);
        let there = self.model.has(tag);
        let mut found = match way {
            Way::Get | Way::Lock | Way::Versioned => {
                let got = match way {
                    Way::Get => roots.get(id).await,
                    Way::Versioned => roots.get_versioned(id).await.map(|got| got.value),
                    _ => roots.lock(id).await,
                };
                match got {
                    Ok(value) => vec![value],
                    Err(error) if error.is_not_found() && !there => Vec::new(),
                    Err(error) => return Err(error.into()),
                }
            }
            Way::FindLocked => roots.find_locked(id, LockWait::Wait).await?.into_iter().collect(),
            Way::Stream => roots.query().stream().await?.try_collect().await?,
            Way::Find => roots.find(id).await?.into_iter().collect(),
            Way::FindMany => roots.find_many([id, NOBODY]).await?.into_iter().flatten().collect(),
            Way::GetMany => {
                if there {
                    roots.get_many([id, id]).await?
                } else {
                    Vec::new()
                }
            }
            Way::Filter => roots.filter(V::with_tag(tag)).all().await?,
            Way::All => roots.query().all().await?,
        };
        self.model.sent(Sent::Maybe);
        let expected = match way {
            Way::GetMany if there => 2,
            Way::All | Way::Stream => self.model.visible().len(),
            _ => usize::from(there),
        };
        if found.len() != expected {
            differs!("{} roots are read, expected {expected}", found.len());
        }
        for value in &found {
            self.check(value)?;
            if !matches!(way, Way::Stream) {
                self.model.loaded.insert(value.tag());
                self.model.read.insert(value.tag());
            }
        }
        // What a stream gives is not remembered.
        if matches!(way, Way::Stream) {
            return Ok(());
        }
        if matches!(way, Way::Lock | Way::FindLocked) && there {
            self.read_anew(tag);
        }
        if let Some(at) = found.iter().position(|value| value.tag() == tag) {
            let value = found.swap_remove(at);
            self.hands[usize::from(hand)] = Some(self.hand(value, false));
        }
        Ok(())
    }

    fn edit(&mut self, at: u8, edit: Edit) {
        let slot = usize::from(at);
        let Some(mut hand) = self.hands[slot].take() else { return };
        let mut value = hand.value.clone();
        let parts = value.parts();
        fn of<T>(list: &mut [T], at: u8) -> Option<&mut T> {
            let len = list.len();
            if len == 0 { None } else { list.get_mut(usize::from(at) % len) }
        }
        let said = match edit {
            Edit::N(n) => {
                *parts.n = n;
                format!("n = {n}")
            }
            Edit::M(m) => {
                *parts.m = m;
                format!("m = {m}")
            }
            Edit::AddKid => {
                let kid = self.new_kid();
                let said = format!("push kid {}", kid.tag);
                parts.kids.push(kid);
                said
            }
            Edit::ReaddKid(which) => {
                let has = |tag| parts.kids.iter().any(|kid| kid.tag == tag);
                let within = |kid: &Kid| {
                    has(kid.tag)
                        || kid
                            .grands
                            .iter()
                            .any(|one| parts.kids.iter().flat_map(|kid| &kid.grands).any(|other| other.tag == one.tag))
                };
                let former: Vec<&Kid> = hand.former.iter().filter(|kid| !within(kid)).collect();
                if former.is_empty() {
                    String::new()
                } else {
                    let kid = former[usize::from(which) % former.len()].clone();
                    let said = format!("push kid {} again", kid.tag);
                    parts.kids.push(kid);
                    said
                }
            }
            Edit::RemoveKid(which) if !parts.kids.is_empty() => {
                let kid = parts.kids.remove(usize::from(which) % parts.kids.len());
                let said = format!("remove kid {}", kid.tag);
                hand.former.push(kid);
                said
            }
            Edit::Kid(which, n) => match of(parts.kids, which) {
                Some(kid) => {
                    kid.n = n;
                    format!("kid {}: n = {n}", kid.tag)
                }
                None => String::new(),
            },
            Edit::AddGrand(which) => {
                let grand = self.new_grand();
                match of(parts.kids, which) {
                    Some(kid) => {
                        let said = format!("kid {}: push grand {}", kid.tag, grand.tag);
                        kid.grands.push(grand);
                        said
                    }
                    None => String::new(),
                }
            }
            Edit::RemoveGrand(which, grand) => match of(parts.kids, which) {
                Some(kid) if !kid.grands.is_empty() => {
                    let grand = kid.grands.remove(usize::from(grand) % kid.grands.len());
                    format!("kid {}: remove grand {}", kid.tag, grand.tag)
                }
                _ => String::new(),
            },
            Edit::Grand(which, grand, n) => match of(parts.kids, which).and_then(|kid| of(&mut kid.grands, grand)) {
                Some(grand) => {
                    grand.n = n;
                    format!("grand {}: n = {n}", grand.tag)
                }
                None => String::new(),
            },
            Edit::Shift(which, grand, to) if parts.kids.len() > 1 => {
                let from = usize::from(which) % parts.kids.len();
                let to = usize::from(to) % parts.kids.len();
                if parts.kids[from].grands.is_empty() || from == to {
                    String::new()
                } else {
                    let at = usize::from(grand) % parts.kids[from].grands.len();
                    let grand = parts.kids[from].grands.remove(at);
                    let said = format!("grand {} to kid {}", grand.tag, parts.kids[to].tag);
                    parts.kids[to].grands.push(grand);
                    said
                }
            }
            Edit::Only(n) => {
                *parts.only = n.map(|n| Only { n });
                format!("only = {n:?}")
            }
            Edit::Clear => {
                hand.former.append(parts.kids);
                "clear kids".to_owned()
            }
            _ => String::new(),
        };
        if !said.is_empty() {
            self.say(format!("h{at} root {}: {said}", value.tag()));
        }
        hand.value = value;
        self.hands[slot] = Some(hand);
    }

    fn move_kid(&mut self, from: u8, to: u8, kid: u8) {
        if from == to {
            return;
        }
        let [Some(source), Some(target)] = self.hands.get_disjoint_mut([usize::from(from), usize::from(to)]).unwrap()
        else {
            return;
        };
        let whose = source.value.tag();
        if whose == target.value.tag() || source.value.parts().kids.is_empty() {
            return;
        }
        let at = usize::from(kid) % source.value.parts().kids.len();
        let kid = &source.value.parts().kids[at].clone();
        let there: BTreeSet<(usize, Tag)> = Tree::of(&target.value).below().collect();
        let moved = || std::iter::once((KID, kid.tag)).chain(kid.grands.iter().map(|grand| (GRAND, grand.tag)));
        if moved().any(|one| there.contains(&one)) {
            return;
        }
        let kid = source.value.parts().kids.remove(at);
        for one in moved() {
            let origin = source.acquired.get(&one).copied().unwrap_or((whose, source.apart));
            target.acquired.insert(one, origin);
        }
        let said = format!("h{from} root {whose}: kid {} goes to h{to} root {}", kid.tag, target.value.tag());
        target.value.parts().kids.push(kid);
        self.say(said);
    }

    fn move_grand(&mut self, from: u8, to: u8, kid: u8, grand: u8, under: u8) {
        if from == to {
            return;
        }
        let [Some(source), Some(target)] = self.hands.get_disjoint_mut([usize::from(from), usize::from(to)]).unwrap()
        else {
            return;
        };
        let whose = source.value.tag();
        if whose == target.value.tag() || source.value.parts().kids.is_empty() || target.value.parts().kids.is_empty() {
            return;
        }
        let at = usize::from(kid) % source.value.parts().kids.len();
        let grands = &mut source.value.parts().kids[at].grands;
        if grands.is_empty() {
            return;
        }
        let which = usize::from(grand) % grands.len();
        let one = (GRAND, grands[which].tag);
        if Tree::of(&target.value).below().any(|other| other == one) {
            return;
        }
        let grand = source.value.parts().kids[at].grands.remove(which);
        let origin = source.acquired.get(&one).copied().unwrap_or((whose, source.apart));
        target.acquired.insert(one, origin);
        let kids = target.value.parts().kids;
        let under = usize::from(under) % kids.len();
        let said = format!("h{from} root {whose}: grand {} goes to h{to} kid {}", grand.tag, kids[under].tag);
        kids[under].grands.push(grand);
        self.say(said);
    }

    /// Why a write of this value may be refused.
    fn cause(&self, hand: &Hand<V::Domain>, replaces: bool) -> Option<&'static str> {
        let root = hand.value.tag();
        if !self.model.has(root) {
            return Some("gone");
        }
        let known = self.model.loaded.contains(&root);
        if self.apart.get(&root).copied().unwrap_or(0) != hand.apart || self.overtaken.contains(&root) {
            return Some("stale");
        }
        if self.model.traits.carries() && !replaces {
            if self.model.saves.get(&root).copied().unwrap_or(0) != hand.seen {
                return Some("stale");
            }
            if hand.blank && !known {
                return Some("not loaded");
            }
            let version = hand.value.version().unwrap_or(0);
            if self.model.traits.held == Held::Number
                && self.undone.get(&root).is_some_and(|&highest| version <= highest)
            {
                return Some("undone version");
            }
        } else if !known && !replaces {
            return Some("not loaded");
        }
        self.cause_of_children(hand, replaces || !self.model.read.contains(&root))
    }

    fn cause_of_children(&self, hand: &Hand<V::Domain>, replaces: bool) -> Option<&'static str> {
        let mut value = hand.value.clone();
        let root = value.tag();
        let kids = value.parts().kids.clone();
        let below = kids.iter().flat_map(|kid| {
            std::iter::once((KID, kid.tag, kid.id)).chain(kid.grands.iter().map(|grand| (GRAND, grand.tag, grand.id)))
        });
        let tree = Tree::of(&hand.value);
        if self.lacks_ids(&hand.value) {
            return Some("unknown child");
        }
        for (level, tag, id) in below {
            // It is deleted first where what it left is sent first, or not known to be its owner.
            if let Some((row, _)) = self.model.removed[level].get(&tag)
                && replaces
                && (level == GRAND || row.parent != root)
            {
                return Some("of another aggregate");
            }
            let owner = self.model.owner(level, tag);
            if let Some(death) = self.model.rows[level].get(&tag).and_then(|row| row.deleted) {
                let row = &self.model.rows[level][&tag];
                let kid = tree.kids.iter().find(|(_, (_, grands))| grands.contains_key(&tag)).map(|(&kid, _)| kid);
                let moves = level == KID && row.parent != root || level == GRAND && Some(row.parent) != kid;
                let is_known = row.born == Sent::No || self.base.rows[level].contains_key(&tag);
                if moves && (death.sent != Sent::No || replaces || !is_known) {
                    return Some("of another aggregate");
                }
            } else if let Some(owner) = owner
                && owner != root
            {
                // It may have been soft-deleted before it came there, so that the session does not know all of it.
                let is_known = |row: &Row| row.born == Sent::No || self.base.rows[level].contains_key(&tag);
                if self.model.traits.soft && !self.model.rows[level].get(&tag).is_some_and(is_known) {
                    return Some("of another aggregate");
                }
                let apart = self.apart.get(&owner).copied().unwrap_or(0);
                let acquired = hand.acquired.get(&(level, tag)) == Some(&(owner, apart));
                if replaces || !acquired || !self.model.read.contains(&owner) {
                    return Some("of another aggregate");
                }
            }
            if self.model.traits.drawn[level] {
                let known = match self.model.rows[level].get(&tag) {
                    Some(row) if id == 0 => row.born == Sent::No,
                    Some(row) => row.id == Some(id),
                    None => id == 0 && !self.model.removed[level].contains_key(&tag),
                };
                if !known {
                    return Some("unknown child");
                }
            }
        }
        None
    }

    /// Whether anything of it, as it is or will be, was written in this transaction.
    fn is_touched(&self, tree: &Tree) -> bool {
        let old = self.model.tree(tree.tag);
        self.model.touched[ROOT].contains(&tree.tag)
            || self.model.touched[ONLY].contains(&tree.tag)
            || tree
                .below()
                .chain(old.iter().flat_map(|old| old.below()))
                .any(|(level, tag)| self.model.touched[level].contains(&tag))
    }

    /// Whether the session has inserted rows of the aggregate whose ids the value lacks, while others of the level are new in it.
    fn lacks_ids(&self, value: &V::Domain) -> bool {
        let mut value = value.clone();
        let root = value.tag();
        let kids = value.parts().kids.clone();
        let of_level = |level: usize| -> Vec<i64> {
            match level {
                KID => kids.iter().map(|kid| kid.id).collect(),
                _ => kids.iter().flat_map(|kid| &kid.grands).map(|grand| grand.id).collect(),
            }
        };
        [KID, GRAND].into_iter().filter(|&level| self.model.traits.drawn[level]).any(|level| {
            let ids = of_level(level);
            let was_inserted = |tag: &Tag, row: &Row| {
                (row.reborn || !self.base.rows[level].contains_key(tag))
                    && row.born != Sent::No
                    && row.id.is_none_or(|id| !ids.contains(&id))
            };
            let here = self.model.rows[level].iter().filter(|(tag, _)| self.model.owner(level, **tag) == Some(root));
            let gone = self.model.removed[level].iter().map(|(tag, (row, _))| (tag, row));
            ids.contains(&0) && here.chain(gone).any(|(tag, row)| was_inserted(tag, row))
        })
    }

    /// Everything of it counts as written, also where nothing changes.
    fn touch(&mut self, tree: &Tree) {
        self.model.touched[ROOT].insert(tree.tag);
        self.model.touched[ONLY].insert(tree.tag);
        for (level, tag) in tree.below() {
            self.model.touched[level].insert(tag);
        }
    }

    async fn save(&mut self, slots: &[usize], now: bool, all: bool) -> Result<(), Stop> {
        let slots: Vec<usize> = slots.iter().copied().filter(|&at| self.hands[at].is_some()).collect();
        if slots.is_empty() {
            return Ok(());
        }
        let before = self.model.clone();
        let mut told = Vec::new();
        let mut seen = Vec::new();
        for &at in &slots {
            let mut hand = self.hands[at].clone().unwrap();
            // An earlier one of these may be of the same root.
            if self.model.traits.held == Held::Session || !self.model.traits.carries() {
                hand.seen = 0;
            }
            if self.cause(&hand, false).is_some() {
                self.model = before;
                self.figures.left_out += 1;
                return Ok(());
            }
            let tree = Tree::of(&hand.value);
            self.wrote_to.insert(tree.tag);
            let known = self.model.loaded.contains(&tree.tag);
            let changed = self.model.put_by(&tree, !self.model.read.contains(&tree.tag));
            if changed || !known {
                self.model.touched[ROOT].insert(tree.tag);
            }
            // A copy older than a save is stale, also where that changed nothing of what waits.
            if self.is_touched(&tree) {
                self.read_anew(tree.tag);
            }
            if changed || !known {
                self.model.written.insert(tree.tag);
            }
            seen.push(self.model.saves.get(&tree.tag).copied().unwrap_or(0));
            // Children that may have been soft-deleted before are replaced by the next save.
            if !known || self.model.traits.soft && self.is_touched(&tree) {
                self.touch(&tree);
            }
            if !known {
                self.model.loaded.insert(tree.tag);
            }
            told.push(format!("h{at} root {}", show(&hand.value)));
        }
        let many = if all { "_all" } else { "" };
        self.say(format!("save{many}{}({})", if now { "_now" } else { "" }, told.join(", ")));
        let roots = self.sessions.repository::<V::Root>();
        let mut hands: Vec<Hand<V::Domain>> = slots.iter().map(|&at| self.hands[at].take().unwrap()).collect();
        let mut values: Vec<&mut V::Domain> = hands.iter_mut().map(|hand| &mut hand.value).collect();
        if now {
            if let ([one], false) = (&mut values[..], all) {
                roots.save_now(one).await?;
            } else {
                roots.save_all_now(values).await?;
            }
            self.model.sent(Sent::Yes);
        } else if let ([one], false) = (&mut values[..], all) {
            roots.save(one)?;
        } else {
            roots.save_all(values)?;
        }
        for ((at, hand), seen) in slots.into_iter().zip(hands).zip(seen) {
            let blank = hand.blank;
            self.hands[at] = Some(hand);
            self.written(at, blank)?;
            if let Some(hand) = &mut self.hands[at] {
                hand.seen = seen;
            }
        }
        Ok(())
    }

    async fn save_if(&mut self, at: u8, form: Form) -> Result<(), Stop> {
        let slot = usize::from(at);
        let Some(mut hand) = self.hands[slot].clone() else { return Ok(()) };
        let root = hand.value.tag();
        let tree = Tree::of(&hand.value);
        if !self.model.traits.versioned() || self.is_touched(&tree) || self.cause(&hand, true).is_some() {
            self.figures.left_out += 1;
            return Ok(());
        }
        let version = self.model.rows[ROOT][&root].version;
        if self.undone.get(&root).is_some_and(|&highest| version <= highest) {
            // The manager may take it for one that was undone.
            self.figures.left_out += 1;
            return Ok(());
        }
        self.say(format!("save_if{}(h{at} root {}, {version})", form.name(), show(&hand.value)));
        let roots = self.sessions.repository::<V::Root>();
        match (form.all, form.now) {
            (false, false) => roots.save_if(&mut hand.value, version)?,
            (false, true) => roots.save_if_now(&mut hand.value, version).await?,
            (true, now) => {
                roots.attach(&hand.value, version)?;
                hand.value = hand.value.at(version);
                if now { roots.save_now(&mut hand.value).await? } else { roots.save(&mut hand.value)? }
            }
        }
        self.model.put_by(&tree, true);
        self.touch(&tree);
        if form.now {
            self.model.sent(Sent::Yes);
        }
        self.model.loaded.insert(root);
        self.model.read.remove(&root);
        self.saved(root);
        self.hands[slot] = Some(hand);
        self.written(slot, false)
    }

    async fn upsert(&mut self, at: u8, form: Form) -> Result<(), Stop> {
        let slot = usize::from(at);
        let Some(mut hand) = self.hands[slot].clone() else { return Ok(()) };
        let root = hand.value.tag();
        let is_free = !self.model.rows[ROOT].contains_key(&root) && !self.model.removed[ROOT].contains_key(&root);
        let cause = if is_free { self.cause_of_children(&hand, true) } else { self.cause(&hand, true) };
        if self.model.traits.drawn[ROOT] || cause.is_some() {
            self.figures.left_out += 1;
            return Ok(());
        }
        self.say(format!("upsert{}(h{at} root {})", form.name(), show(&hand.value)));
        let roots = self.sessions.repository::<V::Root>();
        match (form.all, form.now) {
            (false, false) => roots.upsert(&mut hand.value)?,
            (false, true) => roots.upsert_now(&mut hand.value).await?,
            (true, false) => roots.upsert_all([&mut hand.value])?,
            (true, true) => roots.upsert_all_now([&mut hand.value]).await?,
        }
        let tree = Tree::of(&hand.value);
        self.model.put_by(&tree, true);
        self.touch(&tree);
        if form.now {
            self.model.sent(Sent::Yes);
        }
        self.model.loaded.insert(root);
        self.model.read.remove(&root);
        self.saved(root);
        self.hands[slot] = Some(hand);
        self.written(slot, true)
    }

    async fn delete(&mut self, at: u8, form: Form) -> Result<(), Stop> {
        let slot = usize::from(at);
        let Some(mut hand) = self.hands[slot].clone() else { return Ok(()) };
        hand.value.parts().kids.clear();
        if self.cause(&hand, false).is_some() {
            self.figures.left_out += 1;
            return Ok(());
        }
        let mut value = self.hands[slot].clone().unwrap().value;
        let root = value.tag();
        self.say(format!("delete{}(h{at} root {root})", form.name()));
        let roots = self.sessions.repository::<V::Root>();
        match (form.all, form.now) {
            (false, false) => roots.delete(&mut value)?,
            (false, true) => roots.delete_now(&mut value).await?,
            (true, false) => roots.delete_all([&mut value])?,
            (true, true) => roots.delete_all_now([&mut value]).await?,
        }
        self.deleted(root, form.now);
        Ok(())
    }

    async fn soft_delete(&mut self, at: u8, form: Form) -> Result<(), Stop> {
        let slot = usize::from(at);
        let Some(mut hand) = self.hands[slot].clone() else { return Ok(()) };
        hand.value.parts().kids.clear();
        if !V::TRAITS.soft || self.cause(&hand, false).is_some() {
            self.figures.left_out += 1;
            return Ok(());
        }
        let mut value = self.hands[slot].take().unwrap().value;
        let root = value.tag();
        self.say(format!("soft_delete{}(h{at} root {root})", form.name()));
        V::soft_delete(&self.sessions.repository::<V::Root>(), &mut value, form).await?;
        self.model.bury(root);
        self.model.loaded.remove(&root);
        self.model.read.remove(&root);
        self.saved(root);
        if form.now {
            self.model.sent(Sent::Yes);
        }
        Ok(())
    }

    /// Loads a soft-deleted root and restores it.
    async fn restore(&mut self, at: u8, form: Form) -> Result<(), Stop> {
        let dead = self.model.dead();
        let Some(&root) = dead.get(usize::from(at) % dead.len().max(1)) else { return Ok(()) };
        let Some(id) = self.id(ROOT, root) else { return Ok(()) };
        let mut after = self.model.clone();
        if after.restore(root).is_none() {
            self.figures.left_out += 1;
            return Ok(());
        }
        self.say(format!("with_deleted: get root {root}; restore{}", form.name()));
        let roots = self.sessions.repository::<V::Root>();
        let mut value = roots.with_deleted().get(id).await?;
        let (seen, expected) = (Tree::of(&value), self.model.whole(root));
        if Some(&seen) != expected.as_ref() {
            differs!(
                "root {root} is read with_deleted as {}, expected {}",
                lay(&seen),
                expected.as_ref().map_or("none".into(), lay)
            );
        }
        V::restore(&roots, &mut value, form).await?;
        self.model = after;
        if let Some(tree) = self.model.tree(root) {
            self.touch(&tree);
        }
        self.model.sent(Sent::Maybe);
        self.saved(root);
        if form.now {
            self.model.sent(Sent::Yes);
        }
        Ok(())
    }

    fn deleted(&mut self, root: Tag, now: bool) {
        self.model.remove(ROOT, root);
        self.model.loaded.remove(&root);
        self.model.read.remove(&root);
        self.saved(root);
        if now {
            self.model.sent(Sent::Yes);
        }
    }

    async fn delete_by_id(&mut self, at: u8, form: Form) -> Result<(), Stop> {
        let (root, id) = self.pick(at);
        let Some(id) = id else { return Ok(()) };
        self.say(format!("delete_by_id{}(root {root})", form.name()));
        let roots = self.sessions.repository::<V::Root>();
        match (form.all, form.now) {
            (_, true) => roots.delete_by_id_now(id).await?,
            (false, false) => roots.delete_by_id(id)?,
            (true, false) => roots.delete_all_by_id([id, NOBODY])?,
        }
        self.deleted(root, form.now);
        Ok(())
    }

    async fn readd(&mut self, at: u8, form: Form) -> Result<(), Stop> {
        let slot = usize::from(at);
        let Some(mut hand) = self.hands[slot].clone() else { return Ok(()) };
        let root = hand.value.tag();
        let waits = self.model.removed[ROOT].get(&root).is_some_and(|(_, sent)| *sent != Sent::Yes);
        if self.model.rows[ROOT].contains_key(&root)
            || self.model.traits.drawn[ROOT]
            || waits && self.depth > 1
            || self.cause_of_children(&hand, true).is_some()
        {
            self.figures.left_out += 1;
            return Ok(());
        }
        self.say(format!("add{}(h{at} root {}) again", form.name(), show(&hand.value)));
        let roots = self.sessions.repository::<V::Root>();
        match (form.all, form.now) {
            (false, false) => roots.add(&mut hand.value)?,
            (false, true) => roots.add_now(&mut hand.value).await?,
            (true, false) => roots.add_all([&mut hand.value])?,
            (true, true) => roots.add_all_now([&mut hand.value]).await?,
        }
        let tree = Tree::of(&hand.value);
        self.model.come_back(root);
        for level in [KID, GRAND, ONLY] {
            for (_, sent) in self.model.removed[level].values_mut() {
                if *sent == Sent::No {
                    *sent = Sent::Maybe;
                }
            }
        }
        self.model.put(&tree);
        self.touch(&tree);
        if form.now {
            self.model.sent(Sent::Yes);
        }
        self.model.loaded.insert(root);
        self.model.read.insert(root);
        self.saved(root);
        self.hands[slot] = Some(hand);
        self.written(slot, waits)
    }

    /// A kid of a visible root, its id and its root.
    fn pick_kid(&self, at: u8) -> Option<(Tag, i64, Tag)> {
        let kids: Vec<(Tag, Tag)> = self.model.rows[KID]
            .iter()
            .filter(|(_, row)| row.deleted.is_none() && self.model.has(row.parent))
            .map(|(&tag, row)| (tag, row.parent))
            .collect();
        let (tag, root) = *kids.get(usize::from(at) % kids.len().max(1))?;
        Some((tag, self.id(KID, tag)?, root))
    }

    async fn save_kid(&mut self, at: u8, n: i64, now: bool) -> Result<(), Stop> {
        let Some((tag, id, root)) = self.pick_kid(at) else { return Ok(()) };
        self.say(format!("kids: get {tag}, n = {n}, save{}", if now { "_now" } else { "" }));
        let kids = self.sessions.repository::<V::Kid>();
        let mut kid = kids.get(id).await?;
        self.model.sent(Sent::Maybe);
        let grands: BTreeMap<Tag, i64> = kid.grands.iter().map(|grand| (grand.tag, grand.n)).collect();
        let expected = self.model.tree(root).and_then(|tree| tree.kids.get(&tag).cloned());
        if expected.as_ref() != Some(&(kid.n, grands)) {
            differs!("kid {tag} is read as {kid:?}, expected {expected:?}");
        }
        kid.n = n;
        if now {
            kids.save_now(&mut kid).await?;
        } else {
            kids.save(&mut kid)?;
        }
        let row = self.model.rows[KID].get_mut(&tag).unwrap();
        if row.n != n {
            row.n = n;
            self.model.touched[KID].insert(tag);
            self.set_apart(root);
        }
        if now {
            self.model.sent(Sent::Yes);
        }
        Ok(())
    }

    fn set_apart(&mut self, root: Tag) {
        let apart = self.fresh() as u64;
        self.apart.insert(root, apart);
    }

    async fn delete_kid(&mut self, at: u8, by_id: bool) -> Result<(), Stop> {
        let Some((tag, id, root)) = self.pick_kid(at) else { return Ok(()) };
        let kids = self.sessions.repository::<V::Kid>();
        if by_id {
            self.say(format!("kids: delete_by_id {tag}"));
            kids.delete_by_id(id)?;
        } else {
            self.say(format!("kids: get {tag}, delete"));
            let mut kid = kids.get(id).await?;
            self.model.sent(Sent::Maybe);
            kids.delete(&mut kid)?;
        }
        self.model.remove(KID, tag);
        self.set_apart(root);
        Ok(())
    }

    /// What is stored, and what listeners heard, is what the model says.
    async fn verify(&mut self) -> Result<(), String> {
        let base = &self.base.clone();
        let stored = V::stored(&self.sessions).await.map_err(|error| format!("read what is stored: {error}"))?;
        let mut wrong = Vec::new();
        let mut tags: [BTreeMap<i64, Tag>; 4] = Default::default();
        for level in [ROOT, KID, GRAND, ONLY] {
            for row in &stored[level] {
                let tag = if level == ONLY { tags[ROOT].get(&row.id).copied().unwrap_or(row.id) } else { row.tag };
                if tags[level].insert(row.id, tag).is_some() {
                    wrong.push(format!("{} {tag} is stored twice", LEVELS[level]));
                }
            }
        }
        let by_tag = |level: usize| -> BTreeMap<Tag, &Stored> {
            stored[level].iter().map(|row| (tags[level][&row.id], row)).collect()
        };
        for level in [ROOT, KID, GRAND, ONLY] {
            let seen = by_tag(level);
            let parents = match level {
                GRAND => &tags[KID],
                _ => &tags[ROOT],
            };
            for tag in seen.keys().filter(|tag| !self.model.rows[level].contains_key(tag)) {
                wrong.push(format!("{} {tag} is stored and should not be", LEVELS[level]));
            }
            let expected: Vec<Tag> = self.model.rows[level].keys().copied().collect();
            for tag in expected {
                let Some(row) = seen.get(&tag) else {
                    if self.model.rows[level][&tag].ghost {
                        self.model.rows[level].remove(&tag);
                        continue;
                    }
                    wrong.push(format!("{} {tag} is not stored", LEVELS[level]));
                    continue;
                };
                let parent = if level == ROOT { 0 } else { parents.get(&row.parent).copied().unwrap_or(-1) };
                self.verify_row(base, level, tag, parent, row, &mut wrong);
            }
        }
        self.verify_hands(&mut wrong);
        self.verify_events(base, &stored, &mut wrong);
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }

    fn verify_row(&mut self, base: &Model, level: usize, tag: Tag, parent: Tag, row: &Stored, wrong: &mut Vec<String>) {
        let name = format!("{} {tag}", LEVELS[level]);
        let traits = V::TRAITS;
        let before = base.rows[level].get(&tag);
        let touched = self.model.touched[level].contains(&tag);
        let tree_changed = level == ROOT
            && (base.has_alive(tag), base.tree(tag)) != (self.model.has_alive(tag), self.model.tree(tag))
            || level == KID && {
                let tree = |model: &Model| model.tree(model.owner(KID, tag)?)?.kids.get(&tag).cloned();
                tree(base) != tree(&self.model)
            };
        let raised_by_itself = self.apart.contains_key(&tag) || !self.model.written.contains(&tag);
        let actor = self.model.actor;
        let model = self.model.rows[level].get_mut(&tag).unwrap();
        if (row.n, row.m, parent) != (model.n, model.m, model.parent) {
            wrong.push(format!(
                "{name} is stored with n = {}, m = {}, of {parent}; expected n = {}, m = {}, of {}",
                row.n, row.m, model.n, model.m, model.parent
            ));
        }
        if row.deleted.is_some() != model.deleted.is_some() {
            wrong.push(format!("{name} is {}soft-deleted", if row.deleted.is_some() { "" } else { "not " }));
        }
        if let Some(death) = &mut model.deleted {
            if death.at.is_some() && death.at != row.deleted {
                wrong.push(format!("{name} was soft-deleted at {:?}, now at {:?}", death.at, row.deleted));
            }
            death.at = row.deleted;
            death.sent = Sent::Yes;
        }
        if !model.note.contains(&row.note) {
            wrong.push(format!("{name} has note {}, expected {:?}", row.note, model.note));
        }
        if level != ONLY {
            match model.id {
                Some(id) if id != row.id && !model.reborn => {
                    wrong.push(format!("{name} has id {}, it was {id}", row.id))
                }
                _ => {}
            }
        }
        if level == ROOT && traits.tenant && row.tenant != format!("t{}", model.tenant) {
            wrong.push(format!("{name} is of tenant {}, expected t{}", row.tenant, model.tenant));
        }
        let versioned = level == ROOT && traits.versioned() || level == KID && traits.kid_version;
        let own_change = before.is_none_or(|before| {
            (before.n, before.m, before.parent, before.deleted.is_some())
                != (model.n, model.m, model.parent, model.deleted.is_some())
        });
        let fresh = before.is_none() || model.reborn;
        if versioned && !fresh {
            let must = if level == ROOT { tree_changed && !raised_by_itself } else { own_change };
            let may = touched || tree_changed;
            if must && row.version <= model.version {
                wrong.push(format!("{name} is at version {}, and was before its change", row.version));
            } else if !may && row.version != model.version {
                wrong.push(format!("{name} is at version {}, was {}, and was not changed", row.version, model.version));
            } else if row.version < model.version {
                wrong.push(format!("{name} is at version {}, was {}", row.version, model.version));
            }
        } else if versioned && row.version < 1 {
            wrong.push(format!("{name} is at version {}", row.version));
        }
        if traits.stamped {
            let authors: Vec<String> = model.author.iter().map(ToString::to_string).collect();
            if !authors.contains(&row.author) {
                wrong.push(format!("{name} was made by {}, expected {authors:?}", row.author));
            }
            let old = model.editor.to_string();
            let now = actor.to_string();
            let raised = versioned && row.version != model.version;
            // What was removed and is there again may never have gone.
            if (before.is_none() || own_change || raised) && !model.reborn && row.editor != now {
                wrong.push(format!("{name} was last written by {}, expected {now}", row.editor));
            } else if !fresh && !touched && row.editor != old {
                wrong.push(format!("{name} was last written by {}, expected {old}", row.editor));
            } else if row.editor != now && row.editor != old {
                wrong.push(format!("{name} was last written by {}, expected {old} or {now}", row.editor));
            }
            model.author = vec![row.author.parse().unwrap_or(-1)];
            model.editor = row.editor.parse().unwrap_or(-1);
        }
        model.note = vec![row.note];
        model.id = Some(row.id);
        model.version = row.version;
        model.born = Sent::Yes;
        model.reborn = false;
        model.ghost = false;
    }

    /// Values that were saved last hold the stored version.
    fn verify_hands(&self, wrong: &mut Vec<String>) {
        for (at, hand) in self.hands.iter().enumerate() {
            let Some(hand) = hand else { continue };
            let root = hand.value.tag();
            let fresh = self.model.saves.get(&root).copied().unwrap_or(0) == hand.seen
                && self.apart.get(&root).copied().unwrap_or(0) == hand.apart;
            if let (Some(version), Some(row), true, false) =
                (hand.value.version(), self.model.rows[ROOT].get(&root), fresh, hand.blank)
                && version != row.version
                && self.model.traits.carries()
            {
                wrong.push(format!("h{at} root {root} holds version {version}, stored is {}", row.version));
            }
        }
    }

    fn verify_events(&self, base: &Model, stored: &[Vec<Stored>; 4], wrong: &mut Vec<String>) {
        let events = std::mem::take(&mut *self.events.lock().unwrap());
        for level in [ROOT, KID, GRAND, ONLY] {
            let mut last: BTreeMap<String, (MutationKind, Option<i64>)> = BTreeMap::new();
            for event in events.iter().filter(|event| event.table == V::TABLES[level]) {
                for (at, id) in event.ids.iter().enumerate() {
                    last.insert(id.clone(), (event.kind, event.versions.get(at).copied()));
                }
            }
            // Rows that are found by a condition are not named.
            let wide = events.iter().any(|event| event.table == V::TABLES[level] && event.ids.is_empty());
            let ids: BTreeMap<i64, &Stored> = stored[level].iter().map(|row| (row.id, row)).collect();
            let tag_of = |row: &Stored| if level == ONLY { None } else { Some(row.tag) };
            for (id, row) in &ids {
                let told = last.remove(&id.to_string());
                let tag = tag_of(row).or_else(|| {
                    self.model.rows[ROOT].iter().find(|(_, root)| root.id == Some(*id)).map(|(&tag, _)| tag)
                });
                let Some(tag) = tag else { continue };
                let before = base.rows[level].get(&tag);
                let touched = self.model.touched[level].contains(&tag);
                let same = |before: &Row| {
                    let Some(now) = self.model.rows[level].get(&tag) else { return false };
                    (before.n, before.m, before.parent, before.id, before.deleted.is_some())
                        == (now.n, now.m, now.parent, now.id, now.deleted.is_some())
                };
                let name = format!("{} {tag}", LEVELS[level]);
                match (before, told) {
                    (None, None) => wrong.push(format!("no event tells of the new {name}")),
                    (Some(before), None) if !same(before) && !wide => {
                        wrong.push(format!("no event tells of the change of {name}"));
                    }
                    (Some(_), Some((kind, _))) if !touched && level != KID && level != ROOT => {
                        wrong.push(format!("an event tells {kind:?} of {name}, which nobody wrote"));
                    }
                    (_, Some((MutationKind::Delete, _))) => {
                        wrong.push(format!("the last event of {name} is its deletion, but it is stored"));
                    }
                    (_, Some((_, Some(version)))) if version != row.version && !wide => {
                        wrong.push(format!("an event tells version {version} of {name}, stored is {}", row.version));
                    }
                    _ => {}
                }
            }
            for (&tag, row) in &base.rows[level] {
                let id = if level == ONLY { base.rows[ROOT][&tag].id } else { row.id };
                let Some(id) = id.filter(|id| !ids.contains_key(id)) else { continue };
                match last.remove(&id.to_string()) {
                    Some((MutationKind::Delete | MutationKind::SoftDelete, _)) => {}
                    _ if wide => {}
                    other => wrong.push(format!("{} {tag} is gone, the last event of it is {other:?}", LEVELS[level])),
                }
            }
        }
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
