#[spakky::test]
async fn name() {}

fn main() {}
