#[spakky::test(backends = sqlite)]
async fn name(_sessions: spakky::SessionManager) {}

fn main() {}
