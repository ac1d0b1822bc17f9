#[spakky::test(worker_threads = 2)]
async fn name(_sessions: spakky::SessionManager) {}

fn main() {}
