//! A project of several distributions: who serves what, and what is told of mistakes.

use crate::project::{PAGE, Project};
use std::path::Path;

/// A site and a back office that share one script, one image and the 404 page.
fn office() -> Project {
    Project::new()
        .file("qdn.toml", "[site]\nbase_url = \"https://x.test\"\n[distributions.office]\npages = [\"/office/*\"]\nhome = \"/office/\"\n")
        .file("templates/office.html", "<!doctype html><link rel=icon href=\"/icon.svg\"><link rel=stylesheet href=\"{{ asset('office.css') }}\"><script type=module src=\"{{ asset('office.js') }}\"></script>{{ page.content }}")
        .file("templates/page.html", "<!doctype html><script type=module src=\"{{ asset('public.js') }}\"></script>{{ page.content }}")
        .file("site/404.md", "# Gone\n![l](/assets/lost.svg)\n")
        .file("site/office/index.md", "---\ntemplate: office.html\nextra: { noindex: true }\n---\n[home](/) [log](/office/log/) [form](/office/form.pdf)\n")
        .file("site/office/log.md", "---\ntemplate: office.html\nextra: { noindex: true }\n---\ntext\n")
        .file("site/static/icon.svg", "<svg/>")
        .file("site/static/office/form.pdf", "%PDF")
        .file("site/static/robots.txt", "User-agent: *\nDisallow: /private/\n")
        .file("site/assets/office.css", "p { background: url(img/desk.svg) }")
        .file("site/assets/img/desk.svg", "<svg><title>desk</title></svg>")
        .file("site/assets/office.js", "import { both } from './both.js';\nconsole.log('office', both);\n")
        .file("site/assets/public.js", "import { both } from './both.js';\nconsole.log('public', both);\n")
        .file("site/assets/both.js", format!("export const both = ['{}'];\nboth.push(Date.now());\n", "x".repeat(2_000)))
        .file("site/assets/lost.svg", "<svg><title>lost</title></svg>")
        .file("site/assets/mail.svg", "<svg><title>for e-mails, which no page shows</title></svg>")
}

/// The names in a folder, without hashes.
fn names(project: &Project, folder: &str) -> Vec<String> {
    let plain = |path: &Path| {
        let name = path.display().to_string();
        let parts: Vec<&str> =
            name.split('.').filter(|part| part.len() != 16 || !part.bytes().all(|byte| byte.is_ascii_hexdigit())).collect();
        parts.join(".")
    };
    project.tree(folder).iter().map(|(path, _)| plain(path)).collect()
}

#[test]
fn pages_go_where_they_belong_and_assets_where_they_are_needed() {
    let project = office();
    project.qdn(&["build"]).ended(0);
    assert_eq!(
        names(&project, "dist/office"),
        [
            "404.html",
            "assets/img/desk.svg",
            "assets/js/shared.js",
            "assets/lost.svg",
            "assets/office.css",
            "assets/office.js",
            "assets/public.js",
            "icon.svg",
            "index.html",
            "office/form.pdf",
            "office/index.html",
            "office/log/index.html",
            "robots.txt",
        ]
    );
    assert_eq!(
        names(&project, "dist/site"),
        [
            "404.html",
            "assets/js/shared.js",
            "assets/lost.svg",
            "assets/mail.svg",
            "assets/public.js",
            "icon.svg",
            "index.html",
            "robots.txt",
            "sitemap.xml",
        ]
    );
    assert_eq!(project.read("dist/office/index.html"), project.read("dist/office/office/index.html"));
    assert_eq!(project.read("dist/office/robots.txt"), "User-agent: *\nDisallow: /\n", "none of its pages is for search engines");
    assert_eq!(project.read("dist/site/robots.txt"), "User-agent: *\nDisallow: /private/\n");
    assert!(!project.read("dist/site/sitemap.xml").contains("office"));
}

#[test]
fn each_distribution_is_in_the_manifest_with_its_function_and_headers() {
    let pass = "function handler(event) { var r = event.request; if (r.uri.endsWith('/')) r.uri += 'index.html'; return r; }";
    let project = office().file("functions/a.js", pass).file("functions/b.js", pass);
    let config = project.read("qdn.toml");
    project.write("qdn.toml", format!("{config}viewer_request = \"b\"\n[distributions.log]\npages = [\"/log/*\"]\n[functions]\nviewer_request = \"a\"\n[headers.\"/office/*\"]\nx-robots-tag = \"noindex\"\n"));
    project.write("site/log/index.md", "# Log");
    project.qdn(&["build"]).ended(0);
    let manifest: serde_json::Value = serde_json::from_str(&project.read("dist/manifest.json")).expect("JSON");
    let all = &manifest["distributions"];
    let deciders = ["log", "office", "site"].map(|name| all[name]["viewer_request"].as_str().unwrap_or("?").to_owned());
    assert_eq!(deciders, ["a", "b", "a"]);
    let patterns = |name: &str| -> Vec<&str> {
        all[name]["headers"]["paths"].as_array().expect("rows").iter().filter_map(|row| row["pattern"].as_str()).collect()
    };
    assert_eq!(patterns("office"), ["/office/*", "/", "/index.html"], "the home page has its headers under both addresses");
    assert_eq!(patterns("site"), ["/office/*"]);
    assert_eq!(project.read("dist/log/robots.txt"), "User-agent: *\nAllow: /\n");
    project.write("qdn.toml", "[functions]\nviewer_request = \"a\"\n");
    project.qdn(&["build"]).ended(0);
    assert!(!project.exists("dist/office") && !project.exists("dist/log"), "what no manifest names is gone");
}

#[test]
fn mistakes_in_distributions_are_told_where_they_are() {
    let project = office().file(
        "qdn.toml",
        "[distributions.site]\npages = ['/x']\n[distributions.Office]\npages = ['office']\n[distributions.a]\npages = ['/office/*']\nhome = '/ofice/'\nhom = 1\n\
         [distributions.b]\npages = ['/office/log/*', '/offfice/']\nhome = 'log'\nviewer_request = 'none'\n[distributions.c]\n",
    );
    let run = project.qdn(&["check", "--json"]).ended(1);
    assert_eq!(
        run.places(),
        [
            "reserved qdn.toml:1:16",
            "name qdn.toml:3:16",
            "path-pattern qdn.toml:4:10",
            "unused-pattern qdn.toml:4:10",
            "home qdn.toml:7:8",
            "unknown-key qdn.toml:8:1",
            "two-distributions qdn.toml:10:10",
            "unused-pattern qdn.toml:10:27",
            "home qdn.toml:11:8",
            "no-such-function qdn.toml:12:18",
            "no-pages qdn.toml:13:16",
        ]
    );
    let text = run.stdout;
    for part in
        ["a page with a similar address exists: `/office/`", "there is `/office/`", "a key with a similar name exists: `home`"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_home_page_reads_the_same_under_both_of_its_addresses() {
    let project =
        office().file("templates/page.html", PAGE).file("site/office/index.md", "[log](log/) [top](#x) [home](/)\n## X\n");
    let run = project.qdn(&["check", "--json"]).ended(1);
    assert_eq!(run.places(), ["relative-link site/office/index.md:1:7"]);
    assert!(run.stdout.contains("write `/office/log/`"), "{}", run.stdout);
    project.write("site/office/index.md", "---\nextra: { feed: true }\n---\n[log](/office/log/)\n");
    let run = project.qdn(&["check", "--json"]).ended(0);
    assert_eq!(run.places(), ["feed site/office/index.md:1:1"]);
}

#[test]
fn mistakes_in_stages_are_told_where_they_are() {
    let project = office();
    let base = project.read("qdn.toml");
    let lines = base.lines().count();
    let places = |stages: &str| -> Vec<String> {
        project.write("qdn.toml", format!("{base}{stages}"));
        let run = project.qdn(&["check", "--json"]).ended(1);
        let line = |place: &str| {
            let mut parts = place.split(':');
            let (rule, line) = (parts.next().unwrap_or_default(), parts.next().and_then(|line| line.parse::<usize>().ok()));
            format!("{} {}", rule.trim_end_matches(" qdn.toml"), line.map_or(0, |line| line - lines))
        };
        run.places().iter().map(|place| line(place)).collect()
    };
    let sound = "[stages.a]\ncontrol = 's3://control/x'\n[stages.a.distributions]\nsite = { bucket = 'aaa', id = 'EA1' }\noffice = { bucket = 'aaa-office/p', id = 'EA2' }\n";
    assert_eq!(places("[stages.a]\n"), ["stage 1", "stage 1"], "no ledger, no distributions");
    assert_eq!(places(&sound.replace("office = {", "ofice = {")), ["stage 1", "no-such-distribution 5"]);
    assert_eq!(places(&sound.replace("'aaa'", "'Aaa'").replace("EA1", "D1")), ["bucket 4", "distribution-id 4"]);
    assert_eq!(places(&sound.replace("'aaa-office/p'", "'aaa/'").replace("EA2", "EA1")), ["same-place 5", "same-distribution 5"]);
    assert_eq!(places(&sound.replace("'aaa-office/p'", "'aaa/deep'")), ["same-place 5"]);
    assert_eq!(places(&sound.replace("s3://control/x", "s3://aaa-office/p/ledger")), ["same-place 2"]);
    assert_eq!(places(&sound.replace("s3://control/x", "gs://control/x")), ["bucket 2"]);
    assert_eq!(
        places(&format!("{sound}[stages.b]\nfolder = 'dist'\nregion = 'x'\n[stages.b.distributions.site]\nbucket = 'b'\n")),
        ["stage 7", "stage 8", "unknown-key 10"]
    );
    assert_eq!(places("[stages.local]\nendpoint = 'http://127.0.0.1:4566'\n"), ["stage 2"]);
    assert_eq!(places("[stages.b]\nfolder = './.qdn/stages/local/x'\n[stages.'B b']\nfolder = 'y'\n"), ["same-place 1", "name 3"]);
    assert_eq!(
        places(&format!("{}[stages.a.functions]\nf = 'a b'\n", sound.replace("'EA2'", "'EA2', url = 'x.test/a', urls = 1"))),
        ["url 5", "unknown-key 5", "no-such-function 7", "function-name 7"]
    );
    assert_eq!(
        places(
            "[invalidation]\naliases = 'all'\ncollateral = 101\nreserve = 16\nfamlies = {}\n[invalidation.families]\n'/x' = '/y'\n[publish]\nkeep_days = 0\nkeep = 1\n"
        ),
        [
            "aliases 2",
            "out-of-range 3",
            "out-of-range 4",
            "unknown-key 5",
            "family 7",
            "family 7",
            "out-of-range 9",
            "unknown-key 10",
        ]
    );
    project.write("qdn.toml", format!("{base}{sound}[invalidation.families]\n'offfice/index.html' = '/o/*'\n"));
    let run = project.qdn(&["check", "--json"]).ended(0);
    assert!(run.stdout.contains("an object with a similar name exists: `office/index.html`"), "{}", run.stdout);
}

#[test]
fn a_function_of_two_stages_has_two_names() {
    let stage = |name: &str, function: &str| {
        format!(
            "[stages.{name}]\ncontrol = 'control'\n[stages.{name}.distributions.site]\nbucket = 'bucket-{name}'\nid = 'E{}'\n[stages.{name}.functions]\nf = '{function}'\n",
            name.to_uppercase()
        )
    };
    let pass = "function handler(event) { var r = event.request; if (r.uri.endsWith('/')) r.uri += 'index.html'; return r; }";
    let project = Project::new().file("functions/f.js", pass);
    project.write("qdn.toml", stage("one", "f") + &stage("two", "f"));
    assert_eq!(project.qdn(&["check", "--json"]).ended(1).places(), ["same-function qdn.toml:14:1"]);
    project.write("qdn.toml", stage("one", "f-two") + &stage("two", "f-one"));
    project.qdn(&["check"]).ended(0);
    project.write("qdn.toml", stage("one", "f-three") + &stage("three", "f"));
    project.qdn(&["check"]).ended(0);
}

/// What would be asked of CloudFront for our own function, asked of the emulator again.
#[test]
fn our_own_functions_cases_are_proofs() {
    struct Forgetful;
    impl qdn::release::Cache for Forgetful {
        fn get(&self, _: &qdn::release::Digest) -> Option<Vec<u8>> {
            None
        }
        fn put(&self, _: &qdn::release::Digest, _: &[u8]) {}
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = qdn::source::Sources::new();
    for folder in ["site", "templates", "functions"] {
        for (path, bytes) in crate::project::tree(&root.join(folder)) {
            sources.insert(format!("{folder}/{}", path.display()).as_str(), bytes);
        }
    }
    sources.insert("qdn.toml", std::fs::read(root.join("qdn.toml")).expect("qdn.toml"));
    let memory = qdn::build::Memory::new(Box::new(Forgetful));
    let outcome = qdn::build::release(&sources, Vec::new(), qdn::build::Options::default(), &memory);
    let release = outcome.release.unwrap_or_else(|| panic!("{:?}", outcome.diagnostics));
    let proofs = qdn::build::proofs(&sources, &release.functions).expect("the cases pass");
    let (function, rows) = proofs.by_function.iter().next().expect("a function");
    assert!(rows.len() > 70 && proofs.with_store.is_empty() && proofs.by_clock.is_empty(), "{}", rows.len());
    let (function, tester) = (&release.functions[function], qdn::build::tester());
    for proof in rows {
        let tested = tester(&function.code, &function.runtime, &proof.event);
        assert_eq!(qdn::build::agree(&proof.expected, &tested), Ok(()), "{}", proof.name);
    }
}
