#[spakky::test(backend = mysql)]
async fn name(_sessions: spakky::SessionManager) {}

fn main() {}
