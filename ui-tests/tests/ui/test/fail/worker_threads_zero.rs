#[spakky::test(flavor = "multi_thread", worker_threads = 0)]
async fn name(_sessions: spakky::SessionManager) {}

fn main() {}
