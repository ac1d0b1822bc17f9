//! Why a write may be refused: the table of refusals of the guide, and nothing else of the design.

use super::super::rows::{Aggregate, Held, Tag, Variant};
use super::super::store::{GRAND, KID, ONLY, ROOT, Row, Sent, Tree};
use super::{Hand, World};

impl<V: Variant> World<V> {
    /// Why a write of this value may be refused.
    pub(super) fn cause(&self, hand: &Hand<V::Domain>, replaces: bool) -> Option<&'static str> {
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
        self.cause_of_children(hand, replaces || !self.model.knows_below(root))
    }

    pub(super) fn cause_of_children(&self, hand: &Hand<V::Domain>, replaces: bool) -> Option<&'static str> {
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
            // It was taken out of a copy that was stale by then.
            if let Some(&(owner, apart)) = hand.acquired.get(&(level, tag))
                && self.model.removed[level].contains_key(&tag)
                && self.apart.get(&owner).copied().unwrap_or(0) != apart
            {
                return Some("stale");
            }
            // Who left it out was not loaded, and may be sent behind this.
            if let Some((row, sent)) = self.model.removed[level].get(&tag)
                && *sent != Sent::Yes
                && let Some(owner) = self.model.former_owner(level, row).filter(|&owner| owner != root)
                && self.model.rows[ROOT].contains_key(&owner)
                && !self.model.knows_below(owner)
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
                // What it leaves is sent, and nobody has told its id yet.
                let parent = self.model.rows[level].get(&tag).and_then(|row| self.model.rows[KID].get(&row.parent));
                let is_untold = |kid: &Row| kid.id.is_none() && kid.born != Sent::No;
                if level == GRAND && self.model.traits.drawn[KID] && parent.is_some_and(is_untold) {
                    return Some("of another aggregate");
                }
                let apart = self.apart.get(&owner).copied().unwrap_or(0);
                let acquired = hand.acquired.get(&(level, tag)) == Some(&(owner, apart));
                if replaces || !acquired || !self.model.knows_below(owner) {
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

    /// Whether other roots have got children that it had when the transaction began.
    pub(super) fn has_given_away(&self, root: Tag) -> bool {
        let before = self.base.tree(root);
        let mut below = before.iter().flat_map(|before| before.below());
        below.any(|(level, tag)| self.model.owner(level, tag).is_some_and(|owner| owner != root))
    }

    /// Whether anything of it, as it is or will be, was written in this transaction.
    pub(super) fn is_touched(&self, tree: &Tree) -> bool {
        let old = self.model.tree(tree.tag);
        self.model.touched[ROOT].contains(&tree.tag)
            || self.model.touched[ONLY].contains(&tree.tag)
            || tree
                .below()
                .chain(old.iter().flat_map(|old| old.below()))
                .any(|(level, tag)| self.model.touched[level].contains(&tag))
    }

    /// Whether the session has inserted rows of the aggregate whose ids the value lacks, while others of the level are new in it.
    pub(super) fn lacks_ids(&self, value: &V::Domain) -> bool {
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
    pub(super) fn touch(&mut self, tree: &Tree) {
        self.model.touched[ROOT].insert(tree.tag);
        self.model.touched[ONLY].insert(tree.tag);
        for (level, tag) in tree.below() {
            self.model.touched[level].insert(tag);
        }
    }
}
