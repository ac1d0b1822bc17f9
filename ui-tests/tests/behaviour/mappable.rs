use std::fmt;
use std::num::NonZeroI64;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use spakky::mappable::Revision;
use spakky::schema::{Columns, MappingEntry, RecordReader, RecordWriter};
use spakky::value::Value;
use spakky::{ColumnValue, Json, Mappable, Table, Tagged};

#[derive(Debug, Clone, Copy, PartialEq, ColumnValue)]
struct OrderId(i64);

#[derive(Debug, Clone, PartialEq)]
struct Money {
    cents: i64,
}

mod money {
    use super::Money;

    pub(super) fn from_domain(money: &Money) -> i64 {
        money.cents
    }

    pub(super) fn to_domain(cents: i64) -> Money {
        Money { cents }
    }
}

#[derive(Debug)]
struct NotPositive;

impl fmt::Display for NotPositive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not positive")
    }
}

impl std::error::Error for NotPositive {}

mod positive {
    use super::NotPositive;

    pub(super) fn from_domain(value: &u32) -> i64 {
        i64::from(*value)
    }

    pub(super) fn to_domain(value: i64) -> Result<u32, NotPositive> {
        u32::try_from(value).map_err(|_| NotPositive)
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Initials(String);

impl From<Initials> for String {
    fn from(initials: Initials) -> String {
        initials.0
    }
}

impl From<String> for Initials {
    fn from(text: String) -> Initials {
        Initials(text)
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Address {
    street: String,
    door: u32,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(embedded)]
#[mappable(domain = Address)]
struct AddressRow {
    street: String,
    #[mappable(try_with = positive)]
    door: i64,
    #[mappable(row_only)]
    verified: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Line {
    sku: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Table, Mappable)]
#[table(embedded)]
#[mappable(domain = Line)]
struct LineRow {
    #[mappable(field = sku)]
    code: String,
}

#[derive(Debug, Clone, PartialEq, Table)]
#[table(embedded)]
struct Point {
    x: f64,
    y: f64,
}

#[derive(Debug, Clone, PartialEq)]
struct Order {
    id: OrderId,
    customer: String,
    total: Money,
    by: Initials,
    number: NonZeroI64,
    ship: Address,
    at: Point,
    lines: Vec<Line>,
    events: Vec<u8>,
    revision: Revision,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[mappable(domain = Order, primary)]
struct OrderRow {
    #[table(id)]
    id: OrderId,
    #[mappable(field = customer)]
    customer_name: String,
    #[mappable(with = money)]
    total: i64,
    #[mappable(into)]
    by: String,
    #[mappable(try_into)]
    number: i64,
    #[table(flatten(prefix = "ship_"))]
    #[mappable(nested)]
    ship: AddressRow,
    #[table(flatten)]
    at: Point,
    #[table(json)]
    #[mappable(nested)]
    lines: Vec<LineRow>,
    #[table(skip)]
    #[mappable(field = events)]
    pending: Vec<u8>,
    #[mappable(row_only)]
    note: Option<String>,
    #[mappable(row_only = "web".to_owned())]
    channel: String,
    #[table(version)]
    #[mappable(field = revision)]
    version: i64,
    #[table(created_at)]
    created_at: DateTime<Utc>,
}

fn order() -> Order {
    Order {
        id: OrderId(1),
        customer: "Ada".into(),
        total: Money { cents: 250 },
        by: Initials("AL".into()),
        number: NonZeroI64::MIN,
        ship: Address { street: "Main".into(), door: 3 },
        at: Point { x: 1.0, y: 2.0 },
        lines: vec![Line { sku: "a".into() }],
        events: vec![1],
        revision: Revision::default(),
    }
}

#[test]
fn a_new_row_takes_defaults_where_nothing_is_mapped() {
    let row = OrderRow::from_domain(&order());
    assert_eq!((row.customer_name.as_str(), row.total, row.by.as_str()), ("Ada", 250, "AL"));
    assert_eq!((row.note, row.channel.as_str(), row.version), (None, "web", 0));
    assert_eq!(row.created_at, DateTime::UNIX_EPOCH);
    assert_eq!(row.ship, AddressRow { street: "Main".into(), door: 3, verified: false });
}

#[test]
fn a_merged_row_keeps_what_is_not_mapped() {
    let mut base = OrderRow::from_domain(&order());
    base.note = Some("kept".into());
    base.channel = "phone".into();
    base.ship.verified = true;
    base.created_at = DateTime::from_timestamp(9, 0).unwrap();
    let changed = Order { customer: "Eve".into(), ..order() };
    let row = OrderRow::merge(&changed, Some(&base));
    assert_eq!(row, OrderRow { customer_name: "Eve".into(), ..base });
}

#[test]
fn a_domain_value_survives_the_way_through_its_row() {
    let row = OrderRow::from_domain(&order());
    let expected = Order { revision: Revision::default(), ..order() };
    assert_eq!(row.to_domain().unwrap(), expected);
}

#[test]
fn only_columns_of_the_domain_are_mapped() {
    let columns = &OrderRow::descriptor().columns;
    let mapped: Vec<_> = columns
        .iter()
        .zip(OrderRow::mapped())
        .filter(|(_, mapped)| **mapped)
        .map(|(column, _)| column.name.as_str())
        .collect();
    assert_eq!(columns.len(), OrderRow::mapped().len());
    let expected = ["id", "customer_name", "total", "by", "number", "ship_street", "ship_door", "x", "y", "lines"];
    assert_eq!(mapped, expected);
}

#[test]
fn a_refused_conversion_names_its_column() {
    let mut row = OrderRow::from_domain(&order());
    row.number = 0;
    let error = row.to_domain().unwrap_err();
    assert_eq!(error.column_name(), Some("number"));

    let mut row = OrderRow::from_domain(&order());
    row.ship.door = -1;
    let error = row.to_domain().unwrap_err();
    assert_eq!(error.to_string(), "map column `ship_door`: its conversion refuses the value");
}

#[test]
fn the_revision_of_the_domain_is_read_and_set() {
    let mut order = order();
    assert_eq!(OrderRow::revision(&order), Some(Revision::default()));
    OrderRow::set_revision(&mut order, Revision::loaded(4));
    assert_eq!(order.revision.version(), Some(4));
    let row = OrderRow::from_domain(&order);
    assert_eq!(row.version, 4);
    assert_eq!(row.to_domain().unwrap().revision, Revision::loaded(4));
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[mappable(domain = Self)]
struct Note {
    #[table(id)]
    id: i64,
    text: String,
    #[table(version)]
    version: i64,
    #[table(updated_at)]
    updated_at: DateTime<Utc>,
}

#[test]
fn a_row_may_be_its_own_domain_type() {
    let mut note = Note { id: 1, text: "hi".into(), version: 2, updated_at: DateTime::UNIX_EPOCH };
    assert_eq!(Note::mapped(), [true, true, false, false]);
    assert_eq!(Note::merge(&note, None), note);
    assert_eq!(Note::revision(&note), Some(Revision::loaded(2)));
    Note::set_revision(&mut note, Revision::loaded(3));
    assert_eq!(note.version, 3);
    assert_eq!(note.clone().to_domain().unwrap(), note);
}

mod account {
    use spakky::mappable::Revision;

    #[derive(Debug, Clone, PartialEq)]
    pub(super) struct Account {
        id: i64,
        owner: String,
        tags: Vec<String>,
        nick: Option<String>,
        limit: i32,
        revision: Revision,
    }

    impl Account {
        pub(super) fn restore(
            id: i64,
            owner: impl Into<String>,
            tags: Vec<String>,
            nick: Option<String>,
            limit: i32,
            revision: Revision,
        ) -> Result<Self, String> {
            if limit < 0 {
                return Err(format!("limit {limit} is negative"));
            }
            Ok(Account { id, owner: owner.into(), tags, nick, limit, revision })
        }

        pub(super) fn id(&self) -> i64 {
            self.id
        }

        pub(super) fn owner(&self) -> &str {
            &self.owner
        }

        pub(super) fn tags(&self) -> &[String] {
            &self.tags
        }

        pub(super) fn nick(&self) -> Option<&str> {
            self.nick.as_deref()
        }

        pub(super) fn limit(&self) -> &i32 {
            &self.limit
        }

        pub(super) fn revision(&self) -> &Revision {
            &self.revision
        }

        pub(super) fn set_revision(&mut self, revision: Revision) {
            self.revision = revision;
        }
    }
}

use account::Account;

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[mappable(domain = Account, try_construct = Account::restore, access = getters)]
struct AccountRow {
    #[table(id)]
    id: i64,
    owner: String,
    tags: Vec<String>,
    nick: Option<String>,
    limit: i32,
    #[table(version)]
    #[mappable(field = revision)]
    version: i64,
}

#[test]
fn a_domain_type_with_private_fields_is_read_by_getters_and_rebuilt_by_its_constructor() {
    let revision = Revision::loaded(1);
    let mut account = Account::restore(1, "Ada", vec!["x".into()], Some("a".into()), 5, revision).unwrap();
    let row = AccountRow::from_domain(&account);
    assert_eq!((row.owner.as_str(), row.nick.as_deref(), row.version), ("Ada", Some("a"), 1));
    assert_eq!(row.clone().to_domain().unwrap(), account);
    AccountRow::set_revision(&mut account, Revision::loaded(2));
    assert_eq!(AccountRow::revision(&account), Some(Revision::loaded(2)));

    let error = AccountRow { limit: -1, ..row }.to_domain().unwrap_err();
    assert_eq!(
        (error.column_name(), error.to_string().as_str()),
        (None, "map the row: the constructor of its domain type refuses it")
    );
}

#[derive(Debug, Clone, PartialEq)]
struct Pair<T>(i64, T);

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[mappable(domain = Pair<String>)]
struct PairRow {
    #[table(id)]
    #[mappable(field = 0)]
    id: i64,
    #[mappable(field = 1)]
    text: String,
}

#[test]
fn a_tuple_struct_with_arguments_is_a_domain_type() {
    let pair = Pair(1, "a".to_owned());
    assert_eq!(PairRow::from_domain(&pair).to_domain().unwrap(), pair);
}

#[test]
fn every_mapping_of_a_table_is_in_the_registry() {
    let found: Vec<_> = spakky::__private::inventory::iter::<MappingEntry>
        .into_iter()
        .map(|entry| ((entry.descriptor)().rust_name, (entry.domain)().1.rsplit("::").next().unwrap(), entry.primary))
        .collect();
    assert!(found.contains(&("OrderRow", "Order", true)), "{found:?}");
    assert!(found.contains(&("Note", "Note", false)), "{found:?}");
    assert!(found.iter().all(|(row, _, _)| *row != "AddressRow"), "{found:?}");
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Payment {
    Cash,
    Card {
        last_digits: String,
    },
    #[serde(rename = "giro")]
    Transfer(u32),
}

#[derive(Debug, Clone, PartialEq)]
struct Invoice {
    id: i64,
    payment: Payment,
    tags: Vec<String>,
}

impl Invoice {
    fn restore(id: i64, payment: Payment, tags: Vec<String>) -> Self {
        Invoice { id, payment, tags }
    }

    fn id(&self) -> i64 {
        self.id
    }

    fn payment(&self) -> &Payment {
        &self.payment
    }

    fn tags(&self) -> Vec<String> {
        self.tags.clone()
    }
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[mappable(domain = Invoice)]
struct InvoiceRow {
    #[table(id)]
    id: i64,
    #[table(flatten(prefix = "payment_"))]
    #[mappable(wrapped)]
    payment: Tagged<Payment>,
    #[mappable(wrapped)]
    tags: Json<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[mappable(domain = Invoice, construct = Invoice::restore, access = getters)]
struct InvoiceByGettersRow {
    #[table(id)]
    id: i64,
    #[table(flatten)]
    #[mappable(wrapped)]
    payment: Tagged<Payment>,
    #[mappable(wrapped)]
    tags: Json<Vec<String>>,
}

fn record<Row: Table>(row: &Row) -> Result<Vec<Value>, spakky::Error> {
    let mut record = RecordWriter::new(Row::descriptor());
    row.encode(&mut record)?;
    Ok(record.finish().to_vec())
}

#[test]
fn an_enum_with_data_is_stored_as_its_variant_and_its_data() {
    let cases = [
        (Payment::Cash, "Cash", Value::Null),
        (Payment::Card { last_digits: "42".into() }, "Card", Value::Json(serde_json::json!({ "last_digits": "42" }))),
        (Payment::Transfer(7), "giro", Value::Json(serde_json::json!(7))),
    ];
    for (payment, kind, data) in cases {
        let invoice = Invoice { id: 1, payment, tags: vec!["a".into()] };
        let row = InvoiceRow::from_domain(&invoice);
        let values = record(&row).unwrap();
        assert_eq!(values[1..3], [Value::Text(kind.into()), data]);
        let read = InvoiceRow::decode(&mut RecordReader::new(InvoiceRow::descriptor(), values.into())).unwrap();
        assert_eq!(read.to_domain().unwrap(), invoice);
        assert_eq!(InvoiceByGettersRow::from_domain(&invoice).to_domain().unwrap(), invoice);
    }
    assert_eq!(InvoiceRow::mapped(), [true; 4]);
    assert_eq!(InvoiceRow::COLUMNS.payment.kind.name(), "payment_kind");
    assert_eq!(InvoiceByGettersRow::COLUMNS.payment.data.name(), "data");
}

#[test]
fn an_unknown_stored_variant_names_its_column() {
    let values = vec![Value::I64(1), Value::Text("Crypto".into()), Value::Null, Value::Json(serde_json::json!([]))];
    let error = InvoiceRow::decode(&mut RecordReader::new(InvoiceRow::descriptor(), values.into())).unwrap_err();
    assert_eq!(
        error.to_string(),
        "read column `payment_data` of `invoice`: the stored variant does not have the expected shape",
    );
}

#[test]
fn a_value_that_is_no_variant_is_refused() {
    let tagged = Tagged(vec![1, 2]);
    let mut writer = RecordWriter::new(InvoiceRow::descriptor());
    let error = tagged.encode(&mut writer).unwrap_err();
    assert!(error.to_string().ends_with("`Tagged` needs an enum in serde's default representation"), "{error}");
}
