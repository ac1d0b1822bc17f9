//! Items of a function are not reachable by a path from the crate root.
#![deny(warnings)]

fn main() {
    #[derive(Clone, spakky::Table)]
    #[table(embedded)]
    struct Point {
        x: f64,
    }

    #[derive(Clone, spakky::Table, spakky::Mappable)]
    #[mappable(domain = Self)]
    struct OrderRow {
        #[table(id)]
        id: i64,
        #[table(flatten(prefix = "at_"))]
        at: Point,
    }

    let row = OrderRow { id: 1, at: Point { x: 1.0 } };
    let _ = (OrderRow::COLUMNS.at.x.name(), row.id, row.at.x);
}
