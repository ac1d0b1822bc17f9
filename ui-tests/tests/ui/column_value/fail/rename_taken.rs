use spakky::ColumnValue;

#[derive(ColumnValue)]
enum Status {
    Draft,
    #[column(rename = "draft")]
    Paid,
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
