//! What `#[spakky::test]` calls.

pub use crate::Backend;
pub use crate::schema::SchemaRegistry;
pub use crate::testing::TestArgument;
pub use crate::testing::run::{Setup, run};
