//! No dependency is of a version with a known flaw: neither those that are locked, nor the oldest that a user's own lock file
//! may hold.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use semver::{Comparator, Op, Version, VersionReq};
use toml::{Table, Value};

struct Advisory {
    id: String,
    package: String,
    good: Vec<VersionReq>,
}

impl Advisory {
    fn affects(&self, version: &Version) -> bool {
        !self.good.iter().any(|good| good.matches(version))
    }
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(file: &str) -> Table {
    let text = std::fs::read_to_string(workspace().join(file)).unwrap();
    text.parse().unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap().to_owned()
}

fn advisories() -> Vec<Advisory> {
    let table = read("deny/advisories.toml");
    let list = table["advisory"].as_array().unwrap();
    let requirements = |entry: &Value, key: &str| -> Vec<VersionReq> {
        let found = entry.get(key).and_then(Value::as_array).into_iter().flatten();
        found.map(|requirement| VersionReq::parse(requirement.as_str().unwrap()).unwrap()).collect()
    };
    list.iter()
        .map(|entry| {
            let mut good = requirements(entry, "patched");
            good.extend(requirements(entry, "unaffected"));
            Advisory { id: text(entry, "id"), package: text(entry, "package"), good }
        })
        .collect()
}

/// The versions of each package in the lock file.
fn locked() -> BTreeMap<String, BTreeSet<Version>> {
    let mut locked = BTreeMap::<String, BTreeSet<Version>>::new();
    for package in read("Cargo.lock")["package"].as_array().unwrap() {
        let version = Version::parse(&text(package, "version")).unwrap();
        locked.entry(text(package, "name")).or_default().insert(version);
    }
    locked
}

/// The oldest version that a requirement takes.
fn oldest(requirement: &str) -> Version {
    let requirement = VersionReq::parse(requirement).unwrap();
    let bound = |comparator: &Comparator| match comparator.op {
        Op::Less | Op::LessEq => None,
        _ => Some(Version::new(comparator.major, comparator.minor.unwrap_or(0), comparator.patch.unwrap_or(0))),
    };
    requirement.comparators.iter().filter_map(bound).max().unwrap_or(Version::new(0, 0, 0))
}

#[test]
fn no_locked_version_has_a_known_flaw() {
    let locked = locked();
    for advisory in advisories() {
        let versions = locked.get(&advisory.package);
        // What is not there any more is taken out of the list.
        let versions = versions.unwrap_or_else(|| panic!("{}: no `{}` is locked", advisory.id, advisory.package));
        for version in versions {
            assert!(!advisory.affects(version), "{}: `{} {version}` is locked", advisory.id, advisory.package);
        }
    }
}

#[test]
fn no_oldest_version_that_is_allowed_has_a_known_flaw() {
    let manifest = read("Cargo.toml");
    let dependencies = manifest["workspace"]["dependencies"].as_table().unwrap();
    for advisory in advisories() {
        let Some(dependency) = dependencies.get(&advisory.package) else { continue };
        let requirement = dependency.as_str().or_else(|| dependency.get("version")?.as_str()).unwrap();
        let version = oldest(requirement);
        let (id, package) = (&advisory.id, &advisory.package);
        assert!(!advisory.affects(&version), "{id}: `{package} = \"{requirement}\"` takes {version}; raise it");
    }
}

#[test]
fn the_oldest_version_is_that_of_the_requirement() {
    for (requirement, expected) in
        [("1", "1.0.0"), ("0.23", "0.23.0"), ("~2.3.14", "2.3.14"), (">=0.36, <0.39", "0.36.0"), ("=1.2.3", "1.2.3")]
    {
        assert_eq!(oldest(requirement), Version::parse(expected).unwrap());
    }
}
