#[spakky::test(schema = [u8], rollback = true)]
async fn name(_sessions: spakky::SessionManager) {}

fn main() {}
