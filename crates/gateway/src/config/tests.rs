//! A configuration in a directory and an environment of its own, for the tests below this one.
//! They assert what a person reads, word for word.

use super::layers::Sources;
use super::{Config, load};

mod layering;
mod secrets;
mod values;

struct Place(tempfile::TempDir, Sources);

/// A directory with these files, and this environment.
fn place(files: &[(&str, &str)], environment: &[(&str, &str)]) -> Place {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    let sources = Sources {
        directory: directory.path().to_owned(),
        environment: environment
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect(),
        ..Sources::default()
    };
    Place(directory, sources)
}

impl Place {
    fn load(&self) -> Config {
        load(&self.1)
            .unwrap_or_else(|problems| panic!("{problems}"))
            .config
    }

    /// The problems without the directory's name, one a line.
    fn problems(&self) -> String {
        let problems = load(&self.1).expect_err("there should be problems");
        let lines: Vec<String> = problems.0.iter().map(ToString::to_string).collect();
        lines
            .join("\n")
            .replace(&format!("{}/", self.0.path().display()), "")
    }
}

fn check(profile: &str, toml: &str, expected: &[&str]) {
    let place = place(&[("hongyan.toml", toml)], &[("HONGYAN_PROFILE", profile)]);
    assert_eq!(
        place.problems().lines().collect::<Vec<_>>(),
        expected,
        "{profile}: {toml}"
    );
}

const CLINIC: &str = r#"
[[accounts]]
name = "clinic"
appid = "wx0123456789abcdef"
secret = "env:CLINIC_SECRET"
"#;
