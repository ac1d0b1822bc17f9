//! Changes of values in hand.

use std::collections::BTreeSet;

use super::super::rows::{Aggregate, Kid, Only, Tag, Variant};
use super::super::step::Edit;
use super::super::store::{GRAND, KID, Tree};
use super::World;

impl<V: Variant> World<V> {
    pub(super) fn edit(&mut self, at: u8, edit: Edit) {
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

    pub(super) fn move_kid(&mut self, from: u8, to: u8, kid: u8) {
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

    pub(super) fn move_grand(&mut self, from: u8, to: u8, kid: u8, grand: u8, under: u8) {
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
}
