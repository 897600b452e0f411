//! What both control sockets hear: one request of bounded length, within a bounded time.

use std::os::unix::net::UnixStream;
use std::time::Duration;

use smol::Async;
use smol::io::AsyncReadExt;

use super::frame::{self, Speech};
use crate::mail::Secret;

/// The content of one frame, which may hold passwords; errs with what was wrong with it.
pub async fn read_request(
    client: &mut Async<UnixStream>,
    speech: Speech,
    most_octets: usize,
) -> Result<Secret, String> {
    let mut header = [0; frame::HEADER_OCTETS];
    client.read_exact(&mut header).await.map_err(|error| error.to_string())?;
    let octets = frame::length(speech, &header, most_octets).ok_or("it sent no request")?;
    let mut content = vec![0; octets];
    let read = client.read_exact(&mut content).await;
    let content = Secret::new(content);
    read.map(|()| content).map_err(|error| error.to_string())
}

/// Errs once that time is over.
pub async fn late<T>(time: Duration) -> Result<T, String> {
    smol::Timer::after(time).await;
    Err("it took too long".into())
}
