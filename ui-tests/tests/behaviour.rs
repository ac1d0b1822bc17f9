//! What derived code does, without a database.

mod behaviour {
    mod column_value;
    mod mappable;
    mod table;
}
