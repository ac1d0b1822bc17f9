use spakky::prelude::*;

#[derive(Clone, HasSessions)]
struct Bank {
    sessions: SessionManager,
}

impl Bank {
    #[transactional]
    async fn pay(&self) -> () {
        println!("paid");
    }
}

fn main() {}
