//! Tables written by hand, and real databases, for the tests of this crate.

use std::any::TypeId;
use std::sync::LazyLock;

use crate::schema::{
    Check, ColumnDefault, ColumnDescriptor, ForeignKey, ForeignKeyAction, Index, IndexColumn, Role, TableDescriptor,
    UniqueKey,
};
use crate::value::{ColumnType, ColumnValue, ScalarType};

impl TableDescriptor {
    /// A table without columns, of the row type `Row`.
    pub(crate) fn fixture<Row: 'static>(name: &'static str) -> Self {
        TableDescriptor {
            rust_name: std::any::type_name::<Row>().rsplit("::").next().unwrap_or_default(),
            row_type: TypeId::of::<Row>(),
            name,
            schema: None,
            renamed_from: None,
            columns: Vec::new(),
            key_name: Box::leak(format!("pk_{name}").into_boxed_str()),
            key: Vec::new(),
            version: None,
            uniques: Vec::new(),
            indexes: Vec::new(),
            checks: Vec::new(),
            foreign_keys: Vec::new(),
            relations: Vec::new(),
            filterable: Vec::new(),
            sortable: Vec::new(),
        }
    }

    pub(crate) fn column<T: ColumnValue>(self, name: &str) -> Self {
        self.column_of(name, T::TYPE, |_| {})
    }

    pub(crate) fn column_of(mut self, name: &str, ty: ColumnType, change: impl FnOnce(&mut ColumnDescriptor)) -> Self {
        let (role, generated, default, length) = (Role::Plain, false, None, None);
        let mut column = ColumnDescriptor {
            name: name.into(),
            renamed_from: None,
            field: name.into(),
            ty,
            role,
            generated,
            default,
            length,
        };
        change(&mut column);
        match column.role {
            Role::Id => self.key.push(self.columns.len()),
            Role::Version => self.version = Some(self.columns.len()),
            _ => {}
        }
        self.columns.push(column);
        self
    }

    pub(crate) fn id<T: ColumnValue>(self, name: &str) -> Self {
        self.column_of(name, T::TYPE, |column| column.role = Role::Id)
    }

    pub(crate) fn references(
        mut self,
        column: &str,
        target: fn() -> &'static TableDescriptor,
        on_delete: ForeignKeyAction,
    ) -> Self {
        let name = format!("fk_{}_{column}", self.name);
        self.foreign_keys.push(ForeignKey { name, column: column.into(), target, on_delete });
        self
    }
}

pub(crate) struct CustomerRow;
pub(crate) struct OrderRow;
pub(crate) struct OrderLineRow;
/// Every type of column.
pub(crate) struct SampleRow;

pub(crate) fn customers() -> &'static TableDescriptor {
    static TABLE: LazyLock<TableDescriptor> = LazyLock::new(|| {
        let mut table = TableDescriptor::fixture::<CustomerRow>("customers")
            .column_of("id", i64::TYPE, |column| (column.role, column.generated) = (Role::Id, true))
            .column_of("email", String::TYPE, |column| column.length = Some(80))
            .column::<Option<i64>>("invited_by")
            .references("invited_by", customers, ForeignKeyAction::SetNull);
        table.uniques.push(UniqueKey { name: "uq_customers_email".into(), columns: vec!["email".into()], live: false });
        table
    });
    &TABLE
}

pub(crate) fn orders() -> &'static TableDescriptor {
    static TABLE: LazyLock<TableDescriptor> = LazyLock::new(|| {
        let mut table = TableDescriptor::fixture::<OrderRow>("orders")
            .id::<uuid::Uuid>("id")
            .column::<i64>("customer_id")
            .column_of("status", ColumnType::scalar(ScalarType::Text), |column| {
                column.default = Some(ColumnDefault::sql("'draft'"))
            })
            .column::<Option<String>>("note")
            .column::<i32>("stock")
            .column_of("version", i64::TYPE, |column| column.role = Role::Version)
            .column_of("created_at", chrono::DateTime::<chrono::Utc>::TYPE, |column| column.role = Role::CreatedAt)
            .column_of("updated_at", chrono::NaiveDateTime::TYPE, |column| column.role = Role::UpdatedAt)
            .references("customer_id", customers, ForeignKeyAction::Restrict);
        table.checks.push(Check { name: "ck_orders_stock".into(), sql: "stock >= 0" });
        table.indexes.push(Index {
            name: "ix_orders_customer_id_created_at".into(),
            columns: vec![
                IndexColumn { name: "customer_id".into(), descending: false },
                IndexColumn { name: "created_at".into(), descending: true },
            ],
            filter: Some("status <> 'cancelled'"),
        });
        table
    });
    &TABLE
}

pub(crate) fn order_lines() -> &'static TableDescriptor {
    static TABLE: LazyLock<TableDescriptor> = LazyLock::new(|| {
        TableDescriptor::fixture::<OrderLineRow>("order_lines")
            .id::<uuid::Uuid>("order_id")
            .id::<i16>("position")
            .column::<String>("sku")
            .references("order_id", orders, ForeignKeyAction::Cascade)
    });
    &TABLE
}

pub(crate) fn samples() -> &'static TableDescriptor {
    static TABLE: LazyLock<TableDescriptor> = LazyLock::new(|| {
        TableDescriptor::fixture::<SampleRow>("samples")
            .id::<i32>("id")
            .column::<bool>("flag")
            .column::<i16>("small")
            .column::<i64>("big")
            .column::<f32>("single")
            .column::<f64>("double")
            .column::<String>("words")
            .column::<Vec<u8>>("bytes")
            .column::<uuid::Uuid>("uuid")
            .column::<chrono::DateTime<chrono::Utc>>("at")
            .column::<chrono::NaiveDateTime>("local")
            .column::<chrono::NaiveDate>("day")
            .column::<chrono::NaiveTime>("time")
            .column_of("price", ColumnType::scalar(ScalarType::Decimal), |_| {})
            .column::<serde_json::Value>("document")
            .column::<Vec<String>>("tags")
            .column::<Option<Vec<Option<i32>>>>("numbers")
    });
    &TABLE
}

/// A schema of its own on the PostgreSQL server for tests, first on the search path.
#[cfg(feature = "postgres")]
pub(crate) struct TestPostgres {
    pub(crate) client: tokio_postgres::Client,
    pub(crate) schema: String,
}

#[cfg(feature = "postgres")]
impl TestPostgres {
    pub(crate) async fn new() -> Self {
        let client = Self::connect().await;
        let schema = format!("test_{}", uuid::Uuid::now_v7().simple());
        client.batch_execute(&format!("CREATE SCHEMA {schema}; SET search_path = {schema}")).await.unwrap();
        TestPostgres { client, schema }
    }

    pub(crate) async fn connect() -> tokio_postgres::Client {
        let Ok(url) = std::env::var("SPAKKY_TEST_POSTGRES_URL") else {
            panic!("SPAKKY_TEST_POSTGRES_URL is not set; run the tests with `cargo xtask test`");
        };
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Runs statements in one transaction.
    pub(crate) async fn run(&self, statements: &[String]) -> Result<(), tokio_postgres::Error> {
        self.client.batch_execute(&format!("BEGIN; {}; COMMIT", statements.join(";\n"))).await
    }

    /// Runs one statement with its values.
    pub(crate) async fn query(
        &self,
        statement: &crate::backend::Statement,
    ) -> Result<Vec<tokio_postgres::Row>, tokio_postgres::Error> {
        let values: Vec<_> = statement.binds.iter().map(|bind| wire::Wire(bind.value.clone())).collect();
        let binds: Vec<_> = values
            .iter()
            .zip(&statement.binds)
            .map(|(value, bind)| (value as &(dyn tokio_postgres::types::ToSql + Sync), wire::type_of(bind.ty)))
            .collect();
        self.client.query_typed(&statement.sql, &binds).await
    }

    pub(crate) async fn drop(self) {
        self.client.batch_execute(&format!("DROP SCHEMA {} CASCADE", self.schema)).await.unwrap();
    }
}

/// Values as PostgreSQL takes them, as far as the tests here need.
#[cfg(feature = "postgres")]
mod wire {
    use std::error::Error;

    use bytes::{BufMut, BytesMut};
    use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

    use crate::value::{ColumnType, ScalarType, Value};

    pub(super) fn type_of(ty: ColumnType) -> Type {
        let (scalar, array) = match ty.scalar {
            ScalarType::Bool => (Type::BOOL, Type::BOOL_ARRAY),
            ScalarType::I16 => (Type::INT2, Type::INT2_ARRAY),
            ScalarType::I32 => (Type::INT4, Type::INT4_ARRAY),
            ScalarType::I64 => (Type::INT8, Type::INT8_ARRAY),
            ScalarType::F64 => (Type::FLOAT8, Type::FLOAT8_ARRAY),
            ScalarType::Text => (Type::TEXT, Type::TEXT_ARRAY),
            ScalarType::Bytes => (Type::BYTEA, Type::BYTEA_ARRAY),
            ScalarType::Uuid => (Type::UUID, Type::UUID_ARRAY),
            ScalarType::TimestampTz => (Type::TIMESTAMPTZ, Type::TIMESTAMPTZ_ARRAY),
            other => panic!("the tests bind no {other:?}"),
        };
        if ty.array { array } else { scalar }
    }

    #[derive(Debug)]
    pub(super) struct Wire(pub(super) Value);

    impl ToSql for Wire {
        fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
            match &self.0 {
                Value::Null => return Ok(IsNull::Yes),
                Value::Bool(value) => out.put_u8((*value).into()),
                Value::I16(value) => out.put_i16(*value),
                Value::I32(value) => out.put_i32(*value),
                Value::I64(value) => out.put_i64(*value),
                Value::F64(value) => out.put_f64(*value),
                Value::Text(value) => out.put_slice(value.as_bytes()),
                Value::Bytes(value) => out.put_slice(value),
                Value::Uuid(value) => out.put_slice(value.as_bytes()),
                // Microseconds since the year 2000.
                Value::TimestampTz(value) => out.put_i64(value.timestamp_micros() - 946_684_800_000_000),
                Value::Array(items) => {
                    let items: Vec<_> = items.iter().cloned().map(Wire).collect();
                    return items.to_sql(ty, out);
                }
                other => panic!("the tests bind no {other:?}"),
            }
            Ok(IsNull::No)
        }

        fn accepts(_: &Type) -> bool {
            true
        }

        to_sql_checked!();
    }
}
