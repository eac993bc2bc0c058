use super::*;
use crate::release::FunctionEntry;

const CAREFUL: Policy = Policy { allow_removals: false, allow_older: false, most_removed: None };

fn entry(text: &str) -> ObjectEntry {
    let class = if text.starts_with("asset") { Class::Immutable } else { Class::Page };
    let sha256 = crate::release::Digest::of(text.as_bytes()).hex();
    ObjectEntry {
        sha256,
        size: text.len() as u64,
        class,
        content_type: "text/html".to_owned(),
        cache_control: "no-cache".to_owned(),
    }
}

/// A manifest of keys with their texts.
fn manifest(release: &str, objects: &[(&str, &str)]) -> Manifest {
    let objects = objects.iter().map(|(key, text)| ((*key).to_owned(), entry(text))).collect();
    let site = Distribution { objects, ..Distribution::default() };
    Manifest { version: 1, release: release.to_owned(), distributions: [("site".to_owned(), site)].into(), ..Manifest::default() }
}

fn drawn(plan: &Plan) -> String {
    let line = |step: &Step| format!("{:?} {} {:?}\n", step.phase, step.key, step.reason);
    plan.steps.iter().map(line).collect()
}

#[test]
fn a_first_publish_sends_everything_in_order() {
    let keys = [
        ("index.html", "home"),
        ("a/index.html", "section"),
        ("a/b/index.html", "leaf"),
        ("a/b.pdf", "file"),
        ("404.html", "nothing"),
        ("sitemap.xml", "map"),
        ("robots.txt", "robots"),
        ("assets/site.123.css", "asset"),
    ];
    let next = manifest("r1", &keys);
    let plan = plan(&next, None, CAREFUL).unwrap();
    assert_eq!(
        drawn(&plan),
        "Assets assets/site.123.css New\nFiles a/b.pdf New\nPages 404.html New\nPages a/b/index.html New\nSections a/index.html New\n\
         Home index.html New\nFeeds robots.txt New\nFeeds sitemap.xml New\n"
    );
    assert_eq!((plan.previous.as_deref(), plan.bytes()), (None, keys.iter().map(|(_, text)| text.len() as u64).sum()));
}

#[test]
fn nothing_changed_is_nothing_to_do() {
    let next = manifest("r1", &[("index.html", "home"), ("a.html", "a")]);
    let plan = plan(&next, Some(&next.clone()), CAREFUL).unwrap();
    assert!(plan.is_empty());
    assert_eq!(plan.unchanged, 2);
}

#[test]
fn every_step_says_why() {
    let live = manifest("r1", &[("index.html", "old"), ("gone.html", "x"), ("same.html", "x"), ("assets/a.1.js", "asset 1")]);
    let mut next = manifest("r2", &[("index.html", "new"), ("same.html", "x"), ("added.html", "y"), ("assets/a.2.js", "asset 2")]);
    let same = next.distributions.get_mut("site").unwrap().objects.get_mut("same.html").unwrap();
    same.cache_control = "max-age=60".to_owned();
    let plan = plan(&next, Some(&live), CAREFUL).unwrap();
    assert_eq!(
        drawn(&plan),
        "Assets assets/a.2.js New\nPages added.html New\nPages same.html Headers { changed: [\"cache-control\"] }\n\
         Home index.html Content\nRemovals gone.html Gone\n",
        "and the old asset stays"
    );
    let json = serde_json::to_value(&plan).unwrap();
    assert_eq!(
        json["steps"][2],
        serde_json::json!({ "phase": "pages", "distribution": "site", "key": "same.html", "why": "headers", "changed": ["cache-control"], "bytes": 1 })
    );
}

#[test]
fn a_function_goes_before_the_pages_and_only_where_it_changed() {
    let function = |code: &str| FunctionEntry { sha256: code.to_owned(), size: 9, runtime: "cloudfront-js-2.0".to_owned() };
    let mut live = manifest("r1", &[("index.html", "old")]);
    let mut next = manifest("r2", &[("index.html", "new")]);
    for name in ["same", "other"] {
        live.functions.insert(name.to_owned(), function("1"));
        next.functions.insert(name.to_owned(), function("1"));
    }
    next.functions.insert("other".to_owned(), function("2"));
    let plan = plan(&next, Some(&live), CAREFUL).unwrap();
    assert_eq!(drawn(&plan), "Functions other Content\nHome index.html Content\n");
}

#[test]
fn a_build_that_lost_its_sources_is_not_published() {
    let keys: Vec<String> = (0..10).map(|number| format!("{number}.html")).collect();
    let all: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "x")).collect();
    let live = manifest("r1", &all);
    assert_eq!(plan(&manifest("r2", &[]), Some(&live), CAREFUL), Err(vec![Refusal::Empty { distribution: "site".to_owned() }]));
    let refusal = Refusal::TooManyRemovals { distribution: "site".to_owned(), removed: 9, of: 10, most: 8 };
    assert_eq!(plan(&manifest("r2", &all[..1]), Some(&live), CAREFUL), Err(vec![refusal]));
    assert!(plan(&manifest("r2", &all[..2]), Some(&live), CAREFUL).is_ok());
    assert!(plan(&manifest("r2", &[]), Some(&live), Policy { allow_removals: true, ..CAREFUL }).is_ok());
    assert!(plan(&manifest("r2", &[]), None, CAREFUL).is_ok(), "nothing is lost where nothing was");
}

/// Whatever two sites look like, taking the steps of the plan makes one of the other.
#[test]
fn the_steps_make_the_next_of_the_live() {
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut dice = |sides: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % sides
    };
    for _ in 0..500 {
        let mut site = |release: &str| {
            let keys: Vec<(String, String)> =
                (0..dice(12)).map(|_| (format!("{}.html", dice(8)), format!("text {}", dice(3)))).collect();
            let keys: Vec<(&str, &str)> = keys.iter().map(|(key, text)| (key.as_str(), text.as_str())).collect();
            manifest(release, &keys)
        };
        let (live, next) = (site("r1"), site("r2"));
        let plan = plan(&next, Some(&live), Policy { allow_removals: true, ..CAREFUL }).unwrap();
        let mut served = live.distributions["site"].objects.clone();
        for step in &plan.steps {
            match step.reason {
                Reason::Gone => drop(served.remove(&step.key)),
                _ => drop(served.insert(step.key.clone(), next.distributions["site"].objects[&step.key].clone())),
            }
        }
        assert_eq!(served, next.distributions["site"].objects);
        assert!(plan.steps.is_sorted_by_key(|step| step.phase));
    }
}
