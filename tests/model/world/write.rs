//! Saves, upserts, deletions and restores.

use std::collections::BTreeMap;

use super::super::rows::{Aggregate, Held, Tag, Variant};
use super::super::step::Form;
use super::super::store::{GRAND, KID, ONLY, ROOT, Sent, Tree};
use super::{Hand, NOBODY, Stop, World, lay, show};

impl<V: Variant> World<V> {
    pub(super) async fn save(&mut self, slots: &[usize], now: bool, all: bool) -> Result<(), Stop> {
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
            *self.wrote_to.entry(tree.tag).or_default() += 1;
            let known = self.model.loaded.contains(&tree.tag);
            let knows_below = self.model.knows_below(tree.tag);
            self.model.note_restored(&tree);
            let changed = self.model.put_by(&tree, !knows_below);
            if changed || !known {
                self.model.touched[ROOT].insert(tree.tag);
            }
            // A save that changes nothing is none, but one of what is not known writes all of it.
            if changed {
                self.read_anew(tree.tag);
            } else if !knows_below || self.model.traits.soft && self.is_touched(&tree) || self.has_given_away(tree.tag)
            {
                self.may_be_anew(tree.tag);
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

    pub(super) async fn save_if(&mut self, at: u8, form: Form) -> Result<(), Stop> {
        let slot = usize::from(at);
        let Some(mut hand) = self.hands[slot].clone() else { return Ok(()) };
        let root = hand.value.tag();
        let tree = Tree::of(&hand.value);
        if !self.model.traits.versioned() || self.is_touched(&tree) || self.cause(&hand, true).is_some() {
            self.figures.left_out += 1;
            return Ok(());
        }
        let version = self.model.rows[ROOT][&root].version;
        if self.undone.get(&root).copied().unwrap_or_default().max(self.undone_drawn) >= version {
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

    pub(super) async fn upsert(&mut self, at: u8, form: Form) -> Result<(), Stop> {
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

    pub(super) async fn delete(&mut self, at: u8, form: Form) -> Result<(), Stop> {
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

    pub(super) async fn soft_delete(&mut self, at: u8, form: Form) -> Result<(), Stop> {
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
    pub(super) async fn restore(&mut self, at: u8, form: Form) -> Result<(), Stop> {
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
        self.model.unsure.entry(root).or_insert(Sent::No);
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

    pub(super) fn deleted(&mut self, root: Tag, now: bool) {
        self.model.remove_all(root);
        self.model.loaded.remove(&root);
        self.model.read.remove(&root);
        self.saved(root);
        if now {
            self.model.sent(Sent::Yes);
        }
    }

    pub(super) async fn delete_by_id(&mut self, at: u8, form: Form) -> Result<(), Stop> {
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

    pub(super) async fn readd(&mut self, at: u8, form: Form) -> Result<(), Stop> {
        let slot = usize::from(at);
        let Some(mut hand) = self.hands[slot].clone() else { return Ok(()) };
        let root = hand.value.tag();
        let waits = self.model.removed[ROOT].get(&root).is_some_and(|(_, sent)| *sent != Sent::Yes);
        if self.model.rows[ROOT].contains_key(&root)
            || self.overtaken.contains(&root)
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
    pub(super) fn pick_kid(&self, at: u8) -> Option<(Tag, i64, Tag)> {
        let kids: Vec<(Tag, Tag)> = self.model.rows[KID]
            .iter()
            .filter(|(_, row)| row.deleted.is_none() && self.model.has(row.parent))
            .map(|(&tag, row)| (tag, row.parent))
            .collect();
        let (tag, root) = *kids.get(usize::from(at) % kids.len().max(1))?;
        Some((tag, self.id(KID, tag)?, root))
    }

    pub(super) async fn save_kid(&mut self, at: u8, n: i64, now: bool) -> Result<(), Stop> {
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

    pub(super) fn set_apart(&mut self, root: Tag) {
        let apart = self.fresh() as u64;
        self.apart.insert(root, apart);
    }

    pub(super) async fn delete_kid(&mut self, at: u8, by_id: bool) -> Result<(), Stop> {
        let Some((tag, id, root)) = self.pick_kid(at) else { return Ok(()) };
        let kids = self.sessions.repository::<V::Kid>();
        if by_id {
            self.say(format!("kids: delete_by_id {tag}"));
            kids.delete_by_id(id)?;
            // No later save overtakes it, so that those ahead of it stay by themselves.
            self.model.sent(Sent::Maybe);
        } else {
            self.say(format!("kids: get {tag}, delete"));
            let mut kid = kids.get(id).await?;
            self.model.sent(Sent::Maybe);
            kids.delete(&mut kid)?;
        }
        self.model.remove(KID, tag);
        self.model.may_be_new(KID, tag);
        self.set_apart(root);
        Ok(())
    }
}
