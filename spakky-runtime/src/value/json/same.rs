//! Whether two documents say the same to the Rust type that they are read as.
//!
//! A set is written as an array, in an order that differs from one to the next. A document does not tell such an array from
//! a list, and neither does serde; but the type does: read and written again, a list keeps its order. So an array whose
//! elements come back in another order has none, and is compared without it. Where that cannot be told, the documents count
//! as different, which costs a write and loses nothing.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Document;

use super::Json;
use crate::value::{ColumnType, Value};

/// How a document is read as its Rust type and written again. It is no part of what a column is: all are equal.
#[derive(Debug, Clone, Copy)]
pub struct Recode(fn(&Document) -> Option<Document>);

impl Recode {
    /// By this type.
    pub(crate) const fn of<T: Serialize + DeserializeOwned>() -> Self {
        Recode(|document| match Json::<()>::encode(&Json::<()>::decode::<T>(Value::Json(document.clone())).ok()?) {
            Ok(Value::Json(document)) => Some(document),
            _ => None,
        })
    }
}

impl PartialEq for Recode {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Recode {}

impl Hash for Recode {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl Recode {
    fn says_the_same(self, old: &Value, new: &Value) -> bool {
        match (old, new) {
            (Value::Json(old), Value::Json(new)) => says_the_same(old, new, self.0),
            _ => false,
        }
    }
}

impl ColumnType {
    /// Whether a value is stored by another of the column in vain: they are the same, or documents that say the same.
    #[inline]
    pub(crate) fn is_same(self, old: &Value, new: &Value) -> bool {
        old == new || self.recode.is_some_and(|recode| recode.says_the_same(old, new))
    }
}

/// How often a document is read and written again to see an order change. One of two elements does every other time.
const TRIALS: usize = 12;

/// Whether `new` says what `old` says. `again` reads a document as its type and writes it.
fn says_the_same(old: &Document, new: &Document, again: impl Fn(&Document) -> Option<Document>) -> bool {
    if old == new {
        return true;
    }
    // Few changes do nothing but put an array into another order; only these are worth the trials.
    if unordered(old) != unordered(new) {
        return false;
    }
    let mut trials: Vec<Document> = Vec::with_capacity(TRIALS);
    for _ in 0..TRIALS {
        let Some(trial) = again(new) else { return false };
        trials.push(trial);
        if equal(old, new, &trials.iter().collect::<Vec<_>>()) {
            return true;
        }
    }
    false
}

/// Compares two documents, of which `trials` are what the second became.
fn equal(old: &Document, new: &Document, trials: &[&Document]) -> bool {
    match (old, new) {
        (Document::Object(old), Document::Object(new)) => {
            old.len() == new.len()
                && new.iter().all(|(key, new)| {
                    let trials: Option<Vec<_>> = trials.iter().map(|trial| trial.get(key)).collect();
                    old.get(key).zip(trials).is_some_and(|(old, trials)| equal(old, new, &trials))
                })
        }
        (Document::Array(old), Document::Array(new)) => {
            let trials: Option<Vec<&Vec<Document>>> = trials.iter().map(|trial| trial.as_array()).collect();
            old.len() == new.len() && trials.is_some_and(|trials| equal_arrays(old, new, &trials))
        }
        _ => old == new,
    }
}

fn equal_arrays(old: &[Document], new: &[Document], trials: &[&Vec<Document>]) -> bool {
    if trials.iter().all(|trial| trial.as_slice() == new) {
        return old == new;
    }
    if trials.iter().any(|trial| trial.as_slice() != new && is_permuted(trial, new)) {
        return is_permuted(old, new);
    }
    keeps_its_places(new, trials)
        && old.iter().zip(new).enumerate().all(|(place, (old, new))| {
            let trials: Option<Vec<_>> = trials.iter().map(|trial| trial.get(place)).collect();
            trials.is_some_and(|trials| equal(old, new, &trials))
        })
}

/// Whether each element came back at its place, in whatever order what it holds is. Elements that cannot be told apart by
/// what they hold must have come back as they were.
fn keeps_its_places(new: &[Document], trials: &[&Vec<Document>]) -> bool {
    let forms: Vec<String> = new.iter().map(unordered).collect();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for form in &forms {
        *counts.entry(form).or_default() += 1;
    }
    trials.iter().all(|trial| {
        trial.len() == new.len()
            && trial.iter().zip(new).zip(&forms).all(|((trial, new), form)| {
                trial == new || (counts.get(form.as_str()) == Some(&1) && unordered(trial) == *form)
            })
    })
}

/// Whether two arrays have the same elements, each as it is.
fn is_permuted(one: &[Document], other: &[Document]) -> bool {
    let sorted = |items: &[Document]| {
        let mut texts: Vec<String> = items.iter().map(text).collect();
        texts.sort_unstable();
        texts
    };
    one.len() == other.len() && sorted(one) == sorted(other)
}

/// The document as text, its keys in order.
fn text(document: &Document) -> String {
    let mut document = document.clone();
    document.sort_all_objects();
    document.to_string()
}

/// The document as text, its keys and the elements of each array in order.
fn unordered(document: &Document) -> String {
    match document {
        Document::Array(items) => {
            let mut texts: Vec<String> = items.iter().map(unordered).collect();
            texts.sort_unstable();
            format!("[{}]", texts.join(","))
        }
        Document::Object(fields) => {
            let mut texts: Vec<String> = fields
                .iter()
                .map(|(key, value)| format!("{}:{}", Document::String(key.clone()), unordered(value)))
                .collect();
            texts.sort_unstable();
            format!("{{{}}}", texts.join(","))
        }
        scalar => scalar.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap, HashSet};

    use serde::Serialize;
    use serde::de::DeserializeOwned;
    use serde_json::json;

    use super::*;

    fn same<T: Serialize + DeserializeOwned>(old: &Document, new: &Document) -> bool {
        says_the_same(old, new, |document| {
            serde_json::to_value(serde_json::from_value::<T>(document.clone()).ok()?).ok()
        })
    }

    #[test]
    fn a_set_has_no_order() {
        let (one, other) = (json!(["a", "b", "c", "d"]), json!(["d", "b", "a", "c"]));
        assert!(same::<HashSet<String>>(&one, &other));
        assert!(!same::<Vec<String>>(&one, &other));
        assert!(!same::<HashSet<String>>(&one, &json!(["a", "b", "c", "e"])));
    }

    #[test]
    fn a_list_beside_a_set_keeps_its_order() {
        type Pair = (Vec<i64>, HashSet<i64>);
        let old = json!([[1, 2, 3], [1, 2, 3, 4]]);
        assert!(same::<Pair>(&old, &json!([[1, 2, 3], [4, 2, 3, 1]])));
        assert!(!same::<Pair>(&old, &json!([[3, 2, 1], [4, 2, 3, 1]])));
        type Named = BTreeMap<String, Vec<HashSet<i64>>>;
        assert!(same::<Named>(&json!({ "a": [[1, 2, 3], [4, 5, 6]] }), &json!({ "a": [[3, 1, 2], [6, 5, 4]] })));
        assert!(!same::<Named>(&json!({ "a": [[1, 2, 3], [4, 5, 6]] }), &json!({ "a": [[6, 5, 4], [3, 1, 2]] })));
    }

    #[test]
    fn lists_in_a_set_keep_their_order() {
        type Lists = HashSet<Vec<i64>>;
        let old = json!([[1, 2, 3], [2, 1, 3], [3, 1, 2]]);
        assert!(same::<Lists>(&old, &json!([[3, 1, 2], [1, 2, 3], [2, 1, 3]])));
        assert!(!same::<Lists>(&old, &json!([[3, 2, 1], [1, 2, 3], [2, 1, 3]])));
    }

    #[test]
    fn sets_in_a_map_and_sets_that_are_alike_are_compared() {
        type Sets = HashMap<String, Vec<HashSet<i64>>>;
        let old = json!({ "x": [[], [], [1, 2, 3]], "y": [[7, 8, 9]] });
        assert!(same::<Sets>(&old, &json!({ "x": [[], [], [3, 1, 2]], "y": [[9, 7, 8]] })));
        assert!(!same::<Sets>(&old, &json!({ "x": [[], [1, 2, 3], []], "y": [[9, 7, 8]] })));
    }

    #[test]
    fn what_cannot_be_read_is_different() {
        assert!(!same::<HashSet<bool>>(&json!(["a", "b"]), &json!(["b", "a"])));
    }
}
