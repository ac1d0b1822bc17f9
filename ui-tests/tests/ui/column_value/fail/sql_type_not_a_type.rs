use spakky::ColumnValue;

#[derive(ColumnValue)]
#[column(sql_type = "inet")]
struct Address(u32);

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Address>();
}
