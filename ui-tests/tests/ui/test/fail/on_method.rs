struct Tests;

impl Tests {
    #[spakky::test]
    async fn name(&self) {}
}

fn main() {}
