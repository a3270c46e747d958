//! What runs beside the gateway: it goes on with open privacy jobs, and writes down what was refused. On AWS, a stream
//! and a schedule start a function of its own for the jobs; here a clock does.

use std::pin::pin;
use std::time::Duration;

use shoptrail_edge::App;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// How long a new job waits at most for the worker to be idle. Asking costs one query of an empty index.
const EVERY: Duration = Duration::from_secs(1);
/// Rounds between two times that refusals are written down.
const FLUSH_ROUNDS: u32 = 2;
/// The pause after something failed: trying it at once again would only do the same.
const PAUSE: Duration = Duration::from_secs(5);
/// What a step that is being taken may still need once the worker is told to stop. What is cut off is found again at
/// the next start.
const STOP_PATIENCE: Duration = Duration::from_secs(3);

/// The running worker.
#[derive(Debug)]
pub struct Worker {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Worker {
    /// Starts it; what an earlier process left undone is its first work.
    #[must_use]
    pub fn start(app: App) -> Self {
        let (stop, stopping) = oneshot::channel();
        let task = tokio::spawn(run(app, stopping));
        Self { stop, task }
    }

    /// Lets it end what it is doing, for some seconds, and waits for that. The gateway in front must have ended before.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        if self.task.await.is_err() {
            tracing::warn!("the worker ended before it was told to");
        }
    }
}

async fn run(app: App, mut stopping: oneshot::Receiver<()>) {
    let mut rounds = interval(EVERY);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut health = Health::default();
    let mut number: u32 = 0;
    loop {
        tokio::select! {
            biased;
            _ = &mut stopping => break,
            _ = rounds.tick() => {}
        }
        number = number.wrapping_add(1);
        let mut round = pin!(take_round(
            &app,
            health,
            number.is_multiple_of(FLUSH_ROUNDS)
        ));
        tokio::select! {
            after = &mut round => health = after,
            _ = &mut stopping => {
                // A job that is cut off here is as one whose process died: its lease runs out.
                let _ = tokio::time::timeout(STOP_PATIENCE, round).await;
                break;
            }
        }
        if health != Health::Well {
            rounds.reset_after(PAUSE);
        }
    }
    app.flush_refusals().await;
}

/// How the last round went. What fails again and again is told once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Health {
    #[default]
    Well,
    /// A job could not be worked on.
    JobFails,
    /// The database could not be asked.
    DatabaseIsAway,
}

async fn take_round(app: &App, before: Health, is_flush_due: bool) -> Health {
    let health = match privacy::worker::work_off(app).await {
        Ok(done) => {
            if done > 0 {
                tracing::info!(done, "privacy jobs are done");
            }
            Health::Well
        }
        Err(error) => {
            if before == Health::Well {
                tracing::warn!(cause = %error, "privacy jobs wait");
            }
            if error.is_unavailable() {
                Health::DatabaseIsAway
            } else {
                Health::JobFails
            }
        }
    };
    // A database that is away would say no more than that, and every time.
    if is_flush_due && health != Health::DatabaseIsAway {
        app.flush_refusals().await;
    }
    health
}

#[cfg(test)]
mod tests {
    use shoptrail_edge::config::{Config, Deployment};
    use shoptrail_storage::Store;
    use tokio::time::Instant;

    use super::*;
    use crate::tables::local_store_config;

    fn app(endpoint_url: &str) -> App {
        let pepper = |name: &str| (name == "HASH_PEPPER").then(|| "a-pepper-for-tests".to_owned());
        let config = Config::from_env(pepper, Deployment::Local).unwrap();
        App::new(
            config,
            Store::connect(&local_store_config(endpoint_url, "")),
        )
    }

    #[tokio::test]
    async fn without_its_database_it_pauses_and_stops_when_it_is_told_to() {
        // Port 9 takes no connection.
        let app = app("http://127.0.0.1:9");
        let health = take_round(&app, Health::Well, true).await;
        assert_eq!(health, Health::DatabaseIsAway);

        let worker = Worker::start(app);
        tokio::time::sleep(Duration::from_millis(100)).await;
        let started = Instant::now();
        worker.stop().await;
        assert!(started.elapsed() < STOP_PATIENCE + Duration::from_secs(1));
    }
}
