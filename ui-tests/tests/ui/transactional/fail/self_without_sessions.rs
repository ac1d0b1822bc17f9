use spakky::prelude::*;

struct Bank;

impl Bank {
    #[transactional]
    async fn pay(&self) -> Result<(), spakky::Error> {
        Ok(())
    }
}

fn main() {}
