//! What a merchant reads.

use super::sessions::{LARGE, SESSION};
use super::tracking::CUSTOMERS;
use super::{Asked, STORE};

/// The days of the clock.
const DAYS: &str = "startDate=2026-11-20&endDate=2026-11-22";

impl Asked {
    pub(super) async fn reading(&self) {
        let (email, id) = CUSTOMERS[0];
        let filters = [
            String::new(),
            format!("storeName={STORE}&"),
            format!("storeName={STORE}&sessionId={SESSION}&"),
            format!("storeName={STORE}&customerEmail={email}&"),
            format!("storeName={STORE}&customerId={id}&"),
            format!("storeName={STORE}&productId=9&"),
            format!("storeName={STORE}&variantId=9&actionType=add_to_cart&"),
        ];
        for filter in &filters {
            for path in ["events", "all", "export"] {
                self.read(&format!("/api/cart-tracking/{path}?{filter}{DAYS}"))
                    .await;
            }
        }
        for format in ["csv", "xlsx", "ndjson"] {
            self.read(&format!(
                "/cart-tracking/export?storeName={STORE}&{DAYS}&format={format}"
            ))
            .await;
        }
        self.read(&format!("/api/cart-tracking/customer/{id}/store/{STORE}"))
            .await;
        self.read(&format!(
            "/api/cart-tracking/analytics?storeName={STORE}&{DAYS}"
        ))
        .await;
        self.read(&format!("/api/cart-tracking/refusals?storeName={STORE}"))
            .await;
        for whose in [
            format!("sessionId={SESSION}"),
            format!("sessionId={LARGE}"),
            format!("customerId={id}"),
            format!("customerEmail={email}"),
        ] {
            self.read(&format!(
                "/api/cart-tracking/journey?storeName={STORE}&{whose}"
            ))
            .await;
        }
        for filter in [
            String::new(),
            format!("storeName={STORE}&"),
            format!("storeName={STORE}&user={id}&"),
            format!("storeName={STORE}&user={email}&"),
            format!("storeName={STORE}&status=completed&"),
        ] {
            self.read(&format!("/api/image-generations/all?{filter}{DAYS}"))
                .await;
        }
        assert_eq!(self.get("/api/cart-tracking/events?limit=0").await, 400);
    }

    async fn read(&self, path: &str) {
        assert_eq!(self.get(path).await, 200, "{path}");
    }
}
