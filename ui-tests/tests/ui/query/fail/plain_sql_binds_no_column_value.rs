use spakky::prelude::*;

struct Place;

async fn count(session: &Session) -> Result<Vec<(i64,)>, spakky::Error> {
    session.sql("SELECT count(*) FROM orders WHERE place = :1").bind(Place).fetch_all().await
}

fn main() {}
