//! What can be changed without a deployment: the switches of the route groups.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::tables::NAME;
use crate::{Store, StoreError};

/// The one item: a string set with the names of the groups that are off.
const SWITCHES: &str = "switches";
const DISABLED: &str = "disabled";

impl Store {
    /// The names of the route groups that are switched off.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn find_disabled_groups(&self) -> Result<BTreeSet<String>, StoreError> {
        const OPERATION: &str = "find_disabled_groups";
        let get = self
            .client
            .get_item()
            .table_name(&self.tables.settings)
            .key(NAME, AttributeValue::S(SWITCHES.to_owned()));
        let find = async {
            let found = get.send().await;
            let found = found.map_err(|error| StoreError::new(OPERATION, error))?;
            let groups = found
                .item
                .as_ref()
                .and_then(|item| item.get(DISABLED)?.as_ss().ok());
            Ok(groups.into_iter().flatten().cloned().collect())
        };
        self.in_time(OPERATION, Box::pin(find)).await
    }

    /// Switches a route group off or on.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn put_switch(&self, group: &str, is_enabled: bool) -> Result<(), StoreError> {
        const OPERATION: &str = "put_switch";
        let update = self
            .client
            .update_item()
            .table_name(&self.tables.settings)
            .key(NAME, AttributeValue::S(SWITCHES.to_owned()))
            .update_expression(if is_enabled {
                "DELETE #disabled :group"
            } else {
                "ADD #disabled :group"
            })
            .expression_attribute_names("#disabled", DISABLED)
            .expression_attribute_values(":group", AttributeValue::Ss(vec![group.to_owned()]));
        let put = async {
            let put = update.send().await;
            put.map(|_| ())
                .map_err(|error| StoreError::new(OPERATION, error))
        };
        self.in_time(OPERATION, Box::pin(put)).await
    }
}
