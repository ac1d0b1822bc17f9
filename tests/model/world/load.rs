//! Reads by every way.

use futures_util::TryStreamExt as _;
use spakky::LockWait;

use super::super::rows::{Aggregate, Variant};
use super::super::step::Way;
use super::super::store::Sent;
use super::{NOBODY, Stop, World};

impl<V: Variant> World<V> {
    pub(super) async fn load(&mut self, hand: u8, root: u8, mut way: Way) -> Result<(), Stop> {
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
        if !matches!(way, Way::Stream) {
            found.iter().for_each(|value| self.model.was_read(value.tag()));
        }
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
        }
        // What a stream gives is not remembered.
        if matches!(way, Way::Stream) {
            return Ok(());
        }
        if matches!(way, Way::Lock | Way::FindLocked) && there {
            self.may_be_anew(tag);
        }
        if let Some(at) = found.iter().position(|value| value.tag() == tag) {
            let value = found.swap_remove(at);
            self.hands[usize::from(hand)] = Some(self.hand(value, false));
        }
        Ok(())
    }
}
