use spakky::ColumnValue;

#[derive(ColumnValue)]
enum Status {
    #[column(rename_all = "lowercase")]
    Draft,
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
