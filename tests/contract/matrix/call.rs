//! The calls of a repository that take a value, in every form.

use spakky::Error;
use spakky::prelude::*;

use super::rows::{Kind, Mark, Traits};
use super::state::Hand;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Add,
    Save,
    /// `save_if` with the version that the value was read with.
    SaveIf,
    /// `save_if` with another version.
    SaveIfOther,
    /// `save_if` with the version of `If-Match: *`.
    SaveIfAny,
    /// `attach` with the version that the value was read with.
    Attach,
    /// The same, and then `save`.
    AttachSave,
    Upsert,
    UpsertBy,
    Delete,
    DeleteById,
    SoftDelete,
    Restore,
}

use Verb::*;

pub(super) const VERBS: [Verb; 13] = [
    Add,
    Save,
    SaveIf,
    SaveIfOther,
    SaveIfAny,
    Attach,
    AttachSave,
    Upsert,
    UpsertBy,
    Delete,
    DeleteById,
    SoftDelete,
    Restore,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// In a unit of work: `add`.
    Queued,
    /// `add_all`, of two values in the same state.
    QueuedAll,
    /// `add_now`.
    Now,
    /// `add_all_now`.
    NowAll,
    /// Outside of any, through `autocommit()`: `add_now`.
    Alone,
    /// `add_all_now`.
    AloneAll,
    /// Outside of any: `add`.
    Outside,
}

use Form::*;

pub(super) const FORMS: [Form; 7] = [Queued, QueuedAll, Now, NowAll, Alone, AloneAll, Outside];

impl Form {
    pub(super) fn is_now(self) -> bool {
        matches!(self, Now | NowAll | Alone | AloneAll)
    }

    pub(super) fn is_all(self) -> bool {
        matches!(self, QueuedAll | NowAll | AloneAll)
    }

    pub(super) fn is_in_unit(self) -> bool {
        matches!(self, Queued | QueuedAll | Now | NowAll)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) verb: Verb,
    pub(super) form: Form,
}

impl Call {
    /// Why there is no such call.
    pub(super) fn impossible(self, traits: Traits) -> Option<&'static str> {
        match (self.verb, self.form) {
            (SoftDelete | Restore, _) if !traits.soft => Some("a table without `deleted_at` does not compile with it"),
            (SaveIf | SaveIfOther | SaveIfAny, form) if form.is_all() => Some("`save_if` takes one value"),
            (Attach, form) if form.is_now() || form.is_all() => Some("`attach` writes nothing and takes one value"),
            (AttachSave, Alone | AloneAll | Outside) => Some("what is attached is known in its session alone"),
            (DeleteById, NowAll | AloneAll) => Some("`delete_by_id_now` takes one id"),
            _ => None,
        }
    }

    /// Makes the call.
    pub(super) async fn make<K: Kind>(
        self,
        roots: &Repository<K::Row>,
        hands: &mut [Hand<K::Domain>],
    ) -> Result<(), Error> {
        let alone;
        let roots = match self.form {
            Alone | AloneAll => {
                alone = roots.autocommit();
                &alone
            }
            _ => roots,
        };
        if let DeleteById = self.verb {
            let id = K::id(&hands[0].value);
            return match self.form {
                Now | Alone => roots.delete_by_id_now(id).await,
                QueuedAll => roots.delete_all_by_id(hands.iter().map(|hand| K::id(&hand.value))),
                _ => roots.delete_by_id(id),
            };
        }
        let mark = if self.verb == Restore { Mark::Restore } else { Mark::SoftDelete };
        if matches!(self.verb, SoftDelete | Restore) {
            let mut values: Vec<K::Domain> = hands.iter().map(|hand| hand.value.clone()).collect();
            let done = K::mark(roots, mark, self.form.is_now(), &mut values, self.form.is_all()).await;
            hands.iter_mut().zip(values).for_each(|(hand, value)| hand.value = value);
            return done;
        }
        if let AttachSave = self.verb {
            for hand in &*hands {
                roots.attach(&hand.value, hand.version)?;
            }
        }
        if self.form.is_all() {
            let values = hands.iter_mut().map(|hand| &mut hand.value);
            return match (self.verb, self.form.is_now()) {
                (Add, false) => roots.add_all(values),
                (Add, true) => roots.add_all_now(values).await,
                (Save | AttachSave, false) => roots.save_all(values),
                (Save | AttachSave, true) => roots.save_all_now(values).await,
                (Upsert, false) => roots.upsert_all(values),
                (Upsert, true) => roots.upsert_all_now(values).await,
                (UpsertBy, false) => roots.upsert_all_by(K::UNIQUE, values),
                (UpsertBy, true) => roots.upsert_all_by_now(K::UNIQUE, values).await,
                (Delete, false) => roots.delete_all(values),
                (Delete, true) => roots.delete_all_now(values).await,
                (other, _) => unreachable!("{other:?} takes one value"),
            };
        }
        let version = match self.verb {
            SaveIfOther => 77,
            SaveIfAny => spakky::http::ETag::ANY.version(),
            _ => hands[0].version,
        };
        let value = &mut hands[0].value;
        match (self.verb, self.form.is_now()) {
            (Add, false) => roots.add(value),
            (Add, true) => roots.add_now(value).await,
            (Save | AttachSave, false) => roots.save(value),
            (Save | AttachSave, true) => roots.save_now(value).await,
            (SaveIf | SaveIfOther | SaveIfAny, false) => roots.save_if(value, version),
            (SaveIf | SaveIfOther | SaveIfAny, true) => roots.save_if_now(value, version).await,
            (Attach, _) => roots.attach(value, version),
            (Upsert, false) => roots.upsert(value),
            (Upsert, true) => roots.upsert_now(value).await,
            (UpsertBy, false) => roots.upsert_by(K::UNIQUE, value),
            (UpsertBy, true) => roots.upsert_by_now(K::UNIQUE, value).await,
            (Delete, false) => roots.delete(value),
            (Delete, true) => roots.delete_now(value).await,
            (other, _) => unreachable!("{other:?} is called above"),
        }
    }
}
