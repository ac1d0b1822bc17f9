use spakky::prelude::*;

async fn count(sessions: SessionManager) -> Result<i64, spakky::Error> {
    sessions.sql("SELECT count(*) FROM orders").fetch_one::<i64>().await
}

fn main() {}
