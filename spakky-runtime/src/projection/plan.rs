//! Which tables a projection reads in one profile: a tree, with each table's columns and what leads on from it.
//!
//! Fields that need the same rows share them: two fields of the row that a column refers to are one query, and so are
//! count and sum of the same children.

use super::field::{Computed, Filter, Order, Source, View, Which};
use super::spec::name_of;
use super::{ProjectionEntry, ProjectionSpec};
use crate::error::{Error, ErrorKind};
use crate::query::Ordering;
use crate::schema::TableDescriptor;
use crate::schema::spec::{ColumnName, full_name};
use crate::value::ScalarType;

/// The rows of one table at one place.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) table: &'static TableDescriptor,
    /// Positions of the columns to read.
    pub(super) columns: Vec<usize>,
    pub(super) links: Vec<Link>,
}

/// What is found by a column of a node's rows.
#[derive(Debug)]
pub(super) struct Link {
    /// The column's slot among those of the node.
    pub(super) from: usize,
    pub(super) to: Target,
}

/// What a link leads to.
#[derive(Debug)]
pub(super) enum Target {
    Rows(Route, Node),
    /// One row of computed values for each key.
    Groups {
        table: &'static TableDescriptor,
        by: usize,
        filter: Option<Filter>,
        sums: Vec<(usize, ScalarType)>,
    },
}

/// How rows are found.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Route {
    /// By their key.
    Key,
    /// By a column that holds the key.
    Column { by: usize, which: Chosen },
    /// By the rows of another table.
    Through { link: LinkTable, from: usize, to: usize, which: Chosen },
}

/// Which of the rows that are found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chosen {
    pub(super) filter: Option<Filter>,
    pub(super) order: Vec<Ordering>,
    /// How many for each row that they were found by.
    pub(super) limit: Option<u64>,
}

/// A table that links others; equal by its row type.
#[derive(Debug, Clone, Copy)]
pub(super) struct LinkTable(pub(super) &'static TableDescriptor);

impl PartialEq for LinkTable {
    fn eq(&self, other: &Self) -> bool {
        self.0.row_type == other.0.row_type
    }
}

/// Where the fields of a projection find what was read.
#[derive(Debug)]
pub(super) struct ViewPlan {
    pub(super) spec: &'static ProjectionSpec,
    /// Its number among the views of the plan.
    pub(super) id: usize,
    pub(super) fields: Vec<FieldPlan>,
}

#[derive(Debug)]
pub(super) enum FieldPlan {
    NotLoaded,
    Column(usize),
    View {
        link: usize,
        view: ViewPlan,
    },
    /// A column of the row that a link leads to.
    Joined {
        link: usize,
        slot: usize,
    },
    Count(usize),
    Exists(usize),
    /// A sum of a link's groups.
    Sum {
        link: usize,
        sum: usize,
        scalar: ScalarType,
    },
    Load {
        key: usize,
    },
}

/// A plan: the tree of tables, the view of the first one's rows, and how many views there are in all.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) root: Node,
    pub(super) view: ViewPlan,
    pub(super) views: usize,
}

impl Plan {
    /// # Errors
    /// When the projection holds itself.
    pub(super) fn of(spec: &'static ProjectionSpec, mask: u64) -> Result<Self, String> {
        let mut root = Node::of((spec.table)());
        let mut planner = Planner { above: Vec::new(), views: 0 };
        let view = planner.view(spec, mask, &mut root)?;
        root.finish();
        Ok(Plan { root, view, views: planner.views })
    }
}

struct Planner {
    /// The views around the one at hand, with their profiles.
    above: Vec<(&'static ProjectionSpec, u64)>,
    views: usize,
}

impl Planner {
    fn view(&mut self, spec: &'static ProjectionSpec, mask: u64, node: &mut Node) -> Result<ViewPlan, String> {
        if self.above.iter().any(|&(other, of)| std::ptr::eq(other, spec) && of == mask) {
            return Err(self.circle(spec, mask));
        }
        self.above.push((spec, mask));
        let id = self.views;
        self.views += 1;
        let mut fields = Vec::with_capacity(spec.fields.len());
        for field in spec.fields {
            let is_wanted = field.profiles & mask != 0;
            fields.push(if is_wanted { self.field(&field.source, node)? } else { FieldPlan::NotLoaded });
        }
        self.above.pop();
        Ok(ViewPlan { spec, id, fields })
    }

    fn field(&mut self, source: &Source, node: &mut Node) -> Result<FieldPlan, String> {
        Ok(match *source {
            Source::Column(column) => FieldPlan::Column(node.slot(position(node.table, column)?)),
            Source::BelongsTo { by, view } => {
                let from = node.slot(position(node.table, by)?);
                self.related(node, from, Route::Key, view)?
            }
            Source::Has { by, which, view } => {
                let child = ((view.spec)().table)();
                let route = Route::Column { by: position(child, by)?, which: chosen(child, which) };
                let from = node.key_slot();
                self.related(node, from, route, view)?
            }
            Source::Through { link, from, to, which, view } => {
                let (link, target) = (link(), ((view.spec)().table)());
                let (from, to) = (position(link, from)?, position(link, to)?);
                let route = Route::Through { link: LinkTable(link), from, to, which: chosen(target, which) };
                let from = node.key_slot();
                self.related(node, from, route, view)?
            }
            Source::Joined { by, table, column } => {
                let from = node.slot(position(node.table, by)?);
                let (link, joined) = node.rows(from, Route::Key, table());
                FieldPlan::Joined { link, slot: joined.slot(position(joined.table, column)?) }
            }
            Source::Computed { table, by, which, what } => {
                let table = table();
                let from = node.key_slot();
                let (link, sums) = node.groups(from, table, position(table, by)?, which.filter);
                match what {
                    Computed::Count => FieldPlan::Count(link),
                    Computed::Exists => FieldPlan::Exists(link),
                    Computed::Sum(column, scalar) => {
                        let wanted = (position(table, column)?, scalar);
                        let sum = sums.iter().position(|sum| *sum == wanted).unwrap_or_else(|| {
                            sums.push(wanted);
                            sums.len() - 1
                        });
                        FieldPlan::Sum { link, sum, scalar }
                    }
                }
            }
            Source::Load { .. } => FieldPlan::Load { key: node.key_slot() },
        })
    }

    fn related(&mut self, node: &mut Node, from: usize, route: Route, view: View) -> Result<FieldPlan, String> {
        let spec = (view.spec)();
        let (link, child) = node.rows(from, route, (spec.table)());
        let view = self.view(spec, view.mask, child)?;
        Ok(FieldPlan::View { link, view })
    }

    fn circle(&self, spec: &'static ProjectionSpec, mask: u64) -> String {
        let name = |(spec, mask): &(&'static ProjectionSpec, u64)| match name_of(spec, *mask) {
            Some(profile) => format!("`{}` in profile `{profile}`", spec.name),
            None => format!("`{}`", spec.name),
        };
        let start = self.above.iter().position(|&(other, of)| std::ptr::eq(other, spec) && of == mask);
        let circle = &self.above[start.unwrap_or_default()..];
        let names: Vec<String> = circle.iter().chain(circle.first()).map(name).collect();
        format!(
            "projection {} holds itself, and would be loaded for ever; leave a field of the circle out with `profile = …`",
            names.join(" holds ")
        )
    }
}

impl Node {
    fn of(table: &'static TableDescriptor) -> Self {
        Node { table, columns: Vec::new(), links: Vec::new() }
    }

    /// The slot of a column, which is read from now on.
    pub(super) fn slot(&mut self, position: usize) -> usize {
        self.columns.iter().position(|&known| known == position).unwrap_or_else(|| {
            self.columns.push(position);
            self.columns.len() - 1
        })
    }

    fn key_slot(&mut self) -> usize {
        self.slot(self.table.key.first().copied().unwrap_or_default())
    }

    /// The rows of a table that a link leads to.
    fn rows(&mut self, from: usize, route: Route, table: &'static TableDescriptor) -> (usize, &mut Node) {
        let known = self.links.iter().position(|link| {
            let is_same = matches!(&link.to, Target::Rows(other, node)
                if *other == route && node.table.row_type == table.row_type);
            is_same && link.from == from
        });
        let at = known.unwrap_or_else(|| {
            let mut node = Node::of(table);
            match &route {
                Route::Key => {
                    node.key_slot();
                }
                Route::Column { by, .. } => {
                    node.slot(*by);
                }
                Route::Through { .. } => {}
            }
            self.links.push(Link { from, to: Target::Rows(route, node) });
            self.links.len() - 1
        });
        match &mut self.links[at].to {
            Target::Rows(_, node) => (at, node),
            Target::Groups { .. } => unreachable!("the link was found or made as one to rows"),
        }
    }

    /// What is computed of the rows of a table.
    fn groups(
        &mut self,
        from: usize,
        table: &'static TableDescriptor,
        by: usize,
        filter: Option<Filter>,
    ) -> (usize, &mut Vec<(usize, ScalarType)>) {
        let known = self.links.iter().position(|link| {
            let is_same = matches!(&link.to, Target::Groups { table: other, by: column, filter: of, .. }
                if other.row_type == table.row_type && *column == by && *of == filter);
            is_same && link.from == from
        });
        let at = known.unwrap_or_else(|| {
            self.links.push(Link { from, to: Target::Groups { table, by, filter, sums: Vec::new() } });
            self.links.len() - 1
        });
        match &mut self.links[at].to {
            Target::Groups { sums, .. } => (at, sums),
            Target::Rows(..) => unreachable!("the link was found or made as one to groups"),
        }
    }

    /// A row is read by one column at least.
    fn finish(&mut self) {
        if self.columns.is_empty() {
            self.key_slot();
        }
        for link in &mut self.links {
            if let Target::Rows(_, node) = &mut link.to {
                node.finish();
            }
        }
    }
}

fn position(table: &TableDescriptor, column: ColumnName) -> Result<usize, String> {
    let name = full_name(column);
    table.position(&name).ok_or_else(|| format!("table `{}` has no column `{name}`", table.name))
}

fn chosen(table: &TableDescriptor, which: Which) -> Chosen {
    Chosen { filter: which.filter, order: ordering(table, which.order), limit: which.limit }
}

/// The order that was asked for; the key decides what it leaves open.
fn ordering(table: &TableDescriptor, order: Order) -> Vec<Ordering> {
    let mut made: Vec<Ordering> =
        order.iter().map(|&(column, descending)| Ordering::of(&full_name(column), descending)).collect();
    for column in table.key_columns() {
        if !made.iter().any(|ordering| ordering.column == column.name) {
            made.push(Ordering::of(&column.name, false));
        }
    }
    made
}

/// The first mistake in the projections of these tables that only shows when the program is put together.
pub(crate) fn first_problem(tables: &[&'static TableDescriptor]) -> Option<String> {
    let specs = inventory::iter::<ProjectionEntry>.into_iter().map(|entry| (entry.spec)());
    let of_tables = specs.filter(|spec| tables.iter().any(|table| table.row_type == (spec.table)().row_type));
    of_tables.into_iter().find_map(problem)
}

fn problem(spec: &'static ProjectionSpec) -> Option<String> {
    let profiles = (0..spec.profiles.len()).map(|position| 1 << position);
    profiles.chain([u64::MAX]).find_map(|mask| Plan::of(spec, mask).err())
}

/// The plan for a query.
pub(super) fn plan(spec: &'static ProjectionSpec, mask: u64) -> Result<Plan, Error> {
    let table = (spec.table)();
    Plan::of(spec, mask)
        .map_err(|problem| Error::new(ErrorKind::InvalidQuery, format!("load {problem}")).with_table(table.name))
}
