//! `switches`: groups of routes, switched off and on while everything runs.

use clap::Subcommand;
use shoptrail_edge::routes::{Group, NotAGroup};
use shoptrail_local::command_line::say;
use shoptrail_storage::{Store, StoreError};
use thiserror::Error;

const GROUPS_HELP: &str = "\
Groups:
  cart-tracking   what storefronts send of carts
  session-ingest  what storefronts send of browsing
  ask-ai          popup decisions
  read            what is read with a key
  privacy         erasure and Shopify's compliance webhooks
Health and documents are never off. A switch takes effect within some seconds; while a group is off, its routes \
answer 503 with Retry-After.";

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum SwitchesCommand {
    /// Show which groups are on and which are off
    #[command(after_help = GROUPS_HELP)]
    List,
    /// Switch a group off: its routes answer 503
    #[command(after_help = GROUPS_HELP)]
    Off {
        /// The group of routes
        #[arg(value_parser = parse_group)]
        group: Group,
    },
    /// Switch a group on again
    #[command(after_help = GROUPS_HELP)]
    On {
        /// The group of routes
        #[arg(value_parser = parse_group)]
        group: Group,
    },
}

fn parse_group(text: &str) -> Result<Group, NotAGroup> {
    text.parse()
}

/// Why a command on switches came to nothing.
#[derive(Debug, Error)]
pub(crate) enum SwitchesError {
    #[error("the switches cannot be read")]
    Read(#[source] StoreError),
    #[error("the switch cannot be changed")]
    Change(#[source] StoreError),
}

pub(crate) async fn run(command: SwitchesCommand, store: &Store) -> Result<(), SwitchesError> {
    let (group, is_enabled) = match command {
        SwitchesCommand::List => {
            let disabled = store.find_disabled_groups().await;
            let disabled = disabled.map_err(SwitchesError::Read)?;
            let table = Group::ALL.map(|group| {
                let state = match disabled.contains(group.as_str()) {
                    true => "off",
                    false => "on",
                };
                format!("{:16}{state}\n", group.as_str())
            });
            say(&table.concat());
            return Ok(());
        }
        SwitchesCommand::Off { group } => (group, false),
        SwitchesCommand::On { group } => (group, true),
    };
    let changed = store.put_switch(group.as_str(), is_enabled).await;
    changed.map_err(SwitchesError::Change)?;
    say(&if is_enabled {
        format!("{group} is switched on: its routes answer again within some seconds.\n")
    } else {
        format!(
            "{group} is switched off: its routes answer 503 within some seconds. \
             `shoptrail-admin switches on {group}` ends it.\n"
        )
    });
    Ok(())
}
