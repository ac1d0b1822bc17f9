use spakky::ColumnValue;

struct Inet;

#[derive(ColumnValue)]
#[column(sql_type = Inet)]
struct Address<T>(T);

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Address<i64>>();
}
