use spakky::prelude::*;

#[derive(Clone, HasSessions)]
struct Bank {
    sessions: SessionManager,
}

impl Bank {
    #[transactional]
    fn pay(&self) -> impl Future<Output = Result<(), spakky::Error>> {
        async move { Ok(()) }
    }
}

fn main() {}
