//! One order and its JSON.

use std::fmt::Write;

use super::customer::Customer;
use super::product::{CATALOGUE, Product};
use super::random::Random;
use super::time::Moment;

/// Minutes ahead of UTC of the shops that write their own time.
const ZONES: [i64; 4] = [60, 120, 180, -300];

/// What customers write, with everything that a careless program trips over.
const NOTES: [&str; 18] = [
    "Please leave the parcel with the neighbour.",
    "Gift: no invoice in the box, please",
    "Bitte klingeln, die Glocke ist leise – danke!",
    "Livrer après 18 h, code de la porte : 4812B",
    "The last mug arrived broken; pack it \"properly\" this time",
    "100% recycled packaging only",
    "Deliver to the back entrance\nRing twice",
    "Invoice to O'Brien & Sons Ltd.",
    "Zavolejte předem, prosím",
    "Alles Gute zum 60. Geburtstag, Oma! 🎂",
    "Second floor; the lift is out of order",
    "Path to the shed: \\\\ left, then / right",
    "Rush order, needed on Friday",
    "お届けは平日にお願いします",
    "Pay on collection?",
    "Size M, colour_2 if the first is sold out",
    "  (two spaces before this)  ",
    "No substitutions",
];

/// One order, as it is written.
#[derive(Clone)]
pub(super) struct Order {
    pub(super) id: String,
    pub(super) customer: String,
    pub(super) customer_name: String,
    pub(super) email: Option<String>,
    pub(super) currency: String,
    pub(super) placed_at: String,
    pub(super) status: String,
    pub(super) lines: Vec<Line>,
    pub(super) note: Option<String>,
}

/// One line of an order. The numbers are JSON, so that a fault can put anything in their place.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) sku: String,
    pub(super) title: String,
    pub(super) quantity: String,
    pub(super) unit_cents: String,
}

impl Order {
    /// A good order.
    pub(super) fn generate(random: &mut Random, customers: &[Customer], moment: Moment) -> Self {
        let customer = random.pick(customers);
        let ahead = if random.percent(12) { *random.pick(&ZONES) } else { 0 };
        Order {
            id: random.uuid(moment.0),
            customer: customer.id.clone(),
            customer_name: customer.name.clone(),
            email: customer.email.clone(),
            currency: "EUR".to_owned(),
            placed_at: moment.rfc3339(ahead),
            status: if random.percent(15) { "draft" } else { "placed" }.to_owned(),
            lines: lines(random),
            note: random.percent(14).then(|| (*random.pick(&NOTES)).to_owned()),
        }
    }

    /// The order as one line of JSON.
    pub(super) fn to_json(&self) -> String {
        self.to_json_without("")
    }

    /// The same without one of its fields.
    pub(super) fn to_json_without(&self, field: &str) -> String {
        let lines = self.lines.iter().map(Line::to_json).collect::<Vec<_>>().join(",");
        let fields = [
            ("id", Some(quoted(&self.id))),
            ("customer", Some(quoted(&self.customer))),
            ("customer_name", Some(quoted(&self.customer_name))),
            ("email", self.email.as_deref().map(quoted)),
            ("currency", Some(quoted(&self.currency))),
            ("placed_at", Some(quoted(&self.placed_at))),
            ("status", Some(quoted(&self.status))),
            ("lines", Some(format!("[{lines}]"))),
            ("note", self.note.as_deref().map(quoted)),
        ];
        let written = fields
            .into_iter()
            .filter(|(name, _)| *name != field)
            .filter_map(|(name, value)| Some(format!("\"{name}\":{}", value?)))
            .collect::<Vec<_>>();
        format!("{{{}}}", written.join(","))
    }
}

impl Line {
    fn to_json(&self) -> String {
        let Line { sku, title, quantity, unit_cents } = self;
        let (sku, title) = (quoted(sku), quoted(title));
        format!("{{\"sku\":{sku},\"title\":{title},\"quantity\":{quantity},\"unit_cents\":{unit_cents}}}")
    }
}

/// One to eight lines, few more often than many, each of another product.
fn lines(random: &mut Random) -> Vec<Line> {
    let count = 1 + random.below(8).min(random.below(8));
    let mut chosen: Vec<&Product> = Vec::new();
    while chosen.len() < count {
        let product = random.pick(&CATALOGUE);
        if chosen.iter().all(|other| other.sku != product.sku) {
            chosen.push(product);
        }
    }
    chosen.into_iter().map(|product| line(product, random)).collect()
}

fn line(product: &Product, random: &mut Random) -> Line {
    let quantity = match random.below(100) {
        0..=64 => 1,
        65..=84 => 2,
        85..=96 => 3 + random.below(6),
        _ => 12 * (1 + random.below(4)),
    };
    // Ten percent off for some, in whole cents.
    let cents = if random.percent(9) { product.cents * 9 / 10 } else { product.cents };
    Line {
        sku: product.sku.to_owned(),
        title: product.title.to_owned(),
        quantity: quantity.to_string(),
        unit_cents: cents.to_string(),
    }
}

/// The text as a JSON string.
fn quoted(text: &str) -> String {
    let mut json = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            control if control < ' ' => {
                // Writing to a string cannot fail.
                let _ = write!(json, "\\u{:04x}", u32::from(control));
            }
            other => json.push(other),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_cannot_hold_as_it_is_gets_escaped() {
        assert_eq!(quoted("a\"b\\c\nd\0é"), "\"a\\\"b\\\\c\\nd\\u0000é\"");
    }
}
