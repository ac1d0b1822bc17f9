//! Support for tests, of this library and of programs that use it (feature `testing`): databases of a test's own, what the
//! sessions of one sent, and a proxy that counts round trips and breaks lines.

pub mod database;
mod in_memory;
#[cfg(feature = "postgres")]
pub mod proxy;
pub mod recorder;
pub(crate) mod run;
mod shared;

pub use database::TestDatabase;
pub use in_memory::in_memory;
pub use recorder::{Recorded, Recorder};
pub use run::{TestArgument, TestContext};
