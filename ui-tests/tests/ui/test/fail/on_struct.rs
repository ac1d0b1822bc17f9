#[spakky::test]
struct Name;

fn main() {}
