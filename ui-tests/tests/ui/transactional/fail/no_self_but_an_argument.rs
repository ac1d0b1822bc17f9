use spakky::prelude::*;

#[transactional]
async fn pay(database: &SessionManager) -> Result<bool, spakky::Error> {
    Ok(database.current().is_ok())
}

fn main() {}
