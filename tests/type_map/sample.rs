//! Values of every type, the extreme ones often.

use bigdecimal::BigDecimal;
use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use rust_decimal::Decimal;
use serde_json::Value as Document;
use spakky::Json;
use uuid::Uuid;

use super::row::{Code, Color, Level, Mood, Sampled, Shape};

/// A type with values to try.
pub(super) trait Sample: Sized {
    fn any() -> BoxedStrategy<Self>;
}

/// The same row at every call.
pub(super) fn first<Row: Sampled>(id: i64) -> Row {
    Row::any().new_tree(&mut TestRunner::deterministic()).unwrap().current().with_id(id)
}

macro_rules! sample {
    ($($ty:ty => $strategy:expr;)+) => {$(
        impl Sample for $ty {
            fn any() -> BoxedStrategy<Self> {
                $strategy.boxed()
            }
        }
    )+};
}

sample! {
    bool => any::<bool>();
    i16 => prop_oneof![any::<i16>(), Just(i16::MIN), Just(i16::MAX)];
    i32 => prop_oneof![any::<i32>(), Just(i32::MIN), Just(i32::MAX)];
    i64 => prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX)];
    f32 => prop_oneof![
        any::<f32>(),
        proptest::num::f32::SUBNORMAL,
        Just(f32::INFINITY), Just(f32::NEG_INFINITY), Just(f32::MIN), Just(f32::MAX), Just(-0.0), Just(0.1),
    ].prop_filter("NaN has tests of its own", |value| !value.is_nan());
    f64 => prop_oneof![
        any::<f64>(),
        proptest::num::f64::SUBNORMAL,
        Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(f64::MIN), Just(f64::MAX), Just(-0.0), Just(0.1), Just(1e17),
    ].prop_filter("NaN has tests of its own", |value| !value.is_nan());
    String => text();
    Vec<u8> => proptest::collection::vec(any::<u8>(), 0..40);
    Uuid => any::<u128>().prop_map(Uuid::from_u128);
    DateTime<Utc> => local().prop_map(|local| local.and_utc());
    NaiveDateTime => local();
    NaiveDate => day();
    NaiveTime => time();
    Decimal => (any::<i64>(), any::<u32>(), any::<bool>(), 0..=28_u32).prop_map(|(high, low, small, scale)| {
        let digits = if small { i128::from(low) } else { i128::from(high) << 32 | i128::from(low) };
        Decimal::from_i128_with_scale(digits, scale)
    });
    BigDecimal => "-?[1-9]?[0-9]{0,60}[0-9](\\.[0-9]{1,60})?".prop_map(|text| text.parse().unwrap());
    Code => text().prop_map(Code);
    Color => prop_oneof![Just(Color::Red), Just(Color::LightBlue), Just(Color::Green)];
    Level => prop_oneof![Just(Level::Low), Just(Level::High)];
    Mood => prop_oneof![Just(Mood::Glad), Just(Mood::SoSo)];
    Document => document();
    Json<Shape> => shape().prop_map(Json);
}

impl<T: Sample + Clone + std::fmt::Debug + 'static> Sample for Option<T> {
    fn any() -> BoxedStrategy<Self> {
        proptest::option::of(T::any()).boxed()
    }
}

impl<T: Sample + std::fmt::Debug + 'static> Sample for Vec<T> {
    fn any() -> BoxedStrategy<Self> {
        proptest::collection::vec(T::any(), 0..4).boxed()
    }
}

/// Text that is written differently in an array, in JSON or in a pattern.
#[rustfmt::skip]
pub(super) const SPECIAL: &[&str] = &[
    "", " ", "NULL", "null", "{}", "{\"a\"}", "\"", "\\", "\\\\\"", "'", "''; --", "a,b", "%_", "\r\n\t", "\u{7f}", "é",
    "e\u{301}", "\u{1f600}", "\u{fffe}\u{10ffff}", "[1]", "true", "\u{2028}", "$1", "?1",
];

fn text() -> BoxedStrategy<String> {
    let special = proptest::sample::select(SPECIAL).prop_map(str::to_owned);
    prop_oneof![special, "[^\u{0}]{0,20}", "[a-z\"\\\\{},]{1,8}"].boxed()
}

fn day() -> BoxedStrategy<NaiveDate> {
    let (first, last) = (NaiveDate::from_ymd_opt(1, 1, 1).unwrap(), NaiveDate::from_ymd_opt(9999, 12, 31).unwrap());
    let days = last.signed_duration_since(first).num_days() as u64;
    prop_oneof![(0..=days).prop_map(move |days| first + Days::new(days)), Just(first), Just(last)].boxed()
}

fn time() -> BoxedStrategy<NaiveTime> {
    let of = |micros: u64| {
        let nanos = (micros % 1_000_000) as u32 * 1_000;
        NaiveTime::from_num_seconds_from_midnight_opt((micros / 1_000_000) as u32, nanos).unwrap()
    };
    let last = 86_400_000_000 - 1;
    prop_oneof![(0..=last).prop_map(of), Just(of(0)), Just(of(last)), Just(of(1))].boxed()
}

fn local() -> BoxedStrategy<NaiveDateTime> {
    (day(), time()).prop_map(|(day, time)| day.and_time(time)).boxed()
}

fn number() -> BoxedStrategy<Document> {
    let float = <f64 as Sample>::any().prop_filter("JSON has no infinities", |value| value.is_finite());
    prop_oneof![
        any::<i64>().prop_map(Document::from),
        any::<u64>().prop_map(Document::from),
        float.prop_map(Document::from),
    ]
    .boxed()
}

fn document() -> BoxedStrategy<Document> {
    let leaf = prop_oneof![
        Just(Document::Null),
        any::<bool>().prop_map(Document::Bool),
        number(),
        text().prop_map(Document::String),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Document::Array),
            proptest::collection::btree_map(text(), inner, 0..4)
                .prop_map(|fields| Document::Object(fields.into_iter().collect())),
        ]
    })
    .boxed()
}

fn shape() -> BoxedStrategy<Shape> {
    let finite = <f64 as Sample>::any().prop_filter("JSON has no infinities", |value| value.is_finite());
    let small = <f32 as Sample>::any().prop_filter("JSON has no infinities", |value| value.is_finite());
    let tags = <Vec<Option<String>> as Sample>::any();
    let leaf = (text(), any::<u64>(), finite, small, tags).prop_map(|(name, count, ratio, small, tags)| Shape {
        name,
        count,
        ratio,
        small,
        tags,
        inner: None,
    });
    (leaf.clone(), proptest::option::of(leaf))
        .prop_map(|(outer, inner)| Shape { inner: inner.map(Box::new), ..outer })
        .boxed()
}
