//! What GitHub Actions takes from a step: outputs for the next ones, and a summary for people.

use super::stages::variable;
use crate::deploy::apply::Receipt;
use crate::deploy::options::StageOptions;
use crate::release::DEFAULT_DISTRIBUTION;
use std::fs::OpenOptions;
use std::io::Write as _;

/// Writes both, where the environment names files for them.
pub(super) fn report(receipt: &Receipt, options: &StageOptions) -> Result<(), String> {
    // The site's own, before those of its other parts.
    let own = options.distributions.get(DEFAULT_DISTRIBUTION).into_iter().chain(options.distributions.values());
    let url = own.filter_map(|one| one.url.clone()).next().unwrap_or_default();
    if let Some(file) = variable("GITHUB_OUTPUT") {
        append(&file, &outputs(receipt, &url))?;
    }
    if let Some(file) = variable("GITHUB_STEP_SUMMARY") {
        append(&file, &summary(receipt, &url))?;
    }
    Ok(())
}

fn append(file: &str, text: &str) -> Result<(), String> {
    let opened = OpenOptions::new().append(true).create(true).open(file);
    opened.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| format!("`{file}` cannot be written: {error}"))
}

fn changed(receipt: &Receipt) -> usize {
    receipt.uploaded + receipt.copied
}

fn outputs(receipt: &Receipt, url: &str) -> String {
    let document = receipt.json();
    let items = document["invalidation"]["items"].as_array().into_iter().flatten().filter_map(|item| item.as_str());
    let items: Vec<&str> = items.collect();
    format!(
        "stage={}\nrelease={}\nprevious={}\nchanged={}\ndeleted={}\npaths={}\ninvalidation-id={}\ninvalidation-status={}\nurl={url}\n",
        receipt.stage,
        receipt.release,
        receipt.previous.as_deref().unwrap_or_default(),
        changed(receipt),
        receipt.removed,
        items.join(" "),
        document["invalidation"]["id"].as_str().unwrap_or_default(),
        document["invalidation"]["status"].as_str().unwrap_or_default(),
    )
}

fn summary(receipt: &Receipt, url: &str) -> String {
    let mut text = format!("### {} to {}: release `{}`\n\n", receipt.kind.name(), receipt.stage, receipt.release);
    if !url.is_empty() {
        text.push_str(&format!("{url}\n\n"));
    }
    text.push_str("| before | sent | copied | removed | unchanged |\n|---|---|---|---|---|\n");
    text.push_str(&format!(
        "| `{}` | {} | {} | {} | {} |\n\n",
        receipt.previous.as_deref().unwrap_or("nothing"),
        receipt.uploaded,
        receipt.copied,
        receipt.removed,
        receipt.unchanged
    ));
    for (name, purged) in &receipt.purged {
        let state = if purged.is_complete { "complete" } else { "not seen complete yet" };
        text.push_str(&format!("Invalidation of {name}, {state}:\n\n"));
        for item in purged.items.iter().take(50) {
            text.push_str(&format!("- `{item}`\n"));
        }
        text.push('\n');
    }
    for page in &receipt.verified.stale {
        text.push_str(&format!("- still stale at the edge: `{page}`\n"));
    }
    text
}
