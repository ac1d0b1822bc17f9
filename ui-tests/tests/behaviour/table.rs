use std::any::TypeId;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use spakky::schema::{Columns, ForeignKeyAction, RecordReader, RecordWriter, Role};
use spakky::value::{ScalarType, Value};
use spakky::{ColumnValue, Table};
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Table)]
#[table(name = "customers", schema = "shop", unique(country, email), check(named, "length(name) > 0"))]
struct CustomerRow {
    #[table(id, generated)]
    id: i64,
    #[table(unique, length = 80)]
    email: String,
    country: Option<String>,
    #[table(column = "full_name")]
    name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Line {
    sku: String,
    quantity: u32,
}

#[derive(Debug, Clone, PartialEq, Table)]
#[table(embedded)]
struct Geo {
    lat: f64,
    lon: f64,
}

#[derive(Debug, Clone, PartialEq, Table)]
#[table(embedded)]
struct Address {
    street: String,
    #[table(flatten(prefix = "geo_"))]
    at: Geo,
    #[table(column = "postcode")]
    zip: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Table)]
#[table(index(customer, created_at desc, name = "recent", where = "total > 0"), index(ship.street))]
struct OrderRow {
    #[table(id)]
    id: Uuid,
    #[table(references(CustomerRow, on_delete = cascade), index)]
    customer: i64,
    #[table(flatten(prefix = "ship_"))]
    ship: Address,
    #[table(flatten)]
    here: Geo,
    #[table(default = "0")]
    total: i64,
    #[table(json)]
    lines: Vec<Line>,
    #[table(skip)]
    cached: Option<u8>,
    tags: Vec<String>,
    #[table(version)]
    version: i64,
    #[table(created_at)]
    created_at: DateTime<Utc>,
    #[table(updated_at)]
    updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Table)]
struct OrderItem {
    #[table(id)]
    order: Uuid,
    #[table(id)]
    position: i32,
}

fn order() -> OrderRow {
    OrderRow {
        id: Uuid::from_u128(7),
        customer: 3,
        ship: Address { street: "Main".into(), at: Geo { lat: 1.5, lon: 2.5 }, zip: None },
        here: Geo { lat: 0.0, lon: 9.0 },
        total: 99,
        lines: vec![Line { sku: "a".into(), quantity: 2 }],
        cached: Some(1),
        tags: vec!["x".into()],
        version: 4,
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
    }
}

fn encode<Row: Table>(row: &Row) -> Result<Vec<Value>, spakky::Error> {
    let mut record = RecordWriter::new(Row::descriptor());
    row.encode(&mut record)?;
    Ok(record.finish().to_vec())
}

#[test]
fn columns_stand_in_field_order_with_their_prefixes() {
    let names: Vec<_> = OrderRow::descriptor().columns.iter().map(|column| column.name.as_str()).collect();
    let expected = [
        "id",
        "customer",
        "ship_street",
        "ship_geo_lat",
        "ship_geo_lon",
        "ship_postcode",
        "lat",
        "lon",
        "total",
        "lines",
        "tags",
        "version",
        "created_at",
        "updated_at",
    ];
    assert_eq!(names, expected);
    let fields: Vec<_> = OrderRow::descriptor().columns.iter().map(|column| column.field.as_str()).collect();
    assert_eq!(&fields[2..8], ["ship.street", "ship.at.lat", "ship.at.lon", "ship.zip", "here.lat", "here.lon"]);
}

#[test]
fn a_row_survives_encoding_but_for_skipped_fields() {
    let record = encode(&order()).unwrap();
    assert_eq!(record.len(), OrderRow::descriptor().columns.len());
    let mut reader = RecordReader::new(OrderRow::descriptor(), record.into());
    let read = OrderRow::decode(&mut reader).unwrap();
    assert_eq!(read, OrderRow { cached: None, ..order() });
}

#[test]
fn an_unreadable_value_names_table_and_column() {
    let mut record = encode(&order()).unwrap();
    record[4] = Value::Text("north".into());
    let error = OrderRow::decode(&mut RecordReader::new(OrderRow::descriptor(), record.into())).unwrap_err();
    assert_eq!(error.to_string(), "read column `ship_geo_lon` of `order`: expected float8, found text");
}

#[test]
fn an_unstorable_value_names_table_and_column() {
    let mut row = order();
    row.ship.street = "a\0b".into();
    let mut record = RecordWriter::new(OrderRow::descriptor());
    let error = row.encode(&mut record).unwrap_err();
    assert_eq!(
        error.to_string(),
        "store column `ship_street` of `order`: text with a NUL character cannot be stored; remove it or store bytes",
    );
}

#[test]
fn the_descriptor_holds_keys_roles_and_types() {
    let table = OrderRow::descriptor();
    assert_eq!((table.name, table.schema, table.rust_name), ("order", None, "OrderRow"));
    assert_eq!((table.key_name, &table.key), ("pk_order", &vec![0]));
    assert_eq!(table.version, Some(11));
    let roles: Vec<_> = table.columns.iter().map(|column| column.role).filter(|role| *role != Role::Plain).collect();
    assert_eq!(roles, [Role::Id, Role::Version, Role::CreatedAt, Role::UpdatedAt]);
    assert_eq!(table.columns[8].default.and_then(|default| default.given_sql()), Some("0"));
    assert_eq!(table.columns[9].ty.scalar, ScalarType::Json);
    assert!(table.columns[10].ty.array);
    assert!(table.columns[5].ty.nullable);

    let table = CustomerRow::descriptor();
    assert_eq!((table.name, table.schema), ("customers", Some("shop")));
    assert!(table.columns[0].generated);
    assert_eq!(table.columns[1].length, Some(80));
    assert_eq!((table.columns[3].name.as_str(), table.columns[3].field.as_str()), ("full_name", "name"));
}

#[test]
fn constraints_are_named_by_convention_and_have_constants() {
    let table = CustomerRow::descriptor();
    let uniques: Vec<_> = table.uniques.iter().map(|unique| (unique.name.as_str(), unique.columns.clone())).collect();
    assert_eq!(
        uniques,
        [
            ("uq_customers_email", vec!["email".to_owned()]),
            ("uq_customers_country_email", vec!["country".to_owned(), "email".to_owned()]),
        ]
    );
    assert_eq!(CustomerRow::UQ_EMAIL, "uq_customers_email");
    assert_eq!(CustomerRow::UQ_COUNTRY_EMAIL, "uq_customers_country_email");
    assert_eq!(CustomerRow::CK_NAMED, "ck_customers_named");
    assert_eq!((table.checks[0].name.as_str(), table.checks[0].sql), ("ck_customers_named", "length(name) > 0"));
    assert_eq!(CustomerRow::TABLE, "customers");

    let table = OrderRow::descriptor();
    let foreign_key = &table.foreign_keys[0];
    assert_eq!((foreign_key.name.as_str(), foreign_key.column.as_str()), ("fk_order_customer", "customer"));
    assert_eq!((foreign_key.target)().name, "customers");
    assert_eq!(foreign_key.on_delete, ForeignKeyAction::Cascade);
    assert_eq!(OrderRow::FK_CUSTOMER, "fk_order_customer");
    let indexes: Vec<_> = table.indexes.iter().map(|index| index.name.as_str()).collect();
    assert_eq!(indexes, ["ix_order_customer", "recent", "ix_order_ship_street"]);
    assert_eq!([OrderRow::IX_CUSTOMER, OrderRow::IX_RECENT, OrderRow::IX_SHIP_STREET], indexes[..]);
    assert!(table.indexes[1].columns[1].descending && !table.indexes[1].columns[0].descending);
    assert_eq!(table.indexes[1].filter, Some("total > 0"));
    assert_eq!(table.indexes[2].columns[0].name, "ship_street");
}

#[test]
fn handles_name_their_columns() {
    let o = OrderRow::COLUMNS;
    assert_eq!(o.customer.name(), "customer");
    assert_eq!(o.ship.street.name(), "ship_street");
    assert_eq!(o.ship.at.lon.name(), "ship_geo_lon");
    assert_eq!(o.here.lat.name(), "lat");
    assert_eq!(CustomerRow::COLUMNS.name.name(), "full_name");
    let _: spakky::schema::Column<OrderRow, spakky::value::Json<Vec<Line>>> = o.lines;
    let _: spakky::schema::Column<OrderRow, Option<String>> = o.ship.zip;
}

#[test]
fn a_key_is_one_value_or_several() {
    assert_eq!(order().id(), Uuid::from_u128(7));
    assert_eq!(OrderRow::encode_id(&Uuid::from_u128(7)).unwrap(), [Value::Uuid(Uuid::from_u128(7))]);
    let item = OrderItem { order: Uuid::nil(), position: 2 };
    assert_eq!(item.id(), (Uuid::nil(), 2));
    assert_eq!(OrderItem::encode_id(&item.id()).unwrap(), [Value::Uuid(Uuid::nil()), Value::I32(2)]);
    assert_eq!(OrderItem::descriptor().key, [0, 1]);
    assert_eq!(OrderItem::descriptor().name, "order_item");
}

#[test]
fn every_table_is_in_the_registry_and_embedded_structs_are_not() {
    let types: Vec<_> = spakky::__private::inventory::iter::<spakky::schema::TableEntry>
        .into_iter()
        .map(|entry| (entry.descriptor)().row_type)
        .collect();
    for row in [TypeId::of::<CustomerRow>(), TypeId::of::<OrderRow>(), TypeId::of::<OrderItem>()] {
        assert_eq!(types.iter().filter(|found| **found == row).count(), 1);
    }
    assert!(!types.contains(&TypeId::of::<Address>()));
}

#[derive(Debug, Clone, Copy, PartialEq, ColumnValue)]
struct Company(Uuid);

#[derive(Debug, Clone, PartialEq, Table)]
#[table(name = "contracts", unique(company, title, where = live), unique(title, name = "uq_title"))]
struct ContractRow {
    #[table(id)]
    id: i64,
    title: String,
    #[table(tenant, column = "company_id")]
    company: Company,
    #[table(created_by)]
    made_by: i32,
    #[table(updated_by)]
    changed_by: Option<String>,
    #[table(deleted_at)]
    gone: Option<DateTime<Utc>>,
    #[table(deleted_by)]
    gone_by: Option<Company>,
}

#[test]
fn tenants_actors_and_deletion_have_roles() {
    let table = ContractRow::descriptor();
    let roles: Vec<Role> = table.columns.iter().map(|column| column.role).collect();
    assert_eq!(
        roles,
        [Role::Id, Role::Plain, Role::Tenant, Role::CreatedBy, Role::UpdatedBy, Role::DeletedAt, Role::DeletedBy]
    );
    assert_eq!((table.tenant(), table.deleted_at(), table.role(Role::Version)), (Some(2), Some(5), None));
    assert!(matches!(table.columns[2].ty.scalar, ScalarType::Uuid));
    let uniques: Vec<_> =
        table.uniques.iter().map(|unique| (unique.name.as_str(), unique.columns.len(), unique.live)).collect();
    assert_eq!(uniques, [("uq_title", 1, false), ("uq_contracts_company_id_title", 2, true)]);
    assert_eq!(ContractRow::UQ_COMPANY_TITLE, "uq_contracts_company_id_title");
}
