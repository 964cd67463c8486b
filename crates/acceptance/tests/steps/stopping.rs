//! Those who come, or are not done, while the server stops.

use std::{
    io::ErrorKind,
    ops::ControlFlow::{Break, Continue},
};

use cucumber::{then, when};
use metricd_acceptance::{World, process};
use tokio::net::TcpStream;

use super::{
    Step,
    slow_readers::{address, head},
};

/// More is announced than is sent.
#[when(expr = "a client begins to upload records of the metric {string} and goes no further")]
async fn begin_upload(world: &mut World, id: String) -> Step {
    let path = format!("/metrics/{id}/metric-records");
    let more = "Content-Type: text/csv\r\nContent-Length: 100000\r\n";
    let head = head(world, "POST", &path, more).await?;
    let address = address(world)?;
    Ok(world.unread.ask(&address, &format!("{head}alert_type\n"), false).await?)
}

#[then(expr = "the upload is answered {int}")]
async fn upload_is_answered(world: &mut World, status: u16) -> Step {
    let answer = world.unread.read().await?;
    ensure!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "it is {answer}");
    Ok(())
}

#[then("metricd takes no more connections")]
async fn takes_no_more(world: &mut World) -> Step {
    let address = address(world)?;
    let is_refused = process::poll_until(async || {
        Ok(match TcpStream::connect(&address).await {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Break(()),
            Err(error) => Continue(format!("it is not refused: {error}")),
            Ok(_) => Continue("it takes one".to_owned()),
        })
    });
    Ok(is_refused.await?)
}
