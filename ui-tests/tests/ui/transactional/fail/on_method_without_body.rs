use spakky::prelude::*;

trait Pay: HasSessions {
    #[transactional]
    async fn pay(&self) -> Result<(), spakky::Error>;
}

fn main() {}
