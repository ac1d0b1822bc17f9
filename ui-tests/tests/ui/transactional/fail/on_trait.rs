use spakky::prelude::*;

#[transactional]
trait Pay {
    async fn pay(&self) -> Result<(), spakky::Error>;
}

fn main() {}
