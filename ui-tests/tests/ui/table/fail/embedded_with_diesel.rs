use spakky::Table;

#[derive(Clone, Table)]
#[table(embedded, diesel)]
struct Address {
    street: String,
}

fn main() {}
