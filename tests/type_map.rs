//! Every type of the type map, on both backends: what is stored comes back, is found again, and saved again is no change.

mod arrays;
mod documents;
mod enums;
mod key;
mod limits;
mod native;
mod place;
mod refused;
mod round_trip;
mod row;
mod sample;

use place::on_both;
