//! What a stage stands on after each of its steps.

use std::io;
use std::sync::{Arc, OnceLock};

use crate::cache::{Parent, base_content, stack_content};
use crate::image::{ChainId, DiffId};
use crate::rootfs::RootFs;

use super::layer::Layer;

/// A stack of layers, the keys that lead to it, and the root filesystem they make, put together when first asked for.
#[derive(Debug)]
pub(super) struct State {
    below: Option<Arc<State>>,
    layer: Option<Layer>,
    /// The state by history.
    pub(super) key: Parent,
    root: OnceLock<RootFs>,
    content: OnceLock<String>,
}

impl State {
    /// The empty root filesystem.
    pub(super) fn scratch() -> Arc<Self> {
        let state =
            Self { below: None, layer: None, key: Parent::Scratch, root: OnceLock::new(), content: OnceLock::new() };
        state.root.get_or_init(RootFs::empty);
        state.content.get_or_init(String::new);
        Arc::new(state)
    }

    /// The layers of a base image.
    pub(super) fn base(layers: Vec<Layer>, diff_ids: &[DiffId]) -> Arc<Self> {
        let Some(chain) = ChainId::of(diff_ids) else { return Self::scratch() };
        let mut state = Self::scratch();
        for layer in layers {
            state = Self::on(&state, layer, Parent::Base(chain.0));
        }
        state.content.get_or_init(|| base_content(diff_ids));
        state
    }

    /// One more layer.
    pub(super) fn on(below: &Arc<Self>, layer: Layer, key: Parent) -> Arc<Self> {
        Arc::new(Self {
            below: Some(Arc::clone(below)),
            layer: Some(layer),
            key,
            root: OnceLock::new(),
            content: OnceLock::new(),
        })
    }

    /// One more layer, whose effect on the root filesystem is known already.
    pub(super) fn with_root(below: &Arc<Self>, layer: Layer, key: Parent, root: RootFs) -> Arc<Self> {
        let state = Self::on(below, layer, key);
        state.root.get_or_init(|| root);
        state
    }

    /// The topmost layer.
    pub(super) fn own_layer(&self) -> Option<Layer> {
        self.layer.clone()
    }

    /// Whether there is no layer at all.
    pub(super) fn is_scratch(&self) -> bool {
        self.layer.is_none()
    }

    /// The root filesystem, where somebody has asked for it before.
    pub(super) fn known_root(&self) -> Option<&RootFs> {
        self.root.get()
    }

    /// The root filesystem: the layers from the nearest known one upwards.
    pub(super) fn root(&self) -> io::Result<&RootFs> {
        if let Some(root) = self.root.get() {
            return Ok(root);
        }
        let mut above = vec![self];
        while let Some(below) = above.last().and_then(|state| state.below.as_deref()) {
            above.push(below);
            if below.root.get().is_some() {
                break;
            }
        }
        let mut root = above.pop().and_then(|state| state.root.get()).cloned().unwrap_or_default();
        while let Some(state) = above.pop() {
            if let Some(layer) = &state.layer {
                let broken = |path| io::Error::other(format!("a layer links to {path}, which is not there"));
                root.apply(&*layer.changes()?).map_err(broken)?;
            }
        }
        Ok(self.root.get_or_init(|| root))
    }

    /// The state by what is in it (early cutoff): waits until its layers are packed.
    pub(super) fn content(&self) -> io::Result<String> {
        let mut layers = Vec::new();
        let mut at = Some(self);
        let mut content = String::new();
        while let Some(state) = at {
            if let Some(known) = state.content.get() {
                content.clone_from(known);
                break;
            }
            layers.extend(state.layer.as_ref());
            at = state.below.as_deref();
        }
        for layer in layers.into_iter().rev() {
            content = stack_content(&content, &layer.record()?.content);
        }
        Ok(self.content.get_or_init(|| content).clone())
    }

    /// The layers, base first.
    pub(super) fn layers(&self) -> Vec<Layer> {
        let mut layers = Vec::new();
        let mut at = Some(self);
        while let Some(state) = at {
            layers.extend(state.layer.clone());
            at = state.below.as_deref();
        }
        layers.reverse();
        layers
    }
}
