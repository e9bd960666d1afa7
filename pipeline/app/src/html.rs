// SPDX-License-Identifier: Apache-2.0
//! What pages of ours have in common.

/// Text that can't be taken for markup, in an element or in an attribute.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// JSON that can stand in a `<script type="application/json">`: nothing in it can end the element.
pub fn embeddable(json: &str) -> String {
    json.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_name_is_markup() {
        assert_eq!(
            escape("<img src=x onerror='a(\"b\")'>&"),
            "&lt;img src=x onerror=&#39;a(&quot;b&quot;)&#39;&gt;&amp;"
        );
    }

    #[test]
    fn nothing_of_data_ends_a_script() {
        let data = serde_json::json!({ "text": "</script><script>alert(1)</script><!--" });
        let embedded = embeddable(&data.to_string());
        assert!(!embedded.contains('<'));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&embedded).unwrap(), data);
    }
}
