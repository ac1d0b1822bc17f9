#[spakky::test(backend = sqlite, backend = postgres)]
async fn name(_sessions: spakky::SessionManager) {}

fn main() {}
