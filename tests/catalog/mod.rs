//! What cannot be read back is not written, and keys are equal as the database finds them.

mod equal;
mod kept;
mod write;
