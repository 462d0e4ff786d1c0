//! `include`: documents of a configuration centre, Nacos or Consul, that hold a part of the configuration. They are layers
//! over its files and under the environment, and are watched. It must not know what is in them.

use secrecy::ExposeSecret;

use crate::config::layers::{self, Layer, Layers, Sources};
use crate::config::problem::{Findings, Problem, Problems};
use crate::config::profile::Profile;
use crate::config::secret_sources::SecretSources;
use crate::config::wiped::Wiped;
use crate::config::{Gathered, Loaded, keyring, keys};
use crate::secrets::keyring::Keyring;
use crate::secrets::reference::{Scheme, SecretRef};

/// The key that names them.
pub const INCLUDE: &str = "include";
/// Each is asked for whenever something changes.
const DOCUMENTS_MAX: usize = 16;

/// Reads configurations with what they include, and waits for a change of that.
#[derive(Default)]
pub struct Centre {
    at: Option<Reached>,
}

/// How the documents of one configuration are reached: while this is the same, their sources go on as they are.
struct Reached {
    described: String,
    keyring: Keyring,
    references: Vec<SecretRef>,
}

/// What the layers at hand say of documents.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) references: Vec<SecretRef>,
    sources: SecretSources,
    /// Where they are named.
    layer: Option<String>,
}

impl Centre {
    /// The configuration as it is now.
    pub async fn load(&mut self, sources: &Sources) -> Result<Loaded, Problems> {
        let gathered = Gathered::read(sources)?;
        let wanted = wanted(&gathered)?;
        if wanted.references.is_empty() {
            self.at = None;
            return gathered.finish(Vec::new());
        }
        let reached = self.reach(&wanted, gathered.profile, sources)?;
        let documents = reached.read(wanted.layer.as_deref()).await?;
        gathered.finish(documents)
    }

    /// Returns once a document may be another one than when it was last read.
    pub async fn changed(&self) {
        match &self.at {
            Some(reached) => reached.keyring.changed(&reached.references).await,
            None => std::future::pending().await,
        }
    }

    fn reach(
        &mut self,
        wanted: &Wanted,
        profile: Profile,
        sources: &Sources,
    ) -> Result<&Reached, Problems> {
        let described = wanted.sources.description();
        let described = format!("{:?} {profile} {described}", wanted.references);
        let known = self.at.take_if(|at| at.described == described);
        let reached = match known {
            Some(known) => known,
            None => {
                let near = keyring::near(profile, &sources.environment);
                let schemes = keyring::schemes(&wanted.references);
                Reached {
                    described,
                    keyring: keyring::with(near, schemes, &wanted.sources)?,
                    references: wanted.references.clone(),
                }
            }
        };
        Ok(self.at.insert(reached))
    }
}

impl Reached {
    /// The documents in their order, each a layer called like its reference.
    async fn read(&self, named_in: Option<&str>) -> Result<Vec<Layer>, Problems> {
        let mut findings = Findings::default();
        let named_in = named_in.map(|layer| (INCLUDE.to_owned(), layer.to_owned()));
        findings.layers.extend(named_in);
        let mut documents = Vec::with_capacity(self.references.len());
        for reference in &self.references {
            let text = match self.keyring.document(reference).await {
                Ok(text) => text,
                Err(error) => {
                    findings.unread(INCLUDE, &error);
                    continue;
                }
            };
            let label = reference.to_string();
            let document = layers::parse(label, text.expose_secret(), &mut findings);
            documents.extend(document);
        }
        for document in &mut documents {
            refuse_what_files_say(document, &mut findings);
        }
        match findings.problems.is_empty() {
            true => Ok(documents),
            false => Err(Problems(findings.problems)),
        }
    }
}

/// Whoever may write a document is not to say where the gateway takes its secrets and other documents from, nor could it
/// be heeded for the document itself.
fn refuse_what_files_say(document: &mut Layer, findings: &mut Findings) {
    for key in [INCLUDE].into_iter().chain(SecretSources::SECTIONS) {
        if document.table.remove(key).is_some() {
            findings.problems.push(Problem {
                key: key.to_owned(),
                layer: Some(document.label.clone()),
                text: "belongs in a file: it says how documents and secrets are reached".to_owned(),
                away: false,
            });
        }
    }
}

/// Which documents the layers at hand name, and how these are reached.
pub(super) fn wanted(gathered: &Gathered) -> Result<Wanted, Problems> {
    let mut findings = Findings::default();
    let mut table = Wiped::default();
    let Layers { files, outside } = &gathered.layers;
    for layer in files.iter().chain(outside) {
        let mut part = Layer {
            label: layer.label.clone(),
            table: Wiped::default(),
        };
        for key in [INCLUDE].into_iter().chain(SecretSources::SECTIONS) {
            let value = layer.table.get(key).cloned();
            part.table
                .extend(value.map(|value| (key.to_owned(), value)));
        }
        keys::keep_known(&mut part, &mut findings);
        layers::merge(&mut table, part, &mut findings);
    }
    let sources = SecretSources::read(&table, &mut findings);
    let Some(included) = table.remove(INCLUDE) else {
        // What else is wrong is told of with the rest.
        return Ok(Wanted {
            references: Vec::new(),
            sources,
            layer: None,
        });
    };
    sources.check(gathered.profile, &mut findings);
    let references = references(included, &mut findings);
    match findings.problems.is_empty() {
        true => Ok(Wanted {
            references,
            sources,
            layer: findings.layers.remove(INCLUDE),
        }),
        false => Err(Problems(findings.problems)),
    }
}

fn references(included: toml::Value, findings: &mut Findings) -> Vec<SecretRef> {
    let named = match included {
        toml::Value::Array(values) => values,
        one => vec![one],
    };
    if named.len() > DOCUMENTS_MAX {
        let count = named.len();
        findings.problem(
            INCLUDE,
            format!("names {count} documents; at most {DOCUMENTS_MAX} may be included"),
        );
    }
    let parsed = named
        .iter()
        .map(|value| SecretRef::parse(value.as_str()?).ok());
    let known = parsed.map(|reference| {
        reference.filter(|reference| {
            matches!(
                reference,
                SecretRef::Kept { scheme: Scheme::Nacos | Scheme::Consul, place } if !place.contains('#')
            )
        })
    });
    let known: Option<Vec<_>> = known.collect();
    known.unwrap_or_else(|| {
        findings.problem(
            INCLUDE,
            "is a list of whole documents, such as [\"nacos:GROUP/DATA_ID\", \"consul:PATH\"]",
        );
        Vec::new()
    })
}
