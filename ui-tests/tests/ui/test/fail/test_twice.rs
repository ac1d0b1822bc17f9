#[spakky::test]
#[test]
async fn name(_sessions: spakky::SessionManager) {}

fn main() {}
