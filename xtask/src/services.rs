//! The servers that tests talk to: private ones, started on demand on this machine, with nothing to set up.
//!
//! Each server is a [`Service`] in a file of its own, listed in [`all`]. It lives in a folder below the system's
//! temporary folder, one per checkout, so that two checkouts never share a server. A URL in the service's environment
//! variable wins: then that server is used and nothing is started. That holds for the installed PostgreSQL; other releases
//! are asked for by name, and always started here.

mod account;
pub(crate) mod command;
mod folder;
mod install;
mod pgbouncer;
mod port;
mod postgres;
mod process;
mod release;

use std::path::Path;

use folder::Folder;
use pgbouncer::PgBouncer;
use postgres::Postgres;

use crate::Result;

pub(crate) use postgres::Binaries;
pub(crate) use release::Release;

/// A server that tests talk to. Each call holds the lock of the folder.
trait Service {
    /// Its name, which is also its folder below the folder of the services.
    fn name(&self) -> &'static str;

    /// The release of PostgreSQL that it is, or is in front of.
    fn release(&self) -> Release;

    /// The environment variable that tells tests where it is.
    fn variable(&self) -> &'static str;

    /// Its URL, if it runs out of this folder, accepts connections and works with the services before it.
    fn running(&self, folder: &Path, earlier: &[Instance]) -> Option<String>;

    /// Starts it on a free port and waits until it accepts connections. The folder is empty; the services before it of its
    /// release run.
    fn start(&self, folder: &Path, earlier: &[Instance]) -> Result<String>;

    /// Stops it, if it runs out of this folder, however sick it is.
    fn stop(&self, folder: &Path) -> Result<()>;
}

/// The services of a release, in the order in which they start.
fn of(release: Release) -> [Box<dyn Service>; 2] {
    [Box::new(Postgres { release }), Box::new(PgBouncer { release })]
}

/// Every service.
fn all() -> Vec<Box<dyn Service>> {
    Release::ALL.into_iter().flat_map(of).collect()
}

/// Where a service came from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Named by the environment.
    Given,
    /// Running before, out of the folder.
    Found,
    /// Started just now.
    Started,
}

/// A service that runs.
struct Instance {
    name: &'static str,
    variable: &'static str,
    url: String,
    origin: Origin,
}

/// Running services. Those that were started by [`Running::up`] stop when this is dropped.
pub(crate) struct Running {
    release: Release,
    instances: Vec<Instance>,
}

impl Running {
    /// Brings every service of a release up.
    ///
    /// # Errors
    /// When one can neither be found nor started; those started before it are stopped again.
    pub(crate) fn up(release: Release) -> Result<Self> {
        let folder = Folder::of_checkout()?;
        let mut running = Running { release, instances: Vec::new() };
        for service in of(release) {
            let instance = bring_up(&folder, service.as_ref(), &running.instances)?;
            running.instances.push(instance);
        }
        Ok(running)
    }

    /// The environment variables that tell tests where the services are.
    pub(crate) fn environment(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.instances.iter().map(|instance| (instance.variable, instance.url.as_str()))
    }

    /// The URL of the PostgreSQL server.
    pub(crate) fn postgres(&self) -> Result<&str> {
        url_of(&Postgres { release: self.release }, &self.instances)
    }

    /// Stops and deletes what was started.
    ///
    /// # Errors
    /// When a server does not stop, or its folder cannot be deleted.
    pub(crate) fn down(self) -> Result<()> {
        let found = self.instances.iter().filter(|instance| instance.origin == Origin::Found);
        for instance in found {
            eprintln!("{} was running before and still is; `cargo xtask services down` stops it", instance.name);
        }
        stop_started(&self.keep())
    }

    /// Leaves what was started running.
    fn keep(mut self) -> Vec<Instance> {
        std::mem::take(&mut self.instances)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Err(error) = stop_started(&self.instances) {
            eprintln!("warning: stop the services: {error}");
        }
    }
}

fn stop_started(instances: &[Instance]) -> Result<()> {
    take_down(|service| {
        let mut started = instances.iter().filter(|instance| instance.origin == Origin::Started);
        started.any(|instance| instance.name == service.name())
    })
}

fn bring_up(folder: &Folder, service: &dyn Service, earlier: &[Instance]) -> Result<Instance> {
    let instance = |url, origin| Instance { name: service.name(), variable: service.variable(), url, origin };
    if let Some(url) = given(service) {
        return Ok(instance(url, Origin::Given));
    }
    let _locked = folder.lock()?;
    let home = folder.of_service(service);
    if let Some(url) = service.running(&home, earlier) {
        return Ok(instance(url, Origin::Found));
    }
    // What a server left that did not stop by itself is of no use: it never wrote anything durably.
    service.stop(&home)?;
    folder.empty(service)?;
    Ok(instance(service.start(&home, earlier)?, Origin::Started))
}

/// Stops and deletes the services that `which` picks, and the folder with the last of them.
fn take_down(which: impl Fn(&dyn Service) -> bool) -> Result<()> {
    let picked = all().into_iter().rev().filter(|service| which(service.as_ref())).collect::<Vec<_>>();
    if picked.is_empty() {
        return Ok(());
    }
    let folder = Folder::of_checkout()?;
    let locked = folder.lock()?;
    for service in picked {
        service.stop(&folder.of_service(service.as_ref()))?;
        folder.delete(service.as_ref())?;
    }
    locked.delete_if_unused();
    Ok(())
}

/// The URL of a service that runs.
fn url_of<'a>(service: &dyn Service, running: &'a [Instance]) -> Result<&'a str> {
    let found = running.iter().find(|instance| instance.name == service.name());
    found.map(|instance| instance.url.as_str()).ok_or_else(|| format!("{} is not running", service.name()).into())
}

/// The URL that the environment names.
fn given(service: &dyn Service) -> Option<String> {
    if service.release() != Release::Installed {
        return None;
    }
    std::env::var(service.variable()).ok().filter(|url| !url.trim().is_empty())
}
