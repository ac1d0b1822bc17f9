//! Sums, means and extremes of a query.

use super::query::unexpected;
use super::{QueryBuilder, Table};
use crate::backend::Statement;
use crate::error::{Error, ErrorKind};
use crate::query::Number;
use crate::schema::Column;
use crate::statement::{Aggregate, Select};
use crate::value::{ColumnType, ColumnValue, ScalarType, Value};

/// A column whose values are `V`s: of type `V`, or `Option<V>`.
#[diagnostic::on_unimplemented(
    message = "the values of `{Self}` are not `{V}`s",
    note = "name the type of the column's values; for a nullable column, the type inside `Option`"
)]
pub trait Holds<Row, V> {
    /// The column's name.
    #[doc(hidden)]
    fn column(&self) -> String;
}

impl<Row, V> Holds<Row, V> for Column<Row, V> {
    fn column(&self) -> String {
        self.name()
    }
}

impl<Row, V> Holds<Row, V> for Column<Row, Option<V>> {
    fn column(&self) -> String {
        self.name()
    }
}

/// A column of numbers, nullable or not.
pub trait NumberColumn<Row> {
    /// The column's name.
    #[doc(hidden)]
    fn column(&self) -> String;
}

impl<Row, T: Number> NumberColumn<Row> for Column<Row, T> {
    fn column(&self) -> String {
        self.name()
    }
}

/// Of all rows that fulfil the query, leaving out those where the column is NULL; `None` if there is no value. For a
/// nullable column, say what type its values have: `query.max::<i64>(o.discount)`.
impl<Row: Table> QueryBuilder<Row> {
    /// The sum of a column, of the column's own type.
    ///
    /// # Errors
    /// [`is_invalid_query`](Error::is_invalid_query) if the sum does not fit that type (it is never cut or wrapped: use
    /// [`sum_as`](Self::sum_as)), for decimals on SQLite, and for a query with an order, a limit or a lock; else what the
    /// database says.
    pub async fn sum<V: Number>(self, column: impl Holds<Row, V>) -> Result<Option<V>, Error> {
        self.sum_of(&column.column()).await
    }

    /// The sum of a column as another type of number: of small integers as `i64`, of `i64`s as a decimal.
    ///
    /// # Errors
    /// As [`sum`](Self::sum).
    pub async fn sum_as<S: Number>(self, column: impl NumberColumn<Row>) -> Result<Option<S>, Error> {
        self.sum_of(&column.column()).await
    }

    /// The mean of a column. Of decimals it is as near as a float comes.
    ///
    /// # Errors
    /// As [`sum`](Self::sum).
    pub async fn avg(self, column: impl NumberColumn<Row>) -> Result<Option<f64>, Error> {
        let (select, backend) = (self.aggregated("avg")?, self.repository.manager.backend());
        let row = self.row(select.aggregate(Aggregate::Average, &column.column(), backend)?).await?;
        match row.into_iter().next() {
            Some(Value::F64(mean)) => Ok(Some(mean)),
            Some(Value::Null) | None => Ok(None),
            Some(other) => Err(unexpected("float8", &other)),
        }
    }

    /// The least value of a column, by the order of [`order_by`](Self::order_by).
    ///
    /// # Errors
    /// As [`sum`](Self::sum), and for columns that the backend cannot sort by.
    pub async fn min<V: ColumnValue>(self, column: impl Holds<Row, V>) -> Result<Option<V>, Error> {
        self.extreme("min", &column.column(), false).await
    }

    /// The greatest value of a column, by the order of [`order_by`](Self::order_by).
    ///
    /// # Errors
    /// As [`min`](Self::min).
    pub async fn max<V: ColumnValue>(self, column: impl Holds<Row, V>) -> Result<Option<V>, Error> {
        self.extreme("max", &column.column(), true).await
    }

    async fn extreme<V: ColumnValue>(self, verb: &str, column: &str, greatest: bool) -> Result<Option<V>, Error> {
        let (select, backend) = (self.aggregated(verb)?, self.repository.manager.backend());
        let table = Row::descriptor();
        let row = self.row(select.extreme(column, greatest, backend)?).await?;
        let Some(value) = row.into_iter().next() else { return Ok(None) };
        let position = table.position(column).unwrap_or_default();
        let value = table.columns[position].ty.canonical(value, backend);
        value.and_then(V::from_value).map(Some).map_err(|error| Error::unreadable_value(table, position, error))
    }

    async fn sum_of<S: ColumnValue>(self, column: &str) -> Result<Option<S>, Error> {
        let (select, backend) = (self.aggregated("sum")?, self.repository.manager.backend());
        let row = self.row(select.aggregate(Aggregate::Sum, column, backend)?).await?;
        let Some(sum) = Sum::read(&row)? else { return Ok(None) };
        let table = Row::descriptor();
        let fits = sum.value(S::TYPE).and_then(|value| S::from_value(value).ok());
        fits.map(Some).ok_or_else(|| {
            let wanted = ColumnType { nullable: false, ..S::TYPE }.postgres_name();
            let message = format!(
                "sum column `{column}` of `{}`: the sum does not fit {wanted}; ask for a wider type with `sum_as`",
                table.name
            );
            Error::new(ErrorKind::InvalidQuery, message).with_table(table.name)
        })
    }

    fn aggregated(&self, verb: &str) -> Result<Select<'static>, Error> {
        if self.order.is_empty() && self.is_whole() {
            return self.select();
        }
        let table = Row::descriptor().name;
        let message = format!("{verb} over `{table}` by a query with an order, a limit or a lock: leave them out");
        Err(Error::new(ErrorKind::InvalidQuery, message).with_table(table))
    }

    async fn row(&self, statement: Statement) -> Result<Vec<Value>, Error> {
        let statement = super::query::unnamed(statement);
        let session = self.repository.place();
        let answers = self.repository.query_answers(session.as_ref(), vec![statement]).await?;
        Ok(answers.into_iter().flat_map(|answer| answer.rows).next().unwrap_or_default())
    }
}

/// A sum, exact where the column is.
enum Sum {
    Whole(i128),
    Decimal(String),
    Float(f64),
}

impl Sum {
    fn read(row: &[Value]) -> Result<Option<Self>, Error> {
        Ok(Some(match row {
            [Value::Null, ..] | [] => return Ok(None),
            [Value::I64(high), Value::I64(low)] => Sum::Whole((i128::from(*high) << 32) + i128::from(*low)),
            [Value::I64(sum)] => Sum::Whole(i128::from(*sum)),
            [Value::Decimal(text)] => text.parse().map_or_else(|_| Sum::Decimal(text.clone()), Sum::Whole),
            [Value::F64(sum)] => Sum::Float(*sum),
            [other, ..] => return Err(unexpected("a sum", other)),
        }))
    }

    fn value(&self, ty: ColumnType) -> Option<Value> {
        match (ty.scalar, self) {
            (ScalarType::I16 | ScalarType::I32 | ScalarType::I64, Sum::Whole(sum)) => {
                i64::try_from(*sum).ok().map(Value::I64)
            }
            (ScalarType::Decimal, Sum::Whole(sum)) => Some(Value::Decimal(sum.to_string())),
            (ScalarType::Decimal, Sum::Decimal(text)) => Some(Value::Decimal(text.clone())),
            (ScalarType::F32, sum) => Some(Value::F32(sum.float()? as f32)),
            (ScalarType::F64, sum) => Some(Value::F64(sum.float()?)),
            _ => None,
        }
    }

    fn float(&self) -> Option<f64> {
        match self {
            Sum::Whole(sum) => Some(*sum as f64),
            Sum::Decimal(text) => text.parse().ok(),
            Sum::Float(sum) => Some(*sum),
        }
    }
}
