//! The project's functions: which there are, which decides the site's URLs, and what it decides.

use crate::config::Config;
use crate::edge::{self, Bundle, Emulator, Event, Inputs, KeyValues, Last, Levels, Outcome, RunError, Runtime, Tracer};
use crate::release::{DEFAULT_DISTRIBUTION, Function};
use crate::site::{Resolve, Target};
use crate::source::{CONFIG_FILE, Diagnostic, SourcePath, Sources, Span, near};
use base64::Engine as _;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The folder of functions.
pub const FUNCTIONS: &str = "functions";

/// What a module of a function imports to have the site's aliases.
pub const REDIRECTS: &str = "qdn:redirects";

/// The function that decides the site's URLs.
#[derive(Clone, Debug)]
pub struct Edge {
    function: Function,
    runtime: Runtime,
    written: Option<Arc<Written>>,
}

/// What a function was made of, to show where it throws.
struct Written {
    map: String,
    entry: SourcePath,
    sources: Sources,
    modules: BTreeMap<String, String>,
}

impl std::fmt::Debug for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Written({})", self.entry)
    }
}

/// A function that is loaded, or the reason why it cannot be.
pub struct Runner(Result<Emulator, RunError>, Option<Arc<Written>>);

impl Edge {
    /// Bundled code, wherever it comes from.
    pub(super) fn of(code: &str, runtime: Runtime) -> Self {
        let function = Function { name: String::new(), runtime: runtime.name().to_owned(), code: code.into() };
        Self { function, runtime, written: None }
    }

    /// The function, ready to run in this thread.
    pub fn emulator(&self) -> Runner {
        Runner(Emulator::load(&self.function.code, self.runtime, KeyValues::default()), self.written.clone())
    }
}

impl Runner {
    /// What the function does with one event, many of which are to be tried: see [`Emulator::decide`].
    pub(super) fn decide(&mut self, event: &Event) -> Outcome {
        match &mut self.0 {
            Ok(emulator) => emulator.decide(event),
            Err(error) => Outcome::failed(error.clone()),
        }
    }

    /// Runs the function for one event. What it throws is shown in the sources, where they are known.
    pub fn run(&mut self, event: &Event) -> Outcome {
        let mut outcome = match &mut self.0 {
            Ok(emulator) => emulator.run(event),
            Err(error) => Outcome::failed(error.clone()),
        };
        if let (Some(error), Some(written)) = (&outcome.error, &self.1)
            && !outcome.trace.is_empty()
        {
            let tracer = Tracer::new(&written.map, &written.entry, &written.sources, &written.modules);
            let problem = tracer.explain(error, &outcome.trace);
            outcome.shown = problem.place.is_some().then(|| crate::source::render(&[problem], &written.sources, false));
        }
        outcome
    }
}

/// All functions of a project, bundled.
pub(super) struct Functions {
    pub(super) functions: Vec<Function>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Whose URLs which function decides.
    pub(super) viewer_request: BTreeMap<String, String>,
    pub(super) edge: Option<Edge>,
    /// The function that sees which distribution's answers.
    pub(super) viewer_response: BTreeMap<String, String>,
    pub(super) response_edge: Option<Edge>,
}

/// The sources of functions: `functions/<name>.js`, or with another ending of a script. What lies deeper is theirs to import.
pub fn entries(sources: &Sources) -> Vec<(String, SourcePath)> {
    let files = sources.under(FUNCTIONS).filter(|(path, _)| path.folder() == FUNCTIONS && path.is_script());
    files
        .filter_map(|(path, _)| {
            let file = path.as_str().rsplit('/').next()?;
            Some((file.rsplit_once('.')?.0.to_owned(), path.clone()))
        })
        .collect()
}

/// The files of packages that the functions import and that have not been read: whoever read the project reads those too.
/// Nobody reads a whole `node_modules`.
pub fn missing(sources: &Sources) -> BTreeSet<SourcePath> {
    let scripts = sources.under(FUNCTIONS).filter(|(path, _)| path.is_script());
    if !scripts.filter_map(|(path, _)| sources.text(path.as_str())).any(may_import_package) {
        return BTreeSet::new();
    }
    let modules = virtual_modules(&BTreeMap::new());
    let options = edge::Options { runtime: Runtime::V2, virtual_modules: &modules };
    let wanted = entries(sources).into_iter().flat_map(|(_, path)| edge::missing(sources, &path, &options));
    wanted.filter(|path| path.as_str().split('/').any(|part| part == "node_modules")).collect()
}

/// Whether a text seems to import what is neither a file nor of the edge. That it does not is certain.
fn may_import_package(text: &str) -> bool {
    text.match_indices(['\'', '"']).any(|(at, _)| {
        let before = text[..at].trim_end();
        let name = text[at + 1..].split(['\'', '"']).next().unwrap_or_default();
        (before.ends_with("from") || before.ends_with("import"))
            && !name.starts_with(['.', '/'])
            && !name.starts_with("qdn:")
            && !Runtime::V2.importable().contains(&name)
    })
}

/// The runtime of a function, from its configuration.
pub fn runtime(name: &str, config: &Config, problems: &mut Vec<Diagnostic>) -> Runtime {
    let Some((text, span)) = config.runtimes.get(name) else { return Runtime::V2 };
    Runtime::from_name(text).unwrap_or_else(|| {
        problems.push(
            Diagnostic::error("runtime", format!("`{text}` is no runtime of CloudFront Functions"))
                .at(&CONFIG_FILE.into(), *span)
                .hint("there are `cloudfront-js-1.0` and `cloudfront-js-2.0`"),
        );
        Runtime::V2
    })
}

/// What CloudFront would say of a function's name.
pub fn name_problem(name: &str, path: &SourcePath) -> Option<Diagnostic> {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if is_plain && (1..=64).contains(&name.len()) {
        return None;
    }
    let message = format!("CloudFront takes no function of the name `{name}`");
    let hint = "call the file by 1 to 64 letters, digits, `-` and `_`";
    Some(Diagnostic::error("CFF042", message).at(path, Span::default()).hint(hint))
}

/// What functions may import of the site: its aliases.
pub fn virtual_modules(redirects: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let table = serde_json::json!(redirects);
    BTreeMap::from([(REDIRECTS.to_owned(), format!("export default {table};\n"))])
}

/// The last good bundles, by all scripts, the functions' runtimes and the levels of their rules.
pub(super) type Memory = Last<(Inputs, Vec<Runtime>, Vec<Levels>), Vec<Bundle>>;

/// Checks and bundles every function of a project.
pub(super) fn bundle(sources: &Sources, config: &Config, redirects: &BTreeMap<String, String>, memory: &Memory) -> Functions {
    let mut all = Functions {
        functions: Vec::new(),
        diagnostics: Vec::new(),
        viewer_request: BTreeMap::new(),
        edge: None,
        viewer_response: BTreeMap::new(),
        response_edge: None,
    };
    let entries = entries(sources);
    let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
    for (name, (_, span)) in &config.runtimes {
        if !names.contains(&name.as_str()) {
            all.diagnostics.push(no_function(name, &names, *span));
        }
    }
    let answering = config.viewer_response.as_ref().map(|(name, _)| name.as_str());
    let deciding: Vec<&str> = names.iter().copied().filter(|name| answering != Some(*name)).collect();
    let chosen = match &config.viewer_request {
        Some((name, span)) if !names.contains(&name.as_str()) => {
            all.diagnostics.push(no_function(name, &names, *span));
            None
        }
        Some((name, _)) => Some(name.clone()),
        None => match deciding.as_slice() {
            [only] => Some((*only).to_owned()),
            [] => None,
            several => {
                let hint = format!("say which in `qdn.toml`: `[functions]` and `viewer_request = \"{}\"`", several[0]);
                all.diagnostics.push(
                    Diagnostic::error(
                        "viewer-request",
                        "there are several functions, and nothing says which one decides the site's URLs",
                    )
                    .hint(hint),
                );
                None
            }
        },
    };
    for (name, span) in config.named_functions.iter().chain(config.deciders.values()).chain(&config.viewer_response) {
        if !names.contains(&name.as_str()) {
            all.diagnostics.push(no_function(name, &names, *span));
        }
    }
    let modules = virtual_modules(redirects);
    let runtimes: Vec<Runtime> = entries.iter().map(|(name, _)| runtime(name, config, &mut all.diagnostics)).collect();
    let levels: Vec<Levels> = entries.iter().map(|(name, _)| config.levels(name)).collect();
    for (name, path) in &entries {
        all.diagnostics.extend(name_problem(name, path));
    }
    let made_from = (Inputs::of(sources, &modules), runtimes, levels);
    let bundles: Vec<Option<Bundle>> = match memory.get(&made_from) {
        Some(bundles) => bundles.into_iter().map(Some).collect(),
        None => {
            let mut problems = Vec::new();
            let bundles = entries.iter().zip(&made_from.1).zip(&made_from.2).map(|(((_, path), runtime), levels)| {
                let checked = edge::check(sources, path, &edge::Options { runtime: *runtime, virtual_modules: &modules });
                one(&checked.under(levels), &mut problems)
            });
            let bundles: Vec<Option<Bundle>> = bundles.collect();
            if problems.is_empty() {
                memory.keep(made_from, bundles.iter().flatten().cloned().collect());
            }
            all.diagnostics.extend(problems);
            bundles
        }
    };
    for ((name, path), bundle) in entries.iter().zip(bundles) {
        let Some(bundle) = bundle else { continue };
        let function =
            Function { name: name.clone(), runtime: bundle.runtime.name().to_owned(), code: bundle.code.as_str().into() };
        let edge = || {
            let of_functions = sources.iter().filter(|(path, _)| !path.as_str().starts_with("site/"));
            let written = Written {
                map: bundle.source_map.clone(),
                entry: path.clone(),
                sources: of_functions.map(|(path, bytes)| (path.clone(), Arc::clone(bytes))).collect(),
                modules: modules.clone(),
            };
            Edge { function: function.clone(), runtime: bundle.runtime, written: Some(Arc::new(written)) }
        };
        if answering == Some(name.as_str()) {
            let all_of_them = config.site.distributions.iter().map(|other| other.name.clone());
            let served = std::iter::once(DEFAULT_DISTRIBUTION.to_owned()).chain(all_of_them);
            all.viewer_response = served.map(|distribution| (distribution, name.clone())).collect();
            all.response_edge = Some(edge());
        }
        if chosen.as_ref() == Some(name) {
            if !redirects.is_empty() && !bundle.imports.contains(REDIRECTS) {
                all.diagnostics.push(unserved_aliases(redirects, path));
            }
            all.viewer_request.insert(DEFAULT_DISTRIBUTION.to_owned(), name.clone());
            all.viewer_request.extend(config.site.distributions.iter().map(|other| (other.name.clone(), name.clone())));
            all.edge = Some(edge());
        }
        all.functions.push(function);
    }
    let others = config.deciders.iter().filter(|(_, (function, _))| names.contains(&function.as_str()));
    all.viewer_request.extend(others.map(|(distribution, (function, _))| (distribution.clone(), function.clone())));
    if chosen.is_none() && names.is_empty() && !redirects.is_empty() {
        all.diagnostics.push(unserved_aliases(redirects, &SourcePath::new(FUNCTIONS)));
    }
    all
}

/// The bundle of one function, and everything there is to say about it.
fn one(checked: &edge::Checked, problems: &mut Vec<Diagnostic>) -> Option<Bundle> {
    problems.extend(checked.diagnostics().iter().cloned());
    if checked.diagnostics().iter().any(Diagnostic::is_error) {
        return None;
    }
    match checked.bundle() {
        Ok(bundle) => {
            problems.extend(bundle.warnings.iter().cloned());
            Some(bundle)
        }
        Err(found) => {
            problems.extend(found);
            None
        }
    }
}

fn no_function(name: &str, names: &[&str], span: Span) -> Diagnostic {
    let hint = match near(name, names.iter().copied()) {
        Some(near) => format!("a function with a similar name exists: `{near}`"),
        None => format!("write `functions/{name}.js`"),
    };
    Diagnostic::error("no-such-function", format!("there is no function `{name}`")).at(&CONFIG_FILE.into(), span).hint(hint)
}

/// Redirects are answered at the edge or not at all.
fn unserved_aliases(redirects: &BTreeMap<String, String>, path: &SourcePath) -> Diagnostic {
    let first = redirects.keys().next().map_or("", String::as_str);
    Diagnostic::error("unserved-aliases", format!("pages have aliases (`{first}` is one), and no function answers them"))
        .at(path, Span::default())
        .hint(format!("in the function that decides the site's URLs: `import redirects from '{REDIRECTS}'`"))
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It is answered with the object under this key, if there is one.
    Key(String),
    /// The function answered it.
    Response {
        /// The status.
        status: u16,
        /// Names and values; a name may come more than once.
        headers: Vec<(String, String)>,
        /// The bytes.
        body: Vec<u8>,
    },
    /// The function failed, and this is what the viewer sees.
    Failed {
        /// 502 or 503.
        status: u16,
        /// With the reason, which CloudFront keeps to itself.
        message: String,
    },
}

impl Decision {
    /// What becomes of a request where no function runs. Folders are answered with their index, as the
    /// site's own links mean them; in front of S3 that takes a function.
    pub fn without_function(path: &str) -> Self {
        match key(path) {
            key if key.is_empty() || key.ends_with('/') => Self::Key(key + "index.html"),
            key => Self::Key(key),
        }
    }
}

/// The key that the origin reads a path as. CloudFront's default root object stands behind `/` alone.
fn key(uri: &str) -> String {
    let inner = uri.strip_prefix('/').unwrap_or(uri);
    percent_encoding::percent_decode_str(inner).decode_utf8_lossy().into_owned()
}

/// What a function's outcome means for the request.
pub fn decision(outcome: &Outcome) -> Decision {
    if let Some(error) = &outcome.error {
        return Decision::Failed {
            status: error.kind.status(),
            message: outcome.shown.clone().unwrap_or_else(|| format!("{error}\n")),
        };
    }
    if let Some(response) = outcome.response() {
        return response_of(response);
    }
    let uri = outcome.request().and_then(|request| request.get("uri")).and_then(Value::as_str).unwrap_or("/");
    match uri {
        "/" => Decision::Key("index.html".to_owned()),
        uri => Decision::Key(key(uri)),
    }
}

fn response_of(response: &Value) -> Decision {
    let status = response.get("statusCode").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
    let mut headers = Vec::new();
    for (name, field) in response.get("headers").and_then(Value::as_object).into_iter().flatten() {
        for value in values(field) {
            headers.push((name.clone(), value));
        }
    }
    for (name, field) in response.get("cookies").and_then(Value::as_object).into_iter().flatten() {
        let attributes = field.get("attributes").and_then(Value::as_str).map_or_else(String::new, |text| format!("; {text}"));
        for value in values(field) {
            headers.push(("set-cookie".to_owned(), format!("{name}={value}{attributes}")));
        }
    }
    Decision::Response { status, headers, body: body(response.get("body")) }
}

/// `multiValue` where there are several, else `value`.
fn values(field: &Value) -> Vec<String> {
    let text = |value: &Value| value.get("value").and_then(Value::as_str).map(str::to_owned);
    match field.get("multiValue").and_then(Value::as_array) {
        Some(several) => several.iter().filter_map(text).collect(),
        None => text(field).into_iter().collect(),
    }
}

fn body(body: Option<&Value>) -> Vec<u8> {
    match body {
        Some(Value::String(text)) => text.clone().into_bytes(),
        Some(Value::Object(body)) => {
            let data = body.get("data").and_then(Value::as_str).unwrap_or_default();
            match body.get("encoding").and_then(Value::as_str) {
                Some("base64") => base64::engine::general_purpose::STANDARD.decode(data).unwrap_or_default(),
                _ => data.as_bytes().to_vec(),
            }
        }
        _ => Vec::new(),
    }
}

/// Decides links as the edge would.
pub(super) fn resolver(edge: Option<&Edge>) -> Resolve<'_> {
    let Some(edge) = edge else {
        return Box::new(|address| match Decision::without_function(address.split('?').next().unwrap_or_default()) {
            Decision::Key(key) => Target::Key(key),
            _ => Target::Response(0),
        });
    };
    let mut runner = edge.emulator();
    let headers = [("host".to_owned(), "localhost".to_owned())];
    Box::new(move |address| {
        let (path, query) = address.split_once('?').map_or((address, None), |(path, query)| (path, Some(query)));
        let outcome = runner.decide(&Event::viewer_request("GET", path, query, &headers, "192.0.2.1"));
        match decision(&outcome) {
            Decision::Key(key) => Target::Key(key),
            Decision::Response { status, headers, .. } if (300..400).contains(&status) => {
                let location = headers.iter().find(|(name, _)| name == "location").map(|(_, value)| value.clone());
                location.map_or(Target::Response(status), Target::Redirect)
            }
            Decision::Response { status, .. } => Target::Response(status),
            Decision::Failed { message, .. } => {
                Target::Failed(outcome.error.as_ref().map_or_else(|| message.trim().to_owned(), ToString::to_string))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn decided(result: Value) -> Decision {
        decision(&Outcome { result: Some(result), ..Outcome::default() })
    }

    #[test]
    fn a_request_that_goes_on_asks_for_an_object() {
        assert_eq!(decided(json!({ "request": { "uri": "/caf%C3%A9/index.html" } })), Decision::Key("café/index.html".to_owned()));
        assert_eq!(decided(json!({ "request": { "uri": "/" } })), Decision::Key("index.html".to_owned()));
        assert_eq!(
            decided(json!({ "request": { "uri": "//a" } })),
            Decision::Key("/a".to_owned()),
            "S3 has a key that begins with a slash"
        );
    }

    #[test]
    fn what_a_function_throws_is_shown_in_its_source() {
        let main = "import { deep } from './lib/deep.js';\nexport function handler(event) {\n  return deep(event.request);\n}\n";
        let deep = "export function deep(request) {\n  return request.headers.nothing.value ? request : request;\n}\n";
        let sources: Sources = [("functions/f.js", main), ("functions/lib/deep.js", deep)]
            .map(|(path, text)| (path, text.as_bytes().to_vec()))
            .into_iter()
            .collect();
        let (config, _) = crate::config::parse(&sources);
        let bundled = bundle(&sources, &config, &BTreeMap::new(), &Memory::default());
        let mut runner = bundled.edge.expect("a function").emulator();
        let outcome = runner.run(&Event::viewer_request("GET", "/", None, &[], "192.0.2.1"));
        let Decision::Failed { status, message } = decision(&outcome) else { panic!("it throws") };
        assert_eq!(status, 503);
        assert!(message.contains("functions/lib/deep.js:2:34") && message.contains("request.headers.nothing.value"), "{message}");
    }

    #[test]
    fn a_response_is_sent_as_it_is() {
        let response = json!({ "response": {
            "statusCode": 301,
            "headers": { "location": { "value": "/a/" }, "x-many": { "value": "1", "multiValue": [{ "value": "1" }, { "value": "2" }] } },
            "cookies": { "c": { "value": "v", "attributes": "Secure" } },
            "body": { "encoding": "base64", "data": "aGk=" },
        }});
        let Decision::Response { status, headers, body } = decided(response) else { panic!("a response") };
        assert_eq!((status, body.as_slice()), (301, b"hi".as_slice()));
        let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(headers, ["location: /a/", "x-many: 1", "x-many: 2", "set-cookie: c=v; Secure"]);
    }
}
