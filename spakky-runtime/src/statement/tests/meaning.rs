//! Random predicates, and which rows they must find by SQL's logic, worked out in memory.

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use uuid::Uuid;

use super::{Mood, Price, R, Row, table};
use crate::backend::{Backend, Statement};
use crate::query::{Comparison, Predicate};
use crate::schema::{RecordWriter, SchemaRegistry};
use crate::statement::SqlWriter;

/// One stored row.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    id: i32,
    name: String,
    note: Option<String>,
    count: Option<i64>,
    least: Option<i64>,
    ratio: f64,
    flag: bool,
    token: Uuid,
    bytes: Vec<u8>,
    at: DateTime<Utc>,
    tags: Vec<String>,
    mood: Mood,
    price: Price,
}

const WORDS: [&str; 12] = ["", "a", "A", "ab", "aXb", "a%b", "a_b", r"a\b", "a*b", "a?b", "a[b]", "Öl 50%"];
const PATTERNS: [&str; 9] = ["", "%", "a%", "%b", "a_b", r"a\%b", r"a\\b", "_", "%b]"];
const RATIOS: [f64; 5] = [0.1, -1.5, 1e300, f64::INFINITY, 5e-324];
const PRICES: [&str; 4] = ["12.50", "12.5", "100", "-0.75"];

/// Rows that take every value of the lists above.
pub(super) fn rows() -> Vec<Stored> {
    (0..120_usize)
        .map(|n| Stored {
            id: n as i32,
            name: WORDS[n % WORDS.len()].into(),
            note: (n % 5 != 0).then(|| WORDS[(n / 5) % WORDS.len()].into()),
            count: (n % 3 != 0).then_some((n % 7) as i64 - 3),
            least: (n % 4 != 0).then_some((n % 5) as i64 - 2),
            ratio: RATIOS[n % RATIOS.len()],
            flag: n % 2 == 0,
            token: Uuid::from_u128(n as u128 % 11),
            bytes: vec![n as u8 % 6; n % 3],
            at: DateTime::from_timestamp_micros(1_700_000_000_000_000 + (n % 9) as i64).unwrap(),
            tags: WORDS[..n % 3].iter().map(|word| (*word).to_owned()).collect(),
            mood: if n % 2 == 0 { Mood::Fine } else { Mood::Sad },
            price: Price(PRICES[n % PRICES.len()]),
        })
        .collect()
}

/// The statements that make the table and fill it. The price is written as text, which every backend takes.
pub(super) fn prepare(backend: Backend) -> (Vec<String>, Vec<Statement>) {
    let table = table();
    let inserts = rows().into_iter().map(|row| {
        let mut record = RecordWriter::new(table);
        record.push(&row.id).unwrap();
        record.push(&row.name).unwrap();
        record.push(&row.note).unwrap();
        record.push(&row.count).unwrap();
        record.push(&row.least).unwrap();
        record.push(&row.ratio).unwrap();
        record.push(&row.flag).unwrap();
        record.push(&row.token).unwrap();
        record.push(&row.bytes).unwrap();
        record.push(&row.at).unwrap();
        record.push(&row.tags).unwrap();
        record.push(&row.mood).unwrap();
        record.push(&row.price).unwrap();
        let mut sql = SqlWriter::new(backend);
        sql.push_sql("INSERT INTO ").push_table(table).push_sql(" VALUES (");
        sql.push_list(table.columns.iter().zip(record.finish().iter()), |sql, (column, value)| {
            if column.name == "price" {
                sql.push_sql(&format!("'{}'", row.price.0));
            } else {
                sql.push_bind(column.ty, value.clone());
            }
        });
        sql.push_sql(")");
        sql.finish()
    });
    (SchemaRegistry::of([table]).create_statements(backend).unwrap(), inserts.collect())
}

/// A question about a row, that can be asked of a database and of a row in memory.
#[derive(Debug, Clone)]
pub(super) enum Question {
    Name(Comparison, String),
    Note(Comparison, Option<String>),
    Count(Comparison, i64),
    CountIsSome(bool),
    CountAndLeast(Comparison, i64),
    CountIn(Vec<Option<i64>>, bool),
    RatioIn(Vec<f64>),
    Ratio(Comparison, f64),
    Flag(bool),
    TokenIn(Vec<Uuid>, bool),
    BytesIn(Vec<Vec<u8>>),
    At(Comparison, i64),
    AtIn(Vec<i64>),
    Tags(Vec<Vec<String>>),
    MoodIn(Vec<Mood>),
    NoteIn(Vec<String>, bool),
    Like(String),
    Ilike(String),
    Contains(String),
    StartsWith(String),
    EndsWith(String),
    Not(Box<Question>),
    All(Vec<Question>),
    Any(Vec<Question>),
}

pub(super) fn questions() -> impl Strategy<Value = Question> {
    let comparison = || {
        prop_oneof![
            Just(Comparison::Eq),
            Just(Comparison::Ne),
            Just(Comparison::Lt),
            Just(Comparison::Le),
            Just(Comparison::Gt),
            Just(Comparison::Ge)
        ]
    };
    let equality = || prop_oneof![Just(Comparison::Eq), Just(Comparison::Ne)];
    let word = || prop::sample::select(&WORDS[..]).prop_map(str::to_owned);
    let pattern = || prop::sample::select(&PATTERNS[..]).prop_map(str::to_owned);
    let micros = || (0..9_i64).prop_map(|n| 1_700_000_000_000_000 + n);
    let list = |length: usize| 0..length;
    let leaf = prop_oneof![
        (equality(), word()).prop_map(|(c, w)| Question::Name(c, w)),
        (equality(), prop::option::of(word())).prop_map(|(c, w)| Question::Note(c, w)),
        (comparison(), -4..5_i64).prop_map(|(c, n)| Question::Count(c, n)),
        any::<bool>().prop_map(Question::CountIsSome),
        (comparison(), -2..3_i64).prop_map(|(c, n)| Question::CountAndLeast(c, n)),
        (prop::collection::vec(prop::option::of(-4..5_i64), list(4)), any::<bool>())
            .prop_map(|(v, n)| Question::CountIn(v, n)),
        prop::collection::vec(prop::sample::select(&RATIOS[..]), list(3)).prop_map(Question::RatioIn),
        (comparison(), prop::sample::select(&RATIOS[..])).prop_map(|(c, r)| Question::Ratio(c, r)),
        any::<bool>().prop_map(Question::Flag),
        (prop::collection::vec((0..12_u128).prop_map(Uuid::from_u128), list(4)), any::<bool>())
            .prop_map(|(v, n)| Question::TokenIn(v, n)),
        prop::collection::vec((0..6_u8, 0..3_usize).prop_map(|(b, n)| vec![b; n]), list(4)).prop_map(Question::BytesIn),
        (comparison(), micros()).prop_map(|(c, n)| Question::At(c, n)),
        prop::collection::vec(micros(), list(4)).prop_map(Question::AtIn),
        prop::collection::vec(prop::collection::vec(word(), list(2)), list(3)).prop_map(Question::Tags),
        prop::collection::vec(prop_oneof![Just(Mood::Fine), Just(Mood::Sad)], list(2)).prop_map(Question::MoodIn),
        (prop::collection::vec(word(), list(4)), any::<bool>()).prop_map(|(v, n)| Question::NoteIn(v, n)),
        pattern().prop_map(Question::Like),
        pattern().prop_map(Question::Ilike),
        word().prop_map(Question::Contains),
        word().prop_map(Question::StartsWith),
        word().prop_map(Question::EndsWith),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|question| Question::Not(Box::new(question))),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Question::All),
            prop::collection::vec(inner, 0..3).prop_map(Question::Any),
        ]
    })
}

macro_rules! compare {
    ($column:expr, $comparison:expr, $value:expr) => {
        match $comparison {
            Comparison::Eq => $column.eq($value),
            Comparison::Ne => $column.ne($value),
            Comparison::Lt => $column.lt($value),
            Comparison::Le => $column.le($value),
            Comparison::Gt => $column.gt($value),
            Comparison::Ge => $column.ge($value),
        }
    };
}

/// SQL's comparison: of what is missing, nothing is known.
fn ask<T: PartialOrd>(left: Option<T>, comparison: Comparison, right: Option<T>) -> Option<bool> {
    let (left, right) = (left?, right?);
    Some(match comparison {
        Comparison::Eq => left == right,
        Comparison::Ne => left != right,
        Comparison::Lt => left < right,
        Comparison::Le => left <= right,
        Comparison::Gt => left > right,
        Comparison::Ge => left >= right,
    })
}

fn within<T: PartialEq>(value: Option<&T>, list: &[T], negated: bool) -> Option<bool> {
    if list.is_empty() {
        return Some(negated);
    }
    value.map(|value| list.contains(value) != negated)
}

/// `LIKE`, one character after the other.
fn like(text: &[char], pattern: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['%', rest @ ..] => (0..=text.len()).any(|skipped| like(&text[skipped..], rest)),
        ['_', rest @ ..] => !text.is_empty() && like(&text[1..], rest),
        ['\\', character, rest @ ..] | [character, rest @ ..] => {
            text.first() == Some(character) && like(&text[1..], rest)
        }
    }
}

impl Question {
    pub(super) fn predicate(&self) -> Predicate<Row> {
        let at = |micros: &i64| DateTime::<Utc>::from_timestamp_micros(*micros).unwrap();
        match self {
            Question::Name(comparison, word) => compare!(R.name, comparison, word),
            Question::Note(comparison, word) => compare!(R.note, comparison, word.as_deref()),
            Question::Count(comparison, number) => compare!(R.count, comparison, *number),
            Question::CountIsSome(true) => R.count.is_not_null(),
            Question::CountIsSome(false) => R.count.is_null(),
            Question::CountAndLeast(comparison, number) => compare!(R.count, comparison, R.least + *number),
            Question::CountIn(list, false) => R.count.in_list(list),
            Question::CountIn(list, true) => R.count.not_in_list(list),
            Question::RatioIn(list) => R.ratio.in_list(list),
            Question::Ratio(comparison, ratio) => compare!(R.ratio, comparison, *ratio),
            Question::Flag(flag) => R.flag.eq(flag),
            Question::TokenIn(list, false) => R.token.in_list(list),
            Question::TokenIn(list, true) => R.token.not_in_list(list),
            Question::BytesIn(list) => R.bytes.in_list(list),
            Question::At(comparison, micros) => compare!(R.at, comparison, at(micros)),
            Question::AtIn(list) => R.at.in_list(list.iter().map(at)),
            Question::Tags(list) => R.tags.in_list(list),
            Question::MoodIn(list) => R.mood.in_list(list),
            Question::NoteIn(list, false) => R.note.in_list(list),
            Question::NoteIn(list, true) => R.note.not_in_list(list),
            Question::Like(pattern) => R.name.like(pattern),
            Question::Ilike(pattern) => R.name.ilike(pattern),
            Question::Contains(word) => R.note.contains(word),
            Question::StartsWith(word) => R.note.starts_with(word),
            Question::EndsWith(word) => R.note.ends_with(word),
            Question::Not(inner) => !inner.predicate(),
            Question::All(parts) => Predicate::all(parts.iter().map(Question::predicate)),
            Question::Any(parts) => Predicate::any(parts.iter().map(Question::predicate)),
        }
    }

    /// The ids of the rows to be found.
    pub(super) fn expected(&self, rows: &[Stored]) -> Vec<i64> {
        rows.iter().filter(|row| self.answer(row) == Some(true)).map(|row| row.id.into()).collect()
    }

    #[expect(clippy::manual_try_fold, reason = "what is unknown does not end the search")]
    fn answer(&self, row: &Stored) -> Option<bool> {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        let micros = row.at.timestamp_micros();
        match self {
            Question::Name(comparison, word) => ask(Some(&row.name), *comparison, Some(word)),
            Question::Note(Comparison::Eq, None) => Some(row.note.is_none()),
            Question::Note(_, None) => Some(row.note.is_some()),
            Question::Note(comparison, word) => ask(row.note.as_ref(), *comparison, word.as_ref()),
            Question::Count(comparison, number) => ask(row.count, *comparison, Some(*number)),
            Question::CountIsSome(some) => Some(row.count.is_some() == *some),
            Question::CountAndLeast(comparison, number) => {
                ask(row.count, *comparison, row.least.map(|least| least + number))
            }
            Question::CountIn(list, negated) => {
                let values: Vec<i64> = list.iter().copied().flatten().collect();
                let listed = within(row.count.as_ref(), &values, *negated);
                let null = values.len() < list.len();
                match (null, negated) {
                    (false, _) => listed,
                    (true, false) => {
                        if row.count.is_none() {
                            Some(true)
                        } else {
                            listed
                        }
                    }
                    (true, true) => {
                        if row.count.is_none() {
                            Some(false)
                        } else {
                            listed
                        }
                    }
                }
            }
            Question::RatioIn(list) => within(Some(&row.ratio), list, false),
            Question::Ratio(comparison, ratio) => ask(Some(row.ratio), *comparison, Some(*ratio)),
            Question::Flag(flag) => Some(row.flag == *flag),
            Question::TokenIn(list, negated) => within(Some(&row.token), list, *negated),
            Question::BytesIn(list) => within(Some(&row.bytes), list, false),
            Question::At(comparison, at) => ask(Some(micros), *comparison, Some(*at)),
            Question::AtIn(list) => within(Some(&micros), list, false),
            Question::Tags(list) => within(Some(&row.tags), list, false),
            Question::MoodIn(list) => within(Some(&row.mood), list, false),
            Question::NoteIn(list, negated) => within(row.note.as_ref(), list, *negated),
            Question::Like(pattern) => Some(like(&chars(&row.name), &chars(pattern))),
            Question::Ilike(pattern) => {
                Some(like(&chars(&row.name.to_ascii_lowercase()), &chars(&pattern.to_ascii_lowercase())))
            }
            Question::Contains(word) => row.note.as_ref().map(|note| note.contains(word.as_str())),
            Question::StartsWith(word) => row.note.as_ref().map(|note| note.starts_with(word.as_str())),
            Question::EndsWith(word) => row.note.as_ref().map(|note| note.ends_with(word.as_str())),
            Question::Not(inner) => inner.answer(row).map(|answer| !answer),
            Question::All(parts) => {
                parts.iter().map(|part| part.answer(row)).fold(Some(true), |all, part| match (all, part) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (Some(true), Some(true)) => Some(true),
                    _ => None,
                })
            }
            Question::Any(parts) => {
                parts.iter().map(|part| part.answer(row)).fold(Some(false), |any, part| match (any, part) {
                    (Some(true), _) | (_, Some(true)) => Some(true),
                    (Some(false), Some(false)) => Some(false),
                    _ => None,
                })
            }
        }
    }
}

/// The query for the ids of the rows that the question is true of.
pub(super) fn find_ids(backend: Backend, predicate: &Predicate<Row>) -> Statement {
    let mut sql = SqlWriter::new(backend);
    sql.push_sql("SELECT id FROM ").push_table(table());
    sql.push_where(table(), &predicate.condition).unwrap();
    sql.push_sql(" ORDER BY id");
    sql.finish()
}
