//! What `qdn function` works on: a project's functions, or any file anywhere, with all that they may import.

use super::super::args::Global;
use super::super::build::root;
use crate::build;
use crate::config::{self, Config};
use crate::disk;
use crate::edge::{self, Bundle, Levels, Runtime, Tracer};
use crate::source::{self, Diagnostic, SourcePath, Sources};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Functions with everything that they may import.
pub(in crate::cli) struct Workshop {
    pub(in crate::cli) sources: Sources,
    pub(in crate::cli) functions: Vec<Named>,
    pub(in crate::cli) modules: BTreeMap<String, String>,
    pub(in crate::cli) diagnostics: Vec<Diagnostic>,
    /// What the paths of the sources are relative to.
    pub(in crate::cli) base: PathBuf,
    /// Whether it is a project, and not a file by itself.
    pub(in crate::cli) is_project: bool,
}

pub(in crate::cli) struct Named {
    pub(in crate::cli) name: String,
    pub(in crate::cli) path: SourcePath,
    pub(in crate::cli) runtime: Runtime,
    /// How severe the checker's rules are for it.
    pub(in crate::cli) levels: Levels,
}

impl Workshop {
    /// The function that was named, or all of the project's.
    pub(in crate::cli) fn open(global: &Global, wanted: Option<&str>, runtime: Option<&str>) -> Result<Self, String> {
        let runtime = runtime.map(|name| {
            Runtime::from_name(name).ok_or_else(|| {
                format!(
                    "`{name}` is no runtime of CloudFront Functions\nhint: there are `cloudfront-js-1.0` and `cloudfront-js-2.0`"
                )
            })
        });
        let runtime = runtime.transpose()?;
        match wanted {
            Some(file) if is_file(file) => Self::of_file(global, file, runtime),
            _ => Self::of_project(global, wanted, runtime),
        }
    }

    /// A file by itself needs no project. One of a project's functions is that function.
    fn of_file(global: &Global, file: &str, runtime: Option<Runtime>) -> Result<Self, String> {
        if let Ok(root) = root(global)
            && let (Ok(root), Ok(path)) = (root.canonicalize(), Path::new(file).canonicalize())
            && let Some(inner) = disk::source_path(&root, &path)
            && inner.folder() == build::FUNCTIONS
        {
            let name = inner.as_str().rsplit('/').next().and_then(|file| file.rsplit_once('.')).map_or("", |(stem, _)| stem);
            return Self::of_project(global, Some(name), runtime);
        }
        let bytes = disk::read_file(Path::new(file)).map_err(|error| format!("`{file}` cannot be read: {error}"))?;
        let path = SourcePath::new(file.replace('\\', "/").trim_start_matches("./"));
        let name = Path::new(file).file_stem().map_or_else(|| "function".to_owned(), |stem| stem.to_string_lossy().into_owned());
        let mut sources = Sources::new();
        sources.insert(path.clone(), bytes);
        let modules = build::virtual_modules(&BTreeMap::new());
        let options = edge::Options { runtime: runtime.unwrap_or_default(), virtual_modules: &modules };
        disk::complete(&mut sources, &upwards(), |sources| edge::missing(sources, &path, &options));
        gather_cases(&mut sources, file, &path);
        let functions = vec![Named { name, path, runtime: runtime.unwrap_or_default(), levels: Levels::default() }];
        Ok(Self { sources, functions, modules, diagnostics: Vec::new(), base: PathBuf::new(), is_project: false })
    }

    pub(in crate::cli) fn of_project(global: &Global, wanted: Option<&str>, runtime: Option<Runtime>) -> Result<Self, String> {
        let root = root(global).map_err(|error| match wanted {
            Some(name) => format!("there is no file `{name}`, and no project with a function of that name"),
            None => error,
        })?;
        let (mut sources, _) = disk::read_functions(&root);
        let says = |sources: &Sources, part: &str| {
            let mut texts = sources.under(build::FUNCTIONS).filter_map(|(path, _)| sources.text(path.as_str()));
            texts.any(|text| text.contains(part))
        };
        // Only what imports the site's aliases, or a script of the site, needs the site to be read.
        let wants_redirects = says(&sources, build::REDIRECTS);
        if wants_redirects || ["site/", "templates/"].iter().any(|folder| says(&sources, folder)) {
            sources.extend(disk::read_pages(&root).0);
        }
        disk::complete(&mut sources, std::slice::from_ref(&root), build::missing);
        let (config, mut diagnostics) = config::parse(&sources);
        diagnostics.retain(|diagnostic| matches!(diagnostic.rule, "runtime" | "rules"));
        let all = build::entries(&sources);
        let known: Vec<String> = all.iter().map(|(name, _)| name.clone()).collect();
        let functions: Vec<Named> = all
            .into_iter()
            .filter(|(name, _)| wanted.is_none_or(|wanted| wanted == name))
            .map(|(name, path)| {
                diagnostics.extend(build::name_problem(&name, &path));
                let runtime = runtime_of(&name, runtime, &config, &mut diagnostics);
                Named { runtime, levels: config.levels(&name), name, path }
            })
            .collect();
        if functions.is_empty() {
            return Err(match wanted {
                Some(name) => {
                    let near = source::near(name, known.iter().map(String::as_str))
                        .map(|near| format!("\nhint: a function with a similar name exists: `{near}`"));
                    format!("there is neither a file nor a function `{name}`{}", near.unwrap_or_default())
                }
                None => format!("there is no function in `{}`", root.join(build::FUNCTIONS).display()),
            });
        }
        let redirects = if wants_redirects { build::redirects(&sources) } else { BTreeMap::new() };
        Ok(Self { sources, functions, modules: build::virtual_modules(&redirects), diagnostics, base: root, is_project: true })
    }

    pub(in crate::cli) fn check(&self, function: &Named) -> edge::Checked {
        let options = edge::Options { runtime: function.runtime, virtual_modules: &self.modules };
        edge::check(&self.sources, &function.path, &options).under(&function.levels)
    }

    /// What leads from the working folder to the sources: nothing, or a path with a slash at its end.
    pub(super) fn prefix(&self) -> String {
        let here = std::env::current_dir().and_then(|here| here.canonicalize()).ok();
        let root = self.is_project.then(|| self.base.canonicalize().ok()).flatten();
        let inner = here.zip(root).and_then(|(here, root)| root.strip_prefix(&here).ok().map(Path::to_path_buf));
        match inner {
            Some(inner) if !inner.as_os_str().is_empty() => format!("{}/", inner.to_string_lossy().replace('\\', "/")),
            _ => String::new(),
        }
    }

    /// From places of a bundle to places of the sources.
    pub(super) fn tracer<'a>(&'a self, source_map: &str, function: &'a Named) -> Tracer<'a> {
        Tracer::new(source_map, &function.path, &self.sources, &self.modules)
    }

    /// The sources, generated modules among them, for complaints to be drawn from.
    pub(super) fn texts(&self) -> Sources {
        let mut texts = self.sources.clone();
        for (name, text) in &self.modules {
            texts.insert(name.as_str(), text.clone().into_bytes());
        }
        texts
    }

    pub(in crate::cli) fn bundle(&self, function: &Named) -> Result<Bundle, Vec<Diagnostic>> {
        self.check(function).bundle()
    }
}

fn runtime_of(name: &str, asked: Option<Runtime>, config: &Config, problems: &mut Vec<Diagnostic>) -> Runtime {
    asked.unwrap_or_else(|| build::runtime(name, config, problems))
}

/// Whether what was typed names a file: by its form, or because there is one.
fn is_file(typed: &str) -> bool {
    typed.contains(['/', '\\']) || SourcePath::new(typed).is_script() || Path::new(typed).is_file()
}

/// The working folder and those above it, nearest first.
fn upwards() -> Vec<PathBuf> {
    let depth = std::env::current_dir().map_or(1, |here| here.ancestors().count());
    std::iter::successors(Some(PathBuf::new()), |folder| Some(Path::new("..").join(folder))).take(depth).collect()
}

/// Reads `<name>.cases/*.json` beside a file.
fn gather_cases(sources: &mut Sources, file: &str, path: &SourcePath) {
    let stem = |text: &str| text.rsplit_once('.').map_or_else(|| text.to_owned(), |(stem, _)| stem.to_owned());
    let folder = format!("{}.cases", stem(file));
    for name in disk::names(Path::new(&folder)) {
        if let Ok(bytes) = disk::read_file(&Path::new(&folder).join(&name)) {
            sources.insert(SourcePath::new(format!("{}.cases/{name}", stem(path.as_str()))), bytes);
        }
    }
}
