#[spakky::test(rollback)]
async fn name(_sessions: spakky::SessionManager) {}

fn main() {}
