#[spakky::test]
async fn name<T>(_sessions: spakky::SessionManager, _value: T) {}

fn main() {}
