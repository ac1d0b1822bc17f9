#[spakky::test]
fn name(_sessions: spakky::SessionManager) {}

fn main() {}
