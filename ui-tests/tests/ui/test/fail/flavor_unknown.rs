#[spakky::test(flavor = "multi_threaded")]
async fn name(_sessions: spakky::SessionManager) {}

fn main() {}
