//! Read models.

mod computed;
mod load;
mod model;
mod nested;
mod order;
mod page;
mod round_trip;
mod scope;
mod start;
