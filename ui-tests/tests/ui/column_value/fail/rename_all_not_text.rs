use spakky::ColumnValue;

#[derive(ColumnValue)]
#[column(rename_all = snake_case)]
enum Status {
    Draft,
    Paid,
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
