//! What people get wrong, and what they are told: where, what, and what to do; all of it at once.

use crate::project::{PAGE, Project};

#[test]
fn every_kind_of_mistake_is_found_in_one_run() {
    let project = Project::new()
        .file("qdn.toml", "[site]\ntitle = \"x\"\n[buidl]\n")
        .file("site/front.md", "---\ntitel: x\n---\n")
        .file("site/date.md", "+++\ndate = \"yesterday\"\n+++\n")
        .file("site/link.md", "[x](gone.md)\n")
        .file("templates/broken.html", "{% if %}")
        .file("site/assets/a.css", "p { color: red }\nq { width: calc(1px + ; }\n")
        .file("site/assets/a.js", "let a = 1;\nlet b = ;\n")
        .file("functions/f.js", "function handler(event) {\n  return event.request\n");
    let places = project.qdn(&["check", "--json"]).ended(1).places();
    for expected in [
        "unknown-key qdn.toml:3:2",
        "unknown-key site/front.md:2:1",
        "date site/date.md:2:8",
        "broken-link site/link.md:1:5",
        "template-syntax templates/broken.html:1:",
    ] {
        assert!(places.iter().any(|place| place.starts_with(expected)), "{expected} in {places:#?}");
    }
    for file in ["site/assets/a.css:2:", "site/assets/a.js:2:", "functions/f.js:"] {
        assert!(places.iter().any(|place| place.contains(file)), "{file} in {places:#?}");
    }
    assert!(!project.exists("dist"));
}

#[test]
fn a_complaint_is_drawn_with_its_line_and_a_hint() {
    let project = Project::new().file("site/front.md", "---\ntitel: x\n---\n");
    let run = project.qdn(&["build"]).ended(1);
    insta::assert_snapshot!(run.stderr, @r"
    error[unknown-key]: unknown key `titel` in the front matter
     --> site/front.md:2:1
      |
    2 | titel: x
      | ^^^^^
      |
      = hint: a key with a similar name exists: `title`
    error: 1 error; nothing was written
    ");
}

#[test]
fn an_unknown_template_variable_is_named_with_its_neighbour() {
    let project = Project::new()
        .file("qdn.toml", "[site]\nphone = \"1\"\n")
        .file("templates/base.html", "<title>{% block t %}{% endblock %}</title>\n{% include \"part.html\" %}")
        .file("templates/part.html", "<p>\n{{ site.phoen }}</p>")
        .file("templates/page.html", "{% extends \"base.html\" %}{% block t %}{{ page.tilte }}{% endblock %}");
    let run = project.qdn(&["check", "--json"]).ended(1);
    assert_eq!(run.places(), ["undefined templates/page.html:1:42"]);
    assert_eq!(run.json()["diagnostics"][0]["hint"], "a variable with a similar name exists: `page.title`");
    project.write("templates/page.html", "{% extends \"base.html\" %}");
    let run = project.qdn(&["check", "--json"]).ended(1);
    assert_eq!(run.places(), ["undefined templates/part.html:2:4"], "in the included file, not in the one that includes it");
    assert_eq!(run.json()["diagnostics"][0]["hint"], "a variable with a similar name exists: `site.phone`");
}

#[test]
fn unknown_assets_templates_and_parents_are_named() {
    let project = Project::new()
        .file("site/assets/css/site.css", "p{}")
        .file("templates/page.html", "{{ asset(\"css/sitte.css\") }}")
        .file("templates/child.html", "{% extends \"bass.html\" %}")
        .file("templates/base.html", "x")
        .file("site/a.md", "---\ntemplate: chld.html\n---\n")
        .file("site/b.md", "---\ntemplate: child.html\n---\n");
    let run = project.qdn(&["check", "--json"]).ended(1);
    assert_eq!(
        run.places(),
        ["no-such-template site/a.md:2:11", "no-such-template templates/child.html:1:4", "template templates/page.html:1:4"],
        "{}",
        run.stdout
    );
    let hints: Vec<_> = run.json()["diagnostics"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| row["hint"].as_str().unwrap_or("").to_owned())
        .collect();
    assert_eq!(
        hints,
        [
            "a template with a similar name exists: `child.html`",
            "a template with a similar name exists: `base.html`",
            "an asset with a similar name exists: `css/site.css`"
        ]
    );
}

#[test]
fn a_missing_default_template_is_said_once() {
    let project = Project::empty().file("site/index.md", "# A").file("site/b.md", "# B");
    let run = project.qdn(&["--root", ".", "check", "--json"]).ended(1);
    assert_eq!(run.places(), ["no-such-template"]);
}

#[test]
fn links_are_checked_where_they_are_written() {
    let project = Project::new()
        .file("templates/page.html", "<a href=\"/nowhere/\">x</a><div id=\"there\"></div>{{ page.content }}")
        .file("site/a.md", "x\n[one](/hoem/) [two](/b/#gone) [three](/b/#there) ![i](pic.png)\n<a href=\"/lost\">\n")
        .file("site/home.md", "# H")
        .file("site/b.md", "[self](#no)\n[ok](#top) [api](/api/v1/x) [mail](mailto:a@b.test) [out](https://x.test/y)\n");
    let run = project.qdn(&["check", "--json"]).ended(1);
    assert_eq!(
        run.places(),
        [
            "broken-link site/a.md:2:7",
            "broken-fragment site/a.md:2:21",
            "broken-link site/a.md:2:55",
            "broken-link site/a.md:3:10",
            "broken-fragment site/b.md:1:8",
            "broken-link templates/page.html:1:10",
        ],
        "{}",
        run.stdout
    );
    assert_eq!(run.json()["diagnostics"][0]["hint"], "a page with a similar address exists: `/home/`");
}

#[test]
fn two_sources_of_one_key_are_a_mistake() {
    let project = Project::new()
        .file("site/a.md", "# A")
        .file("site/a/index.md", "# A")
        .file("site/b.html", "b")
        .file("site/static/b/index.html", "b")
        .file("site/static/C.txt", "c")
        .file("site/static/c.txt", "c")
        .file("site/d.md", "# D")
        .file("site/static/d", "a file where a folder has to be");
    let run = project.qdn(&["check", "--json"]).ended(1);
    let places = run.places();
    assert_eq!(places.len(), 4, "{places:?}");
    assert!(places.iter().all(|place| place.starts_with("same-key ")), "{places:?}");
    let text = project.qdn(&["check"]).stderr;
    assert!(text.contains("`b/index.html` is made by `site/b.html` too") && text.contains("differ by case alone"), "{text}");
}

#[test]
fn odd_names_are_decided() {
    let project = Project::new()
        .file("site/a b.md", "# Space\n[there](/caf%C3%A9/)")
        .file("site/café.md", "# Café\n[there](/a%20b/)")
        .file("site/static/price list.pdf", "%PDF");
    project.qdn(&["build"]).ended(0);
    assert!(
        project.exists("dist/site/a b/index.html")
            && project.exists("dist/site/café/index.html")
            && project.exists("dist/site/price list.pdf")
    );
    for name in ["a#b.md", "a?b.md", "100%.md"] {
        let project = Project::new().file(&format!("site/{name}"), "# X");
        let run = project.qdn(&["check", "--json"]).ended(1);
        assert_eq!(run.places(), [format!("file-name site/{name}:1:1")]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_composed_in_two_ways_is_one_name() {
    let project = Project::new().file("site/cafe\u{301}.md", "# Café");
    project.qdn(&["build"]).ended(0);
    assert!(project.exists("dist/site/caf\u{e9}/index.html"), "composed, as browsers send it");
    project.write("site/caf\u{e9}.md", "# Café");
    assert!(project.qdn(&["check"]).ended(1).stderr.contains("composed in two ways"));
}

#[cfg(unix)]
#[test]
fn links_of_the_file_system_are_followed_but_not_forever() {
    let project = Project::new().file("elsewhere/x.md", "# X");
    std::os::unix::fs::symlink(project.path().join("elsewhere"), project.path().join("site/linked")).expect("a link");
    project.qdn(&["build"]).ended(0);
    assert!(project.exists("dist/site/linked/x/index.html"));
    std::os::unix::fs::symlink(project.path().join("site"), project.path().join("site/loop")).expect("a link");
    let run = project.qdn(&["check", "--json"]).ended(1);
    assert_eq!(run.places(), ["link-loop site/loop:1:1"]);
    std::fs::remove_file(project.path().join("site/loop")).expect("it is there");
    std::os::unix::fs::symlink(project.path().join("nowhere"), project.path().join("site/dangling.md")).expect("a link");
    assert_eq!(project.qdn(&["check", "--json"]).ended(1).places(), ["unreadable site/dangling.md:1:1"]);
}

#[test]
fn what_is_not_text_is_said_to_be_none() {
    let project = Project::new()
        .file("site/latin.md", b"caf\xe9")
        .file("templates/latin.html", b"caf\xe9")
        .file("site/assets/latin.css", b"p { content: '\xe9' }")
        .file("site/assets/latin.js", b"'\xe9'")
        .file("qdn.toml", b"# \xe9");
    let places = project.qdn(&["check", "--json"]).ended(1).places();
    assert_eq!(places.iter().filter(|place| place.starts_with("not-utf-8 ")).count(), 5, "{places:#?}");
}

#[test]
fn a_file_that_is_nothing_is_not_passed_over() {
    let project = Project::new().file("site/photo.jpg", "x").file("site/.DS_Store", "x").file("site/a.md~", "x");
    assert_eq!(project.qdn(&["check", "--json"]).ended(1).places(), ["not-a-page site/photo.jpg:1:1"]);
}

#[test]
fn code_in_attributes_is_refused_where_it_is_written() {
    let project = Project::new().file("templates/page.html", format!("{PAGE}\n<p style=\"color: red\" onclick=\"x()\">"));
    let run = project.qdn(&["check", "--json"]).ended(1);
    assert_eq!(run.places(), ["inline-code templates/page.html:2:4", "inline-code templates/page.html:2:23"]);
}

#[test]
fn code_in_attributes_is_found_however_it_is_written() {
    let template = "\n<button onClick=\"go()\">x</button>\n<p STYLE = 'color: red' data-style=\"y\">\n\
                    <i style=\"width: {{ page.title }}\">";
    let project = Project::new().file("templates/page.html", format!("{PAGE}{template}"));
    let run = project.qdn(&["check", "--json"]).ended(1);
    let places = ["2:9", "3:4", "4:4"].map(|place| format!("inline-code templates/page.html:{place}"));
    assert_eq!(run.places(), places);
    let message = run.json()["diagnostics"][0]["message"].to_string();
    assert!(message.contains("`onClick`"), "{message}");
}

#[test]
fn code_in_attributes_is_not_looked_for_in_what_a_page_shows() {
    let project = Project::new()
        .file("templates/page.html", format!("{PAGE}\n<p style=\"x\">"))
        .file("site/index.md", "---\ntitle: Home\n---\n```html\n<p style=\"a\">\n<p style=\"x\">\n```\n");
    assert_eq!(project.qdn(&["check", "--json"]).ended(1).places(), ["inline-code templates/page.html:2:4"]);
    project.write("templates/page.html", PAGE);
    project.qdn(&["check"]).ended(0);
    project.write("site/index.md", "---\ntitle: Home\n---\n<p onClick=\"x()\">a</p>\n\n| a |\n|--:|\n| 1 |\n");
    let places = project.qdn(&["check", "--json"]).ended(1).places();
    assert_eq!(places, ["inline-code site/index.md:4:4"], "Markdown's own alignment is nobody's attribute");
}

#[test]
fn code_in_attributes_is_refused_even_if_its_place_is_unknown() {
    let project = Project::new()
        .file("templates/page.html", format!("{PAGE}\n<p {{{{ page.extra.att }}}}>"))
        .file("site/index.md", "---\nextra:\n  att: onclick = go()\n---\n# Home\n");
    assert_eq!(project.qdn(&["check", "--json"]).ended(1).places(), ["inline-code site/index.md:3:8"]);
    project.write("site/index.md", "---\nextra:\n  att: 'onclick=\"go()\"'\n---\n# Home\n");
    let run = project.qdn(&["check", "--json"]).ended(1);
    assert_eq!(run.places(), ["inline-code site/index.md:1:1"]);
    let hint = run.json()["diagnostics"][0]["hint"].to_string();
    assert!(hint.contains("in the finished page: `onclick="), "{hint}");
}

#[test]
fn an_inline_script_is_allowed_by_its_hash() {
    let project = Project::new().file("templates/page.html", format!("{PAGE}<script>let a = 1</script><style>p {{}}</style>"));
    project.qdn(&["build"]).ended(0);
    let manifest = project.read("dist/manifest.json");
    assert!(
        manifest.contains("script-src 'self' 'sha256-")
            && manifest.contains("style-src 'self' 'sha256-")
            && !manifest.contains("unsafe")
    );
}

#[test]
fn aliases_need_someone_to_answer_them() {
    let page = "---\ntitle: New\naliases: [/old/, /older.html]\n---\n";
    let project = Project::new().file("site/new.md", page);
    let run = project.qdn(&["check", "--json"]).ended(1);
    assert_eq!(run.places().len(), 1);
    assert!(run.places()[0].starts_with("unserved-aliases"));
    let function = "import redirects from 'qdn:redirects';\nfunction handler(event) {\n  const to = redirects[event.request.uri];\n  \
                    if (to) return { statusCode: 301, statusDescription: 'Moved Permanently', headers: { location: { value: to } } };\n  \
                    if (event.request.uri.endsWith('/')) event.request.uri += 'index.html';\n  return event.request;\n}\n";
    project.write("functions/f.js", function);
    project.qdn(&["build"]).ended(0);
    assert!(project.read("dist/functions/f.js").contains("/older.html"));
    project.write("site/other.md", "---\naliases: [/old/, no, /new/]\n---\n");
    let places = project.qdn(&["check", "--json"]).ended(1).places();
    assert_eq!(
        places,
        ["alias site/other.md:2:11", "alias site/other.md:2:18", "alias site/other.md:2:22"],
        "twice, no path, a page's own address"
    );
}

#[test]
fn too_many_aliases_are_refused_with_advice() {
    let aliases: Vec<String> = (0..400).map(|n| format!("/a/rather/long/old/address/number/{n}/")).collect();
    let project = Project::new()
        .file("site/new.md", format!("---\ntitle: New\naliases: [{}]\n---\n", aliases.join(", ")))
        .file("functions/f.js", "import redirects from 'qdn:redirects';\nfunction handler(event) {\n  const to = redirects[event.request.uri];\n  if (to) event.request.uri = to;\n  return event.request;\n}\n");
    let run = project.qdn(&["check"]).ended(1);
    assert!(run.stderr.contains("10240") || run.stderr.contains("10,240"), "{}", run.stderr);
    assert!(run.stderr.contains("hint"), "{}", run.stderr);
}
