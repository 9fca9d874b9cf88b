//! Merging JSON by its structure.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::{Conflict, merge};

pub(super) fn by_structure(
    ancestor: Option<&Value>,
    ours: Option<&Value>,
    theirs: Option<&Value>,
) -> Result<Option<Value>, Conflict> {
    merge_at(&mut Vec::new(), ancestor, ours, theirs)
}

/// Merges the values at one place: the keys that lead to it.
fn merge_at<'a>(
    place: &mut Vec<&'a str>,
    ancestor: Option<&'a Value>,
    ours: Option<&'a Value>,
    theirs: Option<&'a Value>,
) -> Result<Option<Value>, Conflict> {
    let conflict = match merge::whole(ancestor, ours, theirs) {
        Ok(merged) => return Ok(merged),
        Err(conflict) => conflict,
    };
    match (ancestor, ours, theirs) {
        (None, Some(Value::Object(ours)), Some(Value::Object(theirs))) => {
            merge_objects(place, None, ours, theirs).map(Some)
        }
        (Some(Value::Object(before)), Some(Value::Object(ours)), Some(Value::Object(theirs))) => {
            merge_objects(place, Some(before), ours, theirs).map(Some)
        }
        _ if place.is_empty() => Err(conflict),
        _ => Err(conflict.at(pointer(place))),
    }
}

fn merge_objects<'a>(
    place: &mut Vec<&'a str>,
    ancestor: Option<&'a Map<String, Value>>,
    ours: &'a Map<String, Value>,
    theirs: &'a Map<String, Value>,
) -> Result<Value, Conflict> {
    // What only the ancestor has was deleted by both.
    let keys: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let mut merged = Map::new();
    for key in keys {
        place.push(key);
        let before = ancestor.and_then(|ancestor| ancestor.get(key));
        let value = merge_at(place, before, ours.get(key), theirs.get(key))?;
        place.pop();
        merged.extend(value.map(|value| (key.clone(), value)));
    }
    Ok(Value::Object(merged))
}

/// Returns the JSON pointer to a place.
fn pointer(place: &[&str]) -> String {
    let mut pointer = String::new();
    for key in place {
        pointer.push('/');
        pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
    }
    pointer
}
