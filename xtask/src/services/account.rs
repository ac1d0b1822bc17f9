//! Users of this machine: who we are, and whom a server runs as that refuses to run as root.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::{Result, program};

/// A user that servers run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Account {
    user: u32,
    group: u32,
}

impl Account {
    /// The user for a server: `None` is the caller; for root it is the first of `names` that this machine has.
    pub(super) fn for_server(names: &[&str]) -> Result<Option<Self>> {
        if current_user()? != 0 {
            return Ok(None);
        }
        let users = fs::read_to_string("/etc/passwd").map_err(|error| format!("read `/etc/passwd`: {error}"))?;
        match names.iter().find_map(|name| Account::named(name, &users)) {
            Some(account) => Ok(Some(account)),
            None => {
                Err(format!("a server must not run as root, and there is no user `{}`", names.join("` or `")).into())
            }
        }
    }

    fn named(name: &str, users: &str) -> Option<Self> {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        let user = fields.next()?.parse().ok().filter(|user| *user != 0)?;
        Some(Account { user, group: fields.next()?.parse().ok()? })
    }

    /// Gives this user a file or folder.
    pub(super) fn own(self, path: &Path) -> Result<()> {
        let changed = chown(path, Some(self.user), Some(self.group));
        changed.map_err(|error| format!("give `{}` to user {}: {error}", path.display(), self.user).into())
    }

    /// Makes a command run as this user.
    pub(super) fn run(self, command: &mut Command) {
        command.uid(self.user).gid(self.group);
    }
}

/// The id of the user that runs this command.
pub(super) fn current_user() -> Result<u32> {
    let said = program::quiet(Command::new("id").arg("-u"))?;
    said.trim().parse().map_err(|_| format!("`id -u` said `{}`, which is no user id", said.trim()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str =
        "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65533::/:/bin/false\nodd\npostgres:x:101:104:,,,:/:/bin/sh\n";

    #[test]
    fn an_account_is_read_from_the_list_of_users() {
        assert_eq!(Account::named("postgres", USERS), Some(Account { user: 101, group: 104 }));
        assert_eq!(Account::named("nobody", USERS), Some(Account { user: 65534, group: 65533 }));
    }

    #[test]
    fn a_user_that_is_missing_or_broken_or_root_is_none() {
        assert_eq!(Account::named("post", USERS), None);
        assert_eq!(Account::named("odd", USERS), None);
        assert_eq!(Account::named("root", USERS), None);
    }
}
