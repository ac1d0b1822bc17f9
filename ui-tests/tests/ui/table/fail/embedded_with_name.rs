use spakky::Table;

#[derive(Clone, Table)]
#[table(embedded, name = "addresses", index(street))]
struct Address {
    street: String,
}

fn main() {
    fn columns<Row: spakky::schema::Columns>() {}
    columns::<Address>();
}
