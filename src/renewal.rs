//! Takes up a renewed certificate without a restart: on SIGHUP, and by a look at the files now and then.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::background::Background;
use crate::config::{Tls, TlsFiles};
use crate::model::fault::Fault;
use crate::tls::{Door, Identity};

/// The door of `[server.tls]`, whose certificate is renewed from now on; `None` where it is unset.
///
/// # Errors
/// A fault where the library offers no version of TLS or the signal cannot be listened to.
pub(crate) fn open_door(tls: Option<&Tls>, background: &Background) -> Result<Option<Door>, Fault> {
    let Some(tls) = tls else {
        return Ok(None);
    };
    let door = Door::open(&tls.identity, tls.handshake_max)?;
    start(tls, &door, background)?;
    Ok(Some(door))
}

/// Watches the files of `[server.tls]` until the background ends. From its return on, SIGHUP does
/// no longer end the process.
///
/// # Errors
/// A fault where the signal cannot be listened to.
fn start(tls: &Tls, door: &Door, background: &Background) -> Result<(), Fault> {
    let hangup = signal(SignalKind::hangup()).map_err(Fault::internal)?;
    let watch = Watch {
        files: tls.files.clone(),
        shown: tls.identity.clone(),
        door: door.clone(),
        complaint: None,
    };
    let watching = watch.run(hangup, tls.reload_interval);
    let stop = background.stop.clone();
    let watching = async move {
        stop.run_until_cancelled_owned(watching).await;
    };
    background.spawn_vital("certificate renewal", watching);
    Ok(())
}

struct Watch {
    files: TlsFiles,
    shown: Identity,
    door: Door,
    /// What was last wrong with the files, so that it is said once and not at every look.
    complaint: Option<String>,
}

impl Watch {
    async fn run(mut self, mut hangup: Signal, interval: Duration) {
        loop {
            tokio::select! {
                () = sleep(interval) => {}
                // After the end of signals, the looks at the files go on.
                Some(()) = hangup.recv() => self.complaint = None,
            }
            self.look().await;
        }
    }

    async fn look(&mut self) {
        let files = self.files.clone();
        let Ok(read) = spawn_blocking(move || files.read()).await else {
            return;
        };
        match read {
            Ok(identity) if identity.shows_the_same_as(&self.shown) => self.complaint = None,
            Ok(identity) => {
                self.door.show(&identity);
                self.shown = identity;
                self.complaint = None;
                let path = self.files.certificate.display();
                tracing::info!(%path, "a renewed certificate is in force");
            }
            Err(unfit) => {
                let complaint = unfit.to_string();
                if self.complaint.as_ref() != Some(&complaint) {
                    tracing::warn!("{complaint}; the certificate in force stays");
                }
                self.complaint = Some(complaint);
            }
        }
    }
}
