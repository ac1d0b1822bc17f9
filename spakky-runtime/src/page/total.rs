//! How many rows there are on all pages.

use super::{Total, TotalMode};
use crate::backend::{Answer, Backend, Statement};
use crate::error::Error;
use crate::repository::{unexpected, unnamed};
use crate::statement::Select;
use crate::value::Value;

/// The statements that count the rows of `all`.
///
/// # Errors
/// When the condition cannot be written.
pub(crate) fn totals(all: Select<'_>, mode: TotalMode, backend: Backend) -> Result<Vec<Statement>, Error> {
    Ok(match mode {
        TotalMode::Exact => vec![unnamed(all.count(backend)?)],
        TotalMode::EstimateAbove(most) => {
            let estimate = (backend == Backend::Postgres).then(|| all.explain()).transpose()?;
            let counted = Select { limit: Some(most.saturating_add(1)), ..all };
            let counted = counted.count(backend)?;
            std::iter::once(counted).chain(estimate).map(unnamed).collect()
        }
        TotalMode::Skip => Vec::new(),
    })
}

/// What they have answered; `seen` rows are known to be there.
///
/// # Errors
/// When the answers are of another kind.
pub(crate) fn read_total(mode: TotalMode, seen: u64, answers: impl Iterator<Item = Answer>) -> Result<Total, Error> {
    let mut values = answers.filter_map(|answer| answer.rows.into_iter().flatten().next());
    let mut counted = || match values.next() {
        Some(Value::I64(count)) => Ok(u64::try_from(count).unwrap_or_default().max(seen)),
        other => Err(unexpected("count", &other.unwrap_or(Value::Null))),
    };
    Ok(match mode {
        TotalMode::Exact => Total::Exact(counted()?),
        TotalMode::EstimateAbove(most) => match (counted()?, values.next()) {
            (count, _) if count <= most => Total::Exact(count),
            (count, Some(plan)) => Total::Estimated(planned_rows(&plan)?.max(count)),
            (count, None) => Total::AtLeast(count),
        },
        TotalMode::Skip => Total::Skipped,
    })
}

/// How many rows a plan expects: `[{"Plan": {"Plan Rows": 42, …}}]`.
fn planned_rows(plan: &Value) -> Result<u64, Error> {
    let rows = match plan {
        Value::Json(plan) => plan.pointer("/0/Plan/Plan Rows").and_then(serde_json::Value::as_f64),
        _ => None,
    };
    rows.map(|rows| rows as u64).ok_or_else(|| unexpected("a plan", plan))
}
