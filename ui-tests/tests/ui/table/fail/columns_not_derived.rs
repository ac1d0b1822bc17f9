struct Address {
    street: String,
}

fn main() {
    fn columns<Row: spakky::schema::Columns>() {}
    columns::<Address>();
}
