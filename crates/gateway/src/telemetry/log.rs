//! Log lines to standard error: text for people, JSON for machines; inside a request each carries its trace id.
//! It must not know what is logged; the filter comes in as text.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::mask::Masking;

/// The variable that holds the filter, such as `debug` or `hongyan_gateway=debug,info`.
pub const FILTER_VARIABLE: &str = "HONGYAN_LOG";
/// The variable that lets openids stand in the log, with the word below; in dev alone.
pub const OPENIDS_VARIABLE: &str = "HONGYAN_LOG_OPENIDS";
/// That word.
pub const OPENIDS_SHOWN: &str = "shown";
const FILTER_DEFAULT: &str = "info";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// Whether openids may stand in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Openids {
    Masked,
    Shown,
}

/// Without a wish: text on a terminal, JSON elsewhere. Called once by `main`'s command; a filter that cannot be read
/// is an error, and so is a second call.
pub fn install(
    format: Option<LogFormat>,
    filter: Option<&str>,
    openids: Openids,
) -> anyhow::Result<()> {
    let terminal = std::io::stderr().is_terminal();
    let format = format.unwrap_or(if terminal {
        LogFormat::Text
    } else {
        LogFormat::Json
    });
    let filter = parse_filter(filter)?;
    let subscriber = match openids {
        Openids::Shown => subscriber(format, filter, terminal, std::io::stderr),
        Openids::Masked => subscriber(format, filter, terminal, Masking(std::io::stderr)),
    };
    tracing::subscriber::set_global_default(subscriber)?;
    Ok(())
}

fn parse_filter(filter: Option<&str>) -> anyhow::Result<EnvFilter> {
    let text = filter
        .filter(|text| !text.is_empty())
        .unwrap_or(FILTER_DEFAULT);
    EnvFilter::try_new(text)
        .map_err(|error| anyhow::anyhow!("{FILTER_VARIABLE}: {text:?} is not a filter: {error}"))
}

fn subscriber<W>(
    format: LogFormat,
    filter: EnvFilter,
    colour: bool,
    writer: W,
) -> Box<dyn tracing::Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(colour)
        // It would be told on standard error, and a panic follows where that is what failed: whoever reads the log may end.
        .log_internal_errors(false);
    match format {
        LogFormat::Text => Box::new(builder.finish()),
        // The list of spans, not the innermost one: the trace id is on the outermost.
        LogFormat::Json => Box::new(
            builder
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(true)
                .finish(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(format, parse_filter(None).unwrap(), false, move || {
            writer.clone()
        });
        tracing::subscriber::with_default(subscriber, || {
            let _request = tracing::info_span!("request", trace_id = "4bf9").entered();
            let _inner = tracing::info_span!("inner").entered();
            tracing::info!(account = "clinic", "token fetched");
            tracing::debug!("not at the default level");
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_inside_a_request_carries_its_trace_id() {
        let line: serde_json::Value = serde_json::from_str(&logged(LogFormat::Json)).unwrap();
        assert_eq!(
            (&line["message"], &line["account"]),
            (&"token fetched".into(), &"clinic".into())
        );
        assert_eq!(line["spans"][0]["trace_id"], "4bf9");
        let text = logged(LogFormat::Text);
        assert!(
            text.contains("trace_id=\"4bf9\"") && text.lines().count() == 1,
            "{text}"
        );
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_an_error() {
        assert!(parse_filter(Some("debug,hyper=warn")).is_ok() && parse_filter(Some("")).is_ok());
        assert!(
            parse_filter(Some("a=b=c"))
                .unwrap_err()
                .to_string()
                .starts_with("HONGYAN_LOG: ")
        );
    }
}
