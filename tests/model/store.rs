//! What is stored, by plain rules: what was saved last is stored, what an undone scope did is not.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::rows::{Aggregate, Tag, Traits};

pub(super) const ROOT: usize = 0;
pub(super) const KID: usize = 1;
pub(super) const GRAND: usize = 2;
pub(super) const ONLY: usize = 3;

/// Whether something waits, or was sent to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    No,
    Maybe,
    Yes,
}

/// A row. What a rule leaves open is a list of what may be.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) parent: Tag,
    pub(super) n: i64,
    pub(super) m: i64,
    pub(super) note: Vec<i64>,
    pub(super) author: Vec<i64>,
    /// Who wrote it last, as of the last commit.
    pub(super) editor: i64,
    /// The version as of the last commit; 0 for a new row.
    pub(super) version: i64,
    /// The id, if it has been told.
    pub(super) id: Option<i64>,
    pub(super) tenant: i64,
    /// Whether it is sent to the database since it is there.
    pub(super) born: Sent,
    /// Made anew in this transaction under the tag of one that was removed in it.
    pub(super) reborn: bool,
    /// Its soft deletion.
    pub(super) deleted: Option<Death>,
    /// Made and soft-deleted before it was sent, so that it may never have been there.
    pub(super) ghost: bool,
}

/// A soft deletion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Death {
    /// What goes in one call has one number.
    pub(super) number: u64,
    pub(super) actor: i64,
    pub(super) sent: Sent,
    /// The instant that is stored, once it was read.
    pub(super) at: Option<DateTime<Utc>>,
}

impl Death {
    /// Whether the two have one instant, if it is known.
    pub(super) fn is_with(&self, other: &Death) -> Option<bool> {
        match (self.at, other.at) {
            (Some(one), Some(other)) => Some(one == other),
            _ if self.number == other.number => Some(true),
            _ if self.actor == other.actor => None,
            _ => Some(false),
        }
    }
}

/// The mapped part of an aggregate, its children by tag.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tree {
    pub(super) tag: Tag,
    pub(super) n: i64,
    pub(super) m: i64,
    pub(super) only: Option<i64>,
    pub(super) kids: BTreeMap<Tag, (i64, BTreeMap<Tag, i64>)>,
}

impl Tree {
    pub(super) fn of(value: &impl Aggregate) -> Self {
        let mut value = value.clone();
        let tag = value.tag();
        let parts = value.parts();
        let kids = parts.kids.iter().map(|kid| {
            let grands = kid.grands.iter().map(|grand| (grand.tag, grand.n)).collect();
            (kid.tag, (kid.n, grands))
        });
        let only = parts.only.as_ref().map(|only| only.n);
        Tree { tag, n: *parts.n, m: *parts.m, only, kids: kids.collect() }
    }

    /// Its descendants, by level and tag.
    pub(super) fn below(&self) -> impl Iterator<Item = (usize, Tag)> {
        self.kids.iter().flat_map(|(&kid, (_, grands))| {
            std::iter::once((KID, kid)).chain(grands.keys().map(|&grand| (GRAND, grand)))
        })
    }
}

#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) traits: Traits,
    pub(super) rows: [BTreeMap<Tag, Row>; 4],
    /// What was removed in this transaction, and whether that is sent.
    pub(super) removed: [BTreeMap<Tag, (Row, Sent)>; 4],
    /// The last save of each root, by a number that no other has.
    pub(super) saves: BTreeMap<Tag, u64>,
    /// The same of those that surely made older copies stale.
    pub(super) changes: BTreeMap<Tag, u64>,
    /// The rows that were written in this transaction, though maybe to what they were.
    pub(super) touched: [BTreeSet<Tag>; 4],
    /// What the session has loaded.
    pub(super) loaded: BTreeSet<Tag>,
    /// What of it the session has read or added, so that it knows the children.
    pub(super) read: BTreeSet<Tag>,
    /// The roots of which a save may have restored children, so that the session does not know all of them once it is sent.
    pub(super) unsure: BTreeMap<Tag, Sent>,
    /// The children that went to another root, and whether that is sent is not known.
    pub(super) moved: [BTreeSet<Tag>; 4],
    /// The roots that were saved in this transaction.
    pub(super) written: BTreeSet<Tag>,
    pub(super) actor: i64,
    pub(super) tenant: i64,
    deaths: u64,
}

impl Model {
    pub(super) fn new(traits: Traits) -> Self {
        Model {
            traits,
            rows: Default::default(),
            removed: Default::default(),
            saves: BTreeMap::new(),
            changes: BTreeMap::new(),
            touched: Default::default(),
            loaded: BTreeSet::new(),
            read: BTreeSet::new(),
            unsure: BTreeMap::new(),
            moved: Default::default(),
            written: BTreeSet::new(),
            actor: 0,
            tenant: 0,
            deaths: 0,
        }
    }

    /// A transaction begins.
    pub(super) fn begin(&mut self, actor: i64, tenant: i64) {
        self.removed = Default::default();
        self.touched = Default::default();
        self.loaded.clear();
        self.read.clear();
        self.unsure.clear();
        self.moved = Default::default();
        self.written.clear();
        self.actor = actor;
        self.tenant = tenant;
    }

    /// Whether the tenant of the transaction has such a root.
    pub(super) fn has(&self, root: Tag) -> bool {
        self.rows[ROOT].get(&root).is_some_and(|row| row.deleted.is_none() && self.is_mine(row))
    }

    fn is_mine(&self, row: &Row) -> bool {
        !self.traits.tenant || row.tenant == self.tenant
    }

    /// Whether the session knows the children of a root.
    pub(super) fn knows_below(&self, root: Tag) -> bool {
        self.read.contains(&root) && self.unsure.get(&root).is_none_or(|sent| *sent == Sent::No)
    }

    /// Takes note of a save of a tree that may restore children.
    pub(super) fn note_restored(&mut self, tree: &Tree) {
        if !self.traits.soft {
            return;
        }
        for (level, tag) in tree.below() {
            let sent = match self.rows[level].get(&tag).map(|row| row.deleted) {
                Some(None) => continue,
                // What left it out may be sent ahead.
                Some(Some(death)) if death.sent != Sent::No => Sent::Maybe,
                Some(Some(_)) | None => Sent::No,
            };
            let known = self.unsure.entry(tree.tag).or_insert(sent);
            if *known == Sent::No {
                *known = sent;
            }
        }
    }

    /// The children of a root were read.
    pub(super) fn was_read(&mut self, root: Tag) {
        self.loaded.insert(root);
        self.read.insert(root);
        // Maybe from what waits.
        if self.unsure.get(&root) == Some(&Sent::Yes) {
            self.unsure.remove(&root);
        }
    }

    /// Whether there is such a root that is not soft-deleted.
    pub(super) fn has_alive(&self, root: Tag) -> bool {
        self.rows[ROOT].get(&root).is_some_and(|row| row.deleted.is_none())
    }

    /// The soft-deleted roots of the tenant.
    pub(super) fn dead(&self) -> Vec<Tag> {
        let dead = self.rows[ROOT].iter().filter(|(_, row)| row.deleted.is_some() && self.is_mine(row));
        dead.map(|(&root, _)| root).collect()
    }

    pub(super) fn visible(&self) -> Vec<Tag> {
        self.rows[ROOT].keys().copied().filter(|&root| self.has(root)).collect()
    }

    fn children(&self, level: usize, parent: Tag) -> Vec<Tag> {
        self.rows[level].iter().filter(|(_, row)| row.parent == parent).map(|(&tag, _)| tag).collect()
    }

    fn living(&self, level: usize, parent: Tag) -> Vec<Tag> {
        let living = self.rows[level].iter().filter(|(_, row)| row.parent == parent && row.deleted.is_none());
        living.map(|(&tag, _)| tag).collect()
    }

    fn die(&mut self, level: usize, tag: Tag, number: u64) {
        let death = Death { number, actor: self.actor, sent: Sent::No, at: None };
        let Some(row) = self.rows[level].get_mut(&tag) else { return };
        row.deleted.get_or_insert(death);
        row.ghost = row.born != Sent::Yes;
        self.touched[level].insert(tag);
        if level == GRAND {
            let kid = row.parent;
            self.touched[KID].insert(kid);
        }
        match level {
            ROOT => self.living(KID, tag).into_iter().for_each(|kid| self.die(KID, kid, number)),
            KID => self.living(GRAND, tag).into_iter().for_each(|grand| self.die(GRAND, grand, number)),
            _ => {}
        }
    }

    /// A root is deleted softly, with what is below it.
    pub(super) fn bury(&mut self, root: Tag) {
        self.deaths += 1;
        self.die(ROOT, root, self.deaths);
    }

    /// What a restoration of the root brings back; `None` if that is not certain.
    pub(super) fn restore(&mut self, root: Tag) -> Option<()> {
        let death = self.rows[ROOT][&root].deleted?;
        let mut back = vec![(ROOT, root)];
        for kid in self.children(KID, root) {
            if let Some(own) = self.rows[KID][&kid].deleted
                && own.is_with(&death)?
            {
                back.push((KID, kid));
            }
            for grand in self.children(GRAND, kid) {
                if let Some(own) = self.rows[GRAND][&grand].deleted
                    && own.is_with(&death)?
                {
                    back.push((GRAND, grand));
                }
            }
        }
        for (level, tag) in back {
            self.touched[level].insert(tag);
            if let Some(row) = self.rows[level].get_mut(&tag) {
                row.deleted = None;
                row.ghost = false;
                if level == GRAND {
                    let kid = row.parent;
                    self.touched[KID].insert(kid);
                }
            }
        }
        Some(())
    }

    /// The root is added again before its deletion is sent, which makes one update of both: its children may be deleted
    /// softly by that.
    pub(super) fn come_back(&mut self, root: Tag) {
        if !self.traits.soft {
            return;
        }
        let below = |level: usize, parent: Tag, removed: &[BTreeMap<Tag, (Row, Sent)>; 4]| -> Vec<Tag> {
            let found = removed[level].iter().filter(|(_, (row, sent))| row.parent == parent && *sent != Sent::Yes);
            found.map(|(&tag, _)| tag).collect()
        };
        self.deaths += 1;
        let death = Death { number: self.deaths, actor: self.actor, sent: Sent::Maybe, at: None };
        for kid in below(KID, root, &self.removed) {
            for (level, tag) in below(GRAND, kid, &self.removed).into_iter().map(|tag| (GRAND, tag)).chain([(KID, kid)])
            {
                if let Some((mut row, sent)) = self.removed[level].remove(&tag) {
                    // It may have gone for good before.
                    if sent != Sent::No {
                        row.born = Sent::Maybe;
                    }
                    row.note.push(0);
                    row.author.push(self.actor);
                    let deleted = row.deleted.or(Some(death));
                    self.rows[level].insert(tag, Row { deleted, ghost: true, reborn: true, id: None, ..row });
                }
            }
        }
    }

    /// A child is left out of its parent.
    fn leave_out(&mut self, level: usize, tag: Tag) {
        if self.traits.soft && level != ONLY {
            self.deaths += 1;
            self.die(level, tag, self.deaths);
        } else {
            self.remove(level, tag);
        }
    }

    /// The root of a row.
    pub(super) fn owner(&self, level: usize, tag: Tag) -> Option<Tag> {
        let row = self.rows[level].get(&tag)?;
        if level == GRAND { self.owner(KID, row.parent) } else { Some(row.parent) }
    }

    /// The root of a row that was removed.
    pub(super) fn former_owner(&self, level: usize, row: &Row) -> Option<Tag> {
        if level != GRAND {
            return Some(row.parent);
        }
        let removed = || self.removed[KID].get(&row.parent).map(|(kid, _)| kid);
        Some(self.rows[KID].get(&row.parent).or_else(removed)?.parent)
    }

    pub(super) fn tree(&self, root: Tag) -> Option<Tree> {
        self.tree_of(root, Self::living)
    }

    /// The same with what is soft-deleted.
    pub(super) fn whole(&self, root: Tag) -> Option<Tree> {
        self.tree_of(root, Self::children)
    }

    fn tree_of(&self, root: Tag, children: fn(&Self, usize, Tag) -> Vec<Tag>) -> Option<Tree> {
        let row = self.rows[ROOT].get(&root)?;
        let kids = children(self, KID, root).into_iter().map(|kid| {
            let grands = children(self, GRAND, kid).into_iter().map(|grand| (grand, self.rows[GRAND][&grand].n));
            (kid, (self.rows[KID][&kid].n, grands.collect()))
        });
        let only = self.rows[ONLY].get(&root).map(|row| row.n);
        Some(Tree { tag: root, n: row.n, m: row.m, only, kids: kids.collect() })
    }

    /// Everything that waits is sent.
    pub(super) fn sent(&mut self, sent: Sent) {
        let more = |was: &mut Sent| {
            if *was == Sent::No || sent == Sent::Yes {
                *was = sent;
            }
        };
        self.removed.iter_mut().flat_map(|level| level.values_mut()).for_each(|(_, was)| more(was));
        self.unsure.values_mut().for_each(more);
        if sent == Sent::Yes {
            self.moved = Default::default();
        }
        for row in self.rows.iter_mut().flat_map(|level| level.values_mut()) {
            // Whether it was there at all stays open.
            if !row.ghost {
                more(&mut row.born);
            }
            if let Some(death) = &mut row.deleted {
                more(&mut death.sent);
            }
        }
    }

    /// The same as [`put`](Self::put). Where the tree `replaces` what is there, whatever that is, what it leaves out is deleted,
    /// though others may take it.
    pub(super) fn put_by(&mut self, tree: &Tree, replaces: bool) -> bool {
        let before = self.removed.clone();
        let dead = self.rows.each_ref().map(|rows| -> BTreeSet<Tag> {
            rows.iter().filter(|(_, row)| row.deleted.is_some()).map(|(&tag, _)| tag).collect()
        });
        let changed = self.put(tree);
        if replaces {
            for (level, before) in before.iter().enumerate() {
                let new = self.removed[level].iter_mut().filter(|(tag, _)| !before.contains_key(tag));
                new.for_each(|(_, (_, sent))| *sent = Sent::Maybe);
                for (tag, row) in &mut self.rows[level] {
                    if let Some(death) = row.deleted.as_mut().filter(|_| !dead[level].contains(tag)) {
                        death.sent = Sent::Maybe;
                    }
                }
            }
        }
        changed
    }

    /// The root holds this tree, its children included.
    pub(super) fn put(&mut self, tree: &Tree) -> bool {
        let root = tree.tag;
        if self.tree(root).as_ref() == Some(tree) {
            return false;
        }
        // What came from another root and is left out again goes by a write of its own, behind the one that took it.
        if self.leaves_out_moved(tree) {
            self.sent(Sent::Maybe);
        }
        self.write(ROOT, root, 0, tree.n, tree.m);
        for (&kid, (n, grands)) in &tree.kids {
            self.write(KID, kid, root, *n, 0);
            for (&grand, &n) in grands {
                self.write(GRAND, grand, kid, n, 0);
            }
        }
        match tree.only {
            Some(n) => self.write(ONLY, root, root, n, 0),
            None => self.remove(ONLY, root),
        }
        for kid in self.living(KID, root) {
            match tree.kids.get(&kid) {
                None => self.leave_out(KID, kid),
                Some((_, grands)) => {
                    for grand in self.living(GRAND, kid) {
                        if !grands.contains_key(&grand) {
                            self.leave_out(GRAND, grand);
                        }
                    }
                }
            }
        }
        true
    }

    /// Whether a tree leaves out what its root has from another one.
    fn leaves_out_moved(&self, tree: &Tree) -> bool {
        let given: BTreeSet<(usize, Tag)> = tree.below().collect();
        let kids = self.living(KID, tree.tag).into_iter();
        let below = |kid: Tag| self.living(GRAND, kid).into_iter().map(|grand| (GRAND, grand));
        kids.flat_map(|kid| below(kid).chain([(KID, kid)]).collect::<Vec<_>>())
            .any(|(level, tag)| self.moved[level].contains(&tag) && !given.contains(&(level, tag)))
    }

    fn write(&mut self, level: usize, tag: Tag, parent: Tag, n: i64, m: i64) {
        let actor = self.actor;
        let new = || Row {
            parent,
            n,
            m,
            note: vec![0],
            author: vec![actor],
            editor: 0,
            version: 0,
            id: None,
            tenant: self.tenant,
            born: Sent::No,
            reborn: false,
            deleted: None,
            ghost: false,
        };
        if let Some(row) = self.rows[level].get_mut(&tag) {
            if row.parent != parent {
                self.moved[level].insert(tag);
            }
            if (row.parent, row.n, row.m) != (parent, n, m) || row.deleted.is_some() {
                row.deleted = None;
                row.ghost = false;
                self.touched[level].extend([tag]);
                if level == GRAND {
                    self.touched[KID].extend([row.parent, parent]);
                }
                if level == KID && row.parent != parent {
                    self.touched[ROOT].insert(row.parent);
                }
                (row.parent, row.n, row.m) = (parent, n, m);
            }
            return;
        }
        self.touched[level].insert(tag);
        if level == GRAND {
            self.touched[KID].insert(parent);
        }
        let row = match self.removed[level].remove(&tag) {
            None => new(),
            // It has never gone.
            Some((row, Sent::No)) if level != ROOT => Row { parent, n, m, ..row },
            Some((mut row, Sent::Maybe)) if level != ROOT => {
                row.note.push(0);
                row.author.push(actor);
                // It may have gone for good before.
                Row { parent, n, m, id: None, reborn: true, born: Sent::Maybe, ..row }
            }
            Some((mut row, sent)) => {
                row.author.push(actor);
                Row { reborn: true, author: if sent == Sent::Yes { vec![actor] } else { row.author }, ..new() }
            }
        };
        self.rows[level].insert(tag, row);
    }

    /// A row that went by a call of its own, and is given again, may be as new.
    pub(super) fn may_be_new(&mut self, level: usize, tag: Tag) {
        if let Some((_, sent @ Sent::No)) = self.removed[level].get_mut(&tag) {
            *sent = Sent::Maybe;
        }
    }

    /// A root is deleted. Others may take its children, which keep their identity where the session knows them.
    pub(super) fn remove_all(&mut self, root: Tag) {
        let is_known = self.knows_below(root);
        self.remove(ROOT, root);
        if !is_known {
            self.removed[KID..].iter_mut().flat_map(|level| level.values_mut()).for_each(|(_, sent)| {
                if *sent == Sent::No {
                    *sent = Sent::Maybe;
                }
            });
        }
    }

    /// A row goes, with all that is below it.
    pub(super) fn remove(&mut self, level: usize, tag: Tag) {
        let Some(row) = self.rows[level].remove(&tag) else { return };
        match level {
            ROOT => {
                self.children(KID, tag).into_iter().for_each(|kid| self.remove(KID, kid));
                self.remove(ONLY, tag);
            }
            KID => self.children(GRAND, tag).into_iter().for_each(|grand| self.remove(GRAND, grand)),
            GRAND => self.touched[KID].extend([row.parent]),
            _ => {}
        }
        self.touched[level].insert(tag);
        self.removed[level].insert(tag, (row, Sent::No));
    }
}
