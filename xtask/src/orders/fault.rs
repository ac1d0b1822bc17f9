//! What can be wrong with a line of the file.

use super::order::Order;

/// One thing that is wrong with a line.
#[derive(Clone, Copy)]
pub(super) enum Fault {
    TrailingComma,
    UnquotedValue,
    Truncated,
    NotAnObject,
    NoCustomer,
    NoLines,
    NoUnitPrice,
    QuantityIsText,
    PriceIsFraction,
    LinesIsObject,
    QuantityNegative,
    QuantityZero,
    QuantityTooLarge,
    PriceNegative,
    UnknownStatus,
    StatusInCapitals,
    EmptyLines,
    RepeatedOrder,
    RepeatedId,
    RepeatedSku,
    NulInNote,
    OverlongSku,
    NoSuchDay,
    DateInWords,
    TotalOverflows,
    UnknownCurrency,
    BrokenId,
}

impl Fault {
    /// Every fault, in the order in which they come in the file.
    pub(super) fn all() -> Vec<Self> {
        use Fault::*;
        vec![
            UnknownStatus,
            QuantityNegative,
            TrailingComma,
            NoCustomer,
            RepeatedId,
            NulInNote,
            QuantityIsText,
            EmptyLines,
            UnknownCurrency,
            Truncated,
            OverlongSku,
            NoSuchDay,
            QuantityZero,
            LinesIsObject,
            RepeatedSku,
            TotalOverflows,
            NotAnObject,
            PriceIsFraction,
            BrokenId,
            NoLines,
            PriceNegative,
            DateInWords,
            UnquotedValue,
            StatusInCapitals,
            RepeatedOrder,
            NoUnitPrice,
            QuantityTooLarge,
        ]
    }

    /// What is wrong, for people.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Fault::TrailingComma => "broken JSON: a comma after the last field",
            Fault::UnquotedValue => "broken JSON: the currency without quotes",
            Fault::Truncated => "truncated: the line ends in the middle",
            Fault::NotAnObject => "wrong type: an array in place of the order",
            Fault::NoCustomer => "missing field: no customer",
            Fault::NoLines => "missing field: no lines",
            Fault::NoUnitPrice => "missing field: a line with no unit_cents",
            Fault::QuantityIsText => "wrong type: a quantity in quotes",
            Fault::PriceIsFraction => "wrong type: a unit_cents with a fraction",
            Fault::LinesIsObject => "wrong type: an object in place of the lines",
            Fault::QuantityNegative => "out of range: a quantity below zero",
            Fault::QuantityZero => "out of range: a quantity of zero",
            Fault::QuantityTooLarge => "out of range: a quantity beyond 32 bits",
            Fault::PriceNegative => "out of range: a unit_cents below zero",
            Fault::UnknownStatus => "unknown status: shipped",
            Fault::StatusInCapitals => "unknown status: PLACED",
            Fault::EmptyLines => "no lines: the array is empty",
            Fault::RepeatedOrder => "repeated order: the same as on an earlier line",
            Fault::RepeatedId => "repeated id: another order with an id of an earlier line",
            Fault::RepeatedSku => "repeated sku: twice in one order",
            Fault::NulInNote => "bad text: a NUL character in the note",
            Fault::OverlongSku => "bad text: a sku of 120 characters",
            Fault::NoSuchDay => "bad date: 30 February",
            Fault::DateInWords => "bad date: yesterday",
            Fault::TotalOverflows => "overflow: the total is beyond 64 bits",
            Fault::UnknownCurrency => "unknown currency: EURO",
            Fault::BrokenId => "bad id: not a UUID",
        }
    }

    /// The line of an order with this fault and no other. `earlier` are the good ones before it.
    pub(super) fn spoil(self, mut order: Order, earlier: &[Order]) -> String {
        match self {
            Fault::TrailingComma => return replace_end(&order.to_json(), "}", ",}"),
            Fault::UnquotedValue => return order.to_json().replacen("\"EUR\"", "EUR", 1),
            Fault::Truncated => return halved(&order.to_json()),
            Fault::NotAnObject => return format!("[{}]", quote(&order.id)),
            Fault::NoCustomer => return order.to_json_without("customer"),
            Fault::NoLines => return order.to_json_without("lines"),
            Fault::NoUnitPrice => {
                let price = format!(",\"unit_cents\":{}", order.lines[0].unit_cents);
                return order.to_json().replacen(&price, "", 1);
            }
            Fault::LinesIsObject => {
                order.lines.truncate(1);
                return order.to_json().replacen("\"lines\":[", "\"lines\":", 1).replacen("}]", "}", 1);
            }
            Fault::QuantityIsText => order.lines[0].quantity = quote(&order.lines[0].quantity),
            Fault::PriceIsFraction => order.lines[0].unit_cents.push_str(".5"),
            Fault::QuantityNegative => order.lines[0].quantity = "-2".to_owned(),
            Fault::QuantityZero => order.lines[0].quantity = "0".to_owned(),
            Fault::QuantityTooLarge => order.lines[0].quantity = "4294967297".to_owned(),
            Fault::PriceNegative => order.lines[0].unit_cents = "-1290".to_owned(),
            Fault::UnknownStatus => order.status = "shipped".to_owned(),
            Fault::StatusInCapitals => order.status = "PLACED".to_owned(),
            Fault::EmptyLines => order.lines.clear(),
            Fault::RepeatedOrder => return earlier.last().unwrap_or(&order).to_json(),
            Fault::RepeatedId => order.id = earlier.first().map_or(order.id, |first| first.id.clone()),
            Fault::RepeatedSku => order.lines.push(order.lines[0].clone()),
            Fault::NulInNote => order.note = Some("Ring\0twice".to_owned()),
            Fault::OverlongSku => order.lines[0].sku = "KIT-MUG-".repeat(15),
            Fault::NoSuchDay => order.placed_at.replace_range(4..10, "-02-30"),
            Fault::DateInWords => order.placed_at = "yesterday".to_owned(),
            Fault::TotalOverflows => {
                order.lines[0].quantity = "2000000000".to_owned();
                order.lines[0].unit_cents = "9000000000000".to_owned();
            }
            Fault::UnknownCurrency => order.currency = "EURO".to_owned(),
            Fault::BrokenId => order.id.replace_range(0..1, "g"),
        }
        order.to_json()
    }
}

fn quote(text: &str) -> String {
    format!("\"{text}\"")
}

fn replace_end(text: &str, end: &str, with: &str) -> String {
    text.strip_suffix(end).map_or_else(|| text.to_owned(), |start| format!("{start}{with}"))
}

/// The first half, cut between characters.
fn halved(text: &str) -> String {
    text.chars().take(text.chars().count() / 2).collect()
}
