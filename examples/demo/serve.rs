//! `--serve`: everything stays up, with a few ways to make things happen, until Ctrl-C.

use std::sync::Arc;

use anypoint_sandbox::aws::Sink;

use crate::acts::{destination, tell_only};
use crate::backend::SECRET;
use crate::control::Control;
use crate::screen::{Screen, Tone};
use crate::stage::Stage;
use crate::telling::Channel;
use crate::watch::Watch;

/// Keeps everything up and shows what happens.
pub(crate) async fn serve(stage: Arc<Stage>, screen: Screen) -> anyhow::Result<()> {
    let control = Control::bind(Arc::clone(&stage.backend)).await?;
    let destination = destination(&stage);
    tell_only(&stage, &Sink::Destination(destination.clone()));
    print_hints(&stage, screen, &control)?;
    let mut watch = Watch::new(&stage, screen, vec![Channel::EventBridge(destination)]);
    tokio::select! {
        served = control.serve() => served?,
        () = watch.forever() => anyhow::bail!("the relay ended"),
        pressed = tokio::signal::ctrl_c() => pressed?,
    }
    Ok(())
}

fn print_hints(stage: &Stage, screen: Screen, control: &Control) -> anyhow::Result<()> {
    let (hooks, admin, key) = (&stage.hooks, &stage.admin, stage.trigger_key_file());
    screen.chapter("Serving", "until Ctrl-C; what happens is shown below");
    screen.pair("hooks", Tone::Plain, &format!("{hooks}/hooks/eventbridge, /hooks/sns, /hooks/trigger"));
    screen.pair("page", Tone::Plain, &format!("{admin}/"));
    screen.pair("status", Tone::Plain, &format!("curl -s {admin}/status"));
    screen.pair("metrics", Tone::Plain, &format!("curl -s {admin}/metrics"));
    screen.gap();
    control.print(screen)?;
    screen.gap();
    screen.line(Tone::Faint, "  the signed trigger, with openssl and curl:");
    for line in format!(
        r#"TRIGGER_KEY="$(cat {key})"; RELAY_URL={hooks}
body='{{"secret":"{SECRET}","reason":"by hand"}}'; id="msg_$(openssl rand -hex 12)"; now="$(date +%s)"
signature="$(printf '%s' "$id.$now.$body" | openssl dgst -sha256 -hmac "$TRIGGER_KEY" -binary | openssl base64 -A)"
curl -s "$RELAY_URL/hooks/trigger?wait=30s" -H "webhook-id: $id" -H "webhook-timestamp: $now" \
  -H "webhook-signature: v1,$signature" -H 'content-type: application/json' --data "$body""#
    )
    .lines()
    {
        screen.line(Tone::Plain, &format!("  {line}"));
    }
    screen.gap();
    Ok(())
}
