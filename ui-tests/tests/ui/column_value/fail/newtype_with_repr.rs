use spakky::ColumnValue;

#[derive(ColumnValue)]
#[column(repr = i16, rename_all = "lowercase")]
struct Status(i16);

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
