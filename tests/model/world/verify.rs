//! What is stored and told, against the model.

use std::collections::BTreeMap;

use spakky::MutationKind;

use super::super::rows::{Aggregate, LEVELS, Stored, Tag, Variant};
use super::super::store::{GRAND, KID, Model, ONLY, ROOT, Row, Sent};
use super::World;

impl<V: Variant> World<V> {
    /// What is stored, and what listeners heard, is what the model says.
    pub(super) async fn verify(&mut self) -> Result<(), String> {
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

    pub(super) fn verify_row(
        &mut self,
        base: &Model,
        level: usize,
        tag: Tag,
        parent: Tag,
        row: &Stored,
        wrong: &mut Vec<String>,
    ) {
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
            } else if !fresh && !touched && !raised && row.editor != old {
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
    pub(super) fn verify_hands(&self, wrong: &mut Vec<String>) {
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

    pub(super) fn verify_events(&self, base: &Model, stored: &[Vec<Stored>; 4], wrong: &mut Vec<String>) {
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
