//! Writes by condition, and what other sessions do meanwhile.

use spakky::{Error, Propagation};

use super::super::rows::{Aggregate, Held, LEVELS, Tag, Variant};
use super::super::step::Meanwhile;
use super::super::store::{GRAND, KID, ONLY, ROOT, Sent, Tree};
use super::{Stop, UNIT, World, show};

impl<V: Variant> World<V> {
    pub(super) async fn count(&mut self, n: Option<i64>) -> Result<(), Stop> {
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

    pub(super) async fn update_where(&mut self, level: u8, n: i64, to: i64) -> Result<(), Stop> {
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

    pub(super) async fn delete_where(&mut self, root: Option<u8>, n: i64) -> Result<(), Stop> {
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
    pub(super) async fn meanwhile(&mut self, at: u8, what: Meanwhile) -> Result<(), Stop> {
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
                model.changes.insert(root, save);
            }
            model.sent(Sent::Yes);
        }
        if known && changed {
            self.overtaken.insert(root);
        }
        self.absorb().await
    }

    /// What others stored is so.
    pub(super) async fn absorb(&mut self) -> Result<(), Stop> {
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
    pub(super) async fn dare(&mut self, at: u8, delete: bool) -> Result<(), Stop> {
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
        let stale = self.model.changes.get(&root).is_some_and(|&change| change > hand.seen);
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
            "stale" if hand.since <= self.began && !self.base.rows[ROOT].contains_key(&root) => return Ok(()),
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
}
