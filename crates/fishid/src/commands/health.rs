//! `fishid health`: one request, for a container's health check.

use std::time::Duration;

use anyhow::Context as _;

use crate::cli::HealthArgs;
use crate::exit::Status;

pub fn run(args: &HealthArgs) -> anyhow::Result<Status> {
    let path = if args.ready { "ready" } else { "health" };
    let url = format!("{}/{path}", args.url.trim_end_matches('/'));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let text = runtime.block_on(async {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .build()?;
        let reply = client
            .get(&url)
            .send()
            .await
            .with_context(|| format!("{url} does not answer; is the server up?"))?;
        let status = reply.status();
        let text = reply
            .text()
            .await
            .with_context(|| format!("{url} broke off"))?;
        anyhow::ensure!(status.is_success(), "{url} answered {status}: {text}");
        Ok(text)
    })?;
    super::print_line(&text)?;
    Ok(Status::Done)
}
