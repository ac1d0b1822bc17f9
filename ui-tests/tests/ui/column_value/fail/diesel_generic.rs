use std::marker::PhantomData;

use spakky::ColumnValue;

#[derive(ColumnValue)]
#[column(diesel)]
struct Id<T>(i64, PhantomData<T>);

fn main() {}
