//! In which order the edge's engine goes through the names of an object.
//!
//! Up to ten stay in the order in which they came. From the eleventh on they are dealt out by four bits of their hashes, and once more
//! wherever there are still too many: `njs_lvlhsh.c`, measured in njs 0.7.9, and the same in the sources of 0.4.3 and of 2023-05.

/// How many stay in their order.
const BUCKET: usize = 10;

/// Whether an object of a JSON text has so many names that they do not stay in their order.
pub(super) fn are_dealt(json: &str) -> bool {
    let (mut counts, mut in_text, mut is_escaped) = (Vec::new(), false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' => counts.push(0),
            b'}' => {
                counts.pop();
            }
            b':' => {
                if let Some(count) = counts.last_mut() {
                    *count += 1;
                    if *count > BUCKET {
                        return true;
                    }
                }
            }
            _ => {}
        }
    }
    false
}

/// Entries in the order of the edge, which came in the order that they are in.
pub(super) fn kept<T>(entries: Vec<T>, name: impl Fn(&T) -> &str + Copy) -> Vec<T> {
    dealt(entries, name, 0)
}

fn dealt<T>(entries: Vec<T>, name: impl Fn(&T) -> &str + Copy, bits: u32) -> Vec<T> {
    if entries.len() <= BUCKET || bits > u32::BITS - 8 {
        return entries;
    }
    let mut slots: Vec<Vec<T>> = (0..16).map(|_| Vec::new()).collect();
    for entry in entries {
        let slot = hash(name(&entry)) >> bits & 15;
        slots[slot as usize].push(entry);
    }
    slots.into_iter().flat_map(|entries| dealt(entries, name, bits + 4)).collect()
}

fn hash(name: &str) -> u32 {
    name.bytes().fold(5381, |hash: u32, byte| hash.wrapping_mul(33) ^ u32::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_names_stay_and_eleven_do_not() {
        let names: Vec<String> = ('a'..='k').map(|letter| format!("k{letter}")).collect();
        assert_eq!(kept(names[..10].to_vec(), |name| name), names[..10]);
        let order = kept(names.clone(), |name| name).join(",");
        assert_eq!(order, "kj,kk,kh,ki,kf,kg,kd,ke,kb,kc,ka", "as njs 0.7.9 has it");
        let again: Vec<&str> = order.split(',').collect();
        assert_eq!(kept(again.clone(), |name| name), again, "once is enough");
    }

    #[test]
    fn the_names_of_one_object_are_counted() {
        let object = |count: usize| format!("{{{}}}", vec![r#""a:\":":{"b":1}"#; count].join(","));
        assert!(!are_dealt(&object(10)));
        assert!(are_dealt(&format!("[1,{}]", object(11))));
        assert!(!are_dealt("}:::::::::::::"));
    }
}
