//! Rules of the house that no compiler checks: who may depend on whom, how long a file may be, what must not be left
//! behind. It reads the sources as text and knows nothing of what they do.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Crate → the crates of this house that it may depend on. An arrow that is not here is not allowed.
const ARROWS: &[(&str, &[&str])] = &[
    ("wechat", &[]),
    ("wechat-sim", &["wechat"]),
    ("courier", &["wechat"]),
    ("store", &["courier"]),
    ("gateway", &["courier", "store", "wechat", "wechat-sim"]),
    ("bench", &["wechat-sim", "wechat"]),
];

/// Longer files are not read at one sitting.
const LINES_MAX: usize = 500;
const MAKEFILE_LINES_MAX: usize = 80;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the workspace")
}

fn files_below(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
            .to_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            files_below(&path, ending, found);
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    files_below(&root().join("crates"), ".rs", &mut found);
    assert!(
        found.len() > 50,
        "the sources are where they are looked for"
    );
    found
        .into_iter()
        .map(|path| (path.clone(), fs::read_to_string(path).expect("a source")))
        .collect()
}

fn own_dependencies(manifest: &toml::Table, table: &str) -> BTreeSet<String> {
    let dependencies = manifest.get(table).and_then(|value| value.as_table());
    dependencies
        .into_iter()
        .flat_map(toml::Table::keys)
        .filter_map(|name| name.strip_prefix("hongyan-").map(str::to_owned))
        .collect()
}

#[test]
fn crates_know_nothing_of_what_sits_above_them() {
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir(root().join("crates")).expect("crates/") {
        let folder = entry.expect("an entry").path();
        let name = folder
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name")
            .to_owned();
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest");
        let manifest: toml::Table = manifest.parse().expect("TOML");
        let (_, allowed) = ARROWS
            .iter()
            .find(|(of, _)| *of == name)
            .unwrap_or_else(|| panic!("{name} has no arrows"));
        let allowed: BTreeSet<String> = allowed.iter().map(|to| (*to).to_owned()).collect();
        let arrows = own_dependencies(&manifest, "dependencies");
        assert!(
            arrows.is_subset(&allowed),
            "{name} depends on {:?}",
            arrows.difference(&allowed)
        );
        let mut for_tests = allowed;
        for_tests.extend(["wechat-sim".to_owned(), name.clone()]);
        let arrows = own_dependencies(&manifest, "dev-dependencies");
        assert!(
            arrows.is_subset(&for_tests),
            "the tests of {name} depend on {:?}",
            arrows.difference(&for_tests)
        );
        seen.insert(name);
    }
    assert_eq!(seen.len(), ARROWS.len(), "every crate of the list exists");
}

#[test]
fn a_file_is_read_at_one_sitting() {
    let long: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| text.lines().count() > LINES_MAX)
        .map(|(path, _)| path)
        .collect();
    assert!(long.is_empty(), "over {LINES_MAX} lines: {long:?}");
    let makefile = fs::read_to_string(root().join("Makefile")).expect("the Makefile");
    assert!(
        makefile.lines().count() <= MAKEFILE_LINES_MAX,
        "the Makefile is over {MAKEFILE_LINES_MAX} lines"
    );
}

#[test]
fn every_file_says_what_it_is() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(path, _)| path)
        .collect();
    assert!(silent.is_empty(), "no module comment: {silent:?}");
}

#[test]
fn nothing_is_left_behind() {
    // Written in two halves, so that this file does not find itself.
    let marks = [
        "TO".to_owned() + "DO",
        "FIX".to_owned() + "ME",
        "X".to_owned() + "XX",
        "db".to_owned() + "g!",
    ];
    for (path, text) in sources() {
        for mark in &marks {
            assert!(
                !text.contains(mark.as_str()),
                "{mark} in {}",
                path.display()
            );
        }
    }
}

#[test]
fn no_crate_may_be_unsafe() {
    for (name, _) in ARROWS {
        let folder = root().join("crates").join(name).join("src");
        for entry in ["lib.rs", "main.rs"] {
            if let Ok(text) = fs::read_to_string(folder.join(entry)) {
                assert!(
                    text.contains("#![forbid(unsafe_code)]"),
                    "{name}/src/{entry} does not forbid unsafe code"
                );
            }
        }
    }
}
