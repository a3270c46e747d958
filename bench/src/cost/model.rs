//! A server that speaks as a model's does, so that a decision of a model can be measured without one.

use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::capacity::message;
use crate::failure::{BenchResult, io};

/// Speaks as a model's server does, and always advises the same.
pub(super) struct ModelServer {
    /// `http://127.0.0.1:PORT`.
    pub(super) url: String,
    answering: JoinHandle<()>,
}

impl ModelServer {
    pub(super) async fn start() -> BenchResult<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .map_err(io("a free port"))?;
        let own = listener.local_addr().map_err(io("a free port"))?;
        let answering = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    use tokio::io::AsyncWriteExt as _;
                    while message(&mut stream).await.is_ok() {
                        let body = completion();
                        let answer = format!(
                            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                            body.len()
                        );
                        // Who asked has gone away.
                        if stream.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Ok(Self {
            url: format!("http://{own}"),
            answering,
        })
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.answering.abort();
    }
}

fn completion() -> String {
    let advice = json!({
        "reason": "Two items in the cart, idle for a minute, no checkout.", "trigger": "cart_idle",
        "category": "reminder", "show_popup": true,
        "message": "Your cart is still here. Any questions before you check out?", "confidence": 0.8, "delay_ms": 2_000,
    });
    let message = json!({ "role": "assistant", "content": advice.to_string() });
    json!({ "choices": [{ "index": 0, "finish_reason": "stop", "message": message }] }).to_string()
}
