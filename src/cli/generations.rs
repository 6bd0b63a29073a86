//! `yingda generations` and `yingda rollback`.

use super::{EXIT_OK, Format, output};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::generation::DataFolder;

/// Lists the generations that are kept, oldest first; the current one is marked.
pub fn list(config: &Config, format: Format) -> Result<u8> {
    let data = DataFolder::new(&config.data.path);
    let (ids, current) = (data.list()?, data.current()?);
    match format {
        Format::Json => output::json(&serde_json::json!({ "current": current, "generations": ids }))?,
        Format::Text => {
            for id in &ids {
                let mark = if Some(id) == current.as_ref() { "* " } else { "  " };
                output::text(&format!("{mark}{id}"));
            }
        }
    }
    Ok(EXIT_OK)
}

/// Publishes an earlier generation again.
pub fn rollback(config: &Config, id: Option<&str>, format: Format) -> Result<u8> {
    let data = DataFolder::new(&config.data.path);
    let lock = data.lock()?;
    let (ids, current) = (data.list()?, data.current()?);
    let target = match id {
        Some(id) if ids.iter().any(|known| known == id) => id.to_owned(),
        Some(id) => return Err(Error::NotFound(format!("there is no generation “{id}”; kept are {}", ids.join(", ")))),
        None => {
            let position = ids.iter().position(|known| Some(known) == current.as_ref());
            let before = position.and_then(|at| at.checked_sub(1));
            before
                .map(|at| ids[at].clone())
                .ok_or_else(|| Error::NotFound("there is no generation before the current one".into()))?
        }
    };
    data.set_current(&target, &lock)?;
    match format {
        Format::Text => output::text(&format!("published {target} again")),
        Format::Json => output::json(&serde_json::json!({ "id": target }))?,
    }
    Ok(EXIT_OK)
}
