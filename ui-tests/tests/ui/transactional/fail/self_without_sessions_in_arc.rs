use std::sync::Arc;

use spakky::prelude::*;

struct Bank;

impl Bank {
    #[transactional(retry(attempts = 5))]
    async fn pay(self: Arc<Self>) -> Result<(), spakky::Error> {
        Ok(())
    }
}

fn main() {}
