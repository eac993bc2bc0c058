//! Files for a browser: one per entry, and one for what several entries share.

use super::graph::{Graph, Target};
use super::link::{self, Item};
use super::map;
use super::names::{Names, Surroundings};
use super::print::{self, Style};
use super::purity;
use crate::source::{Diagnostic, SourcePath};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use swc_core::common::{DUMMY_SP, Spanned};
use swc_core::ecma::ast::{
    ExportNamedSpecifier, ExportSpecifier, Ident, IdentName, ImportDecl, ImportNamedSpecifier, ImportPhase, ImportSpecifier,
    ModuleDecl, ModuleExportName, ModuleItem, NamedExport,
};

/// How files for a browser are written.
#[derive(Clone, Copy, Debug)]
pub struct ChunkOptions {
    /// Short, or legible.
    pub minify: bool,
}

/// One file for a browser.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// The entry's path, or a name such as `shared-board-track`.
    pub name: String,
    /// Whether it is an entry; else it is there because entries share it.
    pub entry: bool,
    /// Its text. Imports stand in lines of their own before everything else.
    pub code: String,
    /// A source map, as JSON, with the modules' texts in it.
    pub map: String,
    /// The chunks it imports, in the order in which they run.
    pub imports: Vec<ChunkImport>,
    /// The modules it is made of.
    pub modules: Vec<SourcePath>,
}

/// An import of another chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkImport {
    /// The other chunk's name.
    pub name: String,
    /// What stands in the code for its address.
    pub placeholder: String,
}

/// What stands in code for the address of a chunk, until that is known. No two chunks have the same.
pub fn placeholder(chunk: &str) -> String {
    let digest = Sha256::digest(chunk.as_bytes());
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("/qdn-asset-placeholder/{hex}")
}

/// What an entry copies rather than shares, in bytes of source: another request costs more.
const COPIED: usize = 1024;

/// Where a module's statements go.
#[derive(Clone, PartialEq, Eq)]
enum Home {
    /// Into the chunk of these entries.
    Chunk(BTreeSet<usize>),
    /// Into every chunk that uses it.
    Copies,
}

/// Makes one file of each entry, and one of each group of modules that the same entries share.
///
/// Entries keep their exports; of everything else, what nobody uses is left out.
/// A shared module runs before what only one entry has, even where the entry imports it later.
///
/// # Errors
/// Where a module of the runtime is imported: a browser has none.
pub fn chunks(graph: &Graph, options: &ChunkOptions) -> Result<Vec<Chunk>, Vec<Diagnostic>> {
    let problems = externals(graph);
    if !problems.is_empty() {
        return Err(problems);
    }
    graph.with(|| Ok(Plan::of(graph).chunks(options)))
}

fn externals(graph: &Graph) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for module in &graph.modules {
        let used = module.imports.values().chain(module.exports.values()).find_map(|target| match target {
            Target::External(name, _) => Some(name),
            _ => None,
        });
        if let Some(name) = used {
            problems.push(
                Diagnostic::error("unresolved-import", format!("a browser has no module `{name}`"))
                    .at(module.parsed.path(), crate::source::Span::default()),
            );
        }
    }
    problems
}

struct Plan<'a> {
    graph: &'a Graph,
    items: Vec<Item<'a>>,
    homes: Vec<Home>,
    /// For each group of entries, the chunk's name; single entries first.
    chunks: Vec<(BTreeSet<usize>, String)>,
    around: Surroundings,
}

impl<'a> Plan<'a> {
    fn of(graph: &'a Graph) -> Self {
        let mut items = link::items(graph);
        let roots: BTreeSet<Target> =
            graph.entries.iter().flat_map(|entry| graph.modules[*entry].exports.values().cloned()).collect();
        let needed = link::needed(graph, &items, roots.iter().cloned(), |_| true, |item| !item.pure);
        let mut kept = needed.iter();
        items.retain(|_| kept.next().copied().unwrap_or_default());

        let reached: Vec<BTreeSet<usize>> = graph
            .entries
            .iter()
            .map(|entry| {
                let mut reached = BTreeSet::new();
                graph.reach(*entry, &mut reached);
                reached
            })
            .collect();
        let mut homes = Vec::new();
        let namespaces: BTreeSet<usize> = items
            .iter()
            .flat_map(|item| &item.uses)
            .chain(&roots)
            .filter_map(|target| match target {
                Target::Namespace(module) => Some(*module),
                _ => None,
            })
            .collect();
        for module in 0..graph.modules.len() {
            let entries: BTreeSet<usize> = (0..graph.entries.len()).filter(|entry| reached[*entry].contains(&module)).collect();
            let own: Vec<_> = items.iter().filter(|item| item.module == module).collect();
            let bytes: usize = own.iter().map(|item| (item.statement.span().hi.0 - item.statement.span().lo.0) as usize).sum();
            let copied = entries.len() > 1
                && bytes < COPIED
                && !namespaces.contains(&module)
                && !graph.entries.contains(&module)
                && own.iter().all(|item| purity::may_be_copied(item.statement));
            homes.push(if copied { Home::Copies } else { Home::Chunk(entries) });
        }

        let mut plan = Self { graph, items, homes, chunks: Vec::new(), around: Surroundings::of(graph) };
        plan.chunks = plan.name_chunks();
        plan
    }

    fn name_chunks(&self) -> Vec<(BTreeSet<usize>, String)> {
        let mut chunks: Vec<(BTreeSet<usize>, String)> = Vec::new();
        let mut taken = BTreeSet::new();
        for (number, entry) in self.graph.entries.iter().enumerate() {
            let name = self.graph.modules[*entry].parsed.path().to_string();
            taken.insert(name.clone());
            chunks.push((BTreeSet::from([number]), name));
        }
        let mut groups: Vec<&BTreeSet<usize>> = Vec::new();
        for (module, home) in self.homes.iter().enumerate() {
            if let Home::Chunk(group) = home
                && group.len() > 1
                && !groups.contains(&group)
                && self.items.iter().any(|item| item.module == module)
            {
                groups.push(group);
            }
        }
        for group in groups {
            let stems: Vec<&str> = group
                .iter()
                .map(|number| {
                    let path = self.graph.modules[self.graph.entries[*number]].parsed.path().as_str();
                    path.rsplit('/').next().and_then(|file| file.split('.').next()).unwrap_or_default()
                })
                .collect();
            let wanted = match stems.len() {
                all if all == self.graph.entries.len() => "shared".to_owned(),
                2 | 3 => format!("shared-{}", stems.join("-")),
                many => format!("shared-{}-and-{}-more", stems[0], many - 1),
            };
            let name = (1..)
                .map(|attempt| if attempt == 1 { wanted.clone() } else { format!("{wanted}-{attempt}") })
                .find(|name| !taken.contains(name))
                .unwrap_or(wanted);
            taken.insert(name.clone());
            chunks.push((group.clone(), name));
        }
        chunks
    }

    /// The chunk that declares the target; `None` for what is copied.
    fn home(&self, target: &Target) -> Option<&BTreeSet<usize>> {
        match &self.homes[self.graph.owner(target)?] {
            Home::Chunk(group) => Some(group),
            Home::Copies => None,
        }
    }

    /// What stands in the chunk: its own statements, and copies of those it uses.
    fn items_of(&self, group: &BTreeSet<usize>, exported: &BTreeSet<Target>) -> Vec<&Item<'a>> {
        let own = |item: &Item<'a>| matches!(&self.homes[item.module], Home::Chunk(home) if home == group);
        let copied = |item: &Item<'a>| self.homes[item.module] == Home::Copies;
        let needed = link::needed(self.graph, &self.items, exported.iter().cloned(), |item| own(item) || copied(item), own);
        self.items.iter().zip(needed).filter(|(_, needed)| *needed).map(|(item, _)| item).collect()
    }

    fn chunks(&self, options: &ChunkOptions) -> Vec<Chunk> {
        // First what each chunk uses, so that each knows what others want of it.
        let mut drafts: Vec<Draft<'a, '_>> = self.chunks.iter().map(|(group, name)| self.draft(group, name)).collect();
        let mut wanted: BTreeMap<BTreeSet<usize>, Vec<Target>> = BTreeMap::new();
        for draft in &drafts {
            for target in &draft.uses {
                if let Some(home) = self.home(target)
                    && home != draft.group
                {
                    let list = wanted.entry(home.clone()).or_default();
                    if !list.contains(target) {
                        list.push(target.clone());
                    }
                }
            }
        }
        for list in wanted.values_mut() {
            list.sort_by_cached_key(|target| self.position(target));
        }
        for draft in &mut drafts {
            draft.gives = wanted.get(draft.group).cloned().unwrap_or_default();
        }
        let exports: BTreeMap<Target, String> = drafts.iter().flat_map(|draft| draft.export_names(options.minify)).collect();
        drafts.iter().map(|draft| self.write(draft, &exports, options)).collect()
    }

    /// A place to sort by that does not depend on how names are kept.
    fn position(&self, target: &Target) -> (usize, usize, String) {
        let module = self.graph.owner(target).unwrap_or_default();
        match target {
            Target::Local(id) => {
                let at = self.items.iter().position(|item| item.declares.contains(id)).unwrap_or_default();
                (module, at + 1, id.0.to_string())
            }
            _ => (module, 0, String::new()),
        }
    }

    fn draft<'b>(&'b self, group: &'b BTreeSet<usize>, name: &'b str) -> Draft<'a, 'b> {
        let entry = (group.len() == 1).then(|| group.first().copied()).flatten().map(|number| self.graph.entries[number]);
        let exports: BTreeSet<Target> =
            entry.into_iter().flat_map(|entry| self.graph.modules[entry].exports.values().cloned()).collect();
        let items = self.items_of(group, &exports);
        let mut uses = link::all_uses(self.graph, &items);
        // Only what the chunk's own objects of exports hold is its own to use.
        let mut known: BTreeSet<Target> = BTreeSet::new();
        let mut direct: Vec<Target> = Vec::new();
        for item in &items {
            direct.extend(item.declares.iter().cloned().map(Target::Local));
            direct.extend(item.uses.iter().cloned());
        }
        direct.extend(exports);
        uses.clear();
        while let Some(target) = (!direct.is_empty()).then(|| direct.remove(0)) {
            if !known.insert(target.clone()) {
                continue;
            }
            if let Target::Namespace(module) = &target
                && self.home(&target) == Some(group)
            {
                direct.extend(self.graph.modules[*module].exports.values().cloned());
            }
            uses.push(target);
        }
        Draft { group, name, entry, items, uses, gives: Vec::new() }
    }

    fn write(&self, draft: &Draft<'a, '_>, exports: &BTreeMap<Target, String>, options: &ChunkOptions) -> Chunk {
        let graph = self.graph;
        let mut targets = draft.uses.clone();
        targets.extend(draft.gives.iter().cloned());
        let names = Names::choose(graph, &self.around, &[], targets.iter().cloned());
        let foreign = |target: &Target| self.home(target).filter(|home| *home != draft.group);
        let ident = |target: &Target| Ident::new_no_ctxt(names.of(target), DUMMY_SP);

        let mut imports = Vec::new();
        let mut body: Vec<ModuleItem> = Vec::new();
        for (group, name) in self.chunks_before(draft) {
            let placeholder = placeholder(name);
            let mut taken: Vec<&Target> = targets.iter().filter(|target| foreign(target) == Some(group)).collect();
            taken.sort_by_cached_key(|target| self.position(target));
            taken.dedup();
            let specifiers = taken
                .into_iter()
                .map(|target| {
                    let imported =
                        exports.get(target).map(|name| ModuleExportName::Ident(Ident::new_no_ctxt(name.as_str().into(), DUMMY_SP)));
                    ImportSpecifier::Named(ImportNamedSpecifier {
                        span: DUMMY_SP,
                        local: ident(target),
                        imported,
                        is_type_only: false,
                    })
                })
                .collect();
            body.push(ModuleItem::ModuleDecl(ModuleDecl::Import(ImportDecl {
                span: DUMMY_SP,
                specifiers,
                src: Box::new(placeholder.as_str().into()),
                type_only: false,
                with: None,
                phase: ImportPhase::Evaluation,
            })));
            imports.push(ChunkImport { name: name.to_owned(), placeholder });
        }

        let namespaces: BTreeSet<usize> = targets
            .iter()
            .filter(|target| foreign(target).is_none())
            .filter_map(|target| match target {
                Target::Namespace(module) => Some(*module),
                _ => None,
            })
            .collect();
        body.extend(link::body(graph, &draft.items, &namespaces, &names).map(ModuleItem::Stmt));

        let mut specifiers = Vec::new();
        let mut export = |target: &Target, name: &str| {
            let exported = match Ident::verify_symbol(name) {
                Err(_) if name != "default" => ModuleExportName::Str(name.into()),
                _ => ModuleExportName::Ident(IdentName::new(name.into(), DUMMY_SP).into()),
            };
            specifiers.push(ExportSpecifier::Named(ExportNamedSpecifier {
                span: DUMMY_SP,
                orig: ModuleExportName::Ident(ident(target)),
                exported: Some(exported),
                is_type_only: false,
            }));
        };
        for target in &draft.gives {
            if let Some(name) = exports.get(target) {
                export(target, name);
            }
        }
        if let Some(entry) = draft.entry {
            for (name, target) in &graph.modules[entry].exports {
                export(target, name);
            }
        }
        if !specifiers.is_empty() {
            body.push(ModuleItem::ModuleDecl(ModuleDecl::ExportNamed(NamedExport {
                span: DUMMY_SP,
                specifiers,
                src: None,
                type_only: false,
                with: None,
            })));
        }

        let style = Style { minify: options.minify, keep: Vec::new(), runtime: None, lower: false, imports_apart: true };
        let printed = print::print(graph, body, &style);
        let modules: BTreeSet<usize> = draft.items.iter().map(|item| item.module).chain(draft.entry).collect();
        Chunk {
            name: draft.name.to_owned(),
            entry: draft.entry.is_some(),
            map: map::json(graph, &printed),
            code: printed.code,
            imports,
            modules: modules.into_iter().map(|module| graph.modules[module].parsed.path().clone()).collect(),
        }
    }

    /// The chunks that must have run before this one: all that hold modules its own import, in the order of those modules.
    fn chunks_before(&self, draft: &Draft<'a, '_>) -> Vec<(&BTreeSet<usize>, &str)> {
        let mut reached = BTreeSet::new();
        for item in &draft.items {
            self.graph.reach(item.module, &mut reached);
        }
        if let Some(entry) = draft.entry {
            self.graph.reach(entry, &mut reached);
        }
        for target in &draft.uses {
            reached.extend(self.graph.owner(target));
        }
        let mut before: Vec<(&BTreeSet<usize>, &str)> = Vec::new();
        for module in reached {
            if let Home::Chunk(group) = &self.homes[module]
                && group != draft.group
                && let Some((group, name)) = self.chunks.iter().find(|(known, _)| known == group)
                && !before.iter().any(|(known, _)| *known == group)
            {
                before.push((group, name));
            }
        }
        before
    }
}

/// A chunk before it is written.
struct Draft<'a, 'b> {
    group: &'b BTreeSet<usize>,
    name: &'b str,
    entry: Option<usize>,
    items: Vec<&'b Item<'a>>,
    uses: Vec<Target>,
    /// What other chunks want of it.
    gives: Vec<Target>,
}

impl Draft<'_, '_> {
    /// A name for everything that others want; it is theirs and ours only, so the shorter the better.
    fn export_names(&self, short: bool) -> Vec<(Target, String)> {
        let mut taken: BTreeSet<String> = BTreeSet::new();
        let mut named = Vec::new();
        for (number, target) in self.gives.iter().enumerate() {
            let name = match (short, target) {
                (false, Target::Local((name, _))) => (0..)
                    .map(|attempt| if attempt == 0 { name.to_string() } else { format!("{name}_{attempt}") })
                    .find(|name| !taken.contains(name)),
                (false, Target::Namespace(module)) => Some(format!("module_{module}")),
                _ => Some(short_name(number)),
            };
            let name = name.unwrap_or_else(|| short_name(number));
            taken.insert(name.clone());
            named.push((target.clone(), name));
        }
        named
    }
}

/// `a` to `z`, then `a1`, `b1`, …: never a word of the language.
fn short_name(number: usize) -> String {
    let letter = char::from(b"abcdefghijklmnopqrstuvwxyz"[number % 26]);
    match number / 26 {
        0 => letter.to_string(),
        more => format!("{letter}{more}"),
    }
}
