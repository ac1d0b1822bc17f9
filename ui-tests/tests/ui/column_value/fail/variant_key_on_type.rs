use spakky::ColumnValue;

#[derive(ColumnValue)]
#[column(rename = "status")]
enum Status {
    Draft,
    Paid,
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
