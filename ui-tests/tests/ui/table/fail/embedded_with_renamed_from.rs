use spakky::Table;

#[derive(Clone, Table)]
#[table(embedded, renamed_from = "address")]
struct Address {
    street: String,
}

fn main() {
    fn columns<Row: spakky::schema::Columns>() {}
    columns::<Address>();
}
