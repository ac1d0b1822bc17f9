use spakky::Table;

#[derive(Clone, Table)]
#[table(embedded, filterable(street))]
struct Address {
    street: String,
}

fn main() {
    let _ = |address: Address| address.street;
}
