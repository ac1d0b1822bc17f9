use spakky::prelude::*;

#[derive(Clone, HasSessions)]
struct Bank {
    sessions: SessionManager,
}

impl Bank {
    #[transactional(timeout = "soon", isolation = high, deferrable)]
    fn pay(&self) -> Result<(), spakky::Error> {
        Ok(())
    }
}

fn main() {}
