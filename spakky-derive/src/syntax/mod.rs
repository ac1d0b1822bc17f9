//! Questions about syntax that several macros ask.

pub(crate) mod case;
pub(crate) mod ident;
pub(crate) mod input;
