use super::*;

/// A map as (line, column, source, line, column), all from 0.
fn decode(map: &str) -> (Vec<String>, Vec<[i64; 5]>) {
    let map: serde_json::Value = serde_json::from_str(map).expect("it is JSON");
    let sources =
        map["sources"].as_array().expect("sources").iter().map(|name| name.as_str().unwrap_or_default().to_owned()).collect();
    let mut found = Vec::new();
    let mut state = [0i64; 4];
    for (line, segments) in (0..).zip(map["mappings"].as_str().expect("mappings").split(';')) {
        state[0] = 0;
        for segment in segments.split(',').filter(|segment| !segment.is_empty()) {
            let mut numbers = Vec::new();
            let (mut value, mut shift) = (0i64, 0);
            for byte in segment.bytes() {
                let digit = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
                    .find(char::from(byte))
                    .expect("a digit") as i64;
                value |= (digit & 31) << shift;
                shift += 5;
                if digit & 32 == 0 {
                    numbers.push(if value & 1 == 1 { -(value >> 1) } else { value >> 1 });
                    (value, shift) = (0, 0);
                }
            }
            assert!(numbers.len() == 1 || numbers.len() == 4, "{numbers:?}");
            for (known, more) in state.iter_mut().zip(&numbers) {
                *known += more;
            }
            match numbers.len() {
                4 => found.push([line, state[0], state[1], state[2], state[3]]),
                _ => found.push([line, state[0], -1, -1, -1]),
            }
        }
    }
    (sources, found)
}

fn original(map: &str, line: i64, column: i64) -> (String, i64, i64) {
    let (sources, found) = decode(map);
    let [_, _, source, line, column] =
        *found.iter().rfind(|[l, c, ..]| (*l, *c) <= (line, column) && *l == line).expect("the place is mapped");
    (usize::try_from(source).map_or("nowhere".to_owned(), |source| sources[source].clone()), line, column)
}

const FILES: Files<'static> = &[
    (
        "f/main.js",
        "import { check } from './lib/check.js';\n\n// a comment\nexport function handler(event) {\n  const a = check(event.request.uri);\n  return a;\n}\n",
    ),
    (
        "f/lib/check.js",
        "const limit = 0;\n/* über 😀 */ export function check(text) {\n  if (text.length > limit) {\n    const ü = '😀'; throw new RangeError(ü + 'too long: ' + text);\n  }\n  return text;\n}\n",
    ),
];

#[test]
fn what_is_thrown_is_found_in_the_module() {
    for (minify, lower) in [(false, false), (true, false), (true, true)] {
        let script = script(FILES, &FunctionOptions { runtime: Runtime::Njs2, lower, minify });
        let code = format!(
            "{}\ntry {{ handler({{ request: {{ uri: '/a' }} }}); }} catch (e) {{ globalThis.out = e.stack; }}",
            script.code.trim_end()
        );
        let out: serde_json::Value = serde_json::from_str(&run(&[], &code)).expect("it is JSON");
        let stack = out["out"].as_str().expect("a stack").to_owned();
        let places: Vec<(i64, i64)> = stack
            .lines()
            .filter_map(|line| line.rsplit_once("start:")?.1.trim_end_matches(')').split_once(':'))
            .map(|(line, column)| (line.parse().expect("a line"), column.parse().expect("a column")))
            .collect();
        let (line, column) = places[0];
        let (source, at, _) = original(&script.map, line - 1, column - 1);
        assert_eq!((source.as_str(), at), ("f/lib/check.js", 3), "{stack}\n{}", script.code);
    }
}

#[test]
fn every_mapped_word_is_the_word_it_was() {
    let script = script(FILES, &options(false));
    let (sources, found) = decode(&script.map);
    let code: Vec<Vec<u16>> = script.code.lines().map(|line| line.encode_utf16().collect()).collect();
    let mut words = 0;
    for [line, column, source, from_line, from_column] in found {
        let Ok(source) = usize::try_from(source) else { continue };
        let text = FILES.iter().find(|(path, _)| *path == sources[source]).expect("a file of ours").1;
        let from: Vec<u16> =
            text.lines().nth(usize::try_from(from_line).expect("a line")).unwrap_or_default().encode_utf16().collect();
        let word = |units: &[u16], at: i64| -> String {
            String::from_utf16_lossy(&units[usize::try_from(at).expect("a column")..])
                .chars()
                .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                .collect()
        };
        let line = usize::try_from(line).expect("a line");
        let (new, old) = (word(code.get(line).map_or(&[], Vec::as_slice), column), word(&from, from_column));
        if !old.is_empty() && !new.is_empty() && !["const", "export", "function"].contains(&old.as_str()) {
            assert_eq!(new, old);
            words += 1;
        }
    }
    assert!(words > 20, "{words}");
}

#[test]
fn a_map_holds_its_texts_and_says_who_is_large() {
    let script = script(FILES, &options(true));
    let map: serde_json::Value = serde_json::from_str(&script.map).expect("it is JSON");
    assert_eq!(map["sources"], serde_json::json!(["f/lib/check.js", "f/main.js"]));
    assert_eq!(map["sourcesContent"][1], FILES[0].1);
    let total: usize = script.sizes.values().sum();
    assert!(
        script.sizes.len() == 2 && total <= script.code.len() && total * 10 > script.code.len() * 9,
        "{:?} of {}",
        script.sizes,
        script.code.len()
    );
}
