//! Lists of the gateway, a page at a time: asked for by filters, and shown with how to go on.
//! It must not know what is listed.

use std::process::ExitCode;

use serde_json::Value;

use crate::cli::context::Context;
use crate::cli::table::encoded;

/// The address of a page of at most so many, with the filters that were given.
pub fn address(path: &str, limit: u32, filters: &[(&str, &Option<String>)]) -> String {
    let mut address = format!("{path}?limit={limit}");
    for (name, value) in filters {
        if let Some(value) = value {
            address.push_str(&format!("&{name}={}", encoded(value)));
        }
    }
    address
}

/// Shows a page as it came, or to people as this text.
pub fn show(page: &Value, text: &str, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    if context.json {
        context.value(page)?;
        return Ok(ExitCode::SUCCESS);
    }
    context.line(text)?;
    if let Some(cursor) = page["next_cursor"].as_str() {
        let more = context
            .lang
            .pick("there are more: --cursor", "还有更多：--cursor");
        context.line(&format!("\n{more} {cursor}"))?;
    }
    Ok(ExitCode::SUCCESS)
}
