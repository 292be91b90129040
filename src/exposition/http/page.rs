//! The dashboard: one page, assembled once, with a policy that lets nothing else run in it.

use std::sync::OnceLock;

use openssl::base64::encode_block;
use openssl::sha::sha256;

const HTML: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

pub(super) struct Page {
    pub(super) html: String,
    /// The `Content-Security-Policy`: its own style and script by their hashes, its own metrics, and nothing else.
    pub(super) policy: String,
}

pub(super) fn page() -> &'static Page {
    static PAGE: OnceLock<Page> = OnceLock::new();
    PAGE.get_or_init(|| {
        let hash = |text: &str| format!("'sha256-{}'", encode_block(&sha256(text.as_bytes())));
        Page {
            html: HTML.replace("/*style*/", STYLE).replace("/*script*/", SCRIPT),
            policy: format!(
                "default-src 'none'; style-src {}; script-src {}; connect-src 'self'; img-src data:; base-uri 'none'; \
                 form-action 'none'; frame-ancestors 'none'",
                hash(STYLE),
                hash(SCRIPT)
            ),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_page_comes_from_elsewhere_or_runs_inline() {
        let html = &page().html;
        for trace in ["http://", "https://", "src=", "@import", " onclick", " style=\"", "innerHTML", "eval("]
        {
            let allowed = html.matches(trace).count();
            let namespaces =
                if trace == "http://" { html.matches("http://www.w3.org/2000/svg").count() } else { 0 };
            assert_eq!(allowed, namespaces, "{trace}");
        }
        assert!(html.contains("--bg") && html.contains("function draw"), "style and script are in");
    }
}
