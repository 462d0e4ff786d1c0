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

/// The manifest's tables of this kind: its own, and those for some targets only.
fn tables<'m>(manifest: &'m toml::Table, kind: &str) -> Vec<&'m toml::Table> {
    let of_targets = manifest.get("target").and_then(toml::Value::as_table);
    let of_targets = of_targets.into_iter().flat_map(toml::Table::values);
    of_targets
        .filter_map(toml::Value::as_table)
        .chain([manifest])
        .filter_map(|owner| owner.get(kind)?.as_table())
        .collect()
}

/// The crates of this house in the tables of this kind, under whatever name they are brought in.
fn own_dependencies(manifest: &toml::Table, kind: &str) -> BTreeSet<String> {
    let named = |(key, value): (&String, &toml::Value)| {
        let package = value.get("package").and_then(toml::Value::as_str);
        let name = package.unwrap_or(key).strip_prefix("hongyan-")?;
        Some(name.to_owned())
    };
    let tables = tables(manifest, kind).into_iter();
    tables.flatten().filter_map(named).collect()
}

fn manifest_in(folder: &Path) -> toml::Table {
    let text = fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest");
    text.parse().expect("TOML")
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
        let manifest = manifest_in(&folder);
        let (_, allowed) = ARROWS
            .iter()
            .find(|(of, _)| *of == name)
            .unwrap_or_else(|| panic!("{name} has no arrows"));
        let allowed: BTreeSet<String> = allowed.iter().map(|to| (*to).to_owned()).collect();
        let mut for_tests = allowed.clone();
        for_tests.extend(["wechat-sim".to_owned(), name.clone()]);
        for (kind, allowed) in [
            ("dependencies", &allowed),
            ("build-dependencies", &allowed),
            ("dev-dependencies", &for_tests),
        ] {
            let arrows = own_dependencies(&manifest, kind);
            assert!(
                arrows.is_subset(allowed),
                "the {kind} of {name} have {:?}",
                arrows.difference(allowed)
            );
        }
        seen.insert(name);
    }
    assert_eq!(seen.len(), ARROWS.len(), "every crate of the list exists");
}

/// The core knows WeChat's words and not its client: no feature of wechat's, least of all that one, is switched on.
#[test]
fn the_core_has_no_http_client() {
    let workspace = manifest_in(&root());
    let shared = &workspace["workspace"]["dependencies"]["hongyan-wechat"];
    let plain = |dependency: &toml::Value| dependency.get("features").is_none();
    let default = shared.get("default-features");
    assert!(
        plain(shared) && default.and_then(toml::Value::as_bool) == Some(false),
        "the workspace brings wechat in without features"
    );
    let courier = manifest_in(&root().join("crates/courier"));
    for kind in ["dependencies", "build-dependencies", "dev-dependencies"] {
        for dependency in tables(&courier, kind)
            .into_iter()
            .filter_map(|table| table.get("hongyan-wechat"))
        {
            let inherited = dependency.get("workspace").and_then(toml::Value::as_bool);
            assert!(
                inherited == Some(true)
                    && plain(dependency)
                    && dependency.get("default-features").is_none(),
                "courier's {kind} change wechat's features"
            );
        }
    }
    let features = courier.get("features").map(toml::Value::to_string);
    assert!(
        !features.unwrap_or_default().contains("hongyan-wechat"),
        "a feature of courier's switches one of wechat's on"
    );
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

/// Commands print what their user typed; everything else may end in a log.
#[test]
fn no_type_that_holds_an_openid_shows_it() {
    let personal = |line: &str| {
        let field = line.trim_start().trim_start_matches("pub ");
        ["openid:", "openids:", "touser:"]
            .iter()
            .any(|name| field.starts_with(name))
    };
    for (path, text) in sources() {
        let shown = path.display().to_string();
        let in_program = shown.contains("/src/") && !shown.contains("/wechat-sim/");
        if !in_program || shown.contains("/cli/") {
            continue;
        }
        for derived in text.split("#[derive(").skip(1) {
            let (traits, rest) = derived.split_once(')').expect("a list of traits");
            let fields = rest.split("\n}\n").next().unwrap_or_default();
            let held = fields.lines().find(|line| personal(line));
            if let Some(field) = held.filter(|_| traits.contains("Debug")) {
                panic!(
                    "{shown}: {}: `debug_without!` instead of Debug",
                    field.trim()
                );
            }
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

/// What a document links to, apart from addresses and places within itself.
fn links(text: &str) -> Vec<&str> {
    let (mut found, mut fenced) = (Vec::new(), false);
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        if fenced {
            continue;
        }
        let inline = line
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'));
        found.extend(inline.map(|(target, _)| target));
        if let Some((_, target)) = line.split_once("]: ").filter(|_| line.starts_with('[')) {
            found.push(target);
        }
    }
    found
        .into_iter()
        .filter_map(|target| target.split(['#', ' ']).next())
        .filter(|target| !target.is_empty() && !target.contains(':'))
        .collect()
}

#[test]
fn every_link_of_a_document_leads_to_a_file() {
    let mut documents = Vec::new();
    for folder in [root(), root().join("docs")] {
        let entries = fs::read_dir(folder).expect("a folder");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        documents.extend(paths.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    let (mut checked, mut dead) = (0, Vec::new());
    for document in documents {
        let text = fs::read_to_string(&document).expect("a document");
        let folder = document.parent().expect("its folder");
        for link in links(&text) {
            checked += 1;
            if !folder.join(link).exists() {
                dead.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(checked > 20, "the links are where they are looked for");
    assert!(dead.is_empty(), "links that lead nowhere: {dead:#?}");
}
