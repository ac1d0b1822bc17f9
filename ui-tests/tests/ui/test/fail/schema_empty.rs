#[spakky::test(schema = [])]
async fn name(_sessions: spakky::SessionManager) {}

fn main() {}
