//! The pool: how many connections there are, how old, and what is left on them.

mod limit;
mod load;
mod overflow;
mod renewal;
mod setting;
mod unannounced;
