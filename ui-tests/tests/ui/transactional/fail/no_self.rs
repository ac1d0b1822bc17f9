use spakky::prelude::*;

#[transactional]
async fn pay(amount: i64) -> Result<i64, spakky::Error> {
    Ok(amount)
}

fn main() {}
