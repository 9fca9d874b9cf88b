//! The canonical text of a JSON value.

use serde_json::{Map, Number, Value};

use super::{Json, float};

/// Returns the canonical text, or nothing if the value nests too deeply.
pub(super) fn canonical(value: &Value) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    put_value(&mut out, value, Json::DEPTH_MAX)?;
    Some(out)
}

fn put_value(out: &mut Vec<u8>, value: &Value, depth_left: usize) -> Option<()> {
    match value {
        Value::Null => out.extend(b"null"),
        Value::Bool(true) => out.extend(b"true"),
        Value::Bool(false) => out.extend(b"false"),
        Value::Number(number) => put_number(out, number),
        Value::String(text) => put_string(out, text),
        Value::Array(items) => put_array(out, items, depth_left.checked_sub(1)?)?,
        Value::Object(object) => put_object(out, object, depth_left.checked_sub(1)?)?,
    }
    Some(())
}

fn put_array(out: &mut Vec<u8>, items: &[Value], depth_left: usize) -> Option<()> {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        put_value(out, item, depth_left)?;
    }
    out.push(b']');
    Some(())
}

fn put_object(out: &mut Vec<u8>, object: &Map<String, Value>, depth_left: usize) -> Option<()> {
    // Whether a map keeps its keys in order is a feature that any crate of a build may switch.
    let mut members: Vec<_> = object.iter().collect();
    members.sort_unstable_by_key(|(key, _)| *key);
    out.push(b'{');
    for (index, (key, value)) in members.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        put_string(out, key);
        out.push(b':');
        put_value(out, value, depth_left)?;
    }
    out.push(b'}');
    Some(())
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("text is written to memory without failure");
}

fn put_number(out: &mut Vec<u8>, number: &Number) {
    let text = match (number.as_u64(), number.as_i64(), number.as_f64()) {
        (Some(integer), _, _) => integer.to_string(),
        (_, Some(integer), _) => integer.to_string(),
        (_, _, Some(float)) => float::canonical(float),
        (None, None, None) => number.to_string(),
    };
    out.extend(text.as_bytes());
}
