use spakky::ColumnValue;

#[derive(ColumnValue)]
enum Status<T> {
    Draft,
    #[column(other)]
    Unknown(T),
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status<String>>();
}
