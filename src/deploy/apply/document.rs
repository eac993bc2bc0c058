//! A plan as a document: to be read, saved, agreed on, and carried out later if it still holds.

use super::{Prepared, Stopped};
use crate::deploy::invalidation;
use crate::deploy::remote::Stage;
use serde_json::{Value, json};
use std::collections::BTreeMap;

impl Prepared {
    /// The plan as a document. It names the state that it was made for, and holds no time: made again from the same
    /// release and the same state it is the same.
    pub fn json(&self, stage: &Stage) -> Value {
        let head = self.live.head();
        let purges: BTreeMap<&String, Value> = self.purges.iter().map(|(name, plan)| (name, purge(plan))).collect();
        let mut document = json!({
            "version": 1,
            "stage": stage.name,
            "basis": { "release": head.release, "sequence": head.sequence },
            "release": self.plan.release,
            "previous": self.plan.previous,
            "takes_up": head.applying.as_ref().map(|applying| &applying.to),
            "steps": self.plan.steps,
            "unchanged": self.plan.unchanged,
            "bytes": self.plan.bytes(),
            "invalidation": purges,
        });
        if !self.begins.is_empty() {
            document["tags_begin"] = json!(self.begins);
        }
        document
    }

    /// Whether a plan that was agreed on is what would be done now.
    pub(super) fn is_still(&self, saved: &Value, stage: &Stage) -> Result<(), Stopped> {
        let now = self.json(stage);
        if *saved == now {
            return Ok(());
        }
        let differs = |key: &str| saved[key] != now[key];
        let why = if differs("version") || differs("stage") {
            format!("the plan is for the stage {}, in the form {}", saved["stage"], saved["version"])
        } else if differs("release") {
            format!("the plan is for the release {}, and the sources make {} now", saved["release"], now["release"])
        } else if differs("basis") {
            format!(
                "the stage `{}` moved on: the plan was made when it served {}, and it serves {} now",
                stage.name, saved["basis"]["release"], now["basis"]["release"]
            )
        } else {
            "the settings in qdn.toml make another plan now".to_owned()
        };
        Err(Stopped::Moved(format!("{why}; nothing was done\nhint: make the plan again with `qdn plan {}`", stage.name)))
    }
}

fn purge(plan: &invalidation::Plan) -> Value {
    let items: Vec<Value> =
        plan.items.iter().map(|planned| json!({ "item": planned.item, "reason": planned.to_string() })).collect();
    let ways: Vec<Value> = plan
        .alternatives
        .iter()
        .map(|other| {
            json!({
                "way": format!("{:?}", other.way).to_lowercase(), "items": other.items, "cents": other.cents, "fits": other.fits,
                "also_purged": other.collateral.objects,
            })
        })
        .collect();
    json!({
        "items": items,
        "cents": plan.cents,
        "also_purged": plan.collateral.objects,
        "also_purged_bytes": plan.collateral.bytes,
        "concession": plan.concession.map(|concession| format!("{concession:?}").to_lowercase()),
        "other_ways": ways,
    })
}
