//! What a browser gets.

use crate::harness::{Server, json};

#[tokio::test]
async fn the_page_is_whole_or_says_what_is_missing() {
    let server = Server::start().await;
    let response = server.get("/").await;
    let policy = response.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.contains("default-src 'self'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert_eq!(response.headers()["referrer-policy"], "no-referrer");
    assert_eq!(
        response.headers()["content-type"],
        "text/html; charset=utf-8"
    );
    assert!(
        !response
            .headers()
            .contains_key("access-control-allow-origin")
    );
    let is_whole = response.status() == 200;
    let etag = response.headers().get("etag").cloned();
    let text = response.text().await.unwrap();
    if !is_whole {
        assert!(text.contains("make setup"), "{text}");
        return;
    }
    let again = server
        .client
        .get(server.url("/"))
        .header("if-none-match", etag.unwrap());
    assert_eq!(again.send().await.unwrap().status(), 304);
    for (path, media_type) in [
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
        ("/vendor/bootstrap.min.css", "text/css; charset=utf-8"),
    ] {
        let response = server.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], media_type, "{path}");
        assert_eq!(response.headers()["cache-control"], "no-cache", "{path}");
        assert!(response.headers().contains_key("etag"), "{path}");
    }
    let packed = server
        .client
        .get(server.url("/style.css"))
        .header("accept-encoding", "gzip");
    assert_eq!(
        packed.send().await.unwrap().headers()["content-encoding"],
        "gzip"
    );
}

#[tokio::test]
async fn the_documentation_asks_no_other_host() {
    let server = Server::start().await;
    let response = server.get("/docs").await;
    assert_eq!(response.status(), 200);
    assert!(
        response.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("unsafe-inline")
    );
    let page = response.text().await.unwrap();
    for part in page
        .split(['"', '\''])
        .filter(|part| matches!(part.rsplit_once('.'), Some((_, "js" | "css"))))
    {
        assert!(!part.contains("//"), "{part}");
        let path = format!("/docs/{}", part.trim_start_matches("./"));
        assert_eq!(server.get(&path).await.status(), 200, "{path}");
    }
    let document = json(server.get("/openapi.json").await).await;
    assert!(document["paths"]["/predict"]["post"].is_object());
}

#[tokio::test]
async fn the_model_is_described_for_people() {
    let server = Server::start().await;
    let model = json(server.get("/model").await).await;
    assert_eq!(model["name"], "fish-classifier");
    assert_eq!(model["version"], "1");
    assert_eq!(model["digest"].as_str().unwrap().len(), 64);
    assert_eq!(model["demonstration"], "not trained on photographs");
    assert_eq!(model["classes"][1]["ru"], "Щука");
    assert_eq!(model["evaluation"]["test"]["accuracy"], 1.0);
    assert_eq!(model["lineage"]["n_photographs"], 12);
    assert_eq!(model["lineage"]["counts"]["train"]["esox_lucius"], 2);
    assert_eq!(
        model["engine"]["execution_provider"],
        "CPUExecutionProvider"
    );
    assert_eq!(model["engine"]["precision"], "f32");
    assert_eq!(model["preprocessing"]["width"], 8);
    assert_eq!(
        model["extras"],
        serde_json::json!(["embedding", "activation"])
    );
}

#[tokio::test]
async fn the_metrics_come_in_the_format_asked_for() {
    let server = Server::start().await;
    assert_eq!(server.get("/health").await.status(), 200);
    let response = server.get("/metrics").await;
    assert!(
        response.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );
    assert!(
        response
            .text()
            .await
            .unwrap()
            .contains("# TYPE fishid_http_requests_total counter")
    );
    let open = server
        .client
        .get(server.url("/metrics"))
        .header("accept", "application/openmetrics-text");
    let text = open.send().await.unwrap().text().await.unwrap();
    assert!(text.ends_with("# EOF\n"), "{text}");
    assert!(
        text.contains("route=\"/metrics\",method=\"GET\",code=\"200\"} 1"),
        "{text}"
    );
}
