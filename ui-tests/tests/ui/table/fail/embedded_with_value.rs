use spakky::Table;

#[derive(Clone, Table)]
#[table(embedded = true)]
struct Address {
    #[table(id)]
    street: String,
}

fn main() {
    fn columns<Row: spakky::schema::Columns>() {}
    columns::<Address>();
}
