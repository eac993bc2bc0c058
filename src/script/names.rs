//! Names for what stands at the top of several modules, when it comes to stand at the top of one text.

use super::graph::{Graph, Target};
use super::link::References;
use std::collections::{BTreeMap, BTreeSet};
use swc_core::atoms::Atom;
use swc_core::ecma::ast::Ident;
use swc_core::ecma::visit::VisitWith;

/// A name for every target; no name means two things, and none is hidden by a local one.
pub(super) struct Names {
    chosen: BTreeMap<Target, Atom>,
    /// Names that were changed, by module: the new one and the old.
    changed: BTreeMap<(usize, Atom), Atom>,
}

/// Whose names must not be mistaken for whose.
pub(super) struct Surroundings {
    /// Names that mean something of the runtime's, in any of the modules.
    globals: BTreeSet<Atom>,
    /// For each module, the names that are declared inside its functions.
    nested: Vec<BTreeSet<Atom>>,
    /// For each target the modules that say its name.
    said: BTreeMap<Target, BTreeSet<usize>>,
}

impl Surroundings {
    pub(super) fn of(graph: &Graph) -> Self {
        let mut surroundings = Self { globals: BTreeSet::new(), nested: Vec::new(), said: BTreeMap::new() };
        // What we write ourselves, of namespaces, and what means something else than it seems.
        surroundings.globals.extend(["Object", "undefined", "NaN", "Infinity", "arguments", "eval"].map(Atom::from));
        for at in 0..graph.modules.len() {
            let mut references = References::of(graph, at);
            graph.modules[at].statements.visit_with(&mut references);
            surroundings.globals.extend(references.globals);
            surroundings.nested.push(references.nested);
            for target in references.found {
                surroundings.said.entry(said_as(target)).or_default().insert(at);
            }
        }
        surroundings
    }
}

/// `import { get } from 'cloudfront'` says the name of `cloudfront`.
fn said_as(target: Target) -> Target {
    match target {
        Target::External(module, _) => Target::External(module, None),
        other => other,
    }
}

impl Names {
    /// Chooses names in the order of `targets`: who comes first keeps their own. `fixed` names are given, whoever else wants them.
    pub(super) fn choose(
        graph: &Graph,
        around: &Surroundings,
        fixed: &[(Target, &str)],
        targets: impl IntoIterator<Item = Target>,
    ) -> Self {
        let mut names = Self { chosen: BTreeMap::new(), changed: BTreeMap::new() };
        let mut taken: BTreeSet<Atom> = BTreeSet::new();
        for (target, name) in fixed {
            taken.insert((*name).into());
            names.set(graph, target.clone(), (*name).into());
        }
        for target in targets.into_iter().map(said_as) {
            if names.chosen.contains_key(&target) {
                continue;
            }
            let wanted = wanted(graph, &target);
            let name = (0..)
                .map(|attempt| if attempt == 0 { wanted.clone() } else { format!("{wanted}_{attempt}").into() })
                .find(|name| !taken.contains(name) && around.allows(graph, &target, &wanted, name))
                .unwrap_or(wanted);
            taken.insert(name.clone());
            names.set(graph, target, name);
        }
        names
    }

    fn set(&mut self, graph: &Graph, target: Target, name: Atom) {
        if let Target::Local((own, _)) = &target
            && *own != name
            && let Some(module) = graph.owner(&target)
        {
            self.changed.insert((module, name.clone()), own.clone());
        }
        self.chosen.insert(target, name);
    }

    pub(super) fn of(&self, target: &Target) -> Atom {
        self.chosen.get(target).cloned().unwrap_or_else(|| match target {
            Target::Local((name, _)) => name.clone(),
            Target::Namespace(module) => format!("module_{module}").into(),
            Target::External(module, _) => module.as_str().into(),
        })
    }

    /// What a module itself calls what is now `name`, if that is something else.
    pub(super) fn original(&self, module: usize, name: &Atom) -> Option<Atom> {
        self.changed.get(&(module, name.clone())).cloned()
    }
}

impl Surroundings {
    /// Whether everybody who says the target's name would still mean it, were that `name`.
    pub(super) fn allows(&self, graph: &Graph, target: &Target, wanted: &Atom, name: &Atom) -> bool {
        // A module that declares the name itself, at its top, hides the runtime's from itself on purpose; from others it must not.
        if self.globals.contains(name) {
            return false;
        }
        let owner = graph.owner(target);
        self.said.get(target).into_iter().flatten().chain(owner.iter()).all(|module| {
            // Where a module hides its own name, it did so as it was written.
            let own = Some(*module) == owner && name == wanted && matches!(target, Target::Local(_));
            own || !self.nested[*module].contains(name)
        })
    }
}

/// The name it would have on its own.
fn wanted(graph: &Graph, target: &Target) -> Atom {
    match target {
        Target::Local((name, _)) => name.clone(),
        Target::Namespace(module) => graph.modules[*module].namespace.0.clone(),
        Target::External(module, _) => {
            // What a module calls it, the entry before all others; else a name made of the module's own.
            let said = graph.modules.iter().rev().flat_map(|module| &module.imports);
            let said = said.filter(|(_, meant)| *meant == target).map(|((name, _), _)| name.clone()).next();
            said.unwrap_or_else(|| Ident::verify_symbol(module).map_or_else(|legal| legal.into(), |()| module.as_str().into()))
        }
    }
}

impl Graph {
    /// The module whose name it is.
    pub(super) fn owner(&self, target: &Target) -> Option<usize> {
        match target {
            Target::Local((_, context)) => {
                self.modules.iter().position(|module| module.parsed.top == *context || module.made_up == *context)
            }
            Target::Namespace(module) => Some(*module),
            Target::External(..) => None,
        }
    }
}
