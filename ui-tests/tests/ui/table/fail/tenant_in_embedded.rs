use spakky::Table;

#[derive(Clone, Table)]
#[table(embedded, tenanted)]
struct Owner {
    #[table(tenant)]
    tenant: String,
}

fn main() {}
