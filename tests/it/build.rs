//! What a build makes of sources, and what it leaves alone.

use crate::project::{PAGE, Project, Run, tree};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

fn modified(path: &Path) -> SystemTime {
    fs::metadata(path).expect("the file is there").modified().expect("a time")
}

#[test]
fn pages_assets_and_files_go_where_the_contract_says() {
    let project = Project::new()
        .file("site/a/b.md", "# B")
        .file("site/a/c/index.md", "# C")
        .file("site/404.md", "# Gone")
        .file("site/plain.html", "<p>plain</p>")
        .file("site/assets/css/site.css", "p { color: red }")
        .file("site/static/favicon.ico", b"\0icon");
    let run = project.qdn(&["build", "--json"]).ended(0);
    let document = run.json();
    for field in ["version", "pages", "assets", "functions", "written", "unchanged", "removed", "bytes", "milliseconds"] {
        assert!(document[field].is_u64(), "{field} in {document}");
    }
    assert_eq!(
        (document["version"].as_u64(), document["pages"].as_u64(), document["assets"].as_u64()),
        (Some(1), Some(5), Some(1))
    );
    let mut names: Vec<String> = project.tree("dist").into_iter().map(|(path, _)| path.display().to_string()).collect();
    let css = names.iter().position(|name| name.starts_with("site/assets/css/site.")).expect("the asset");
    assert!(names.remove(css).ends_with(".css"));
    assert_eq!(
        names,
        [
            "manifest.json",
            "site/404.html",
            "site/a/b/index.html",
            "site/a/c/index.html",
            "site/favicon.ico",
            "site/index.html",
            "site/plain/index.html",
            "site/robots.txt",
        ]
    );
}

#[test]
fn only_what_changed_is_written() {
    let project = Project::new().file("site/a.md", "# A").file("site/b.md", "# B");
    project.qdn(&["build"]).ended(0);
    let (a, b, manifest) = (
        project.path().join("dist/site/a/index.html"),
        project.path().join("dist/site/b/index.html"),
        project.path().join("dist/manifest.json"),
    );
    let before = (modified(&a), modified(&b), modified(&manifest));
    let again = project.qdn(&["build", "--json"]).ended(0).json();
    assert_eq!((again["written"].as_u64(), again["removed"].as_u64()), (Some(0), Some(0)));
    assert_eq!((modified(&a), modified(&b), modified(&manifest)), before);
    project.write("site/a.md", "# A, changed");
    let changed = project.qdn(&["build", "--json"]).ended(0).json();
    assert_eq!(changed["written"].as_u64(), Some(1));
    assert_eq!(modified(&b), before.1);
}

#[test]
fn a_file_that_was_edited_in_dist_is_mended() {
    let project = Project::new();
    project.qdn(&["build"]).ended(0);
    let right = project.read("dist/site/index.html");
    project.write("dist/site/index.html", right.replace("Home", "Hame"));
    project.qdn(&["build"]).ended(0);
    assert_eq!(project.read("dist/site/index.html"), right);
}

#[test]
fn no_ghost_is_left_of_a_page_that_went() {
    let project = Project::new().file("site/old/page.md", "# Old").file("site/assets/a.css", "p{}");
    project.qdn(&["build"]).ended(0);
    project.remove("site/old/page.md");
    project.remove("site/assets/a.css");
    project.write("site/new.md", "# New");
    project.qdn(&["build"]).ended(0);
    assert!(!project.exists("dist/site/old") && !project.exists("dist/site/assets") && project.exists("dist/site/new/index.html"));
}

#[test]
fn a_file_may_become_a_folder_and_back() {
    let project = Project::new().file("site/static/x", "file");
    project.qdn(&["build"]).ended(0);
    project.remove("site/static/x");
    project.write("site/x.md", "# X");
    project.qdn(&["build"]).ended(0);
    assert!(project.exists("dist/site/x/index.html"));
    project.remove("site/x.md");
    project.write("site/static/x", "file");
    project.qdn(&["build"]).ended(0);
    assert_eq!(project.read("dist/site/x"), "file");
    // It stands in the way of many.
    project.remove("site/static/x");
    for name in 0..60 {
        project.write(&format!("site/static/x/{name}.txt"), "inside");
    }
    project.qdn(&["build"]).ended(0);
    assert_eq!(project.tree("dist/site/x").len(), 60);
}

#[test]
fn a_failed_build_touches_nothing() {
    let project = Project::new();
    project.qdn(&["build"]).ended(0);
    let before = project.tree("dist");
    project.write("site/bad.md", "---\ntitel: x\n---\n");
    project.qdn(&["build"]).ended(1);
    assert_eq!(project.tree("dist"), before);
}

#[test]
fn a_folder_of_somebody_else_is_not_emptied() {
    let project = Project::new().file("precious/thesis.txt", "ten years");
    let run = project.qdn(&["build", "--out", "precious"]).ended(2);
    assert!(run.stderr.contains("was not made by qdn"), "{}", run.stderr);
    assert_eq!(project.read("precious/thesis.txt"), "ten years");
}

/// Web apps, bundlers and extensions have a `manifest.json` too.
#[test]
fn a_manifest_of_something_else_is_none_of_ours() {
    let project = Project::new().file("public/manifest.json", r#"{"name": "PWA", "version": "1.0"}"#).file("public/photo.jpg", "x");
    let run = project.qdn(&["build", "--out", "public"]).ended(2);
    assert!(run.stderr.contains("`manifest.json` of something else"), "{}", run.stderr);
    assert_eq!(project.tree("public").len(), 2);
    project.write("dist/manifest.json", r#"{"src/main.ts": {"file": "assets/main.js"}}"#);
    project.write("dist/assets/main.js", "x");
    project.qdn(&["build"]).ended(2);
    assert_eq!(project.read("dist/assets/main.js"), "x");
}

#[test]
fn nothing_is_built_among_the_sources() {
    let project = Project::new().file("site/static/logo.svg", "<svg/>");
    for out in ["site/static", "site/new/deeper", "templates", "./site/../site"] {
        let run = project.qdn(&["build", "--out", out]).ended(2);
        assert!(run.stderr.contains("among the sources"), "{}", run.stderr);
    }
    assert_eq!(project.tree("site").len(), 2);
}

#[cfg(unix)]
#[test]
fn a_link_in_the_place_of_a_folder_is_written_through() {
    let project = Project::new();
    project.qdn(&["build"]).ended(0);
    fs::rename(project.path().join("dist/site"), project.path().join("root")).expect("moved");
    std::os::unix::fs::symlink("../root", project.path().join("dist/site")).expect("linked");
    project.write("site/more.md", "# More\n");
    for _ in 0..2 {
        project.qdn(&["build"]).ended(0);
        assert!(project.exists("dist/site/more/index.html") || project.exists("dist/site/more.html"));
        assert!(fs::symlink_metadata(project.path().join("dist/site")).expect("it is there").is_symlink());
    }
}

#[test]
fn a_broken_link_is_shown_where_it_is_written() {
    let text =
        "---\ntitle: Home\n---\n[a](/caf\u{e9}-nope/)\n\n<a href=/bare/>x</a>\n\n<a href='/single/'>y</a>\n\n[q](/q?a=1&b=2)\n";
    let project = Project::new().file("site/index.md", text);
    let places = project.qdn(&["check", "--json"]).places();
    let lines: Vec<&str> = places.iter().filter_map(|place| place.strip_prefix("broken-link site/index.md:")).collect();
    let lines: Vec<&str> = lines.iter().filter_map(|place| place.split(':').next()).collect();
    assert_eq!(lines, ["4", "6", "8", "10"], "{places:?}");
}

/// Another folder, another order of making the files, another time zone and locale: the same bytes.
#[test]
fn the_same_sources_make_the_same_bytes() {
    let site = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = ["site", "templates", "functions"]
        .into_iter()
        .flat_map(|folder| {
            tree(&site.join(folder)).into_iter().map(move |(path, bytes)| (format!("{folder}/{}", path.display()), bytes))
        })
        .collect();
    files.push(("qdn.toml".to_owned(), fs::read(site.join("qdn.toml")).expect("qdn.toml")));
    let (one, two) = (Project::empty(), Project::empty());
    for (path, bytes) in &files {
        one.write(path, bytes);
    }
    for (path, bytes) in files.iter().rev() {
        two.write(path, bytes);
    }
    one.qdn(&["build"]).ended(0);
    let output = two
        .command(&["build"])
        .envs([("TZ", "Pacific/Kiritimati"), ("LC_ALL", "tr_TR.UTF-8"), ("LANG", "tr_TR.UTF-8"), ("RAYON_NUM_THREADS", "1")])
        .output()
        .expect("the program starts");
    assert!(output.status.success());
    let (left, right): (BTreeMap<_, _>, BTreeMap<_, _>) =
        (one.tree("dist").into_iter().collect(), two.tree("dist").into_iter().collect());
    assert!(left.len() > 10, "the real site is built");
    assert_eq!(left.keys().collect::<Vec<_>>(), right.keys().collect::<Vec<_>>());
    for (path, bytes) in &left {
        assert!(bytes == &right[path], "{} differs", path.display());
    }
}

#[test]
fn drafts_stay_at_home() {
    let project = Project::new().file("site/soon.md", "---\ntitle: Soon\ndraft: true\n---\n");
    project.qdn(&["build"]).ended(0);
    assert!(!project.exists("dist/site/soon/index.html"));
}

#[test]
fn feeds_sitemap_and_robots_are_for_readers() {
    let project = Project::new()
        .file("qdn.toml", "[site]\nbase_url = \"https://x.test\"\n")
        .file("site/news/index.md", "---\ntitle: News & more\nextra: { feed: true }\n---\n")
        .file("site/news/one.md", "---\ntitle: One\ndate: 2026-01-02\n---\n[home](/)\n")
        .file("site/news/two.md", "---\ntitle: Two\ndate: 2026-03-04\n---\n")
        .file("site/secret.md", "---\ntitle: S\nextra: { noindex: true }\n---\n");
    project.qdn(&["build"]).ended(0);
    let sitemap = project.read("dist/site/sitemap.xml");
    assert!(sitemap.contains("<loc>https://x.test/news/one/</loc><lastmod>2026-01-02</lastmod>") && !sitemap.contains("secret"));
    assert!(project.read("dist/site/robots.txt").contains("Sitemap: https://x.test/sitemap.xml"));
    let feed = project.read("dist/site/news/atom.xml");
    assert!(feed.contains("<title>News &amp; more</title>") && feed.contains("<updated>2026-03-04T00:00:00Z</updated>"), "{feed}");
    assert!(feed.find("Two").expect("two") < feed.find("One").expect("one"), "the newest first");
    assert!(feed.contains("href=&quot;https://x.test/&quot;"), "a reader has no page to resolve a path against: {feed}");
}

#[test]
fn a_feed_can_be_read_anywhere() {
    let project = Project::new()
        .file("qdn.toml", "[site]\nbase_url = \"https://x.test\"\n")
        .file("templates/list.html", "{% for p in pages %}[{{ p.title }}]{% endfor %}")
        .file("site/list.md", "---\ntitle: List\ntemplate: list.html\n---\n")
        .file("site/assets/img/p.svg", "<svg/>")
        .file("site/news/index.md", "---\ntitle: News\nextra: { feed: true }\n---\n")
        .file(
            "site/news/one.md",
            "---\ntitle: One\ndate: \"2026-11-23T01:00:00+02:00\"\n---\n\
             ![x](/assets/img/p.svg) ![y](//cdn.test/y.png) [z](#there)\n\n## There\n\na\u{8}b\n",
        )
        .file("site/news/two.md", "---\ntitle: Two\ndate: 2026-11-23\n---\n");
    project.qdn(&["build"]).ended(0);
    let feed = project.read("dist/site/news/atom.xml");
    let (name, _) = project.tree("dist/site/assets/img").remove(0);
    for expected in [
        &*format!("src=&quot;https://x.test/assets/img/{}&quot;", name.display()),
        "src=&quot;//cdn.test/y.png&quot;",
        "href=&quot;https://x.test/news/one/#there&quot;",
        "<updated>2026-11-23T01:00:00+02:00</updated>",
        "&lt;p&gt;ab&lt;/p&gt;",
    ] {
        assert!(feed.contains(expected), "{expected} in {feed}");
    }
    // One's instant is an hour before Two's, though its text comes behind.
    let (head, _) = feed.split_once("<entry>").expect("an entry");
    assert!(head.contains("<updated>2026-11-23T00:00:00Z</updated>"), "{head}");
    assert!(feed.find(">Two<").expect("two") < feed.find(">One<").expect("one"), "the newest first");
    assert!(project.read("dist/site/list/index.html").contains("[Two][One]"), "in lists too");
    let sitemap = project.read("dist/site/sitemap.xml");
    assert!(sitemap.contains("<lastmod>2026-11-23T01:00:00+02:00</lastmod>"), "{sitemap}");
}

#[test]
fn a_title_is_what_the_heading_says() {
    let project = Project::new()
        .file("templates/page.html", "<title>{{ page.title }}</title>")
        .file("site/a.md", "```sh\n# install it\n```\n\n# Learn *C#* and C# {#top1}\n")
        .file("site/b.html", "<pre>\n# install it\n</pre>\n")
        .file("site/c.md", "---\ntitle: 007\n---\n");
    project.qdn(&["build"]).ended(0);
    for (page, title) in [("a", "Learn C# and C#"), ("b", "b"), ("c", "007")] {
        assert_eq!(project.read(&format!("dist/site/{page}/index.html")), format!("<title>{title}</title>"));
    }
}

#[test]
fn an_address_that_ends_in_md_need_not_be_a_page() {
    let project = Project::new().file("site/static/readme.md", "R").file("site/static/a/notes.md", "N").file(
        "site/a.md",
        "[m](mailto:info@firm.md) <info@firm.md> [h](//firm.md) [f](/readme.md) [n](notes.md#x) [i](/index.md)\n",
    );
    project.qdn(&["build"]).ended(0);
    let html = project.read("dist/site/a/index.html");
    for address in ["mailto:info@firm.md", "//firm.md", "/readme.md", "notes.md#x", "/"] {
        assert!(html.contains(&format!("href=\"{address}\"")), "{address} in {html}");
    }
    project.write("site/a.md", "[f](/raedme.md)\n");
    assert_eq!(project.qdn(&["check", "--json"]).ended(1).places(), ["broken-link site/a.md:1:5"]);
    project.write("site/a.md", "[n](nots.md)\n");
    assert_eq!(project.qdn(&["check", "--json"]).ended(1).places(), ["broken-link site/a.md:1:5"]);
}

#[test]
fn templates_see_what_the_contract_promises() {
    let template = "{% for p in pages %}[{{ p.url }} {{ p.title }}]{% endfor %}|{{ site.name }}|{{ page.extra.color }}|{{ page.date }}|{{ page.description }}\
                    |{% for e in page.toc %}{{ e.level }}{{ e.id }}{% for c in e.children %}>{{ c.title }}{% endfor %}{% endfor %}\
                    |{{ statuses | map(attribute='id') | join(',') }}|{% if page.extra.nothing %}x{% endif %}|{{ site.name_html }}";
    let project = Project::new()
        .file("qdn.toml", "[site]\nname = \"Ours\"\nname_html = \"<&/\"\n")
        .file("templates/page.html", "{{ page.title }}")
        .file("templates/special.html", template)
        .file("site/z.md", "---\ntitle: Z\nweight: -1\ntemplate: special.html\ndate: 2026-01-02\ndescription: d\nextra: { color: red }\n---\n## One\n### Sub\n")
        .file("site/404.md", "# Gone");
    project.qdn(&["build"]).ended(0);
    assert_eq!(
        project.read("dist/site/z/index.html"),
        "[/z/ Z][/ Home]|Ours|red|2026-01-02|d|2one>Sub|submitted,ready_for_pickup,in_progress,completed||&lt;&amp;/"
    );
}

#[test]
fn a_change_in_an_asset_renames_those_that_reach_it() {
    let page = "<link rel=stylesheet href=\"{{ asset(\"css/a.css\") }}\" integrity=\"{{ asset_integrity(\"css/a.css\") }}\">{{ asset(\"css/b.css\") }}";
    let project = Project::new()
        .file("templates/page.html", page)
        .file("site/assets/css/a.css", "p { background: url(../i.svg) }")
        .file("site/assets/css/b.css", "b { color: red }")
        .file("site/assets/i.svg", "<svg/>");
    project.qdn(&["build"]).ended(0);
    let names = |project: &Project| -> Vec<String> {
        project.tree("dist/site/assets").into_iter().map(|(path, _)| path.display().to_string()).collect()
    };
    let before = names(&project);
    project.write("site/assets/i.svg", "<svg> </svg>");
    project.qdn(&["build"]).ended(0);
    let after = names(&project);
    let same: Vec<_> = before.iter().filter(|name| after.contains(name)).collect();
    assert_eq!(same.len(), 1, "the style sheet that reaches nothing keeps its name: {before:?} {after:?}");
    assert!(same[0].starts_with("css/b."));
    assert!(project.read("dist/site/index.html").contains("integrity=\"sha384-"));
}

#[test]
fn an_image_of_a_page_gets_its_real_name() {
    let project = Project::new().file("site/index.md", "![a](/assets/img/a%20b.svg)").file("site/assets/img/a b.svg", "<svg/>");
    project.qdn(&["build"]).ended(0);
    assert!(project.read("dist/site/index.html").contains("src=\"/assets/img/a%20b."), "{}", project.read("dist/site/index.html"));
}

#[test]
fn a_png_loses_bytes_and_no_pixel() {
    // 8 × 8 pixels of one colour, written by a careless program: uncompressed, with a comment.
    let png = careless_png();
    let project = Project::new().file("site/assets/a.png", &png).file("site/index.md", "![a](/assets/a.png)");
    project.qdn(&["build"]).ended(0);
    let (_, smaller) = project.tree("dist/site/assets").remove(0);
    assert!(smaller.starts_with(b"\x89PNG") && smaller.len() < png.len(), "{} bytes of {}", smaller.len(), png.len());
    assert!(project.exists(".qdn/cache/images"), "what was dear is kept");
}

fn careless_png() -> Vec<u8> {
    fn chunk(kind: &[u8], data: &[u8]) -> Vec<u8> {
        let mut crc = u32::MAX;
        for byte in kind.iter().chain(data) {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
            }
        }
        [&u32::try_from(data.len()).expect("small").to_be_bytes(), kind, data, &(!crc).to_be_bytes()].concat()
    }
    let row = [&[0][..], &[200, 30, 30].repeat(8)].concat();
    let pixels = row.repeat(8);
    let length = u16::try_from(pixels.len()).expect("small");
    let (mut a, mut b) = (1u32, 0u32);
    for byte in &pixels {
        a = (a + u32::from(*byte)) % 65521;
        b = (b + a) % 65521;
    }
    let stored =
        [&[0x78, 1, 1][..], &length.to_le_bytes(), &(!length).to_le_bytes(), &pixels, &(b << 16 | a).to_be_bytes()].concat();
    let header = [&8u32.to_be_bytes()[..], &8u32.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header),
        chunk(b"tEXt", b"Comment\0made carelessly"),
        chunk(b"IDAT", &stored),
        chunk(b"IEND", b""),
    ]
    .concat()
}

#[test]
fn code_is_coloured_without_a_script() {
    let project = Project::new().file("templates/page.html", PAGE).file("site/index.md", "```js\nlet a = 'b'; // c\n```\n");
    project.qdn(&["build"]).ended(0);
    let html = project.read("dist/site/index.html");
    assert!(html.contains("<span class=\"hl-s\">'b'</span>") || html.contains("class=\"hl-s\">"), "{html}");
    assert!(!html.contains("<script") && !html.contains("style="));
}

#[test]
fn a_project_is_found_upwards() {
    let project = Project::new().file("site/deep/er/x.md", "# X");
    let output = project.command(&["build"]).current_dir(project.path().join("site/deep/er")).output().expect("it starts");
    assert!(output.status.success());
    assert!(project.exists("dist/manifest.json"));
}

/// Runs `qdn build` where no file may be larger than so many KiB: the system refuses as a full disk does.
fn build_within(project: &Project, kibibytes: u32) -> Run {
    let script = format!("trap '' XFSZ; ulimit -f {kibibytes}; exec \"$0\" build");
    let mut command = Command::new("bash");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_qdn")]).current_dir(project.path()).env("NO_COLOR", "1");
    Run::of(&command.output().expect("bash runs"))
}

#[test]
fn a_disk_that_is_full_leaves_the_old_build_whole() {
    let project = Project::new().file("site/static/large.bin", vec![1; 100_000]).file("site/old.md", "---\ntitle: old\n---\n");
    project.qdn(&["build"]).ended(0);
    let before = project.tree("dist");
    project.write("site/index.md", "---\ntitle: Other\n---\n");
    project.write("site/new/page.md", "---\ntitle: New\n---\n");
    project.write("site/static/large.bin", vec![2; 300_000]);
    project.remove("site/old.md");
    let run = build_within(&project, 200).ended(2);
    assert!(run.stderr.contains("dist/site/large.bin"), "{}", run.stderr);
    assert!(project.tree("dist") == before, "nothing in it is another, and nothing is left over");
    project.qdn(&["build"]).ended(0);
    assert!(project.exists("dist/site/new/page/index.html") && !project.exists("dist/site/old/index.html"));

    // Where there was none, there is none after, and the next one is not taken for somebody else's.
    let project = Project::new().file("site/static/large.bin", vec![1; 300_000]);
    build_within(&project, 200).ended(2);
    assert!(!project.exists("dist/manifest.json"));
    project.qdn(&["build"]).ended(0);
    assert!(project.exists("dist/manifest.json") && !project.exists("dist/.unfinished.qdn"));
}
