use spakky::Table;

#[derive(Clone, Table)]
#[table(embedded)]
struct Address {
    #[table(colum = "road")]
    street: String,
}

#[derive(Clone, Table)]
#[table(nme = "orders", unique(ship.street))]
struct OrderRow {
    #[table(id)]
    id: i64,
    #[table(flatten(prefx = "ship_"))]
    ship: Address,
}

#[derive(Clone, Table)]
struct LineRow {
    #[table(id)]
    id: i64,
    #[table(references(OrderRow))]
    order: i64,
}

fn main() {
    fn row<Row: spakky::schema::Table<Id = i64>>() {}
    row::<OrderRow>();
    row::<LineRow>();
    let _ = OrderRow::COLUMNS.ship.street.name();
    let _ = OrderRow::UQ_SHIP_STREET;
}
