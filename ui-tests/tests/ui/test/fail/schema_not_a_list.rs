#[spakky::test(schema = OrderRow)]
async fn name(_sessions: spakky::SessionManager) {}

fn main() {}
