//! `cargo xtask services up | down | status`, of one release of PostgreSQL or of all.
//!
//! What a shell can evaluate goes to standard output, everything else to standard error:
//! `eval "$(cargo xtask services up)"` sets the variables.

use super::folder::Folder;
use super::release::Release;
use super::{Instance, Origin, Running, all, given, of, take_down};
use crate::Result;

/// Starts what is not running and prints where it is.
///
/// # Errors
/// When a service can neither be found nor started.
pub(crate) fn up(release: Release) -> Result<()> {
    for instance in Running::up(release)?.keep() {
        let how = match instance.origin {
            Origin::Given => {
                // The URL may hold a password, and whoever set it knows it.
                eprintln!("{}: named by `{}`; nothing is started", instance.name, instance.variable);
                continue;
            }
            Origin::Found => "was running",
            Origin::Started => "started",
        };
        eprintln!("{}: {how}", instance.name);
        println!("export {}={}", instance.variable, instance.url);
    }
    Ok(())
}

/// Stops what was started here, of this release or of all, and deletes its data.
///
/// # Errors
/// When a server does not stop, or its folder cannot be deleted.
pub(crate) fn down(release: Option<Release>) -> Result<()> {
    take_down(|service| release.is_none_or(|release| service.release() == release))?;
    for service in release.map_or_else(all, |release| of(release).into()) {
        eprintln!("{}: down", service.name());
    }
    Ok(())
}

/// Shows what is running, of this release or of all; of releases that are not installed only what runs, if none is named.
///
/// # Errors
/// When the folder of the services cannot be named.
pub(crate) fn status(release: Option<Release>) -> Result<()> {
    let folder = Folder::of_checkout()?;
    let mut running = Vec::new();
    for service in release.map_or_else(all, |release| of(release).into()) {
        let (name, variable) = (service.name(), service.variable());
        let (url, origin) = match given(service.as_ref()) {
            Some(url) => (Some(url), Origin::Given),
            None => (service.running(&folder.of_service(service.as_ref()), &running), Origin::Found),
        };
        match &url {
            // The URL may hold a password, and whoever set it knows it.
            Some(_) if origin == Origin::Given => println!("{name}: named by `{variable}`"),
            Some(url) => println!("{name}: running, {variable}={url}"),
            None if service.release() == Release::Installed => {
                println!("{name}: not running; `cargo xtask services up` starts it");
            }
            None if release.is_some() => println!("{name}: not running"),
            None => {}
        }
        running.extend(url.map(|url| Instance { name, variable, url, origin }));
    }
    Ok(())
}
