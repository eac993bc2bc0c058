//! Syntax that a CloudFront runtime lacks is said in syntax that it has.

use super::hoist::hoist;
use swc_core::common::comments::SingleThreadedComments;
use swc_core::common::{Mark, SyntaxContext};
use swc_core::ecma::ast::{Number, Program};
use swc_core::ecma::preset_env::{Config, EnvConfig, Feature, FeatureOrModule, transform_from_env};
use swc_core::ecma::transforms::base::assumptions::Assumptions;
use swc_core::ecma::transforms::base::helpers::{HELPERS, Helpers, inject_helpers};
use swc_core::ecma::transforms::base::hygiene::hygiene;
use swc_core::ecma::visit::{VisitMut, VisitMutWith};

/// A JavaScript runtime of CloudFront Functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Runtime {
    /// `cloudfront-js-1.0`: no `const`, `let`, `async` or modules.
    Njs1,
    /// `cloudfront-js-2.0`.
    Njs2,
}

/// What neither runtime has.
const BOTH: [Feature; 15] = [
    Feature::Classes,
    Feature::ForOf,
    Feature::Destructuring,
    Feature::Spread,
    Feature::Parameters,
    Feature::OptionalChaining,
    Feature::LogicalAssignmentOperators,
    Feature::OptionalCatchBinding,
    Feature::ObjectRestSpread,
    Feature::NewTarget,
    Feature::ClassProperties,
    Feature::PrivateMethods,
    Feature::ClassStaticBlock,
    Feature::ObjectSuper,
    Feature::Regenerator,
];

/// Rewrites what can be. The program's scopes must have been found, and have to be found anew.
pub(super) fn lower(program: &mut Program, runtime: Runtime, unresolved: Mark) {
    let mut include: Vec<FeatureOrModule> = BOTH.into_iter().map(FeatureOrModule::Feature).collect();
    if runtime == Runtime::Njs1 {
        include.push(FeatureOrModule::Feature(Feature::BlockScoping));
    }
    let newest = serde_json::from_value(serde_json::json!({ "chrome": "120" })).ok();
    let config = Config { include, targets: newest, loose: true, ..Config::default() };
    let mut assumptions = Assumptions::default();
    assumptions.iterable_is_array = true;
    assumptions.array_like_is_iterable = true;
    assumptions.set_spread_properties = true;
    assumptions.object_rest_no_symbols = true;
    assumptions.ignore_function_length = true;
    assumptions.no_document_all = true;
    assumptions.pure_getters = true;
    assumptions.set_public_class_fields = true;
    assumptions.private_fields_as_properties = true;
    assumptions.skip_for_of_iterator_closing = true;

    HELPERS.set(&Helpers::new(false), || {
        program.mutate(&mut transform_from_env(unresolved, None::<SingleThreadedComments>, EnvConfig::from(config), assumptions));
        program.mutate(&mut inject_helpers(unresolved));
    });
    match runtime {
        Runtime::Njs1 => program.visit_mut_with(&mut PlainNumbers),
        Runtime::Njs2 => hoist(program),
    }
    program.visit_mut_with(&mut hygiene());
    program.visit_mut_with(&mut NoScopes);
}

/// `1_000` is no number to the older runtime.
struct PlainNumbers;

impl VisitMut for PlainNumbers {
    fn visit_mut_number(&mut self, number: &mut Number) {
        number.raw = None;
    }
}

/// Takes the scopes off, for the names themselves to say them.
pub(super) struct NoScopes;

impl VisitMut for NoScopes {
    fn visit_mut_syntax_context(&mut self, context: &mut SyntaxContext) {
        *context = SyntaxContext::empty();
    }
}
