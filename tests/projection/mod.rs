//! Read models.

mod load;
mod model;
mod nested;
mod round_trip;
mod scope;
mod start;
