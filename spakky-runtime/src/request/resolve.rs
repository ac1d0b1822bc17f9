//! A request as a condition and an order over one table: names against the allow-list, values against the types.

use serde_json::Value as Json;

use super::value::read;
use super::{Filter, FilterOperator, Query, QueryRules, Sort};
use crate::error::{Error, ErrorKind};
use crate::query::{Comparison, Condition, NullsPlace, Ordering, Pattern, Term};
use crate::schema::{ColumnDescriptor, RequestField, TableDescriptor, Way};
use crate::suggest::closest;
use crate::value::{ScalarType, Value};

/// A request for one table.
pub(crate) struct Resolved {
    pub(crate) condition: Condition,
    pub(crate) order: Vec<Ordering>,
}

impl Query {
    /// The request as a condition and an order.
    pub(crate) fn resolve(&self, table: &TableDescriptor, rules: &QueryRules) -> Result<Resolved, Error> {
        rules.limits.check(self)?;
        let fields = Fields {
            table,
            filterable: narrow(table, "filterable", &table.filterable, rules.filterable.as_deref())?,
            sortable: narrow(table, "sortable", &table.sortable, rules.sortable.as_deref())?,
            ignore_case: rules.ignore_case,
        };
        let condition =
            self.filter.as_ref().map_or(Ok(Condition::Constant(true)), |filter| fields.condition(filter))?;
        let order = self.sort.iter().map(|key| fields.ordering(key)).collect::<Result<_, _>>()?;
        Ok(Resolved { condition, order })
    }
}

/// The table's list, as far as the endpoint takes it.
fn narrow<'a>(
    table: &TableDescriptor,
    list: &str,
    allowed: &'a [RequestField],
    wanted: Option<&[String]>,
) -> Result<Vec<&'a RequestField>, Error> {
    let Some(wanted) = wanted else { return Ok(allowed.iter().collect()) };
    let find = |name: &String| {
        allowed.iter().find(|field| field.name == name).ok_or_else(|| {
            let names = listed(allowed.iter().map(|field| field.name));
            let problem = format!("the rules take `{name}`, which `{list}(..)` of the table does not have; {names}");
            refused(table, problem)
        })
    };
    wanted.iter().map(find).collect()
}

struct Fields<'a> {
    table: &'a TableDescriptor,
    filterable: Vec<&'a RequestField>,
    sortable: Vec<&'a RequestField>,
    ignore_case: bool,
}

impl Fields<'_> {
    fn condition(&self, filter: &Filter) -> Result<Condition, Error> {
        let all = |parts: &[Filter]| parts.iter().map(|part| self.condition(part)).collect::<Result<Vec<_>, _>>();
        Ok(match filter {
            Filter::And(parts) => Condition::All(all(parts)?),
            Filter::Or(parts) => Condition::Any(all(parts)?),
            Filter::Not(inner) => Condition::Not(Box::new(self.condition(inner)?)),
            Filter::Field { field, operator, value } => {
                let allowed = self.find(&self.filterable, "filter", field)?;
                match find_place(self.table, field) {
                    Some((None, column)) => self.comparison(allowed, column, *operator, value)?,
                    Some((Some(way), column)) => {
                        let inner = self.comparison(allowed, column, *operator, value)?;
                        Condition::Exists { way, condition: Box::new(inner) }
                    }
                    None => return Err(refused(self.table, format!("there is no column for `{field}`"))),
                }
            }
        })
    }

    fn ordering(&self, key: &Sort) -> Result<Ordering, Error> {
        self.find(&self.sortable, "sort", &key.field)?;
        let Some((None, column)) = find_place(self.table, &key.field) else {
            return Err(refused(self.table, format!("there is no column to sort by `{}`", key.field)));
        };
        let place = |first| if first { NullsPlace::First } else { NullsPlace::Last };
        Ok(Ordering { column: column.name.clone(), descending: key.descending, nulls: key.nulls_first.map(place) })
    }

    fn find<'f>(&self, list: &[&'f RequestField], verb: &str, name: &str) -> Result<&'f RequestField, Error> {
        list.iter().find(|field| field.name == name).copied().ok_or_else(|| {
            let names: Vec<_> = list.iter().map(|field| field.name).collect();
            let hint = closest(name, &names).map(|hint| format!(" (did you mean `{hint}`?)")).unwrap_or_default();
            let names = listed(names.into_iter());
            refused(self.table, format!("requests may not {verb} by `{name}`{hint}; {names}"))
        })
    }

    fn comparison(
        &self,
        allowed: &RequestField,
        column: &ColumnDescriptor,
        operator: FilterOperator,
        value: &Json,
    ) -> Result<Condition, Error> {
        let name = column.name.clone();
        let wrong = |problem: String| refused(self.table, format!("filter by `{}`: {problem}", allowed.name));
        let operand = |raw: &Json| -> Result<Value, Error> {
            if raw.is_null() {
                return Ok(Value::Null);
            }
            let value = read(column.ty.scalar, raw).map_err(wrong)?;
            (allowed.read)(value).map_err(|error| wrong(error.told_to_giver()))
        };
        let compare = |comparison: Comparison, raw: &Json| {
            if raw.is_null() && comparison.is_ordering() {
                let operator = operator.name();
                return Err(wrong(format!("no value is before or after `null`, as `{operator}` asks; use `is_null`")));
            }
            Ok(Condition::compare(name.clone(), comparison, Ok(Term::Value(operand(raw)?))))
        };
        let list = || match value {
            Json::Array(values) => Ok(values),
            _ => Err(wrong(format!("`{}` takes a list", operator.name()))),
        };
        let within = |negated: bool| {
            let values = list()?.iter().map(|raw| operand(raw).map(|value| Ok(Term::Value(value))));
            let values = values.collect::<Result<Vec<_>, Error>>()?;
            Ok(Condition::in_list(name.clone(), values.into_iter(), negated))
        };
        let text = |before: &str, after: &str| {
            let word = operator.name();
            if column.ty.scalar != ScalarType::Text {
                return Err(wrong(format!("`{word}` needs a field that holds text")));
            }
            let Json::String(text) = value else { return Err(wrong(format!("`{word}` takes text"))) };
            let pattern = Pattern::literal_in_case(before, text, after, self.ignore_case);
            let pattern = pattern.map_err(|error| wrong(error.to_string()))?;
            Ok(Condition::Like { column: name.clone(), pattern })
        };
        match operator {
            FilterOperator::Eq => compare(Comparison::Eq, value),
            FilterOperator::Neq => compare(Comparison::Ne, value),
            FilterOperator::Gt => compare(Comparison::Gt, value),
            FilterOperator::Gte => compare(Comparison::Ge, value),
            FilterOperator::Lt => compare(Comparison::Lt, value),
            FilterOperator::Lte => compare(Comparison::Le, value),
            FilterOperator::In => within(false),
            FilterOperator::NotIn => within(true),
            FilterOperator::Between => match list()?.as_slice() {
                [low, high] => Ok(compare(Comparison::Ge, low)?.and(compare(Comparison::Le, high)?)),
                values => Err(wrong(format!("`between` takes two values, found {}", values.len()))),
            },
            FilterOperator::Contains => text("%", "%"),
            FilterOperator::StartsWith => text("", "%"),
            FilterOperator::EndsWith => text("%", ""),
            FilterOperator::IsNull | FilterOperator::IsNotNull => match value {
                Json::Bool(true) => {
                    Ok(Condition::Null { column: name, negated: operator == FilterOperator::IsNotNull })
                }
                _ => Err(wrong(format!("`{}` takes no value but `true`", operator.name()))),
            },
        }
    }
}

/// The column that a field names: of the table itself, or of the table that a relation leads to.
fn find_place<'a>(table: &'a TableDescriptor, field: &str) -> Option<(Option<Way>, &'a ColumnDescriptor)> {
    if let Some(column) = table.columns.iter().find(|column| column.field == field) {
        return Some((None, column));
    }
    let (way, field) = field.split_once('.')?;
    let way = table.way(way)?;
    let column = (way.target)().columns.iter().find(|column| column.field == field)?;
    Some((Some(way), column))
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "no field is allowed".to_owned() } else { format!("allowed: {}", names.join(", ")) }
}

fn refused(table: &TableDescriptor, problem: impl AsRef<str>) -> Error {
    Error::new(ErrorKind::InvalidQuery, format!("query `{}`: {}", table.name, problem.as_ref())).with_table(table.name)
}
