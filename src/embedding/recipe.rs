//! What a model's own sentence-transformers files say about its use: `modules.json`, `1_Pooling/config.json`, further modules,
//! `config_sentence_transformers.json` and `sentence_bert_config.json`, each of them optional; and the settings that override
//! them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Role;
use super::pooling::Pooling;
use crate::error::{Error, Result};

/// Settings in place of what a model's files say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides {
    /// Pooling instead of the model's.
    pub pooling: Option<Pooling>,
    /// False for vectors as they come out of the model; they are brought to norm 1 otherwise, since they are compared by cosine.
    pub normalize: Option<bool>,
    /// Put before each query.
    pub query_prompt: Option<String>,
    /// Put before each text of the corpus.
    pub document_prompt: Option<String>,
    /// Tokens of a text that are read, where it is less than what the model can read.
    pub max_length: Option<usize>,
}

/// A step after pooling.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A linear layer in this folder, then an activation.
    Dense { folder: PathBuf, inputs: usize, outputs: usize, bias: bool, activation: String },
    /// To norm 1.
    Normalize,
}

/// How to use a model.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Folder of `config.json`, weights and tokenizer.
    pub model: PathBuf,
    /// True if the first module is a `StaticEmbedding`.
    pub is_static: bool,
    /// Pooling; several are joined.
    pub pooling: Vec<Pooling>,
    /// False if the prompt's tokens do not count in pooling.
    pub include_prompt: bool,
    /// Steps after pooling, in order.
    pub steps: Vec<Step>,
    /// Norm 1 at the end.
    pub normalize: bool,
    /// Put before each query.
    pub query_prompt: String,
    /// Put before each text of the corpus.
    pub document_prompt: String,
    /// Tokens of a text that are read, special ones counted, as far as the files say.
    pub max_length: Option<usize>,
    /// Texts are put in lower case before anything else.
    pub lower_case: bool,
    /// All files that were read, relative to the folder.
    pub files: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Module {
    #[serde(default)]
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct PoolingFile {
    pooling_mode: Option<serde_json::Value>,
    include_prompt: Option<bool>,
    #[serde(flatten)]
    flags: HashMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct DenseFile {
    in_features: usize,
    out_features: usize,
    #[serde(default = "yes")]
    bias: bool,
    #[serde(default)]
    activation_function: Option<String>,
}

#[derive(Default, Deserialize)]
struct PromptsFile {
    #[serde(default)]
    prompts: Option<HashMap<String, Option<String>>>,
    #[serde(default)]
    default_prompt_name: Option<String>,
}

#[derive(Default, Deserialize)]
struct TransformerFile {
    #[serde(default)]
    max_seq_length: Option<usize>,
    #[serde(default)]
    do_lower_case: Option<bool>,
}

fn yes() -> bool {
    true
}

/// Names under which older libraries kept `sentence_bert_config.json`.
const TRANSFORMER_FILES: [&str; 3] =
    ["sentence_bert_config.json", "sentence_roberta_config.json", "sentence_xlm-roberta_config.json"];

impl Recipe {
    /// Reads the files of `folder` and puts `overrides` over them.
    ///
    /// # Errors
    /// [`Error::Model`] if a file cannot be read, or asks for something that is not supported.
    pub fn read(folder: &Path, overrides: &Overrides) -> Result<Self> {
        let mut recipe = Recipe {
            model: folder.to_owned(),
            is_static: false,
            pooling: Vec::new(),
            include_prompt: true,
            steps: Vec::new(),
            normalize: overrides.normalize.unwrap_or(true),
            query_prompt: String::new(),
            document_prompt: String::new(),
            max_length: None,
            lower_case: false,
            files: Vec::new(),
        };
        let modules: Vec<Module> = recipe.json(folder, "modules.json")?.unwrap_or_default();
        for module in &modules {
            recipe.module(folder, module)?;
        }
        // sentence-transformers pools by the mean where a model says nothing.
        if recipe.pooling.is_empty() {
            recipe.pooling.push(Pooling::Mean);
        }
        for name in TRANSFORMER_FILES {
            let inside = recipe.model.strip_prefix(folder).map(|path| path.join(name)).unwrap_or_else(|_| name.into());
            if let Some(file) = recipe.json::<TransformerFile>(folder, &inside.to_string_lossy())? {
                recipe.max_length = file.max_seq_length;
                recipe.lower_case = file.do_lower_case.unwrap_or(false);
                break;
            }
        }
        let prompts: PromptsFile = recipe.json(folder, "config_sentence_transformers.json")?.unwrap_or_default();
        recipe.query_prompt = prompt(&prompts, &["query"]);
        recipe.document_prompt = prompt(&prompts, &["document", "passage", "corpus"]);

        if let Some(pooling) = overrides.pooling {
            recipe.pooling = vec![pooling];
        }
        if let Some(prompt) = &overrides.query_prompt {
            recipe.query_prompt.clone_from(prompt);
        }
        if let Some(prompt) = &overrides.document_prompt {
            recipe.document_prompt.clone_from(prompt);
        }
        if let Some(length) = overrides.max_length {
            recipe.max_length = Some(length);
        }
        Ok(recipe)
    }

    /// The prompt for texts of this role.
    pub fn prompt(&self, role: Role) -> &str {
        match role {
            Role::Query => &self.query_prompt,
            Role::Document => &self.document_prompt,
        }
    }

    /// The text as the tokenizer is to see it.
    pub fn prepare(&self, text: &str, role: Role) -> String {
        let text = format!("{}{text}", self.prompt(role));
        if self.lower_case { text.to_lowercase() } else { text }
    }

    /// What changes the corpus' vectors besides the model's files: two recipes of different marks give vectors that must not
    /// be compared.
    pub fn mark(&self) -> String {
        let pooling: Vec<&str> = self.pooling.iter().map(|kind| kind.name()).collect();
        format!(
            "{} {} {} {:?} {} {}",
            pooling.join("+"),
            self.include_prompt,
            self.normalize,
            self.max_length,
            self.lower_case,
            self.document_prompt
        )
    }

    fn module(&mut self, folder: &Path, module: &Module) -> Result<()> {
        if Path::new(&module.path)
            .components()
            .any(|part| !matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir))
        {
            return Err(Error::model(folder, format!("modules.json: the path “{}” leads out of the folder", module.path)));
        }
        let inside = if module.path == "." { "" } else { module.path.as_str() };
        let config = Path::new(inside).join("config.json").to_string_lossy().into_owned();
        let missing = || Error::model(folder, format!("{config} is missing, which modules.json names"));
        match module.kind.rsplit('.').next().unwrap_or_default() {
            "Transformer" => self.model = folder.join(inside),
            "StaticEmbedding" => {
                self.model = folder.join(inside);
                self.is_static = true;
            }
            "Pooling" => {
                let file: PoolingFile = self.json(folder, &config)?.ok_or_else(missing)?;
                self.include_prompt = file.include_prompt.unwrap_or(true);
                self.pooling = poolings(&file).map_err(|what| Error::model(folder, format!("{config}: {what}")))?;
            }
            "Dense" => {
                let file: DenseFile = self.json(folder, &config)?.ok_or_else(missing)?;
                self.steps.push(Step::Dense {
                    folder: folder.join(inside),
                    inputs: file.in_features,
                    outputs: file.out_features,
                    bias: file.bias,
                    activation: file.activation_function.unwrap_or_else(|| "torch.nn.modules.activation.Tanh".to_owned()),
                });
            }
            "Normalize" => self.steps.push(Step::Normalize),
            // Dropout does nothing outside training.
            "Dropout" => {}
            other => {
                let what = format!(
                    "modules.json asks for a `{other}` module; supported are Transformer, StaticEmbedding, Pooling, Dense, Normalize"
                );
                return Err(Error::model(folder, what));
            }
        }
        Ok(())
    }

    fn json<T: DeserializeOwned>(&mut self, folder: &Path, name: &str) -> Result<Option<T>> {
        let value = read_json(folder, name)?;
        if value.is_some() {
            self.files.push(name.into());
        }
        Ok(value)
    }
}

/// Reads the JSON file `name` of `folder`; `None` if there is no such file.
pub(super) fn read_json<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<Option<T>> {
    let path = folder.join(name);
    match std::fs::read(&path) {
        // Some editors put a byte order mark before the text.
        Ok(bytes) => serde_json::from_slice(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes))
            .map(Some)
            .map_err(|error| Error::model(folder, format!("{name} cannot be read: {error}"))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path, error)),
    }
}

fn prompt(file: &PromptsFile, names: &[&str]) -> String {
    let Some(prompts) = &file.prompts else { return String::new() };
    let default = file.default_prompt_name.as_deref();
    names.iter().copied().chain(default).find_map(|name| prompts.get(name).cloned().flatten()).unwrap_or_default()
}

fn poolings(file: &PoolingFile) -> std::result::Result<Vec<Pooling>, String> {
    let parse = |name: &str| {
        Pooling::parse(name).ok_or_else(|| {
            let known: Vec<&str> = Pooling::ALL.iter().map(|(_, name, _)| *name).collect();
            format!("pooling “{name}” is not supported; supported are {}", known.join(", "))
        })
    };
    let kinds: Vec<Pooling> = match &file.pooling_mode {
        Some(serde_json::Value::String(name)) => vec![parse(name)?],
        Some(serde_json::Value::Array(names)) => {
            names.iter().map(|name| parse(name.as_str().unwrap_or_default())).collect::<std::result::Result<_, _>>()?
        }
        _ => {
            let set = |flag: &str| file.flags.get(flag).and_then(serde_json::Value::as_bool) == Some(true);
            Pooling::ALL.iter().filter(|(_, _, flag)| set(flag)).map(|(kind, ..)| *kind).collect()
        }
    };
    if kinds.is_empty() { Err("names no pooling".to_owned()) } else { Ok(kinds) }
}
