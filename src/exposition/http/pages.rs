//! The pages: the answer to each path.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE,
};
use hyper::{Method, Request, Response, StatusCode};

use super::access::{Access, Addressed};
use super::page::page;
use crate::Pool;
use crate::exposition::{ALERT_RULES, GRAFANA_DASHBOARD, MetricsFormat};

pub(super) type Answer = Response<Full<Bytes>>;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json; charset=utf-8";
const PATHS: &str = "/ /metrics /stats.json /healthz /readyz /alerts.yml /grafana.json";

/// Returns the answer to a request; `pool` is `None` when it is gone.
pub(super) fn answer<B>(request: &Request<B>, access: &Access, pool: Option<&Pool>) -> Answer {
    let answer = match access.addressed(request) {
        Addressed::Badly(why) => text(StatusCode::BAD_REQUEST, why),
        Addressed::Elsewhere => text(
            StatusCode::FORBIDDEN,
            "this address is served to this machine: ask for localhost or 127.0.0.1\n",
        ),
        Addressed::Here if !matches!(*request.method(), Method::GET | Method::HEAD) => {
            with(text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n"), ALLOW, "GET, HEAD")
        }
        Addressed::Here => of_path(request.uri().path(), request.headers(), access, pool),
    };
    hardened(answer)
}

fn of_path(path: &str, headers: &HeaderMap, access: &Access, pool: Option<&Pool>) -> Answer {
    match path {
        "/" => with(body(StatusCode::OK, "text/html; charset=utf-8", &*page().html), POLICY, &page().policy),
        "/healthz" => probe(pool, |health| health.is_live()),
        "/readyz" => probe(pool, |health| health.is_ready()),
        "/metrics" | "/stats.json" | "/alerts.yml" | "/grafana.json" if !access.admits(headers) => with(
            text(StatusCode::UNAUTHORIZED, "a token is needed: Authorization: Bearer <token>\n"),
            WWW_AUTHENTICATE,
            "Bearer realm=\"holdfast\"",
        ),
        "/alerts.yml" => body(StatusCode::OK, "application/yaml; charset=utf-8", ALERT_RULES),
        "/grafana.json" => body(StatusCode::OK, JSON, GRAFANA_DASHBOARD),
        "/metrics" | "/stats.json" => match pool {
            None => text(StatusCode::SERVICE_UNAVAILABLE, "the pool is gone\n"),
            Some(pool) if path == "/metrics" => {
                let format = wanted(headers);
                body(StatusCode::OK, format.content_type(), pool.metrics_text_as(format))
            }
            Some(pool) => body(StatusCode::OK, JSON, pool.stats_json()),
        },
        _ => text(StatusCode::NOT_FOUND, format!("nothing here; there are: {PATHS}\n")),
    }
}

/// Returns the format to answer in. Prometheus accepts both and names OpenMetrics first.
fn wanted(headers: &HeaderMap) -> MetricsFormat {
    let accepts = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accepts.contains("application/openmetrics-text") {
        MetricsFormat::OpenMetrics
    } else {
        MetricsFormat::Prometheus
    }
}

/// Returns one word that any client may see. Reasons contain host names, and are for clients that may see metrics.
fn probe(pool: Option<&Pool>, is_well: impl Fn(&crate::Health) -> bool) -> Answer {
    match pool.map(Pool::health) {
        Some(health) if is_well(&health) => text(StatusCode::OK, format!("{}\n", health.status.name())),
        Some(health) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", health.status.name())),
        None => text(StatusCode::SERVICE_UNAVAILABLE, "gone\n"),
    }
}

fn text(status: StatusCode, words: impl Into<Bytes>) -> Answer {
    body(status, TEXT, words)
}

fn body(status: StatusCode, content_type: &'static str, content: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(content.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

const POLICY: HeaderName = hyper::header::CONTENT_SECURITY_POLICY;

fn with(mut answer: Answer, name: HeaderName, value: &str) -> Answer {
    // All values are made here, of visible ASCII.
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
    answer
}

fn hardened(mut answer: Answer) -> Answer {
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(hyper::header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(hyper::header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if !headers.contains_key(POLICY) {
        headers.insert(POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    }
    answer
}
