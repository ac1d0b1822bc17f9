//! Read models.

mod load;
mod model;
mod round_trip;
mod scope;
mod start;
